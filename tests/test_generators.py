"""Random boards: reproducible on every machine, solvable, of the size and difficulty asked for."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pytest

from vsp_gym import TASKS, Solution, UnknownNameError, VSPGymError
from vsp_gym.envs.base import DIFFICULTIES
from vsp_gym.envs.frozen_lake import FrozenLakeGenerator
from vsp_gym.envs.maze import MazeGenerator

GOLDEN = {
    ("frozen_lake", 3): "76e83042418b36f3",
    ("frozen_lake", 8): "97b94f6b63f8f64f",
    ("frozen_lake", 64): "6e92843b3a918ba5",
    ("maze", 3): "47e8e32b82882b44",
    ("maze", 6): "7b0fdcf1eb90c433",
    ("maze", 64): "c313c356c135cfdb",
    ("mini_behaviour", 5): "78c36d078f133a64",
    ("mini_behaviour", 6): "2a5edf59a6961ae5",
    ("mini_behaviour", 32): "118e5530cf0e8a0e",
}
"""The first 16 digits of the SHA-256 of 5 boards. A change here changes everybody's data: it needs a new
version of the environments."""


def boards(name: str, size: int, difficulty: Any = None, count: int = 5) -> list[Any]:
    generator = TASKS[name].generator
    return [generator.sample(np.random.default_rng([7, size, i]), size, difficulty) for i in range(count)]


@pytest.mark.parametrize(("name", "size"), GOLDEN)
def test_golden_boards(name: str, size: int) -> None:
    data = json.dumps([board.to_dict() for board in boards(name, size)])
    assert hashlib.sha256(data.encode()).hexdigest()[:16] == GOLDEN[name, size]


def test_a_golden_board_in_full() -> None:
    assert boards("frozen_lake", 4)[0].to_rows() == ["GFSF", "FFHF", "FHFF", "FHFF"]


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("difficulty", [None, *DIFFICULTIES])
def test_boards_are_solvable_and_of_the_difficulty(name: str, difficulty: Any) -> None:
    task = TASKS[name]
    for size in sorted({task.min_size + 1, *task.paper_sizes[1:]}):
        shortest, longest = task.generator.length_range(size, difficulty)
        for number in range(6):
            solution = task.generator.draw(np.random.default_rng([number]), size, difficulty)
            distance = solution.distance()
            assert distance is not None
            assert shortest <= distance <= longest
            assert difficulty in (None, task.generator.difficulty(size, distance))
            assert (solution.layout.rows, solution.layout.cols) == (size, size)
            assert solution.start == task.initial(solution.layout)
            fresh = Solution(task, solution.layout)
            assert (fresh.distance(), fresh.plan(), fresh.count()) == (
                distance,
                solution.plan(),
                solution.count(),
            )


@pytest.mark.parametrize("name", TASKS)
def test_every_length_is_in_one_bucket(name: str) -> None:
    generator = TASKS[name].generator
    for size in range(TASKS[name].min_size, 20):
        for length in range(1, 60):
            bucket = generator.difficulty(size, length)
            ranges = {d: generator.length_range(size, d) for d in DIFFICULTIES}
            assert [d for d, (low, high) in ranges.items() if low <= length <= high] == [bucket]


def test_published_thresholds() -> None:
    assert TASKS["maze"].generator.thresholds(6) == (3, 6)
    assert TASKS["maze"].generator.thresholds(3) == (1, 3)
    assert TASKS["mini_behaviour"].generator.thresholds(5) == (4, 6)


@pytest.mark.parametrize("name", TASKS)
def test_boards_differ_and_starts_are_everywhere(name: str) -> None:
    drawn = boards(name, 6, count=60)
    assert len(set(drawn)) > 55
    assert len({board.start for board in drawn}) > 20


class OnlyRandom:
    """A random generator that has nothing but `random`, whose stream NumPy promises to keep."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng([seed]).random


@pytest.mark.parametrize("name", TASKS)
def test_every_random_number_comes_from_random(name: str) -> None:
    rng: Any = OnlyRandom(3)
    assert TASKS[name].generator.sample(rng, 6) == TASKS[name].generator.sample(np.random.default_rng([3]), 6)


def test_mazes_are_perfect() -> None:
    """One route between any two cells: a tree has one opening less than cells."""
    for maze in boards("maze", 7):
        openings = sum(len(maze.open_moves((row, col))) for row in range(7) for col in range(7))
        assert openings == 2 * (7 * 7 - 1)
        assert len(Solution(TASKS["maze"], maze).states) <= 49


def test_share_of_holes() -> None:
    lakes = boards("frozen_lake", 16, count=20)
    share = sum(len(lake.holes) for lake in lakes) / (20 * 256)
    assert 0.15 < share < 0.25


class Demanding(MazeGenerator):
    """No maze is long enough to be hard."""

    max_tries = 20

    def thresholds(self, size: int) -> tuple[int, int]:
        return 1000, 2000


def test_impossible_wishes_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(VSPGymError, match="no board of size 4 with difficulty 'hard' in 20 tries"):
        Demanding().sample(rng, 4, "hard")
    with pytest.raises(UnknownNameError, match="Did you mean 'hard'"):
        TASKS["maze"].generator.sample(rng, 4, "herd")  # type: ignore[arg-type]
    with pytest.raises(VSPGymError, match="hole_probability must be a number from 0 to less than 1"):
        FrozenLakeGenerator(hole_probability=1.0)
