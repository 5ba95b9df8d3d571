"""Hypothesis strategies for rooms with a locked door."""

from __future__ import annotations

from hypothesis import strategies as st

from fourth_task.rules import KeyDoorLayout
from vsp_gym.core import Cell


@st.composite
def layouts(draw: st.DrawFn, min_size: int, max_size: int) -> KeyDoorLayout:
    """Any room, often one whose key is out of reach."""
    sides = st.integers(min_size, max_size)
    rows, cols = draw(st.tuples(sides, sides).filter(lambda shape: shape[0] * (shape[1] - 1) >= 3))
    door = Cell(draw(st.integers(0, rows - 1)), draw(st.integers(0, cols - 1)))
    free = [Cell(row, col) for row in range(rows) for col in range(cols) if col != door.col]
    start, key, goal = draw(st.lists(st.sampled_from(free), min_size=3, max_size=3, unique=True))
    return KeyDoorLayout(rows, cols, start, key, door, goal)
