"""Sums over results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vsp_gym.errors import VSPGymError
from vsp_gym.evaluation.results import Result


@dataclass(frozen=True)
class Metrics:
    """How a group of results went. Rates are shares of all replies of the group, 0.0 to 1.0."""

    replies: int
    success: float
    """Share of replies whose plan completes the task."""
    optimal: float
    """Share of replies whose plan does so in the fewest possible steps."""
    parsed: float
    """Share of replies in which a plan could be read."""
    progress: float
    """Mean share of the initial distance that the plans covered."""
    outcomes: dict[str, int]
    """How many plans ended in each way, the most frequent first."""
    violations: dict[str, int]
    """How many plans had an illegal move, by the kind of the first one, the most frequent first."""

    def to_dict(self) -> dict[str, Any]:
        """The metrics as JSON types."""
        return asdict(self)


def summarise(results: Sequence[Result]) -> Metrics:
    """The metrics of all results together; raises `VSPGymError` when there are none."""
    if not results:
        raise VSPGymError("there are no results to summarise")
    scores = [result.score for result in results]
    count = len(scores)
    return Metrics(
        replies=count,
        success=sum(score.success for score in scores) / count,
        optimal=sum(score.optimal for score in scores) / count,
        parsed=sum(score.outcome != "no_plan" for score in scores) / count,
        progress=sum(score.progress for score in scores) / count,
        outcomes=dict(Counter(score.outcome for score in scores).most_common()),
        violations=dict(Counter(str(s.violation) for s in scores if s.violation is not None).most_common()),
    )


def summarise_by(results: Iterable[Result], *fields: str) -> dict[tuple[Any, ...], Metrics]:
    """The metrics of each combination of values of `fields` (names of `Result`), in order of appearance.

    >>> summarise_by([], "task", "agent")
    {}
    """
    groups: dict[tuple[Any, ...], list[Result]] = {}
    for result in results:
        groups.setdefault(tuple(getattr(result, field) for field in fields), []).append(result)
    return {key: summarise(group) for key, group in groups.items()}
