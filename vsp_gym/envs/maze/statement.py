"""What a model says that it sees of a maze."""

from __future__ import annotations

from vsp_gym.core import MOVES, Cell
from vsp_gym.envs._reading import Directions
from vsp_gym.envs._statements import SIZE, Fact, StatementReader, build, cell_on_board, size_line
from vsp_gym.envs.base import Statement
from vsp_gym.envs.maze.rules import WALL_OF_MOVE, MazeLayout
from vsp_gym.errors import FormatError

_AGENT = Fact("the agent's cell", "cell", frozenset({"agent", "player"}), varies=True)
_START = Fact("the start", "cell", frozenset({"start"}), varies=True)
_GOAL = Fact("the goal", "cell", frozenset({"goal", "target"}))
_OPEN = Fact("the open directions", "directions", frozenset({"open", "openings", "passages"}))
_FACTS = (SIZE, _AGENT, _START, _GOAL, _OPEN)


class MazeStatement(Statement[MazeLayout, Cell]):
    """Size, agent, goal and the open directions of every cell; the start only if the agent has left it."""

    def state(self, layout: MazeLayout, state: Cell) -> str:
        start = f"Start: {layout.start}\n" if state != layout.start else ""
        rows = (
            "; ".join(f"({row}, {col}) {_letters(layout, Cell(row, col))}" for col in range(layout.cols))
            for row in range(layout.rows)
        )
        return (
            f"{size_line(layout.rows, layout.cols)}\nAgent: {Cell(*state)}\n{start}"
            f"Goal: {layout.goal}\nOpen directions:\n" + "\n".join(rows)
        )

    def parse(self, text: str) -> tuple[MazeLayout, Cell]:
        reader = StatementReader(text, _FACTS)
        rows, cols = reader.size(SIZE)
        agent = cell_on_board(reader.cell(_AGENT), _AGENT.name, rows, cols)
        start = reader.optional_cell(_START) or agent
        goal, walls = reader.cell(_GOAL), _walls(reader.directions(_OPEN), rows, cols)
        return build(lambda: MazeLayout(walls, start, goal)), agent


def _letters(layout: MazeLayout, cell: Cell) -> str:
    return "".join(move.name[0] for move in layout.open_moves(cell)) or "none"


def _walls(directions: Directions, rows: int, cols: int) -> tuple[tuple[int, ...], ...]:
    """The wall masks of all cells."""
    for cell in directions:
        cell_on_board(cell, "the cell", rows, cols)
    walls = []
    for row in range(rows):
        masks = []
        for col in range(cols):
            moves = directions.get(Cell(row, col))
            if moves is None:
                raise FormatError(f"the open directions of {Cell(row, col)} are not stated")
            masks.append(sum(WALL_OF_MOVE[move] for move in MOVES if move not in moves))
        walls.append(tuple(masks))
    return tuple(walls)
