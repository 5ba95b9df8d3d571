"""Published notations of a maze."""

from __future__ import annotations

from collections.abc import Sequence

from vsp_gym.core import Cell
from vsp_gym.envs.maze import MazeLayout
from vsp_gym.envs.maze.rules import EAST, NORTH, SOUTH, WEST
from vsp_gym.errors import FormatError
from vsp_gym.suites.files import get_field, parse_int

_SIDES = {"north": NORTH, "south": SOUTH, "west": WEST, "east": EAST}


def parse_masks(lines: Sequence[str]) -> list[list[int]]:
    """Rows of wall masks separated by blanks; raises `FormatError` for anything but numbers."""
    return [
        [parse_int(mask, f"wall mask of ({r}, {c})") for c, mask in enumerate(line.split())]
        for r, line in enumerate(lines)
    ]


def walls_of_sides(layout: object) -> list[list[int]]:
    """Wall masks of rows of `{"north": bool, "south": bool, "east": bool, "west": bool}`, true for a wall.

    Raises:
        FormatError: naming the cell that is wrong.
    """
    if not isinstance(layout, list) or not all(isinstance(row, list) for row in layout):
        raise FormatError(f"layout must be a list of rows of cells, not {layout!r:.80}")
    return [
        [
            sum(bit * get_field(cell, side, bool, f"layout cell ({r}, {c})") for side, bit in _SIDES.items())
            for c, cell in enumerate(row)
        ]
        for r, row in enumerate(layout)
    ]


def parse_maze_file(text: str) -> MazeLayout:
    """A file of DiffThinker: the side, start, goal (`row col` from 0), then the rows of wall masks.

    Raises:
        FormatError: naming the line that is wrong.
        LayoutError: if the walls are no maze.
    """
    lines = text.strip().splitlines()
    if len(lines) < 4:
        raise FormatError(
            f"a maze file has a side, a start, a goal and rows of walls, not {len(lines)} lines"
        )
    size = parse_int(lines[0].strip(), "the side in line 1")
    if len(lines) != size + 3:
        raise FormatError(f"line 1 says {size} rows of walls, but there are {len(lines) - 3}")
    masks = parse_masks(lines[3:])
    if any(len(row) != size for row in masks):
        raise FormatError(f"line 1 says {size} walls a row, but a row has another number")
    return MazeLayout(
        tuple(map(tuple, masks)), _position(lines[1], "start (line 2)"), _position(lines[2], "goal (line 3)")
    )


def _position(line: str, name: str) -> Cell:
    numbers = line.split()
    if len(numbers) != 2:
        raise FormatError(f"{name} must be 'row col', not {line!r:.80}")
    return Cell(*(parse_int(number, name) for number in numbers))
