"""FrozenLake in words."""

from __future__ import annotations

from functools import lru_cache

from vsp_gym.core import Cell
from vsp_gym.envs._text import LineReader, heading, join_cells, letter_grid, put
from vsp_gym.envs.base import TextView
from vsp_gym.envs.frozen_lake.rules import FrozenLakeLayout

_LEGEND = "Grid (A agent, S start, G goal, H hole, . ice; A hides what is under it):\n"


class FrozenLakeText(TextView[FrozenLakeLayout, Cell]):
    """Positions, the list of holes, and the grid in letters.

    The agent may be on any cell of the board, also in a hole or on the goal.
    """

    def describe(self, layout: FrozenLakeLayout, state: Cell) -> str:
        head, middle, grid = _layout_parts(layout)
        row, col = state
        where = ", at the goal" if state == layout.goal else ", in a hole" if state in layout.holes else ""
        grid = put(grid, 2 * (row * layout.cols + col), "A")
        return f"{head}Agent: ({row}, {col}){where}\n{middle}{grid}"

    def parse(self, text: str) -> tuple[FrozenLakeLayout, Cell]:
        lines = LineReader(text, "FrozenLake")
        agent, start, goal = lines.cell("Agent"), lines.cell("Start"), lines.cell("Goal")
        holes = frozenset(lines.cells("Holes"))
        layout = lines.build(lambda: FrozenLakeLayout(lines.rows, lines.cols, start, goal, holes))
        lines.agree(self.describe(layout, agent))
        return layout, agent


@lru_cache(maxsize=128)
def _layout_parts(layout: FrozenLakeLayout) -> tuple[str, str, str]:
    """Everything but the agent: what precedes its line, what follows it, and the grid."""
    holes = sorted(layout.holes)
    letters = [(layout.start, "S"), (layout.goal, "G"), *((hole, "H") for hole in holes)]
    return (
        heading("FrozenLake", layout.rows, layout.cols),
        f"Start: {layout.start}\nGoal: {layout.goal}\nHoles: {join_cells(holes)}\n{_LEGEND}",
        letter_grid(layout.rows, layout.cols, letters),
    )
