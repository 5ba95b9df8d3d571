"""FrozenLake in pictures and numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vsp_gym.core import Action, Cell
from vsp_gym.envs.base import PictureView
from vsp_gym.envs.frozen_lake.rules import FrozenLakeLayout
from vsp_gym.render.canvas import Canvas
from vsp_gym.render.themes import Look, Theme
from vsp_gym.render.tiles import Glyph, agent_code, agent_glyph, agent_of, draw_grid

ICE, HOLE, GOAL, START = range(4)
"""What a cell is. A tile is one of these plus `KINDS` times the agent's code."""

KINDS = 4

ROLE = {HOLE: "hazard", GOAL: "goal", START: "start"}


class FrozenLakePicture(PictureView[FrozenLakeLayout, Cell]):
    """Holes, the goal, the start, and the agent on top of them."""

    planes = ("hole", "goal")
    meanings = {
        "agent": "the agent",
        "start": "the start",
        "goal": "the goal",
        "hazard": "a hole: the agent that steps into it falls in",
        "floor": "ice: the agent can step on it",
    }
    looks = {
        "classic": {
            "floor": Look("ice", (225, 240, 250), "pale blue ice", detail=(250, 253, 255)),
            "grid": Look("plain", (180, 200, 230), "a thin blue-grey line", 0.02),
            "hazard": Look("pit", (44, 84, 124), "a dark blue hole", 0.8, (92, 140, 184), (190, 216, 236)),
            "start": Look("stool", (176, 122, 70), "a brown stool", 0.7, (122, 78, 42)),
            "goal": Look("gift", (204, 44, 56), "a red present", 0.68, (250, 208, 70), (150, 26, 40)),
            "agent": Look("elf", (52, 138, 68), "an elf in green", 0.84, (240, 240, 230), (96, 60, 38)),
        },
        "default": {
            "floor": Look("ice", (224, 240, 250), "pale blue ice", detail=(244, 250, 254)),
            "grid": Look("plain", (190, 214, 232), "a thin blue-grey line", 0.02),
        },
        "inverted": {
            "floor": Look("ice", (30, 15, 5), "near-black ground", detail=(60, 36, 20)),
            "grid": Look("plain", (75, 55, 25), "a thin brown line", 0.02),
            "hazard": Look("pit", (215, 195, 165), "a light tan hole", 0.8, (163, 115, 71), (65, 39, 19)),
            "start": Look("stool", (79, 133, 185), "a blue stool", 0.7, (133, 177, 213)),
            "goal": Look("gift", (51, 211, 199), "a turquoise present", 0.68, (5, 47, 185), (105, 229, 215)),
            "agent": Look("elf", (203, 117, 187), "an elf in pink", 0.84, (15, 15, 25), (159, 195, 217)),
        },
    }

    def cells(self, layout: FrozenLakeLayout) -> bytes:
        cols = layout.cols
        codes = bytearray(layout.rows * cols)
        for row, col in layout.holes:
            codes[row * cols + col] = HOLE
        codes[layout.goal[0] * cols + layout.goal[1]] = GOAL
        codes[layout.start[0] * cols + layout.start[1]] = START
        return bytes(codes)

    def changes(self, layout: FrozenLakeLayout, state: Cell, facing: Action | None = None) -> dict[Cell, int]:
        if state == layout.goal:
            kind = GOAL
        elif state == layout.start:
            kind = START
        else:
            kind = HOLE if state in layout.holes else ICE
        return {state: kind + KINDS * agent_code(facing)}

    def draw_tile(self, canvas: Canvas, tile: int, theme: Theme) -> None:
        agent, kind = divmod(tile, KINDS)
        theme.draw(canvas, "floor")
        draw_grid(canvas, theme)
        if kind in ROLE:
            theme.draw(canvas, ROLE[kind])
        if not agent:
            return
        small = {GOAL: 0.62, HOLE: 0.6}.get(kind, 1.0)
        theme.draw(canvas.scaled(small), "agent", agent_of(agent))

    def agent(self, layout: FrozenLakeLayout, state: Cell) -> Cell:
        return state

    def glyphs(
        self, layout: FrozenLakeLayout, state: Cell, facing: Action | None = None
    ) -> list[list[Glyph]]:
        role = {"F": "floor", "S": "start", "H": "hazard", "G": "goal"}
        rows = [[Glyph(f"{letter} ", role[letter]) for letter in row] for row in layout.to_rows()]
        mark = "X" if state in layout.holes else agent_glyph(facing)
        rows[state[0]][state[1]] = Glyph(f"{mark} ", "agent")
        return rows

    def encode_layout(self, layout: FrozenLakeLayout) -> npt.NDArray[np.uint8]:
        planes = np.zeros((2, layout.rows, layout.cols), np.uint8)
        for row, col in layout.holes:
            planes[0, row, col] = 1
        planes[1, layout.goal[0], layout.goal[1]] = 1
        return planes
