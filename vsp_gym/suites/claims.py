"""The kinds of things that benchmarks publish about a board, each judged by rules, oracle and scorer."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from vsp_gym.core import Action, AnyTask, Cell, Layout, Plan
from vsp_gym.envs.base import PlanningTask
from vsp_gym.errors import FormatError
from vsp_gym.planning import Solution, solve
from vsp_gym.scoring import get_convention, score_plan
from vsp_gym.suites.base import Claim, Verdict

LETTERS: Mapping[str, Action] = {action.name[0]: action for action in Action if action < Action.PICK}
"""The letters of published plans: L, D, R, U."""


def parse_letters(text: object, name: str = "the plan") -> Plan:
    """A published plan of the letters L, D, R, U; raises `FormatError` naming any other one."""
    if not isinstance(text, str):
        raise FormatError(f"{name} must be a text of L, D, R, U, not {text!r:.80}")
    for position, letter in enumerate(text):
        if letter not in LETTERS:
            raise FormatError(f"{name} has {letter!r} at position {position}; allowed: {', '.join(LETTERS)}")
    return tuple(LETTERS[letter] for letter in text)


def plan_of_states(task: AnyTask, layout: Layout, states: Sequence[Hashable]) -> Plan:
    """The actions that lead through `states`, by the rules.

    Raises:
        FormatError: if the first is not the initial state, or no legal action leads from one to the next.
    """
    here = task.initial(layout)
    if not states or states[0] != here:
        first = _show(states[0]) if states else "nothing"
        raise FormatError(f"the trajectory begins with {first}, the board with {_show(here)}")
    plan = []
    for number, state in enumerate(states[1:], start=1):
        for action in task.actions:
            step = task.transition(layout, here, action)
            if step.violation is None and step.state == state:
                break
        else:
            raise FormatError(f"no legal action leads from {_show(here)} to {_show(state)} (step {number})")
        plan.append(action)
        here = step.state
        if step.terminated and number < len(states) - 1:
            raise FormatError(f"the trajectory goes on after step {number}, which ends the task")
    return tuple(plan)


def _show(state: object) -> str:
    """`(0, 1)` for a cell, `((0, 1), True)` for a state of cells and flags."""
    if isinstance(state, Cell):
        return str(state)
    return f"({', '.join(map(_show, state))})" if isinstance(state, tuple) else f"{state!r:.80}"


@dataclass(frozen=True)
class SameBoard(Claim):
    """The same board stated once more, in another notation or file."""

    layout: Layout
    name: str
    """What states it: `"pure_text"`."""

    def check(self, task: AnyTask, layout: Layout) -> Verdict:
        if self.layout == layout:
            return Verdict(True)
        here, there = layout.to_dict(), self.layout.to_dict()
        differing = [f"{key} {there[key]} instead of {here[key]}" for key in here if here[key] != there[key]]
        return Verdict(False, problem=f"{self.name} states another board: {'; '.join(differing):.300}")


@dataclass(frozen=True)
class Fact(Claim):
    """A value that can be read off the board or another file: `level 3` of a board of 3 rows."""

    name: str
    stated: object
    actual: object

    def check(self, task: AnyTask, layout: Layout) -> Verdict:
        if self.stated == self.actual:
            return Verdict(True)
        return Verdict(
            False, problem=f"{self.name} is stated as {self.stated!s:.200}, but is {self.actual!s:.200}"
        )


@dataclass(frozen=True)
class OptimalLength(Claim):
    """The number of actions of a shortest plan, or a lower bound of it."""

    length: int
    at_least: bool = False

    def check(self, task: AnyTask, layout: Layout) -> Verdict:
        actual = solve(task, layout).distance()
        if actual == self.length or (self.at_least and actual is not None and actual > self.length):
            return Verdict(True)
        kind = "at least " if self.at_least else ""
        found = "the board has no solution" if actual is None else f"a shortest plan has {actual}"
        return Verdict(False, problem=f"{kind}{self.length} actions are said to be needed, but {found}")


@dataclass(frozen=True)
class DifficultyBucket(Claim):
    """The bucket that a board's optimal length falls into."""

    bucket: str

    def check(self, task: AnyTask, layout: Layout) -> Verdict:
        length = solve(task, layout).distance()
        if length is None or not isinstance(task, PlanningTask):
            return Verdict(False, problem=f"the board is called {self.bucket!r:.80}, but has no solution")
        actual = task.generator.difficulty(layout.rows, length)
        if actual == self.bucket:
            return Verdict(True)
        return Verdict(
            False,
            problem=f"the board is called {self.bucket!r:.80}, but with {length} actions it is {actual!r}",
        )


@dataclass(frozen=True)
class Distances(Claim):
    """Fewest actions to success from states of the board; states that cannot be left need not be there."""

    steps: Mapping[Any, int]

    def check(self, task: AnyTask, layout: Layout) -> Verdict:
        solution = solve_from(task, layout, self.steps)
        wrong = [
            f"{_show(state)} as {stated} (it is {solution.distance(state)})"
            for state, stated in self.steps.items()
            if solution.distance(state) != stated
        ]
        missing = [
            _show(state)
            for state, distance in solve(task, layout).distances().items()
            if distance and state not in self.steps
        ]
        if not wrong and not missing:
            return Verdict(True)
        problems = ([f"gives {', '.join(wrong[:3])}"] if wrong else []) + (
            [f"lacks {', '.join(missing[:3])}"] if missing else []
        )
        count = len(wrong) + len(missing)
        return Verdict(
            False, problem=f"the distance map {' and '.join(problems)}; {count} entries in all are wrong"
        )


def solve_from(task: AnyTask, layout: Layout, states: Mapping[Any, Any]) -> Solution[Any, Any]:
    """A solution that knows all `states`, also those that cannot be reached from the board's start."""
    solution = solve(task, layout)
    if all(state in solution.index for state in states):
        return solution
    unreached = [state for state in states if state not in solution.index]
    return Solution(task, layout, [task.initial(layout), *unreached])


@dataclass(frozen=True)
class ReferencePlan(Claim):
    """A published solution; it should succeed under the strict convention, in the fewest actions."""

    plan: Plan

    is_answer: ClassVar[bool] = True

    @property
    def reference(self) -> Plan:
        return self.plan

    def check(self, task: AnyTask, layout: Layout) -> Verdict:
        score = score_plan(task, layout, self.plan)
        surplus = len(self.plan) - score.steps
        if score.success and surplus:
            return Verdict(
                False, False, f"the plan succeeds after {score.steps} actions, but goes on for {surplus} more"
            )
        if score.optimal:
            return Verdict(True, True)
        problem = score.explanation
        if score.success:
            problem = f"The plan has {score.steps} actions, and {score.optimal_steps} would do."
        return Verdict(score.success, False, problem)


@dataclass(frozen=True)
class ReferenceStates(Claim):
    """A published solution given as the states that it leads through."""

    states: tuple[Hashable, ...]
    """States of the task."""
    plan: Plan | None
    """The actions between them, or None if the rules do not allow that sequence."""
    broken: str = ""
    """Why there is no such plan."""

    is_answer: ClassVar[bool] = True

    @classmethod
    def build(cls, source: Any, task: AnyTask, layout: Layout, states: Sequence[Hashable]) -> ReferenceStates:
        """The claim, with the plan that the rules find for it."""
        try:
            return cls(source, tuple(states), plan_of_states(task, layout, states))
        except FormatError as error:
            return cls(source, tuple(states), None, str(error))

    @property
    def reference(self) -> Plan | None:
        return self.plan

    def check(self, task: AnyTask, layout: Layout) -> Verdict:
        if self.plan is None:
            return Verdict(False, False, self.broken)
        return ReferencePlan(self.source, self.plan).check(task, layout)


@dataclass(frozen=True)
class SafetyAnswer(Claim):
    """Whether a plan is safe, under a convention."""

    question: str
    """As it was published."""
    plan: Plan
    """The plan asked about."""
    safe: bool
    """The published answer."""
    convention: str

    is_answer: ClassVar[bool] = True

    def check(self, task: AnyTask, layout: Layout) -> Verdict:
        score = score_plan(task, layout, self.plan, get_convention(self.convention))
        if score.safe == self.safe:
            return Verdict(True)
        said, found = ("safe", "is not") if self.safe else ("unsafe", "is safe")
        return Verdict(
            False, problem=f"{self.question:.80} is said to be {said}, but {found}: {score.explanation}"
        )


@dataclass(frozen=True)
class YesNoAnswer(Claim):
    """The answer to a question about the board."""

    question: str
    answer: bool
    """The published answer."""
    truth: bool
    """The answer that the board gives."""

    is_answer: ClassVar[bool] = True

    def check(self, task: AnyTask, layout: Layout) -> Verdict:
        if self.answer == self.truth:
            return Verdict(True)
        said, true = ("yes", "no") if self.answer else ("no", "yes")
        return Verdict(False, problem=f"{self.question!r:.200} is answered {said}, but the board says {true}")


@dataclass(frozen=True)
class ChoiceAnswer(Claim):
    """Which of several boards a picture shows."""

    question: str
    options: tuple[Layout, ...]
    answer: int
    """Index (from 0) of the published answer in `options`."""
    names: tuple[str, ...]
    """Which board of the benchmark each option is said to be."""
    shown: str
    """Name of the board that the picture shows."""
    boards: tuple[Layout | None, ...]
    """The boards of those names; None where the checkout does not have it."""

    is_answer: ClassVar[bool] = True

    def check(self, task: AnyTask, layout: Layout) -> Verdict:
        problems = []
        if self.names[self.answer] != self.shown:
            problems.append(f"the answer is board {self.names[self.answer]}, but the picture is {self.shown}")
        for letter, option, board, name in zip("ABCDEFGH", self.options, self.boards, self.names):
            if board is not None and option != board:
                problems.append(f"option {letter} is not board {name}")
        right = self.options[self.answer]
        if self.options.count(right) > 1:
            problems.append("two options are the same board as the answer")
        return Verdict(not problems, problem="; ".join(problems) or None)
