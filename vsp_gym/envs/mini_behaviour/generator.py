"""Random rooms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vsp_gym.core import DELTAS, Cell
from vsp_gym.envs.base import Generator
from vsp_gym.envs.mini_behaviour.form import MiniBehaviourForm, ground_of
from vsp_gym.envs.mini_behaviour.rules import (
    TABLE_COLS,
    TABLE_ROWS,
    MiniBehaviourLayout,
    MiniBehaviourRules,
    MiniBehaviourState,
)


@dataclass(frozen=True)
class MiniBehaviourGenerator(Generator[MiniBehaviourLayout, MiniBehaviourState]):
    """The table is uniform over the places where it fits, the printer over the cells it leaves free."""

    rules = MiniBehaviourRules()
    form = MiniBehaviourForm()

    def thresholds(self, size: int) -> tuple[int, int]:
        """MGSD's rule: up to `size - 1` actions are easy, up to `size + 1` medium."""
        return size - 1, size + 1

    def ground(self, rng: np.random.Generator, size: int) -> bytes:
        row, col = rng.random(2).tolist()
        table = int(row * (size - TABLE_ROWS + 1)), int(col * (size - TABLE_COLS + 1))
        return ground_of(size, size, table)

    def state(self, cell: Cell) -> MiniBehaviourState:
        return MiniBehaviourState(cell)

    def grounds(self, size: int) -> Iterator[bytes]:
        return (
            ground_of(size, size, (row, col))
            for row in range(size - TABLE_ROWS + 1)
            for col in range(size - TABLE_COLS + 1)
        )

    def straight_length(self, layout: MiniBehaviourLayout) -> int:
        """Walk beside the printer, PICK, walk beside the table, DROP, with nothing in the way.

        The agent stands on the board and not on the table for both.
        """
        (row, col), (printer_row, printer_col) = layout.start, layout.printer
        beside = [(printer_row + dr, printer_col + dc) for dr, dc in DELTAS]
        return 2 + min(
            abs(r - row) + abs(c - col) + self._to_table(layout, r, c)
            for r, c in beside
            if 0 <= r < layout.rows and 0 <= c < layout.cols and not layout.is_table(r, c)
        )

    def _to_table(self, layout: MiniBehaviourLayout, row: int, col: int) -> int:
        """Steps from a cell that is not the table's to the nearest one beside the table."""
        top, left = layout.table
        down = max(top - row, row - (top + TABLE_ROWS - 1), 0)
        across = max(left - col, col - (left + TABLE_COLS - 1), 0)
        return down + across - 1
