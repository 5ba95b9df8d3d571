"""A summary for papers: as JSON, as one long CSV table, and as Markdown. The numbers are the page's."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from vsp_gym.envs import get_task
from vsp_gym.evaluation.attribution import CAUSE_LABELS
from vsp_gym.evaluation.findings import findings, percent, say_p
from vsp_gym.evaluation.statistics import Estimate
from vsp_gym.evaluation.summary import RATES, Cell, Comparison, Metrics, Summary

CSV_FIELDS = (
    "scope", "run", "agent", "modality", "theme", "perturbation", "protocol", "task", "size", "difficulty",
    "question", "against", "metric", "value", "low", "high", "n",
)  # fmt: skip
"""Columns of `to_csv`: `scope` is what a line is about, `against` the series that a difference is from."""


def to_json(summary: Summary) -> str:
    """The whole summary as JSON."""
    return json.dumps(summary.to_dict(), indent=2, allow_nan=False) + "\n"


# ---------------------------------------------------------------------------------------------
# CSV.


def to_csv(summary: Summary) -> str:
    """Every number on a line of its own, with what it is about; see `CSV_FIELDS`."""
    file = io.StringIO()
    writer = csv.DictWriter(file, CSV_FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _inert(value) for key, value in line.items()} for line in _lines(summary))
    return file.getvalue()


def _inert(value: Any) -> Any:
    """`value`, and a name that a spreadsheet would take for a formula as text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


Line = dict[str, Any]


def _lines(summary: Summary) -> Iterator[Line]:
    for scope, cells in (
        ("overall", summary.overall),
        ("task", summary.by_task),
        ("size", summary.by_size),
        ("difficulty", summary.by_difficulty),
    ):
        for cell in cells:
            yield from _cell_lines(summary, scope, cell)
    for answer in summary.answers:
        key = {**_series(summary, answer.series), "scope": "question", "task": answer.task}
        key |= {"question": answer.question, "n": answer.replies}
        yield {**key, "metric": "correct", **_numbers(answer.correct)}
        if answer.f1 is not None:
            yield {**key, "metric": "f1", **_numbers(answer.f1)}
        yield {**key, "metric": "parsed", "value": answer.parsed}
        yield {**key, "metric": "unscored", "value": answer.unscored}
    for sample in summary.samples:
        key = {**_series(summary, sample.series), "scope": "samples", "task": sample.task}
        for k, value in sample.pass_at.items():
            yield {**key, "metric": f"pass@{k}", "value": _known(value)}
        yield {**key, "metric": "majority", "value": _known(sample.majority)}
    for floor in summary.floors:
        key = {"scope": "floor", "agent": floor.agent, "task": floor.task, "n": floor.boards}
        yield {**key, "metric": "success", "value": floor.success}
        yield {**key, "metric": "optimal", "value": floor.optimal}
        for size, value in floor.sizes.items():
            yield {**key, "n": None, "size": size, "metric": "success", "value": value}
    yield from _difference_lines(summary, "gap", summary.gaps)
    yield from _difference_lines(summary, "comparison", summary.comparisons)


def _cell_lines(summary: Summary, scope: str, cell: Cell) -> Iterator[Line]:
    metrics = cell.metrics
    key = {**_series(summary, cell.series), "scope": scope, "task": cell.task, "size": cell.size}
    key |= {"difficulty": cell.difficulty, "n": metrics.replies}
    for name in RATES:
        yield {**key, "metric": name, **_numbers(getattr(metrics, name))}
    for cause, rate in metrics.cause_rates.items():
        yield {**key, "metric": f"cause:{cause}", **_numbers(rate)}
    for kind, counts in (
        ("outcome", metrics.outcomes),
        ("violation", metrics.violations),
        ("saw", metrics.saw),
    ):
        for name, count in counts.items():
            yield {**key, "metric": f"{kind}:{name}", "value": count}
    for name in ("boards", "unscored", "prompt_tokens", "completion_tokens", "latency", "latency_p95"):
        yield {**key, "metric": name, "value": _known(getattr(metrics, name))}


def _difference_lines(summary: Summary, scope: str, comparisons: Iterable[Comparison]) -> Iterator[Line]:
    for comparison in comparisons:
        for part in comparison.parts:
            key = {**_series(summary, comparison.after), "scope": scope, "task": part.task}
            key |= {"against": summary.labels[comparison.before], "n": part.boards}
            yield {**key, "metric": "difference", **_numbers(part.difference)}
            yield {**key, "metric": f"p ({part.test.name})", "value": part.test.p}
            for name in ("before", "after", "only_before", "only_after"):
                yield {**key, "metric": name, "value": getattr(part, name)}


def _series(summary: Summary, number: int) -> Line:
    return dict(summary.series[number]._asdict())


def _numbers(estimate: Estimate) -> Line:
    return {"value": _known(estimate.value), "low": estimate.low, "high": estimate.high}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


# ---------------------------------------------------------------------------------------------
# Markdown.


def to_markdown(summary: Summary, title: str) -> str:
    """Tables to paste: success, gaps, causes, questions, samples and comparisons of runs."""
    parts = [f"# {_cell_text(title)}", "\n".join(f"- {_cell_text(s)}" for s in findings(summary))]
    if summary.overall:
        parts += ["## Success", _success(summary)]
        parts += ["## Causes of failure", _causes(summary)]
    for heading, comparisons in (
        ("Gap between pictures and words", summary.gaps),
        ("Runs compared", summary.comparisons),
    ):
        if comparisons:
            parts += [f"## {heading}", _differences(summary, comparisons)]
    if summary.samples:
        parts += ["## Several replies to a board", _samples(summary)]
    if summary.answers:
        parts += ["## Questions", _questions(summary)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _success(summary: Summary) -> str:
    tasks: list[str | None] = [*summary.tasks, *([None] if len(summary.tasks) > 1 else [])]
    cells = {(cell.series, cell.task): cell.metrics for cell in (*summary.by_task, *summary.overall)}
    lines = []
    for cell in summary.overall:
        rates = [_rate(cells.get((cell.series, task))) for task in tasks]
        lines.append(
            [summary.labels[cell.series], *rates, f"{cell.metrics.replies:,}", f"{cell.metrics.unscored:,}"]
        )
    floors = {floor.task: floor for floor in summary.floors}
    lines.append(
        ["floor", *(f"{100 * floors[t].success:.1f}" if t in floors else "–" for t in tasks), "", ""]
    )
    names = ["all" if task is None else get_task(task).title for task in tasks]
    return _table(["", *names, "plans", "without reply"], lines)


def _rate(metrics: Metrics | None) -> str:
    if metrics is None or math.isnan(metrics.success.value):
        return "–"
    success = metrics.success
    span = (
        ""
        if success.low is None or success.high is None
        else f" [{100 * success.low:.1f}, {100 * success.high:.1f}]"
    )
    return f"{100 * success.value:.1f}{span}"


def _causes(summary: Summary) -> str:
    causes = [c for c in CAUSE_LABELS if any(c in cell.metrics.causes for cell in summary.overall)]
    lines = [
        [
            summary.labels[cell.series],
            percent(cell.metrics.success) if cell.metrics.replies else "–",
            *(percent(cell.metrics.cause_rates[c]) if c in cell.metrics.cause_rates else "–" for c in causes),
        ]
        for cell in summary.overall
    ]
    return _table(["", "success", *(CAUSE_LABELS[cause][0] for cause in causes)], lines)


def _differences(summary: Summary, comparisons: Sequence[Comparison]) -> str:
    lines = []
    for comparison in comparisons:
        for part in comparison.parts:
            low, high = part.difference.low, part.difference.high
            span = "" if low is None or high is None else f" [{100 * low:+.1f}, {100 * high:+.1f}]"
            lines.append(
                [
                    summary.labels[comparison.after],
                    summary.labels[comparison.before],
                    "all" if part.task is None else get_task(part.task).title,
                    f"{part.boards:,}",
                    f"{100 * part.after:.1f}",
                    f"{100 * part.before:.1f}",
                    f"{100 * part.difference.value:+.1f}{span}",
                    f"{say_p(part.test.p)} ({part.test.name})",
                ]
            )
    return _table(
        ["", "against", "task", "boards", "success", "of the other", "difference", "paired test"], lines
    )


def _samples(summary: Summary) -> str:
    ks = sorted({k for sample in summary.samples for k in sample.pass_at})
    lines = [
        [
            summary.labels[sample.series],
            "all" if sample.task is None else get_task(sample.task).title,
            *(f"{100 * sample.pass_at[k]:.1f}" if k in sample.pass_at else "–" for k in ks),
            f"{100 * sample.majority:.1f}",
        ]
        for sample in summary.samples
    ]
    return _table(["", "task", *(f"pass@{k}" for k in ks), "majority"], lines)


def _questions(summary: Summary) -> str:
    lines = [
        [
            summary.labels[answer.series],
            get_task(answer.task).title,
            answer.question,
            f"{answer.replies:,}",
            percent(answer.correct) if answer.replies else "–",
            "–" if answer.f1 is None else f"{answer.f1.value:.2f}",
        ]
        for answer in summary.answers
    ]
    return _table(["", "task", "question", "replies", "exact", "F1"], lines)


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(map(_cell_text, row)) + " |" for row in rows)


def _cell_text(text: str) -> str:
    """Text from outside that cannot end a table's cell or begin markup."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    for sign, safe in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), ("`", "\\`"), ("[", "\\[")):
        if sign != "[" or "](" in plain:
            plain = plain.replace(sign, safe)
    return plain
