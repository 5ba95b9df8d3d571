"""Rooms with a door as bytes."""

from __future__ import annotations

from fourth_task.rules import KeyDoorLayout
from vsp_gym.core import Cell, trusted
from vsp_gym.symmetry import Board, BoardForm

FLOOR, WALL, DOOR, KEY = range(4)
"""What a cell of the ground is."""


class KeyDoorForm(BoardForm[KeyDoorLayout]):
    """The ground is wall, door and key, the target the goal."""

    def encode(self, layout: KeyDoorLayout) -> Board:
        rows, cols = layout.rows, layout.cols
        ground = ground_of(rows, cols, layout.door, layout.key)
        goal, start = (row * cols + col for row, col in (layout.goal, layout.start))
        return Board(rows, cols, ground, goal, start)

    def decode(self, board: Board) -> KeyDoorLayout:
        rows, cols, ground, goal, start = board
        cells = {
            "start": start,
            "key": ground.index(KEY),
            "door": ground.index(DOOR),
            "goal": goal,
        }
        named = {name: Cell(*divmod(cell, cols)) for name, cell in cells.items()}
        return trusted(KeyDoorLayout, rows=rows, cols=cols, **named)


def ground_of(rows: int, cols: int, door: tuple[int, int], key: tuple[int, int]) -> bytes:
    """The ground of a room."""
    ground = bytearray(rows * cols)
    ground[door[1] :: cols] = bytes([WALL]) * rows
    ground[door[0] * cols + door[1]] = DOOR
    ground[key[0] * cols + key[1]] = KEY
    return bytes(ground)
