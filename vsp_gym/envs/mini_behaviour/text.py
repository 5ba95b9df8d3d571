"""MiniBehaviour in words."""

from __future__ import annotations

from functools import lru_cache

from vsp_gym.core import DELTAS, Cell
from vsp_gym.envs._text import LineReader, heading, join_cells, letter_grid, put
from vsp_gym.envs.base import TextView
from vsp_gym.envs.mini_behaviour.rules import MiniBehaviourLayout, MiniBehaviourState

_LEGEND = "Grid (A agent, S start, P printer, T table, . free; A hides what is under it):\n"

_CARRIED = "carried by the agent"
_DELIVERED = "delivered to the table"


class MiniBehaviourText(TextView[MiniBehaviourLayout, MiniBehaviourState]):
    """Positions, what became of the printer, where to stand for PICK and DROP, and the grid in letters.

    The cells next to the printer are listed until it is picked up; its own cell is free from then on.
    """

    def describe(self, layout: MiniBehaviourLayout, state: MiniBehaviourState) -> str:
        (row, col), carrying, delivered = state
        head, middle, grid = _layout_parts(layout, not (carrying or delivered))
        printer = str(layout.printer)
        if carrying or delivered:
            printer = f"{_CARRIED if carrying else _DELIVERED}, taken from {printer}"
        grid = put(grid, 2 * (row * layout.cols + col), "A")
        return (
            f"{head}Agent: ({row}, {col})\nCarrying: {'printer' if carrying else 'nothing'}\n"
            f"Printer: {printer}\n{middle}{grid}"
        )

    def parse(self, text: str) -> tuple[MiniBehaviourLayout, MiniBehaviourState]:
        lines = LineReader(text, "MiniBehaviour")
        agent = lines.cell("Agent")
        lines.labelled("Carrying")
        printer = lines.cell("Printer")
        status = lines.lines[lines.number - 1]
        state = MiniBehaviourState(agent, _CARRIED in status, _DELIVERED in status)
        start, table = lines.cell("Start"), lines.cell("Table")
        layout = lines.build(lambda: MiniBehaviourLayout(lines.rows, lines.cols, start, printer, table))
        if layout.is_table(*agent):
            raise lines.error(f"the agent is at {agent}, a cell of the table")
        if agent == printer and not (state.carrying or state.delivered):
            raise lines.error(f"the agent is at {agent}, where the printer stands")
        if state.delivered and not layout.is_next_to_table(*agent):
            raise lines.error(f"the printer was delivered, but the agent at {agent} is not next to the table")
        lines.agree(self.describe(layout, state))
        return layout, state


@lru_cache(maxsize=256)
def _layout_parts(layout: MiniBehaviourLayout, in_place: bool) -> tuple[str, str, str]:
    """Everything but the agent: what precedes it, what follows the printer's line, and the grid."""
    table = layout.table_cells
    lines = [f"Start: {layout.start}", f"Table: {join_cells(table)}"]
    letters = [(layout.start, "S"), *((cell, "T") for cell in table)]
    blocked = set(table)
    if in_place:
        blocked.add(layout.printer)
        letters.append((layout.printer, "P"))
        lines.append(f"Free cells next to the printer: {_beside(layout, (layout.printer,), blocked)}")
    lines.append(f"Free cells next to the table: {_beside(layout, table, blocked)}")
    return (
        heading("MiniBehaviour", layout.rows, layout.cols),
        "\n".join(lines) + f"\n{_LEGEND}",
        letter_grid(layout.rows, layout.cols, letters),
    )


def _beside(layout: MiniBehaviourLayout, cells: tuple[Cell, ...], blocked: set[Cell]) -> str:
    """The cells of the board that share a side with one of `cells` and are not blocked."""
    rows, cols = layout.rows, layout.cols
    beside = {(row + dr, col + dc) for row, col in cells for dr, dc in DELTAS} - blocked
    return join_cells(sorted([(r, c) for r, c in beside if 0 <= r < rows and 0 <= c < cols]))
