"""What a model says that it sees of a room with a locked door."""

from __future__ import annotations

from fourth_task.rules import KeyDoorLayout, KeyDoorState
from vsp_gym.core import Cell
from vsp_gym.envs._statements import SIZE, Fact, StatementReader, build, cell_on_board, size_line
from vsp_gym.envs.base import Statement
from vsp_gym.errors import FormatError

_HOLDS = frozenset({"holding", "carrying"})
_HELD = frozenset({"held", "carried", "taken"})

_AGENT = Fact("the agent's cell", "cell", frozenset({"agent", "player"}), varies=True, statuses=_HOLDS)
_START = Fact("the start", "cell", frozenset({"start"}), varies=True)
_KEY = Fact(
    "the key",
    "cell",
    frozenset({"key"}),
    varies=True,
    words=frozenset({"lies", "lying", "by", "agent", "from"}),
    statuses=_HELD,
)
_DOOR = Fact("the door", "cell", frozenset({"door"}))
_GOAL = Fact("the goal", "cell", frozenset({"goal", "target"}))
_FACTS = (SIZE, _AGENT, _START, _KEY, _DOOR, _GOAL)


class KeyDoorStatement(Statement[KeyDoorLayout, KeyDoorState]):
    """Size, agent, key, door and goal; the start only if the agent has left it.

    The wall needs no line: it fills the rest of the door's column. A key in the agent's hands is stated as
    `held`, with the cell that it was taken from, which pictures show.
    """

    def state(self, layout: KeyDoorLayout, state: KeyDoorState) -> str:
        agent, has_key = state
        start = f"Start: {layout.start}\n" if agent != layout.start else ""
        held = "held, taken from " if has_key else ""
        return (
            f"{size_line(layout.rows, layout.cols)}\nAgent: {Cell(*agent)}\n{start}"
            f"Key: {held}{layout.key}\nDoor: {layout.door}\nGoal: {layout.goal}"
        )

    def parse(self, text: str) -> tuple[KeyDoorLayout, KeyDoorState]:
        reader = StatementReader(text, _FACTS)
        rows, cols = reader.size(SIZE)
        agent = cell_on_board(reader.cell(_AGENT), _AGENT.name, rows, cols)
        start = reader.optional_cell(_START) or agent
        key, door, goal = (reader.cell(fact) for fact in (_KEY, _DOOR, _GOAL))
        has_key = bool(reader.get(_KEY).statuses)
        if reader.get(_AGENT).statuses and not has_key:
            raise FormatError("the agent is said to hold the key, but the key is not said to be held")
        layout = build(lambda: KeyDoorLayout(rows, cols, start, key, door, goal))
        if layout.is_wall(*agent) or (agent in (key, door) and not has_key):
            raise FormatError(f"the agent's cell {agent} is in the wall, the key's or the closed door's")
        return layout, KeyDoorState(agent, has_key)
