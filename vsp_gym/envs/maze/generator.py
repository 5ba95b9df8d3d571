"""Random mazes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vsp_gym.core import Cell
from vsp_gym.envs.base import Generator
from vsp_gym.envs.maze.rules import EAST, NORTH, SOUTH, WEST, MazeLayout, MazeRules
from vsp_gym.planning import Solution

_STEPS = ((-1, 0, NORTH, SOUTH), (1, 0, SOUTH, NORTH), (0, -1, WEST, EAST), (0, 1, EAST, WEST))
"""Row step, column step, wall on this side, wall on the other side."""


@dataclass(frozen=True)
class MazeGenerator(Generator[MazeLayout, Cell]):
    """Perfect mazes (one route between any two cells) by randomised depth-first search."""

    def candidate(self, rng: np.random.Generator, size: int) -> Solution[MazeLayout, Cell]:
        cells = [Cell(row, col) for row in range(size) for col in range(size)]
        walls = depth_first_walls(rng, size, size)
        goal = cells[int(rng.random() * len(cells))]
        starts = [cell for cell in cells if cell != goal]
        return Solution(MazeRules(), MazeLayout(walls, starts[0], goal), starts)

    def starts(self, solution: Solution[MazeLayout, Cell]) -> list[Cell]:
        return [cell for cell in solution.states if cell != solution.layout.goal]

    def with_start(self, layout: MazeLayout, start: Cell) -> MazeLayout:
        return replace(layout, start=start)


def depth_first_walls(rng: np.random.Generator, rows: int, cols: int) -> tuple[tuple[int, ...], ...]:
    """Wall masks of a perfect maze carved by randomised depth-first search (long corridors)."""
    walls = [[NORTH | SOUTH | WEST | EAST] * cols for _ in range(rows)]
    visited = [[False] * cols for _ in range(rows)]
    draws = iter(rng.random(rows * cols).tolist())
    here = divmod(int(next(draws) * rows * cols), cols)
    visited[here[0]][here[1]] = True
    path = [here]
    while path:
        row, col = path[-1]
        options = [
            (row + dr, col + dc, wall, opposite)
            for dr, dc, wall, opposite in _STEPS
            if 0 <= row + dr < rows and 0 <= col + dc < cols and not visited[row + dr][col + dc]
        ]
        if not options:
            path.pop()
            continue
        r, c, wall, opposite = options[int(next(draws) * len(options))]
        walls[row][col] -= wall
        walls[r][c] -= opposite
        visited[r][c] = True
        path.append((r, c))
    return tuple(tuple(row) for row in walls)
