"""Boards that the drawing tests share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vsp_gym import TASKS, FrozenLakeLayout, MazeLayout, MiniBehaviourLayout
from vsp_gym.planning import solve


@pytest.fixture(params=sorted(TASKS))
def task(request: pytest.FixtureRequest) -> Any:
    return TASKS[request.param]


@pytest.fixture
def board(task: Any) -> Any:
    """A board of the task's smallest side."""
    return task.generator.sample(np.random.default_rng(5), task.min_size)


@pytest.fixture
def states(task: Any, board: Any) -> list[Any]:
    """Every state that the board can reach."""
    return list(solve(task, board).states)


@pytest.fixture
def lake() -> FrozenLakeLayout:
    return FrozenLakeLayout.from_rows(["SFFF", "FHFH", "FFFH", "HFFG"])


@pytest.fixture
def wide_maze() -> MazeLayout:
    """Two cells side by side: 1 row, 2 columns."""
    return MazeLayout([[7, 11]], (0, 0), (0, 1))


@pytest.fixture
def room() -> MiniBehaviourLayout:
    return MiniBehaviourLayout(5, 5, (0, 0), (0, 2), (3, 1))
