"""Random lakes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vsp_gym.core import Cell
from vsp_gym.envs.base import Generator
from vsp_gym.envs.frozen_lake.form import FrozenLakeForm
from vsp_gym.envs.frozen_lake.rules import FrozenLakeLayout, FrozenLakeRules
from vsp_gym.errors import VSPGymError

LISTED_CELLS = 9
"""Lakes of up to this many cells are listed: there are 2 to that power."""


@dataclass(frozen=True)
class FrozenLakeGenerator(Generator[FrozenLakeLayout, Cell]):
    """Holes are independent, the goal is uniform over the ice, the start over ice that reaches it.

    Raises:
        VSPGymError: if `hole_probability` is no number between 0 and 1 (1 excluded).
    """

    hole_probability: float = 0.2
    """Chance of each cell to be a hole (Gymnasium's `generate_random_map` has 0.2 as well)."""

    rules = FrozenLakeRules()
    form = FrozenLakeForm()

    def __post_init__(self) -> None:
        chance = self.hole_probability
        if isinstance(chance, bool) or not isinstance(chance, (int, float)) or not 0 <= chance < 1:
            raise VSPGymError(f"hole_probability must be a number from 0 to less than 1, not {chance!r:.80}")

    def ground(self, rng: np.random.Generator, size: int) -> bytes:
        return (rng.random(size * size) < self.hole_probability).tobytes()

    def state(self, cell: Cell) -> Cell:
        return cell

    def grounds(self, size: int) -> Iterator[bytes] | None:
        if size * size > LISTED_CELLS:
            return None
        certain = not self.hole_probability
        return (
            bytes(holes >> cell & 1 for cell in range(size * size))
            for holes in range(1 if certain else 1 << size * size)
        )

    def weight(self, ground: bytes) -> float:
        holes = ground.count(1)
        return math.pow(self.hole_probability, holes) * math.pow(
            1 - self.hole_probability, len(ground) - holes
        )

    def count_boards(self, size: int) -> tuple[int, str] | None:
        if self.hole_probability:
            return None
        cells = size * size
        return cells * (cells - 1), "a lake without holes has a start and a goal"

    def straight_length(self, layout: FrozenLakeLayout) -> int:
        return abs(layout.start[0] - layout.goal[0]) + abs(layout.start[1] - layout.goal[1])
