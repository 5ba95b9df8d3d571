"""The MiniBehaviour task: its rules are in `rules`, all other parts are derived from them."""

from vsp_gym.envs.base import PlanningTask
from vsp_gym.envs.mini_behaviour.generator import MiniBehaviourGenerator
from vsp_gym.envs.mini_behaviour.questions import MiniBehaviourQuestions
from vsp_gym.envs.mini_behaviour.rules import MiniBehaviourLayout, MiniBehaviourRules, MiniBehaviourState
from vsp_gym.envs.mini_behaviour.statement import MiniBehaviourStatement
from vsp_gym.envs.mini_behaviour.text import MiniBehaviourText
from vsp_gym.envs.mini_behaviour.views import MiniBehaviourPicture

__all__ = ["MiniBehaviour", "MiniBehaviourGenerator", "MiniBehaviourLayout"]


class MiniBehaviour(MiniBehaviourRules, PlanningTask[MiniBehaviourLayout, MiniBehaviourState]):
    """The whole task."""

    generator = MiniBehaviourGenerator()
    text = MiniBehaviourText()
    picture = MiniBehaviourPicture()
    questions = MiniBehaviourQuestions()
    statement = MiniBehaviourStatement()
