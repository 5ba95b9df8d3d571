"""Boards as arrays of pixels, put together from cached tiles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from vsp_gym.core import Action, LayoutT, StateT, check_int
from vsp_gym.envs.base import PictureView, PlanningTask
from vsp_gym.errors import VSPGymError
from vsp_gym.render.canvas import Canvas
from vsp_gym.render.themes import Theme, get_theme

MIN_CELL = 4
"""Smallest side of a cell in pixels at which every tile still looks different."""

MAX_SIZE = 8192
"""Largest side of a picture in pixels."""

CACHE_BYTES = 64 << 20
"""Pixels of tiles that one atlas keeps before it starts anew."""


def check_render_size(
    task: PlanningTask[Any, Any], shape: tuple[int, int], size: object, theme: str | Theme = "classic"
) -> tuple[int, int]:
    """Height and width in pixels of the picture of a board.

    Args:
        task: the task.
        shape: `(rows, cols)` of the board.
        size: pixels of the longer side; the other side keeps cells square (up to a pixel).
        theme: name of the look, or a `Theme`.

    Raises:
        UnknownNameError: for an unknown theme.
        VSPGymError: if `size` is no integer, too large, or too small for cells of 4 pixels; the message
            has the smallest size that works.
    """
    get_theme(theme)
    longer = max(shape)
    number = check_int(size, "the picture's size", 1, MAX_SIZE, VSPGymError)
    if number < MIN_CELL * longer:
        raise VSPGymError(
            f"a picture of {number} pixels is too small for a {task.title} board of "
            f"{shape[0]}x{shape[1]} cells; the smallest size is {MIN_CELL * longer}"
        )
    height, width = ((2 * number * n + longer) // (2 * longer) for n in shape)
    return height, width


def render_rgb(
    task: PlanningTask[LayoutT, StateT],
    layout: LayoutT,
    state: StateT | None = None,
    *,
    size: int = 256,
    theme: str | Theme = "classic",
    facing: Action | None = None,
) -> npt.NDArray[np.uint8]:
    """A board as a picture.

    Args:
        task: the task.
        layout: the board.
        state: what moves on it (the initial state if None).
        size: pixels of the longer side, at least 4 a cell.
        theme: name of the look, or a `Theme`.
        facing: the agent's last move, if it is to be seen.

    Returns:
        `uint8[height, width, 3]`, red, green, blue; a new array.

    Raises:
        UnknownNameError: for an unknown theme.
        VSPGymError: if the size does not suit the board, the layout is of another task or the state
            is not on the board.
    """
    states = [task.initial(layout) if state is None else state]
    return render_batch(task, [layout], states, size=size, theme=theme, facing=facing)[0]


def render_batch(
    task: PlanningTask[LayoutT, StateT],
    layouts: Sequence[LayoutT],
    states: Sequence[StateT] | None = None,
    *,
    size: int = 256,
    theme: str | Theme = "classic",
    facing: Action | None = None,
) -> npt.NDArray[np.uint8]:
    """Many boards of one shape as pictures, several times faster than one by one.

    Args:
        task: the task.
        layouts: the boards, all with the same number of rows and columns.
        states: what moves on each (the initial states if None).
        size, theme, facing: as for `render_rgb`.

    Returns:
        `uint8[boards, height, width, 3]`.

    Raises:
        UnknownNameError: for an unknown theme.
        VSPGymError: as `render_rgb`, and if the boards' shapes differ or states are missing.
    """
    if not layouts:
        raise VSPGymError("there are no layouts to draw")
    if states is None:
        states = [task.initial(layout) for layout in layouts]
    shape = check_boards(task, layouts, states)
    atlas = get_atlas(task, get_theme(theme), check_render_size(task, shape, size, theme), shape)
    return atlas.assemble(task.picture.batch_tiles(layouts, states, facing))


def check_boards(
    task: PlanningTask[LayoutT, StateT], layouts: Sequence[LayoutT], states: Sequence[StateT]
) -> tuple[int, int]:
    """The `(rows, cols)` that all layouts share; raises `VSPGymError` if they cannot be drawn together."""
    for layout in layouts:
        if not isinstance(layout, task.layout_type):
            raise VSPGymError(f"{task.title} draws a {task.layout_type.__name__}, not {layout!r:.80}")
    shapes = {(layout.rows, layout.cols) for layout in layouts}
    if len(shapes) > 1:
        sizes = ", ".join(f"{rows}x{cols}" for rows, cols in sorted(shapes))
        raise VSPGymError(f"boards drawn together must have one shape, not {sizes}")
    if len(layouts) != len(states):
        raise VSPGymError(f"{len(layouts)} layouts need as many states, not {len(states)}")
    return shapes.pop()


def edges(extent: int, count: int) -> list[int]:
    """Where `count` cells begin and end on `extent` pixels: `floor(i * extent / count)`, as MGSD's do."""
    return [i * extent // count for i in range(count + 1)]


class Atlas:
    """The tiles of one task, theme and picture size, drawn when they are first needed.

    When cells have two heights or widths (5 cells on 256 pixels), every tile is drawn in each.
    """

    def __init__(self, view: PictureView[Any, Any], theme: Theme, rows: list[int], cols: list[int]) -> None:
        self._view, self._theme = view, theme
        heights = np.diff(rows)
        self._kinds = sorted(set(heights.tolist()))
        offset = dict(zip(self._kinds, np.cumsum([0, *self._kinds]).tolist()))
        self._lines = sum(self._kinds)
        y = np.arange(rows[-1])
        cell = np.searchsorted(rows, y, side="right") - 1
        self._cell_of_y = cell
        self._line_of_y = y - np.array(rows)[cell] + np.array([offset[int(h)] for h in heights])[cell]
        self._cols = cols
        self._widths = sorted(set(np.diff(cols).tolist()))
        self._lock = Lock()
        self._clear()

    def _clear(self) -> None:
        self._slots = np.full(64, -1, np.int32)
        self._count = 0
        self._pixels = {w: np.empty((0, self._lines, w, 3), np.uint8) for w in self._widths}

    def assemble(self, tiles: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
        """Pictures `uint8[boards, height, width, 3]` of tiles `[boards, rows, cols]`."""
        slots, pixels = self._get(tiles)
        boards, height = len(tiles), len(self._cell_of_y)
        out = np.empty((boards, height, self._cols[-1], 3), np.uint8)
        for col, (left, right) in enumerate(zip(self._cols, self._cols[1:])):
            out[:, :, left:right] = pixels[right - left][slots[:, self._cell_of_y, col], self._line_of_y]
        return out

    def _get(self, tiles):
        with self._lock:
            highest = int(tiles.max())
            if highest >= len(self._slots):
                self._slots = np.concatenate([self._slots, np.full(highest + 64, -1, np.int32)])
            slots = self._slots[tiles]
            if slots.min() < 0:
                self._draw(np.unique(tiles[slots < 0]).tolist())
                slots = self._slots[tiles]
            return slots, dict(self._pixels)

    def _draw(self, tiles: list[int]) -> None:
        for width, old in self._pixels.items():
            new = [np.concatenate([self._tile(tile, h, width) for h in self._kinds]) for tile in tiles]
            self._pixels[width] = np.concatenate([old, np.stack(new)])
        self._slots[tiles] = np.arange(self._count, self._count + len(tiles))
        self._count += len(tiles)

    def _tile(self, tile: int, height: int, width: int) -> npt.NDArray[np.uint8]:
        canvas = Canvas(height, width)
        self._view.draw_tile(canvas, tile, self._theme)
        return canvas.pixels


@lru_cache(maxsize=32)
def get_atlas(
    task: PlanningTask[Any, Any], theme: Theme, pixels: tuple[int, int], shape: tuple[int, int]
) -> Atlas:
    """The atlas for pictures of `pixels` (height, width) of boards of `shape` (rows, cols)."""
    adapted = theme.adapted(task.name, task.picture.looks)
    return Atlas(task.picture, adapted, edges(pixels[0], shape[0]), edges(pixels[1], shape[1]))
