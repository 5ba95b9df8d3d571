"""FrozenLake as bytes."""

from __future__ import annotations

from vsp_gym.core import Cell, trusted
from vsp_gym.envs.frozen_lake.rules import FrozenLakeLayout
from vsp_gym.symmetry import Board, BoardForm

ICE, HOLE = 0, 1
"""What a cell of the ground is."""


class FrozenLakeForm(BoardForm[FrozenLakeLayout]):
    """The ground is the holes, the target the goal."""

    def encode(self, layout: FrozenLakeLayout) -> Board:
        rows, cols = layout.rows, layout.cols
        ground = bytearray(rows * cols)
        for row, col in layout.holes:
            ground[row * cols + col] = HOLE
        (goal_row, goal_col), (row, col) = layout.goal, layout.start
        return Board(rows, cols, bytes(ground), goal_row * cols + goal_col, row * cols + col)

    def decode(self, board: Board) -> FrozenLakeLayout:
        rows, cols, ground, goal, start = board
        return trusted(
            FrozenLakeLayout,
            rows=rows,
            cols=cols,
            start=Cell(*divmod(start, cols)),
            goal=Cell(*divmod(goal, cols)),
            holes=frozenset([Cell(*divmod(cell, cols)) for cell, code in enumerate(ground) if code]),
        )
