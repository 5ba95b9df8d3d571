"""A fourth task is one folder and one entry in `TASKS`: everything else follows from its rules."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator

import gymnasium as gym
import numpy as np
import pytest
from click.testing import CliRunner
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

from fourth_task import KeyDoor, KeyDoorLayout
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
from vsp_gym.plans import format_plan, parse_plan
from vsp_gym.scoring import score_plan, score_reply
from vsp_gym.testing import check_task, layouts, replies, states

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
    check_task("key-door", boards=5)


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
    layout, state = data.draw(states(KeyDoor(), 2, 5))
    assert parse_description(KeyDoor(), describe(KeyDoor(), layout, state)) == (layout, state)
    unsolvable = data.draw(layouts(KeyDoor(), solvable=False))
    assert shortest_plan(KeyDoor(), unsolvable) is None
    reply, plan = data.draw(replies(KeyDoor()))
    assert parse_plan(reply, KeyDoor()).actions == plan


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
