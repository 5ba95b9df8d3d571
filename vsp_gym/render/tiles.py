"""What the tiles of all tasks share: codes for the agent, grid lines, widths in whole pixels."""

from __future__ import annotations

from typing import NamedTuple

from vsp_gym.core import MOVES, Action
from vsp_gym.render.canvas import Canvas
from vsp_gym.render.themes import Theme

AGENT_CODES = 2 + len(MOVES)
"""How many values `agent_code` has, with 0 for no agent."""


def agent_code(facing: Action | None) -> int:
    """1 for an agent that shows no direction (or none is known: PICK and DROP), else 2 plus the move."""
    return 2 + facing if facing is not None and facing < len(MOVES) else 1


def agent_of(code: int) -> Action | None:
    """The facing that `agent_code` encoded."""
    return Action(code - 2) if code >= 2 else None


class Glyph(NamedTuple):
    """A piece of a board in the terminal."""

    text: str
    role: str
    """What it stands for, which gives it its colour."""


def agent_glyph(facing: Action | None) -> str:
    """`<`, `v`, `>` or `^`, or `@` for an agent that shows no direction."""
    return "<v>^"[facing] if facing is not None and facing < len(MOVES) else "@"


def split_width(canvas: Canvas, share: float, least: int) -> tuple[int, int]:
    """The pixels of a line between two cells that fall into the cell after it and the one before it.

    The line is `share` of the cell wide less a pixel, as PIL draws MGSD's walls, but at least `least`.
    """
    width = max(least, int(share * canvas.cell) - 1)
    return width - width // 2, width // 2


def draw_grid(canvas: Canvas, theme: Theme) -> None:
    """Draw the tile's part of the grid lines around it."""
    look = theme.look("grid")
    near, far = split_width(canvas, look.size, 1)
    height, width = canvas.height, canvas.width
    canvas.band(0, 0, near, width, look.color)
    canvas.band(0, 0, height, near, look.color)
    canvas.band(height - far, 0, height, width, look.color)
    canvas.band(0, width - far, height, width, look.color)
