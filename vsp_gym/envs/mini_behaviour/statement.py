"""What a model says that it sees of a room with a printer and a table."""

from __future__ import annotations

from vsp_gym.core import Cell
from vsp_gym.envs._statements import SIZE, Fact, Mention, StatementReader, build, cell_on_board, size_line
from vsp_gym.envs._text import join_cells
from vsp_gym.envs.base import Statement
from vsp_gym.envs.mini_behaviour.rules import (
    TABLE_COLS,
    TABLE_ROWS,
    MiniBehaviourLayout,
    MiniBehaviourState,
)
from vsp_gym.errors import FormatError

_CARRIED = frozenset({"carried", "held"})
_DELIVERED = frozenset({"delivered", "on the table"})
_CARRIES = frozenset({"carrying", "holding"})
_THINGS = frozenset({"printer", "yes", "true"})

_AGENT = Fact("the agent's cell", "cell", frozenset({"agent", "player"}), varies=True, statuses=_CARRIES)
_LOAD = Fact(
    "what the agent carries", "status", _CARRIES, statuses=_THINGS | {"nothing", "none", "no", "false"}
)
_START = Fact("the start", "cell", frozenset({"start"}), varies=True)
_PRINTER = Fact(
    "the printer",
    "cell",
    frozenset({"printer"}),
    varies=True,
    words=frozenset({"by", "agent", "to", "table", "from"}),
    statuses=_CARRIED | _DELIVERED | {"taken"},
)
_TABLE = Fact("the table", "cells", frozenset({"table"}))
_FACTS = (SIZE, _AGENT, _LOAD, _START, _PRINTER, _TABLE)


class MiniBehaviourStatement(Statement[MiniBehaviourLayout, MiniBehaviourState]):
    """Size, agent, printer and table; the start only if the agent has left it.

    A printer that does not stand on the floor is stated as `carried` or `on the table`, with the cell that
    it was taken from, which pictures show.
    """

    def state(self, layout: MiniBehaviourLayout, state: MiniBehaviourState) -> str:
        agent, carrying, delivered = state
        start = f"Start: {layout.start}\n" if agent != layout.start else ""
        where = "carried, taken from " if carrying else "on the table, taken from " if delivered else ""
        return (
            f"{size_line(layout.rows, layout.cols)}\nAgent: {Cell(*agent)}\n{start}"
            f"Printer: {where}{layout.printer}\nTable: {join_cells(layout.table_cells)}"
        )

    def parse(self, text: str) -> tuple[MiniBehaviourLayout, MiniBehaviourState]:
        reader = StatementReader(text, _FACTS)
        rows, cols = reader.size(SIZE)
        agent = cell_on_board(reader.cell(_AGENT), _AGENT.name, rows, cols)
        start = reader.optional_cell(_START) or agent
        status = _status(reader.get(_PRINTER))
        _check_load(status == "carried", reader.get(_AGENT), reader.find(_LOAD))
        printer, cells = reader.cell(_PRINTER), reader.cells(_TABLE)
        table = min(cells, default=Cell(0, 0))
        layout = build(lambda: MiniBehaviourLayout(rows, cols, start, printer, table))
        if cells != set(layout.table_cells):
            raise FormatError(
                f"the table's cells are not a block of {TABLE_ROWS} rows x {TABLE_COLS} columns"
            )
        state = MiniBehaviourState(agent, status == "carried", status == "delivered")
        return layout, _checked(layout, state)


def _status(mention: Mention) -> str:
    """Where the printer is said to be: `carried`, `delivered` or `standing`."""
    carried, delivered = mention.statuses & _CARRIED, mention.statuses & _DELIVERED
    if carried and delivered:
        raise FormatError("the printer is said to be carried and to be on the table")
    if mention.statuses and not (carried or delivered):
        raise FormatError("the printer is said to be taken, but neither to be carried nor to be on the table")
    return "carried" if carried else "delivered" if delivered else "standing"


def _check_load(is_carried: bool, agent: Mention, load: Mention | None) -> None:
    """Check that what is said of the agent's hands fits what is said of the printer."""
    says_so = bool(agent.statuses) or (load is not None and bool(load.statuses & _THINGS))
    if says_so and not is_carried:
        raise FormatError("the agent is said to carry the printer, but the printer is not said to be carried")
    if is_carried and load is not None and not load.statuses & _THINGS:
        raise FormatError("the printer is said to be carried, but the agent to carry nothing")


def _checked(layout: MiniBehaviourLayout, state: MiniBehaviourState) -> MiniBehaviourState:
    agent, carrying, delivered = state
    if layout.is_table(*agent):
        raise FormatError(f"the agent's cell {agent} is a cell of the table")
    if agent == layout.printer and not (carrying or delivered):
        raise FormatError(f"the agent's cell {agent} is the printer's")
    if delivered and not layout.is_next_to_table(*agent):
        raise FormatError(f"the printer is on the table, but the agent's cell {agent} is not next to it")
    return state
