"""The report: runs as one self-contained HTML page that explains the gap between pictures and words.

The page needs no network and works from a file. All that comes from outside (replies, names,
descriptions) travels as JSON in which `<`, `>` and `&` are escaped, and the page's script puts it
into the document as text only. A content security policy allows the page's own script and style and
nothing else.

Numbers are those of `vsp_gym.evaluation.metrics`, over all rows. The gallery holds every plan up to
`GALLERY` of them, and beyond that a sample in which rare kinds of failure are kept.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vsp_gym.core import DELTAS, MOVES, Action, Plan, check_plan
from vsp_gym.envs import get_task
from vsp_gym.envs.base import PlanningTask
from vsp_gym.envs.env import check_layout
from vsp_gym.errors import FormatError
from vsp_gym.evaluation.agents import AGENTS
from vsp_gym.evaluation.attribution import CAUSE_LABELS, differences
from vsp_gym.evaluation.findings import findings
from vsp_gym.evaluation.metrics import summarise
from vsp_gym.evaluation.pictures import Pictures
from vsp_gym.evaluation.results import Row, Run, write_whole
from vsp_gym.evaluation.simulated import SIMULATED
from vsp_gym.evaluation.summary import Summary
from vsp_gym.evaluation.table import NONE, Table, attribution_of, read_table
from vsp_gym.perception import parse_statement
from vsp_gym.plans import format_plan, parse_plan
from vsp_gym.render import get_theme
from vsp_gym.scoring import CONVENTIONS

GALLERY = 10_000
"""Replies in the gallery at most."""


def write_report(
    runs: Sequence[Run],
    path: Path,
    *,
    title: str = "Visual spatial planning",
    lede: str = "",
    theme: str = "classic",
    gallery: int = GALLERY,
) -> Summary:
    """Write the page about some runs; a failure leaves no partial file.

    Args:
        runs: whose rows; the first is what others are compared with.
        path: the HTML file.
        title: the page's heading.
        lede: a sentence under the heading.
        theme: look of the boards.
        gallery: replies in the gallery at most.

    Returns:
        The numbers that the page shows.

    Raises:
        VSPGymError: when there are no results.
        FormatError: for a row that cannot be read.
        UnknownNameError: for an unknown theme.
    """
    table = read_table(runs)
    summary = summarise(table)
    page = render_report(table, summary, title=title, lede=lede, theme=theme, gallery=gallery)
    write_whole(path, page)
    return summary


def render_report(
    table: Table,
    summary: Summary,
    *,
    title: str,
    lede: str = "",
    theme: str = "classic",
    gallery: int = GALLERY,
) -> str:
    """The page of `write_report` as text."""
    get_theme(theme)
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
        "data": _embed(_page_data(table, summary, title, lede, theme, gallery)),
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


def _page_data(
    table: Table, summary: Summary, title: str, lede: str, theme: str, gallery: int
) -> dict[str, Any]:
    pictures = Pictures(theme)
    chosen = choose_rows(table, gallery)
    rows = [_checked_row(row, run, series, pictures) for row, run, series in _fetch(table, chosen)]
    plans = int(((table.rows.question == NONE) & table.rows.scored).sum())
    return {
        "title": title,
        "lede": lede,
        "theme": theme,
        "findings": findings(summary),
        "summary": summary.to_dict(),
        "series": _series_data(summary),
        "tasks": {name: _task_data(get_task(name)) for name in table.tasks},
        "conventions": {
            name: CONVENTIONS[name].source if name in CONVENTIONS else "" for name in table.conventions
        },
        "causes": {cause: list(words) for cause, words in CAUSE_LABELS.items()},
        "plans": plans,
        "boards": pictures.data(),
        "rows": rows,
        "atlases": pictures.atlases(),
    }


def _series_data(summary: Summary) -> list[dict[str, Any]]:
    """How each series looks: an agent has a colour, a way of showing the board its dashes."""
    agents = list(dict.fromkeys((s.run, s.agent) for s in summary.series))
    ways = list(dict.fromkeys(s._replace(run="", agent="") for s in summary.series))
    return [
        {
            "label": label,
            "agent": agents.index((one.run, one.agent)),
            "stroke": ways.index(one._replace(run="", agent="")),
            "about": _about(one.agent) if one.modality == "state" or one.agent in SIMULATED else "",
        }
        for one, label in zip(summary.series, summary.labels)
    ]


def _about(agent: str) -> str:
    known = AGENTS.get(agent) or SIMULATED.get(agent)
    return known.about if known else ""


def _task_data(task: PlanningTask[Any, Any]) -> dict[str, Any]:
    return {
        "title": task.title,
        "failure": task.failure,
        "actions": [format_plan((action,), task) for action in task.actions],
        "names": [action.name for action in task.actions],
        "deltas": [list(DELTAS[action]) if action in MOVES else [0, 0] for action in task.actions],
    }


def choose_rows(table: Table, most: int) -> npt.NDArray[np.intp]:
    """The rows of the gallery, in their order: all plans with a verdict, or a sample of at most `most`.

    Rows are put into strata (series, task and cause) and taken from each in turn, by a hash of the board and
    the sample, so that the choice depends on nothing but the rows, and rare causes stay.
    """
    columns = table.rows
    plans: npt.NDArray[np.intp] = np.flatnonzero((columns.question == NONE) & columns.scored)
    if len(plans) <= most:
        return plans
    board = columns.board[plans]
    with np.errstate(over="ignore"):
        mixed = (table.boards.digest[board] + columns.sample[plans].astype(np.uint64)) * np.uint64(
            0x9E3779B97F4A7C15
        )
    strata = np.stack([columns.series[plans], table.boards.task[board], columns.cause[plans]], axis=1)
    stratum = np.unique(strata, axis=0, return_inverse=True)[1].reshape(-1)
    order = np.lexsort((mixed, stratum))
    starts = np.searchsorted(stratum[order], np.arange(int(np.max(stratum)) + 1))
    rank = np.empty(len(plans), np.intp)
    rank[order] = np.arange(len(plans)) - starts[stratum[order]]
    return np.sort(plans[np.lexsort((mixed, rank))[:most]])


def _fetch(table: Table, chosen: npt.NDArray[np.intp]) -> Iterator[tuple[Row, Run, int]]:
    """Rows by number, with their run and series."""
    columns = table.rows
    for number, run in enumerate(table.runs):
        wanted = chosen[columns.run[chosen] == number]
        for row, series in zip(run.fetch(columns.place[wanted].tolist()), columns.series[wanted].tolist()):
            yield row, run, series


_SCORE_FIELDS = (
    "success", "optimal", "outcome", "steps", "violation", "violations", "explanation", "convention"
)  # fmt: skip


def _checked_row(row: Row, run: Run, series: int, pictures: Pictures) -> dict[str, Any]:
    try:
        return _row(row, run, series, pictures)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(
            f"{run.path or run.label}: a row about {row['board']!r:.80} cannot be shown: {error!s:.200}"
        ) from None


def _row(row: Row, run: Run, series: int, pictures: Pictures) -> dict[str, Any]:
    task, score = get_task(row["task"]), row["score"]
    layout = check_layout(task, row["layout"])
    parsed = parse_plan(row["reply"], task, mode=row["mode"])
    plan = parsed.actions or ()
    if row["actions"] is not None:
        plan = check_plan(task, row["actions"])
    board = pictures.number(task, layout, name=row["board"])
    found = attribution_of(row, run)
    data = {
        "board": board,
        "series": series,
        "difficulty": row["difficulty"],
        "reply": row["reply"],
        "plan": [int(action) for action in plan],
        "frames": pictures.frames(board, plan, score["convention"]),
        **{key: score[key] for key in _SCORE_FIELDS},
        "progress": round(score["progress"], 4),
        "sample": row["sample"],
        "saw": found.saw,
        "cause": found.cause,
        "tokens": row["completion_tokens"],
        "latency": row["latency"],
    }
    if parsed.actions == plan and parsed.span is not None:
        data["span"] = list(parsed.span)
        data["marks"] = locate_actions(row["reply"], parsed.span, plan, task)
    if found.saw in ("wrong", "unclear"):
        data.update(_seen(row, task, board, plan, pictures))
    return data


MAX_SEEN = 2
"""How many times larger than the true board a stated one may be to be drawn."""


def _seen(
    row: Row, task: PlanningTask[Any, Any], board: int, plan: Plan, pictures: Pictures
) -> dict[str, Any]:
    """The board that a reply states: its number and frames, and where it differs; or why there is none."""
    true, seen = check_layout(task, row["layout"]), parse_statement(task, row["reply"])
    if seen.layout is None:
        return {"unclear": seen.reason}
    facts = {"said": [list(pair) for pair in differences(task, true, seen)]}
    if max(seen.layout.rows, seen.layout.cols) > MAX_SEEN * max(true.rows, true.cols):
        return facts
    start = None if seen.state == task.initial(seen.layout) else seen.state
    other = pictures.number(task, seen.layout, start, is_true=False)
    return {
        **facts,
        "seen": other,
        "seenFrames": pictures.frames(other, plan, row["score"]["convention"]),
        "differs": pictures.differing(board, other),
    }


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
def _read_action(text: str, task: PlanningTask[Any, Any]) -> tuple[Action, ...] | None:
    return parse_plan(text, task).actions if len(text) <= LONGEST_WORD else None


LONGEST_WORD = 16
"""Letters of the longest word for an action, generously."""
