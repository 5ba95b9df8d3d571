"""Random rooms."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vsp_gym.core import Cell
from vsp_gym.envs.base import Generator
from vsp_gym.envs.mini_behaviour.rules import (
    TABLE_COLS,
    TABLE_ROWS,
    MiniBehaviourLayout,
    MiniBehaviourRules,
    MiniBehaviourState,
)
from vsp_gym.planning import Solution


@dataclass(frozen=True)
class MiniBehaviourGenerator(Generator[MiniBehaviourLayout, MiniBehaviourState]):
    """The table is uniform over the places where it fits, the printer over the cells it leaves free."""

    def thresholds(self, size: int) -> tuple[int, int]:
        """MGSD's rule: up to `size - 1` actions are easy, up to `size + 1` medium."""
        return size - 1, size + 1

    def candidate(
        self, rng: np.random.Generator, size: int
    ) -> Solution[MiniBehaviourLayout, MiniBehaviourState]:
        row, col, printer = rng.random(3).tolist()
        table = Cell(int(row * (size - TABLE_ROWS + 1)), int(col * (size - TABLE_COLS + 1)))
        free = [
            Cell(r, c)
            for r in range(size)
            for c in range(size)
            if not (table.row <= r < table.row + TABLE_ROWS and table.col <= c < table.col + TABLE_COLS)
        ]
        printer = free.pop(int(printer * len(free)))
        layout = MiniBehaviourLayout(size, size, free[0], printer, table)
        return Solution(MiniBehaviourRules(), layout, [MiniBehaviourState(cell) for cell in free])

    def starts(self, solution: Solution[MiniBehaviourLayout, MiniBehaviourState]) -> list[MiniBehaviourState]:
        return [state for state in solution.states if not (state.carrying or state.delivered)]

    def with_start(self, layout: MiniBehaviourLayout, start: MiniBehaviourState) -> MiniBehaviourLayout:
        return replace(layout, start=start.agent)
