"""Boards in words: `describe` writes the whole state of a board, `parse_description` reads it back.

>>> from vsp_gym import FrozenLakeLayout
>>> print(describe("frozen_lake", FrozenLakeLayout.from_rows(["SH", "FG"])))
FrozenLake, 2 x 2 (rows x cols)
Cells are (row, col), counted from 0; row 0 is at the top.
Agent: (0, 0)
Start: (0, 0)
Goal: (1, 1)
Holes: (0, 1)
Grid (A agent, S start, G goal, H hole, . ice; A hides what is under it):
A H
. G
<BLANKLINE>
"""

from __future__ import annotations

from typing import Any

from vsp_gym.core import Layout
from vsp_gym.envs import get_task
from vsp_gym.envs.base import PlanningTask


def describe(task: str | PlanningTask[Any, Any], layout: Layout, state: Any = None) -> str:
    """The whole state of a board in words.

    The text is lossless, `parse_description(task, describe(task, layout, state)) == (layout, state)`,
    and the same everywhere. Coordinates are 0-based `(row, col)`, row 0 at the top.

    Args:
        task: a task or its name.
        layout: the board.
        state: a state of the board; the initial one if None.

    Raises:
        UnknownNameError: for an unknown task.
        VSPGymError: if the layout belongs to another task, or the state is no state of the board.
    """
    task = get_task(task)
    return task.text.describe(layout, task.check_board(layout, state))


def parse_description(task: str | PlanningTask[Any, Any], text: str) -> tuple[Any, Any]:
    """The layout and the state that `describe` put into words.

    White space around lines and the kind of newline do not matter; everything else must be exactly as
    `describe` writes it, so a text whose parts disagree is refused.

    Raises:
        UnknownNameError: for an unknown task.
        FormatError: naming the first line that is wrong, its content and what was expected.
    """
    return get_task(task).text.parse(text)
