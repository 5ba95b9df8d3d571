"""Boards as arrays of pixels, put together from cached tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vsp_gym.core import Action, LayoutT, StateT, check_int, require_layout, require_task
from vsp_gym.envs.base import PlanningTask
from vsp_gym.errors import VSPGymError
from vsp_gym.render.atlas import get_sheet
from vsp_gym.render.themes import Theme, get_theme

MIN_CELL = 4
"""Smallest side of a cell in pixels at which every tile still looks different."""

MAX_SIZE = 8192
"""Largest side of a picture in pixels."""


def check_render_size(
    task: PlanningTask[Any, Any], shape: tuple[int, int], size: object, theme: str | Theme = "classic"
) -> tuple[int, int]:
    """Height and width in pixels of the picture of a board.

    Args:
        task: the task.
        shape: `(rows, cols)` of the board.
        size: pixels of the longer side; the other side keeps cells square (up to a pixel).
        theme: name of the look, or a `Theme`.

    Raises:
        UnknownNameError: for an unknown theme.
        VSPGymError: if `size` is no integer, too large, or too small for cells of 4 pixels; the message
            has the smallest size that works.
    """
    get_theme(theme)
    longer = max(shape)
    number = check_int(size, "the picture's size", 1, MAX_SIZE, VSPGymError)
    if number < MIN_CELL * longer:
        raise VSPGymError(
            f"a picture of {number} pixels is too small for a {task.title} board of "
            f"{shape[0]}x{shape[1]} cells; the smallest size is {MIN_CELL * longer}"
        )
    height, width = ((2 * number * n + longer) // (2 * longer) for n in shape)
    return height, width


def render_rgb(
    task: PlanningTask[LayoutT, StateT],
    layout: LayoutT,
    state: StateT | None = None,
    *,
    size: int = 256,
    theme: str | Theme = "classic",
    facing: Action | None = None,
) -> npt.NDArray[np.uint8]:
    """A board as a picture.

    Args:
        task: the task.
        layout: the board.
        state: what moves on it (the initial state if None).
        size: pixels of the longer side, at least 4 a cell.
        theme: name of the look, or a `Theme`.
        facing: the agent's last move, if it is to be seen.

    Returns:
        `uint8[height, width, 3]`, red, green, blue; a new array.

    Raises:
        UnknownNameError: for an unknown theme.
        VSPGymError: if the size does not suit the board, the layout is of another task or the state
            is not on the board.
    """
    states = None if state is None else [state]
    picture: npt.NDArray[np.uint8] = render_batch(
        task, [layout], states, size=size, theme=theme, facings=[facing]
    )[0]
    return picture


def render_batch(
    task: PlanningTask[LayoutT, StateT],
    layouts: Sequence[LayoutT],
    states: Sequence[StateT] | None = None,
    *,
    size: int = 256,
    theme: str | Theme = "classic",
    facings: Sequence[Action | None] | None = None,
    out: npt.NDArray[np.uint8] | None = None,
) -> npt.NDArray[np.uint8]:
    """Many boards of one shape as pictures, several times faster than one by one.

    Args:
        task: the task.
        layouts: the boards, all with the same number of rows and columns.
        states: what moves on each (the initial states if None).
        size: as for `render_rgb`.
        theme: as for `render_rgb`.
        facings: each agent's last move, if it is to be seen.
        out: a C-contiguous array to write to, which is faster than a new one for every batch.

    Returns:
        `uint8[boards, height, width, 3]`: `out`, or a new array.

    Raises:
        UnknownNameError: for an unknown theme.
        VSPGymError: as `render_rgb`, and if the boards' shapes differ, states are missing or `out` does not
            fit.
    """
    if not layouts:
        raise VSPGymError("there are no layouts to draw")
    shape, states = check_boards(task, layouts, states, facings)
    pixels = check_render_size(task, shape, size, theme)
    out = _check_out(out, (len(layouts), *pixels, 3))
    try:
        tiles = task.picture.batch_tiles(layouts, states, facings)
    except (AttributeError, IndexError, TypeError, ValueError):
        for layout, state in zip(layouts, states):
            task.check_board(layout, state)  # says which state is wrong
        raise
    get_sheet(task, get_theme(theme), pixels, shape).rgb.assemble(tiles, out)
    return out


def _check_out(out: npt.NDArray[np.uint8] | None, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    if out is None:
        return np.empty(shape, np.uint8)
    if out.shape != shape or out.dtype != np.uint8 or not out.flags.c_contiguous or not out.flags.writeable:
        raise VSPGymError(
            f"out must be a writable C-contiguous uint8 array of shape {shape}, not {out.dtype} {out.shape}"
        )
    return out


def check_boards(
    task: PlanningTask[LayoutT, StateT],
    layouts: Sequence[LayoutT],
    states: Sequence[StateT] | None = None,
    facings: Sequence[Action | None] | None = None,
) -> tuple[tuple[int, int], Sequence[StateT]]:
    """The `(rows, cols)` that all layouts share, and a state for each (the initial one if None).

    Raises:
        VSPGymError: if the boards cannot be drawn together.
    """
    require_task(task)
    for layout in layouts:
        require_layout(task, layout)
    if states is None:
        states = [task.initial(layout) for layout in layouts]
    shapes = {(layout.rows, layout.cols) for layout in layouts}
    if len(shapes) > 1:
        sizes = ", ".join(f"{rows}x{cols}" for rows, cols in sorted(shapes))
        raise VSPGymError(f"boards drawn together must have one shape, not {sizes}")
    if len(layouts) != len(states):
        raise VSPGymError(f"{len(layouts)} layouts need as many states, not {len(states)}")
    if facings is not None and len(layouts) != len(facings):
        raise VSPGymError(f"{len(layouts)} layouts need as many facings, not {len(facings)}")
    return shapes.pop(), states


def legend(
    task: PlanningTask[LayoutT, StateT], theme: str | Theme = "classic"
) -> tuple[tuple[str, str], ...]:
    """What pictures of a task show in a theme: pairs such as `("a yellow dot", "the agent")`.

    The words come from the looks that are drawn, so they cannot disagree with the picture.

    Raises:
        UnknownNameError: for an unknown theme.
    """
    return task.picture.legend(get_theme(theme).adapted(task.name, task.picture.looks))
