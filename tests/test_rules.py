"""The rules of the three tasks, by hand-made cases and against Gymnasium's own FrozenLake."""

from __future__ import annotations

import dataclasses
import json

import gymnasium as gym
import numpy as np
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
    Violation,
    get_task,
)
from vsp_gym.core import check_action, check_plan
from vsp_gym.envs.mini_behaviour.rules import MiniBehaviourState
from vsp_gym.scoring import rollout
from vsp_gym.testing import layouts, plans, states

LEFT, DOWN, RIGHT, UP, PICK, DROP = Action
LAKE = FrozenLakeLayout.from_rows(["SFF", "FHF", "FFG"])
# +---+---+
# | S   . |
# +---+   +
# | . | G |
# +---+---+
MAZE = MazeLayout(walls=((7, 9), (15, 14)), start=Cell(0, 0), goal=Cell(1, 1))
ROOM = MiniBehaviourLayout(5, 5, start=Cell(0, 0), printer=Cell(0, 2), table=Cell(3, 1))


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_found_by_its_name_title_and_environment_id(name: str) -> None:
    task = TASKS[name]
    for word in (name, name.replace("_", "-"), name.upper(), task.title, task.env_id, task):
        assert get_task(word) is task


@pytest.mark.parametrize(
    ("cell", "action", "expected"),
    [
        ((0, 0), LEFT, ((0, 0), 0.0, False, Violation.OUT_OF_BOUNDS)),
        ((0, 0), UP, ((0, 0), 0.0, False, Violation.OUT_OF_BOUNDS)),
        ((0, 2), RIGHT, ((0, 2), 0.0, False, Violation.OUT_OF_BOUNDS)),
        ((2, 0), DOWN, ((2, 0), 0.0, False, Violation.OUT_OF_BOUNDS)),
        ((0, 0), DOWN, ((1, 0), 0.0, False, None)),
        ((0, 0), RIGHT, ((0, 1), 0.0, False, None)),
        ((0, 1), LEFT, ((0, 0), 0.0, False, None)),
        ((1, 0), UP, ((0, 0), 0.0, False, None)),
        ((0, 1), DOWN, ((1, 1), 0.0, True, None)),
        ((1, 2), DOWN, ((2, 2), 1.0, True, None)),
    ],
)
def test_frozen_lake(cell: tuple[int, int], action: Action, expected: tuple[object, ...]) -> None:
    assert TASKS["frozen_lake"].transition(LAKE, Cell(*cell), action) == expected


@pytest.mark.parametrize(
    ("cell", "action", "expected"),
    [
        ((0, 0), RIGHT, ((0, 1), 0.0, False, None)),
        ((0, 0), DOWN, ((0, 0), 0.0, False, Violation.WALL)),
        ((0, 0), LEFT, ((0, 0), 0.0, False, Violation.OUT_OF_BOUNDS)),
        ((0, 0), UP, ((0, 0), 0.0, False, Violation.OUT_OF_BOUNDS)),
        ((0, 1), RIGHT, ((0, 1), 0.0, False, Violation.OUT_OF_BOUNDS)),
        ((1, 0), RIGHT, ((1, 0), 0.0, False, Violation.WALL)),
        ((1, 0), DOWN, ((1, 0), 0.0, False, Violation.OUT_OF_BOUNDS)),
        ((0, 1), DOWN, ((1, 1), 1.0, True, None)),
    ],
)
def test_maze(cell: tuple[int, int], action: Action, expected: tuple[object, ...]) -> None:
    assert TASKS["maze"].transition(MAZE, Cell(*cell), action) == expected


def test_maze_open_moves() -> None:
    assert MAZE.open_moves(Cell(0, 1)) == (LEFT, DOWN)
    assert MAZE.open_moves(Cell(1, 0)) == ()


@pytest.mark.parametrize(
    ("state", "action", "expected"),
    [
        (((0, 0), False, False), RIGHT, (((0, 1), False, False), 0.0, False, None)),
        (((0, 1), False, False), RIGHT, (None, 0.0, False, Violation.OCCUPIED)),
        (((0, 1), True, False), RIGHT, (((0, 2), True, False), 0.0, False, None)),
        (((0, 0), False, False), UP, (None, 0.0, False, Violation.OUT_OF_BOUNDS)),
        (((2, 1), False, False), DOWN, (None, 0.0, False, Violation.OCCUPIED)),
        (((3, 0), True, False), RIGHT, (None, 0.0, False, Violation.OCCUPIED)),
        (((0, 0), False, False), PICK, (None, 0.0, False, Violation.NOT_ADJACENT)),
        (((1, 1), False, False), PICK, (None, 0.0, False, Violation.NOT_ADJACENT)),  # diagonal
        (((0, 1), False, False), PICK, (((0, 1), True, False), 0.0, False, None)),
        (((1, 2), False, False), PICK, (((1, 2), True, False), 0.0, False, None)),
        (((0, 1), True, False), PICK, (None, 0.0, False, Violation.HANDS)),
        (((2, 1), False, False), DROP, (None, 0.0, False, Violation.HANDS)),
        (((2, 0), True, False), DROP, (None, 0.0, False, Violation.NOT_ADJACENT)),  # diagonal
        (((1, 1), True, False), DROP, (None, 0.0, False, Violation.NOT_ADJACENT)),
        (((2, 1), True, False), DROP, (((2, 1), False, True), 1.0, True, None)),
        (((2, 3), True, False), DROP, (((2, 3), False, True), 1.0, True, None)),
        (((3, 0), True, False), DROP, (((3, 0), False, True), 1.0, True, None)),
        (((4, 4), True, False), DROP, (((4, 4), False, True), 1.0, True, None)),
    ],
)
def test_mini_behaviour(state: tuple, action: Action, expected: tuple) -> None:  # type: ignore[type-arg]
    before = MiniBehaviourState(Cell(*state[0]), *state[1:])
    after = before if expected[0] is None else MiniBehaviourState(Cell(*expected[0][0]), *expected[0][1:])
    assert TASKS["mini_behaviour"].transition(ROOM, before, action) == (after, *expected[1:])


def test_table_geometry() -> None:
    assert ROOM.table_cells == ((3, 1), (3, 2), (3, 3), (4, 1), (4, 2), (4, 3))
    beside = {(r, c) for r in range(5) for c in range(5) if ROOM.is_next_to_table(r, c)}
    assert beside - set(ROOM.table_cells) == {(2, 1), (2, 2), (2, 3), (3, 0), (4, 0), (3, 4), (4, 4)}


@settings(max_examples=60)
@given(layouts("frozen_lake", 2, 6), plans("frozen_lake", 40))
def test_agrees_with_gymnasiums_frozen_lake(layout: FrozenLakeLayout, plan: tuple[Action, ...]) -> None:
    env = gym.make("FrozenLake-v1", desc=layout.to_rows(), is_slippery=False).unwrapped
    env.reset(seed=0)
    steps = rollout(TASKS["frozen_lake"], layout, plan, "gym")
    for step, action in zip(steps, plan):
        observation, reward, terminated, _, _ = env.step(int(action))
        assert divmod(int(observation), layout.cols) == step.state
        assert (reward, terminated) == (step.reward, step.terminated)
    assert len(steps) == len(plan) or steps[-1].terminated


@pytest.mark.parametrize("name", TASKS)
@given(data=st.data())
@settings(max_examples=60)
def test_a_violation_changes_nothing_and_rules_are_pure(name: str, data: st.DataObject) -> None:
    task = TASKS[name]
    layout, state = data.draw(states(name, 2, 6))
    for action in task.actions:
        before = layout.to_dict()
        outcome = task.transition(layout, state, action)
        assert outcome == task.transition(layout, state, action)
        assert layout.to_dict() == before
        assert outcome.reward == 0.0 or outcome.terminated
        if outcome.violation is not None:
            assert outcome == (state, 0.0, False, outcome.violation)


@pytest.mark.parametrize("name", TASKS)
@given(data=st.data())
@settings(max_examples=60)
def test_layouts_survive_json(name: str, data: st.DataObject) -> None:
    layout = data.draw(layouts(name, 2, 7))
    again = TASKS[name].layout_type.from_dict(json.loads(json.dumps(layout.to_dict())))
    assert again == layout
    assert hash(again) == hash(layout)
    assert again.to_dict() == layout.to_dict()


@given(layouts("frozen_lake", 1, 7))
@settings(max_examples=60)
def test_lakes_survive_gymnasiums_notation(layout: FrozenLakeLayout) -> None:
    assert FrozenLakeLayout.from_rows(layout.to_rows()) == layout


def test_layouts_normalise_what_they_are_given() -> None:
    numbers = np.arange(4)
    layout = FrozenLakeLayout(numbers[3], 3, [numbers[0], 0], (2, 2), [[1, 1]])  # type: ignore[arg-type]
    assert layout == LAKE
    assert type(layout.rows) is int
    assert type(layout.start) is Cell
    with pytest.raises(dataclasses.FrozenInstanceError):
        layout.rows = 4  # type: ignore[misc]


def test_actions_by_number_and_name() -> None:
    lake, room = TASKS["frozen_lake"], TASKS["mini_behaviour"]
    assert check_action(lake, np.int64(2)) is RIGHT
    assert check_action(lake, "down") is DOWN
    assert check_action(room, "Pick") is PICK
    assert check_plan(room, [0, "UP", DROP]) == (LEFT, UP, DROP)
