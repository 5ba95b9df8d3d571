"""Shared by all tests: one thread, a tiny model, and boards."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pytest
import torch

from vsp_gym.envs import get_task
from vsp_gym.render import render_png
from vsp_gym_trl.data import CELL, Board
from vsp_gym_trl.tiny import build_tiny

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def micro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the smallest model."""
    path = tmp_path_factory.mktemp("models") / "micro"
    build_tiny(path, "micro")
    return path


@pytest.fixture(scope="session")
def make_boards() -> Callable[..., list[Board]]:
    """Boards of a task: `make_boards(count, task="frozen_lake", sizes=(3, 4), seed=0)`."""

    def make(
        count: int, task: str = "frozen_lake", sizes: tuple[int, ...] = (3, 4), seed: int = 0
    ) -> list[Board]:
        rules = get_task(task)
        boards = []
        for index in range(count):
            size = sizes[index % len(sizes)]
            solution = rules.generator.draw(np.random.default_rng([seed, index]), size)
            plan = solution.plan()
            assert plan
            image = render_png(rules, solution.layout, size=CELL * size)
            boards.append(Board(rules, solution.layout, plan, "classic", image))
        return boards

    return make
