"""Line charts as SVG, without a plotting library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 860, 420
LEFT, TOP, RIGHT, BOTTOM = 56, 44, 330, 48

_FONT = 'font-family="sans-serif" font-size="12"'

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
"""Okabe and Ito's colours, which colour-blind readers can tell apart."""


@dataclass(frozen=True)
class Series:
    """One line."""

    name: str
    points: Sequence[tuple[float, float]]
    color: int
    """Its number in `COLORS`, which begin anew behind the last."""
    dashed: bool = False


def line_chart(title: str, x_label: str, y_label: str, series: Sequence[Series], top: float = 100.0) -> str:
    """An SVG picture of lines over a common axis that begins at 0; y runs from 0 to `top`."""
    longest = max((x for one in series for x, _ in one.points), default=1.0) or 1.0
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return round(LEFT + width * x / longest, 1), round(TOP + height * (1 - y / top), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {_FONT}>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="24" font-size="14" font-weight="bold">{escape(title)}</text>',
    ]
    for tick in range(0, 101, 20):
        y = place(0, top * tick / 100)[1]
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + width}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{top * tick / 100:g}</text>')
    for tick in range(5):
        x = place(longest * tick / 4, 0)[0]
        parts.append(f'<text x="{x}" y="{HEIGHT - 28}" text-anchor="middle">{longest * tick / 4:.3g}</text>')
    parts.append(
        f'<text x="{LEFT + width / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>'
    )
    parts.append(f'<text x="{LEFT - 8}" y="{TOP - 8}" text-anchor="end">{escape(y_label)}</text>')
    for number, one in enumerate(series):
        color = COLORS[one.color % len(COLORS)]
        dash = ' stroke-dasharray="5 4"' if one.dashed else ""
        line = " ".join(f"{x},{y}" for x, y in (place(*point) for point in one.points))
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"{dash}/>')
        y = TOP + 10 + 20 * number
        start = LEFT + width + 20
        parts.append(
            f'<line x1="{start}" x2="{start + 24}" y1="{y}" y2="{y}" '
            f'stroke="{color}" stroke-width="2"{dash}/>'
        )
        parts.append(f'<text x="{start + 32}" y="{y + 4}">{escape(one.name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
