"""The FrozenLake task: its rules are in `rules`, all other parts are derived from them."""

from vsp_gym.envs.base import PlanningTask
from vsp_gym.envs.frozen_lake.generator import FrozenLakeGenerator
from vsp_gym.envs.frozen_lake.rules import FrozenLakeRules


class FrozenLake(FrozenLakeRules, PlanningTask):
    """The whole task."""

    generator = FrozenLakeGenerator()
