"""Mazes as bytes."""

from __future__ import annotations

from vsp_gym.core import DELTAS, MOVES, Cell, trusted
from vsp_gym.envs.maze.rules import WALL_OF_MOVE, MazeLayout
from vsp_gym.symmetry import SYMMETRIES, Board, BoardForm, Symmetry


def _turned_masks(symmetry: Symmetry) -> bytes:
    """The wall mask that each mask becomes (for bytes that are no mask, 0)."""
    becomes = {WALL_OF_MOVE[move]: WALL_OF_MOVE[DELTAS.index(symmetry.step(*DELTAS[move]))] for move in MOVES}
    masks = [sum(image for wall, image in becomes.items() if mask & wall) for mask in range(16)]
    return bytes(masks).ljust(256, b"\0")


class MazeForm(BoardForm[MazeLayout]):
    """The ground is the wall masks, the target the goal."""

    turned = tuple(_turned_masks(symmetry) for symmetry in SYMMETRIES)

    def encode(self, layout: MazeLayout) -> Board:
        cols = layout.cols
        (goal_row, goal_col), (row, col) = layout.goal, layout.start
        ground = b"".join([bytes(masks) for masks in layout.walls])
        return Board(layout.rows, cols, ground, goal_row * cols + goal_col, row * cols + col)

    def decode(self, board: Board) -> MazeLayout:
        rows, cols, ground, goal, start = board
        return trusted(
            MazeLayout,
            walls=tuple([tuple(ground[i : i + cols]) for i in range(0, rows * cols, cols)]),
            start=Cell(*divmod(start, cols)),
            goal=Cell(*divmod(goal, cols)),
        )
