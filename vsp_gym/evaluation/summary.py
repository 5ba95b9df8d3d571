"""What a summary of runs says: the numbers of reports, with what each of them means."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from vsp_gym.evaluation.statistics import Estimate, Test
from vsp_gym.evaluation.table import Series

RATES = ("success", "optimal", "parsed", "illegal", "progress", "regret")
"""What is averaged and has an interval; see `Metrics`."""


@dataclass(frozen=True)
class Metrics:
    """How the plans of a group went. Rates are 0.0 to 1.0; what is over nothing is NaN."""

    replies: int
    """Plans with a verdict."""
    boards: int
    """Different boards among them."""
    unscored: int
    """Further rows without a verdict, because no reply came."""
    success: Estimate
    """Plans that complete the task."""
    optimal: Estimate
    """Plans that do so in the fewest possible actions."""
    parsed: Estimate
    """Replies in which a plan could be read."""
    illegal: Estimate
    """Plans with an illegal move."""
    progress: Estimate
    """Mean share of the initial distance that plans covered."""
    regret: Estimate
    """Mean number of actions beyond the fewest possible, of plans that succeed."""
    outcomes: dict[str, int]
    """How many plans ended in each way."""
    violations: dict[str, int]
    """How many plans had an illegal move, by the kind of the first one."""
    causes: dict[str, int]
    """How many plans failed for each cause, see `vsp_gym.evaluation.attribution`."""
    cause_rates: dict[str, Estimate]
    """The share of plans that failed for each cause, averaged as `success` is; all add up to 1."""
    saw: dict[str, int]
    """How many replies stated the board rightly, wrongly or unclearly."""
    prompt_tokens: float
    """Mean of the replies for which it is known."""
    completion_tokens: float
    """Mean of the replies for which it is known."""
    latency: float
    """Median seconds to a reply."""
    latency_p95: float
    """95th percentile of the seconds to a reply."""


@dataclass(frozen=True)
class Cell:
    """The metrics of one series, of one task (None for all), size or difficulty (None for all)."""

    series: int
    task: str | None
    size: int | None
    difficulty: str | None
    metrics: Metrics


@dataclass(frozen=True)
class Answers:
    """How one question about pictures was answered."""

    series: int
    task: str
    question: str
    replies: int
    unscored: int
    correct: Estimate
    """Answers that are exactly right."""
    f1: Estimate | None
    """Mean F1 of answers that are sets; None for others."""
    parsed: float
    """Replies in which an answer could be read."""


@dataclass(frozen=True)
class Samples:
    """What several replies to each board give."""

    series: int
    task: str | None
    """None for the mean over tasks."""
    samples: int
    """Replies to a board at most."""
    pass_at: dict[int, float]
    """The chance that one of k replies succeeds."""
    majority: float
    """Success of the most frequent plan; of those equally frequent the one that came first."""


@dataclass(frozen=True)
class Paired:
    """Success of two series on the boards that both have replies to."""

    task: str | None
    """None for the mean over tasks."""
    boards: int
    before: float
    after: float
    difference: Estimate
    """`after - before`."""
    only_before: int
    """Boards that `before` solved more often."""
    only_after: int
    """Boards that `after` solved more often."""
    test: Test


@dataclass(frozen=True)
class Comparison:
    """Two series, paired by board, for each task and for all (last, if there are several)."""

    before: int
    after: int
    parts: list[Paired]


@dataclass(frozen=True)
class Floor:
    """What the best trivial baseline reaches on the same boards."""

    task: str | None
    """None for the mean over tasks."""
    agent: str | None
    """The baseline; None for the mean over tasks, for which each task has its own."""
    success: float
    optimal: float
    sizes: dict[int, float]
    """Its success by size."""
    boards: int
    """Boards that were played."""
    of: int
    """Boards that there are; more are drawn from by their hash."""


@dataclass(frozen=True)
class Summary:
    """Everything that a report says in numbers."""

    runs: list[str]
    series: list[Series]
    labels: list[str]
    """What each series is called: what it differs in from others."""
    tasks: list[str]
    conventions: list[str]
    modes: list[str]
    rows: int
    boards: int
    unscored: int
    errors: dict[str, int]
    """Why rows are unscored, and how many."""
    overall: list[Cell]
    by_task: list[Cell]
    by_size: list[Cell]
    by_difficulty: list[Cell]
    answers: list[Answers]
    samples: list[Samples]
    floors: list[Floor]
    gaps: list[Comparison]
    """From pictures to words, for whoever was shown both: what seeing costs."""
    comparisons: list[Comparison]
    """From the first run to each other run, where they differ in nothing but who replied."""

    def to_dict(self) -> dict[str, Any]:
        """The summary as JSON types; NaN becomes null."""
        return {"version": 1, **_to_json(self)}


def _to_json(value: Any) -> Any:
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, dict):
        return {str(key): _to_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _to_json(getattr(value, field.name)) for field in fields(value)}
    if hasattr(value, "_asdict"):
        return {name: _to_json(item) for name, item in value._asdict().items()}
    return value


# ---------------------------------------------------------------------------------------------
# Names of series.


def labels_of(series: Sequence[Series]) -> list[str]:
    """A short name for each series that says no more than what tells it from the others."""
    names = [_differing(one, series) for one in series]
    return [", ".join(parts) for parts in names]


_WORDS: dict[str, Callable[[Series], str | None]] = {
    "agent": lambda s: s.agent,
    "modality": lambda s: s.modality,
    "theme": lambda s: s.theme and f"theme {s.theme}",
    "perturbation": lambda s: s.perturbation or (s.theme and "clean"),
    "protocol": lambda s: s.protocol,
    "run": lambda s: s.run,
}


def _differing(one: Series, series: Sequence[Series]) -> list[str]:
    pictures = [s for s in series if s.modality in ("image", "both")]
    parts = []
    for field, word in _WORDS.items():
        among = pictures if field in ("theme", "perturbation") else series
        is_constant = len({getattr(s, field) for s in among}) < 2
        text = word(one)
        if text and (field == "agent" or not is_constant):
            parts.append(text)
    return parts
