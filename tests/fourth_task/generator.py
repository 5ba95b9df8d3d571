"""Random rooms with a locked door."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fourth_task.form import KeyDoorForm, ground_of
from fourth_task.rules import KeyDoorLayout, KeyDoorRules, KeyDoorState
from vsp_gym.core import DELTAS, Cell
from vsp_gym.envs.base import Generator


@dataclass(frozen=True)
class KeyDoorGenerator(Generator[KeyDoorLayout, KeyDoorState]):
    """The wall is anywhere but at the sides, key, goal and start anywhere but in it."""

    rules = KeyDoorRules()
    form = KeyDoorForm()

    def thresholds(self, size: int) -> tuple[int, int]:
        """Up to `size` actions are easy, up to `2 * size` medium."""
        return size, 2 * size

    def ground(self, rng: np.random.Generator, size: int) -> bytes:
        column, row, chosen = rng.random(3).tolist()
        door = Cell(int(row * size), 1 + int(column * (size - 2)))
        free = [Cell(r, c) for r in range(size) for c in range(size) if c != door.col]
        return ground_of(size, size, door, free[int(chosen * len(free))])

    def state(self, cell: Cell) -> KeyDoorState:
        return KeyDoorState(cell)

    def straight_length(self, layout: KeyDoorLayout) -> int:
        """Straight to the goal; if the wall divides them, by a cell beside the key, and PICK."""
        (row, col), (goal_row, goal_col) = layout.start, layout.goal
        if (col < layout.door.col) == (goal_col < layout.door.col):
            return abs(goal_row - row) + abs(goal_col - col)
        beside = [(layout.key.row + dr, layout.key.col + dc) for dr, dc in DELTAS]
        return 1 + min(
            abs(r - row) + abs(c - col) + abs(r - goal_row) + abs(c - goal_col)
            for r, c in beside
            if 0 <= r < layout.rows and 0 <= c < layout.cols
        )
