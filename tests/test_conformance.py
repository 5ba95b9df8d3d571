"""Every task conforms, a task with a defect does not, and the strategies draw what they say."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
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
    UnknownNameError,
    Violation,
    VSPGymError,
    solve,
)
from vsp_gym.envs.base import Ask, QuestionSet
from vsp_gym.envs.frozen_lake import FrozenLake, FrozenLakeGenerator
from vsp_gym.envs.frozen_lake.form import FrozenLakeForm
from vsp_gym.envs.frozen_lake.statement import FrozenLakeStatement
from vsp_gym.envs.frozen_lake.text import FrozenLakeText
from vsp_gym.envs.frozen_lake.views import FrozenLakePicture
from vsp_gym.perception import parse_statement, score_answer
from vsp_gym.plans import parse_plan
from vsp_gym.prompts import build_messages
from vsp_gym.render import render_rgb
from vsp_gym.symmetry import Board
from vsp_gym.testing import (
    ConformanceError,
    answers,
    check_task,
    layouts,
    plans,
    replies,
    statements,
    states,
)

QUICK: dict[str, Any] = {"sizes": [4], "boards": 2, "seed": 1}


@pytest.mark.parametrize("name", TASKS)
def test_conforms(name: str) -> None:
    check_task(name, parts="all")
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


class ShortSighted(FrozenLake):
    def outlook(self, layout: FrozenLakeLayout, state: Cell) -> Any:
        return 0


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


class FarSighted(FrozenLakeGenerator):
    def straight_length(self, layout: FrozenLakeLayout) -> int:
        return 99


class WithoutHoles(FrozenLakeForm):
    def encode(self, layout: FrozenLakeLayout) -> Board:
        return super().encode(layout)._replace(ground=bytes(layout.rows * layout.cols))


class Short(FrozenLakeForm):
    def encode(self, layout: FrozenLakeLayout) -> Board:
        board = super().encode(layout)
        return board._replace(ground=board.ground[:-1])


class Turning(FrozenLakeForm):
    """Mirror images are said to have holes where there are none, and the other way round."""

    turned = (bytes(range(256)), *[bytes([1, 0, *range(2, 256)])] * 7)


def formed(form: FrozenLakeForm) -> FrozenLake:
    """The lake task whose generator has another form."""
    return lake("generator", type("FrozenLakeGenerator", (FrozenLakeGenerator,), {"form": form})())


def asking(*arguments: Any) -> FrozenLake:
    """The lake task with one question of its own."""
    return lake("questions", type("Questions", (QuestionSet,), {"asks": (Ask(*arguments),)})())


def restless(_: FrozenLakeLayout, __: Cell, calls: list[None] = []) -> int:  # noqa: B006
    calls.append(None)
    return len(calls)


class Startless(FrozenLakeStatement):
    """Where the attempt began is not stated."""

    def state(self, layout: FrozenLakeLayout, state: Cell) -> str:
        lines = super().state(layout, state).split("\n")
        return "\n".join(line for line in lines if not line.startswith("Start:"))


class Renamed(FrozenLakeStatement):
    """The goal has another name than in the prompts."""

    def state(self, layout: FrozenLakeLayout, state: Cell) -> str:
        return super().state(layout, state).replace("Goal:", "Target:")


class Wordy(FrozenLakeStatement):
    def state(self, layout: FrozenLakeLayout, state: Cell) -> str:
        return f"What I see:\n{super().state(layout, state)}\n"


class Guessing(FrozenLakeStatement):
    """Holes that are not stated are taken for none."""

    def parse(self, text: str) -> tuple[FrozenLakeLayout, Cell]:
        return super().parse(text if "Holes:" in text else f"{text}\nHoles: none")


class Solitary(FrozenLakeStatement):
    """Whatever is around the statement makes it unreadable."""

    def parse(self, text: str) -> tuple[FrozenLakeLayout, Cell]:
        if not text.startswith("Size:"):
            raise FormatError("there is something before the size")
        return super().parse(text)


class Greedy(FrozenLakeStatement):
    """A cell that a plan mentions is read as a hole's."""

    def parse(self, text: str) -> tuple[FrozenLakeLayout, Cell]:
        return super().parse(text.replace("\nRoute:", "\nHoles: (0, 0)"))


class Crashing(FrozenLakeStatement):
    def parse(self, text: str) -> tuple[FrozenLakeLayout, Cell]:
        if "Agent" not in text:
            raise KeyError("Agent")
        return super().parse(text)


class Telling(FrozenLakePicture):
    """The legend of a picture names the cell of the goal."""

    def cells(self, layout: FrozenLakeLayout) -> bytes:
        type(self).meanings = {**self.meanings, "goal": f"the goal, which is at {layout.goal}"}
        return super().cells(layout)


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
        (ShortSighted(), r"outlook, size 4, board \d: .* has one outlook, 0, and different outcomes"),
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
        (lake("generator", FarSighted()), r"\d steps suffice, but 99 were nothing in the way"),
        (formed(WithoutHoles()), r"form, size 4, board \d: the bytes of .* are read as"),
        (formed(Short()), "which do not fit its size"),
        (formed(Turning()), "a mirror image of .* is|have different orbit keys"),
        (asking("Holes", "int", "How many?", lambda layout, _: 1), "questions: the name 'Holes' is not"),
        (
            asking("size", "int", "How big?", lambda layout, _: 1),
            "questions: the name 'size' is .*not unique",
        ),
        (asking("holes", "number", "How many?", lambda layout, _: 1), "holes has the kind 'number'; allowed"),
        (asking("holes", "int", " ", lambda layout, _: 1), "questions: holes asks nothing"),
        (
            asking("calls", "int", "How often?", restless),
            r"questions, size 4, board \d: calls in .*: two answers",
        ),
        (
            asking("holes", "cells", "Which?", lambda layout, _: sorted(layout.holes)),
            "holes in .* is read as",
        ),
        (asking("goal", "cell", "Where?", lambda layout, _: tuple(layout.goal)), "of type tuple, not Cell"),
        (asking("deep", "yes_no", "Is it?", lambda layout, _: 1), "the answer 1 is of type int, not bool"),
        (
            asking("beyond", "cell", "Where?", lambda layout, _: Cell(layout.rows, 0)),
            r"the cell \(4, 0\), which is not on the board",
        ),
        (lake("statement", Startless()), r"statements, size 4, board \d: the statement of .* is read as"),
        (lake("statement", Renamed()), "statements have a line 'Target', which prompts do not ask for"),
        (lake("statement", Wordy()), "does not begin with the size, or has white space at its end"),
        (lake("statement", Guessing()), "from which a line is missing, is read as"),
        (lake("statement", Solitary()), "the statement of .* between sentences is read as"),
        (lake("statement", Greedy()), "the statement of .* before a plan is read as"),
        (lake("statement", Crashing()), r"statements, size 4, board \d: raised KeyError"),
        (
            lake("picture", Telling()),
            "student's text is not the same for two boards|one that every board gets",
        ),
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


@pytest.fixture
def prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., FrozenLake]]:
    """Makes lake tasks whose prompts are those given by name."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(**texts: str) -> FrozenLake:
        folder = tmp_path / "own_lake" / "prompts"
        folder.mkdir(parents=True)
        for name, text in texts.items():
            (folder / f"{name}.txt").write_text(text)
        (tmp_path / "own_lake" / "__init__.py").write_text(
            "from vsp_gym.envs.frozen_lake import FrozenLake\n"
            "class OwnLake(FrozenLake):\n    name, title = 'own_lake', 'OwnLake'\n"
        )
        return importlib.import_module("own_lake").OwnLake()  # type: ignore[no-any-return]

    yield make
    sys.modules.pop("own_lake", None)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"student": "[system]\n{title}\n[user]\n{picture} {description}"}, "unknown field .* 'description'"),
        ({"text-student": "[system]\n{title}\n[user]\n{picture}"}, r"must have \{picture\} nowhere"),
        ({"statement": "Size: rows x columns\nAgent: its cell"}, "have a line 'Goal', which prompts do not"),
        ({"reply-action": "{question}"}, "unknown field in prompts/reply-action.txt"),
    ],
)
def test_a_defect_of_prompts_is_found(
    prompts: Callable[..., FrozenLake], texts: dict[str, str], message: str
) -> None:
    with pytest.raises(ConformanceError, match=rf"prompts, size 4, board \d: .*{message}"):
        check_task(prompts(**texts), **QUICK)


def test_pictures_for_readers_of_words_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from vsp_gym import testing

    def build(task: Any, layout: Any, *, role: str = "student", **options: Any) -> Any:
        return build_messages(task, layout, role="student" if role == "teacher" else role, **options)

    monkeypatch.setattr(testing, "build_messages", build)
    with pytest.raises(ConformanceError, match="the teacher gets 1 pictures"):
        check_task("frozen_lake", **QUICK)


MINIMAL = """
from vsp_gym.core import Task
from vsp_gym.envs.base import PlanningTask
from vsp_gym.envs.frozen_lake import FrozenLake, FrozenLakeLayout


class Minimal(PlanningTask):
    actions, layout_type, name, title = FrozenLake.actions, FrozenLakeLayout, "frozen_lake", "FrozenLake"
    generator, text, picture = FrozenLake.generator, FrozenLake.text, FrozenLake.picture
    initial, transition = FrozenLake.initial, FrozenLake.transition
"""
"""A task without the parts that only models need, whose package has no prompts."""


def test_parts_for_models_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "minimal_lake.py").write_text(MINIMAL)
    monkeypatch.syspath_prepend(str(tmp_path))
    task = importlib.import_module("minimal_lake").Minimal()
    monkeypatch.delitem(sys.modules, "minimal_lake")
    check_task(task, **QUICK)
    with pytest.raises(ConformanceError) as caught:
        check_task(task, **QUICK, parts="all")
    missing = ("questions", "statement", "prompts/rules.txt", "prompts/statement.txt")
    assert caught.value.problems == tuple(f"parts: there is no {part}" for part in missing)


def test_bad_arguments() -> None:
    with pytest.raises(UnknownNameError, match="unknown parts 'each'"):
        check_task("maze", parts="each")  # type: ignore[arg-type]
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


@pytest.mark.parametrize("name", TASKS)
@given(data=st.data())
@settings(max_examples=40)
def test_statements_are_read_as_expected(name: str, data: st.DataObject) -> None:
    reply, board = data.draw(statements(name))
    found = parse_statement(name, reply)
    assert (found.layout, found.state) == (board or (None, None)), found.reason


@pytest.mark.parametrize("name", TASKS)
@given(data=st.data())
@settings(max_examples=40)
def test_answers_are_judged_as_expected(name: str, data: st.DataObject) -> None:
    question, reply, correct = data.draw(answers(name))
    score = score_answer(question, reply)
    assert (score.parsed, score.correct) == (correct is not None, bool(correct)), score.reason


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
