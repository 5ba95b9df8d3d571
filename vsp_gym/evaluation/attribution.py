"""Why a plan failed: because of what the model saw, or of what it made of it.

A reply that states the board is judged twice, on the true board and on the board that it states.

| cause | the stated board | the plan |
|---|---|---|
| `perception` | is wrong | succeeds on it: the model was right for what it saw |
| `reasoning` | is right | fails |
| `both` | is wrong | fails on it as well |
| `no_plan` | | none can be read: a fault of the format |
| `no_statement` | cannot be read: a fault of the format | fails |
| `unattributed` | was not asked for | fails |

A reply that never came has no cause here; such rows are unscored, which is a fault of the infrastructure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

from vsp_gym.core import Layout
from vsp_gym.envs.base import PlanningTask
from vsp_gym.perception import ParsedStatement, parse_statement, state_statement
from vsp_gym.plans import ParseMode, parse_plan
from vsp_gym.scoring import PlanScore, score_plan

Sight = Literal["right", "wrong", "unclear"]
Cause = Literal["perception", "reasoning", "both", "no_plan", "no_statement", "unattributed"]

SIGHTS: tuple[Sight, ...] = get_args(Sight)
CAUSES: tuple[Cause, ...] = get_args(Cause)

CAUSE_LABELS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "perception": ("perception", "saw a wrong board, and the plan is right for it"),
        "reasoning": ("reasoning", "saw the right board, and the plan fails"),
        "both": ("both", "saw a wrong board, and the plan fails on it too"),
        "no_plan": ("format: no plan", "gives no plan that can be read"),
        "no_statement": ("format: no statement", "does not say clearly what it saw"),
        "unattributed": ("not attributed", "was not asked what it saw"),
    }
)
"""Each cause in words: its name, and what happened."""


@dataclass(frozen=True)
class Attribution:
    """What a reply saw, and why its plan failed."""

    saw: Sight | None
    """Whether the stated board is the true one; `"unclear"` if it cannot be read, None if none was wanted."""
    cause: Cause | None
    """Why the plan failed; None for a plan that succeeds."""

    def to_dict(self) -> dict[str, Any]:
        """The attribution as JSON types."""
        return asdict(self)


def attribute(
    task: PlanningTask[Any, Any],
    layout: Layout,
    reply: str,
    score: PlanScore | Mapping[str, Any],
    *,
    actions: Sequence[int] | None = None,
    modality: str = "image",
    states_board: bool = True,
    mode: ParseMode = "lenient",
) -> Attribution:
    """What the reply to a board in its initial state saw, and why its plan failed.

    Args:
        task: the rules.
        layout: the true board.
        reply: the whole reply.
        score: the verdict on the reply's plan, or its `to_dict`.
        actions: the reply's plan; read from the reply if None.
        modality: how the board was shown. For `"state"` it need not be stated: what was seen is right.
        states_board: whether the reply was asked to state what it sees.
        mode: how plans are read.
    """
    verdict = score.to_dict() if isinstance(score, PlanScore) else score
    success, outcome = bool(verdict["success"]), verdict["outcome"]
    if modality == "state" or not states_board:
        saw: Sight | None = "right" if modality == "state" else None
        cause: Cause = "reasoning" if saw else "unattributed"
        return Attribution(saw, None if success else "no_plan" if outcome == "no_plan" else cause)
    seen = parse_statement(task, reply)
    saw = _compare(task, layout, seen)
    if success:
        return Attribution(saw, None)
    if outcome == "no_plan":
        return Attribution(saw, "no_plan")
    if saw != "wrong" or seen.layout is None:
        return Attribution(saw, "reasoning" if saw == "right" else "no_statement")
    plan = parse_plan(reply, task, mode=mode).actions if actions is None else actions
    seen_score = score_plan(task, seen.layout, plan or (), verdict["convention"], start=seen.state)
    return Attribution(saw, "perception" if seen_score.success else "both")


def _compare(task: PlanningTask[Any, Any], layout: Layout, seen: ParsedStatement) -> Sight:
    if seen.layout is None:
        return "unclear"
    return "right" if seen.layout == layout and seen.state == task.initial(layout) else "wrong"


def differences(task: PlanningTask[Any, Any], layout: Layout, seen: ParsedStatement) -> list[tuple[str, str]]:
    """The lines of the statement in which the stated board differs: as it should be, and as it is stated.

    Lines beyond those of the shorter statement are compared with the empty text.
    """
    if seen.layout is None:
        return []
    true = state_statement(task, layout).splitlines()
    said = state_statement(task, seen.layout, seen.state).splitlines()
    length = max(len(true), len(said))
    true += [""] * (length - len(true))
    said += [""] * (length - len(said))
    return [(a, b) for a, b in zip(true, said) if a != b]
