"""Built-in agents: trivial baselines and the oracle, replying in words as a model would.

An agent knows a task only through its rules, so it plays every task, a new one included. Its reply
to a board depends on the seed and the board's index alone, never on the boards before it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from vsp_gym.core import Action, AnyTask, Layout, Plan
from vsp_gym.errors import UnknownNameError
from vsp_gym.planning import shortest_plan
from vsp_gym.plans import format_plan

Policy = Callable[[AnyTask, Layout, np.random.Generator], str]
"""Writes the reply to a board; randomness comes from the generator only."""


@dataclass(frozen=True)
class Agent:
    """Someone who answers a board with text."""

    name: str
    about: str
    """One sentence on what it does, for tables and reports."""
    policy: Policy
    is_trivial: bool = True
    """Whether it neither sees nor plans, so that a model has to be better."""

    def reply(self, task: AnyTask, layout: Layout, *, seed: int = 0, index: int = 0) -> str:
        """The reply to a board.

        Args:
            task: the rules.
            layout: the board.
            seed: seed of the whole run, at least 0.
            index: the board's number in the run, at least 0.
        """
        stream = zlib.crc32(self.name.encode())
        return self.policy(task, layout, np.random.default_rng([seed, stream, index]))


def _answer(task: AnyTask, thought: str, plan: Plan) -> str:
    return f"{thought}\n<answer>{format_plan(plan, task)}</answer>"


def _oracle(task: AnyTask, layout: Layout, rng: np.random.Generator) -> str:
    plan = shortest_plan(task, layout)
    if plan is None:
        return "This board has no solution."
    return _answer(task, f"The shortest way takes {len(plan)} steps.", plan)


def _random(task: AnyTask, layout: Layout, rng: np.random.Generator) -> str:
    draws = rng.random(layout.rows + layout.cols).tolist()
    plan = tuple(task.actions[int(draw * len(task.actions))] for draw in draws)
    return _answer(task, "I guess.", plan)


def _first_legal(task: AnyTask, layout: Layout, rng: np.random.Generator) -> str:
    plan = tuple(_walk_on(task, layout))
    if not plan:
        return "There is no legal action, so I stay."
    return _answer(task, "I take the first legal action that leads somewhere new, until none does.", plan)


def _walk_on(task: AnyTask, layout: Layout) -> Iterator[Action]:
    """The first legal action that leads to a state not seen before, again and again."""
    state = task.initial(layout)
    seen = {state}
    while True:
        for action in task.actions:
            step = task.transition(layout, state, action)
            if step.violation is None and step.state not in seen:
                break
        else:
            return
        yield action
        if step.terminated:
            return
        state = step.state
        seen.add(state)


def _always_straight(task: AnyTask, layout: Layout, rng: np.random.Generator) -> str:
    action = next(_walk_on(task, layout), task.actions[0])
    return _answer(task, "I go straight ahead.", (action,) * max(layout.rows, layout.cols))


def _empty_reply(task: AnyTask, layout: Layout, rng: np.random.Generator) -> str:
    return ""


AGENTS: Mapping[str, Agent] = MappingProxyType(
    {
        agent.name: agent
        for agent in (
            Agent("oracle", "Answers with a shortest plan.", _oracle, is_trivial=False),
            Agent("first-legal", "Walks on by the first legal action to somewhere new.", _first_legal),
            Agent("random", "As many random actions as the board has rows and columns.", _random),
            Agent(
                "always-straight", "Repeats one legal action for the length of the board.", _always_straight
            ),
            Agent("empty-reply", "Answers nothing at all.", _empty_reply),
        )
    }
)
"""Every built-in agent by its name."""


def get_agent(name: str) -> Agent:
    """The built-in agent of that name; raises `UnknownNameError` for any other."""
    if name in AGENTS:
        return AGENTS[name]
    raise UnknownNameError("agent", name, AGENTS)
