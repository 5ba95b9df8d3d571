"""Visual spatial planning as Gymnasium environments: the picture, and the same state in words.

Importing the package registers `VSP/FrozenLake-v0`, `VSP/Maze-v0` and `VSP/MiniBehaviour-v0`.
"""

from __future__ import annotations

from vsp_gym.core import Action, Cell, Plan, Task, Transition, Violation
from vsp_gym.envs import TASKS, get_task, register
from vsp_gym.envs.base import PlanningTask
from vsp_gym.envs.env import PlanningEnv
from vsp_gym.envs.frozen_lake import FrozenLakeLayout
from vsp_gym.envs.maze import MazeLayout
from vsp_gym.envs.mini_behaviour import MiniBehaviourLayout
from vsp_gym.envs.vector import VectorPlanningEnv
from vsp_gym.errors import FormatError, LayoutError, UnknownNameError, VSPGymError
from vsp_gym.planning import (
    Solution,
    TransitionTable,
    count_shortest_plans,
    distances,
    optimal_actions,
    shortest_plan,
    solve,
    tabulate,
)
from vsp_gym.plans import ParsedPlan
from vsp_gym.render import THEMES, Theme, get_theme, render_ansi, render_batch, render_rgb
from vsp_gym.text import describe, parse_description

__version__ = "0.1.0"

__all__ = [
    "TASKS",
    "Action",
    "Cell",
    "FormatError",
    "FrozenLakeLayout",
    "LayoutError",
    "MazeLayout",
    "MiniBehaviourLayout",
    "ParsedPlan",
    "Plan",
    "PlanningTask",
    "Solution",
    "Task",
    "Transition",
    "TransitionTable",
    "UnknownNameError",
    "VSPGymError",
    "Violation",
    "count_shortest_plans",
    "describe",
    "distances",
    "get_task",
    "optimal_actions",
    "parse_description",
    "register",
    "shortest_plan",
    "solve",
    "tabulate",
]
