"""Boards for the page of a report: tiles, frames and words, each stored once.

Pictures are not stored: each distinct tile is, once, cut out of what `render_rgb` draws, and the page
puts boards together from tiles, so that its boards equal `render_rgb`'s to the pixel.
"""

from __future__ import annotations

import base64
import difflib
import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from vsp_gym.core import Action, Layout, Plan
from vsp_gym.envs.base import PlanningTask
from vsp_gym.planning import Solution
from vsp_gym.render import render_rgb
from vsp_gym.scoring import Convention, get_convention, rollout
from vsp_gym.text import describe

CELL = 96
"""Pixels of a tile in the page, unless the board would become larger than `BOARD`."""

BOARD = 960
"""Pixels of a board's longer side at most."""


class Pictures:
    """The boards of a page, each with the frames (tiles and words) that any row shows of it."""

    def __init__(self, theme: str) -> None:
        self._theme = theme
        self._numbers: dict[tuple[str, Layout, Any, bool], int] = {}
        self._boards: list[_Board] = []
        self._atlases: dict[tuple[str, int], _Atlas] = {}

    def number(
        self,
        task: PlanningTask[Any, Any],
        layout: Layout,
        start: Any = None,
        *,
        name: str = "",
        is_true: bool = True,
    ) -> int:
        """The number of a board, which is added if it is new.

        Args:
            task: the rules.
            layout: the board.
            start: the state in which it is shown; the initial one if None.
            name: what the page calls it.
            is_true: whether it is a board that there is, and not one that someone saw. It has words and a
                shortest way.
        """
        key = task.name, layout, start, is_true
        if key not in self._numbers:
            cell = min(CELL, BOARD // max(layout.rows, layout.cols))
            atlas = self._atlases.setdefault((task.name, cell), _Atlas(task, cell, self._theme))
            self._numbers[key] = len(self._boards)
            self._boards.append(_Board(task, layout, atlas, name, start, is_true))
        return self._numbers[key]

    def frames(self, board: int, plan: Plan, convention: str | Convention) -> list[int]:
        """Number of the frame before the plan and after each of its steps."""
        return self._boards[board].replay(plan, convention)

    def differing(self, board: int, other: int) -> list[int]:
        """The cells, row by row, in which two boards look different; none for boards of different sizes."""
        return self._boards[board].differing(self._boards[other])

    def data(self) -> list[dict[str, Any]]:
        """The boards as JSON types."""
        numbers = {atlas: number for number, atlas in enumerate(self._atlases.values())}
        return [{**board.data(), "atlas": numbers[board.atlas]} for board in self._boards]

    def atlases(self) -> list[dict[str, Any]]:
        """The pictures of tiles as JSON types."""
        return [atlas.data() for atlas in self._atlases.values()]


class _Board:
    def __init__(
        self,
        task: PlanningTask[Any, Any],
        layout: Layout,
        atlas: _Atlas,
        name: str,
        start: Any,
        is_true: bool,
    ) -> None:
        self.atlas = atlas
        self._task, self._layout, self._name, self._is_true = task, layout, name, is_true
        self._start = task.initial(layout) if start is None else start
        self._numbers: dict[tuple[Any, Action | None], int] = {}
        self._frames: list[dict[str, Any]] = []
        self._text = self._describe(self._start)
        self._tiles = atlas.tiles(layout, self._start, None)
        self._frame(self._start, None)

    def replay(self, plan: Plan, convention: str | Convention) -> list[int]:
        frames = [0]
        steps = rollout(self._task, self._layout, plan, get_convention(convention), start=self._start)
        for action, step in zip(plan, steps):
            frames.append(self._frame(step.state, action))
        return frames

    def differing(self, other: _Board) -> list[int]:
        if (self._layout.rows, self._layout.cols) != (other._layout.rows, other._layout.cols):
            return []
        return [int(cell) for cell in np.flatnonzero(self._tiles != other._tiles)]

    def _frame(self, state: Any, facing: Action | None) -> int:
        key = state, facing
        if key not in self._numbers:
            self._numbers[key] = len(self._frames)
            tiles = self.atlas.tiles(self._layout, state, facing)
            changed = np.flatnonzero(tiles != self._tiles)
            row, col = self._task.picture.agent(self._layout, state)
            self._frames.append(
                {
                    "agent": [row, col],
                    "tiles": [[int(cell), int(tiles[cell])] for cell in changed],
                    "text": _changes(self._text, self._describe(state)),
                }
            )
        return self._numbers[key]

    def _describe(self, state: Any) -> list[str]:
        return describe(self._task, self._layout, state).splitlines() if self._is_true else []

    def data(self) -> dict[str, Any]:
        return {
            "name": self._name,
            "task": self._task.name,
            "size": max(self._layout.rows, self._layout.cols),
            "rows": self._layout.rows,
            "cols": self._layout.cols,
            "text": self._text,
            **(self._way() if self._is_true else {}),
            "tiles": self._tiles.tolist(),
            "frames": self._frames,
        }

    def _way(self) -> dict[str, Any]:
        solution = Solution(self._task, self._layout)  # not `solve`: thousands of boards need no cache
        plan = solution.plan()
        return {
            "optimal": None if plan is None else len(plan),
            "shortest": str(solution.count()),  # may exceed what JavaScript counts exactly
            "plan": [int(action) for action in plan or ()],
            "way": self.replay(plan or (), "strict"),
        }


def _changes(before: list[str], after: list[str]) -> list[list[Any]]:
    """`[[start, stop, lines]]`: what replaces lines `start` to `stop` (exclusive) of `before`."""
    if not before:
        return []
    if len(before) == len(after):
        return [[line, line + 1, [new]] for line, (old, new) in enumerate(zip(before, after)) if old != new]
    edits = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return [[start, stop, after[i:j]] for kind, start, stop, i, j in edits if kind != "equal"]


class _Atlas:
    """One picture of all distinct tiles of a task that occur, at `cell` pixels."""

    def __init__(self, task: PlanningTask[Any, Any], cell: int, theme: str) -> None:
        self._task, self._cell, self._theme = task, cell, theme
        self._numbers: dict[int, int] = {}
        self._pictures: list[npt.NDArray[np.uint8]] = []

    def tiles(self, layout: Layout, state: Any, facing: Action | None) -> npt.NDArray[np.intp]:
        """`[rows * cols]` number of the tile of every cell, row by row."""
        grid = self._task.picture.tiles(layout, state, facing)
        tiles = [int(tile) for tile in grid.ravel()]
        new = {tile: at for at, tile in enumerate(tiles) if tile not in self._numbers}
        if new:
            self._cut(new, layout, state, facing)
        return np.array([self._numbers[tile] for tile in tiles])

    def _cut(self, new: dict[int, int], layout: Layout, state: Any, facing: Action | None) -> None:
        side = self._cell * max(layout.rows, layout.cols)
        picture = render_rgb(self._task, layout, state, size=side, theme=self._theme, facing=facing)
        for tile, at in new.items():
            y, x = (self._cell * place for place in divmod(at, layout.cols))
            self._numbers[tile] = len(self._pictures)
            self._pictures.append(picture[y : y + self._cell, x : x + self._cell])

    def data(self) -> dict[str, Any]:
        columns = 16
        rows = -(-len(self._pictures) // columns)
        sheet = np.zeros((rows * self._cell, columns * self._cell, 3), np.uint8)
        for number, picture in enumerate(self._pictures):
            y, x = (self._cell * place for place in divmod(number, columns))
            sheet[y : y + self._cell, x : x + self._cell] = picture
        file = io.BytesIO()
        Image.fromarray(sheet).save(file, "PNG", optimize=True)
        return {
            "cell": self._cell,
            "columns": columns,
            "png": base64.b64encode(file.getvalue()).decode("ascii"),
        }
