"""The Maze task: its rules are in `rules`, all other parts are derived from them."""

from vsp_gym.core import Cell
from vsp_gym.envs.base import PlanningTask
from vsp_gym.envs.maze.generator import MazeGenerator
from vsp_gym.envs.maze.questions import MazeQuestions
from vsp_gym.envs.maze.rules import MazeLayout, MazeRules
from vsp_gym.envs.maze.statement import MazeStatement
from vsp_gym.envs.maze.text import MazeText
from vsp_gym.envs.maze.views import MazePicture

__all__ = ["Maze", "MazeGenerator", "MazeLayout"]


class Maze(MazeRules, PlanningTask[MazeLayout, Cell]):
    """The whole task."""

    generator = MazeGenerator()
    text = MazeText()
    picture = MazePicture()
    questions = MazeQuestions()
    statement = MazeStatement()
