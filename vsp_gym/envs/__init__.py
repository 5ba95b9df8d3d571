"""The tasks of the suite. `TASKS` is the only list of tasks in the code base."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from vsp_gym.envs.base import PlanningTask
from vsp_gym.envs.frozen_lake import FrozenLake
from vsp_gym.envs.maze import Maze
from vsp_gym.envs.mini_behaviour import MiniBehaviour
from vsp_gym.errors import UnknownNameError

TASKS: dict[str, PlanningTask[Any, Any]] = {
    task.name: task for task in (FrozenLake(), Maze(), MiniBehaviour())
}
"""Every task by its name."""


def get_task(task: str | PlanningTask[Any, Any]) -> PlanningTask[Any, Any]:
    """The task of that name or environment id; case, `-` and `_` do not matter.

    >>> get_task("frozen-lake") is get_task("FrozenLake") is get_task("VSP/FrozenLake-v0")
    True

    Raises:
        UnknownNameError: for any other name.
    """
    if isinstance(task, PlanningTask):
        return task
    if isinstance(task, str):
        wanted = _squash(task)
        for name, candidate in TASKS.items():
            if wanted in (_squash(name), _squash(candidate.env_id)):
                return candidate
    raise UnknownNameError("task", task, TASKS)


def register(task: PlanningTask[Any, Any]) -> None:
    """Make a task known: `get_task(task.name)` and `gymnasium.make(task.env_id)` find it.

    A task already registered under the name is replaced.
    """
    TASKS[task.name] = task
    if task.env_id not in gym.registry:
        gym.register(
            id=task.env_id,
            entry_point="vsp_gym.envs.env:PlanningEnv",
            vector_entry_point="vsp_gym.envs.vector:VectorPlanningEnv",
            kwargs={"task": task.name},
        )


for _task in tuple(TASKS.values()):
    register(_task)


def _squash(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
