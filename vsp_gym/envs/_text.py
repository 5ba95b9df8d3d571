"""What the text views of all tasks share: names of cells, and a reader whose errors name the line.

A description is read in two steps. The lines that state positions (and a maze's walls) give the
board; then the board is described again and every line must be as it was given. So no part of a
description can contradict another, and each task writes its format down once, in `describe`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import zip_longest
from typing import TypeVar

from vsp_gym.core import Cell
from vsp_gym.errors import FormatError, LayoutError

COORDINATES = "Cells are (row, col), counted from 0; row 0 is at the top."
"""The line that explains coordinates, second in every description."""

_CELL = re.compile(r"\(([0-9]{1,2}), ([0-9]{1,2})\)")
_SIZE = re.compile(r"([A-Za-z]+), ([0-9]{1,2}) x ([0-9]{1,2}) \(rows x cols\)")

T = TypeVar("T")


def heading(title: str, rows: int, cols: int) -> str:
    """The first two lines of a description, each with its newline."""
    return f"{title}, {rows} x {cols} (rows x cols)\n{COORDINATES}\n"


def join_cells(cells: Iterable[tuple[int, int]]) -> str:
    """`(0, 1), (2, 3)`, or `none`."""
    return ", ".join([f"({row}, {col})" for row, col in cells]) or "none"


def letter_grid(rows: int, cols: int, letters: Iterable[tuple[tuple[int, int], str]]) -> str:
    """A board of `.` with a letter at each of the given cells (later ones win).

    Cell `(row, col)` is character `2 * (row * cols + col)`; rows end with a newline.
    """
    cells = ["."] * (rows * cols)
    for (row, col), letter in letters:
        cells[row * cols + col] = letter
    return "".join([" ".join(cells[i : i + cols]) + "\n" for i in range(0, rows * cols, cols)])


def put(grid: str, index: int, letter: str) -> str:
    """`grid` with the character at `index` replaced."""
    return f"{grid[:index]}{letter}{grid[index + 1 :]}"


class LineReader:
    """Reads a description line by line.

    White space around the text and around each line does not matter, nor does the kind of newline.

    Args:
        text: the description.
        title: title of the task that the first line must name.

    Raises:
        FormatError: if `text` is no text, or its first line does not name the task and a size.
    """

    def __init__(self, text: str, title: str) -> None:
        if not isinstance(text, str):
            raise FormatError(f"a description is text, not {text!r:.80}")
        self.lines = [line.strip() for line in text.strip().split("\n")]
        self.number = 0
        """Number of lines read, which is the number of the line read last, counted from 1."""
        match = _SIZE.fullmatch(self.next())
        if match is None or match[1] != title:
            raise self.error(f"the first line names the task and the size, like {title}, 4 x 4 (rows x cols)")
        self.rows, self.cols = int(match[2]), int(match[3])
        if not (1 <= self.rows <= 64 and 1 <= self.cols <= 64):
            raise self.error("a board has 1 to 64 rows and columns")
        self.next()  # the line on coordinates says nothing new; `agree` compares it

    def error(self, reason: str) -> FormatError:
        """The error to raise about the line read last."""
        line = self.lines[self.number - 1] if self.number <= len(self.lines) else ""
        return FormatError(f"line {self.number} {line!r:.80}: {reason}")

    def next(self) -> str:
        """The next line."""
        self.number += 1
        if self.number > len(self.lines):
            raise self.error("the description ends before this line")
        return self.lines[self.number - 1]

    def labelled(self, label: str) -> str:
        """What follows `label` and a colon on the next line."""
        line = self.next()
        if not line.startswith(f"{label}: "):
            raise self.error(f"this line starts with {label + ':'!r}")
        return line[len(label) + 2 :]

    def cells(self, label: str) -> list[Cell]:
        """All cells on the next line, which starts with `label`."""
        found = [Cell(int(row), int(col)) for row, col in _CELL.findall(self.labelled(label))]
        for cell in found:
            if cell.row >= self.rows or cell.col >= self.cols:
                raise self.error(f"{cell} is not on a board of {self.rows} x {self.cols}")
        return found

    def cell(self, label: str) -> Cell:
        """The first cell on the next line, which starts with `label`."""
        found = self.cells(label)
        if not found:
            raise self.error("this line names a cell like (0, 1)")
        return found[0]

    def build(self, make: Callable[[], T]) -> T:
        """`make()`, with its `LayoutError` turned into an error about the line read last."""
        try:
            return make()
        except LayoutError as error:
            raise self.error(str(error)) from None

    def agree(self, description: str) -> None:
        """Check that the text is `description`; the error names the first line that differs."""
        expected_lines = description.strip().split("\n")
        for number, (line, expected) in enumerate(zip_longest(self.lines, expected_lines), 1):
            if line == expected:
                continue
            self.number = number
            if expected is None:
                raise self.error("nothing follows the description")
            if line is None:
                raise self.error(f"the description ends before this line; expected {expected!r:.80}")
            shorter = min(len(line), len(expected))
            col = next((c for c in range(shorter) if line[c] != expected[c]), shorter)
            raise self.error(
                f"differs from the other lines at character {col + 1}: "
                f"{line[col : col + 40]!r}, expected {expected[col : col + 40]!r}"
            )
