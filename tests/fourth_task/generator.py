"""Random rooms with a locked door."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fourth_task.rules import KeyDoorLayout, KeyDoorRules, KeyDoorState
from vsp_gym.core import Cell
from vsp_gym.envs.base import Generator
from vsp_gym.planning import Solution


@dataclass(frozen=True)
class KeyDoorGenerator(Generator[KeyDoorLayout, KeyDoorState]):
    """The wall is anywhere but at the sides, key and goal anywhere but in it."""

    def thresholds(self, size: int) -> tuple[int, int]:
        """Up to `size` actions are easy, up to `2 * size` medium."""
        return size, 2 * size

    def candidate(self, rng: np.random.Generator, size: int) -> Solution[KeyDoorLayout, KeyDoorState]:
        column, row, *chosen = rng.random(4).tolist()
        door = Cell(int(row * size), 1 + int(column * (size - 2)))
        free = [Cell(r, c) for r in range(size) for c in range(size) if c != door.col]
        key, goal = (free.pop(int(draw * len(free))) for draw in chosen)
        layout = KeyDoorLayout(size, size, free[0], key, door, goal)
        return Solution(KeyDoorRules(), layout, [KeyDoorState(cell) for cell in free])

    def starts(self, solution: Solution[KeyDoorLayout, KeyDoorState]) -> list[KeyDoorState]:
        taken = (solution.layout.goal, solution.layout.door)
        return [state for state in solution.states if not (state.has_key or state.agent in taken)]

    def with_start(self, layout: KeyDoorLayout, start: KeyDoorState) -> KeyDoorLayout:
        return replace(layout, start=start.agent)
