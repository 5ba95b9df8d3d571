"""KeyDoor in pictures and numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fourth_task.rules import KeyDoorLayout, KeyDoorState
from vsp_gym.core import Action, Cell
from vsp_gym.envs.base import PictureView
from vsp_gym.render.canvas import Canvas
from vsp_gym.render.shapes import Paint, shape
from vsp_gym.render.themes import Look, Theme
from vsp_gym.render.tiles import AGENT_CODES, agent_code, agent_of, draw_grid

FLOOR, WALL, DOOR, KEY, TRACE, GOAL, START = range(7)
"""What a cell is. A tile is one of these plus `KINDS` times the agent's code, to which the key in the
agent's hands adds `AGENT_CODES`."""

KINDS = 7

ROLE = {DOOR: "door", KEY: "key", TRACE: "trace", GOAL: "goal", START: "start"}


@shape
def door(canvas: Canvas, paint: Paint, facing: Action | None) -> None:
    """A door with a knob."""
    canvas.rounded(0.1, 0.0, 0.9, 1.0, 0.1, paint.main)
    canvas.disc(0.74, 0.52, 0.07, paint.detail)


class KeyDoorPicture(PictureView[KeyDoorLayout, KeyDoorState]):
    """The wall, the door, the key (on the floor or in the agent's hands), the goal and the agent."""

    planes = ("wall", "door", "key", "goal")
    flags = ("has_key",)
    meanings = {
        "agent": "the agent; it shows the key while holding it",
        "key": "the key",
        "door": "the door, which needs the key",
        "wall": "a wall",
        "start": "the start, seen when the agent is elsewhere",
        "trace": "the cell that the key was taken from",
        "goal": "the goal",
        "floor": "free floor",
    }
    looks = {
        "default": {
            "key": Look("diamond", (212, 160, 23), "a golden diamond", 0.5, (255, 240, 190), (90, 66, 8)),
            "door": Look("door", (139, 84, 44), "a brown door", 0.8, (240, 205, 110)),
        },
    }

    def cells(self, layout: KeyDoorLayout) -> bytes:
        codes = bytearray(layout.rows * layout.cols)
        codes[layout.door.col :: layout.cols] = bytes([WALL]) * layout.rows
        for kind, (row, col) in (
            (DOOR, layout.door),
            (KEY, layout.key),
            (GOAL, layout.goal),
            (START, layout.start),
        ):
            codes[row * layout.cols + col] = kind
        return bytes(codes)

    def changes(
        self, layout: KeyDoorLayout, state: KeyDoorState, facing: Action | None = None
    ) -> dict[Cell, int]:
        agent, has_key = state
        under = {layout.door: DOOR, layout.key: TRACE, layout.goal: GOAL, layout.start: START}
        changes = {layout.key: TRACE} if has_key else {}
        changes[agent] = under.get(agent, FLOOR) + KINDS * (agent_code(facing) + AGENT_CODES * has_key)
        return changes

    def draw_tile(self, canvas: Canvas, tile: int, theme: Theme) -> None:
        code, kind = divmod(tile, KINDS)
        has_key, agent = divmod(code, AGENT_CODES)
        theme.draw(canvas, "floor")
        draw_grid(canvas, theme)
        if kind == WALL:
            canvas.fill(theme.look("wall").color)
        elif kind in ROLE:
            theme.draw(canvas, ROLE[kind])
        if agent:
            theme.draw(canvas.scaled(0.6 if kind == GOAL else 1.0), "agent", agent_of(agent))
        if has_key:
            theme.draw(canvas.scaled(0.66, (0.74, 0.74)), "key")

    def agent(self, layout: KeyDoorLayout, state: KeyDoorState) -> Cell:
        return state.agent

    def encode_layout(self, layout: KeyDoorLayout) -> npt.NDArray[np.uint8]:
        planes = np.zeros((4, layout.rows, layout.cols), np.uint8)
        planes[0, :, layout.door.col] = 1
        planes[0, layout.door.row, layout.door.col] = 0
        for plane, (row, col) in zip(planes[1:], (layout.door, layout.key, layout.goal)):
            plane[row, col] = 1
        return planes

    def encode_flags(self, state: KeyDoorState) -> tuple[bool, ...]:
        return (state.has_key,)
