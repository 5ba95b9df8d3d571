"""Boards in a terminal."""

from __future__ import annotations

from itertools import groupby

from vsp_gym.core import Action, LayoutT, StateT, require_task
from vsp_gym.envs.base import PlanningTask
from vsp_gym.render.tiles import Glyph

STYLES = {
    "agent": "1;7;33",
    "goal": "1;32",
    "hazard": "1;34",
    "object": "1;35",
    "start": "36",
    "surface": "33",
    "floor": "2",
    "wall": "0",
}
"""The escape code of each role: colours that a terminal of any background can show."""


def render_ansi(
    task: PlanningTask[LayoutT, StateT],
    layout: LayoutT,
    state: StateT | None = None,
    *,
    facing: Action | None = None,
    color: bool = True,
) -> str:
    """A board as lines of ASCII text.

    Args:
        task: the task.
        layout: the board.
        state: what moves on it (the initial state if None).
        facing: the agent's last move: the agent is then `<`, `v`, `>` or `^` instead of `@`.
        color: whether to colour the text with escape sequences; without, it says the same.

    Raises:
        VSPGymError: if the layout is of another task, or the state is not on the board.
    """
    require_task(task)
    state = task.check_board(layout, state)
    lines = task.picture.glyphs(layout, state, facing)
    if color:
        return "\n".join(_colored(line) for line in lines)
    return "\n".join("".join(glyph.text for glyph in line).rstrip() for line in lines)


def _colored(line: list[Glyph]) -> str:
    runs = groupby(line, key=lambda glyph: STYLES.get(glyph.role, "0"))
    return "".join(f"\x1b[{style}m{''.join(glyph.text for glyph in run)}\x1b[0m" for style, run in runs)
