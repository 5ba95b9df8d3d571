"""MiniBehaviour's rooms as bytes."""

from __future__ import annotations

from vsp_gym.core import Cell, trusted
from vsp_gym.envs.mini_behaviour.rules import TABLE_COLS, TABLE_ROWS, MiniBehaviourLayout
from vsp_gym.symmetry import Board, BoardForm

FLOOR, TABLE = 0, 1
"""What a cell of the ground is."""


class MiniBehaviourForm(BoardForm[MiniBehaviourLayout]):
    """The ground is the table, the target the printer.

    A quarter turn makes the table 3 x 2, which no layout has; such rooms are compared as bytes only.
    """

    def encode(self, layout: MiniBehaviourLayout) -> Board:
        rows, cols = layout.rows, layout.cols
        (printer_row, printer_col), (row, col) = layout.printer, layout.start
        ground = ground_of(rows, cols, layout.table)
        return Board(rows, cols, ground, printer_row * cols + printer_col, row * cols + col)

    def decode(self, board: Board) -> MiniBehaviourLayout:
        rows, cols, ground, printer, start = board
        return trusted(
            MiniBehaviourLayout,
            rows=rows,
            cols=cols,
            start=Cell(*divmod(start, cols)),
            printer=Cell(*divmod(printer, cols)),
            table=Cell(*divmod(ground.index(TABLE), cols)),
        )


def ground_of(rows: int, cols: int, table: tuple[int, int]) -> bytes:
    """The ground of a room whose table has its top left cell at `table`."""
    ground = bytearray(rows * cols)
    for row in range(table[0], table[0] + TABLE_ROWS):
        ground[row * cols + table[1] : row * cols + table[1] + TABLE_COLS] = bytes([TABLE]) * TABLE_COLS
    return bytes(ground)
