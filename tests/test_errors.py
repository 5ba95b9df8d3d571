"""Bad input gets an error of ours that says what was wrong and what is allowed."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsp_gym import (
    TASKS,
    Cell,
    FrozenLakeLayout,
    LayoutError,
    MazeLayout,
    MiniBehaviourLayout,
    UnknownNameError,
    VSPGymError,
    get_task,
)
from vsp_gym.core import check_action, check_plan
from vsp_gym.planning import shortest_plan, tabulate
from vsp_gym.plans import format_plan, parse_plan
from vsp_gym.render import render_ansi, render_rgb
from vsp_gym.scoring import get_convention, score_plan

LAKE = FrozenLakeLayout.from_rows(["SFF", "FHF", "FFG"])
DATA: dict[str, dict[str, Any]] = {
    "frozen_lake": LAKE.to_dict(),
    "maze": MazeLayout(((5, 9), (6, 10)), Cell(0, 0), Cell(1, 1)).to_dict(),
    "mini_behaviour": MiniBehaviourLayout(5, 5, Cell(0, 0), Cell(0, 2), Cell(3, 1)).to_dict(),
}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("frozen_lake", {"goal": None}, r"goal must be a pair \[row, col\], not None"),
        ("frozen_lake", {"goal": [3, 0]}, "goal row must be 0 to 2, not 3"),
        ("frozen_lake", {"goal": [0, -1]}, "goal column must be 0 to 2, not -1"),
        ("frozen_lake", {"goal": [0, 0]}, r"start and goal are the same cell \(0, 0\)"),
        ("frozen_lake", {"goal": [1, 1]}, r"the goal \(1, 1\) is a hole"),
        ("frozen_lake", {"start": [1, 1]}, r"the start \(1, 1\) is a hole"),
        ("frozen_lake", {"start": [0.0, 0]}, "start row must be an integer, not 0.0"),
        ("frozen_lake", {"start": [True, 0]}, "start row must be an integer, not True"),
        ("frozen_lake", {"start": "00"}, "start must be a pair"),
        ("frozen_lake", {"holes": None}, "holes must be a list"),
        ("frozen_lake", {"holes": "HH"}, "holes must be a list"),
        ("frozen_lake", {"holes": [[5, 5]]}, "hole row must be 0 to 2, not 5"),
        ("frozen_lake", {"rows": 65}, "rows must be 1 to 64, not 65"),
        ("frozen_lake", {"rows": 0}, "rows must be 1 to 64, not 0"),
        ("frozen_lake", {"cols": "3"}, "cols must be an integer, not '3'"),
        (
            "frozen_lake",
            {"slippery": True},
            "unknown fields slippery; allowed: rows, cols, start, goal, holes",
        ),
        ("maze", {"walls": [[5, 9], [6, 8]]}, r"the border is open at \(1, 1\)"),
        ("maze", {"walls": [[5, 1], [6, 10]]}, r"the border is open at \(0, 1\): its wall mask is 1"),
        ("maze", {"walls": [[13, 9], [6, 10]]}, r"cells \(0, 0\) and \(0, 1\) disagree about the wall"),
        ("maze", {"walls": [[7, 9], [6, 10]]}, r"cells \(0, 0\) and \(1, 0\) disagree about the wall"),
        ("maze", {"walls": [[5, 9], [6]]}, "row 1 of walls has 1 cells, row 0 has 2"),
        ("maze", {"walls": [[5, 9], [6, 16]]}, r"wall mask of \(1, 1\) must be 0 to 15, not 16"),
        ("maze", {"walls": [[5, 9], [6, 10.0]]}, r"wall mask of \(1, 1\) must be an integer"),
        ("maze", {"walls": []}, "walls must be a list of rows"),
        ("maze", {"walls": [[]]}, "cols must be 1 to 64, not 0"),
        ("maze", {"walls": [5, 9]}, "a row is no list"),
        ("maze", {"walls": "5966"}, "walls must be a list of rows"),
        ("maze", {"goal": [0, 0]}, "start and goal are the same cell"),
        ("mini_behaviour", {"table": [4, 1]}, "a table of 2x3 cells with its top left at .* does not fit"),
        ("mini_behaviour", {"table": [0, 0]}, r"the start \(0, 0\) is a cell of the table"),
        ("mini_behaviour", {"printer": [4, 3]}, r"the printer \(4, 3\) is a cell of the table"),
        ("mini_behaviour", {"printer": [0, 0]}, "start and printer are the same cell"),
        ("mini_behaviour", {"rows": 1}, "rows must be 2 to 64, not 1"),
    ],
)
def test_a_bad_field_is_named(name: str, change: dict[str, Any], message: str) -> None:
    with pytest.raises(LayoutError, match=message):
        TASKS[name].layout_type.from_dict({**DATA[name], **change})


@pytest.mark.parametrize("name", TASKS)
def test_a_missing_field_is_named(name: str) -> None:
    for field in DATA[name]:
        data = {key: value for key, value in DATA[name].items() if key != field}
        with pytest.raises(LayoutError, match=f"lacks {field}"):
            TASKS[name].layout_type.from_dict(data)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("data", [None, [], "board", 3, {}, {1: 2}])
def test_no_layout_at_all(name: str, data: object) -> None:
    with pytest.raises(LayoutError):
        TASKS[name].layout_type.from_dict(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize("name", TASKS)
@given(data=st.data())
@settings(max_examples=150)
def test_hostile_data_gives_a_layout_error_or_a_layout(name: str, data: st.DataObject) -> None:
    board: Any = copy.deepcopy(DATA[name])
    field = data.draw(st.sampled_from(sorted(board)))
    value = board[field]
    if isinstance(value, list) and data.draw(st.booleans()):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(JSON)
    else:
        board[field] = data.draw(JSON)
    message = ""
    try:
        layout = TASKS[name].layout_type.from_dict(board)
        assert layout.to_dict().keys() == board.keys()
    except LayoutError as error:
        message = str(error)
    assert len(message) < 300


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([1, 2], "row 0 must be text, not 1"),
        ([["S", 5]], r"cell \(0, 1\) is 5; allowed: S, F, H, G"),
        (7, "equally long rows, not 7"),
        (["SFF", "FFF"], r"a lake has one goal \(G\), not 0"),
        (["SFG", "FSF"], r"a lake has one start \(S\), not 2"),
        (["SF", "FFG"], "row 1 has 3 cells, row 0 has 2"),
        (["SX", "FG"], r"cell \(0, 1\) is 'X'; allowed: S, F, H, G"),
        ([], "a lake is a list of equally long rows"),
        ("SFFG", "a lake is a list of equally long rows"),
    ],
)
def test_bad_rows(rows: list[str], message: str) -> None:
    with pytest.raises(LayoutError, match=message):
        FrozenLakeLayout.from_rows(rows)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("frozen_lake", 2, "size of FrozenLake must be 3 to 64, not 2"),
        ("maze", 65, "size of Maze must be 3 to 64, not 65"),
        ("mini_behaviour", 4, "size of MiniBehaviour must be 5 to 32, not 4"),
        ("maze", 4.0, "size of Maze must be an integer, not 4.0"),
        ("maze", True, "size of Maze must be an integer, not True"),
        ("maze", None, "size of Maze must be an integer, not None"),
    ],
)
def test_bad_sizes(name: str, size: object, message: str) -> None:
    with pytest.raises(VSPGymError, match=message):
        TASKS[name].check_size(size)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (4, r"4 \(PICK\) is no action of Maze; allowed: 0 LEFT, 1 DOWN, 2 RIGHT, 3 UP"),
        (-1, "-1 is no action of Maze"),
        (17, "17 is no action of Maze"),
        ("PICK", "unknown Maze action 'PICK'; allowed: LEFT, DOWN, RIGHT, UP"),
        ("RIHGT", "Did you mean 'RIGHT'"),
        (1.0, "an action is an integer or a name, not 1.0"),
        (None, "an action is an integer or a name, not None"),
        ([1], "an action is an integer or a name"),
    ],
)
def test_bad_actions(action: object, message: str) -> None:
    with pytest.raises(VSPGymError, match=message):
        check_action(TASKS["maze"], action)
    with pytest.raises(VSPGymError, match=r"plan\[2\]: "):
        check_plan(TASKS["maze"], [0, 1, action])


def test_a_plan_is_no_text() -> None:
    with pytest.raises(VSPGymError, match=r"not the text 'DDRR'; read text with vsp_gym\.parse_plan"):
        score_plan(TASKS["frozen_lake"], LAKE, "DDRR")


@pytest.mark.parametrize("plan", [5, None])
def test_a_plan_is_a_sequence(plan: Any) -> None:
    with pytest.raises(VSPGymError, match=f"a plan is a sequence of actions, not {plan}"):
        score_plan(TASKS["frozen_lake"], LAKE, plan)


@pytest.mark.parametrize(
    "call",
    [
        lambda: score_plan("maze", LAKE, [0]),  # type: ignore[arg-type]
        lambda: parse_plan("R", "maze"),  # type: ignore[arg-type]
        lambda: format_plan([0], "maze"),  # type: ignore[arg-type]
        lambda: shortest_plan("maze", LAKE),  # type: ignore[type-var, arg-type]
        lambda: render_rgb("maze", LAKE),  # type: ignore[arg-type]
        lambda: render_ansi("maze", LAKE),  # type: ignore[arg-type]
    ],
)
def test_where_a_task_is_needed_a_name_is_refused_with_advice(call: Any) -> None:
    with pytest.raises(VSPGymError, match=r"not 'maze'; vsp_gym\.get_task finds a task by its name"):
        call()


@pytest.mark.parametrize("board", [LAKE, {"rows": 3}, None])
def test_a_board_of_another_task_is_refused(board: Any) -> None:
    for call in (shortest_plan, tabulate, render_rgb, render_ansi):
        with pytest.raises(LayoutError, match="Maze needs a MazeLayout, not "):
            call(TASKS["maze"], board)


@pytest.mark.parametrize("state", ["here", [0, 0], (0,), 7, (9, 9)])
def test_what_is_no_state_is_refused(state: Any) -> None:
    maze = TASKS["maze"].layout_type.from_dict(DATA["maze"])
    for call in (shortest_plan, render_rgb, render_ansi):
        if call is shortest_plan or state != [0, 0]:  # a picture does not need to hash it
            with pytest.raises(VSPGymError, match="is no state of a Maze board of 2x2"):
                call(TASKS["maze"], maze, state)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: get_task("frozen"), "unknown task 'frozen'; allowed: frozen_lake, maze, mini_behaviour"),
        (lambda: get_task("mase"), "Did you mean 'maze'"),
        (lambda: get_task(None), "unknown task None"),  # type: ignore[arg-type]
        (lambda: get_convention("stricct"), "Did you mean 'strict'"),
        (lambda: get_convention(["strict"]), "unknown convention"),  # type: ignore[arg-type]
        (lambda: TASKS["maze"].generator.length_range(4, "esay"), "Did you mean 'easy'"),  # type: ignore[arg-type]
    ],
)
def test_unknown_names(call: Any, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        call()


@pytest.mark.parametrize("name", ["frozen-lake", "FrozenLake", "FROZEN_LAKE", TASKS["frozen_lake"]])
def test_names_of_tasks(name: Any) -> None:
    assert get_task(name) is TASKS["frozen_lake"]


def test_every_error_is_a_value_error() -> None:
    assert issubclass(LayoutError, VSPGymError)
    assert issubclass(UnknownNameError, VSPGymError)
    assert issubclass(VSPGymError, ValueError)


def test_a_long_name_does_not_flood_the_message() -> None:
    with pytest.raises(UnknownNameError) as caught:
        get_task("maze" * 100_000)
    assert len(str(caught.value)) < 300


def test_an_unknown_name_comes_back_from_another_process() -> None:
    error = UnknownNameError("task", "maz", TASKS)
    copied = pickle.loads(pickle.dumps(error))
    assert (str(copied), copied.allowed) == (str(error), error.allowed)
