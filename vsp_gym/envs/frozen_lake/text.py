"""FrozenLake in words."""

from __future__ import annotations

from vsp_gym.envs.base import TextView
from vsp_gym.core import Cell
from vsp_gym.envs.frozen_lake.rules import FrozenLakeLayout


class FrozenLakeText(TextView[FrozenLakeLayout, Cell]):
    """Placeholder until written."""
