"""What a summary says in a few plain sentences."""

from __future__ import annotations

from vsp_gym.evaluation.attribution import CAUSE_LABELS
from vsp_gym.evaluation.statistics import Estimate
from vsp_gym.evaluation.summary import Comparison, Metrics, Paired, Summary

MOST = 3
"""Agents that sentences are written about at most."""


def findings(summary: Summary) -> list[str]:
    """The gap of each agent that saw pictures and words, why it fails, the floor, and what is missing."""
    gaps = sorted(summary.gaps, key=lambda gap: -_total(gap).difference.value)
    sentences = [_say_gap(summary, gap) for gap in gaps[:MOST]]
    if not sentences and summary.overall:
        best = max(summary.overall, key=lambda cell: (bool(cell.metrics.replies), cell.metrics.success.value))
        most = "" if len(summary.overall) == 1 else " the most:"
        if best.metrics.replies:
            sentences.append(
                f"{summary.labels[best.series]} solves{most} {percent(best.metrics.success)} of the boards"
                f"{_interval(best.metrics.success)}."
            )
    sentences += [_say_change(summary, change) for change in summary.comparisons[:MOST]]
    for series in list(dict.fromkeys(answer.series for answer in summary.answers))[:MOST]:
        rates = [a.correct.value for a in summary.answers if a.series == series and a.replies]
        if rates:
            share = round(100 * sum(rates) / len(rates))
            sentences.append(
                f"{summary.labels[series]} answers {share}% of the questions about the board exactly right."
            )
    floor = next((floor for floor in reversed(summary.floors)), None)
    if floor is not None:
        who = f"The best trivial baseline ({floor.agent})" if floor.agent else "The best trivial baselines"
        sentences.append(f"{who} would solve {round(100 * floor.success)}% of the same boards.")
    if summary.unscored:
        sentences.append(
            f"{summary.unscored:,} of {summary.rows:,} requests got no reply; "
            "they count as neither right nor wrong."
        )
    return sentences


def _total(comparison: Comparison) -> Paired:
    return comparison.parts[-1]


def _say_gap(summary: Summary, gap: Comparison) -> str:
    total, agent = _total(gap), summary.series[gap.before].agent
    metrics = next(cell.metrics for cell in summary.overall if cell.series == gap.before)
    others = [
        other
        for other in summary.gaps
        if other.after == gap.after or summary.series[other.before].agent == agent
    ]
    name = agent if len(others) == 1 else summary.labels[gap.before]
    return (
        f"{name} solves {round(100 * total.after)}% of the boards in words and "
        f"{round(100 * total.before)}% in pictures, {_points(total)}.{_say_causes(metrics)}"
    )


def _say_causes(metrics: Metrics) -> str:
    failures = sum(metrics.causes.values())
    if not failures:
        return ""
    cause, count = max(metrics.causes.items(), key=lambda item: item[1])
    name, meaning = CAUSE_LABELS[cause]
    return f" In pictures, {round(100 * count / failures)}% of its failures are {name}: it {meaning}."


def _say_change(summary: Summary, change: Comparison) -> str:
    total = _total(change)
    return (
        f"{summary.labels[change.after]} against {summary.labels[change.before]}: "
        f"{round(100 * total.after)}% against {round(100 * total.before)}% "
        f"on {total.boards:,} shared boards, "
        f"{_points(total)}."
    )


def _points(pair: Paired) -> str:
    low, high = pair.difference.low, pair.difference.high
    if pair.only_before == pair.only_after == 0:
        return "no board apart"
    span = "" if low is None or high is None else f"95% interval {100 * low:+.0f} to {100 * high:+.0f}, "
    return f"{100 * pair.difference.value:+.0f} points ({span}{say_p(pair.test.p)})"


def say_p(p: float) -> str:
    """A p-value in words: `"p = 0.02"`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def percent(estimate: Estimate) -> str:
    """The value of a rate as a whole percentage."""
    return f"{round(100 * estimate.value)}%"


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None or estimate.low == estimate.high:
        return ""
    return f" (95% interval {round(100 * estimate.low)}% to {round(100 * estimate.high)}%)"
