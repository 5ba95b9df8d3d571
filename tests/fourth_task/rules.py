"""KeyDoor: fetch the key, go through the door, reach the goal.

A wall from top to bottom, one cell thick, divides the room; the door is its only opening. PICK takes
the key from a neighbouring cell. With the key in hand the agent can step into the door's cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

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
    set_fields,
)
from vsp_gym.errors import LayoutError


@dataclass(frozen=True)
class KeyDoorLayout:
    """A room that a wall with a door divides.

    Raises:
        LayoutError: if a cell is off the board, in the wall, or taken twice.
    """

    rows: int
    cols: int
    start: Cell
    key: Cell
    """Where the key lies until it is picked up; nobody can step on it, and its cell is free afterwards."""
    door: Cell
    """The opening of the wall, which fills the rest of the door's column."""
    goal: Cell

    def __post_init__(self) -> None:
        rows = check_int(self.rows, "rows", 1, 64, LayoutError)
        cols = check_int(self.cols, "cols", 1, 64, LayoutError)
        cells = {name: check_cell(getattr(self, name), name, rows, cols) for name in _CELLS}
        set_fields(self, rows=rows, cols=cols, **cells)
        for name, cell in cells.items():
            if name != "door" and cell.col == self.door.col:
                raise LayoutError(f"the {name} {cell} is in the wall, which is column {self.door.col}")
        if len(set(cells.values())) < len(cells):
            raise LayoutError(
                f"start, key and goal must be three cells, not {self.start}, {self.key}, {self.goal}"
            )

    def is_wall(self, row: int, col: int) -> bool:
        """Whether `(row, col)` is a cell of the wall (the door is not)."""
        return col == self.door[1] and row != self.door[0]

    def to_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "cols": self.cols, **{name: list(getattr(self, name)) for name in _CELLS}}

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        return cls(**check_fields(data, "a KeyDoor layout", ("rows", "cols", *_CELLS)))


_CELLS = ("start", "key", "door", "goal")


class KeyDoorState(NamedTuple):
    """Where the agent is, and whether it holds the key."""

    agent: Cell
    has_key: bool = False


class KeyDoorRules(Task[KeyDoorLayout, KeyDoorState]):
    """Moves and PICK; see the module for the rules."""

    name = "key_door"
    title = "KeyDoor"
    actions = (*MOVES, Action.PICK)
    layout_type = KeyDoorLayout
    max_size = 16
    paper_sizes = (4, 6)

    def initial(self, layout: KeyDoorLayout) -> KeyDoorState:
        return KeyDoorState(layout.start)

    def transition(self, layout: KeyDoorLayout, state: KeyDoorState, action: Action) -> Transition:
        (agent_row, agent_col), has_key = state
        if action == Action.PICK:
            if has_key:
                return Transition(state, violation=Violation.HANDS)
            if abs(agent_row - layout.key[0]) + abs(agent_col - layout.key[1]) != 1:
                return Transition(state, violation=Violation.NOT_ADJACENT)
            return Transition(KeyDoorState(state.agent, True))
        row, col = agent_row + DELTAS[action][0], agent_col + DELTAS[action][1]
        if not (0 <= row < layout.rows and 0 <= col < layout.cols):
            return Transition(state, violation=Violation.OUT_OF_BOUNDS)
        cell = Cell(row, col)
        if layout.is_wall(row, col) or (not has_key and cell in (layout.door, layout.key)):
            return Transition(state, violation=Violation.OCCUPIED)
        reached = cell == layout.goal
        return Transition(KeyDoorState(cell, has_key), float(reached), reached)
