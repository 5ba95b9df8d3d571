"""Maze in pictures and numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vsp_gym.core import Action, Cell
from vsp_gym.envs.base import PictureView
from vsp_gym.envs.maze.rules import EAST, NORTH, SOUTH, WEST, MazeLayout
from vsp_gym.render.canvas import Canvas
from vsp_gym.render.themes import Look, Theme
from vsp_gym.render.tiles import Glyph, agent_code, agent_glyph, agent_of, split_width

GOAL, START = 16, 32
"""A tile is the cell's wall mask (0 to 15), plus one of these or 0, plus `KINDS` times the agent's code."""

KINDS = 48


class MazePicture(PictureView[MazeLayout, Cell]):
    """Walls between cells, the goal, the start and the agent."""

    planes = ("wall_north", "wall_south", "wall_west", "wall_east", "goal")
    meanings = {
        "agent": "the agent",
        "start": "the start, seen when the agent is elsewhere",
        "goal": "the goal",
        "floor": "a cell",
        "wall": "a wall, which cannot be crossed",
        "grid": "an open side between two cells",
    }
    seams = (1 / 8, 7 / 8)  # what lies between depends on the walls at the left and right alone
    looks = {
        "classic": {"floor": Look("plain", (255, 255, 255), "a white corridor")},
        "inverted": {"floor": Look("plain", (0, 0, 0), "a black corridor")},
    }

    def cells(self, layout: MazeLayout) -> bytes:
        codes = bytearray(b"".join(map(bytes, layout.walls)))
        cols = len(layout.walls[0])
        codes[layout.goal[0] * cols + layout.goal[1]] += GOAL
        codes[layout.start[0] * cols + layout.start[1]] += START
        return bytes(codes)

    def changes(self, layout: MazeLayout, state: Cell, facing: Action | None = None) -> dict[Cell, int]:
        kind = GOAL if state == layout.goal else START if state == layout.start else 0
        try:
            mask = layout.walls[state[0]][state[1]]
        except IndexError:
            mask = 0
        return {state: mask + kind + KINDS * agent_code(facing)}

    def draw_tile(self, canvas: Canvas, tile: int, theme: Theme) -> None:
        agent, kind = divmod(tile, KINDS)
        mark, mask = kind & (GOAL | START), kind & 15
        _draw_corridors(canvas, mask, theme)
        if mark:
            theme.draw(canvas, "goal" if mark == GOAL else "start")
        if agent:
            theme.draw(canvas.scaled(0.6 if mark == GOAL else 1.0), "agent", agent_of(agent))

    def agent(self, layout: MazeLayout, state: Cell) -> Cell:
        return state

    def glyphs(self, layout: MazeLayout, state: Cell, facing: Action | None = None) -> list[list[Glyph]]:
        lines = []
        for row, masks in enumerate(layout.walls):
            above, line = [], []
            for col, mask in enumerate(masks):
                cell = Cell(row, col)
                above.append(Glyph("+---" if mask & NORTH else "+   ", "wall"))
                line.append(Glyph("|" if mask & WEST else " ", "wall"))
                if cell == state:
                    line.append(Glyph(f" {agent_glyph(facing)} ", "agent"))
                elif cell in (layout.start, layout.goal):
                    is_goal = cell == layout.goal
                    line.append(Glyph(" G " if is_goal else " S ", "goal" if is_goal else "start"))
                else:
                    line.append(Glyph("   ", "floor"))
            lines += [[*above, Glyph("+", "wall")], [*line, Glyph("|", "wall")]]
        return [*lines, [Glyph("+---" * layout.cols + "+", "wall")]]

    def encode_layout(self, layout: MazeLayout) -> npt.NDArray[np.uint8]:
        walls = np.array(layout.walls, np.uint8)
        planes = np.zeros((5, *walls.shape), np.uint8)
        for plane, bit in zip(planes, (NORTH, SOUTH, WEST, EAST)):
            plane[:] = walls & bit != 0
        planes[4, layout.goal[0], layout.goal[1]] = 1
        return planes


def _draw_corridors(canvas: Canvas, mask: int, theme: Theme) -> None:
    """Paint the cell's share of walls, floor and the lines on its open sides, in whole pixels."""
    wall, floor, grid = theme.look("wall"), theme.look("floor"), theme.look("grid")
    height, width = canvas.height, canvas.width
    near, far = split_width(canvas, wall.size, 2)
    line = max(1, int(grid.size * canvas.cell))
    line_near, line_far = line // 2 + 1, (line - 1) // 2
    canvas.fill(wall.color)
    canvas.band(near, near, height - far, width - far, floor.color)
    if not mask & NORTH:
        canvas.band(0, near, near, width - far, floor.color)
        canvas.band(0, near, line_near, width - far, grid.color)
    if not mask & SOUTH:
        canvas.band(height - far, near, height, width - far, floor.color)
        canvas.band(height - line_far, near, height, width - far, grid.color)
    if not mask & WEST:
        canvas.band(near, 0, height - far, near, floor.color)
        canvas.band(near, 0, height - far, line_near, grid.color)
    if not mask & EAST:
        canvas.band(near, width - far, height - far, width, floor.color)
        canvas.band(near, width - line_far, height - far, width, grid.color)
