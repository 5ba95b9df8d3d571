"""The Maze task: its rules are in `rules`, all other parts are derived from them."""

from vsp_gym.envs.base import PlanningTask
from vsp_gym.envs.maze.generator import MazeGenerator
from vsp_gym.envs.maze.rules import MazeRules


class Maze(MazeRules, PlanningTask):
    """The whole task."""

    generator = MazeGenerator()
