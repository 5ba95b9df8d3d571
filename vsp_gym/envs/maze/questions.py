"""What can be asked about pictures of a maze."""

from __future__ import annotations

from vsp_gym.core import Action, Cell
from vsp_gym.envs.base import Ask, QuestionSet
from vsp_gym.envs.maze.rules import MazeLayout


def _open_directions(layout: MazeLayout, state: Cell) -> dict[Cell, frozenset[Action]]:
    cells = (Cell(row, col) for row in range(layout.rows) for col in range(layout.cols))
    return {cell: frozenset(layout.open_moves(cell)) for cell in cells}


class MazeQuestions(QuestionSet[MazeLayout, Cell]):
    """The goal and the walls."""

    asks = (
        Ask("goal_position", "cell", "In which cell is the goal?", lambda layout, _: layout.goal),
        Ask(
            "open_directions",
            "directions",
            "For each cell, in which directions can it be left without crossing a wall?",
            _open_directions,
        ),
        Ask(
            "dead_ends",
            "cells",
            "Which cells are dead ends, closed on exactly three sides?",
            lambda layout, state: frozenset(
                cell for cell, moves in _open_directions(layout, state).items() if len(moves) == 1
            ),
        ),
    )
