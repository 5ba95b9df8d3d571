"""Visual spatial planning as Gymnasium environments: the picture, and the same state in words."""

from __future__ import annotations

from vsp_gym.core import Action, Cell, Plan, Task, Transition, Violation
from vsp_gym.envs import TASKS, get_task
from vsp_gym.envs.frozen_lake import FrozenLakeLayout
from vsp_gym.envs.maze import MazeLayout
from vsp_gym.envs.mini_behaviour import MiniBehaviourLayout
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

__version__ = "0.1.0"
