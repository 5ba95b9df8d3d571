"""The oracle: exact answers about any board of any task, derived from `Task.transition` alone.

`solve` explores the reachable states of a layout once and answers every question about it; the
module's functions are shorthands that share a cache of recent solutions.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Generic, cast

import numpy as np
import numpy.typing as npt

from vsp_gym.core import (
    Action,
    AnyTask,
    Layout,
    LayoutT,
    Plan,
    StateT,
    Task,
    Transition,
    Violation,
    require_layout,
)
from vsp_gym.errors import VSPGymError

VIOLATION_CODES: tuple[Violation | None, ...] = (None, *Violation)
"""What the numbers in `TransitionTable.violation` stand for; code 0 is a legal move."""

_CODE_OF_VIOLATION = {violation: code for code, violation in enumerate(VIOLATION_CODES)}


@dataclass(frozen=True)
class TransitionTable(Generic[StateT]):
    """All transitions of one layout as arrays, for stepping many boards by look-up.

    `S` is the number of reachable states (index 0 is the initial one) and `A` the number of
    actions. Final states are absorbing: their rows lead to themselves with `terminated` set.
    """

    states: tuple[StateT, ...]
    """`states[s]` is the state with index `s`."""
    next: npt.NDArray[np.int32]
    """`[S, A]` index of the state after an action; the same state for a violation."""
    reward: npt.NDArray[np.float32]
    """`[S, A]` reward of an action."""
    terminated: npt.NDArray[np.bool_]
    """`[S, A]` whether the action leads to a final state."""
    violation: npt.NDArray[np.uint8]
    """`[S, A]` index into `VIOLATION_CODES`; 0 for a legal move."""


class Solution(Generic[LayoutT, StateT]):
    """Everything the oracle knows about one layout, from a start state onwards.

    Args:
        task: the rules.
        layout: the board.
        starts: where exploration begins; the layout's initial state by default.

    Distances count actions. A state from which success cannot be reached has distance None.
    Methods that take a state mean the first start when it is None.
    """

    def __init__(
        self,
        task: Task[LayoutT, StateT],
        layout: LayoutT,
        starts: Iterable[StateT] | None = None,
    ) -> None:
        self.task = task
        self.layout = layout
        self.states: list[StateT] = list((task.initial(layout),) if starts is None else dict.fromkeys(starts))
        """Explored states, the starts first."""
        self.index: dict[StateT, int] = {state: s for s, state in enumerate(self.states)}
        """State to its position in `states`."""
        self._given = len(self.states)
        self.start = self.states[0]
        """The state that methods mean when none is given."""
        self._prospects: list[Prospect] = []
        self._steps_from: dict[int, list[tuple[int, int]]] = {}
        self._explore()

    def _explore(self) -> None:
        task, layout, states, index = self.task, self.layout, self.states, self.index
        outlook, known = task.outlook, _known_prospects(task, layout.rows, layout.cols)
        final: set[int] = set()
        goals: list[int] = []
        predecessors: list[list[int]] = [[] for _ in states]
        for s, state in enumerate(states):  # grows while it is read
            if s in final:
                self._prospects.append(_NOTHING)
                continue
            seen = outlook(layout, state)
            prospect = known.get((state, seen))
            if prospect is None:
                prospect = _prospect(task, layout, state)
                if seen is not None and len(known) < REMEMBERED:
                    known[state, seen] = prospect
            self._prospects.append(prospect)
            for _, after, reward in prospect[1]:
                t = index.get(after)
                if t is None:
                    t = index[after] = len(states)
                    states.append(after)
                    predecessors.append([])
                if reward is not None and t not in final:
                    final.add(t)
                    if reward > 0:
                        goals.append(t)
                predecessors[t].append(s)
        for t in final.intersection(range(self._given)):  # explored before it was known to be final
            self._prospects[t] = _NOTHING
        distance = [-1] * len(states)
        for goal in goals:
            distance[goal] = 0
        for t in goals:  # grows while it is read: a backward breadth-first search
            d = distance[t] + 1
            for s in predecessors[t]:
                if distance[s] < 0 and s not in final:
                    distance[s] = d
                    goals.append(s)
        self.to_go = distance
        """`to_go[s]`, fewest actions from state `s` to success; -1 where there is no way."""

    @cached_property
    def transitions(self) -> list[tuple[Transition, ...]]:
        """`transitions[s][a]`; empty for a final state."""
        return [outcomes for outcomes, _ in self._prospects]

    @cached_property
    def successors(self) -> list[list[int]]:
        """`successors[s][a]`, the index of the state after action `a`; empty for a final state."""
        return [[self.index[outcome[0]] for outcome in outcomes] for outcomes in self.transitions]

    def _steps(self, s: int) -> list[tuple[int, int]]:
        """The legal actions of a state, each with the index of the state it leads to."""
        steps = self._steps_from.get(s)
        if steps is None:
            index = self.index
            steps = [(action, index[after]) for action, after, _ in self._prospects[s][1]]
            self._steps_from[s] = steps
        return steps

    def _at(self, state: StateT | None) -> int:
        if state is None:
            state = self.start
        try:
            return self.index[state]
        except (KeyError, TypeError):
            raise VSPGymError(f"{state!r:.200} is not reachable on this {self.task.title} board") from None

    def distance(self, state: StateT | None = None) -> int | None:
        """Fewest actions from `state` (default: the start) to success; None if there is no way."""
        d = self.to_go[self._at(state)]
        return None if d < 0 else d

    def optimal_actions(self, state: StateT | None = None) -> tuple[Action, ...]:
        """The actions that begin a shortest plan from `state`, in the order of their numbers."""
        s = self._at(state)
        wanted = self.to_go[s] - 1
        if wanted < 0:
            return ()
        return tuple([self.task.actions[action] for action, t in self._steps(s) if self.to_go[t] == wanted])

    def plan(self, state: StateT | None = None) -> Plan | None:
        """The first shortest plan from `state` in the order of the actions' numbers, or None."""
        s, to_go, actions = self._at(state), self.to_go, self.task.actions
        if to_go[s] < 0:
            return None
        plan = []
        for wanted in range(to_go[s] - 1, -1, -1):
            for action, t in self._steps(s):
                if to_go[t] == wanted:
                    plan.append(actions[action])
                    s = t
                    break
        return tuple(plan)

    def count(self, state: StateT | None = None) -> int:
        """How many different shortest plans `state` has (exact, any size); 0 if unsolvable."""
        s, to_go = self._at(state), self.to_go
        if to_go[s] < 0:
            return 0
        ways = {s: 1}
        for wanted in range(to_go[s] - 1, -1, -1):
            after: dict[int, int] = {}
            for here, number in ways.items():
                for _, t in self._steps(here):
                    if to_go[t] == wanted:
                        after[t] = after.get(t, 0) + number
            ways = after
        return sum(ways.values())

    def starts_within(self, shortest: int, longest: int) -> list[int]:
        """Positions in `states` of the starts whose distance is `shortest` to `longest` (inclusive)."""
        return [s for s, d in enumerate(self.to_go[: self._given]) if shortest <= d <= longest]

    def restarted(self, layout: LayoutT) -> Solution[LayoutT, StateT]:
        """This solution for `layout`, which may differ from the present one in its start only.

        Generators solve a board once for every possible start and then choose the start.
        """
        start = self.task.initial(layout)
        self._at(start)
        other: Solution[LayoutT, StateT] = object.__new__(type(self))
        other.__dict__.update(self.__dict__, layout=layout, start=start)
        return other

    def distances(self) -> dict[StateT, int | None]:
        """`distance` of every reachable state."""
        return {state: None if d < 0 else d for state, d in zip(self.states, self.to_go)}

    def table(self) -> TransitionTable[StateT]:
        """The transitions as arrays; see `TransitionTable`."""
        shape = len(self.states), len(self.task.actions)
        after = np.repeat(np.arange(shape[0], dtype=np.int32)[:, None], shape[1], axis=1)
        reward = np.zeros(shape, np.float32)
        terminated = np.ones(shape, np.bool_)
        violation = np.zeros(shape, np.uint8)
        expanded = [s for s, row in enumerate(self.successors) if row]
        if expanded:
            after[expanded] = [self.successors[s] for s in expanded]
            outcomes = [self.transitions[s] for s in expanded]
            reward[expanded] = [[o.reward for o in row] for row in outcomes]
            terminated[expanded] = [[o.terminated for o in row] for row in outcomes]
            violation[expanded] = [[_CODE_OF_VIOLATION[o.violation] for o in row] for row in outcomes]
        return TransitionTable(tuple(self.states), after, reward, terminated, violation)


Moves = tuple[tuple[int, Any, "float | None"], ...]
"""The legal actions of a state: number, state reached, and the reward if that state is final."""

Prospect = tuple[tuple[Transition, ...], Moves]
"""The outcomes of all actions of a state, and those of them that are no violation."""

_NOTHING: Prospect = ((), ())
"""The prospect of a final state."""

REMEMBERED = 1 << 14
"""Prospects that are kept for each task and shape of boards."""


@lru_cache(maxsize=32)
def _known_prospects(task: AnyTask, rows: int, cols: int) -> dict[tuple[Hashable, Hashable], Prospect]:
    """The prospects that are kept for boards of one shape, by state and outlook."""
    return {}


def _prospect(task: Task[LayoutT, StateT], layout: LayoutT, state: StateT) -> Prospect:
    outcomes = tuple([task.transition(layout, state, action) for action in task.actions])
    moves = tuple(
        (number, after, reward if terminated else None)
        for number, (after, reward, terminated, violation) in enumerate(outcomes)
        if violation is None
    )
    return outcomes, moves


@lru_cache(maxsize=128)  # the solution of a lake of 64x64 cells takes 1.4 MB
def _solve(task: AnyTask, layout: Layout) -> Solution[Any, Any]:
    return Solution(task, layout)


def solve(
    task: Task[LayoutT, StateT], layout: LayoutT, start: StateT | None = None
) -> Solution[LayoutT, StateT]:
    """The `Solution` of a layout; recent ones are cached when `start` is None.

    Raises:
        LayoutError: for a layout of another task.
        VSPGymError: for a start from which the rules cannot go on.
    """
    require_layout(task, layout)
    if start is None:
        return cast("Solution[LayoutT, StateT]", _solve(task, cast(Any, layout)))
    try:
        return Solution(task, layout, (start,))
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise VSPGymError(
            f"{start!r:.80} is no state of a {task.title} board of {layout.rows}x{layout.cols}"
        ) from error


def distances(task: Task[LayoutT, StateT], layout: LayoutT) -> dict[StateT, int | None]:
    """Fewest actions to success from every reachable state; None where there is no way."""
    return solve(task, layout).distances()


def shortest_plan(task: Task[LayoutT, StateT], layout: LayoutT, state: StateT | None = None) -> Plan | None:
    """A shortest plan from `state` (default: the initial one), or None if the board is unsolvable.

    Of several the first in the order of the actions' numbers, so the answer is the same everywhere.

    >>> from vsp_gym import FrozenLakeLayout, get_task, shortest_plan
    >>> shortest_plan(get_task("frozen_lake"), FrozenLakeLayout.from_rows(["SH", "FG"]))
    (<Action.DOWN: 1>, <Action.RIGHT: 2>)
    """
    return _solution_from(task, layout, state).plan(state)


def optimal_actions(
    task: Task[LayoutT, StateT], layout: LayoutT, state: StateT | None = None
) -> tuple[Action, ...]:
    """The actions that begin a shortest plan; empty where success cannot be reached (or already is)."""
    return _solution_from(task, layout, state).optimal_actions(state)


def count_shortest_plans(task: Task[LayoutT, StateT], layout: LayoutT, state: StateT | None = None) -> int:
    """The exact number of different shortest plans; 0 for an unsolvable board."""
    return _solution_from(task, layout, state).count(state)


def tabulate(task: Task[LayoutT, StateT], layout: LayoutT) -> TransitionTable[StateT]:
    """All transitions of a layout as arrays; see `TransitionTable`."""
    return solve(task, layout).table()


def _solution_from(
    task: Task[LayoutT, StateT], layout: LayoutT, state: StateT | None
) -> Solution[LayoutT, StateT]:
    solution = solve(task, layout)
    if state is None or (isinstance(state, Hashable) and state in solution.index):
        return solution
    return solve(task, layout, state)
