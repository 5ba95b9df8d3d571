"""Hypothesis strategies for lakes; `vsp_gym.testing` finds this module through the task's package."""

from __future__ import annotations

from hypothesis import strategies as st

from vsp_gym.core import Cell
from vsp_gym.envs.frozen_lake.rules import FrozenLakeLayout


@st.composite
def layouts(draw: st.DrawFn, min_size: int, max_size: int) -> FrozenLakeLayout:
    """Any lake, not always square or solvable, with sides of `min_size` to `max_size` cells."""
    sides = st.integers(min_size, max_size)
    rows, cols = draw(st.tuples(sides, sides).filter(lambda shape: shape[0] * shape[1] >= 2))
    cells = [Cell(row, col) for row in range(rows) for col in range(cols)]
    start, goal = draw(st.lists(st.sampled_from(cells), min_size=2, max_size=2, unique=True))
    subsets = st.integers(0, (1 << len(cells)) - 1)
    chosen = draw(subsets) & draw(subsets)
    holes = {cell for i, cell in enumerate(cells) if chosen >> i & 1} - {start, goal}
    return FrozenLakeLayout(rows, cols, start, goal, frozenset(holes))
