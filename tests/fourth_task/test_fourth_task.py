"""A fourth task is one folder and one entry in `TASKS`: everything else follows from its rules."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import gymnasium as gym
import numpy as np
import pytest
from click.testing import CliRunner
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

from fourth_task import KeyDoor, KeyDoorLayout
from fourth_task.rules import KeyDoorState
from vsp_gym import (
    TASKS,
    THEMES,
    Action,
    Cell,
    LayoutError,
    count_shortest_plans,
    describe,
    get_task,
    optimal_actions,
    parse_description,
    register,
    render_rgb,
    shortest_plan,
)
from vsp_gym.cli import main
from vsp_gym.distillation import DistillationRecord, distillation_record
from vsp_gym.perception import get_question, parse_statement, questions, score_answer, state_statement
from vsp_gym.plans import format_plan, parse_plan
from vsp_gym.prompts import (
    Role,
    build_messages,
    check_student,
    example_solution,
    message_texts,
    next_turn,
    prompt_version,
    write_reply,
)
from vsp_gym.records import read_samples
from vsp_gym.scoring import score_plan, score_reply
from vsp_gym.symmetry import images, orbit_key
from vsp_gym.testing import answers, check_task, layouts, replies, statements, states

LEFT, DOWN, RIGHT, UP, PICK, _ = Action
ROOM = KeyDoorLayout(3, 4, start=Cell(0, 0), key=Cell(2, 0), door=Cell(1, 2), goal=Cell(0, 3))
PLAN = (DOWN, PICK, RIGHT, RIGHT, RIGHT, UP)


@pytest.fixture(autouse=True)
def key_door(monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyDoor]:
    task = KeyDoor()
    monkeypatch.setitem(TASKS, task.name, task)
    register(task)
    yield task
    gym.registry.pop(task.env_id)


def test_conforms() -> None:
    check_task("key-door", boards=5, parts="all")


def test_planning(key_door: KeyDoor) -> None:
    assert shortest_plan(key_door, ROOM) == PLAN
    assert count_shortest_plans(key_door, ROOM) == 1
    assert optimal_actions(key_door, ROOM) == (DOWN,)
    locked = KeyDoorLayout(3, 4, start=Cell(0, 0), key=Cell(2, 3), door=Cell(1, 2), goal=Cell(0, 3))
    assert shortest_plan(key_door, locked) is None


def test_plans_as_text(key_door: KeyDoor) -> None:
    assert format_plan(PLAN, key_door) == "D,PICK,R,R,R,U"
    assert parse_plan("<answer>down, pick, R, R, R, up</answer>", key_door).actions == PLAN
    assert parse_plan("<answer>down, drop</answer>", key_door).actions is None


def test_scoring(key_door: KeyDoor) -> None:
    assert score_plan(key_door, ROOM, PLAN).optimal
    locked = score_plan(key_door, ROOM, (DOWN, RIGHT, RIGHT))
    assert locked.explanation == "Step 3 of 3 (RIGHT) leads into an occupied cell."
    assert score_plan(key_door, ROOM, (DOWN, PICK, PICK)).violation == "hands"
    assert score_reply(key_door, ROOM, "D,PICK").progress == pytest.approx(2 / 6)


def test_text(key_door: KeyDoor) -> None:
    text = describe("KeyDoor", ROOM)
    assert text == (
        "KeyDoor, 3 x 4 (rows x cols)\n"
        "Cells are (row, col), counted from 0; row 0 is at the top.\n"
        "Agent: (0, 0)\n"
        "Key: (2, 0)\n"
        "Start: (0, 0)\n"
        "Door: (1, 2)\n"
        "Goal: (0, 3)\n"
        "Grid (A agent, S start, K key, D door, # wall, G goal, . free; A hides what is under it):\n"
        "A . # G\n"
        ". . D .\n"
        "K . # .\n"
    )
    assert parse_description(key_door, text) == (ROOM, key_door.initial(ROOM))


@pytest.mark.parametrize("theme", THEMES)
def test_pictures(key_door: KeyDoor, theme: str) -> None:
    before = render_rgb(key_door, ROOM, size=128, theme=theme)
    taken = key_door.initial(ROOM)
    for action in (DOWN, PICK, UP):
        taken = key_door.transition(ROOM, taken, action).state
    after = render_rgb(key_door, ROOM, taken, size=128, theme=theme)
    assert before.shape == (96, 128, 3)
    changed = {(y // 32, x // 32) for y, x in np.argwhere((before != after).any(axis=2)).tolist()}
    assert changed == {(0, 0), (2, 0)}  # the key moved into the agent's hands


def test_gymnasium(key_door: KeyDoor) -> None:
    env = gym.make("VSP/KeyDoor-v0", size=5, observation="state")
    check_env(env.unwrapped, skip_render_check=True)
    _, info = env.reset(seed=3)
    terminated = False
    while not terminated:
        _, reward, terminated, _, info = env.step(int(np.argmax(info["optimal_actions"])))
    assert reward == 1.0
    assert info["is_success"]


def test_gymnasium_vector(key_door: KeyDoor) -> None:
    envs = gym.make_vec("VSP/KeyDoor-v0", num_envs=3, vectorization_mode="vector_entry_point", size=5)
    observation, info = envs.reset(seed=0)
    assert observation["image"].shape[0] == len(observation["text"]) == 3
    assert observation["text"][0].startswith("KeyDoor, 5 x 5")
    assert info["action_mask"].shape == (3, 5)


def test_command_line() -> None:
    shown = CliRunner().invoke(main, ["show", "--task", "key-door", "--layout", json.dumps(ROOM.to_dict())])
    assert shown.exit_code == 0, shown.output
    assert "KeyDoor, 3 x 4" in shown.output
    unknown = CliRunner().invoke(main, ["show", "--task", "keydor"])
    assert "Did you mean 'key_door'" in unknown.output


@given(st.data())
@settings(max_examples=30)
def test_strategies(data: st.DataObject) -> None:
    task = KeyDoor()
    layout, state = data.draw(states(task, 2, 5))
    assert parse_description(task, describe(task, layout, state)) == (layout, state)
    unsolvable = data.draw(layouts(task, solvable=False))
    assert shortest_plan(task, unsolvable) is None
    reply, plan = data.draw(replies(task))
    assert parse_plan(reply, task).actions == plan
    stated, board = data.draw(statements(task))
    found = parse_statement(task, stated)
    assert (found.layout, found.state) == (board or (None, None))
    question, answer, correct = data.draw(answers(task))
    score = score_answer(question, answer)
    assert (score.parsed, score.correct) == (correct is not None, bool(correct))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": [0, 2]}, r"the key \(0, 2\) is in the wall, which is column 2"),
        ({"goal": [2, 0]}, "start, key and goal must be three cells"),
        ({"door": [3, 2]}, "door row must be 0 to 2, not 3"),
    ],
)
def test_bad_layouts(change: dict[str, list[int]], message: str) -> None:
    with pytest.raises(LayoutError, match=message):
        KeyDoorLayout.from_dict({**ROOM.to_dict(), **change})


def test_boards_travel_to_other_processes(key_door: KeyDoor) -> None:
    assert pickle.loads(pickle.dumps(ROOM)) == ROOM
    assert get_task("key_door") is key_door


# -- for models -----------------------------------------------------------------------------------

HOLDING = KeyDoorState(Cell(1, 0), has_key=True)


def test_questions(key_door: KeyDoor) -> None:
    before = {question.name: question.answer for question in questions(key_door, ROOM)}
    assert before == {
        "size": "3 x 4",
        "agent_position": "(0, 0)",
        "legal_actions": "D, R",
        "goal_position": "(0, 3)",
        "door_position": "(1, 2)",
        "wall_cells": "(0, 2), (2, 2)",
        "key_position": "(2, 0)",
        "has_key": "no",
    }
    after = {question.name: question.answer for question in questions(key_door, ROOM, HOLDING)}
    assert (after["key_position"], after["has_key"], after["legal_actions"]) == ("none", "yes", "D, R, U")
    wall = get_question("key-door", ROOM, name="wall_cells")
    assert score_answer(wall, "<answer>(2, 2), (0, 2)</answer>").correct
    assert score_answer(wall, "<answer>(2, 2)</answer>").f1 == pytest.approx(2 / 3)


def test_statement(key_door: KeyDoor) -> None:
    assert state_statement(key_door, ROOM, HOLDING) == (
        "Size: 3 x 4\nAgent: (1, 0)\nStart: (0, 0)\nKey: held, taken from (2, 0)\nDoor: (1, 2)\nGoal: (0, 3)"
    )


REST = "Door: (1, 2)\nGoal: (0, 3)"


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (
            "The board is 3 x 4. Agent at (0, 0), the key lies at (2, 0), door at (1, 2), goal at (0, 3).",
            KeyDoorState(Cell(0, 0)),
        ),
        (
            f"Size: 3 x 4\nAgent: (0, 0), holding the key\nKey: held by the agent, taken from (2, 0)\n{REST}",
            KeyDoorState(Cell(0, 0), True),
        ),
        (f"Size: 3 x 4\nAgent: (0, 0), holding nothing\nKey: (2, 0)\n{REST}", KeyDoorState(Cell(0, 0))),
        (f"Size: 3 x 4\nAgent: (0, 0), holding the key\nKey: (2, 0)\n{REST}", "said to hold the key, but"),
        (f"Size: 3 x 4\nAgent: (0, 2)\nStart: (0, 0)\nKey: (2, 0)\n{REST}", "is in the wall, the key's or"),
        (f"Size: 3 x 4\nAgent: (1, 2)\nStart: (0, 0)\nKey: (2, 0)\n{REST}", "or the closed door's"),
        (f"Size: 3 x 4\nAgent: (0, 0)\nKey: (2, 2)\n{REST}", "the key (2, 2) is in the wall"),
        (f"Size: 3 x 4\nAgent: (0, 0)\n{REST}", "does not state the key"),
        (f"Size: 3 x 4\nAgent: (0, 0)\nKey: (2, 0) or (2, 1)\n{REST}", "'or'"),
    ],
)
def test_statements_of_models(text: str, state: KeyDoorState | str) -> None:
    found = parse_statement("key-door", text)
    if isinstance(state, str):
        assert found.layout is None
        assert state in (found.reason or "")
    else:
        assert (found.layout, found.state) == (ROOM, state), found


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("role", get_args(Role))
def test_messages(key_door: KeyDoor, role: Role, theme: str) -> None:
    messages = build_messages(key_door, ROOM, role=role, theme=theme, image_size=64, form="hf-template")
    text = "\n".join(message_texts(messages))
    parts = [part["type"] for message in messages for part in message["content"]]
    assert "PICK takes the key." in text
    assert "Key: its cell. If the agent holds it" in text
    assert parts.count("image") == (role not in ("text-student", "teacher"))
    assert (describe(key_door, ROOM).strip() in text) == (role not in ("student", "perception"))
    if role == "student":
        check_student(key_door, ROOM, messages, theme=theme)
    turn = next_turn(key_door, ROOM, HOLDING, outcome="The agent took the key.", image_size=64)
    assert "The agent took the key." in message_texts([turn])[0]


def test_prompts(key_door: KeyDoor) -> None:
    (words,) = message_texts(build_messages(key_door, ROOM, role="text-student")[:1])
    assert (
        write_reply(key_door, example_solution(key_door).layout, plan=example_solution(key_door).plan())
        in words
    )
    reply = write_reply(key_door, ROOM, plan=PLAN)
    assert reply.endswith(
        "\nRoute: (1, 0), PICK, (1, 1), (1, 2), (1, 3), (0, 3).\n<answer>D,PICK,R,R,R,U</answer>"
    )
    assert prompt_version(key_door) != prompt_version("maze")


def test_distillation(key_door: KeyDoor) -> None:
    record = distillation_record(key_door, ROOM, image_size=64)
    assert record.reference_plan == PLAN
    again = DistillationRecord.from_dict(json.loads(json.dumps(record.to_dict())))
    assert again == record
    assert score_reply(key_door, ROOM, record.target).optimal


def test_mirrored_boards_share_a_key(key_door: KeyDoor) -> None:
    form = key_door.generator.form
    upside_down = KeyDoorLayout(3, 4, start=Cell(2, 0), key=Cell(0, 0), door=Cell(1, 2), goal=Cell(2, 3))
    other = KeyDoorLayout(3, 4, start=Cell(0, 0), key=Cell(2, 0), door=Cell(1, 2), goal=Cell(2, 3))
    keys = [orbit_key(key_door.name, form, form.encode(room)) for room in (ROOM, upside_down, other)]
    assert keys[0] == keys[1] != keys[2]
    assert form.encode(upside_down) in images(form, form.encode(ROOM))


def invoke(*args: object) -> str:
    result = CliRunner().invoke(main, [str(arg) for arg in args])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    options = ("--task", "key-door", "--sizes", "4,5", "--image-size", 64, "--out", folder)
    for split in ("train", "test"):
        invoke("generate", *options, "--count", 12, "--split", split)
    return folder


def test_data_sets(key_door: KeyDoor, data_set: Path) -> None:
    samples = list(read_samples(data_set))
    assert [sample.task for sample in samples] == ["key_door"] * 24
    assert len({sample.orbit for sample in samples}) == 24
    for sample in samples:
        assert parse_description(key_door, sample.text)[0] == sample.board()
        assert sample.detour >= 1.0
        assert sample.image is not None


def test_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    options = ("--task", "key-door", "--sizes", 4, "--count", 3, "--format", "parquet")
    invoke("generate", *options, "--out", tmp_path)
    assert [sample.task for sample in read_samples(tmp_path)] == ["key_door"] * 3


def test_score_command(tmp_path: Path) -> None:
    board = tmp_path / "board.json"
    invoke("show", "--task", "key-door", "--layout", json.dumps(ROOM.to_dict()), "--out", board)
    verdict = json.loads(invoke("score", "--layout", board, "--reply", "<answer>D,PICK,R,R,R,U</answer>"))
    assert (verdict["task"], verdict["optimal"]) == ("key_door", True)


def look_away(_: object) -> str:
    """A model that answers everything alike."""
    return "<answer>D</answer>"


@pytest.mark.parametrize(
    "options",
    [
        ("--model", "agent:oracle"),
        ("--model", f"python:{__name__}:look_away", "--modality", "image,text,both"),
        ("--model", f"python:{__name__}:look_away", "--mode", "interactive", "--max-turns", 2),
        ("--model", f"python:{__name__}:look_away", "--mode", "perceive"),
    ],
)
def test_evaluate_command(tmp_path: Path, options: tuple[object, ...]) -> None:
    invoke("evaluate", *options, "--task", "key-door", "--sizes", 4, "--boards", 1, "--out", tmp_path / "run")
    lines = (tmp_path / "run" / "results.jsonl").read_text().splitlines()
    assert lines
    assert {json.loads(line)["task"] for line in lines} == {"key_door"}
    if "perceive" in options:
        rows = {json.loads(line)["question"] for line in lines}
        assert rows >= {"size", "legal_actions", "wall_cells", "has_key"}


def test_evaluate_a_data_set(data_set: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    invoke("evaluate", "--model", "agent:oracle", "--data", data_set / "test.jsonl", "--out", out)
    lines = (out / "results.jsonl").read_text().splitlines()
    assert len(lines) == 12
    assert all(json.loads(line)["score"]["optimal"] for line in lines)
