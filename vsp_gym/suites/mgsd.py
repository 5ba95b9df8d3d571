"""MGSD (arXiv 2606.06076): the raw folders that its generators write.

`level{n}/text/{i}.txt`, anywhere up to three folders deep, beside `level{n}/image/{i}.png`. A file holds
`name=value` lines and then a block `map:` (FrozenLake), `layout:` (Maze, wall masks) or `grid:`
(MiniBehaviour). It states most things several times, and all of them are compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsp_gym.core import Cell, Layout, Plan, check_plan
from vsp_gym.envs import TASKS
from vsp_gym.envs.frozen_lake import FrozenLakeLayout
from vsp_gym.envs.maze import MazeLayout
from vsp_gym.errors import FormatError, UnknownNameError, VSPGymError
from vsp_gym.suites.base import Claim, Suite, SuiteError, SuiteItem, not_empty
from vsp_gym.suites.claims import (
    DifficultyBucket,
    Distances,
    Fact,
    OptimalLength,
    ReferencePlan,
    ReferenceStates,
    SameBoard,
)
from vsp_gym.suites.files import get_field, list_names, parse_int, parse_json, read_text, to_cell
from vsp_gym.suites.mazes import parse_masks, walls_of_sides
from vsp_gym.suites.rooms import room_claims, room_layout, room_states
from vsp_gym.suites.visualplanning import parse_distance_map

_LEVEL = re.compile(r"level([0-9]{1,9})")
_MAX_DEPTH = 3


@dataclass(frozen=True)
class _File:
    """A raw file taken apart."""

    path: Path
    block_name: str
    block: list[str]
    values: dict[str, str]

    def text(self, name: str) -> str:
        if name not in self.values:
            raise FormatError(f"there is no line {name}=")
        return self.values[name]

    def integer(self, name: str) -> int:
        return parse_int(self.text(name), name)

    def json(self, name: str, kind: type[Any]) -> Any:
        try:
            value = parse_json(self.text(name))
        except FormatError as error:
            raise FormatError(f"{name}: {error}") from None
        return get_field({name: value}, name, kind, "the file")

    def cell(self, row: str, col: str, layout: Layout) -> Cell:
        return to_cell([self.integer(row), self.integer(col)], row, layout.rows, layout.cols)


def _parse(path: Path, text: str) -> _File:
    """Take a file apart; raises `FormatError` naming the line that is wrong."""
    values: dict[str, str] = {}
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if line in ("map:", "layout:", "grid:"):
            block = [row.strip() for row in lines[number:] if row.strip()]
            return _File(path, line[:-1], block, values)
        name, equals, value = line.partition("=")
        if not equals:
            raise FormatError(
                f"line {number} must be 'name=value', or begin a map, layout or grid: {line!r:.80}"
            )
        if name in values:
            raise FormatError(f"line {number} states {name!r:.80} a second time")
        values[name] = value
    raise FormatError("there is no block 'map:', 'layout:' or 'grid:'")


def _read_lake(file: _File) -> tuple[Layout, list[Any], list[Claim]]:
    if file.text("is_slippery") != "false":
        raise FormatError(f"a lake with is_slippery={file.values['is_slippery']!r:.40} has no fixed plan")
    layout = FrozenLakeLayout.from_rows(file.block)
    goal = file.cell("goal_row", "goal_col", layout)
    return layout, _cells(file, layout), [Fact(file.path, "the goal", goal, layout.goal)]


def _read_maze(file: _File) -> tuple[Layout, list[Any], list[Claim]]:
    walls = parse_masks(file.block)
    if not walls:
        raise FormatError("the layout is empty")
    start, goal = ((file.integer(f"{end}_row"), file.integer(f"{end}_col")) for end in ("start", "target"))
    layout = MazeLayout(tuple(map(tuple, walls)), Cell(*start), Cell(*goal))
    sides = walls_of_sides(file.json("layout_json", list))
    again = MazeLayout(tuple(map(tuple, sides)), layout.start, layout.goal)
    distance_map = parse_distance_map(file.json("distance_map", dict), layout.rows, layout.cols)
    number = layout.cols
    return (
        layout,
        _cells(file, layout),
        [
            SameBoard(file.path, again, "layout_json"),
            Fact(file.path, "start_pos", file.integer("start_pos"), start[0] * number + start[1]),
            Fact(file.path, "target_pos", file.integer("target_pos"), goal[0] * number + goal[1]),
            Distances(file.path, distance_map),
        ],
    )


def _cells(file: _File, layout: Layout) -> list[Cell]:
    states = file.json("trajectory_states", list)
    return [to_cell(state, "a cell of trajectory_states", layout.rows, layout.cols) for state in states]


def _read_room(file: _File) -> tuple[Layout, list[Any], list[Claim]]:
    rows, cols = file.integer("grid_rows"), file.integer("grid_cols")
    printer = [file.integer("printer_row"), file.integer("printer_col")]
    start = [file.integer("start_row"), file.integer("start_col")]
    layout = room_layout(rows, cols, start, printer, file.json("table_pos", list))
    drawn = _draw(
        layout.rows, layout.cols, {"A": [layout.start], "P": [layout.printer], "T": layout.table_cells}
    )
    steps = []
    for state in file.json("trajectory_states", list):
        coord = get_field(state, "coord", list, "a state")
        cell = to_cell(coord, "a cell of trajectory_states", rows, cols)
        steps.append((cell, get_field(state, "carrying", bool, "a state")))
    fields = {
        name: file.json(name, kind)
        for name, kind in (
            ("printer_neighbors", list),
            ("table_neighbors", list),
            ("best_paths", list),
            ("distance_map_to_printer", dict),
            ("distance_map_to_table", dict),
        )
    }
    return (
        layout,
        room_states(steps),
        [
            Fact(file.path, "the grid", "/".join(file.block), "/".join(drawn)),
            *room_claims(file.path, fields, rows, cols),
        ],
    )


def _draw(rows: int, cols: int, objects: dict[str, Any]) -> list[str]:
    """The grid that MGSD writes: a letter for each object, `.` for a free cell."""
    letters = {cell: letter for letter, cells in objects.items() for cell in cells}
    return ["".join(letters.get((row, col), ".") for col in range(cols)) for row in range(rows)]


_TASKS: dict[str, tuple[str, str, Callable[[_File], tuple[Layout, list[Any], list[Claim]]]]] = {
    "frozenlake": ("frozen_lake", "map", _read_lake),
    "maze": ("maze", "layout", _read_maze),
    "minibehaviour": ("mini_behaviour", "grid", _read_room),
}
"""MGSD's name of a task to ours, the name of its block, and what reads layout, states and claims."""


class MGSD(Suite):
    """Raw folders of all three tasks; see the module for their files."""

    name = "mgsd"
    title = "folder that MGSD's generators wrote"
    parts = ("level{n}/text",)

    def find_root(self, path: Path) -> Path:
        if next(_level_folders(path, _MAX_DEPTH), None) is None:
            where = f"{path} or up to {_MAX_DEPTH} folders below it"
            raise FormatError(f"no {self.title} here: no folder level{{n}}/text in {where}")
        return path

    def absent(self, root: Path) -> tuple[str, ...]:
        return ()

    def read(self, root: Path) -> Iterator[SuiteItem | SuiteError]:
        for folder in _level_folders(root, _MAX_DEPTH):
            parent = folder.parent
            part = parent.name if parent == root else parent.relative_to(root).as_posix()
            match = _LEVEL.fullmatch(folder.name)
            level = match[1] if match else folder.name
            yield from not_empty(self._read_level(part, level, folder), part, level, folder / "text")

    def _read_level(self, part: str, level: str, folder: Path) -> Iterator[SuiteItem | SuiteError]:
        pictures = set(list_names(folder / "image", ".png"))
        for name in list_names(folder / "text", ".txt"):
            path = folder / "text" / name
            try:
                yield self._read_file(part, level, path, pictures)
            except VSPGymError as error:
                yield SuiteError(part, level, path, str(error))

    def _read_file(self, part: str, level: str, path: Path, pictures: set[str]) -> SuiteItem:
        file = _parse(path, read_text(path))
        stated = file.text("task")
        if stated not in _TASKS:
            raise UnknownNameError("task", stated[:80], _TASKS)
        name, block, reader = _TASKS[stated]
        if file.block_name != block:
            raise FormatError(f"a file of {stated} ends with a block '{block}:', not '{file.block_name}:'")
        layout, states, claims = reader(file)
        stem = path.name[: -len(".txt")]
        picture = f"{stem}.png"
        return SuiteItem(
            suite=self.name,
            part=part,
            level=level,
            id=stem,
            task=name,
            layout=layout,
            source=path,
            image=path.parents[1] / "image" / picture if picture in pictures else None,
            claims=(*_common_claims(file, name, layout, states, level, stem), *claims),
        )


def _common_claims(
    file: _File, name: str, layout: Layout, states: list[Any], level: str, stem: str
) -> Iterator[Claim]:
    """The claims that all three tasks make."""
    task, path = TASKS[name], file.path
    plan = check_plan(task, file.json("solution_actions", list))
    trajectory = ReferenceStates.build(path, task, layout, states)
    start = file.cell("start_row", "start_col", layout)
    size = file.integer("level")
    yield ReferencePlan(path, plan)
    yield trajectory
    yield Fact(path, "the level of the folder", level, str(size))
    yield Fact(path, "the size", f"{size}x{size}", f"{layout.rows}x{layout.cols}")
    yield Fact(path, "the start", start, task.picture.agent(layout, task.initial(layout)))
    yield OptimalLength(path, file.integer("path_length"))
    if trajectory.plan is not None:
        yield Fact(path, "solution_actions", _names(plan), _names(trajectory.plan))
    if stem.isdecimal():
        yield Fact(path, "index", file.integer("index"), int(stem[:9]))
    if "difficulty_bucket" in file.values:
        yield DifficultyBucket(path, file.values["difficulty_bucket"])


def _names(plan: Plan) -> str:
    return ", ".join(action.name.lower() for action in plan)


def _level_folders(folder: Path, depth: int) -> Iterator[Path]:
    """Folders `level{n}` with a folder `text`, in natural order, at most `depth` folders down."""
    for name in list_names(folder):
        child = folder / name
        if _LEVEL.fullmatch(name) and (child / "text").is_dir():
            yield child
        elif depth > 0 and child.is_dir() and not child.is_symlink():
            yield from _level_folders(child, depth - 1)
