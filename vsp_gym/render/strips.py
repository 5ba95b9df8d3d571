"""Pictures put together from compressed strips: what is compressed once need not be compressed again.

A *strip* is a part of a row of cells. On small boards the same strips come again and again, and deflate
data may be joined where each piece ends with a whole byte (RFC 1951), so a picture's data are those of its
strips one after the other.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from functools import lru_cache
from itertools import pairwise
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vsp_gym.render.atlas import Pixels, Sheet

MOST_COLS = 8
"""Rows of more cells hardly ever come again."""

STRIP_BYTES = 16 << 20
"""What the strips of a palette may take that are kept; if they take more, all are forgotten."""

_ENTRY_BYTES = 300
"""About what an entry takes besides its data."""

CACHED_STRIPS = 16
"""Combinations of sheet and palette whose strips are kept."""

_HEAD, _END = b"\x78\x5e", b"\x03\x00"
"""What zlib data begin with, and an empty last block."""

_MODULUS = 65521


class Strip(NamedTuple):
    """Some lines of a picture."""

    data: bytes
    """Deflate data that refer to nothing before them and end with a whole byte."""
    length: int
    """Bytes before compression."""
    checksum: int
    """Their Adler-32."""


class Strips:
    """The strips of pictures in one palette."""

    def __init__(self, sheet: Sheet, palette: tuple[int, ...]) -> None:
        self._atlas, self._grid = sheet.indexed(palette), sheet.grid
        self._depth = bit_depth(palette)
        self._seams = sheet.seams
        self._kinds: list[dict[bytes, int]] = [{} for _ in range(len(sheet.seams) + 1)]
        """For every strip of a cell, digests of what it looks like, and a number for each."""
        self._kind_of_tile = np.full((64, len(self._kinds)), -1, np.int32)
        heights = np.diff(self._grid.tops).tolist()
        self._spans = [
            (top + first, top + end)
            for top, height in zip(self._grid.tops, heights)
            for first, end in self._cut(height)
        ]
        """The lines of every strip of a picture."""
        alike: dict[tuple[int, int], dict[bytes, Strip]] = {}
        self._known = [
            alike.setdefault((height, number), {}) for height in heights for number in range(len(self._kinds))
        ]
        """For every strip of a picture, those that were there before, by the kinds of the cells' strips."""
        self._bytes = 0
        self._lock = Lock()

    def compress(self, tiles: npt.NDArray[np.uint16]) -> list[bytes]:
        """The zlib data of pictures of `tiles` `[boards, rows, cols]`."""
        with self._lock:
            kinds = np.ascontiguousarray(self._find_kinds(tiles).swapaxes(2, 3))
            item = np.dtype((np.void, kinds.itemsize * kinds.shape[3]))
            keys: Any = kinds.view(item).reshape(len(tiles), -1).tolist()
            return [_join(self._find(*board)) for board in zip(tiles, keys)]

    def _find_kinds(self, tiles: npt.NDArray[np.uint16]) -> npt.NDArray[np.int32]:
        """`[boards, rows, cols, strips]` what the cells' strips look like."""
        highest = int(np.max(tiles))
        if highest >= len(self._kind_of_tile):
            more = np.full((highest + 64 - len(self._kind_of_tile), len(self._kinds)), -1, np.int32)
            self._kind_of_tile = np.concatenate([self._kind_of_tile, more])
        kinds = self._kind_of_tile[tiles]
        if np.min(kinds) < 0:
            for tile in np.unique(tiles[kinds[..., 0] < 0]).tolist():
                self._kind_of_tile[tile] = self._kinds_of(tile)
            kinds = self._kind_of_tile[tiles]
        return kinds

    def _kinds_of(self, tile: int) -> list[int]:
        looks = [hashlib.blake2b(digest_size=16) for _ in self._kinds]
        for height in self._grid.heights:
            for width in self._grid.widths:
                pixels = self._atlas.get(tile, height, width)
                for number, (first, end) in enumerate(self._cut(height)):
                    looks[number].update(pixels[first:end].tobytes())
        return [kinds.setdefault(look.digest(), len(kinds)) for kinds, look in zip(self._kinds, looks)]

    def _cut(self, height: int) -> list[tuple[int, int]]:
        """The lines of the strips of a cell."""
        return list(pairwise([0, *(round(seam * height) for seam in self._seams), height]))

    def _find(self, tiles: npt.NDArray[np.uint16], keys: list[bytes]) -> list[Strip]:
        """The strips of a board `[rows, cols]`; those that are new are made."""
        try:
            return [known[key] for known, key in zip(self._known, keys)]
        except KeyError:
            self._make(tiles, keys)
            return [known[key] for known, key in zip(self._known, keys)]

    def _make(self, tiles: npt.NDArray[np.uint16], keys: list[bytes]) -> None:
        """Compress the strips of a board that are not known."""
        if self._bytes > STRIP_BYTES:
            self._bytes = 0
            for known in self._known:
                known.clear()
        lines, order = self._atlas.distinct(tiles[None])
        filtered = with_filters(pack(lines[0], self._depth)).take(order, axis=0)
        for (first, end), known, key in zip(self._spans, self._known, keys):
            if key not in known:
                known[key] = _compress(filtered[first:end].tobytes())
                self._bytes += len(known[key].data) + _ENTRY_BYTES


@lru_cache(maxsize=CACHED_STRIPS)
def get_strips(sheet: Sheet, palette: tuple[int, ...]) -> Strips:
    """The strips of pictures of a sheet whose boards have at most `MOST_COLS` cells in a row."""
    return Strips(sheet, palette)


if hasattr(os, "register_at_fork"):  # a child must not wait for a lock that another thread had taken
    os.register_at_fork(after_in_child=get_strips.cache_clear)


def _compress(data: bytes) -> Strip:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)
    return Strip(packed, len(data), zlib.adler32(data))


def _join(strips: list[Strip]) -> bytes:
    """Strips as zlib data; the checksum is put together from theirs (`adler32_combine` of zlib)."""
    low, high = 1, 0
    for _, length, checksum in strips:
        high += (checksum >> 16) + length * (low - 1)
        low += (checksum & 0xFFFF) - 1
    total = (high % _MODULUS << 16 | low % _MODULUS).to_bytes(4, "big")
    return b"".join([_HEAD, *[strip[0] for strip in strips], _END, total])


def bit_depth(palette: tuple[int, ...]) -> int:
    """How many bits a pixel has."""
    return next(bits for bits in (1, 2, 4, 8) if len(palette) <= 1 << bits)


def with_filters(lines: Pixels) -> Pixels:
    """Lines of bytes, each after the number of its filter, which is always 0."""
    filtered = np.zeros((len(lines), 1 + lines.shape[1]), np.uint8)
    filtered[:, 1:] = lines
    return filtered


def pack(indices: Pixels, bits: int) -> Pixels:
    """Several pixels of `bits` bits in each byte, the leftmost in the highest bits."""
    while bits < 8:
        if indices.shape[1] % 2:
            indices = np.pad(indices, ((0, 0), (0, 1)))
        pairs = np.ascontiguousarray(indices).view("<u2")
        indices = (pairs << bits | pairs >> 8).astype(np.uint8)
        bits *= 2
    return indices
