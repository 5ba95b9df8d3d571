"""MiniBehaviour in words."""

from __future__ import annotations

from vsp_gym.envs.base import TextView
from vsp_gym.envs.mini_behaviour.rules import MiniBehaviourLayout, MiniBehaviourState


class MiniBehaviourText(TextView[MiniBehaviourLayout, MiniBehaviourState]):
    """Placeholder until written."""
