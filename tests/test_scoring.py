"""Verdicts on plans: every convention against cases worked out by hand."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsp_gym import TASKS, Action, Cell, FrozenLakeLayout, MazeLayout, MiniBehaviourLayout
from vsp_gym.core import Task, Transition
from vsp_gym.scoring import (
    CONVENTIONS,
    Convention,
    PlanScore,
    get_convention,
    rollout,
    score_plan,
    score_reply,
)
from vsp_gym.testing import layouts, plans

LETTERS = {action.name[0]: action for action in (Action.LEFT, Action.DOWN, Action.RIGHT, Action.UP)}
LETTERS |= {"P": Action.PICK, "X": Action.DROP}

LAKE = FrozenLakeLayout.from_rows(["SFF", "FHF", "FFG"])  # 4 steps: DDRR or RRDD
CHOKE = FrozenLakeLayout.from_rows(["SGF"])
CLOSED = FrozenLakeLayout.from_rows(["SH", "HG"])
MAZE = MazeLayout(walls=((7, 9), (7, 10)), start=Cell(0, 0), goal=Cell(1, 0))  # 3 steps: RDL
ROOM = MiniBehaviourLayout(5, 5, start=Cell(0, 0), printer=Cell(0, 2), table=Cell(3, 1))  # 5 steps: RPDDX


class Case(NamedTuple):
    layout: Any
    convention: str
    plan: str
    outcome: str
    steps: int
    progress: float
    violations: int = 0
    optimal: bool = False
    explanation: str = ""


CASES = [
    # the shortest plan, and success in more steps
    Case(LAKE, "strict", "DDRR", "success", 4, 1.0, 0, True, "succeeds in 4 steps; the fewest possible"),
    Case(LAKE, "strict", "RRDD", "success", 4, 1.0, 0, True),
    Case(LAKE, "strict", "RLRRDD", "success", 6, 1.0, 0, False, "succeeds in 6 steps; 4 would do"),
    Case(MAZE, "strict", "RDL", "success", 3, 1.0, 0, True),
    Case(ROOM, "strict", "RPDDX", "success", 5, 1.0, 0, True),
    # what follows the success is ignored, or is not
    Case(LAKE, "strict", "DDRRUUUU", "success", 4, 1.0, 0, True),
    Case(LAKE, "gym", "DDRRUUUU", "success", 4, 1.0, 0, True),
    Case(LAKE, "mgsd-reward", "DDRRU", "success", 4, 1.0, 0, True),
    Case(LAKE, "visualplanning", "DDRRU", "not_shortest", 4, 1.0, 0, False, "has 5 actions and 4 would do"),
    Case(LAKE, "ucsb-task4", "DDRRU", "unfinished", 5, 0.75, 0, False, "1 short of success"),
    Case(LAKE, "ucsb-task4", "DDRRUD", "success", 6, 1.0),
    Case(LAKE, "ucsb-task4", "DDRRD", "success", 5, 1.0, 1),
    Case(LAKE, "ucsb-task4", "DDRR", "success", 4, 1.0, 0, True),
    Case(CHOKE, "ucsb-task4", "RR", "unfinished", 2, 0.0, 0, False, "1 short of success"),
    # only a shortest plan
    Case(LAKE, "visualplanning", "RRDD", "success", 4, 1.0, 0, True),
    Case(LAKE, "visualplanning", "RLRRDD", "not_shortest", 6, 1.0),
    # a step off the board
    Case(LAKE, "strict", "LDDRR", "violation", 1, 0.0, 1, False, "Step 1 of 5 (LEFT) leads off the board."),
    Case(LAKE, "visualplanning", "LDDRR", "violation", 1, 0.0, 1),
    Case(LAKE, "gym", "LDDRR", "success", 5, 1.0, 1),
    Case(LAKE, "mgsd-reward", "LDDRR", "success", 5, 1.0, 1),
    Case(LAKE, "ucsb-task4", "LDDRR", "success", 5, 1.0, 1),
    Case(LAKE, "gym", "LLL", "unfinished", 3, 0.0, 3),
    Case(LAKE, "strict", "DDDRR", "violation", 3, 0.5, 1),
    Case(MAZE, "mgsd-reward", "LRDL", "violation", 1, 0.0, 1),
    Case(ROOM, "mgsd-reward", "URPDDX", "violation", 1, 0.0, 1),
    Case(MAZE, "ucsb-task4", "URDL", "success", 4, 1.0, 1),
    # a wall
    Case(MAZE, "strict", "DRDL", "violation", 1, 0.0, 1, False, "Step 1 of 4 (DOWN) leads through a wall."),
    Case(MAZE, "gym", "DRDL", "success", 4, 1.0, 1),
    Case(MAZE, "mgsd-reward", "DRDL", "violation", 1, 0.0, 1),
    Case(MAZE, "ucsb-task4", "DRDL", "violation", 1, 0.0, 1),
    # occupied cells, hands and neighbours
    Case(ROOM, "strict", "RR", "violation", 2, 0.2, 1, False, "leads into an occupied cell"),
    Case(ROOM, "strict", "P", "violation", 1, 0.0, 1, False, "not in a neighbouring cell"),
    Case(ROOM, "strict", "RPP", "violation", 3, 0.4, 1, False, "does not fit what the agent holds"),
    Case(ROOM, "strict", "X", "violation", 1, 0.0, 1, False, "does not fit what the agent holds"),
    Case(ROOM, "gym", "XRPPXDDX", "success", 8, 1.0, 3),
    # a hole
    Case(LAKE, "strict", "RDDD", "failure", 2, 0.25, 0, False, "fell into a hole at step 2 of 4 (DOWN)"),
    Case(LAKE, "gym", "RDRD", "failure", 2, 0.25),
    Case(LAKE, "ucsb-task4", "RDRD", "failure", 2, 0.25),
    Case(LAKE, "gym", "LRD", "failure", 3, 0.25, 1),
    # the plan ends too early, or goes the wrong way
    Case(LAKE, "strict", "", "unfinished", 0, 0.0, 0, False, "The plan is empty; 4 steps are needed."),
    Case(LAKE, "visualplanning", "", "unfinished", 0, 0.0),
    Case(LAKE, "strict", "DDR", "unfinished", 3, 0.75, 0, False, "ends after 3 steps, 1 short of success"),
    Case(ROOM, "strict", "RP", "unfinished", 2, 0.4),
    Case(ROOM, "strict", "DDD", "unfinished", 3, 0.0),
    # no solution
    Case(CLOSED, "strict", "", "unfinished", 0, 0.0, 0, False, "The board has no solution."),
    Case(CLOSED, "gym", "LU", "unfinished", 2, 0.0, 2, False, "The board has no solution."),
    Case(CLOSED, "strict", "D", "failure", 1, 0.0),
]


def task_of(layout: Any) -> Any:
    return next(task for task in TASKS.values() if isinstance(layout, task.layout_type))


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{type(c.layout).__name__}-{c.convention}-{c.plan}")
def test_by_hand(case: Case) -> None:
    plan = [LETTERS[letter] for letter in case.plan]
    score = score_plan(task_of(case.layout), case.layout, plan, case.convention)
    assert score.outcome == case.outcome
    assert score.success == (case.outcome == "success")
    assert score.optimal == case.optimal
    assert score.safe == (case.outcome not in ("violation", "failure"))
    assert score.steps == case.steps
    assert score.progress == pytest.approx(case.progress)
    assert score.violations == case.violations
    assert (score.violation is None) == (case.violations == 0)
    assert score.convention == case.convention
    assert case.explanation in score.explanation
    assert score.explanation.endswith(".")


def test_the_first_violation_is_named() -> None:
    score = score_plan(TASKS["mini_behaviour"], ROOM, ["DROP", "UP", "PICK"], "gym")
    assert (score.violation, score.violations) == ("hands", 3)


class OneWay(Task[FrozenLakeLayout, Cell]):
    """The first action decides: LEFT succeeds, DOWN leads into a dead end."""

    name, title, actions, layout_type = "one_way", "OneWay", (Action.LEFT, Action.DOWN), FrozenLakeLayout

    def initial(self, layout: FrozenLakeLayout) -> Cell:
        return layout.start

    def transition(self, layout: FrozenLakeLayout, state: Cell, action: Action) -> Transition:
        if state != (0, 0):
            return Transition(state)
        if action == Action.LEFT:
            return Transition(Cell(0, 1), 1.0, True)
        return Transition(Cell(1, 0))


def test_success_out_of_reach() -> None:
    board = FrozenLakeLayout.from_rows(["SG", "FF"])
    score = score_plan(OneWay(), board, [Action.DOWN])
    assert (score.outcome, score.progress, score.optimal_steps) == ("unfinished", 0.0, 1)
    assert "where success can no longer be reached" in score.explanation


def test_a_convention_of_ones_own() -> None:
    lenient = Convention("walls-only", "ours", tolerated_in={"maze": frozenset({"wall"})})  # type: ignore[dict-item]
    assert score_plan(TASKS["maze"], MAZE, ["DOWN", "RIGHT", "DOWN", "LEFT"], lenient).success
    assert get_convention(lenient) is lenient


def test_rollout_stops_where_the_plan_does() -> None:
    steps = rollout(TASKS["frozen_lake"], LAKE, ["DOWN", "DOWN", "RIGHT", "RIGHT", "UP"])
    assert [step.state for step in steps] == [(1, 0), (2, 0), (2, 1), (2, 2)]
    assert [step.reward for step in steps] == [0, 0, 0, 1]
    assert rollout(TASKS["frozen_lake"], LAKE, []) == []


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{type(c.layout).__name__}-{c.convention}-{c.plan}")
def test_a_score_is_json(case: Case) -> None:
    score = score_plan(task_of(case.layout), case.layout, [LETTERS[x] for x in case.plan], case.convention)
    data = json.loads(json.dumps(score.to_dict(), allow_nan=False))
    assert set(data) == set(PlanScore.__dataclass_fields__)
    assert data["violation"] is None or type(data["violation"]) is str


def test_a_reply_without_a_plan_is_not_a_wrong_plan() -> None:
    score = score_reply(TASKS["frozen_lake"], LAKE, "I cannot solve this.")
    assert (score.outcome, score.success, score.safe, score.steps) == ("no_plan", False, False, 0)
    assert score.optimal_steps == 4
    assert score.explanation.startswith("No plan could be read: ")
    assert json.dumps(score.to_dict())


def test_a_reply_with_a_plan_is_scored_as_the_plan() -> None:
    for convention in CONVENTIONS:
        reply = score_reply(TASKS["frozen_lake"], LAKE, "<answer>DDRRU</answer>", convention)
        assert reply == score_plan(TASKS["frozen_lake"], LAKE, [1, 1, 2, 2, 3], convention)


@pytest.mark.parametrize("name", TASKS)
@given(data=st.data())
@settings(max_examples=50)
def test_what_holds_for_every_plan(name: str, data: st.DataObject) -> None:
    layout = data.draw(layouts(name, 2, 5))
    plan = data.draw(plans(name, 24))
    scores = {c: score_plan(TASKS[name], layout, plan, c) for c in CONVENTIONS}
    for score in scores.values():
        assert 0.0 <= score.progress <= 1.0
        assert score.steps <= len(plan)
        assert score.success == (score.outcome == "success")
        if score.optimal:
            assert score.success
            assert score.steps == score.optimal_steps
        if score.success:
            assert score.safe
            assert score.progress == 1.0
    assert scores["strict"].success <= scores["mgsd-reward"].success <= scores["gym"].success
    assert scores["visualplanning"].success <= scores["strict"].success
