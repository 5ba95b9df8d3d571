"""Boards as PNG files with a palette: lossless, an eighth of true colour's data, and fast.

Pillow takes about ten times as long for the same picture in true colour, and three times with a
palette. A PNG is a signature and three or four chunks around zlib data (W3C PNG, third edition), so they
are written here.
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
from vsp_gym.render.themes import Theme, get_theme

COMPRESSION = 3
"""zlib's level: on these pictures as fast as level 1 and a quarter smaller; higher ones cost time."""

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
        indexed = palette if len(palette) <= 256 else None
        atlas = sheet.rgb if indexed is None else sheet.indexed(palette)
        for number, file in zip(numbers, _encode(*atlas.distinct(tiles[numbers]), indexed)):
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
    if palette is None:
        head = _header(width // 3, len(order), 8, _TRUE_COLOR)
    else:
        depth = next(bits for bits in (1, 2, 4, 8) if len(palette) <= 1 << bits)
        lines = _pack(lines.reshape(-1, width), depth).reshape(pictures, count, -1)
        colors = np.array(palette, ">u4").view(np.uint8).reshape(-1, 4)[:, 1:]
        head = _header(width, len(order), depth, _PALETTE) + _chunk(b"PLTE", colors.tobytes())
    filtered = np.zeros((pictures, count, 1 + lines.shape[2]), np.uint8)  # the filter of every line is 0
    filtered[:, :, 1:] = lines
    items = filtered.view(np.dtype((np.void, filtered.shape[2])))[:, :, 0]
    return [
        b"".join((head, _chunk(b"IDAT", zlib.compress(picture.take(order).data, COMPRESSION)), _END))
        for picture in items
    ]


def _header(width: int, height: int, depth: int, kind: int) -> bytes:
    """What a file begins with."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


_END = _chunk(b"IEND", b"")


def _pack(indices: npt.NDArray[np.uint8], bits: int) -> npt.NDArray[np.uint8]:
    """Several pixels of `bits` bits in each byte, the leftmost in the highest bits."""
    while bits < 8:
        if indices.shape[1] % 2:
            indices = np.pad(indices, ((0, 0), (0, 1)))
        pairs = np.ascontiguousarray(indices).view("<u2")
        indices = (pairs << bits | pairs >> 8).astype(np.uint8)
        bits *= 2
    return indices
