"""The rows of runs as columns of numbers: some sixty bytes a row, whatever replies are like."""

from __future__ import annotations

import hashlib
import heapq
import json
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vsp_gym.core import Layout, Violation, check_plan
from vsp_gym.envs import get_task
from vsp_gym.envs.env import check_layout
from vsp_gym.errors import FormatError, VSPGymError
from vsp_gym.evaluation.attribution import CAUSES, SIGHTS, Attribution, attribute
from vsp_gym.evaluation.results import Row, Run
from vsp_gym.plans import parse_plan

OUTCOMES = ("success", "not_shortest", "unfinished", "violation", "failure", "no_plan")
"""How plans end; position is the code in columns."""

VIOLATIONS: tuple[str, ...] = tuple(str(violation) for violation in Violation)

FLOOR_BOARDS = 200
"""Boards of each task and size that baselines play at most."""

NONE = -1
"""Code of what a row does not have."""


class Series(NamedTuple):
    """Who replied to what: one line of a table, one curve of a chart."""

    run: str
    agent: str
    modality: str
    theme: str | None
    perturbation: str | None
    protocol: str


class Columns(NamedTuple):
    """`[rows]` each; codes are positions in the lists of `Table` and of this module, or `NONE`."""

    run: npt.NDArray[np.int16]
    place: npt.NDArray[np.int64]
    """Where the row is in its run."""
    series: npt.NDArray[np.int32]
    board: npt.NDArray[np.int32]
    sample: npt.NDArray[np.int32]
    scored: npt.NDArray[np.bool_]
    """Whether there is a verdict."""
    question: npt.NDArray[np.int16]
    """Position in `Table.questions`; `NONE` for a plan."""
    right: npt.NDArray[np.bool_]
    """Whether the plan succeeds or the answer is right."""
    optimal: npt.NDArray[np.bool_]
    parsed: npt.NDArray[np.bool_]
    progress: npt.NDArray[np.float64]
    """Of answers: F1, NaN where there is none."""
    regret: npt.NDArray[np.float64]
    """Actions beyond the fewest possible; NaN unless the plan succeeds."""
    outcome: npt.NDArray[np.int8]
    violation: npt.NDArray[np.int8]
    saw: npt.NDArray[np.int8]
    cause: npt.NDArray[np.int8]
    plan: npt.NDArray[np.int64]
    """Hash of the plan, 0 where there is none; equal plans are equal."""
    prompt_tokens: npt.NDArray[np.float64]
    completion_tokens: npt.NDArray[np.float64]
    latency: npt.NDArray[np.float64]
    """Seconds; NaN where it is not known."""


_CODES = {
    "run": "h", "place": "q", "series": "i", "board": "i", "sample": "i", "scored": "b", "question": "h",
    "right": "b", "optimal": "b", "parsed": "b", "outcome": "b", "violation": "b", "saw": "b", "cause": "b",
    "plan": "q",
}  # fmt: skip
_BOOLS = ("scored", "right", "optimal", "parsed")


@dataclass(frozen=True)
class Boards:
    """`[boards]` each. Boards are the same if task and layout are, in whichever runs they are."""

    task: npt.NDArray[np.int16]
    """Position in `Table.tasks`."""
    size: npt.NDArray[np.int32]
    difficulty: npt.NDArray[np.int8]
    """Position in `Table.difficulties`, or `NONE`."""
    digest: npt.NDArray[np.uint64]
    """Hash of task and layout, the same on every machine."""


@dataclass(frozen=True)
class Table:
    """All rows of some runs."""

    runs: list[Run]
    series: list[Series]
    tasks: list[str]
    difficulties: list[str]
    questions: list[str]
    conventions: list[str]
    modes: list[str]
    errors: dict[str, int]
    """Why rows are unscored, and how many; the most frequent first."""
    boards: Boards
    rows: Columns
    floor_boards: dict[tuple[str, int], list[tuple[int, Layout]]]
    """By task and size, boards for baselines with their digests."""


MAX_ERRORS = 20
"""How many different reasons for unscored rows are told apart."""


class _Codes:
    """Numbers for values, in order of appearance."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[Any, int] = {}

    def __call__(self, value: Any) -> int:
        number = self._numbers.get(value)
        if number is None:
            number = self._numbers[value] = len(self.values)
            self.values.append(value)
        return number


def read_table(runs: Sequence[Run], progress: Callable[[int], object] | None = None) -> Table:
    """Read all rows of runs once.

    Args:
        runs: whose rows.
        progress: called now and then with the number of rows read so far.

    Raises:
        VSPGymError: if there are no rows, or a file cannot be read.
        FormatError: for a row that cannot be read; the message names the run and what is wrong.
    """
    reader = _Reader()
    count = 0
    for number, run in enumerate(runs):
        for place, row in run:
            try:
                reader.add(number, place, row, run)
            except VSPGymError as error:
                raise FormatError(
                    f"{run.path or run.label}: a row about {row['board']!r:.80}: {error}"
                ) from None
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise FormatError(
                    f"{run.path or run.label}: the verdict on {row['board']!r:.80} is none ({error!r:.80})"
                ) from None
            count += 1
            if progress is not None and count % 1000 == 0:
                progress(count)
    if not count:
        raise VSPGymError("there are no results to report")
    return reader.table(list(runs))


class _Reader:
    def __init__(self) -> None:
        self._columns = {name: array(_CODES.get(name, "d")) for name in Columns._fields}
        self._series, self._tasks, self._difficulties = _Codes(), _Codes(), _Codes()
        self._questions, self._conventions, self._modes = _Codes(), _Codes(), _Codes()
        self._numbers: dict[int, int] = {}
        self._boards = {
            "task": array("h"),
            "size": array("i"),
            "difficulty": array("b"),
            "digest": array("Q"),
        }
        self._errors: dict[str, int] = {}
        self._floor: dict[tuple[str, int], list[tuple[int, Layout]]] = {}

    def add(self, run_number: int, place: int, row: Row, run: Run) -> None:
        """Add a row to all columns."""
        task = get_task(row["task"])
        board = self._board(row)
        series = Series(
            run.label, row["agent"], row["modality"], row["theme"], row["perturbation"], row["protocol"]
        )
        values: dict[str, Any] = {
            **_NOTHING,
            "run": run_number,
            "place": place,
            "series": self._series(series),
            "board": board,
            "sample": row["sample"],
            "question": NONE if row["question"] is None else self._questions(str(row["question"])),
            "prompt_tokens": _number(row["prompt_tokens"]),
            "completion_tokens": _number(row["completion_tokens"]),
            "latency": _number(row["latency"]),
        }
        if row["error"] is not None:
            reason = str(row["error"])
            if reason not in self._errors and len(self._errors) >= MAX_ERRORS:
                reason = "others"
            self._errors[reason] = self._errors.get(reason, 0) + 1
        elif row["score"] is not None:
            self._modes(row["mode"])
            values.update(self._score(row, task, run))
        else:
            answer, f1 = row["answer"], row["answer"].get("f1")
            values.update(
                scored=True,
                right=bool(answer["correct"]),
                parsed=bool(answer["parsed"]),
                progress=_number(f1),
            )
        for name, column in self._columns.items():
            column.append(values[name])

    def _board(self, row: Row) -> int:
        text = json.dumps([row["task"], row["layout"]], sort_keys=True)
        digest = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
        number = self._numbers.get(digest)
        if number is None:
            number = self._numbers[digest] = len(self._numbers)
            difficulty = row["difficulty"]
            self._boards["task"].append(self._tasks(row["task"]))
            self._boards["size"].append(row["size"])
            self._boards["difficulty"].append(
                NONE if difficulty is None else self._difficulties(str(difficulty))
            )
            self._boards["digest"].append(digest)
            self._offer_floor(row, digest)
        return number

    def _offer_floor(self, row: Row, digest: int) -> None:
        """Keep the board for the baselines if its digest is among the smallest of its kind."""
        kept = self._floor.setdefault((row["task"], row["size"]), [])
        if len(kept) == FLOOR_BOARDS and -kept[0][0] <= digest:
            return
        layout = check_layout(get_task(row["task"]), row["layout"])
        (heapq.heappush if len(kept) < FLOOR_BOARDS else heapq.heapreplace)(kept, (-digest, layout))

    def _score(self, row: Row, task: Any, run: Run) -> dict[str, Any]:
        score = row["score"]
        self._conventions(str(score["convention"]))
        success, optimal_steps = bool(score["success"]), score["optimal_steps"]
        found = _attribution(row, task, run)
        return {
            "scored": True,
            "right": success,
            "optimal": bool(score["optimal"]),
            "parsed": score["outcome"] != "no_plan",
            "progress": float(score["progress"]),
            "regret": float(score["steps"] - optimal_steps)
            if success and optimal_steps is not None
            else np.nan,
            "outcome": OUTCOMES.index(score["outcome"]),
            "violation": NONE if score["violation"] is None else VIOLATIONS.index(score["violation"]),
            "saw": NONE if found.saw is None else SIGHTS.index(found.saw),
            "cause": NONE if found.cause is None else CAUSES.index(found.cause),
            "plan": _hash_plan(row, task),
        }

    def table(self, runs: list[Run]) -> Table:
        """Everything that was added."""
        columns = {
            name: np.frombuffer(column, column.typecode).astype(bool if name in _BOOLS else column.typecode)
            for name, column in self._columns.items()
        }
        boards = {name: np.frombuffer(column, column.typecode) for name, column in self._boards.items()}
        return Table(
            runs,
            self._series.values,
            self._tasks.values,
            self._difficulties.values,
            self._questions.values,
            self._conventions.values,
            self._modes.values,
            dict(sorted(self._errors.items(), key=lambda item: -item[1])),
            Boards(**boards),
            Columns(**columns),
            {key: sorted((-digest, layout) for digest, layout in kept) for key, kept in self._floor.items()},
        )


_NOTHING: dict[str, Any] = {
    "scored": False, "right": False, "optimal": False, "parsed": False, "progress": np.nan, "regret": np.nan,
    "outcome": NONE, "violation": NONE, "saw": NONE, "cause": NONE, "plan": 0,
}  # fmt: skip


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def attribution_of(row: Row, run: Run) -> Attribution:
    """The attribution that a row of a plan holds; worked out if it holds none.

    Raises:
        FormatError: if it is no attribution.
    """
    return _attribution(row, get_task(row["task"]), run)


def _attribution(row: Row, task: Any, run: Run) -> Attribution:
    stored = row["attribution"]
    if stored is None:
        return attribute(
            task,
            check_layout(task, row["layout"]),
            row["reply"],
            row["score"],
            actions=row["actions"],
            modality=row["modality"],
            states_board=run.states_board and row["protocol"] == "plan",
            mode=row["mode"],
        )
    saw, cause = stored.get("saw"), stored.get("cause")
    if (saw is not None and saw not in SIGHTS) or (cause is not None and cause not in CAUSES):
        raise FormatError(f"the field attribution is no attribution: {stored!r:.80}")
    return Attribution(saw, cause)


def _hash_plan(row: Row, task: Any) -> int:
    if row["score"]["outcome"] == "no_plan":
        return 0
    actions = row["actions"]
    if actions is None:
        actions = parse_plan(row["reply"], task, mode=row["mode"]).actions
    plan = bytes(check_plan(task, actions or ()))
    return int.from_bytes(hashlib.blake2b(plan, digest_size=8).digest(), "little", signed=True) | 1
