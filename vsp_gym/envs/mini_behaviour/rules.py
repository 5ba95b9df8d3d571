"""MiniBehaviour: fetch the printer and put it on the table.

This is the simplification that VisualPlanning (arXiv 2505.11409) made of mini-behavior's
"installing a printer": the agent moves in four directions without turning, PICK takes the printer
from a neighbouring cell, and DROP next to the table completes the task.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from typing_extensions import Self

from vsp_gym.core import (
    DELTAS,
    Action,
    Cell,
    Task,
    Transition,
    Violation,
    check_cell,
    check_fields,
    check_int,
    refuse,
    set_fields,
)
from vsp_gym.errors import LayoutError

TABLE_ROWS, TABLE_COLS = 2, 3
"""The table's extent in cells."""


@dataclass(frozen=True)
class MiniBehaviourLayout:
    """A room with a printer and a table of 2 rows x 3 columns.

    Raises:
        LayoutError: if a cell is off the board or start, printer and table overlap.
    """

    rows: int
    cols: int
    start: Cell
    printer: Cell
    """Where the printer stands until it is picked up; free afterwards."""
    table: Cell
    """The table's top-left cell."""

    def __post_init__(self) -> None:
        rows = check_int(self.rows, "rows", TABLE_ROWS, 64, LayoutError)
        cols = check_int(self.cols, "cols", TABLE_COLS, 64, LayoutError)
        start = check_cell(self.start, "start", rows, cols)
        printer = check_cell(self.printer, "printer", rows, cols)
        table = check_cell(self.table, "table", rows, cols)
        if table.row + TABLE_ROWS > rows or table.col + TABLE_COLS > cols:
            raise LayoutError(
                f"a table of {TABLE_ROWS}x{TABLE_COLS} cells with its top left at {table} "
                f"does not fit a board of {rows}x{cols}"
            )
        set_fields(self, rows=rows, cols=cols, start=start, printer=printer, table=table)
        if start == printer:
            raise LayoutError(f"start and printer are the same cell {start}")
        for name, cell in (("start", start), ("printer", printer)):
            if self.is_table(*cell):
                raise LayoutError(f"the {name} {cell} is a cell of the table")

    def is_table(self, row: int, col: int) -> bool:
        """Whether `(row, col)` is a cell of the table."""
        top, left = self.table
        return top <= row < top + TABLE_ROWS and left <= col < left + TABLE_COLS

    def is_next_to_table(self, row: int, col: int) -> bool:
        """Whether a cell outside the table shares a side with it."""
        top, left = self.table
        if top <= row < top + TABLE_ROWS:
            return col == left - 1 or col == left + TABLE_COLS
        return left <= col < left + TABLE_COLS and (row == top - 1 or row == top + TABLE_ROWS)

    @property
    def table_cells(self) -> tuple[Cell, ...]:
        """The table's six cells, row by row."""
        return tuple(
            Cell(self.table.row + r, self.table.col + c) for r in range(TABLE_ROWS) for c in range(TABLE_COLS)
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "cols": self.cols,
            "start": list(self.start),
            "printer": list(self.printer),
            "table": list(self.table),
        }

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        return cls(
            **check_fields(data, "a MiniBehaviour layout", ("rows", "cols", "start", "printer", "table"))
        )


class MiniBehaviourState(NamedTuple):
    """Where the agent is and what became of the printer."""

    agent: Cell
    carrying: bool = False
    """Whether the agent holds the printer."""
    delivered: bool = False
    """Whether the printer is on the table, which ends the task."""


class MiniBehaviourRules(Task[MiniBehaviourLayout, MiniBehaviourState]):
    """Moves, PICK and DROP; see the module for the rules."""

    name = "mini_behaviour"
    title = "MiniBehaviour"
    actions = tuple(Action)
    layout_type = MiniBehaviourLayout
    min_size = 5
    max_size = 32
    default_size = 5
    paper_sizes = (5, 6)

    def initial(self, layout: MiniBehaviourLayout) -> MiniBehaviourState:
        return MiniBehaviourState(layout.start)

    def transition(
        self, layout: MiniBehaviourLayout, state: MiniBehaviourState, action: Action
    ) -> Transition:
        (agent_row, agent_col), carrying, delivered = state
        if action == Action.PICK:
            if carrying or delivered:
                return refuse(state, Violation.HANDS)
            if abs(agent_row - layout.printer[0]) + abs(agent_col - layout.printer[1]) != 1:
                return refuse(state, Violation.NOT_ADJACENT)
            return Transition(MiniBehaviourState(state.agent, True, False))
        if action == Action.DROP:
            if not carrying:
                return refuse(state, Violation.HANDS)
            if not layout.is_next_to_table(agent_row, agent_col):
                return refuse(state, Violation.NOT_ADJACENT)
            return Transition(MiniBehaviourState(state.agent, False, True), 1.0, True, None)
        row_step, col_step = DELTAS[action]
        row, col = agent_row + row_step, agent_col + col_step
        if not (0 <= row < layout.rows and 0 <= col < layout.cols):
            return refuse(state, Violation.OUT_OF_BOUNDS)
        printer_in_place = not (carrying or delivered)
        if layout.is_table(row, col) or (printer_in_place and (row, col) == layout.printer):
            return refuse(state, Violation.OCCUPIED)
        return _step_to(row, col, carrying, delivered)

    def outlook(
        self, layout: MiniBehaviourLayout, state: MiniBehaviourState
    ) -> tuple[Cell | None, Cell | None]:
        """The printer and the table, each if the agent is next to it."""
        (row, col), printer, table = state.agent, layout.printer, layout.table
        below, right = row - table[0], col - table[1]
        return (
            printer if abs(row - printer[0]) + abs(col - printer[1]) == 1 else None,
            table if -1 <= below <= TABLE_ROWS and -1 <= right <= TABLE_COLS else None,
        )


@lru_cache(maxsize=1 << 12)
def _step_to(row: int, col: int, carrying: bool, delivered: bool) -> Transition:
    return Transition(MiniBehaviourState(Cell(row, col), carrying, delivered))
