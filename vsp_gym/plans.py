"""Plans as text: `parse_plan` reads a model's reply, `format_plan` writes a plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from vsp_gym.core import Action, AnyTask, Plan

ParseMode = Literal["lenient", "strict"]


@dataclass(frozen=True)
class ParsedPlan:
    """What `parse_plan` found in a reply."""

    actions: Plan | None
    """The plan, or None if there is none to be read."""
    span: tuple[int, int] | None
    """Start and end (exclusive) of the text that the plan came from, as offsets into the reply."""
    reason: str | None
    """Why there is no plan; None if there is one. A clause without a full stop."""
