"""What VisualPlanning and MGSD publish about a MiniBehaviour board, in the same words in both."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from vsp_gym.core import Action, AnyTask, Cell, Layout
from vsp_gym.envs.mini_behaviour import MiniBehaviourLayout
from vsp_gym.envs.mini_behaviour.rules import MiniBehaviourState
from vsp_gym.errors import FormatError
from vsp_gym.suites.base import Claim, Verdict
from vsp_gym.suites.claims import solve_from
from vsp_gym.suites.files import get_field, to_cell

Distances = Mapping[Cell, Mapping[Cell, int]]
"""`distances[target][cell]`: moves from `cell` to `target`."""

_CELL = re.compile(r"\(([0-9]{1,9}), ([0-9]{1,9})\)")


def room_layout(
    rows: int, cols: int, start: object, printer: object, table_cells: object
) -> MiniBehaviourLayout:
    """The layout of a room whose table is given as its six cells.

    Raises:
        FormatError: if the cells are not those of one table of 2x3 cells, each once.
        LayoutError: if anything overlaps or is off the board.
    """
    cells = sorted(to_cells(table_cells, "table_pos", rows, cols))
    if not cells:
        raise FormatError("table_pos is empty")
    layout = MiniBehaviourLayout(
        rows, cols, to_cell(start, "start", rows, cols), to_cell(printer, "printer", rows, cols), cells[0]
    )
    if tuple(cells) != layout.table_cells:
        listed = ", ".join(map(str, cells[:8]))
        raise FormatError(f"table_pos must be the 6 cells of a table of 2x3 cells, not {listed}")
    return layout


def to_cells(value: object, name: str, rows: int, cols: int) -> list[Cell]:
    """A list of `[row, col]` as cells of the board; raises `FormatError` naming `name`."""
    if not isinstance(value, list):
        raise FormatError(f"{name} must be a list of [row, col], not {value!r:.80}")
    return [to_cell(cell, name, rows, cols) for cell in value]


def room_states(steps: list[tuple[Cell, bool]]) -> list[MiniBehaviourState]:
    """States of the task from cells and whether the printer is carried; put down means delivered."""
    carried = False
    states = []
    for cell, carrying in steps:
        states.append(MiniBehaviourState(cell, carrying, carried and not carrying))
        carried = carried or carrying
    return states


def parse_distances(value: object, name: str, rows: int, cols: int) -> Distances:
    """An object of objects of numbers whose names are `(row, col)`; raises `FormatError` naming `name`."""
    if not isinstance(value, dict):
        raise FormatError(f"{name} must be an object, not {value!r:.80}")
    return {
        _to_cell(target, name, rows, cols): {
            _to_cell(cell, name, rows, cols): get_field(inner, cell, int, name) for cell in inner
        }
        for target, inner in value.items()
        if _is_object(inner, f"{name} of {target!r:.40}")
    }


def _is_object(value: object, name: str) -> bool:
    if not isinstance(value, dict):
        raise FormatError(f"{name} must be an object, not {value!r:.80}")
    return True


def _to_cell(text: str, name: str, rows: int, cols: int) -> Cell:
    match = _CELL.fullmatch(text)
    if match is None:
        raise FormatError(f"{name} has the entry {text!r:.40}; it must be '(row, col)'")
    return to_cell([int(match[1]), int(match[2])], name, rows, cols)


def room_claims(source: Path, meta: object, rows: int, cols: int) -> tuple[Claim, ...]:
    """The claims in the fields `printer_neighbors`, `table_neighbors`, `best_paths` and the distance maps.

    Raises:
        FormatError: naming the field that is wrong.
    """
    printer_neighbors, table_neighbors = (
        to_cells(get_field(meta, name, list, "the board"), name, rows, cols)
        for name in ("printer_neighbors", "table_neighbors")
    )
    to_printer, to_table = (
        parse_distances(get_field(meta, name, dict, "the board"), name, rows, cols)
        for name in ("distance_map_to_printer", "distance_map_to_table")
    )
    best = get_field(meta, "best_paths", list, "the board")
    pairs = [tuple(to_cells(pair, "best_paths", rows, cols)) for pair in best]
    return (
        Neighbors(source, "printer_neighbors", Action.PICK, frozenset(printer_neighbors)),
        Neighbors(source, "table_neighbors", Action.DROP, frozenset(table_neighbors)),
        RoomDistances(source, to_printer, to_table),
        BestPaths(source, to_printer, to_table, frozenset(pairs)),
    )


@dataclass(frozen=True)
class Neighbors(Claim):
    """The cells from which the printer can be picked up, or put on the table."""

    name: str
    action: Action
    cells: frozenset[Cell]

    def check(self, task: AnyTask, layout: Layout) -> Verdict:
        legal = {
            cell
            for cell in _free_cells(layout, carrying=self.action is Action.DROP)
            if task.transition(
                layout, MiniBehaviourState(cell, self.action is Action.DROP), self.action
            ).violation
            is None
        }
        if legal == self.cells:
            return Verdict(True)
        differing = ", ".join(map(str, sorted(legal ^ self.cells)))
        return Verdict(False, problem=f"{self.name} and the rules disagree about {differing}")


def _free_cells(layout: Layout, *, carrying: bool) -> Iterator[Cell]:
    """The cells where the agent can be."""
    room = cast("MiniBehaviourLayout", layout)
    for row in range(room.rows):
        for col in range(room.cols):
            if not room.is_table(row, col) and (carrying or (row, col) != room.printer):
                yield Cell(row, col)


@dataclass(frozen=True)
class RoomDistances(Claim):
    """Distances to the cells beside the printer and beside the table.

    The oracle knows the actions to success, so what it confirms is the nearest of these cells: from
    any cell, the way to the table and DROP; or the way to the printer, PICK, and then the same.
    """

    to_printer: Distances
    to_table: Distances

    def check(self, task: AnyTask, layout: Layout) -> Verdict:
        carrying: dict[MiniBehaviourState, int] = {}
        for distances in self.to_table.values():
            for cell, moves in distances.items():
                state = MiniBehaviourState(cell, True)
                carrying[state] = min(moves + 1, carrying.get(state, moves + 1))
        stated = dict(carrying)
        for target, distances in self.to_printer.items():
            rest = carrying.get(MiniBehaviourState(target, True))
            if rest is None:
                continue
            for cell, moves in distances.items():
                state = MiniBehaviourState(cell)
                stated[state] = min(moves + 1 + rest, stated.get(state, moves + 1 + rest))
        solution = solve_from(task, layout, stated)
        wrong = [
            f"{moves} actions from {state.agent}{' with the printer' * state.carrying}"
            f" (it is {solution.distance(state)})"
            for state, moves in stated.items()
            if solution.distance(state) != moves
        ]
        if not wrong and task.initial(layout) in stated:
            return Verdict(True)
        shown = ", ".join(wrong[:3]) or "no way from the start"
        return Verdict(False, problem=f"the distance maps say {shown}; {len(wrong)} entries in all are wrong")


@dataclass(frozen=True)
class BestPaths(Claim):
    """Every pair (cell of PICK, cell of DROP) through which a shortest plan leads."""

    to_printer: Distances
    to_table: Distances
    pairs: frozenset[tuple[Cell, ...]]

    def check(self, task: AnyTask, layout: Layout) -> Verdict:
        start = task.initial(layout).agent
        totals = {
            (pick, drop): before[start] + after[pick]
            for pick, before in self.to_printer.items()
            for drop, after in self.to_table.items()
            if start in before and pick in after
        }
        shortest = min(totals.values(), default=None)
        best = {pair for pair, total in totals.items() if total == shortest}
        if best == self.pairs:
            return Verdict(True)
        differing = best ^ self.pairs
        shown = ", ".join(" and ".join(map(str, pair)) for pair in sorted(differing)[:3])
        return Verdict(False, problem=f"best_paths and the distance maps disagree about {shown}")
