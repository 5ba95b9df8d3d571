"""Equal and mirrored boards: a key of a board, and one that all its mirror images share.

A square has eight symmetries, other rectangles have four. A `BoardForm` turns a task's layout into
bytes, which unlike layouts can be mirrored freely (a table of 2 x 3 cells lies across after a quarter
turn). The *orbit* of a board is the set of its mirror images; it is named by its smallest member.

A board's orbit key begins with 16 hexadecimal digits that depend on the board *without its start*.
Splits and shards are ranges of these digits, so boards that differ by their start only are never
divided between training and test either.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar, Generic, NamedTuple

import numpy as np
import numpy.typing as npt

from vsp_gym.core import Cell, LayoutT, trusted

POSITIONS = 1 << 64
"""An orbit's position is an integer from 0 to one less than this."""


class Symmetry(NamedTuple):
    """A symmetry of a rectangle: first a reflection in the main diagonal, then flips."""

    transpose: bool
    flip_rows: bool
    flip_cols: bool

    def shape(self, rows: int, cols: int) -> tuple[int, int]:
        """The shape of the image of a board of `rows x cols`."""
        return (cols, rows) if self.transpose else (rows, cols)

    def cell(self, row: int, col: int, rows: int, cols: int) -> tuple[int, int]:
        """Where a cell of a board of `rows x cols` goes to."""
        height, width = self.shape(rows, cols)
        row, col = self.step(row, col)
        return row + (height - 1) * self.flip_rows, col + (width - 1) * self.flip_cols

    def step(self, rows: int, cols: int) -> tuple[int, int]:
        """The image of a step by `(rows, cols)`: which way a direction points afterwards."""
        if self.transpose:
            rows, cols = cols, rows
        return -rows if self.flip_rows else rows, -cols if self.flip_cols else cols


SYMMETRIES = tuple(
    Symmetry(transpose, flip_rows, flip_cols)
    for transpose in (False, True)
    for flip_rows in (False, True)
    for flip_cols in (False, True)
)
"""The eight symmetries of the square; the first four are those of any rectangle."""


class Board(NamedTuple):
    """A board as bytes. Cells are numbered row by row from 0: `row * cols + col`."""

    rows: int
    cols: int
    ground: bytes
    """`rows * cols` codes: what of the board is neither target nor start. A code's meaning is the task's."""
    target: int
    """The cell that the task is about: the goal, or the printer."""
    start: int
    """The agent's cell at the beginning."""


class BoardForm(Generic[LayoutT]):
    """Turns layouts of a task into `Board` and back."""

    turned: ClassVar[Sequence[bytes] | None] = None
    """For each of `SYMMETRIES` the code that each of the 256 codes becomes; None if codes do not change."""

    def encode(self, layout: LayoutT) -> Board:
        """The layout as bytes; different layouts have different ones."""
        raise NotImplementedError

    def decode(self, board: Board) -> LayoutT:
        """The layout that `encode` turned into `board`.

        The board must be right: nothing is checked, because the generators call this for every board.
        """
        raise NotImplementedError

    def with_start(self, layout: LayoutT, start: int) -> LayoutT:
        """A layout of the task with another start, which must be right as well."""
        cell = Cell(*divmod(start, layout.cols))
        return trusted(type(layout), **{**layout.__dict__, "start": cell})


@lru_cache(maxsize=64)
def _images(rows: int, cols: int) -> tuple[tuple[int, ...], ...]:
    """For every symmetry that keeps the shape, the cell that each cell goes to."""
    return tuple(
        tuple(
            symmetry.cell(row, col, rows, cols)[0] * cols + symmetry.cell(row, col, rows, cols)[1]
            for row in range(rows)
            for col in range(cols)
        )
        for symmetry in SYMMETRIES[: 8 if rows == cols else 4]
    )


@lru_cache(maxsize=64)
def _sources(rows: int, cols: int) -> npt.NDArray[np.intp]:
    """`[symmetries * cells]` for each cell of the images the cell that it comes from.

    Images follow one another, and so do the copies of the board that they come from.
    """
    images = np.array(_images(rows, cols), np.intp)
    return (np.argsort(images, axis=1) + np.arange(len(images))[:, None] * rows * cols).reshape(-1)


def images(form: BoardForm[Any], board: Board) -> list[Board]:
    """The mirror images of a board, the board itself first: 8, or 4 if it is not square."""
    rows, cols, ground, target, start = board
    return [
        Board(rows, cols, turned, image[target], image[start])
        for turned, image in zip(_turn(form, rows, cols, ground), _images(rows, cols))
    ]


def _turn(form: BoardForm[Any], rows: int, cols: int, ground: bytes) -> list[bytes]:
    """The ground under every symmetry that keeps the shape."""
    sources, cells = _sources(rows, cols), len(ground)
    count = len(sources) // cells
    if form.turned is None:
        codes = ground * count
    else:
        codes = b"".join([ground.translate(table) for table in form.turned[:count]])
    data = np.frombuffer(codes, np.uint8).take(sources).tobytes()
    return [data[i : i + cells] for i in range(0, len(data), cells)]


class Orbits:
    """The orbits of all boards that share a ground.

    Args:
        name: the task's name; boards of different tasks never share a key.
        form: the task's form.
        rows, cols, ground: as in `Board`.
    """

    def __init__(self, name: str, form: BoardForm[Any], rows: int, cols: int, ground: bytes) -> None:
        turned = _turn(form, rows, cols, ground)
        self._least = min(turned)
        self._stabiliser = [
            image for image, other in zip(_images(rows, cols), turned) if other == self._least
        ]
        self._head = _header(name, rows, cols) + self._least
        self._cells = rows * cols

        self._words = struct.unpack(f"<{self._cells}Q", hashlib.shake_128(self._head).digest(8 * self._cells))

    def positions(self) -> list[int]:
        """For each cell as the target, the position (below `POSITIONS`) of the board's orbit."""
        words = self._words
        if len(self._stabiliser) == 1:
            return [words[cell] for cell in self._stabiliser[0]]
        return [words[min(cells)] for cells in zip(*self._stabiliser)]

    def key(self, target: int, start: int) -> str:
        """The orbit key of a board: 32 hexadecimal digits; the first 16 are its position."""
        least = min((image[target], image[start]) for image in self._stabiliser)
        rest = hashlib.blake2b(self._head + struct.pack("<HH", *least), digest_size=8).hexdigest()
        return f"{self._words[least[0]]:016x}{rest}"


def _header(name: str, rows: int, cols: int) -> bytes:
    return f"{name} {rows} {cols}\0".encode()


def board_key(name: str, board: Board) -> str:
    """The canonical key of a board: 32 hexadecimal digits, equal for equal boards only."""
    head = _header(name, board.rows, board.cols)
    marks = struct.pack("<HH", board.target, board.start)
    return hashlib.blake2b(head + board.ground + marks, digest_size=16).hexdigest()


def orbit_key(name: str, form: BoardForm[Any], board: Board) -> str:
    """The key of a board's orbit: 32 hexadecimal digits, equal for a board and its mirror images only."""
    return Orbits(name, form, board.rows, board.cols, board.ground).key(board.target, board.start)


def orbit_position(orbit: str) -> int:
    """The position (below `POSITIONS`) that an orbit key begins with."""
    return int(orbit[:16], 16)
