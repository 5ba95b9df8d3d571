"""What can be asked about pictures of a room with a printer and a table."""

from __future__ import annotations

from collections.abc import Iterable

from vsp_gym.core import DELTAS, Cell
from vsp_gym.envs.base import Ask, QuestionSet
from vsp_gym.envs.mini_behaviour.rules import MiniBehaviourLayout, MiniBehaviourState


def _printer(layout: MiniBehaviourLayout, state: MiniBehaviourState) -> Cell | None:
    """Where the printer stands on the floor, or None."""
    return None if state.carrying or state.delivered else layout.printer


def _free_beside(
    layout: MiniBehaviourLayout, state: MiniBehaviourState, cells: Iterable[Cell]
) -> frozenset[Cell]:
    """The cells that share a side with one of `cells` and that the agent can enter or is in."""
    blocked = {*layout.table_cells, _printer(layout, state)}
    beside = {Cell(row + dr, col + dc) for row, col in cells for dr, dc in DELTAS} - blocked
    return frozenset(cell for cell in beside if 0 <= cell.row < layout.rows and 0 <= cell.col < layout.cols)


def _beside_printer(layout: MiniBehaviourLayout, state: MiniBehaviourState) -> frozenset[Cell]:
    printer = _printer(layout, state)
    return _free_beside(layout, state, () if printer is None else (printer,))


class MiniBehaviourQuestions(QuestionSet[MiniBehaviourLayout, MiniBehaviourState]):
    """The printer, the table, the cells beside them, and what the agent holds."""

    asks = (
        Ask(
            "printer_position",
            "cell",
            "In which cell does the printer stand on the floor? "
            "If the agent carries it or it is on the table, there is none.",
            _printer,
        ),
        Ask(
            "table_cells",
            "cells",
            "Which cells does the table fill?",
            lambda layout, _: frozenset(layout.table_cells),
        ),
        Ask(
            "printer_adjacent_cells",
            "cells",
            "Which cells share a side with the printer's cell and are neither the table's nor off the board? "
            "If the printer does not stand on the floor, there are none.",
            _beside_printer,
        ),
        Ask(
            "table_adjacent_cells",
            "cells",
            "Which cells outside the table share a side with a cell of the table and are not filled by "
            "the printer?",
            lambda layout, state: _free_beside(layout, state, layout.table_cells),
        ),
        Ask("carrying", "yes_no", "Does the agent carry the printer?", lambda _, state: state.carrying),
    )
