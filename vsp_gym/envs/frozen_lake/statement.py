"""What a model says that it sees of a lake."""

from __future__ import annotations

from vsp_gym.core import Cell
from vsp_gym.envs._statements import SIZE, Fact, StatementReader, build, cell_on_board, size_line
from vsp_gym.envs._text import join_cells
from vsp_gym.envs.base import Statement
from vsp_gym.envs.frozen_lake.rules import FrozenLakeLayout

_AGENT = Fact("the agent's cell", "cell", frozenset({"agent", "player"}), varies=True)
_START = Fact("the start", "cell", frozenset({"start"}), varies=True)
_GOAL = Fact("the goal", "cell", frozenset({"goal", "target"}))
_HOLES = Fact("the holes", "cells", frozenset({"hole", "holes", "h"}))
_FACTS = (SIZE, _AGENT, _START, _GOAL, _HOLES)


class FrozenLakeStatement(Statement[FrozenLakeLayout, Cell]):
    """Size, agent, goal and holes; the start only if the agent has left it."""

    def state(self, layout: FrozenLakeLayout, state: Cell) -> str:
        start = f"Start: {layout.start}\n" if state != layout.start else ""
        return (
            f"{size_line(layout.rows, layout.cols)}\nAgent: {Cell(*state)}\n{start}"
            f"Goal: {layout.goal}\nHoles: {join_cells(sorted(layout.holes))}"
        )

    def parse(self, text: str) -> tuple[FrozenLakeLayout, Cell]:
        reader = StatementReader(text, _FACTS)
        rows, cols = reader.size(SIZE)
        agent = cell_on_board(reader.cell(_AGENT), _AGENT.name, rows, cols)
        start = reader.optional_cell(_START) or agent
        goal, holes = reader.cell(_GOAL), reader.cells(_HOLES)
        return build(lambda: FrozenLakeLayout(rows, cols, start, goal, holes)), agent
