"""MiniBehaviour in pictures and numbers."""

from __future__ import annotations

from vsp_gym.envs.base import PictureView
from vsp_gym.envs.mini_behaviour.rules import MiniBehaviourLayout, MiniBehaviourState


class MiniBehaviourPicture(PictureView[MiniBehaviourLayout, MiniBehaviourState]):
    """Placeholder until written."""
