"""Hypothesis strategies for rooms; `vsp_gym.testing` finds this module through the task's package."""

from __future__ import annotations

from hypothesis import strategies as st

from vsp_gym.core import Cell
from vsp_gym.envs.mini_behaviour.rules import TABLE_COLS, TABLE_ROWS, MiniBehaviourLayout


@st.composite
def layouts(draw: st.DrawFn, min_size: int, max_size: int) -> MiniBehaviourLayout:
    """Any room, with sides of `min_size` to `max_size` cells; one narrower than 4 cells can be unsolvable."""
    sides = st.integers(min_size, max_size)
    rows, cols = draw(
        st.tuples(sides, sides).filter(
            lambda shape: (
                shape[0] >= TABLE_ROWS
                and shape[1] >= TABLE_COLS
                and shape[0] * shape[1] >= TABLE_ROWS * TABLE_COLS + 2
            )
        )
    )
    top = draw(st.integers(0, rows - TABLE_ROWS))
    left = draw(st.integers(0, cols - TABLE_COLS))
    free = [
        Cell(row, col)
        for row in range(rows)
        for col in range(cols)
        if not (top <= row < top + TABLE_ROWS and left <= col < left + TABLE_COLS)
    ]
    start, printer = draw(st.lists(st.sampled_from(free), min_size=2, max_size=2, unique=True))
    return MiniBehaviourLayout(rows, cols, start, printer, Cell(top, left))
