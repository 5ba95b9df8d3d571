"""KeyDoor in words."""

from __future__ import annotations

from fourth_task.rules import KeyDoorLayout, KeyDoorState
from vsp_gym.core import Cell
from vsp_gym.envs._text import LineReader, heading, letter_grid, put
from vsp_gym.envs.base import TextView

_LEGEND = "Grid (A agent, S start, K key, D door, # wall, G goal, . free; A hides what is under it):\n"


class KeyDoorText(TextView[KeyDoorLayout, KeyDoorState]):
    """Positions, whether the agent holds the key, and the grid in letters."""

    def describe(self, layout: KeyDoorLayout, state: KeyDoorState) -> str:
        (row, col), has_key = state
        wall = [(r, layout.door.col) for r in range(layout.rows)]
        letters = [
            *((cell, "#") for cell in wall),
            (layout.door, "D"),
            (layout.start, "S"),
            (layout.goal, "G"),
        ]
        if not has_key:
            letters.append((layout.key, "K"))
        grid = letter_grid(layout.rows, layout.cols, letters)
        return (
            heading("KeyDoor", layout.rows, layout.cols)
            + f"Agent: ({row}, {col})\n"
            + f"Key: {layout.key}{', taken by the agent' if has_key else ''}\n"
            + f"Start: {layout.start}\nDoor: {layout.door}\nGoal: {layout.goal}\n{_LEGEND}"
            + put(grid, 2 * (row * layout.cols + col), "A")
        )

    def parse(self, text: str) -> tuple[KeyDoorLayout, KeyDoorState]:
        lines = LineReader(text, "KeyDoor")
        agent = lines.cell("Agent")
        key = lines.cell("Key")
        state = KeyDoorState(agent, "taken" in lines.lines[lines.number - 1])
        start, door, goal = (lines.cell(label) for label in ("Start", "Door", "Goal"))
        layout = lines.build(lambda: KeyDoorLayout(lines.rows, lines.cols, start, key, door, goal))
        if layout.is_wall(*agent) or (agent in (key, door) and not state.has_key):
            raise lines.error(f"the agent cannot be at {Cell(*agent)}")
        lines.agree(self.describe(layout, state))
        return layout, state
