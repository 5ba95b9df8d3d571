"""Tiles drawn once and kept, and pictures put together from them at the speed of copying memory."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from vsp_gym.envs.base import PlanningTask
from vsp_gym.render.canvas import Canvas
from vsp_gym.render.themes import Theme

CACHE_BYTES = 32 << 20
"""An atlas that holds more than this starts anew before it draws further tiles."""

CACHED_SHEETS = 16
"""Combinations of task, theme, shape and size whose tiles are kept."""

CACHED_PALETTES = 8
"""Palettes whose tiles each of these keeps."""

REMEMBERED_PALETTES = 256
"""Palettes that each of these remembers for boards whose tiles have the same colours."""

BOARD_BLOCK = 8
"""Boards assembled at a time when cells differ in width: their pixels stay in the processor's cache."""

Pixels = npt.NDArray[np.uint8]

DrawTile = Callable[[int, int, int], Pixels]
"""Tile, height and width -> `uint8[height, width, channels]`."""


def edges(extent: int, count: int) -> list[int]:
    """Where `count` cells begin and end on `extent` pixels: `floor(i * extent / count)`, as MGSD's do."""
    return [i * extent // count for i in range(count + 1)]


class Grid:
    """How the cells of a board lie on a picture: `rows x cols` cells on `height x width` pixels.

    Cells of a grid have one or two heights (5 rows on 256 pixels: 51 and 52), and widths likewise. A tile
    is drawn in all heights, one below the other, and that once for each width.
    """

    def __init__(self, pixels: tuple[int, int], shape: tuple[int, int]) -> None:
        self.height, self.width = pixels
        self.tops, self.lefts = edges(pixels[0], shape[0]), edges(pixels[1], shape[1])
        heights = np.diff(self.tops)
        self.heights: list[int] = np.unique(heights).tolist()
        """The heights that cells have."""
        self.widths: list[int] = np.unique(np.diff(self.lefts)).tolist()
        """The widths that cells have."""
        self.row_of_y = np.repeat(np.arange(shape[0]), heights)
        """`[height]` the row of cells that a line of pixels is in."""
        offsets = np.array([self.first_line(int(h)) for h in heights]) - np.array(self.tops[:-1])
        self.line_of_y = np.arange(self.height) + offsets[self.row_of_y]
        """`[height]` the line of a tile that a line of pixels shows."""
        self.lines = sum(self.heights)
        """Lines of a tile."""

    def first_line(self, height: int) -> int:
        """Where a tile's drawing of that height begins."""
        return sum(h for h in self.heights if h < height)


class _Lines:
    """The distinct lines of an atlas's tiles.

    Most lines of a tile repeat others: every line through a wall's end looks the same. Lines that are
    equal in every tile drawn so far are one *kind*, and only kinds are kept and put side by side;
    whole lines of the picture are then copied from them.
    """

    def __init__(self, grid: Grid, channels: int) -> None:
        self._grid, self._channels = grid, channels
        self.count = 0
        """Tiles held."""
        self._kind_of_line = np.zeros(grid.lines, np.intp)
        self._pixels = {width: np.empty((0, 1, width * channels), np.uint8) for width in grid.widths}
        self._plan()

    @property
    def nbytes(self) -> int:
        """Memory that the pixels take."""
        return sum(pixels.nbytes for pixels in self._pixels.values())

    def extended(self, drawn: dict[int, Pixels]) -> _Lines:
        """These lines and those of new tiles: by width, `uint8[tiles, lines, width * channels]`."""
        new = _Lines.__new__(_Lines)
        new._grid, new._channels = self._grid, self._channels
        new.count = self.count + len(next(iter(drawn.values())))
        kinds: dict[tuple[int | bytes, ...], int] = {}
        keys = (
            (old, *(pixels[:, line].tobytes() for pixels in drawn.values()))
            for line, old in enumerate(self._kind_of_line.tolist())
        )
        new._kind_of_line = np.array([kinds.setdefault(key, len(kinds)) for key in keys], np.intp)
        examples = np.unique(new._kind_of_line, return_index=True)[1]
        old_kinds = self._kind_of_line[examples]
        new._pixels = {
            width: np.concatenate([pixels[:, old_kinds], drawn[width][:, examples]])
            for width, pixels in self._pixels.items()
        }
        new._plan()
        return new

    def tile(self, slot: int, height: int, width: int) -> Pixels:
        """A tile: `uint8[height, width, channels]`."""
        start = self._grid.first_line(height)
        lines: Pixels = self._pixels[width][slot, self._kind_of_line[start : start + height]]
        return lines.reshape(height, width, self._channels)

    def assemble(self, slots: npt.NDArray[np.intp], out: Pixels) -> None:
        """Write pictures of the tiles in `slots` `[boards, rows, cols]` to `out`."""
        if len(self._items) == 1:
            self._put(slots, self._whole, out)
            return
        for start in range(0, len(out), BOARD_BLOCK):
            block = slots[start : start + BOARD_BLOCK]
            self._assemble_block(block, out[start : start + BOARD_BLOCK])

    def distinct(self, slots: npt.NDArray[np.intp]) -> tuple[Pixels, npt.NDArray[np.intp]]:
        """The lines of `assemble`'s pictures without those that repeat others.

        Returns:
            `uint8[boards, lines, width * channels]`, and for every line of a picture which of them it is.
        """
        lines = np.empty((len(slots), len(self._distinct[0]), self._grid.width * self._channels), np.uint8)
        self._put(slots, self._distinct, lines)
        return lines, self._copies

    def _plan(self) -> None:
        """Work out which lines to put together and where each goes on the picture."""
        grid = self._grid
        self._items = {width: _as_items(pixels) for width, pixels in self._pixels.items()}
        self._kinds = next(iter(self._pixels.values())).shape[1]
        self._whole = grid.row_of_y, self._kind_of_line[grid.line_of_y]
        """The row of cells, and the kind of line, of every line of the picture."""
        lines, copies = np.unique(self._whole[0] * self._kinds + self._whole[1], return_inverse=True)
        self._distinct = np.divmod(lines, self._kinds)
        """The same of the different lines."""
        self._copies: npt.NDArray[np.intp] = copies.reshape(-1).astype(np.intp)
        """`[height]` which of the different lines a line of the picture is."""

    def _assemble_block(self, slots: npt.NDArray[np.intp], out: Pixels) -> None:
        """`assemble` for a few boards; if that is less work, only different lines are put together."""
        if len(self._distinct[0]) >= 0.7 * self._grid.height:
            self._put(slots, self._whole, out)
            return
        lines, copies = self.distinct(slots)
        item = np.dtype((np.void, lines.shape[2]))
        target = out.reshape(-1).view(item).reshape(len(out), -1)
        np.take(lines.view(item)[:, :, 0], copies, axis=1, out=target, mode="clip")

    def _put(
        self,
        slots: npt.NDArray[np.intp],
        wanted: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]],
        out: Pixels,
    ) -> None:
        """Put lines together in `out` `[boards, lines, ...]`; `wanted` has each one's row and kind."""
        row, kind = wanted
        if len(self._items) == 1:
            which = (slots * self._kinds)[:, row]
            which += kind[:, None]
            (items,) = self._items.values()
            np.take(items, which, out=out.reshape(-1).view(items.dtype).reshape(which.shape), mode="clip")
            return
        length = self._grid.width * self._channels
        which = (slots * self._kinds).transpose(2, 0, 1)[:, :, row]
        which += kind
        for col, (left, right) in enumerate(pairwise(self._grid.lefts)):
            items = self._items[right - left]
            start, strides = left * self._channels, (len(row) * length, length)
            strip = np.ndarray(which[col].shape, items.dtype, out.data, start, strides)
            strip[...] = items.take(which[col], mode="clip")


class Atlas:
    """Tiles in every height and width that the cells of a grid have, drawn when first needed."""

    def __init__(self, grid: Grid, channels: int, draw: DrawTile) -> None:
        self._grid, self._channels, self._draw = grid, channels, draw
        self._lock = Lock()
        self._clear()

    def _clear(self) -> None:
        self._lines = _Lines(self._grid, self._channels)
        self._slots = np.full(64, -1, np.intp)

    def get(self, tile: int, height: int, width: int) -> Pixels:
        """One tile: `uint8[height, width, channels]`."""
        slots, lines = self._need(np.array([tile], np.uint16))
        return lines.tile(int(slots[0]), height, width)

    def assemble(self, tiles: npt.NDArray[np.uint16], out: Pixels) -> None:
        """Write pictures of `tiles` `[boards, rows, cols]` to `out`.

        `out` is C-contiguous: `uint8[boards, height, width, channels]`.
        """
        slots, lines = self._need(tiles)
        lines.assemble(slots, out)

    def distinct(self, tiles: npt.NDArray[np.uint16]) -> tuple[Pixels, npt.NDArray[np.intp]]:
        """The pictures that `assemble` writes as the different lines that they have.

        Returns:
            `uint8[boards, lines, width * channels]`, and `[height]`: which of them each line of a picture is.
        """
        slots, lines = self._need(tiles)
        return lines.distinct(slots)

    def _need(self, tiles: npt.NDArray[np.uint16]) -> tuple[npt.NDArray[np.intp], _Lines]:
        """Where each of `tiles` is, drawing those that are missing."""
        with self._lock:
            highest = int(np.max(tiles))
            if highest >= len(self._slots):
                self._slots = np.append(self._slots, np.full(highest + 64, -1, np.intp))
            slots = self._slots[tiles]
            if np.min(slots) < 0:
                if self._lines.nbytes > CACHE_BYTES:
                    self._clear()
                    self._slots = np.full(highest + 64, -1, np.intp)
                self._add(np.unique(tiles[self._slots[tiles] < 0]).tolist())
                slots = self._slots[tiles]
            return slots, self._lines

    def _add(self, tiles: list[int]) -> None:
        grid = self._grid
        drawn = {
            width: np.stack(
                [
                    np.concatenate([self._draw(tile, height, width) for height in grid.heights])
                    for tile in tiles
                ]
            ).reshape(len(tiles), grid.lines, width * self._channels)
            for width in grid.widths
        }
        self._slots[tiles] = np.arange(self._lines.count, self._lines.count + len(tiles))
        self._lines = self._lines.extended(drawn)


def _as_items(pixels: Pixels) -> npt.NDArray[np.void]:
    """`[tiles * kinds]`: every line as one opaque item, which NumPy copies in one piece."""
    item = np.dtype((np.void, pixels.shape[-1]))
    return pixels.reshape(-1, pixels.shape[-1]).view(item)[:, 0]


class Sheet:
    """All tiles of a task in one theme on one grid: in true colour, and as indices of palettes."""

    def __init__(self, task: PlanningTask[Any, Any], theme: Theme, grid: Grid) -> None:
        self._view = task.picture
        self._theme = theme.adapted(task.name, task.picture.looks)
        self.grid = grid
        self.seams = task.picture.seams
        self.rgb = Atlas(grid, 3, self._paint)
        self._colors: dict[int, frozenset[int]] = {}
        self._palettes: dict[frozenset[frozenset[int]], tuple[int, ...]] = {}
        self._indexed: OrderedDict[tuple[int, ...], Atlas] = OrderedDict()
        self._lock = Lock()

    def palette(self, tiles: npt.NDArray[np.uint16]) -> tuple[int, ...]:
        """The colours `0xRRGGBB` of `tiles`, ascending: a function of the tiles alone."""
        colors = frozenset(map(self._colors_of, set(tiles.ravel().tolist())))
        palette = self._palettes.get(colors)
        if palette is None:
            palette = tuple(sorted(frozenset().union(*colors)))
            if len(self._palettes) < REMEMBERED_PALETTES:
                self._palettes[colors] = palette
        return palette

    def indexed(self, palette: tuple[int, ...]) -> Atlas:
        """The tiles as positions in `palette`, which has at most 256 colours and all of the tiles'."""
        with self._lock:
            atlas = self._indexed.pop(palette, None)
            if atlas is None:
                atlas = Atlas(self.grid, 1, _Indexer(self.rgb, palette))
            self._indexed[palette] = atlas
            while len(self._indexed) > CACHED_PALETTES:
                self._indexed.popitem(last=False)
            return atlas

    def _paint(self, tile: int, height: int, width: int) -> Pixels:
        canvas = Canvas(height, width, cell=min(*self.grid.heights, *self.grid.widths))
        self._view.draw_tile(canvas, tile, self._theme)
        return canvas.pixels

    def _colors_of(self, tile: int) -> frozenset[int]:
        colors = self._colors.get(tile)
        if colors is None:
            drawn = [
                np.unique(_packed(self.rgb.get(tile, height, width)))
                for height in self.grid.heights
                for width in self.grid.widths
            ]
            colors = self._colors[tile] = frozenset(np.concatenate(drawn).tolist())
        return colors


class _Indexer:
    """Draws tiles as positions in a palette."""

    def __init__(self, source: Atlas, palette: tuple[int, ...]) -> None:
        self._source, self._palette = source, np.array(palette, np.int32)

    def __call__(self, tile: int, height: int, width: int) -> Pixels:
        packed = _packed(self._source.get(tile, height, width))
        return np.searchsorted(self._palette, packed).astype(np.uint8)[..., None]


def _packed(rgb: Pixels) -> npt.NDArray[np.int32]:
    """Colours as numbers `0xRRGGBB`."""
    wide = rgb.astype(np.int32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


@lru_cache(maxsize=CACHED_SHEETS)
def get_sheet(
    task: PlanningTask[Any, Any], theme: Theme, pixels: tuple[int, int], shape: tuple[int, int]
) -> Sheet:
    """The tiles for pictures of `pixels` (height, width) of boards of `shape` (rows, cols)."""
    return Sheet(task, theme, Grid(pixels, shape))


if hasattr(os, "register_at_fork"):  # a child must not wait for a lock that another thread had taken
    os.register_at_fork(after_in_child=get_sheet.cache_clear)
