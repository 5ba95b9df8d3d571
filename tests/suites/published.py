"""Small folders in the formats of the published benchmarks, with boards of our own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vsp_gym import TASKS, FrozenLakeLayout, MazeLayout, MiniBehaviourLayout, shortest_plan, solve
from vsp_gym.core import Action, Cell, Layout
from vsp_gym.envs.mini_behaviour.rules import MiniBehaviourState

LAKE = FrozenLakeLayout.from_rows(["SFF", "HFH", "FFG"])
OTHER_LAKE = FrozenLakeLayout.from_rows(["FFS", "FFF", "FGH"])
WIDE_LAKE = FrozenLakeLayout.from_rows(["SFFF", "HHFF", "FFFF", "FFFG"])
MAZE = MazeLayout(((5, 3, 9), (12, 5, 10), (6, 2, 11)), Cell(0, 0), Cell(1, 2))
ROOM = MiniBehaviourLayout(5, 5, Cell(0, 0), Cell(0, 3), Cell(2, 1))


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def letters(task: str, layout: Layout) -> str:
    plan = shortest_plan(TASKS[task], layout)
    assert plan is not None
    return "".join(action.name[0] for action in plan)


def states_of(task: str, layout: Layout) -> list[Any]:
    rules = TASKS[task]
    states = [rules.initial(layout)]
    for action in shortest_plan(rules, layout) or ():
        states.append(rules.transition(layout, states[-1], action).state)
    return states


# -- UCSB VSP -----------------------------------------------------------------------------------


def table(lake: FrozenLakeLayout) -> str:
    lines = ["| | " + " | ".join(f"Col {c + 1}" for c in range(lake.cols)) + " |"]
    for number, row in enumerate(symbols(lake).splitlines(), start=1):
        lines.append(f"| Row {number} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def symbols(lake: FrozenLakeLayout) -> str:
    return "\n".join(lake.to_rows()).translate(str.maketrans("SGHF", "@*#_"))


def sentences(lake: FrozenLakeLayout) -> str:
    def place(cell: Cell, row: str = "Row") -> str:
        return f"{row} {cell.row + 1}, {'C' if row == 'Row' else 'c'}olumn {cell.col + 1}"

    holes = "; ".join(place(hole) for hole in sorted(lake.holes))
    return "\n".join(
        (
            f"This is a {lake.rows}x{lake.cols} map.",
            f"The player is at: {place(lake.start, 'row')};",
            f"The hole(s) are at: {holes};" if holes else "There is no holes in this map;",
            f"The goal is at: {place(lake.goal)}.",
        )
    )


def write_lake(folder: Path, name: str, lake: FrozenLakeLayout) -> None:
    write(folder / "table" / f"{name}.txt", table(lake))
    write(folder / "pure_text" / f"{name}.txt", sentences(lake))


def write_ucsb(root: Path) -> Path:
    """Two boards of task-main, and one of each other task, below `VSP-main/maze`."""
    maze = root / "VSP-main" / "maze"
    level = maze / "task-main/maps/level3"
    write_lake(level, "0", LAKE)
    write_lake(level, "1", OTHER_LAKE)
    write(level / "img/0.png", b"")
    write_lake(maze / "task-main/maps/level4", "0", WIDE_LAKE)
    level = maze / "task1/maps/level3"
    write_lake(level, "0", LAKE)
    write(level / "question/0.txt", "Is there a hole in row 2, column 1?")
    write(level / "answer/0.txt", "Y")
    level = maze / "task3/maps/level3"
    options = (WIDE_LAKE, LAKE, OTHER_LAKE, WIDE_LAKE)
    write(
        level / "question/1.txt",
        "".join(f"\n({letter})\n{table(lake)}\n" for letter, lake in zip("ABCD", options)),
    )
    write(level / "answer/1.txt", "4-0\n3-0\n3-1\n4-0\n2")
    level = maze / "task4/maps/level_step3"
    write_lake(level, "0", LAKE)
    write(level / "text/0.txt", "\n".join(LAKE.to_rows()))
    write(level / "special_text/0.txt", symbols(LAKE))
    write(level / "question/0.txt", "URD")
    write(level / "answer/0.txt", "Y")
    return maze


# -- DiffThinker --------------------------------------------------------------------------------


def maze_file(maze: MazeLayout) -> str:
    ends = [f"{cell.row} {cell.col}" for cell in (maze.start, maze.goal)]
    return "\n".join([str(maze.rows), *ends, *(" ".join(map(str, row)) for row in maze.walls)])


def write_diffthinker(root: Path) -> Path:
    level = root / "FrozenLake/VSP/maps/level3"
    write_lake(level, "0", LAKE)
    write_lake(level, "1", OTHER_LAKE)
    plans = {f"{i}.png": letters("frozen_lake", lake) for i, lake in enumerate((LAKE, OTHER_LAKE))}
    write(level / "metadata.json", json.dumps(plans))
    level = root / "FrozenLake/4_test"
    write(level / "table/4_3_0.8_001.txt", table(WIDE_LAKE))
    write(level / "metadata.json", json.dumps({"4_3_0.8_001.png": letters("frozen_lake", WIDE_LAKE)}))
    level = root / "Maze/3_test"
    plan = letters("maze", MAZE)
    write(level / f"3_{len(plan) + 1}_001.txt", maze_file(MAZE))
    write(level / "path.json", json.dumps({f"3_{len(plan) + 1}_001": plan}))
    return root


# -- VisualPlanning -----------------------------------------------------------------------------


def number(cell: Cell, layout: Layout) -> int:
    return cell.row * layout.cols + cell.col


def sides(maze: MazeLayout) -> list[list[dict[str, bool]]]:
    bits = {"north": 1, "south": 2, "east": 8, "west": 4}
    return [[{side: bool(mask & bit) for side, bit in bits.items()} for mask in row] for row in maze.walls]


def numbered_record(task: str, layout: Any, board: Any) -> dict[str, Any]:
    known = solve(TASKS[task], layout).distances()
    return {
        "input_tokens": [1, 2],
        "input_state": [number(cell, layout) for cell in states_of(task, layout)],
        "meta": {
            "start_pos": number(layout.start, layout),
            "target_pos": number(layout.goal, layout),
            "layout": board,
            "distance_map": {str(number(cell, layout)): d for cell, d in known.items() if d},
            "level": layout.rows,
        },
    }


def room_fields(room: MiniBehaviourLayout) -> dict[str, Any]:
    """The neighbours, distance maps and best paths of a room, found by relaxation on the open cells."""
    rules = TASKS["mini_behaviour"]
    cells = [Cell(r, c) for r in range(room.rows) for c in range(room.cols) if not room.is_table(r, c)]

    def moves(target: Cell, carrying: bool) -> dict[Cell, int]:
        open_cells = [cell for cell in cells if carrying or cell != room.printer]
        found = {target: 0}
        for _ in open_cells:
            for cell in open_cells:
                for other in open_cells:
                    if other in found and abs(cell.row - other.row) + abs(cell.col - other.col) == 1:
                        found[cell] = min(found.get(cell, 99), found[other] + 1)
        return found

    def beside(carrying: bool, action: Action) -> list[Cell]:
        return [
            cell
            for cell in cells
            if (carrying or cell != room.printer)
            and rules.transition(room, MiniBehaviourState(cell, carrying), action).violation is None
        ]

    to_printer = {cell: moves(cell, False) for cell in beside(False, Action.PICK)}
    to_table = {cell: moves(cell, True) for cell in beside(True, Action.DROP)}
    totals = {
        (pick, drop): to_printer[pick][room.start] + to_table[drop][pick]
        for pick in to_printer
        for drop in to_table
    }
    shortest = min(totals.values())
    return {
        "table_pos": [list(cell) for cell in room.table_cells],
        "printer_neighbors": [list(cell) for cell in to_printer],
        "table_neighbors": [list(cell) for cell in to_table],
        "distance_map_to_printer": _named(to_printer),
        "distance_map_to_table": _named(to_table),
        "best_paths": [[list(p), list(t)] for (p, t), total in totals.items() if total == shortest],
    }


def _named(distances: dict[Cell, dict[Cell, int]]) -> dict[str, dict[str, int]]:
    return {str(target): {str(cell): d for cell, d in row.items()} for target, row in distances.items()}


def room_record(room: MiniBehaviourLayout) -> dict[str, Any]:
    return {
        "input_state": [[list(s.agent), s.carrying] for s in states_of("mini_behaviour", room)],
        "meta": {
            "level": room.rows,
            "start_pos": list(room.start),
            "printer_pos": list(room.printer),
            "idx": 0,
            **room_fields(room),
        },
    }


def vp_file(root: Path, data_set: str) -> Path:
    return root / "dataset" / data_set / "tokenized_dataset/SFT/test_dataset.jsonl"


def write_visualplanning(root: Path) -> Path:
    lakes = [
        numbered_record("frozen_lake", lake, [list(r) for r in lake.to_rows()]) for lake in (LAKE, WIDE_LAKE)
    ]
    write(vp_file(root, "frozenlake"), "\n".join(map(json.dumps, lakes)) + "\n")
    write(vp_file(root, "maze"), json.dumps(numbered_record("maze", MAZE, sides(MAZE))))
    write(vp_file(root, "minibehaviour"), json.dumps(room_record(ROOM)) + "\n")
    return root


# -- MGSD ---------------------------------------------------------------------------------------


def mgsd_text(task: str, layout: Any, fields: dict[str, Any], block: list[str]) -> str:
    plan = shortest_plan(TASKS[task], layout) or ()
    values = {
        "task": task.replace("_", ""),
        "split": "train",
        "level": layout.rows,
        "index": 0,
        "seed": 7,
        "start_row": layout.start.row,
        "start_col": layout.start.col,
        "path_length": len(plan),
        "solution_actions": json.dumps([action.name.lower() for action in plan]),
        **fields,
    }
    return "\n".join([*(f"{name}={value}" for name, value in values.items()), *block]) + "\n"


def mgsd_lake(lake: FrozenLakeLayout) -> str:
    fields = {
        "is_slippery": "false",
        "goal_row": lake.goal.row,
        "goal_col": lake.goal.col,
        "trajectory_states": json.dumps(states_of("frozen_lake", lake)),
    }
    return mgsd_text("frozen_lake", lake, fields, ["map:", *lake.to_rows()])


def mgsd_maze(maze: MazeLayout) -> str:
    record = numbered_record("maze", maze, sides(maze))["meta"]
    length = len(shortest_plan(TASKS["maze"], maze) or ())
    fields = {
        "difficulty_bucket": TASKS["maze"].generator.difficulty(maze.rows, length),
        "target_row": maze.goal.row,
        "target_col": maze.goal.col,
        "start_pos": record["start_pos"],
        "target_pos": record["target_pos"],
        "trajectory_states": json.dumps(states_of("maze", maze)),
        "layout_json": json.dumps(record["layout"]),
        "distance_map": json.dumps({**record["distance_map"], str(record["target_pos"]): 0}),
    }
    return mgsd_text("maze", maze, fields, ["layout:", *(" ".join(map(str, row)) for row in maze.walls)])


def mgsd_room(room: MiniBehaviourLayout) -> str:
    states = [{"coord": list(s.agent), "carrying": s.carrying} for s in states_of("mini_behaviour", room)]
    grid = [["."] * room.cols for _ in range(room.rows)]
    for cell in room.table_cells:
        grid[cell.row][cell.col] = "T"
    grid[room.start.row][room.start.col] = "A"
    grid[room.printer.row][room.printer.col] = "P"
    fields = {
        "grid_rows": room.rows,
        "grid_cols": room.cols,
        "printer_row": room.printer.row,
        "printer_col": room.printer.col,
        "trajectory_states": json.dumps(states),
        **{name: json.dumps(value) for name, value in room_fields(room).items()},
    }
    return mgsd_text("mini_behaviour", room, fields, ["grid:", *map("".join, grid)])


def write_mgsd(root: Path) -> Path:
    write(root / "frozenlake/level3/text/0000.txt", mgsd_lake(LAKE))
    write(root / "frozenlake/level3/image/0000.png", b"")
    write(root / "maze/level3/text/0000.txt", mgsd_maze(MAZE))
    write(root / "minibehaviour/level5/text/0000.txt", mgsd_room(ROOM))
    return root


WRITERS = {
    "ucsb-vsp": write_ucsb,
    "visualplanning": write_visualplanning,
    "diffthinker": write_diffthinker,
    "mgsd": write_mgsd,
}
"""What writes a sound folder of each suite. All return the folder in which the suite is found."""
