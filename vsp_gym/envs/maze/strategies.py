"""Hypothesis strategies for mazes; `vsp_gym.testing` finds this module through the task's package."""

from __future__ import annotations

from hypothesis import strategies as st

from vsp_gym.core import Cell
from vsp_gym.envs.maze.rules import EAST, NORTH, SOUTH, WEST, MazeLayout


@st.composite
def layouts(draw: st.DrawFn, min_size: int, max_size: int) -> MazeLayout:
    """Any maze, with loops, open areas or closed-off parts, with sides of `min_size` to `max_size`."""
    sides = st.integers(min_size, max_size)
    rows, cols = draw(st.tuples(sides, sides).filter(lambda shape: shape[0] * shape[1] >= 2))
    cells = [Cell(row, col) for row in range(rows) for col in range(cols)]
    start, goal = draw(st.lists(st.sampled_from(cells), min_size=2, max_size=2, unique=True))
    subsets = st.integers(0, (1 << 2 * len(cells)) - 1)
    closed = draw(subsets) & draw(subsets)  # two bits a cell: its east and its south side
    walls = [[0] * cols for _ in range(rows)]
    for i, (row, col) in enumerate(cells):
        if col == cols - 1 or closed >> 2 * i & 1:
            walls[row][col] |= EAST
            walls[row][(col + 1) % cols] |= WEST  # the last column's wall is the first one's border
        if row == rows - 1 or closed >> 2 * i & 2:
            walls[row][col] |= SOUTH
            walls[(row + 1) % rows][col] |= NORTH
    return MazeLayout(tuple(tuple(row) for row in walls), start, goal)
