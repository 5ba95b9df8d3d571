"""MiniBehaviour in pictures and numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vsp_gym.core import DELTAS, MOVES, Action, Cell
from vsp_gym.envs.base import PictureView
from vsp_gym.envs.mini_behaviour.rules import (
    TABLE_COLS,
    TABLE_ROWS,
    MiniBehaviourLayout,
    MiniBehaviourState,
)
from vsp_gym.render.canvas import Canvas
from vsp_gym.render.themes import Look, Theme
from vsp_gym.render.tiles import AGENT_CODES, Glyph, agent_code, agent_glyph, agent_of, draw_grid

FLOOR, START, TRACE, PRINTER, TABLE = range(5)
"""What a cell is. `TABLE + i` is the i-th of the table's six cells, row by row."""

PARTS = TABLE_ROWS * TABLE_COLS
DELIVERED = TABLE + PARTS
"""`DELIVERED + i` is the i-th cell of the table with the printer on it."""

KINDS = DELIVERED + PARTS
"""A tile is one of these plus `KINDS` times the agent's code, to which carrying adds `AGENT_CODES`."""


class MiniBehaviourPicture(PictureView[MiniBehaviourLayout, MiniBehaviourState]):
    """The table, the printer (on the floor, in the agent's hands or on the table) and the agent."""

    planes = ("printer", "table")
    flags = ("carrying", "delivered")
    meanings = {
        "agent": "the agent; it shows the printer while carrying it",
        "object": "the printer",
        "surface": "the table",
        "start": "the start, seen when the agent is elsewhere",
        "trace": "the cell that the printer was taken from",
        "floor": "free floor",
    }
    looks = {
        "classic": {
            "floor": Look("plain", (0, 0, 0), "a black cell"),
            "grid": Look("plain", (60, 60, 60), "a thin grey line", 0.0),
            "start": Look("dot", (96, 96, 96), "a small grey dot", 0.16, sharp=True),
            "agent": Look("triangle", (255, 24, 16), "a red triangle", 0.6, sharp=True),
        },
        "inverted": {
            "floor": Look("plain", (255, 255, 255), "a white cell"),
            "grid": Look("plain", (195, 195, 195), "a thin light grey line", 0.0),
            "start": Look("dot", (159, 159, 159), "a small grey dot", 0.16),
            "agent": Look("triangle", (0, 231, 239), "a cyan triangle", 0.6),
        },
    }

    def cells(self, layout: MiniBehaviourLayout) -> bytes:
        cols = layout.cols
        codes = bytearray(layout.rows * cols)
        codes[layout.start[0] * cols + layout.start[1]] = START
        codes[layout.printer[0] * cols + layout.printer[1]] = PRINTER
        corner = layout.table[0] * cols + layout.table[1]
        for row in range(TABLE_ROWS):
            first = TABLE + row * TABLE_COLS
            at = corner + row * cols
            codes[at : at + TABLE_COLS] = bytes(range(first, first + TABLE_COLS))
        return bytes(codes)

    def changes(
        self, layout: MiniBehaviourLayout, state: MiniBehaviourState, facing: Action | None = None
    ) -> dict[Cell, int]:
        agent, carrying, delivered = state
        taken = carrying or delivered
        kind = START if agent == layout.start else TRACE if taken and agent == layout.printer else FLOOR
        changes = {layout.printer: TRACE} if taken else {}
        changes[agent] = kind + KINDS * (agent_code(facing) + AGENT_CODES * carrying)
        if delivered:
            changes[delivered_cell(layout, agent)] = DELIVERED + _part(layout, delivered_cell(layout, agent))
        return changes

    def draw_tile(self, canvas: Canvas, tile: int, theme: Theme) -> None:
        code, kind = divmod(tile, KINDS)
        carrying, agent = divmod(code, AGENT_CODES)
        if kind >= TABLE:
            _draw_table(canvas, (kind - TABLE) % PARTS, theme)
        else:
            theme.draw(canvas, "floor")
            draw_grid(canvas, theme)
        role = {START: "start", TRACE: "trace", PRINTER: "object"}.get(kind)
        if role:
            theme.draw(canvas, role)
        if kind >= DELIVERED:
            theme.draw(canvas, "object")
        if agent:
            theme.draw(canvas, "agent", agent_of(agent))
        if carrying:
            theme.draw(canvas.scaled(0.66, (0.74, 0.74)), "object")

    def agent(self, layout: MiniBehaviourLayout, state: MiniBehaviourState) -> Cell:
        return state.agent

    def glyphs(
        self, layout: MiniBehaviourLayout, state: MiniBehaviourState, facing: Action | None = None
    ) -> list[list[Glyph]]:
        taken = state.carrying or state.delivered
        printer = delivered_cell(layout, state.agent) if state.delivered else layout.printer
        rows = []
        for row in range(layout.rows):
            line = []
            for col in range(layout.cols):
                cell = Cell(row, col)
                if cell == state.agent:
                    line.append(Glyph(f"{agent_glyph(facing)}{'P' if state.carrying else ' '}", "agent"))
                elif cell == printer and not (taken and cell == layout.printer):
                    line.append(Glyph("P ", "object"))
                elif layout.is_table(row, col):
                    line.append(Glyph("# ", "surface"))
                else:
                    line.append(Glyph("S ", "start") if cell == layout.start else Glyph(". ", "floor"))
            rows.append(line)
        return rows

    def encode_layout(self, layout: MiniBehaviourLayout) -> npt.NDArray[np.uint8]:
        planes = np.zeros((2, layout.rows, layout.cols), np.uint8)
        planes[0, layout.printer[0], layout.printer[1]] = 1
        top, left = layout.table
        planes[1, top : top + TABLE_ROWS, left : left + TABLE_COLS] = 1
        return planes

    def encode_flags(self, state: MiniBehaviourState) -> tuple[bool, ...]:
        return (state.carrying, state.delivered)


def delivered_cell(layout: MiniBehaviourLayout, agent: Cell) -> Cell:
    """The table's cell in front of the agent: where the printer stands after DROP.

    The rules do not say which of the six cells it is; only one shares a side with the agent's.
    """
    for move in MOVES:
        cell = Cell(agent[0] + DELTAS[move][0], agent[1] + DELTAS[move][1])
        if layout.is_table(*cell):
            return cell
    return layout.table


def _part(layout: MiniBehaviourLayout, cell: Cell) -> int:
    return (cell[0] - layout.table[0]) * TABLE_COLS + cell[1] - layout.table[1]


def _draw_table(canvas: Canvas, part: int, theme: Theme) -> None:
    """Draw one of the table's cells.

    A table with an outline is one piece without grid lines; one without is six cells.
    """
    look = theme.look("surface")
    look.draw(canvas)
    if look.outline is None:
        draw_grid(canvas, theme)
        return
    row, col = divmod(part, TABLE_COLS)
    height, width = canvas.height, canvas.width
    edge = max(1, canvas.cell // 16)
    if row == 0:
        canvas.band(0, 0, edge, width, look.outline)
    if row == TABLE_ROWS - 1:
        canvas.band(height - edge, 0, height, width, look.outline)
    if col == 0:
        canvas.band(0, 0, height, edge, look.outline)
    if col == TABLE_COLS - 1:
        canvas.band(0, width - edge, height, width, look.outline)
