"""Judging plans: `score_plan`, and the conventions by which published work judges them.

Work on these tasks judges the same plan differently, mostly over what an illegal move does. Each
way of judging is a named `Convention`, and every score says which one it used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from vsp_gym.core import AnyTask, Layout, Plan, Transition, Violation, check_plan
from vsp_gym.errors import UnknownNameError
from vsp_gym.planning import Solution, solve
from vsp_gym.plans import ParseMode, parse_plan

ALL_VIOLATIONS = frozenset(Violation)


@dataclass(frozen=True)
class Convention:
    """How a plan is judged."""

    name: str
    source: str
    """Whose convention it is."""
    tolerated: frozenset[Violation] = frozenset()
    """Violations that count as a step which does nothing; any other one fails the plan."""
    tolerated_in: Mapping[str, frozenset[Violation]] = field(default_factory=dict)
    """Further tolerated violations by task name."""
    stops_at_success: bool = True
    """Whether what follows the first success is ignored. If not, the plan must *end* in success."""
    shortest_only: bool = False
    """Whether only a plan with exactly the oracle's number of actions succeeds."""

    def tolerates(self, task: AnyTask) -> frozenset[Violation]:
        """The violations that do nothing in `task`."""
        return self.tolerated | self.tolerated_in.get(task.name, frozenset())


CONVENTIONS: Mapping[str, Convention] = MappingProxyType(
    {
        convention.name: convention
        for convention in (
            Convention("strict", "MGSD's evaluation: any illegal move fails the plan"),
            Convention("gym", "Gymnasium: an illegal move does nothing", tolerated=ALL_VIOLATIONS),
            Convention(
                "mgsd-reward",
                "MGSD's training reward: like strict, but a step off the lake does nothing",
                tolerated_in={"frozen_lake": frozenset({Violation.OUT_OF_BOUNDS})},
            ),
            Convention(
                "visualplanning",
                "VisualPlanning's exact match: only a shortest plan succeeds",
                shortest_only=True,
            ),
            Convention(
                "ucsb-task4",
                "UCSB VSP, task 4: a step off the board does nothing and the goal does not end the plan",
                tolerated=frozenset({Violation.OUT_OF_BOUNDS}),
                stops_at_success=False,
            ),
        )
    }
)
"""Every convention by its name."""


def get_convention(convention: str | Convention) -> Convention:
    """The convention of that name (or the one given); raises `UnknownNameError` for any other name."""
    if isinstance(convention, Convention):
        return convention
    try:
        return CONVENTIONS[convention]
    except (KeyError, TypeError):
        raise UnknownNameError("convention", convention, CONVENTIONS) from None


Outcome = Literal["success", "violation", "failure", "unfinished", "not_shortest", "no_plan"]


@dataclass(frozen=True)
class PlanScore:
    """The verdict on one plan."""

    success: bool
    """Whether the plan completes the task under the convention."""
    optimal: bool
    """Success in exactly as many steps as the oracle needs (several plans can be optimal)."""
    safe: bool
    """No hole or other failure, and no illegal move that the convention does not tolerate."""
    outcome: Outcome
    """How the plan ended; `no_plan` when a reply held none."""
    steps: int
    """Actions carried out, the one that ended the plan included."""
    optimal_steps: int | None
    """The oracle's number of steps; None for an unsolvable board."""
    progress: float
    """Share of the initial distance to success covered when the plan ended, 0.0 to 1.0."""
    violation: Violation | None
    """The first illegal move's kind, tolerated or not."""
    violations: int
    """How many illegal moves were made, tolerated ones included."""
    explanation: str
    """One sentence that gives the reason for the verdict."""
    convention: str
    """Name of the convention that judged."""

    def to_dict(self) -> dict[str, Any]:
        """The score as JSON types."""
        return {**asdict(self), "violation": None if self.violation is None else self.violation.value}


def rollout(
    task: AnyTask,
    layout: Layout,
    plan: Iterable[object],
    convention: str | Convention = "strict",
    *,
    start: Any = None,
) -> list[Transition]:
    """Carry out a plan until it ends under the convention; one transition for each step taken.

    It begins in the state `start`, or in the initial one if None.

    Raises:
        VSPGymError: for an action that the task does not have, naming its position.
    """
    start = task.initial(layout) if start is None else start
    return _rollout(task, layout, check_plan(task, plan), get_convention(convention), start)


def _rollout(
    task: AnyTask, layout: Layout, plan: Plan, convention: Convention, state: Any
) -> list[Transition]:
    tolerated = convention.tolerates(task)
    steps = []
    for action in plan:
        step = task.transition(layout, state, action)
        steps.append(step)
        state = step.state
        if step.violation is not None and step.violation not in tolerated:
            break
        if step.terminated and (step.reward <= 0 or convention.stops_at_success):
            break
    return steps


def score_plan(
    task: AnyTask,
    layout: Layout,
    plan: Iterable[object],
    convention: str | Convention = "strict",
    *,
    solution: Solution[Any, Any] | None = None,
    start: Any = None,
) -> PlanScore:
    """Judge a plan.

    Args:
        task: the rules.
        layout: the board.
        plan: actions (`Action`, integers or names); use `score_reply` for text.
        convention: a name from `CONVENTIONS` or a `Convention`.
        solution: the board's solution if it is at hand; found (and cached) otherwise.
        start: the state in which the plan begins; the board's initial state if None.

    Raises:
        VSPGymError: for an action that the task does not have, naming its position.
        UnknownNameError: for an unknown convention.
    """
    convention = get_convention(convention)
    plan = check_plan(task, plan)
    if start is None:
        start = task.initial(layout)
        solution = solution or solve(task, layout)
    else:
        solution = solve(task, layout, start)
    steps = _rollout(task, layout, plan, convention, start)
    tolerated = convention.tolerates(task)
    illegal = [step.violation for step in steps if step.violation is not None]
    last = steps[-1] if steps else None
    legal = next((step for step in reversed(steps) if step.violation is None), None)
    stopped_by = last.violation if last is not None and last.violation not in tolerated else None
    failed = legal is not None and legal.terminated and legal.reward <= 0
    reached = stopped_by is None and legal is not None and legal.terminated and legal.reward > 0
    optimal_steps = solution.distance()
    shortest = reached and len(steps) == optimal_steps
    success = reached and not (convention.shortest_only and len(plan) != optimal_steps)

    if failed:  # the state before the failure says how far the plan came
        before = next((s.state for s in reversed(steps[:-1]) if s.violation is None), start)
    else:
        before = steps[-1].state if steps else start
    remaining = (solution if before in solution.index else solve(task, layout, before)).distance(before)
    progress = 0.0
    if optimal_steps and remaining is not None:
        progress = min(1.0, max(0.0, 1.0 - remaining / optimal_steps))

    outcome: Outcome
    if stopped_by is not None:
        outcome = "violation"
        why = f"Step {len(steps)} of {len(plan)} ({plan[len(steps) - 1].name}) {stopped_by.phrase}."
    elif failed:
        outcome = "failure"
        why = f"The agent {task.failure} at step {len(steps)} of {len(plan)} ({plan[len(steps) - 1].name})."
    elif success:
        outcome = "success"
        kind = "the fewest possible" if shortest else f"{optimal_steps} would do"
        why = f"The plan succeeds in {len(steps)} steps; {kind}."
    elif reached:
        outcome = "not_shortest"
        why = f"The plan reaches the goal, but has {len(plan)} actions and {optimal_steps} would do."
    else:
        outcome = "unfinished"
        if optimal_steps is None:
            why = "The board has no solution."
        elif not plan:
            why = f"The plan is empty; {optimal_steps} steps are needed."
        elif remaining is None:
            why = f"The plan ends after {len(steps)} steps where success can no longer be reached."
        else:
            why = f"The plan ends after {len(steps)} steps, {remaining} short of success."
    return PlanScore(
        success=success,
        optimal=success and shortest,
        safe=stopped_by is None and not failed,
        outcome=outcome,
        steps=len(steps),
        optimal_steps=optimal_steps,
        progress=progress,
        violation=illegal[0] if illegal else None,
        violations=len(illegal),
        explanation=why,
        convention=convention.name,
    )


def score_reply(
    task: AnyTask,
    layout: Layout,
    reply: str,
    convention: str | Convention = "strict",
    *,
    mode: ParseMode = "lenient",
    solution: Solution[Any, Any] | None = None,
) -> PlanScore:
    """Parse a model's reply with `parse_plan` and judge the plan in it.

    A reply without a readable plan gets the outcome `no_plan`, and the parser's reason as the
    explanation.
    """
    convention = get_convention(convention)
    parsed = parse_plan(reply, task, mode=mode)
    if parsed.actions is not None:
        return score_plan(task, layout, parsed.actions, convention, solution=solution)
    return PlanScore(
        success=False,
        optimal=False,
        safe=False,
        outcome="no_plan",
        steps=0,
        optimal_steps=(solution or solve(task, layout)).distance(),
        progress=0.0,
        violation=None,
        violations=0,
        explanation=f"No plan could be read: {parsed.reason}.",
        convention=convention.name,
    )
