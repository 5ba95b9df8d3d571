"""Boards as PNG files with a palette: lossless, an eighth of true colour's data, and fast.

Pillow takes about ten times as long for the same picture in true colour, and three times with a
palette. A PNG is a signature and three or four chunks around zlib data (W3C PNG, third edition), so they
are written here. On small boards the zlib data are put together from pieces that are kept (`strips`).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vsp_gym.core import Action, LayoutT, StateT
from vsp_gym.envs.base import PlanningTask
from vsp_gym.render.atlas import get_sheet
from vsp_gym.render.rgb import check_boards, check_render_size
from vsp_gym.render.strips import MOST_COLS, bit_depth, get_strips, pack, with_filters
from vsp_gym.render.themes import Theme, get_theme

COMPRESSION = 3
"""zlib's level: on these pictures as fast as level 1 and a quarter smaller; higher ones cost time."""

MOST_COLORS = 256
"""Colours of a palette; pictures with more are in true colour."""

_TRUE_COLOR, _PALETTE = 2, 3
"""PNG's colour types."""


def render_png(
    task: PlanningTask[LayoutT, StateT],
    layout: LayoutT,
    state: StateT | None = None,
    *,
    size: int = 256,
    theme: str | Theme = "classic",
    facing: Action | None = None,
) -> bytes:
    """A board as a PNG file whose pixels are those of `render_rgb`.

    The bytes are a function of the arguments (and the version of zlib), whatever was drawn before.

    Args, Raises: as `render_rgb`.
    """
    states = None if state is None else [state]
    return render_pngs(task, [layout], states, size=size, theme=theme, facings=[facing])[0]


def render_pngs(
    task: PlanningTask[LayoutT, StateT],
    layouts: Sequence[LayoutT],
    states: Sequence[StateT] | None = None,
    *,
    size: int = 256,
    theme: str | Theme = "classic",
    facings: Sequence[Action | None] | None = None,
) -> list[bytes]:
    """What `render_png` gives for each of many boards of one shape, in less time.

    Args, Raises: as `render_batch`.
    """
    shape, states = check_boards(task, layouts, states, facings)
    pixels = check_render_size(task, shape, size, theme)
    sheet = get_sheet(task, get_theme(theme), pixels, shape)
    tiles = task.picture.batch_tiles(layouts, states, facings)
    alike: dict[tuple[int, ...], list[int]] = {}
    for number, board in enumerate(tiles):
        alike.setdefault(sheet.palette(board), []).append(number)
    files = [b""] * len(layouts)
    for palette, numbers in alike.items():
        if len(palette) > MOST_COLORS:
            encoded = _encode(*sheet.rgb.distinct(tiles[numbers]), None)
        elif shape[1] > MOST_COLS:
            encoded = _encode(*sheet.indexed(palette).distinct(tiles[numbers]), palette)
        else:
            strips = get_strips(sheet, palette)
            head = _header(pixels[1], pixels[0], palette)
            encoded = [_file(head, data) for data in strips.compress(tiles[numbers])]
        for number, file in zip(numbers, encoded):
            files[number] = file
    return files


def encode_png(pixels: npt.NDArray[np.uint8], palette: tuple[int, ...] | None = None) -> bytes:
    """A PNG file.

    Args:
        pixels: `uint8[height, width, 3]`, or `uint8[height, width]` positions in `palette`.
        palette: colours `0xRRGGBB`, at most 256.
    """
    height = len(pixels)
    return _encode(pixels.reshape(1, height, -1), np.arange(height), palette)[0]


def _encode(
    lines: npt.NDArray[np.uint8], order: npt.NDArray[np.intp], palette: tuple[int, ...] | None
) -> list[bytes]:
    """PNG files of pictures of one size; lines that occur several times in a picture are packed once.

    Args:
        lines: `uint8[pictures, lines, width or 3 * width]`, as for `encode_png`.
        order: `[height]` which of the lines each line of a picture is.
        palette: as for `encode_png`.
    """
    pictures, count, width = lines.shape
    if palette is not None:
        lines = pack(lines.reshape(-1, width), bit_depth(palette))
    filtered = with_filters(lines.reshape(pictures * count, -1))
    items = filtered.view(np.dtype((np.void, filtered.shape[1]))).reshape(pictures, count)
    head = _header(width if palette else width // 3, len(order), palette)
    return [_file(head, zlib.compress(picture.take(order).data, COMPRESSION)) for picture in items]


def _header(width: int, height: int, palette: tuple[int, ...] | None) -> bytes:
    """What a file begins with."""
    depth, kind = (8, _TRUE_COLOR) if palette is None else (bit_depth(palette), _PALETTE)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    head = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header)
    if palette is None:
        return head
    colors = np.array(palette, ">u4").view(np.uint8).reshape(-1, 4)[:, 1:]
    return head + _chunk(b"PLTE", colors.tobytes())


def _file(head: bytes, data: bytes) -> bytes:
    """A whole file from its head and its zlib data."""
    return b"".join((head, _chunk(b"IDAT", data), _END))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


_END = _chunk(b"IEND", b"")
