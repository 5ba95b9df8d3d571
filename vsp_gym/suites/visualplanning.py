"""VisualPlanning (arXiv 2505.11409): the test sets of yix8/VisualPlanning.

`dataset/{frozenlake,maze,minibehaviour}/tokenized_dataset/SFT/test_dataset.jsonl`: one board a line.
`meta` holds the board and its distances, `input_state` the states of a shortest solution. FrozenLake
and Maze number cells row by row from 0. The training sets have the same format, and are not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vsp_gym.core import Cell, Layout
from vsp_gym.envs import TASKS
from vsp_gym.envs.frozen_lake import FrozenLakeLayout
from vsp_gym.envs.maze import MazeLayout
from vsp_gym.errors import FormatError, VSPGymError
from vsp_gym.suites.base import Claim, Suite, SuiteError, SuiteItem, not_empty
from vsp_gym.suites.claims import Distances, Fact, ReferenceStates
from vsp_gym.suites.files import cell_of_index, get_field, parse_int, parse_json, read_lines, to_cell
from vsp_gym.suites.mazes import walls_of_sides
from vsp_gym.suites.rooms import room_claims, room_layout, room_states

_FILE = "tokenized_dataset/SFT/test_dataset.jsonl"
_MAX_LEVEL = 64


def _read_lake(source: Path, meta: Any, states: list[Any]) -> tuple[Layout, list[Claim]]:
    rows = get_field(meta, "layout", list, "meta")
    if not all(isinstance(row, list) and all(isinstance(cell, str) for cell in row) for row in rows):
        raise FormatError(f"layout must be a list of rows of letters, not {rows!r:.80}")
    layout = FrozenLakeLayout.from_rows(["".join(row) for row in rows])
    start, goal = _ends(meta, layout.rows, layout.cols)
    claims = _numbered_cells(source, "frozen_lake", meta, states, layout)
    return layout, [
        Fact(source, "start_pos", start, layout.start),
        Fact(source, "target_pos", goal, layout.goal),
        *claims,
    ]


def _read_maze(source: Path, meta: Any, states: list[Any]) -> tuple[Layout, list[Claim]]:
    walls = walls_of_sides(get_field(meta, "layout", list, "meta"))
    if not walls:
        raise FormatError("layout is empty")
    start, goal = _ends(meta, len(walls), len(walls[0]))
    layout = MazeLayout(tuple(map(tuple, walls)), start, goal)
    return layout, _numbered_cells(source, "maze", meta, states, layout)


def _ends(meta: Any, rows: int, cols: int) -> tuple[Cell, Cell]:
    start, goal = (
        cell_of_index(get_field(meta, name, int, "meta"), name, rows, cols)
        for name in ("start_pos", "target_pos")
    )
    return start, goal


def _numbered_cells(source: Path, task: str, meta: Any, states: list[Any], layout: Layout) -> list[Claim]:
    """The claims of a data set that numbers cells: the trajectory, and the distance map if there is one."""
    rows, cols = layout.rows, layout.cols
    if not all(isinstance(state, int) and not isinstance(state, bool) for state in states):
        raise FormatError("input_state must be a list of cell numbers")
    cells = [cell_of_index(state, "a cell of input_state", rows, cols) for state in states]
    claims: list[Claim] = [ReferenceStates.build(source, TASKS[task], layout, cells)]
    if "distance_map" in meta:
        claims.append(
            Distances(source, parse_distance_map(get_field(meta, "distance_map", dict, "meta"), rows, cols))
        )
    return claims


def parse_distance_map(value: dict[str, Any], rows: int, cols: int) -> dict[Cell, int]:
    """Distances by cell from an object whose names number the cells; raises `FormatError`."""
    return {
        cell_of_index(
            parse_int(key, "a cell of distance_map"), "a cell of distance_map", rows, cols
        ): get_field(value, key, int, "distance_map")
        for key in value
    }


def _read_room(source: Path, meta: Any, states: list[Any]) -> tuple[Layout, list[Claim]]:
    start, printer, table = (
        get_field(meta, name, list, "meta") for name in ("start_pos", "printer_pos", "table_pos")
    )
    level = meta["level"]
    layout = room_layout(level, level, start, printer, table)
    steps = []
    for state in states:
        if not (isinstance(state, list) and len(state) == 2 and isinstance(state[1], bool)):
            raise FormatError(f"a state is [[row, col], carrying], not {state!r:.80}")
        steps.append((to_cell(state[0], "a cell of input_state", level, level), state[1]))
    trajectory = ReferenceStates.build(source, TASKS["mini_behaviour"], layout, room_states(steps))
    return layout, [trajectory, *room_claims(source, meta, level, level)]


_Reader = Callable[[Path, Any, list[Any]], tuple[Layout, list[Claim]]]

_DATA_SETS: dict[str, tuple[str, _Reader]] = {
    "frozenlake": ("frozen_lake", _read_lake),
    "maze": ("maze", _read_maze),
    "minibehaviour": ("mini_behaviour", _read_room),
}
"""The data set's folder to its task, and what reads one line's `meta`, `input_state` and `level`."""


class VisualPlanning(Suite):
    """The test sets of the three tasks; see the module for their files."""

    name = "visualplanning"
    title = "VisualPlanning checkout"
    roots = ("", "dataset")
    parts = tuple(f"{folder}/{_FILE}" for folder in _DATA_SETS)

    def read(self, root: Path) -> Iterator[SuiteItem | SuiteError]:
        for part, (task, reader) in _DATA_SETS.items():
            path = root / part / _FILE
            if path.exists():
                yield from not_empty(self._read_file(part, path, task, reader), part, "", path)

    def _read_file(
        self, part: str, path: Path, task: str, reader: _Reader
    ) -> Iterator[SuiteItem | SuiteError]:
        try:
            for number, line in read_lines(path):
                level = ""
                try:
                    if isinstance(line, FormatError):
                        raise line
                    record = parse_json(line)
                    meta = get_field(record, "meta", dict, "the line")
                    size = get_field(meta, "level", int, "meta")
                    if not 1 <= size <= _MAX_LEVEL:
                        raise FormatError(f"level must be 1 to {_MAX_LEVEL}, not {size!r:.40}")
                    level = str(size)
                    states = get_field(record, "input_state", list, "the line")
                    layout, claims = reader(path, meta, states)
                except VSPGymError as error:
                    yield SuiteError(part, level, path, str(error), number)
                    continue
                board_size = f"{layout.rows}x{layout.cols}"
                yield SuiteItem(
                    suite=self.name,
                    part=part,
                    level=level,
                    id=str(number),
                    task=task,
                    layout=layout,
                    source=path,
                    line=number,
                    claims=(*claims, Fact(path, "the size", f"{size}x{size}", board_size)),
                )
        except FormatError as error:
            yield SuiteError(part, "", path, str(error))
