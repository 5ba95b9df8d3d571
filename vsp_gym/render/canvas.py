"""A small rasteriser: the shapes that tiles are made of, drawn onto a NumPy array.

Pictures have to be the same on every machine and with every version of every library, so shapes are
rasterised here with plain arithmetic: a pixel's coverage is counted on a grid of sample points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from vsp_gym.core import Action

Color = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

Point = tuple[float, float]
"""`(x, y)`: x runs to the right, y downwards."""

SAMPLES = 4
"""Sample points along each side of a pixel."""

LEVELS = 5
"""Steps between uncovered and covered; few of them keep a picture within a palette of 256 colours."""

SMALL = 16
"""Cells below this many pixels are always antialiased: hard edges would swallow their details."""

_TURNS = {Action.RIGHT: 0, Action.DOWN: 1, Action.LEFT: 2, Action.UP: 3}

_Floats = npt.NDArray[np.float64]


class Canvas:
    """A rectangle of a tile with coordinates from 0 to 1 on both axes.

    `within` and `turned` give canvases that draw onto the same pixels in other coordinates.
    Drawing beyond the rectangle is allowed; drawing beyond the tile is clipped.
    """

    def __init__(
        self, height: int, width: int, background: Color = (0, 0, 0), cell: int | None = None
    ) -> None:
        self.pixels: npt.NDArray[np.uint8] = np.empty((height, width, 3), np.uint8)
        """`uint8[height, width, 3]`: the tile."""
        self.pixels[:] = background
        self.cell = min(height, width) if cell is None else cell
        """The shortest side of any tile of the picture: lines that go on in other tiles depend on it."""
        self._origin = (0.0, 0.0)
        self._extent = (float(width), float(height))
        self._turns = 0
        self._samples = SAMPLES

    @property
    def height(self) -> int:
        """Pixels from the top of the tile to its bottom."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Pixels from the left of the tile to its right."""
        return int(self.pixels.shape[1])

    @property
    def side(self) -> float:
        """Pixels of the shorter side of the canvas's rectangle."""
        return min(self._extent)

    def within(self, x0: float, y0: float, x1: float, y1: float) -> Canvas:
        """A canvas whose unit square is the given rectangle of this one."""
        (ax, ay), (bx, by) = self._place((x0, y0)), self._place((x1, y1))
        part = self._copy()
        part._origin = (min(ax, bx), min(ay, by))
        part._extent = (abs(bx - ax), abs(by - ay))
        return part

    def scaled(self, size: float, center: Point = (0.5, 0.5)) -> Canvas:
        """A canvas of `size` times this one's sides, around `center`."""
        x, y = center
        return self.within(x - size / 2, y - size / 2, x + size / 2, y + size / 2)

    def turned(self, facing: Action) -> Canvas:
        """A canvas on which what is drawn pointing right points towards `facing`."""
        part = self._copy()
        part._turns = (self._turns + _TURNS[facing]) % 4
        return part

    def sharp(self) -> Canvas:
        """A canvas that draws hard edges, unless the tile is too small for them."""
        part = self._copy()
        part._samples = SAMPLES if min(self.height, self.width) < SMALL else 1
        return part

    def fill(self, color: Color) -> None:
        """Paint the whole tile."""
        self.pixels[:] = color

    def band(self, top: int, left: int, bottom: int, right: int, color: Color) -> None:
        """Paint whole pixels: rows `top` to `bottom - 1`, columns `left` to `right - 1` of the tile."""
        self.pixels[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = color

    def rect(self, x0: float, y0: float, x1: float, y1: float, color: Color) -> None:
        """Paint a rectangle, its edges moved to whole pixels (at least one pixel each way)."""
        (ax, ay), (bx, by) = self._place((x0, y0)), self._place((x1, y1))
        left, right = sorted((_round(ax), _round(bx)))
        top, bottom = sorted((_round(ay), _round(by)))
        self.band(top, left, max(bottom, top + 1), max(right, left + 1), color)

    def rounded(self, x0: float, y0: float, x1: float, y1: float, radius: float, color: Color) -> None:
        """Paint a rectangle with rounded corners; `radius` is a share of the canvas's shorter side."""
        (ax, ay), (bx, by) = self._place((x0, y0)), self._place((x1, y1))
        left, right = sorted((ax, bx))
        top, bottom = sorted((ay, by))
        r = min(radius * self.side, (right - left) / 2, (bottom - top) / 2)

        def inside(x: _Floats, y: _Floats) -> npt.NDArray[np.bool_]:
            dx = np.maximum(np.maximum(left + r - x, x - right + r), 0.0)
            dy = np.maximum(np.maximum(top + r - y, y - bottom + r), 0.0)
            in_box = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
            return np.asarray(in_box & (dx * dx + dy * dy <= r * r))

        self._paint(inside, (left, top, right, bottom), color)

    def ellipse(self, cx: float, cy: float, rx: float, ry: float, color: Color) -> None:
        """Paint an ellipse with centre `(cx, cy)` and radii `rx` and `ry`."""
        (ax, ay), (bx, by) = self._place((cx - rx, cy - ry)), self._place((cx + rx, cy + ry))
        x0, y0, a, b = (ax + bx) / 2, (ay + by) / 2, abs(bx - ax) / 2, abs(by - ay) / 2

        def inside(x: _Floats, y: _Floats) -> npt.NDArray[np.bool_]:
            dx, dy = (x - x0) * b, (y - y0) * a
            return np.asarray(dx * dx + dy * dy <= (a * b) * (a * b))

        self._paint(inside, (x0 - a, y0 - b, x0 + a, y0 + b), color)

    def disc(self, cx: float, cy: float, radius: float, color: Color) -> None:
        """Paint a disc (an ellipse where the tile is not square)."""
        self.ellipse(cx, cy, radius, radius, color)

    def ring(self, cx: float, cy: float, radius: float, thickness: float, color: Color) -> None:
        """Paint the rim of a disc: from `radius - thickness` to `radius`."""
        (ax, ay), (bx, by) = self._place((cx - radius, cy - radius)), self._place((cx + radius, cy + radius))
        x0, y0, a, b = (ax + bx) / 2, (ay + by) / 2, abs(bx - ax) / 2, abs(by - ay) / 2
        inner = max(0.0, 1 - thickness / radius) ** 2

        def inside(x: _Floats, y: _Floats) -> npt.NDArray[np.bool_]:
            dx, dy = (x - x0) / a, (y - y0) / b
            distance = dx * dx + dy * dy
            return np.asarray((distance <= 1) & (distance >= inner))

        self._paint(inside, (x0 - a, y0 - b, x0 + a, y0 + b), color)

    def polygon(self, points: Sequence[Point], color: Color) -> None:
        """Paint the inside of a closed line (even-odd rule)."""
        corners = [self._place(point) for point in points]

        def inside(x: _Floats, y: _Floats) -> npt.NDArray[np.bool_]:
            odd = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.bool_)
            for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1]):
                if ay != by:
                    crosses = (y < ay) != (y < by)
                    odd ^= crosses & (x < ax + (y - ay) * ((bx - ax) / (by - ay)))
            return odd

        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        self._paint(inside, (min(xs), min(ys), max(xs), max(ys)), color)

    def line(self, x0: float, y0: float, x1: float, y1: float, thickness: float, color: Color) -> None:
        """Paint a straight line with round ends; `thickness` is a share of the canvas's shorter side."""
        (ax, ay), (bx, by) = self._place((x0, y0)), self._place((x1, y1))
        dx, dy, r = bx - ax, by - ay, thickness * self.side / 2
        length = max(dx * dx + dy * dy, 1e-12)

        def inside(x: _Floats, y: _Floats) -> npt.NDArray[np.bool_]:
            along = np.clip(((x - ax) * dx + (y - ay) * dy) / length, 0.0, 1.0)
            ex, ey = x - ax - along * dx, y - ay - along * dy
            return np.asarray(ex * ex + ey * ey <= r * r)

        self._paint(inside, (min(ax, bx) - r, min(ay, by) - r, max(ax, bx) + r, max(ay, by) + r), color)

    def image(self, rgba: npt.NDArray[np.uint8]) -> None:
        """Lay a picture `uint8[h, w, 4]` over the canvas, scaled to its rectangle."""
        from PIL import Image

        left, top = (_round(value) for value in self._origin)
        right = max(left + 1, _round(self._origin[0] + self._extent[0]))
        bottom = max(top + 1, _round(self._origin[1] + self._extent[1]))
        size = (right - left, bottom - top)
        layer = Image.new("RGBA", (self.width, self.height))
        layer.paste(Image.fromarray(rgba).resize(size, Image.Resampling.LANCZOS), (left, top))
        scaled = np.asarray(layer).astype(np.int32)
        alpha = scaled[..., 3:]
        self.pixels[:] = (self.pixels * (255 - alpha) + scaled[..., :3] * alpha + 127) // 255

    def _copy(self) -> Canvas:
        part = Canvas.__new__(Canvas)
        part.__dict__.update(self.__dict__)
        return part

    def _place(self, point: Point) -> Point:
        """Pixel coordinates of a point of the canvas."""
        x, y = point
        for _ in range(self._turns):
            x, y = 1 - y, x
        return self._origin[0] + x * self._extent[0], self._origin[1] + y * self._extent[1]

    def _paint(
        self,
        inside: Callable[[_Floats, _Floats], npt.NDArray[np.bool_]],
        box: tuple[float, float, float, float],
        color: Color,
    ) -> None:
        """Blend `color` into the pixels of `box` by how many of their sample points are inside."""
        n = self._samples
        left, right = max(0, int(box[0])), min(self.width, int(box[2]) + 1)
        top, bottom = max(0, int(box[1])), min(self.height, int(box[3]) + 1)
        if left >= right or top >= bottom:
            return
        x = (np.arange(left * n, right * n) + 0.5)[None, :] / n
        y = (np.arange(top * n, bottom * n) + 0.5)[:, None] / n
        hits = np.broadcast_to(inside(x, y), (y.shape[0], x.shape[1]))
        counts = hits.reshape(bottom - top, n, right - left, n).sum((1, 3), dtype=np.int32)
        level = ((counts * LEVELS + n * n // 2) // (n * n))[..., None]
        pixels = self.pixels[top:bottom, left:right]
        pixels[:] = (pixels * (LEVELS - level) + np.array(color, np.int32) * level + LEVELS // 2) // LEVELS


def _round(value: float) -> int:
    """The nearest integer, halves upwards (Python rounds them to even, which makes shapes uneven)."""
    return int(np.floor(value + 0.5))
