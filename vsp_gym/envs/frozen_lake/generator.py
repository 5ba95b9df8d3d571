"""Random lakes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vsp_gym.core import Cell
from vsp_gym.envs.base import Generator
from vsp_gym.envs.frozen_lake.rules import FrozenLakeLayout, FrozenLakeRules
from vsp_gym.planning import Solution


@dataclass(frozen=True)
class FrozenLakeGenerator(Generator[FrozenLakeLayout, Cell]):
    """Holes are independent, the goal is uniform over the board, the start over reachable ice."""

    hole_probability: float = 0.2
    """Chance of each cell to be a hole (Gymnasium's `generate_random_map` has 0.2 as well)."""

    def candidate(self, rng: np.random.Generator, size: int) -> Solution[FrozenLakeLayout, Cell] | None:
        cells = [Cell(row, col) for row in range(size) for col in range(size)]
        draws = rng.random(len(cells) + 1)
        goal = cells[int(draws[-1] * len(cells))]
        is_hole = (draws < self.hole_probability).tolist()
        ice = [cell for cell, hole in zip(cells, is_hole) if not hole and cell != goal]
        if not ice:
            return None
        holes = frozenset(cell for cell, hole in zip(cells, is_hole) if hole and cell != goal)
        return Solution(FrozenLakeRules(), FrozenLakeLayout(size, size, ice[0], goal, holes), ice)

    def starts(self, solution: Solution[FrozenLakeLayout, Cell]) -> list[Cell]:
        return [cell for cell in solution.states if cell != solution.layout.goal]

    def with_start(self, layout: FrozenLakeLayout, start: Cell) -> FrozenLakeLayout:
        return replace(layout, start=start)
