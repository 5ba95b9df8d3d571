"""Questions, answers and statements: true for every state, read as meant or not at all."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsp_gym import (
    TASKS,
    Action,
    Cell,
    FrozenLakeLayout,
    MazeLayout,
    MiniBehaviourLayout,
    UnknownNameError,
    VSPGymError,
    describe,
)
from vsp_gym.envs.mini_behaviour.rules import MiniBehaviourState
from vsp_gym.perception import (
    asks,
    get_question,
    legal_actions,
    parse_statement,
    questions,
    score_answer,
    state_statement,
)
from vsp_gym.testing import states

DATA = Path(__file__).parent / "data"
LAKE = FrozenLakeLayout.from_rows(["SFFFF", "FFFHF", "FFFFF", "FFHGF"])
MAZE = MazeLayout(((5, 9), (14, 14)), Cell(0, 0), Cell(1, 1))
ROOM = MiniBehaviourLayout(5, 5, Cell(0, 0), Cell(1, 1), Cell(3, 1))
BOARDS = {"frozen_lake": LAKE, "maze": MAZE, "mini_behaviour": ROOM}

PROSE = st.sampled_from(
    [
        "",
        "I look at the picture first.",
        "Here is what I see:\n",
        "**The board**",
        "Plan: right 2, down 1, PICK, up 1.",
        "Route: (0, 1), (0, 2), PICK, (1, 2).",
        "We go around and reach it. The agent is then at (1, 1).",
        "Open question: which way is shorter?",
        "There are 3 ways; the printer, the goal and the table come later.",
        "Move left, then from (0, 0) to (0, 1).",
    ]
)


def table(name: str) -> list[dict[str, Any]]:
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


# ---- questions ------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=40)
@given(data=st.data())
def test_every_state(task: str, data: st.DataObject) -> None:
    """Own answers are right, and stay the same words on every board."""
    layout, state = data.draw(states(task))
    asked = questions(task, layout, state)
    assert [(q.name, q.prompt, q.kind) for q in asked] == [(a.name, a.prompt, a.kind) for a in asks(task)]
    for question in asked:
        for reply in (question.reply, question.answer, f"I see it.\n{question.reply}"):
            score = score_answer(question, reply)
            assert score.correct, (question, score)
            assert score.answer == question.answer
            assert score.f1 in (None, 1.0)


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=40)
@given(data=st.data())
def test_size_agent_and_actions(task: str, data: st.DataObject) -> None:
    layout, state = data.draw(states(task))
    gold = {question.name: question.gold for question in questions(task, layout, state)}
    assert gold["size"] == (layout.rows, layout.cols)
    assert gold["agent_position"] == TASKS[task].picture.agent(layout, state)
    for action in gold["legal_actions"]:
        assert TASKS[task].transition(layout, state, action).violation is None


@given(states("frozen_lake"))
@settings(max_examples=40)
def test_lake(board: Any) -> None:
    layout, (row, col) = board
    gold = {question.name: question.gold for question in questions("frozen_lake", layout, Cell(row, col))}
    rows = layout.to_rows()
    holes = {(r, c) for r, line in enumerate(rows) for c, letter in enumerate(line) if letter == "H"}
    assert (gold["hole_positions"], gold["hole_count"]) == (holes, len(holes))
    around = {(row, col - 1), (row + 1, col), (row, col + 1), (row - 1, col)}
    assert gold["next_to_hole"] == bool(around & holes)
    over = (row, col) in holes or rows[row][col] == "G"
    expected = {
        action
        for action, (r, c) in zip(Action, ((row, col - 1), (row + 1, col), (row, col + 1), (row - 1, col)))
        if 0 <= r < layout.rows and 0 <= c < layout.cols and rows[r][c] != "H" and not over
    }
    assert gold["safe_actions"] == expected


def test_maze() -> None:
    gold = {question.name: question.gold for question in questions("maze", MAZE)}
    left, down, right, up = (frozenset({action}) for action in Action if action < Action.PICK)
    assert gold["open_directions"] == {
        (0, 0): down | right,
        (0, 1): left | down,
        (1, 0): up,
        (1, 1): up,
    }
    assert gold["dead_ends"] == {(1, 0), (1, 1)}
    assert gold["goal_position"] == (1, 1)


def test_room() -> None:
    def gold(state: MiniBehaviourState) -> dict[str, Any]:
        return {question.name: question.gold for question in questions("mini_behaviour", ROOM, state)}

    standing = gold(MiniBehaviourState(Cell(0, 1)))
    assert standing["printer_position"] == (1, 1)
    assert standing["printer_adjacent_cells"] == {(0, 1), (1, 0), (1, 2), (2, 1)}
    assert standing["table_adjacent_cells"] == {(2, 1), (2, 2), (2, 3), (3, 0), (4, 0), (3, 4), (4, 4)}
    assert standing["legal_actions"] == {Action.LEFT, Action.RIGHT, Action.PICK}
    carried = gold(MiniBehaviourState(Cell(2, 1), carrying=True))
    assert carried["printer_position"] is None
    assert carried["printer_adjacent_cells"] == set()
    assert carried["carrying"] is True
    assert carried["legal_actions"] == {Action.LEFT, Action.RIGHT, Action.UP, Action.DROP}
    delivered = gold(MiniBehaviourState(Cell(2, 1), delivered=True))
    assert delivered["legal_actions"] == set()
    assert delivered["carrying"] is False


def test_free_cells_agree_with_descriptions() -> None:
    text = describe("mini_behaviour", ROOM)
    for question, line in (("printer_adjacent_cells", "printer"), ("table_adjacent_cells", "table")):
        answer = get_question("mini_behaviour", ROOM, name=question).answer
        assert f"Free cells next to the {line}: {answer}\n" in text


def test_no_action_is_legal_at_the_end() -> None:
    lake = TASKS["frozen_lake"]
    assert legal_actions(lake, LAKE, LAKE.goal) == set()
    assert legal_actions(lake, LAKE, Cell(1, 3)) == set()
    assert legal_actions(lake, LAKE, Cell(3, 4)) == {Action.LEFT, Action.UP}


def test_names_are_unique_and_plain() -> None:
    for task in TASKS:
        names = [ask.name for ask in asks(task)]
        assert len(set(names)) == len(names)
        assert all(name.isidentifier() and name == name.lower() for name in names)


def test_wrong_arguments() -> None:
    with pytest.raises(UnknownNameError, match=r"goal_positon.*Did you mean 'goal_position'"):
        get_question("maze", MAZE, name="goal_positon")
    with pytest.raises(VSPGymError, match="Maze needs a MazeLayout"):
        questions("maze", LAKE)
    for state in (Cell(9, 9), "here", None.__class__, 7):
        with pytest.raises(VSPGymError, match="is no state"):
            questions("maze", MAZE, state)
    question = questions("maze", MAZE)[0]
    for reply in (None, b"yes", 3):
        with pytest.raises(VSPGymError, match="a reply is text"):
            score_answer(question, reply)  # type: ignore[arg-type]
        with pytest.raises(VSPGymError, match="a reply is text"):
            parse_statement("maze", reply)  # type: ignore[arg-type]


# ---- answers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row", table("answers.jsonl"), ids=lambda row: f"{row['question']}-{row['reply'][:30]}"
)
def test_answers(row: dict[str, Any]) -> None:
    question = get_question(row["task"], BOARDS[row["task"]], name=row["question"])
    score = score_answer(question, row["reply"])
    assert score.answer == row["answer"], score
    assert score.parsed == (row["answer"] is not None)
    assert score.correct == (row["answer"] == question.answer)
    assert (score.reason is None) == score.parsed


def test_an_unread_answer_is_wrong_where_the_set_is_empty() -> None:
    lake = FrozenLakeLayout.from_rows(["SF", "FG"])
    question = get_question("frozen_lake", lake, name="hole_positions")
    assert question.gold == set()
    for reply in ("", "I cannot see any.", "?", "<answer></answer>"):
        score = score_answer(question, reply)
        assert (score.parsed, score.correct, score.f1) == (False, False, 0.0)
    assert score_answer(question, "none").f1 == 1.0
    assert score_answer(question, "(0, 1)").f1 == 0.0


def test_f1() -> None:
    question = get_question("frozen_lake", LAKE, name="hole_positions")
    score = score_answer(question, "(1, 3), (0, 1), (0, 2)")
    assert (score.precision, score.recall, score.f1) == (1 / 3, 1 / 2, 2 * 1 / (3 + 2))
    assert not score.correct
    directions = get_question("maze", MAZE, name="open_directions")
    score = score_answer(directions, "(0, 0) D; (0, 1) LD; (1, 0) U; (1, 1) U")
    assert (score.precision, score.recall) == (1.0, 5 / 6)
    partial = score_answer(directions, "(0, 0) RD; (0, 1) LD; (1, 0) U")
    assert partial.parsed
    assert not partial.correct
    size = score_answer(get_question("maze", MAZE, name="size"), "3 x 3")
    assert (size.precision, size.recall, size.f1) == (None, None, None)


def test_scores_and_questions_are_json() -> None:
    for task, layout in BOARDS.items():
        for question in questions(task, layout):
            json.dumps([question.to_dict(), score_answer(question, question.reply).to_dict()])


# ---- statements -----------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=60)
@given(
    data=st.data(), before=PROSE, after=PROSE, answer=st.sampled_from(["", "<answer>DR</answer>", "<answer>"])
)
def test_round_trip(task: str, data: st.DataObject, before: str, after: str, answer: str) -> None:
    layout, state = data.draw(states(task))
    text = state_statement(task, layout, state)
    found = parse_statement(task, f"{before}\n{text}\n{after}\n{answer}")
    assert found.reason is None, (text, found)
    assert (found.layout, found.state) == (layout, state)
    for other in (text.lower(), text.replace(": ", " = "), text.replace("\n", "\r\n"), f"```\n{text}\n```"):
        assert parse_statement(task, other) == found, other


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=30)
@given(data=st.data())
def test_descriptions_are_statements(task: str, data: st.DataObject) -> None:
    layout, state = data.draw(states(task))
    text = describe(task, layout, state).replace(f"{TASKS[task].title},", "Size:", 1)
    found = parse_statement(task, text)
    assert (found.layout, found.state) == (layout, state), found


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=60)
@given(data=st.data())
def test_a_lost_line_is_missed(task: str, data: st.DataObject) -> None:
    """Without one of its lines, a statement states no board, or only a start at the agent's cell."""
    layout, state = data.draw(states(task))
    lines = state_statement(task, layout, state).split("\n")
    lost = data.draw(st.integers(0, len(lines) - 1))
    found = parse_statement(task, "\n".join(lines[:lost] + lines[lost + 1 :]))
    if lines[lost].startswith("Start:"):
        return
    assert found.layout is None
    assert found.reason


@pytest.mark.parametrize(
    "row", table("statements.jsonl"), ids=lambda row: f"{row['task']}-{row['reply'][:30]}"
)
def test_statements(row: dict[str, Any]) -> None:
    found = parse_statement(row["task"], row["reply"])
    if "reason" in row:
        assert found.layout is None
        assert row["reason"] in (found.reason or "")
        return
    assert found.reason is None
    task, layout = TASKS[row["task"]], BOARDS[row["task"]]
    assert (found.layout, found.state) == (layout, task.initial(layout))


# ---- any text -------------------------------------------------------------------------------

NOISE = st.lists(
    st.sampled_from(
        [
            *(
                "Size: ",
                "4 x 4",
                "Agent: ",
                "(0, 0)",
                "(1, 1)",
                "Holes: ",
                "none",
                "Goal: ",
                "Table: ",
                "open ",
                "R",
            ),
            *(
                "Printer: ",
                "carried",
                "on the table",
                "\n",
                ", ",
                "; ",
                "or ",
                "<answer>",
                "</answer>",
                "<think>",
            ),
            *(
                "</think>",
                "no ",
                "not ",
                "-",
                "(",
                "[",
                "]",
                "row 1",
                "99999",
                "é",
                "\x00",
                "start ",
                "start at ",
            ),
        ]
    ),
    max_size=40,
).map("".join)


@given(st.one_of(st.text(max_size=200), NOISE))
def test_any_reply(reply: str) -> None:
    for task, layout in BOARDS.items():
        found = parse_statement(task, reply)
        assert (found.layout is None) == (found.reason is not None)
        for question in questions(task, layout):
            score = score_answer(question, reply)
            assert score.parsed == (score.reason is None)
            assert score.parsed or not score.correct


@pytest.mark.parametrize(
    "piece",
    [
        "start ",
        "agent ( ",
        "hole: ",
        "(1, 2",
        "open (0,0) ",
        "printer on the table ",
        "((",
        "1",
        "holes: (1, 1), ",
    ],
)
def test_linear_time(piece: str) -> None:
    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        question = questions("maze", MAZE)[4]
        begin = time.process_time()
        parse_statement("mini_behaviour", text)
        score_answer(question, text)
        return time.process_time() - begin

    seconds(1000)
    assert seconds(80_000) < 8 * (4 * seconds(20_000) + 0.02)
