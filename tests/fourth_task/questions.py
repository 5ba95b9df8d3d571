"""What can be asked about pictures of a room with a locked door."""

from __future__ import annotations

from fourth_task.rules import KeyDoorLayout, KeyDoorState
from vsp_gym.core import Cell
from vsp_gym.envs.base import Ask, QuestionSet


def _key(layout: KeyDoorLayout, state: KeyDoorState) -> Cell | None:
    """Where the key lies on the floor, or None."""
    return None if state.has_key else layout.key


def _wall(layout: KeyDoorLayout, _: KeyDoorState) -> frozenset[Cell]:
    column = (Cell(row, layout.door.col) for row in range(layout.rows))
    return frozenset(cell for cell in column if layout.is_wall(*cell))


class KeyDoorQuestions(QuestionSet[KeyDoorLayout, KeyDoorState]):
    """The goal, the door and its wall, and the key."""

    asks = (
        Ask("goal_position", "cell", "In which cell is the goal?", lambda layout, _: layout.goal),
        Ask("door_position", "cell", "In which cell is the door?", lambda layout, _: layout.door),
        Ask("wall_cells", "cells", "Which cells does the wall fill? The door is not one of them.", _wall),
        Ask(
            "key_position",
            "cell",
            "In which cell does the key lie? If the agent holds it, there is none.",
            _key,
        ),
        Ask("has_key", "yes_no", "Does the agent hold the key?", lambda _, state: state.has_key),
    )
