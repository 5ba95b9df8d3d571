"""The shapes that a look can have, each a few primitives on a canvas.

A shape fills the unit square of its canvas, takes a main colour, a detail colour and an outline colour
(the last two are the main one unless the look says otherwise) and may turn with the agent's `facing`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from vsp_gym.core import DELTAS, Action
from vsp_gym.render.canvas import Canvas, Color


class Paint(NamedTuple):
    """The colours of a shape."""

    main: Color
    detail: Color
    outline: Color


DrawShape = Callable[[Canvas, Paint, "Action | None"], None]

SHAPES: dict[str, DrawShape] = {}
"""Every shape by its name."""


def shape(draw: DrawShape) -> DrawShape:
    """Register a shape under its function's name; a task may add its own."""
    SHAPES[draw.__name__] = draw
    return draw


def beak(canvas: Canvas, color: Color, facing: Action | None) -> None:
    """Show the facing of a round shape: a point that sticks out of it."""
    if facing is not None:
        canvas.turned(facing).polygon([(0.62, 0.02), (1.3, 0.5), (0.62, 0.98)], color)


def pointer(canvas: Canvas, color: Color, facing: Action) -> None:
    """Show the facing of a sprite that has no picture of it: a small point, dark on a light one."""
    contrast = 0 if sum(color) > 3 * 127 else 255
    canvas.turned(facing).polygon([(0.78, 0.32), (1.0, 0.5), (0.78, 0.68)], (contrast, contrast, contrast))


@shape
def plain(canvas: Canvas, paint: Paint, facing: Action | None) -> None:
    """A filled rectangle."""
    canvas.rect(0, 0, 1, 1, paint.main)


@shape
def dot(canvas: Canvas, paint: Paint, facing: Action | None) -> None:
    """A disc."""
    beak(canvas, paint.main, facing)
    canvas.disc(0.5, 0.5, 0.5, paint.main)


@shape
def badge(canvas: Canvas, paint: Paint, facing: Action | None) -> None:
    """A disc with a rim."""
    if facing is not None:
        turned = canvas.turned(facing)
        turned.polygon([(0.56, -0.06), (1.3, 0.5), (0.56, 1.06)], paint.outline)
        canvas.disc(0.5, 0.5, 0.5, paint.outline)
        turned.polygon([(0.62, 0.1), (1.14, 0.5), (0.62, 0.9)], paint.main)
    else:
        canvas.disc(0.5, 0.5, 0.5, paint.outline)
    canvas.disc(0.5, 0.5, 0.39, paint.main)


@shape
def ring(canvas: Canvas, paint: Paint, facing: Action | None) -> None:
    """The rim of a disc."""
    canvas.ring(0.5, 0.5, 0.5, 0.16, paint.main)


@shape
def triangle(canvas: Canvas, paint: Paint, facing: Action | None) -> None:
    """A triangle that points right, or the way the agent faces."""
    turned = canvas.turned(Action.RIGHT if facing is None else facing)
    turned.polygon([(0.97, 0.5), (0.03, 0.0), (0.03, 1.0)], paint.main)


@shape
def arrow(canvas: Canvas, paint: Paint, facing: Action | None) -> None:
    """A notched arrowhead with an outline; without a facing it points up."""
    turned = canvas.turned(Action.UP if facing is None else facing)
    turned.polygon([(1.0, 0.5), (0.0, 0.02), (0.24, 0.5), (0.0, 0.98)], paint.outline)
    turned.polygon([(0.85, 0.5), (0.14, 0.165), (0.34, 0.5), (0.14, 0.835)], paint.main)


@shape
def diamond(canvas: Canvas, paint: Paint, facing: Action | None) -> None:
    """A square on its tip."""
    if facing is not None:
        canvas.turned(facing).polygon([(0.5, 0.0), (1.3, 0.5), (0.5, 1.0)], paint.main)
    canvas.polygon([(0.5, 0.0), (1.0, 0.5), (0.5, 1.0), (0.0, 0.5)], paint.main)
    canvas.polygon([(0.5, 0.24), (0.76, 0.5), (0.5, 0.76), (0.24, 0.5)], paint.detail)


@shape
def square(canvas: Canvas, paint: Paint, facing: Action | None) -> None:
    """The frame of a square."""
    for x0, y0, x1, y1 in ((0, 0, 1, 0.12), (0, 0.88, 1, 1), (0, 0, 0.12, 1), (0.88, 0, 1, 1)):
        canvas.rect(x0, y0, x1, y1, paint.main)


@shape
def corners(canvas: Canvas, paint: Paint, facing: Action | None) -> None:
    """The four corners of a square's frame."""
    for near, far in ((0.0, 0.28), (0.72, 1.0)):
        canvas.rect(near, 0, far, 0.1, paint.main)
        canvas.rect(near, 0.9, far, 1, paint.main)
        canvas.rect(0, near, 0.1, far, paint.main)
        canvas.rect(0.9, near, 1, far, paint.main)


@shape
def cross(canvas: Canvas, paint: Paint, facing: Action | None) -> None:
    """A diagonal cross."""
    canvas.line(0.1, 0.1, 0.9, 0.9, 0.2, paint.main)
    canvas.line(0.1, 0.9, 0.9, 0.1, 0.2, paint.main)


@shape
def star(canvas: Canvas, paint: Paint, facing: Action | None) -> None:
    """A star with five points."""
    canvas.polygon(
        [
            (0.5, 0.0),
            (0.6176, 0.3382),
            (0.9755, 0.3455),
            (0.6902, 0.5618),
            (0.7939, 0.9045),
            (0.5, 0.7),
            (0.2061, 0.9045),
            (0.3098, 0.5618),
            (0.0245, 0.3455),
            (0.3824, 0.3382),
        ],
        paint.main,
    )


@shape
def flag(canvas: Canvas, paint: Paint, facing: Action | None) -> None:
    """A flag on a pole."""
    canvas.ellipse(0.27, 0.95, 0.2, 0.06, paint.outline)
    canvas.rounded(0.22, 0.02, 0.32, 0.97, 0.05, paint.detail)
    canvas.polygon([(0.32, 0.06), (0.98, 0.3), (0.32, 0.56)], paint.main)


@shape
def pit(canvas: Canvas, paint: Paint, facing: Action | None) -> None:
    """A hole seen from above: a rim, and darkness inside it."""
    canvas.ellipse(0.5, 0.5, 0.5, 0.46, paint.outline)
    canvas.ellipse(0.5, 0.52, 0.42, 0.38, paint.detail)
    canvas.ellipse(0.5, 0.56, 0.36, 0.3, paint.main)


@shape
def hatch(canvas: Canvas, paint: Paint, facing: Action | None) -> None:
    """A frame filled with diagonal strokes."""
    square(canvas, paint, facing)
    canvas.line(0.06, 0.94, 0.94, 0.06, 0.09, paint.main)
    canvas.line(0.06, 0.5, 0.5, 0.06, 0.09, paint.main)
    canvas.line(0.5, 0.94, 0.94, 0.5, 0.09, paint.main)


@shape
def ice(canvas: Canvas, paint: Paint, facing: Action | None) -> None:
    """A sheet of ice with glints."""
    canvas.rect(0, 0, 1, 1, paint.main)
    for x0, y0, x1, y1 in ((0.14, 0.36, 0.36, 0.14), (0.24, 0.4, 0.34, 0.3), (0.62, 0.84, 0.82, 0.64)):
        canvas.line(x0, y0, x1, y1, 0.04, paint.detail)


@shape
def gift(canvas: Canvas, paint: Paint, facing: Action | None) -> None:
    """A present with a ribbon and a bow."""
    canvas.rounded(0.08, 0.4, 0.92, 1.0, 0.04, paint.main)
    canvas.rounded(0.02, 0.27, 0.98, 0.47, 0.04, paint.main)
    canvas.rect(0.02, 0.46, 0.98, 0.5, paint.outline)
    canvas.rect(0.42, 0.27, 0.58, 1.0, paint.detail)
    for side in (-1, 1):
        canvas.polygon(
            [(0.5, 0.28), (0.5 + side * 0.34, 0.04), (0.5 + side * 0.36, 0.3)],
            paint.detail,
        )
    canvas.disc(0.5, 0.26, 0.08, paint.detail)


@shape
def stool(canvas: Canvas, paint: Paint, facing: Action | None) -> None:
    """A low stool seen from the front."""
    canvas.polygon([(0.14, 0.66), (0.28, 0.66), (0.2, 1.0), (0.06, 1.0)], paint.detail)
    canvas.polygon([(0.72, 0.66), (0.86, 0.66), (0.94, 1.0), (0.8, 1.0)], paint.detail)
    canvas.rect(0.16, 0.8, 0.84, 0.86, paint.detail)
    canvas.ellipse(0.5, 0.62, 0.5, 0.15, paint.detail)
    canvas.ellipse(0.5, 0.57, 0.5, 0.15, paint.main)


@shape
def elf(canvas: Canvas, paint: Paint, facing: Action | None) -> None:
    """A little person with a pointed hat, seen from the side that `facing` shows (the front if None)."""
    side = 0 if facing is None else DELTAS[facing][1]
    back = facing == Action.UP
    skin, dark = (246, 206, 166), (52, 40, 36)
    canvas.rounded(0.3, 0.84, 0.47, 1.0, 0.05, paint.outline)
    canvas.rounded(0.53, 0.84, 0.7, 1.0, 0.05, paint.outline)
    canvas.polygon([(0.36, 0.52), (0.64, 0.52), (0.76, 0.9), (0.24, 0.9)], paint.main)
    canvas.rect(0.29, 0.73, 0.71, 0.79, paint.outline)
    canvas.disc(0.5, 0.43, 0.2, skin)
    if back:
        canvas.disc(0.5, 0.43, 0.2, paint.outline)
    else:
        canvas.ellipse(0.5 - 0.21 * (side >= 0), 0.45, 0.06, 0.05, skin)
        canvas.ellipse(0.5 + 0.21 * (side <= 0), 0.45, 0.06, 0.05, skin)
        for eye in (0.12 * side,) if side else (-0.08, 0.08):
            canvas.disc(0.5 + eye, 0.44, 0.032, dark)
    lean = 0.2 * side
    canvas.polygon([(0.26, 0.36), (0.74, 0.36), (0.5 - lean, 0.0)], paint.main)
    canvas.rounded(0.25, 0.32, 0.75, 0.4, 0.04, paint.detail)
    canvas.disc(0.5 - lean, 0.03, 0.06, paint.detail)


@shape
def bot(canvas: Canvas, paint: Paint, facing: Action | None) -> None:
    """A round-cornered robot whose eyes look where it faces (ahead if None)."""
    dy, dx = (0, 0) if facing is None else DELTAS[facing]
    if facing is not None:
        canvas.turned(facing).polygon([(0.8, 0.24), (1.16, 0.5), (0.8, 0.76)], paint.outline)
    canvas.rounded(0.0, 0.0, 1.0, 1.0, 0.3, paint.outline)
    canvas.rounded(0.07, 0.07, 0.93, 0.93, 0.25, paint.main)
    if facing == Action.UP:
        for top in (0.5, 0.64):
            canvas.rounded(0.3, top, 0.7, top + 0.07, 0.03, paint.outline)
        return
    cx, cy = 0.5 + 0.16 * dx, 0.45 + 0.12 * dy
    for eye in (-0.18, 0.18):
        canvas.ellipse(cx + eye, cy, 0.12, 0.15, paint.detail)
        canvas.disc(cx + eye + 0.04 * dx, cy + 0.02 + 0.04 * dy, 0.062, paint.outline)


@shape
def printer(canvas: Canvas, paint: Paint, facing: Action | None) -> None:
    """A desk printer with paper above and below."""
    canvas = canvas.within(0, 0.05, 1, 0.95)
    canvas.rect(0.2, 0.0, 0.8, 0.34, paint.main)
    canvas.rounded(0.0, 0.26, 1.0, 0.72, 0.07, paint.main)
    canvas.rect(0.18, 0.56, 0.82, 1.0, paint.main)
    canvas.rounded(0.22, 0.47, 0.88, 0.56, 0.05, paint.detail)
    canvas.disc(0.18, 0.42, 0.06, paint.detail)


@shape
def device(canvas: Canvas, paint: Paint, facing: Action | None) -> None:
    """A desk printer with an outline, a sheet going in and one coming out."""
    canvas.rounded(0.2, 0.02, 0.8, 0.5, 0.03, paint.outline)
    canvas.rect(0.26, 0.08, 0.74, 0.5, (255, 255, 255))
    canvas.rounded(0.0, 0.3, 1.0, 0.8, 0.1, paint.outline)
    canvas.rounded(0.06, 0.36, 0.94, 0.74, 0.07, paint.main)
    canvas.disc(0.82, 0.46, 0.05, paint.detail)
    canvas.rounded(0.18, 0.56, 0.82, 1.0, 0.03, paint.outline)
    canvas.rect(0.24, 0.62, 0.76, 0.94, (255, 255, 255))
    canvas.rect(0.32, 0.72, 0.68, 0.76, paint.outline)
    canvas.rect(0.32, 0.82, 0.58, 0.86, paint.outline)
