"""Maze: walk from start to goal; walls between cells cannot be crossed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from typing_extensions import Self

from vsp_gym.core import (
    DELTAS,
    MOVES,
    Action,
    Cell,
    Task,
    Transition,
    Violation,
    check_cell,
    check_fields,
    check_int,
    refuse,
    set_fields,
    step_to,
)
from vsp_gym.errors import LayoutError

NORTH, SOUTH, WEST, EAST = 1, 2, 4, 8
"""Bits of a cell's wall mask (the format of DiffThinker's mazes)."""

WALL_OF_MOVE = (WEST, SOUTH, EAST, NORTH)
"""The wall that blocks each move, indexed by the action (LEFT, DOWN, RIGHT, UP)."""


@dataclass(frozen=True)
class MazeLayout:
    """A maze: the wall mask of every cell (N=1, S=2, W=4, E=8), a start and a goal.

    Raises:
        LayoutError: if rows differ in length, a mask is no integer of 0..15, neighbours disagree
            about the wall between them, the border is open, or start and goal are one cell.
    """

    walls: tuple[tuple[int, ...], ...]
    """`walls[row][col]`, the sum of the bits of the closed sides; any nested sequence is accepted."""
    start: Cell
    goal: Cell

    def __post_init__(self) -> None:
        walls = _check_walls(self.walls)
        start = check_cell(self.start, "start", len(walls), len(walls[0]))
        goal = check_cell(self.goal, "goal", len(walls), len(walls[0]))
        if start == goal:
            raise LayoutError(f"start and goal are the same cell {start}")
        set_fields(self, walls=walls, start=start, goal=goal)

    @property
    def rows(self) -> int:
        return len(self.walls)

    @property
    def cols(self) -> int:
        return len(self.walls[0])

    def open_moves(self, cell: Cell) -> tuple[Action, ...]:
        """The moves that no wall blocks at `cell`."""
        mask = self.walls[cell[0]][cell[1]]
        return tuple(move for move in MOVES if not mask & WALL_OF_MOVE[move])

    def to_dict(self) -> dict[str, Any]:
        return {
            "walls": [list(row) for row in self.walls],
            "start": list(self.start),
            "goal": list(self.goal),
        }

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        return cls(**check_fields(data, "a Maze layout", ("walls", "start", "goal")))


def _check_walls(walls: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    if isinstance(walls, str) or not isinstance(walls, Sequence) or not walls:
        raise LayoutError(f"walls must be a list of rows of wall masks, not {walls!r:.80}")
    if not all(isinstance(row, Sequence) and not isinstance(row, str) for row in walls):
        raise LayoutError("walls must be a list of rows of wall masks; a row is no list")
    check_int(len(walls), "rows", 1, 64, LayoutError)
    check_int(len(walls[0]), "cols", 1, 64, LayoutError)
    masks = []
    for r, row in enumerate(walls):
        if len(row) != len(walls[0]):
            raise LayoutError(f"row {r} of walls has {len(row)} cells, row 0 has {len(walls[0])}")
        masks.append(
            tuple(
                check_int(mask, f"wall mask of ({r}, {c})", 0, 15, LayoutError) for c, mask in enumerate(row)
            )
        )
    last_row, last_col = len(masks) - 1, len(masks[0]) - 1
    for r, row in enumerate(masks):
        for c, mask in enumerate(row):
            if c < last_col and bool(mask & EAST) != bool(row[c + 1] & WEST):
                raise LayoutError(f"cells ({r}, {c}) and ({r}, {c + 1}) disagree about the wall between them")
            if r < last_row and bool(mask & SOUTH) != bool(masks[r + 1][c] & NORTH):
                raise LayoutError(f"cells ({r}, {c}) and ({r + 1}, {c}) disagree about the wall between them")
            border = NORTH * (r == 0) | SOUTH * (r == last_row) | WEST * (c == 0) | EAST * (c == last_col)
            if mask & border != border:
                raise LayoutError(f"the border is open at ({r}, {c}): its wall mask is {mask}")
    return tuple(masks)


class MazeRules(Task[MazeLayout, Cell]):
    """The state is the agent's `Cell`."""

    name = "maze"
    title = "Maze"
    actions = MOVES
    layout_type = MazeLayout
    paper_sizes = (3, 4, 5, 6)

    def initial(self, layout: MazeLayout) -> Cell:
        return layout.start

    def transition(self, layout: MazeLayout, state: Cell, action: Action) -> Transition:
        row_step, col_step = DELTAS[action]
        row, col = state[0] + row_step, state[1] + col_step
        if layout.walls[state[0]][state[1]] & WALL_OF_MOVE[action]:
            on_board = 0 <= row < len(layout.walls) and 0 <= col < len(layout.walls[0])
            return refuse(state, Violation.WALL if on_board else Violation.OUT_OF_BOUNDS)
        if (row, col) == layout.goal:
            return Transition(layout.goal, 1.0, True)
        return step_to(row, col)

    def outlook(self, layout: MazeLayout, state: Cell) -> int:
        """The walls around the cell, and where the goal is if it is next to it."""
        row, col = state
        goal_row, goal_col = layout.goal
        return layout.walls[row][col] + _GOAL_BESIDE.get((goal_row - row, goal_col - col), 0)


_GOAL_BESIDE = {step: 16 * number for number, step in enumerate(DELTAS, start=1)}
"""What tells outlooks apart that differ by the goal: the step to it, and a number above all wall masks."""
