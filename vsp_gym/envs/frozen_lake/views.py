"""FrozenLake in pictures and numbers."""

from __future__ import annotations

from vsp_gym.core import Cell
from vsp_gym.envs.base import PictureView
from vsp_gym.envs.frozen_lake.rules import FrozenLakeLayout


class FrozenLakePicture(PictureView[FrozenLakeLayout, Cell]):
    """Placeholder until written."""
