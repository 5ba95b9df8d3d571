"""Published notations of a FrozenLake board."""

from __future__ import annotations

import re

from vsp_gym.core import Cell
from vsp_gym.envs.frozen_lake import FrozenLakeLayout
from vsp_gym.errors import FormatError
from vsp_gym.suites.files import parse_int

_TABLE_LETTERS = {"@": "S", "*": "G", "#": "H", "_": "F"}
_POSITION = re.compile(r"row ([0-9]{1,9}), column ([0-9]{1,9})", re.IGNORECASE)
_HOLES = re.compile(r"The hole\(s\) are at:((?: Row [0-9]{1,9}, Column [0-9]{1,9};)+)", re.IGNORECASE)
_SIZE = re.compile(r"This is a ([0-9]{1,9})x([0-9]{1,9}) map\.", re.IGNORECASE)
_NO_HOLES = "there is no holes in this map;"  # as it is published


def parse_table(text: str) -> FrozenLakeLayout:
    """A table headed `Col 1`, ..., `Row 1`, ...: `@` is the start, `*` the goal, `#` a hole, `_` ice.

    Raises:
        FormatError: naming the line or cell that is wrong.
    """
    lines = [line.strip() for line in text.strip().splitlines()]
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    if not table or not table[0] or table[0][0] != "":
        raise FormatError("a table begins with the line '| | Col 1 | Col 2 | ...'")
    width = len(table[0]) - 1
    if table[0][1:] != [f"Col {c}" for c in range(1, width + 1)]:
        raise FormatError(f"the head of the table must number the columns from 1, not {lines[0]!r:.80}")
    rows = []
    for number, cells in enumerate(table[1:], start=1):
        if not cells or cells[0] != f"Row {number}":
            raise FormatError(f"line {number + 1} of the table must begin '| Row {number} |'")
        if len(cells) != width + 1:
            raise FormatError(f"row {number} of the table has {len(cells) - 1} cells, its head has {width}")
        rows.append(cells[1:])
    return _from_symbols(rows)


def parse_symbols(text: str) -> FrozenLakeLayout:
    """Rows of `@` start, `*` goal, `#` hole, `_` ice; raises `FormatError` naming what is wrong."""
    return _from_symbols([list(line) for line in text.strip().splitlines()])


def parse_rows(text: str) -> FrozenLakeLayout:
    """Rows of `S` start, `G` goal, `H` hole, `F` ice; raises `LayoutError` naming what is wrong."""
    return FrozenLakeLayout.from_rows(text.strip().splitlines())


def _from_symbols(rows: list[list[str]]) -> FrozenLakeLayout:
    for r, row in enumerate(rows, start=1):
        for c, symbol in enumerate(row, start=1):
            if symbol not in _TABLE_LETTERS:
                raise FormatError(
                    f"row {r}, column {c} is {symbol!r:.20}; allowed: {' '.join(_TABLE_LETTERS)}"
                )
    return FrozenLakeLayout.from_rows(["".join(map(_TABLE_LETTERS.__getitem__, row)) for row in rows])


def parse_sentences(text: str) -> FrozenLakeLayout:
    """Four lines (size, player, holes, goal) that number rows and columns from 1.

    Raises:
        FormatError: naming the line that is wrong.
        LayoutError: if the lines contradict one another.
    """
    lines = [" ".join(line.split()) for line in text.strip().splitlines()]
    if len(lines) != 4:
        raise FormatError(f"a board in words has 4 lines (size, player, holes, goal), not {len(lines)}")
    size = _SIZE.fullmatch(lines[0])
    if size is None:
        raise FormatError(f"line 1 must be 'This is a NxN map.', not {lines[0]!r:.80}")
    start = _one_position(lines[1], 2, "the player is at: ", ";")
    goal = _one_position(lines[3], 4, "the goal is at: ", ".")
    holes: list[Cell] = []
    if lines[2].lower() != _NO_HOLES:
        listed = _HOLES.fullmatch(lines[2])
        if listed is None:
            raise FormatError(
                f"line 3 must be 'The hole(s) are at: Row R, Column C; ...' or {_NO_HOLES!r}, "
                f"not {lines[2]!r:.80}"
            )
        holes = [_cell(match) for match in _POSITION.finditer(listed[1])]
    if len(set(holes)) != len(holes):
        raise FormatError("line 3 lists a hole twice")
    return FrozenLakeLayout(int(size[1]), int(size[2]), start, goal, frozenset(holes))


def _one_position(line: str, number: int, opening: str, end: str) -> Cell:
    match = _POSITION.fullmatch(line, len(opening), len(line) - len(end))
    if match is None or not line.lower().startswith(opening) or not line.endswith(end):
        raise FormatError(f"line {number} must be '{opening}row R, column C{end}', not {line!r:.80}")
    return _cell(match)


def _cell(match: re.Match[str]) -> Cell:
    """The cell of a `_POSITION`, counted from 0."""
    row, col = parse_int(match[1], "row"), parse_int(match[2], "column")
    if not row or not col:
        raise FormatError(f"rows and columns are counted from 1, not {match[0]!r}")
    return Cell(row - 1, col - 1)


def parse_position(text: str) -> Cell:
    """The cell (counted from 0) that the first `row R, column C` of a text names; raises `FormatError`."""
    match = _POSITION.search(text)
    if match is None:
        raise FormatError(f"there is no 'row R, column C' in {text!r:.80}")
    return _cell(match)
