"""What can be asked about pictures of a lake."""

from __future__ import annotations

from vsp_gym.core import DELTAS, MOVES, Action, Cell
from vsp_gym.envs.base import Ask, QuestionSet
from vsp_gym.envs.frozen_lake.rules import FrozenLakeLayout, FrozenLakeRules

_RULES = FrozenLakeRules()


def _next_to(layout: FrozenLakeLayout, cell: Cell) -> list[Cell]:
    row, col = cell
    return [hole for dr, dc in DELTAS if (hole := Cell(row + dr, col + dc)) in layout.holes]


def _safe_actions(layout: FrozenLakeLayout, state: Cell) -> frozenset[Action]:
    if state == layout.goal or state in layout.holes:
        return frozenset()
    outcomes = ((move, _RULES.transition(layout, state, move)) for move in MOVES)
    return frozenset(
        move
        for move, outcome in outcomes
        if outcome.violation is None and (outcome.reward > 0 or not outcome.terminated)
    )


class FrozenLakeQuestions(QuestionSet[FrozenLakeLayout, Cell]):
    """The goal, the holes, and what is around the agent."""

    asks = (
        Ask("goal_position", "cell", "In which cell is the goal?", lambda layout, _: layout.goal),
        Ask("hole_positions", "cells", "Which cells are holes?", lambda layout, _: layout.holes),
        Ask("hole_count", "int", "How many holes are there?", lambda layout, _: len(layout.holes)),
        Ask(
            "next_to_hole",
            "yes_no",
            "Does the agent's cell share a side with a hole?",
            lambda layout, state: bool(_next_to(layout, state)),
        ),
        Ask(
            "safe_actions",
            "actions",
            "Which actions lead from the agent's cell to a cell of the board that is not a hole? "
            "If the agent is at the goal or in a hole, the attempt is over and there are none.",
            _safe_actions,
        ),
    )
