"""What a training run leaves for people: curves as a picture, and one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsp_gym.evaluation.results import write_whole

COLORS = ("#2b6cb0", "#c05621", "#2f855a", "#805ad5", "#b83280", "#4a5568")
"""Line colours, told apart on white and on black."""

_WIDTH, _HEIGHT = 520, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 30, 38


@dataclass(frozen=True)
class Chart:
    """Lines over the steps of a run."""

    title: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    """Name -> points (x, y)."""
    x_label: str = "step"
    percent: bool = False
    """Whether values are shares, drawn from 0 to 100%."""


@dataclass(frozen=True)
class Example:
    """A board, and what the model replied to it at some times."""

    image: bytes
    """The picture as PNG."""
    replies: Mapping[str, tuple[str, str, bool]]
    """When -> reply, verdict in words, whether it is right."""


def curves(history: Iterable[Mapping[str, Any]]) -> list[Chart]:
    """The charts of a trainer's `log_history`: losses, divergence, held-out boards, length and speed."""
    entries = [entry for entry in history if "step" in entry]

    def lines(names: Mapping[str, str]) -> dict[str, list[tuple[float, float]]]:
        found = {
            title: [(float(e["step"]), float(e[key])) for e in entries if e.get(key) is not None]
            for key, title in names.items()
        }
        return {title: points for title, points in found.items() if points}

    replays = {key: key for entry in entries for key in entry if key.startswith("replay/")}
    views = {
        key: key.removeprefix("eval_")
        for entry in entries
        for key in entry
        if key.startswith("eval_") and not key.endswith("_cut") and key != "eval_loss"
    }
    charts = [
        Chart("Loss", lines({"loss": "loss", **replays})),
        Chart("Divergence from the teacher (nats a token)", lines({"divergence": "reverse KL"})),
        Chart("Held-out boards: right replies", lines(views), percent=True),
        Chart("Sampled replies: reward by the simulator", lines({"reward": "reward"}), percent=True),
        Chart("Tokens a second", lines({"tokens_per_second": "tokens a second"})),
    ]
    return [chart for chart in charts if chart.lines]


def draw_chart(chart: Chart) -> str:
    """A chart as an SVG element of 520 x 240."""
    points = [point for line in chart.lines.values() for point in line if math.isfinite(point[1])]
    if not points:
        return ""
    x_low, x_high = min(x for x, _ in points), max(x for x, _ in points)
    y_low, y_high = (
        (0.0, 1.0) if chart.percent else (min(0.0, *(y for _, y in points)), max(y for _, y in points))
    )
    x_span, y_span = (x_high - x_low) or 1.0, (y_high - y_low) or 1.0

    def place(x: float, y: float) -> str:
        across = _LEFT + (x - x_low) / x_span * (_WIDTH - _LEFT - _RIGHT)
        down = _HEIGHT - _BOTTOM - (y - y_low) / y_span * (_HEIGHT - _TOP - _BOTTOM)
        return f"{across:.1f},{down:.1f}"

    opening = (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" xmlns="http://www.w3.org/2000/svg" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="currentColor">'
    )
    title = html.escape(chart.title)
    parts = [opening, f"<title>{title}</title>", f'<text x="{_LEFT}" y="16" font-weight="600">{title}</text>']
    for tick in range(5):
        value = y_low + y_span * tick / 4
        x, y = place(x_low, value).split(",")
        label = f"{100 * value:.0f}%" if chart.percent else f"{value:.3g}"
        parts.append(
            f'<line x1="{x}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}" stroke="currentColor" opacity="0.15"/>'
            f'<text x="{_LEFT - 6}" y="{float(y) + 4:.1f}" text-anchor="end" opacity="0.75">{label}</text>'
        )
    for x_value, anchor in ((x_low, "start"), (x_high, "end")):
        x = place(x_value, y_low).split(",")[0]
        parts.append(
            f'<text x="{x}" y="{_HEIGHT - 20}" text-anchor="{anchor}" opacity="0.75">'
            f"{html.escape(chart.x_label)} {x_value:g}</text>"
        )
    legend = _LEFT
    for number, (name, line) in enumerate(chart.lines.items()):
        color = COLORS[number % len(COLORS)]
        path = " ".join(place(x, y) for x, y in line if math.isfinite(y))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        if path:
            x, y = path.split(" ")[-1].split(",")
            parts.append(f'<circle cx="{x}" cy="{y}" r="3" fill="{color}"/>')
        parts.append(
            f'<rect x="{legend}" y="{_HEIGHT - 12}" width="10" height="3" fill="{color}"/>'
            f'<text x="{legend + 14}" y="{_HEIGHT - 7}">{html.escape(name)}</text>'
        )
        legend += 24 + 7 * len(name)
    return "".join([*parts, "</svg>"])


def draw_charts(charts: Sequence[Chart]) -> str:
    """All charts one below the other as one SVG picture."""
    rows = [
        f'<g transform="translate(0 {number * _HEIGHT})">{draw_chart(chart)}</g>'.replace(
            "<svg ", f'<svg width="{_WIDTH}" height="{_HEIGHT}" ', 1
        )
        for number, chart in enumerate(charts)
    ]
    height = max(1, len(charts)) * _HEIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" color="#222">'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(rows)}</svg>\n'
    )


def write_curves(folder: str | Path, history: Iterable[Mapping[str, Any]], title: str) -> None:
    """Write `curves.svg` and `report.html` of a run into its folder."""
    charts = curves(history)
    write_whole(Path(folder) / "curves.svg", draw_charts(charts))
    write_report(Path(folder) / "report.html", title, charts=charts)


def write_report(
    path: Path,
    title: str,
    *,
    story: Sequence[str] = (),
    table: Sequence[Sequence[str]] = (),
    charts: Sequence[Chart] = (),
    examples: Sequence[Example] = (),
) -> None:
    """Write a self-contained page.

    Args:
        path: the file; it appears whole or not at all.
        title: heading of the page.
        story: paragraphs.
        table: rows of cells, the first one the head; the first cell of a row is its name.
        charts: lines to draw.
        examples: boards with replies. Whatever a model wrote is escaped.
    """
    body = [f"<h1>{html.escape(title)}</h1>", *(f"<p>{html.escape(text)}</p>" for text in story)]
    if table:
        body.append(_table(table))
    if charts:
        body.append(f'<section class="charts">{"".join(map(draw_chart, charts))}</section>')
    if examples:
        body.append('<section class="examples"><h2>Boards that the model was not trained on</h2>')
        body += map(_example, examples)
        body.append("</section>")
    page = f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
    page += (
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
    )
    page += f"<body><main>{''.join(body)}</main></body></html>\n"
    write_whole(path, page)


def _table(rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in rows[0])
    lines = []
    for name, *cells in rows[1:]:
        values = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
        lines.append(f'<tr><th scope="row">{html.escape(name)}</th>{values}</tr>')
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _example(example: Example) -> str:
    picture = base64.b64encode(example.image).decode()
    replies = "".join(
        f'<div class="{"right" if right else "wrong"}"><h3>{html.escape(when)}</h3>'
        f"<pre>{html.escape(reply) or '(nothing)'}</pre><p>{html.escape(verdict)}</p></div>"
        for when, (reply, verdict, right) in example.replies.items()
    )
    return f'<article><img alt="a board" src="data:image/png;base64,{picture}">{replies}</article>'


_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
main { max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
p { max-width: 46rem }
table { border-collapse: collapse; margin: 1.5rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .35rem .9rem; text-align: right; border-bottom: 1px solid #8884 }
th:first-child { text-align: left }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr)); gap: 1rem }
article { display: flex; flex-wrap: wrap; gap: 1rem; padding: 1rem 0; border-bottom: 1px solid #8884 }
article img { width: 10rem; height: 10rem; image-rendering: pixelated }
article div { flex: 1 1 14rem; border-left: 4px solid #c05621; padding-left: .75rem }
article div.right { border-color: #2f855a }
h3 { margin: 0; font-size: 1rem }
pre { margin: .25rem 0; white-space: pre-wrap; font-size: .85rem }
"""
