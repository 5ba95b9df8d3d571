"""Boards in words: lossless, complete, compact, and strict about what is read back."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsp_gym import (
    TASKS,
    Cell,
    FormatError,
    FrozenLakeLayout,
    MazeLayout,
    MiniBehaviourLayout,
    UnknownNameError,
    VSPGymError,
    describe,
    parse_description,
    solve,
)
from vsp_gym.envs.mini_behaviour.rules import MiniBehaviourState
from vsp_gym.testing import states

LAKE = FrozenLakeLayout.from_rows(["SFF", "FHF", "FFG"])
MAZE = MazeLayout(walls=((7, 9), (15, 14)), start=Cell(0, 0), goal=Cell(1, 1))
ROOM = MiniBehaviourLayout(5, 5, start=Cell(0, 0), printer=Cell(0, 2), table=Cell(3, 1))

LAKE_TEXT = """\
FrozenLake, 3 x 3 (rows x cols)
Cells are (row, col), counted from 0; row 0 is at the top.
Agent: (1, 1), in a hole
Start: (0, 0)
Goal: (2, 2)
Holes: (1, 1)
Grid (A agent, S start, G goal, H hole, . ice; A hides what is under it):
S . .
. A .
. . G
"""

MAZE_TEXT = """\
Maze, 2 x 2 (rows x cols)
Cells are (row, col), counted from 0; row 0 is at the top.
Agent: (0, 1)
Start: (0, 0)
Goal: (1, 1)
Grid (A agent, S start, G goal; lines are walls; A hides what is under it):
+---+---+
| S   A |
+---+   +
|   | G |
+---+---+
Open directions of each cell (L left, D down, R right, U up):
(0, 0) R; (0, 1) LD
(1, 0) none; (1, 1) U
"""

ROOM_TEXT = """\
MiniBehaviour, 5 x 5 (rows x cols)
Cells are (row, col), counted from 0; row 0 is at the top.
Agent: (0, 1)
Carrying: nothing
Printer: (0, 2)
Start: (0, 0)
Table: (3, 1), (3, 2), (3, 3), (4, 1), (4, 2), (4, 3)
Free cells next to the printer: (0, 1), (0, 3), (1, 2)
Free cells next to the table: (2, 1), (2, 2), (2, 3), (3, 0), (3, 4), (4, 0), (4, 4)
Grid (A agent, S start, P printer, T table, . free; A hides what is under it):
S A P . .
. . . . .
. . . . .
. T T T .
. T T T .
"""

EXAMPLES: dict[str, tuple[Any, Any, str]] = {
    "frozen_lake": (LAKE, Cell(1, 1), LAKE_TEXT),
    "maze": (MAZE, Cell(0, 1), MAZE_TEXT),
    "mini_behaviour": (ROOM, MiniBehaviourState(Cell(0, 1)), ROOM_TEXT),
}


@pytest.mark.parametrize("name", TASKS)
def test_examples(name: str) -> None:
    layout, state, text = EXAMPLES[name]
    assert describe(name, layout, state) == text
    assert parse_description(name, text) == (layout, state)
    assert describe(name, layout) == describe(name, layout, TASKS[name].initial(layout))


@pytest.mark.parametrize(
    ("state", "lines"),
    [
        (
            MiniBehaviourState(Cell(0, 1), True),
            ["Carrying: printer", "carried by the agent, taken from (0, 2)"],
        ),
        (
            MiniBehaviourState(Cell(2, 1), False, True),
            ["Carrying: nothing", "delivered to the table, taken from (0, 2)"],
        ),
    ],
)
def test_what_became_of_the_printer(state: MiniBehaviourState, lines: list[str]) -> None:
    text = describe("mini_behaviour", ROOM, state)
    assert all(line in text for line in lines)
    assert "next to the printer" not in text
    assert " P " not in text.split("under it):")[1]


def test_the_goal_is_named() -> None:
    assert "Agent: (2, 2), at the goal\n" in describe("frozen_lake", LAKE, Cell(2, 2))
    assert "Agent: (1, 1), at the goal\n" in describe("maze", MAZE, Cell(1, 1))
    assert "Holes: none\n" in describe("frozen_lake", FrozenLakeLayout.from_rows(["SG"]))


@pytest.mark.parametrize("name", TASKS)
@given(data=st.data())
@settings(max_examples=100)
def test_lossless(name: str, data: st.DataObject) -> None:
    layout, state = data.draw(states(name, 1 if name != "mini_behaviour" else 2, 7))
    text = describe(name, layout, state)
    assert parse_description(name, text) == (layout, state)
    assert text.isascii()
    assert all(line == line.strip() for line in text.splitlines())


@pytest.mark.parametrize("name", TASKS)
def test_lossless_for_every_state_of_large_boards(name: str) -> None:
    task = TASKS[name]
    solution = task.generator.draw(np.random.default_rng([5]), min(12, task.max_size))
    seen = set()
    for state in solution.states:
        text = describe(task, solution.layout, state)
        seen.add(text)
        assert parse_description(task, text) == (solution.layout, state)
    assert len(seen) == len(solution.states)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("change", ["crlf", "indented", "trailing", "blank lines around"])
def test_white_space_does_not_matter(name: str, change: str) -> None:
    layout, state, text = EXAMPLES[name]
    changed = {
        "crlf": text.replace("\n", "\r\n"),
        "indented": text.replace("\n", "\n   "),
        "trailing": text.replace("\n", "  \t\n"),
        "blank lines around": f"\n\n{text}\n\n",
    }[change]
    assert parse_description(name, changed) == (layout, state)


def replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) >= 1
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("frozen_lake", "FrozenLake", "Maze", r"line 1 'Maze, 3 x 3 .*': the first line names the task"),
        ("frozen_lake", "3 x 3", "0 x 3", "line 1 .*: a board has 1 to 64 rows and columns"),
        ("frozen_lake", "3 x 3", "3 x 65", "line 1 .*: a board has 1 to 64 rows and columns"),
        ("frozen_lake", "from 0", "from 1", "line 2 .*: differs from the other lines at character 36"),
        ("frozen_lake", "Agent: (1, 1)", "Agent: (1, 9)", r"line 3 .*: \(1, 9\) is not on a board of 3 x 3"),
        ("frozen_lake", "Agent: (1, 1)", "Agent: here", r"line 3 .*: this line names a cell like \(0, 1\)"),
        (
            "frozen_lake",
            ", in a hole",
            "",
            "line 3 .*: differs .* at character 14: '', expected ', in a hole'",
        ),
        ("frozen_lake", "Goal: (2, 2)", "Goal: (0, 0)", r"line 6 .*: start and goal are the same cell"),
        ("frozen_lake", "Holes: (1, 1)", "Holes: (2, 2)", r"line 6 .*: the goal \(2, 2\) is a hole"),
        ("frozen_lake", "Holes: (1, 1)", "Holes: (0, 1)", "line 3 .*: differs"),
        ("frozen_lake", "Holes: (1, 1)", "Holes: (1, 1), (1, 1)", "line 6 .*: differs"),
        (
            "frozen_lake",
            ". . G\n",
            "",
            r"line 10 '': the description ends before this line; expected '. . G'",
        ),
        ("frozen_lake", ". . G\n", ". . G\nend\n", "line 11 'end': nothing follows the description"),
        ("frozen_lake", ". A .", ". . A", "line 9 '. . A': differs from the other lines at character 3"),
        ("maze", "| S   A |", "| S | A |", "line 13 .*: differs from the other lines"),
        ("maze", "| S   A |", "| S   A  ", r"line 8 .*: this line draws a row of 2 cells between walls"),
        ("maze", "| S   A |", "| S   B |", "line 8 .*: this line draws a row of 2 cells"),
        ("maze", "+---+   +", "+---+  +", "line 9 .*: this line draws 2 cells' upper walls"),
        ("maze", "+---+---+\n| S", "+---+   +\n| S", "line 7 .*: the border is open"),
        ("maze", "(0, 1) LD", "(0, 1) LDR", "line 13 .*: differs"),
        ("maze", "Goal: (1, 1)", "Goal: (0, 0)", "line 5 .*: start and goal are the same cell"),
        (
            "mini_behaviour",
            "Agent: (0, 1)",
            "Agent: (0, 2)",
            r"the agent is at \(0, 2\), where the printer stands",
        ),
        (
            "mini_behaviour",
            "Agent: (0, 1)",
            "Agent: (3, 1)",
            r"the agent is at \(3, 1\), a cell of the table",
        ),
        ("mini_behaviour", "nothing", "printer", "line 4 'Carrying: printer': differs"),
        (
            "mini_behaviour",
            "Table: (3, 1)",
            "Table: (4, 1)",
            "line 7 .*: a table of 2x3 cells .* does not fit",
        ),
        ("mini_behaviour", "Printer: (0, 2)", "Printer: (0, 3)", "line 8 .*: differs"),
        (
            "mini_behaviour",
            "Printer: (0, 2)",
            "Printer: delivered to the table, taken from (0, 2)",
            r"the printer was delivered, but the agent at \(0, 1\) is not next to the table",
        ),
    ],
)
def test_what_is_wrong_is_named(name: str, old: str, new: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_description(name, replaced(EXAMPLES[name][2], old, new))


@pytest.mark.parametrize("name", TASKS)
@given(data=st.data())
@settings(max_examples=200)
def test_a_changed_character_is_noticed(name: str, data: st.DataObject) -> None:
    text = EXAMPLES[name][2]
    at = data.draw(st.integers(0, len(text) - 1))
    char = data.draw(st.characters())
    changed = data.draw(st.sampled_from([text[:at] + char + text[at + 1 :], text[:at] + text[at + 1 :]]))
    try:
        got = parse_description(name, changed)
    except FormatError as error:
        message = str(error)
        assert message.startswith("line ")
    else:
        assert describe(name, *got).strip().split("\n") == [
            line.strip() for line in changed.strip().split("\n")
        ]


@pytest.mark.parametrize("name", TASKS)
@given(text=st.text())
@settings(max_examples=100)
def test_arbitrary_text(name: str, text: str) -> None:
    with pytest.raises(FormatError, match="line 1"):
        parse_description(name, text)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize(
    "unit", ["(0, 0), ", "\n", "+---", "| A ", "Agent: (0, 0)\n", "\x00", "\ud800", "9", " \t", "\u2028"]
)
def test_a_megabyte_takes_linear_time(name: str, unit: str) -> None:
    hostile = unit * (1_000_000 // len(unit))
    lines = EXAMPLES[name][2].split("\n")
    began = time.perf_counter()
    for number in range(len(lines)):
        text = "\n".join([*lines[:number], lines[number] + hostile, *lines[number + 1 :]])
        if unit.strip():
            with pytest.raises(FormatError) as caught:
                parse_description(name, text)
            assert len(str(caught.value)) < 400
        else:
            try_parse(name, text)
    assert time.perf_counter() - began < 10


def try_parse(name: str, text: str) -> object:
    try:
        return parse_description(name, text)
    except FormatError:
        return None


@pytest.mark.parametrize("text", [None, 5, b"FrozenLake", ["FrozenLake"]])
def test_only_text_is_read(text: Any) -> None:
    with pytest.raises(FormatError, match="a description is text, not"):
        parse_description("frozen_lake", text)


def test_the_wrong_layout_or_task() -> None:
    with pytest.raises(VSPGymError, match="Maze needs a MazeLayout, not FrozenLakeLayout"):
        describe("maze", LAKE)
    with pytest.raises(UnknownNameError, match="Did you mean 'maze'"):
        describe("mase", LAKE)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize(
    "state", [(9, 9), (-1, 0), (0.5, 0), 7, "here", (1, 2, 3), [(9, 9), True, False], ((0, 0),)]
)
def test_no_state_of_the_board(name: str, state: Any) -> None:
    with pytest.raises(VSPGymError, match="is no state of a"):
        describe(name, EXAMPLES[name][0], state)


def test_compact() -> None:
    lake = FrozenLakeLayout.from_rows(["SFFF", "FHFH", "FFFH", "HFFG"])
    assert len(describe("frozen_lake", lake)) < 400
    maze = TASKS["maze"].generator.sample(np.random.default_rng([0]), 64)
    assert len(describe("maze", maze)) < 100_000
    assert parse_description("maze", describe("maze", maze))[0] == maze


@pytest.mark.parametrize("name", TASKS)
def test_complete_for_a_planner(name: str) -> None:
    """The text alone gives the board that the oracle plans on."""
    task = TASKS[name]
    for number in range(5):
        board = task.generator.draw(np.random.default_rng([number]), 6)
        layout, state = parse_description(task, describe(task, board.layout))
        assert solve(task, layout, state).plan() == board.plan()
