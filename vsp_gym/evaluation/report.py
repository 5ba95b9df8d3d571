"""The report: results as one self-contained HTML page with tables, curves and replays.

The page needs no network and works from a file. All that comes from outside (replies, names,
descriptions) travels as JSON in which `<`, `>` and `&` are escaped, and the page's script puts it
into the document as text only. A content security policy allows the page's own script and style and
nothing else.

Pictures are not stored: each distinct tile is, once, cut out of what `render_rgb` draws, and the page
puts boards together from tiles, so that its boards equal `render_rgb`'s to the pixel.
"""

from __future__ import annotations

import base64
import difflib
import hashlib
import io
import json
import re
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from vsp_gym.core import DELTAS, MOVES, Action, Layout, Plan
from vsp_gym.envs import get_task
from vsp_gym.envs.base import PlanningTask
from vsp_gym.errors import VSPGymError
from vsp_gym.evaluation.agents import AGENTS
from vsp_gym.evaluation.metrics import summarise, summarise_by
from vsp_gym.evaluation.results import Result, write_whole
from vsp_gym.planning import solve
from vsp_gym.plans import format_plan, parse_plan
from vsp_gym.render import render_rgb
from vsp_gym.scoring import CONVENTIONS, rollout
from vsp_gym.text import describe

CELL = 96
"""Pixels of a tile in the page, unless the board would become larger than `BOARD`."""

BOARD = 960
"""Pixels of a board's longer side at most."""


def write_report(
    results: Sequence[Result], path: Path, *, title: str, lede: str = "", theme: str = "classic"
) -> None:
    """Write the page about `results`; a failure leaves no partial file.

    Args:
        results: rows of any tasks, sizes, agents and modalities.
        path: the HTML file.
        title: the page's heading.
        lede: a sentence under the heading.
        theme: look of the boards.

    Raises:
        VSPGymError: when there are no results.
        UnknownNameError: for an unknown theme.
    """
    write_whole(path, render_report(results, title=title, lede=lede, theme=theme))


def render_report(results: Sequence[Result], *, title: str, lede: str = "", theme: str = "classic") -> str:
    """The page of `write_report` as text."""
    if not results:
        raise VSPGymError("there are no results to report")
    assets = resources.files("vsp_gym.evaluation") / "assets"
    page, style, script = (
        (assets / f"report.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")
    )
    parts = {
        "title": _escape_html(title),
        "style": style,
        "style-hash": _csp_hash(style),
        "script": script,
        "script-hash": _csp_hash(script),
        "data": _embed(_page_data(results, title, lede, theme)),
    }
    return re.sub(r"\{\{([a-z-]+)\}\}", lambda found: parts[found[1]], page)


def is_report(path: Path) -> bool:
    """Whether a file is a page of `write_report`."""
    with open(path, "rb") as file:
        return _GENERATOR in file.read(4096)


_GENERATOR = b'<meta name="generator" content="vsp-gym report">'


def _escape_html(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.encode("utf-8", "replace").decode("utf-8")


def _csp_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _embed(data: Any) -> str:
    """`data` as JSON that cannot end the element it stands in, in ASCII."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


# ---------------------------------------------------------------------------------------------
# The data that the page's script reads.


def _page_data(results: Sequence[Result], title: str, lede: str, theme: str) -> dict[str, Any]:
    boards = _Boards(theme)
    series = list(dict.fromkeys((result.agent, result.modality) for result in results))
    agents = list(dict.fromkeys(agent for agent, _ in series))
    modalities = list(dict.fromkeys(modality for _, modality in series))
    rows = [_row(result, boards, series.index((result.agent, result.modality))) for result in results]
    conventions = dict.fromkeys(result.score.convention for result in results)
    return {
        "title": title,
        "lede": lede,
        "theme": theme,
        "series": [
            {
                "label": agent if len(modalities) == 1 else f"{agent}, {modality}",
                "agent": agents.index(agent),
                "modality": modality,
                "stroke": modalities.index(modality),
                "about": AGENTS[agent].about if agent in AGENTS else "",
            }
            for agent, modality in series
        ],
        "tasks": {name: _task_data(get_task(name)) for name in dict.fromkeys(r.task for r in results)},
        "conventions": {
            name: CONVENTIONS[name].source if name in CONVENTIONS else "" for name in conventions
        },
        "modes": list(dict.fromkeys(result.mode for result in results)),
        "metrics": _metrics(results, series),
        "boards": boards.data(),
        "rows": rows,
        "atlases": boards.atlases(),
    }


def _task_data(task: PlanningTask[Any, Any]) -> dict[str, Any]:
    return {
        "title": task.title,
        "failure": task.failure,
        "actions": [format_plan((action,), task) for action in task.actions],
        "names": [action.name for action in task.actions],
        "deltas": [list(DELTAS[action]) if action in MOVES else [0, 0] for action in task.actions],
    }


def _metrics(results: Sequence[Result], series: list[tuple[str, str]]) -> dict[str, Any]:
    """`Metrics` of everything, and of each group as `[*key, metrics]` with the series as its number."""

    def grouped(*fields: str) -> list[list[Any]]:
        groups = summarise_by(results, "agent", "modality", *fields)
        return [[series.index(key[:2]), *key[2:], group.to_dict()] for key, group in groups.items()]

    return {
        "all": summarise(results).to_dict(),
        "series": grouped(),
        "task": grouped("task"),
        "size": grouped("task", "size"),
    }


def _row(result: Result, boards: _Boards, series: int) -> dict[str, Any]:
    task = get_task(result.task)
    parsed = parse_plan(result.reply, task, mode=result.mode)
    plan = parsed.actions or ()
    score = result.score.to_dict()
    row = {
        "board": (board := boards.number(result)),
        "series": series,
        "difficulty": result.difficulty,
        "reply": result.reply,
        "plan": [int(action) for action in plan],
        "frames": boards.frames(board, plan, result.score.convention),
        **{key: score[key] for key in _SCORE_FIELDS},
        "progress": round(result.score.progress, 4),
    }
    if parsed.actions is not None and parsed.span is not None:
        row["span"] = list(parsed.span)
        row["marks"] = locate_actions(result.reply, parsed.span, plan, task)
    return row


_SCORE_FIELDS = (
    "success", "optimal", "outcome", "steps", "violation", "violations", "explanation", "convention"
)  # fmt: skip

_WORD = re.compile(r"[A-Za-z]+|[\u2190-\u21ff\u2794-\u27a1\u27f5\u27f6\u2b05-\u2b07]")
_LETTER = re.compile("[A-Za-z]")


def locate_actions(
    reply: str, span: tuple[int, int], plan: Plan, task: PlanningTask[Any, Any]
) -> list[list[int]]:
    """Where in a reply each action of its plan is written: `[start, end]` offsets.

    Empty when the notation has no one place for each action (repeat counts, phrases of two words).
    """
    for unit in (_WORD, _LETTER):
        found = list(unit.finditer(reply, *span))
        if len(found) == len(plan) and all(
            _read_action(match[0], task) == (action,) for match, action in zip(found, plan)
        ):
            return [[match.start(), match.end()] for match in found]
    return []


@lru_cache(maxsize=1024)
def _read_action(text: str, task: PlanningTask[Any, Any]) -> Plan | None:
    return parse_plan(text, task).actions if len(text) <= LONGEST_WORD else None


LONGEST_WORD = 16
"""Letters of the longest word for an action, generously."""


class _Boards:
    """The boards of a report, each with the frames (tiles and words) that any row shows of it."""

    def __init__(self, theme: str) -> None:
        self._theme = theme
        self._numbers: dict[tuple[str, Layout], int] = {}
        self._boards: list[_Board] = []
        self._atlases: dict[tuple[str, int], _Atlas] = {}

    def number(self, result: Result) -> int:
        """The number of a result's board, which is added if it is new."""
        key = result.task, result.layout
        if key not in self._numbers:
            task = get_task(result.task)
            cell = min(CELL, BOARD // max(result.layout.rows, result.layout.cols))
            atlas = self._atlases.setdefault((task.name, cell), _Atlas(task, cell, self._theme))
            self._numbers[key] = len(self._boards)
            self._boards.append(_Board(result, atlas))
        return self._numbers[key]

    def frames(self, board: int, plan: Plan, convention: str) -> list[int]:
        """Number of the frame before the plan and after each of its steps."""
        return self._boards[board].replay(plan, convention)

    def data(self) -> list[dict[str, Any]]:
        numbers = {atlas: number for number, atlas in enumerate(self._atlases.values())}
        return [{**board.data(), "atlas": numbers[board.atlas]} for board in self._boards]

    def atlases(self) -> list[dict[str, Any]]:
        return [atlas.data() for atlas in self._atlases.values()]


class _Board:
    def __init__(self, result: Result, atlas: _Atlas) -> None:
        self.atlas = atlas
        self._task = get_task(result.task)
        self._layout = result.layout
        self._name, self._size = result.board, result.size
        self._numbers: dict[tuple[Any, Action | None], int] = {}
        self._frames: list[dict[str, Any]] = []
        start = self._task.initial(result.layout)
        self._text = describe(self._task, result.layout, start).splitlines()
        self._tiles = atlas.tiles(result.layout, start, None)
        self._frame(start, None)

    def replay(self, plan: Plan, convention: str) -> list[int]:
        frames = [0]
        for action, step in zip(plan, rollout(self._task, self._layout, plan, convention)):
            frames.append(self._frame(step.state, action))
        return frames

    def _frame(self, state: Any, facing: Action | None) -> int:
        key = state, facing
        if key not in self._numbers:
            self._numbers[key] = len(self._frames)
            tiles = self.atlas.tiles(self._layout, state, facing)
            changed = np.flatnonzero(tiles != self._tiles)
            row, col = self._task.picture.agent(self._layout, state)
            self._frames.append(
                {
                    "agent": [row, col],
                    "tiles": [[int(cell), int(tiles[cell])] for cell in changed],
                    "text": _changes(self._text, describe(self._task, self._layout, state).splitlines()),
                }
            )
        return self._numbers[key]

    def data(self) -> dict[str, Any]:
        solution = solve(self._task, self._layout)
        plan = solution.plan()
        return {
            "name": self._name,
            "task": self._task.name,
            "size": self._size,
            "rows": self._layout.rows,
            "cols": self._layout.cols,
            "text": self._text,
            "optimal": None if plan is None else len(plan),
            "shortest": str(solution.count()),  # may exceed what JavaScript counts exactly
            "plan": [int(action) for action in plan or ()],
            "way": self.replay(plan or (), "strict"),
            "tiles": self._tiles.tolist(),
            "frames": self._frames,
        }


def _changes(before: list[str], after: list[str]) -> list[list[Any]]:
    """`[[start, stop, lines]]`: what replaces lines `start` to `stop` (exclusive) of `before`."""
    if len(before) == len(after):
        return [[line, line + 1, [new]] for line, (old, new) in enumerate(zip(before, after)) if old != new]
    edits = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return [[start, stop, after[i:j]] for kind, start, stop, i, j in edits if kind != "equal"]


class _Atlas:
    """One picture of all distinct tiles of a task that occur, at `cell` pixels."""

    def __init__(self, task: PlanningTask[Any, Any], cell: int, theme: str) -> None:
        self._task, self._cell, self._theme = task, cell, theme
        self._numbers: dict[int, int] = {}
        self._pictures: list[npt.NDArray[np.uint8]] = []

    def tiles(self, layout: Layout, state: Any, facing: Action | None) -> npt.NDArray[np.intp]:
        """`[rows * cols]` number of the tile of every cell, row by row."""
        grid = self._task.picture.tiles(layout, state, facing)
        tiles = [int(tile) for tile in grid.ravel()]
        new = {tile: at for at, tile in enumerate(tiles) if tile not in self._numbers}
        if new:
            self._cut(new, layout, state, facing)
        return np.array([self._numbers[tile] for tile in tiles])

    def _cut(self, new: dict[int, int], layout: Layout, state: Any, facing: Action | None) -> None:
        side = self._cell * max(layout.rows, layout.cols)
        picture = render_rgb(self._task, layout, state, size=side, theme=self._theme, facing=facing)
        for tile, at in new.items():
            y, x = (self._cell * place for place in divmod(at, layout.cols))
            self._numbers[tile] = len(self._pictures)
            self._pictures.append(picture[y : y + self._cell, x : x + self._cell])

    def data(self) -> dict[str, Any]:
        columns = 16
        rows = -(-len(self._pictures) // columns)
        sheet = np.zeros((rows * self._cell, columns * self._cell, 3), np.uint8)
        for number, picture in enumerate(self._pictures):
            y, x = (self._cell * place for place in divmod(number, columns))
            sheet[y : y + self._cell, x : x + self._cell] = picture
        file = io.BytesIO()
        Image.fromarray(sheet).save(file, "PNG", optimize=True)
        return {
            "cell": self._cell,
            "columns": columns,
            "png": base64.b64encode(file.getvalue()).decode("ascii"),
        }
