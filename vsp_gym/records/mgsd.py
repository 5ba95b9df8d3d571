"""Data sets as MGSD's raw folders, `FrozenLake/level4/text/0000.txt` beside `image/0000.png`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from vsp_gym.core import DELTAS, Cell, Layout, Plan, Transition
from vsp_gym.envs import get_task
from vsp_gym.envs.base import PlanningTask
from vsp_gym.envs.frozen_lake import FrozenLakeLayout
from vsp_gym.envs.maze import MazeLayout
from vsp_gym.envs.maze.rules import EAST, NORTH, SOUTH, WEST
from vsp_gym.envs.mini_behaviour import MiniBehaviourLayout
from vsp_gym.errors import UnknownNameError
from vsp_gym.planning import Solution
from vsp_gym.records.writing import Record, Writer, write_bytes
from vsp_gym.scoring import rollout

Lines = Iterator["tuple[str, object] | str"]
"""`(name, value)` for a line `name=value`, or the line itself."""


class _Solved(NamedTuple):
    """A board and what MGSD writes about every one."""

    task: PlanningTask[Any, Any]
    layout: Any
    record: dict[str, Any]
    plan: Plan
    steps: list[Transition]

    @property
    def states(self) -> list[Any]:
        """The states that the plan leads through, the initial one first."""
        return [self.task.initial(self.layout), *(step.state for step in self.steps)]


class MGSDWriter(Writer):
    """`<split>/<Task>/level<n>/`; boards are numbered within their level.

    Raises:
        UnknownNameError: for a board of a task that MGSD does not have.
    """

    def __init__(self, folder: Path, split: str) -> None:
        super().__init__(folder, split)
        self.file = split
        (folder / split).mkdir()
        self._counts: Counter[Path] = Counter()

    def add(self, record: Record) -> None:
        data = json.loads(record.line)
        if data["task"] not in _TASKS:
            raise UnknownNameError("task of MGSD", data["task"], _TASKS)
        name, describe = _TASKS[data["task"]]
        task = get_task(data["task"])
        layout = task.layout_type.from_dict(data["layout"])
        level = self.folder / self.split / task.title / f"level{data['size']}"
        number = self._counts[level]
        self._counts[level] += 1
        if number == 0:
            for kind in ("text", "image"):
                (level / kind).mkdir(parents=True)
        plan = Solution(task, layout).plan() or ()
        solved = _Solved(task, layout, data, plan, rollout(task, layout, plan))
        head = [
            ("task", name),
            ("split", data["split"]),
            ("level", data["size"]),
            *([("grid_rows", layout.rows), ("grid_cols", layout.cols)] if name == "minibehaviour" else []),
        ]
        lines = [*head, ("index", number), ("seed", data["seed"]), *describe(solved)]
        text = "".join(
            f"{line}\n" if isinstance(line, str) else f"{line[0]}={_value(line[1])}\n" for line in lines
        )
        write_bytes(f"{level}/text/{number:04d}.txt", text.encode())
        if record.image is not None:
            write_bytes(f"{level}/image/{number:04d}.png", record.image)

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass


def _value(value: object) -> str:
    """Texts as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), sort_keys=True)


def _actions(board: _Solved) -> Lines:
    yield "path_length", len(board.plan)
    yield "solution_actions", [action.name.lower() for action in board.plan]


def _ends(layout: Any, goal: str) -> Lines:
    yield "start_row", layout.start.row
    yield "start_col", layout.start.col
    yield f"{goal}_row", layout.goal.row
    yield f"{goal}_col", layout.goal.col


def _lake(board: _Solved) -> Lines:
    layout: FrozenLakeLayout = board.layout
    ice = 1 - len(layout.holes) / (layout.rows * layout.cols)
    yield "frozen_probability", round(ice, 4)
    yield "is_slippery", "false"
    yield from _ends(layout, "goal")
    yield from _actions(board)
    yield "trajectory_states", board.states
    yield "map:"
    yield from layout.to_rows()


def _maze(board: _Solved) -> Lines:
    layout: MazeLayout = board.layout
    cols = layout.cols
    starts = [Cell(row, col) for row in range(layout.rows) for col in range(cols)]
    to_goal = Solution(board.task, layout, starts)
    yield "difficulty_bucket", board.record["difficulty"]
    yield from _ends(layout, "target")
    yield "start_pos", layout.start.row * cols + layout.start.col
    yield "target_pos", layout.goal.row * cols + layout.goal.col
    yield from _actions(board)
    yield "trajectory_states", board.states
    sides = (("north", NORTH), ("south", SOUTH), ("east", EAST), ("west", WEST))
    yield (
        "layout_json",
        [[{name: bool(mask & side) for name, side in sides} for mask in row] for row in layout.walls],
    )
    distances = {cell: to_goal.distance(cell) for cell in starts}
    yield "distance_map", {str(c.row * cols + c.col): d for c, d in distances.items() if d is not None}
    yield "layout:"
    yield from (" ".join(map(str, row)) for row in layout.walls)


def _room(board: _Solved) -> Lines:
    layout: MiniBehaviourLayout = board.layout
    table = set(layout.table_cells)
    before, after = table | {layout.printer}, table
    yield "difficulty_bucket", board.record["difficulty"]
    yield "outer_ring", "false"
    yield "start_row", layout.start.row
    yield "start_col", layout.start.col
    yield "start_dir", 0
    yield "printer_row", layout.printer.row
    yield "printer_col", layout.printer.col
    yield "printer_traversable_after_pick", "true"
    yield "table_pos", layout.table_cells
    to_printer = {cell: _walks(layout, before, cell) for cell in _beside(layout, [layout.printer], before)}
    to_table = {cell: _walks(layout, after, cell) for cell in _beside(layout, table, after)}
    yield "printer_neighbors", list(to_printer)
    yield "table_neighbors", list(to_table)
    lengths = {
        (pick, drop): to_printer[pick][layout.start] + to_table[drop][pick]
        for pick in to_printer
        for drop in to_table
        if layout.start in to_printer[pick] and pick in to_table[drop]
    }
    shortest = min(lengths.values())
    yield "best_paths", [pair for pair, length in lengths.items() if length == shortest]
    yield from _actions(board)
    states = [{"coord": state.agent, "carrying": state.carrying} for state in board.states]
    yield "trajectory_states", states
    for name, walks in (("printer", to_printer), ("table", to_table)):
        yield (
            f"distance_map_to_{name}",
            {str(cell): {str(there): d for there, d in steps.items()} for cell, steps in walks.items()},
        )
    yield "grid:"
    letters = {layout.start: "A", layout.printer: "P", **dict.fromkeys(table, "T")}
    for row in range(layout.rows):
        yield "".join(letters.get(Cell(row, col), ".") for col in range(layout.cols))


def _beside(layout: Layout, cells: Iterable[Cell], blocked: set[Cell]) -> list[Cell]:
    """The free cells that share a side with one of `cells`, in order."""
    found = {Cell(row + dr, col + dc) for row, col in cells for dr, dc in DELTAS} - blocked
    return sorted(cell for cell in found if 0 <= cell.row < layout.rows and 0 <= cell.col < layout.cols)


def _walks(layout: Layout, blocked: set[Cell], target: Cell) -> dict[Cell, int]:
    """Moves from every cell that can reach `target` without stepping on `blocked`."""
    steps = {target: 0}
    for cell in (queue := [target]):
        for there in _beside(layout, [cell], blocked):
            if there not in steps:
                steps[there] = steps[cell] + 1
                queue.append(there)
    return steps


_TASKS: dict[str, tuple[str, Callable[[_Solved], Lines]]] = {
    "frozen_lake": ("frozenlake", _lake),
    "maze": ("maze", _maze),
    "mini_behaviour": ("minibehaviour", _room),
}
"""MGSD's name of a task, and what it writes about a board."""
