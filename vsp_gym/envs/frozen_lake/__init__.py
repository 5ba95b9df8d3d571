"""The FrozenLake task: its rules are in `rules`, all other parts are derived from them."""

from vsp_gym.core import Cell
from vsp_gym.envs.base import PlanningTask
from vsp_gym.envs.frozen_lake.generator import FrozenLakeGenerator
from vsp_gym.envs.frozen_lake.questions import FrozenLakeQuestions
from vsp_gym.envs.frozen_lake.rules import FrozenLakeLayout, FrozenLakeRules
from vsp_gym.envs.frozen_lake.statement import FrozenLakeStatement
from vsp_gym.envs.frozen_lake.text import FrozenLakeText
from vsp_gym.envs.frozen_lake.views import FrozenLakePicture

__all__ = ["FrozenLake", "FrozenLakeGenerator", "FrozenLakeLayout"]


class FrozenLake(FrozenLakeRules, PlanningTask[FrozenLakeLayout, Cell]):
    """The whole task."""

    generator = FrozenLakeGenerator()
    text = FrozenLakeText()
    picture = FrozenLakePicture()
    questions = FrozenLakeQuestions()
    statement = FrozenLakeStatement()
