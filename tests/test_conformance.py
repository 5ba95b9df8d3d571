"""Every task conforms, a task with a defect does not, and the strategies draw what they say."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from vsp_gym import (
    TASKS,
    Action,
    Cell,
    FormatError,
    FrozenLakeLayout,
    Transition,
    Violation,
    VSPGymError,
    solve,
)
from vsp_gym.envs.frozen_lake import FrozenLake, FrozenLakeGenerator
from vsp_gym.envs.frozen_lake.text import FrozenLakeText
from vsp_gym.envs.frozen_lake.views import FrozenLakePicture
from vsp_gym.plans import parse_plan
from vsp_gym.render import render_rgb
from vsp_gym.testing import ConformanceError, check_task, layouts, plans, replies, states

QUICK: dict[str, Any] = {"sizes": [4], "boards": 2, "seed": 1}


@pytest.mark.parametrize("name", TASKS)
def test_conforms(name: str) -> None:
    check_task(name)
    check_task(TASKS[name], sizes=TASKS[name].paper_sizes, boards=1, seed=1)


# -- defects: each class has one ------------------------------------------------------------------


class Jumping(FrozenLake):
    """A step off the board comes back at the other side, and is still called a violation."""

    def transition(self, layout: FrozenLakeLayout, state: Cell, action: Action) -> Transition:
        outcome = super().transition(layout, state, action)
        if outcome.violation is not None and state == (0, 0):
            return Transition(Cell(0, 1), 0.0, False, Violation.OUT_OF_BOUNDS)
        return outcome


class Moody(FrozenLake):
    """The same action has another outcome every other time."""

    calls = 0

    def transition(self, layout: FrozenLakeLayout, state: Cell, action: Action) -> Transition:
        self.calls += 1
        return super().transition(layout, state, Action(0) if self.calls % 2 else action)


class Generous(FrozenLake):
    """Every step is rewarded."""

    def transition(self, layout: FrozenLakeLayout, state: Cell, action: Action) -> Transition:
        return super().transition(layout, state, action)._replace(reward=0.5)


class FromTheLeft(FrozenLake):
    """The goal ends the task only when it is entered by a step to the right."""

    def transition(self, layout: FrozenLakeLayout, state: Cell, action: Action) -> Transition:
        outcome = super().transition(layout, state, action)
        reached = outcome.reward > 0 and action == Action.RIGHT
        return outcome._replace(reward=float(reached), terminated=reached or outcome.state in layout.holes)


class Gap(FrozenLake):
    actions = (Action.LEFT, Action.DOWN, Action.RIGHT, Action.PICK)


class Misnamed(FrozenLake):
    name = "lake"


class Restless(FrozenLakeGenerator):
    def draw(self, rng: Any, size: Any, difficulty: Any = None) -> Any:
        return super().draw(np.random.default_rng(), size, difficulty)


class AnyLength(FrozenLakeGenerator):
    def draw(self, rng: Any, size: Any, difficulty: Any = None) -> Any:
        return super().draw(rng, size, None)


class Larger(FrozenLakeGenerator):
    def draw(self, rng: Any, size: Any, difficulty: Any = None) -> Any:
        return super().draw(rng, size + 1, difficulty)


class Forgetful(FrozenLakeText):
    def describe(self, layout: FrozenLakeLayout, state: Cell) -> str:
        return super().describe(layout, layout.start)


class Fragile(FrozenLakeText):
    def parse(self, text: str) -> tuple[FrozenLakeLayout, Cell]:
        if text.split("\n")[6]:
            return super().parse(text)
        raise FormatError("line 7 is empty")


class Hidden(FrozenLakePicture):
    """The agent is not drawn."""

    def draw_tile(self, canvas: Any, tile: int, theme: Any) -> None:
        super().draw_tile(canvas, tile % 4, theme)


class Nowhere(FrozenLakePicture):
    def agent(self, layout: FrozenLakeLayout, state: Cell) -> Cell:
        return layout.start


class Flat(FrozenLakePicture):
    def encode_layout(self, layout: FrozenLakeLayout) -> Any:
        return super().encode_layout(layout)[:1].astype(float)


class Careless(FrozenLakeLayout):
    @classmethod
    def from_dict(cls, data: Any) -> Any:
        return FrozenLakeLayout(data["rows"], data["cols"], data["start"], data["goal"], data["holes"])


def lake(part: str, value: Any) -> FrozenLake:
    """The lake task with one part replaced."""
    return type("FrozenLake", (FrozenLake,), {part: value})()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (
            Jumping(),
            r"rules, size 4, board \d: (LEFT|UP) in .* is the violation out_of_bounds, but has the outcome",
        ),
        (Moody(), "has different outcomes"),
        (Generous(), "has reward 0.5 and terminated False"),
        (FromTheLeft(), "is final by one way and not by"),
        (Gap(), "declarations: actions are .*, not numbered from 0 without gaps"),
        (Misnamed(), "name 'lake' and title 'FrozenLake' differ"),
        (lake("default_size", 2), "sizes are not ordered: 3, 2, 64"),
        (lake("paper_sizes", (2,)), "paper size 2 is not 3 to 64"),
        (lake("generator", Restless()), "generator, size 4: difficulty .*: the same seed gave two boards"),
        (lake("generator", AnyLength()), r"difficulty \w+: \d steps are \w+"),
        (lake("generator", Larger()), "a board of 5x5"),
        (lake("text", Forgetful()), r"text, size 4, board \d: the description of .* is read as"),
        (lake("text", Fragile()), r"text, size 4, board \d: reading '' raised IndexError, not FormatError"),
        (lake("picture", Hidden()), "have the same pictures under the theme"),
        (lake("picture", Nowhere()), "have the same encodings"),
        (lake("picture", Flat()), "encode_layout gives float64"),
        (lake("layout_type", Careless), "raised (KeyError|TypeError), not LayoutError"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_defect_is_found(task: FrozenLake, message: str) -> None:
    with pytest.raises(ConformanceError, match=message) as caught:
        check_task(task, **QUICK)
    assert all(": " in problem for problem in caught.value.problems)
    assert str(caught.value).startswith("FrozenLake does not conform:\n- ")


def test_environments_that_disagree_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from vsp_gym import PlanningEnv

    step = PlanningEnv.step

    def late(self: Any, action: Any) -> Any:
        observation, _, *rest = step(self, action)
        return observation, 0.0, *rest

    monkeypatch.setattr(PlanningEnv, "step", late)
    with pytest.raises(
        ConformanceError, match=r"environments, .*: after \w+(,\w+)*: PlanningEnv gives .* the rules give"
    ):
        check_task("frozen_lake", **QUICK)


def test_bad_arguments() -> None:
    with pytest.raises(VSPGymError, match="size of Maze must be 3 to 64, not 2"):
        check_task("maze", sizes=[2])
    with pytest.raises(VSPGymError, match="boards must be 1 to"):
        check_task("maze", boards=0)


# -- strategies -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TASKS)
@given(data=st.data())
@settings(max_examples=50)
def test_layouts_are_of_the_size(name: str, data: st.DataObject) -> None:
    task = TASKS[name]
    board = data.draw(layouts(name))
    assert isinstance(board, task.layout_type)
    assert all(task.min_size <= side <= task.min_size + 3 for side in (board.rows, board.cols))
    assert solve(task, data.draw(layouts(name, solvable=True))).plan() is not None


SETTINGS = settings(
    max_examples=2000, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
"""For `find`: any example will do, it need not be the simplest."""


@pytest.mark.parametrize("name", TASKS)
def test_layouts_are_of_all_kinds(name: str) -> None:
    task = TASKS[name]
    find(layouts(name), lambda board: board.rows != board.cols, settings=SETTINGS)
    find(layouts(name), lambda board: solve(task, board).count() > 1, settings=SETTINGS)
    unsolvable = find(layouts(name, 2, 4, solvable=False), lambda board: True, settings=SETTINGS)
    assert solve(task, unsolvable).plan() is None


@pytest.mark.parametrize("name", TASKS)
def test_states_include_final_ones(name: str) -> None:
    solution = solve(TASKS[name], find(layouts(name), lambda board: True, settings=SETTINGS))
    assert solution.states
    for distance in (0, 1, 3):
        find(
            states(name, solvable=True),
            lambda drawn, distance=distance: solve(TASKS[name], drawn[0]).distance(drawn[1]) == distance,
            settings=SETTINGS,
        )


@pytest.mark.parametrize("name", TASKS)
@given(data=st.data())
@settings(max_examples=50)
def test_plans_have_the_tasks_actions(name: str, data: st.DataObject) -> None:
    plan = data.draw(plans(name, 9))
    assert isinstance(plan, tuple)
    assert len(plan) <= 9
    assert set(plan) <= set(TASKS[name].actions)


@pytest.mark.parametrize("name", TASKS)
@given(data=st.data())
@settings(max_examples=150)
def test_replies_are_read_as_expected(name: str, data: st.DataObject) -> None:
    reply, plan = data.draw(replies(name))
    parsed = parse_plan(reply, TASKS[name])
    assert parsed.actions == plan, parsed.reason


class NoStrategies(FrozenLake):
    """Defined in this module, which has no `strategies` beside it."""


def test_without_a_strategies_module_boards_come_from_the_generator() -> None:
    board = find(layouts(NoStrategies(), 4, 5), lambda board: board.rows == 5, settings=SETTINGS)
    assert solve(NoStrategies(), board).plan() is not None
    with pytest.raises(VSPGymError, match="has no strategies module"):
        layouts(NoStrategies(), solvable=False)
    with pytest.raises(NoSuchExample):
        find(
            layouts(NoStrategies(), 4, 5),
            lambda board: board.rows > 5,
            settings=settings(SETTINGS, max_examples=50),
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "min_size must be 1 to 64, not 0"),
        ((5, 4), "max_size must be 5 to 64, not 4"),
        (("4",), "min_size must be"),
    ],
)
def test_sizes_of_strategies(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(VSPGymError, match=message):
        layouts("maze", *arguments)


def test_missing_hypothesis_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(ModuleNotFoundError, match="need Hypothesis: pip install hypothesis"):
        plans("maze")
    check_task("maze", **QUICK)


@pytest.mark.parametrize("name", TASKS)
@given(data=st.data())
@settings(max_examples=60)
def test_different_boards_have_different_pictures(name: str, data: st.DataObject) -> None:
    one, two = (data.draw(states(name, 4, 5)) for _ in range(2))
    if one[0].rows != two[0].rows or one[0].cols != two[0].cols:
        return
    pictures = [render_rgb(TASKS[name], *board, size=160).tobytes() for board in (one, two)]
    assert (pictures[0] == pictures[1]) == (one == two)
