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
from vsp_gym.envs.wrappers import OneShotPlanning, Slippery, TextActions
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
from vsp_gym.plans import ParsedPlan, format_plan, parse_plan
from vsp_gym.render import THEMES, Theme, get_theme, render_ansi, render_batch, render_png, render_rgb
from vsp_gym.scoring import (
    CONVENTIONS,
    Convention,
    PlanScore,
    get_convention,
    rollout,
    score_plan,
    score_reply,
)
from vsp_gym.text import describe, parse_description

__version__ = "0.1.0"

__all__ = [
    "CONVENTIONS",
    "TASKS",
    "THEMES",
    "Action",
    "Cell",
    "Convention",
    "FormatError",
    "FrozenLakeLayout",
    "LayoutError",
    "MazeLayout",
    "MiniBehaviourLayout",
    "OneShotPlanning",
    "ParsedPlan",
    "Plan",
    "PlanScore",
    "PlanningEnv",
    "PlanningTask",
    "Slippery",
    "Solution",
    "Task",
    "TextActions",
    "Theme",
    "Transition",
    "TransitionTable",
    "UnknownNameError",
    "VSPGymError",
    "VectorPlanningEnv",
    "Violation",
    "count_shortest_plans",
    "describe",
    "distances",
    "format_plan",
    "get_convention",
    "get_task",
    "get_theme",
    "optimal_actions",
    "parse_description",
    "parse_plan",
    "register",
    "render_ansi",
    "render_batch",
    "render_png",
    "render_rgb",
    "rollout",
    "score_plan",
    "score_reply",
    "shortest_plan",
    "solve",
    "tabulate",
]
