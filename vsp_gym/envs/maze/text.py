"""Maze in words."""

from __future__ import annotations

import re
from functools import lru_cache

from vsp_gym.core import MOVES, Cell
from vsp_gym.envs._text import LineReader, heading, put
from vsp_gym.envs.base import TextView
from vsp_gym.envs.maze.rules import EAST, NORTH, SOUTH, WALL_OF_MOVE, WEST, MazeLayout

_LEGEND = "Grid (A agent, S start, G goal; lines are walls; A hides what is under it):\n"
_OPEN_LEGEND = "Open directions of each cell (L left, D down, R right, U up):\n"

_OPEN = tuple(
    "".join([move.name[0] for move in MOVES if not mask & WALL_OF_MOVE[move]]) or "none" for mask in range(16)
)
"""The open directions of a cell, by its wall mask."""

_ABOVE = tuple("+---" if mask & NORTH else "+   " for mask in range(16))
_INSIDE = tuple("|   " if mask & WEST else "    " for mask in range(16))
"""A cell's upper and left side as drawn, by its wall mask."""

_WIDTH = 4
"""Characters a cell takes in the drawing, which has one more column at the right."""

_WALL_LINE = re.compile(r"\+(?:(?:---|   )\+)+")
_CELL_LINE = re.compile(r"\|(?: [ASG ] [| ])* [ASG ] \|")


class MazeText(TextView[MazeLayout, Cell]):
    """Positions, the maze drawn with its walls, and the open directions of every cell."""

    def describe(self, layout: MazeLayout, state: Cell) -> str:
        head, middle, grid, tail = _layout_parts(layout)
        row, col = state
        where = ", at the goal" if state == layout.goal else ""
        grid = put(grid, _index(layout.cols, row, col), "A")
        return f"{head}Agent: ({row}, {col}){where}\n{middle}{grid}{tail}"

    def parse(self, text: str) -> tuple[MazeLayout, Cell]:
        lines = LineReader(text, "Maze")
        agent, start, goal = lines.cell("Agent"), lines.cell("Start"), lines.cell("Goal")
        if start == goal:
            raise lines.error("start and goal are the same cell")
        lines.next()
        walls = _read_walls(lines)
        layout = lines.build(lambda: MazeLayout(walls, start, goal))
        lines.agree(self.describe(layout, agent))
        return layout, agent


def _index(cols: int, row: int, col: int) -> int:
    """Where the letter of a cell is in the drawing."""
    line = _WIDTH * cols + 2  # with the corner at the right and the newline
    return (2 * row + 1) * line + _WIDTH * col + 2


@lru_cache(maxsize=128)
def _layout_parts(layout: MazeLayout) -> tuple[str, str, str, str]:
    """Everything but the agent: what precedes its line, what follows it, the drawing, and the rest."""
    grid, tail = [], [_OPEN_LEGEND]
    for masks, cells in zip(layout.walls, _openings(layout.rows, layout.cols)):
        grid.append(_draw_row(masks))
        tail += ["; ".join([by_mask[mask] for by_mask, mask in zip(cells, masks)]), "\n"]
    grid.append("+---" * layout.cols + "+\n")
    drawing = "".join(grid)
    for cell, letter in ((layout.start, "S"), (layout.goal, "G")):
        drawing = put(drawing, _index(layout.cols, *cell), letter)
    return (
        heading("Maze", layout.rows, layout.cols),
        f"Start: {layout.start}\nGoal: {layout.goal}\n{_LEGEND}",
        drawing,
        "".join(tail),
    )


@lru_cache(maxsize=1 << 12)
def _draw_row(masks: tuple[int, ...]) -> str:
    """The two lines that draw a row of cells, without letters."""
    return "".join([*[_ABOVE[mask] for mask in masks], "+\n", *[_INSIDE[mask] for mask in masks], "|\n"])


@lru_cache(maxsize=64)
def _openings(rows: int, cols: int) -> list[list[list[str]]]:
    """`[row][col][mask]`: what the last lines say about a cell."""
    return [[[f"{Cell(row, col)} {open_}" for open_ in _OPEN] for col in range(cols)] for row in range(rows)]


def _read_walls(lines: LineReader) -> tuple[tuple[int, ...], ...]:
    """The wall masks of the drawing that the next lines hold."""
    border = "+---" * lines.cols + "+"
    walls = [[0] * lines.cols for _ in range(lines.rows)]
    for r in range(lines.rows + 1):
        line = lines.next()
        if len(line) != len(border) or not _WALL_LINE.fullmatch(line):
            raise lines.error(f"this line draws {lines.cols} cells' upper walls, like {border!r:.20}")
        if r in (0, lines.rows) and line != border:
            raise lines.error("the border is open")
        for c in range(lines.cols):
            if line[_WIDTH * c + 1] == "-":
                if r < lines.rows:
                    walls[r][c] |= NORTH
                if r > 0:
                    walls[r - 1][c] |= SOUTH
        if r == lines.rows:
            break
        line = lines.next()
        if len(line) != len(border) or not _CELL_LINE.fullmatch(line):
            raise lines.error(f"this line draws a row of {lines.cols} cells between walls, like '| A     |'")
        for c in range(lines.cols):
            walls[r][c] |= (WEST if line[_WIDTH * c] == "|" else 0) | (
                EAST if line[_WIDTH * (c + 1)] == "|" else 0
            )
    return tuple(tuple(row) for row in walls)
