"""FrozenLake: cross a frozen lake from start to goal without stepping into a hole.

The board and the numbering of actions are those of Gymnasium's FrozenLake-v1 with
`is_slippery=False`. A step off the board is a violation; a hole ends the attempt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


@dataclass(frozen=True)
class FrozenLakeLayout:
    """A lake.

    Raises:
        LayoutError: if a cell is off the board, or start, goal and holes share a cell.
    """

    rows: int
    cols: int
    start: Cell
    goal: Cell
    holes: frozenset[Cell]
    """Cells that end the attempt; any iterable of `(row, col)` is accepted."""

    def __post_init__(self) -> None:
        rows = check_int(self.rows, "rows", 1, 64, LayoutError)
        cols = check_int(self.cols, "cols", 1, 64, LayoutError)
        start = check_cell(self.start, "start", rows, cols)
        goal = check_cell(self.goal, "goal", rows, cols)
        if not isinstance(self.holes, Iterable) or isinstance(self.holes, str):
            raise LayoutError(f"holes must be a list of [row, col], not {self.holes!r:.80}")
        holes = frozenset(check_cell(hole, "hole", rows, cols) for hole in self.holes)
        if start == goal:
            raise LayoutError(f"start and goal are the same cell {start}")
        for name, cell in (("start", start), ("goal", goal)):
            if cell in holes:
                raise LayoutError(f"the {name} {cell} is a hole")
        set_fields(self, rows=rows, cols=cols, start=start, goal=goal, holes=holes)

    @classmethod
    def from_rows(cls, rows: Sequence[str]) -> Self:
        """Read Gymnasium's notation: one string a row of `S` start, `F` ice, `H` hole, `G` goal.

        >>> FrozenLakeLayout.from_rows(["SFF", "FHF", "FFG"]).goal
        Cell(row=2, col=2)
        """
        if not isinstance(rows, Sequence) or isinstance(rows, str) or not rows:
            raise LayoutError(f"a lake is a list of equally long rows, not {rows!r:.80}")
        found: dict[str, list[Cell]] = {"S": [], "F": [], "H": [], "G": []}
        for r, row in enumerate(rows):
            if not isinstance(row, Sequence):
                raise LayoutError(f"row {r} must be text, not {row!r:.80}")
            if len(row) != len(rows[0]):
                raise LayoutError(f"row {r} has {len(row)} cells, row 0 has {len(rows[0])}")
            for c, letter in enumerate(row):
                if not isinstance(letter, str) or letter not in found:
                    raise LayoutError(f"cell ({r}, {c}) is {letter!r}; allowed: S, F, H, G")
                found[letter].append(Cell(r, c))
        for letter, name in (("S", "start"), ("G", "goal")):
            if len(found[letter]) != 1:
                raise LayoutError(f"a lake has one {name} ({letter}), not {len(found[letter])}")
        return cls(len(rows), len(rows[0]), found["S"][0], found["G"][0], frozenset(found["H"]))

    def to_rows(self) -> list[str]:
        """The board in Gymnasium's notation, the inverse of `from_rows`."""
        grid = [["F"] * self.cols for _ in range(self.rows)]
        for row, col in self.holes:
            grid[row][col] = "H"
        grid[self.start.row][self.start.col] = "S"
        grid[self.goal.row][self.goal.col] = "G"
        return ["".join(row) for row in grid]

    def to_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "cols": self.cols,
            "start": list(self.start),
            "goal": list(self.goal),
            "holes": [list(hole) for hole in sorted(self.holes)],
        }

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        return cls(**check_fields(data, "a FrozenLake layout", ("rows", "cols", "start", "goal", "holes")))


class FrozenLakeRules(Task[FrozenLakeLayout, Cell]):
    """The state is the agent's `Cell`."""

    name = "frozen_lake"
    title = "FrozenLake"
    actions = MOVES
    layout_type = FrozenLakeLayout
    paper_sizes = (3, 4, 5, 6, 7, 8)
    failure = "fell into a hole"

    def initial(self, layout: FrozenLakeLayout) -> Cell:
        return layout.start

    def transition(self, layout: FrozenLakeLayout, state: Cell, action: Action) -> Transition:
        row_step, col_step = DELTAS[action]
        row, col = state[0] + row_step, state[1] + col_step
        if not (0 <= row < layout.rows and 0 <= col < layout.cols):
            return refuse(state, Violation.OUT_OF_BOUNDS)
        if (row, col) == layout.goal:
            return Transition(layout.goal, 1.0, True)
        if (row, col) in layout.holes:
            return Transition(Cell(row, col), 0.0, True)
        return step_to(row, col)

    def outlook(self, layout: FrozenLakeLayout, state: Cell) -> tuple[bool, bool, bool, bool, Cell | None]:
        """Whether each neighbouring cell is a hole, and the goal if it is one of them."""
        (row, col), holes, goal = state, layout.holes, layout.goal
        return (
            (row, col - 1) in holes,
            (row + 1, col) in holes,
            (row, col + 1) in holes,
            (row - 1, col) in holes,
            goal if abs(goal[0] - row) + abs(goal[1] - col) == 1 else None,
        )
