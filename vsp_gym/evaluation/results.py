"""One row per reply: what was asked, what was answered, how it was judged. Rows are read back from runs."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from vsp_gym.core import Layout
from vsp_gym.errors import FormatError, VSPGymError
from vsp_gym.evaluation.attribution import Attribution
from vsp_gym.plans import ParseMode
from vsp_gym.scoring import PlanScore

RESULTS = "results.jsonl"
"""The rows in a run's folder."""

RUN = "run.json"
"""The parameters in a run's folder."""

MAX_ROW = 64 << 20
"""Bytes of a row at most: a reply of the largest size, escaped, on every turn of a long attempt."""

Row = dict[str, Any]
"""A row as JSON types, with every field of `DEFAULTS`."""

DEFAULTS: Row = {
    "protocol": "plan",
    "theme": None,
    "perturbation": None,
    "question": None,
    "sample": 0,
    "difficulty": None,
    "mode": "lenient",
    "reply": "",
    "actions": None,
    "gold": None,
    "score": None,
    "answer": None,
    "error": None,
    "attribution": None,
    "prompt_tokens": None,
    "completion_tokens": None,
    "latency": None,
}
"""What fields are that a row lacks. It has `board`, `task`, `size`, `modality`, `agent` and `layout`."""


@dataclass(frozen=True)
class Result:
    """The reply of one agent or model to one board, and its score."""

    board: str
    """Id of the board; rows with the same id are about the same board."""
    task: str
    """Name of the task."""
    size: int
    """Side of the board."""
    difficulty: str | None
    """Bucket of the optimal length, or None where there is none."""
    modality: str
    """What the agent was shown: `"image"`, `"text"`, `"both"`, or `"state"` for the board itself."""
    agent: str
    """Who replied: an agent's or a model's name."""
    layout: Layout
    reply: str
    """The whole reply, as it came."""
    score: PlanScore
    attribution: Attribution | None = None
    """What the reply saw and why its plan failed; worked out when a row is summed up, for None."""
    mode: ParseMode = "lenient"
    """How the reply was parsed."""

    def to_dict(self) -> Row:
        """The row as JSON types; `vsp-gym score --jsonl` reads it again."""
        return {
            "board": self.board,
            "task": self.task,
            "size": self.size,
            "difficulty": self.difficulty,
            "modality": self.modality,
            "agent": self.agent,
            "layout": self.layout.to_dict(),
            "reply": self.reply,
            "mode": self.mode,
            "score": self.score.to_dict(),
            "attribution": None if self.attribution is None else self.attribution.to_dict(),
        }


# ---------------------------------------------------------------------------------------------
# Runs.


@dataclass(frozen=True)
class Run:
    """The rows of one evaluation, read again whenever they are needed."""

    label: str
    """What reports call it."""
    path: Path | None = None
    """The file of rows, or None if they are in `rows`."""
    rows: Sequence[Row] = ()
    states_board: bool = True
    """Whether replies were asked to say what they see."""

    def __iter__(self) -> Iterator[tuple[int, Row]]:
        """Every row with its place, in the order in which they came. A torn last line is passed over.

        Raises:
            FormatError: for a line that is no row, with its number.
            VSPGymError: if the file cannot be read.
        """
        if self.path is None:
            for place, row in enumerate(self.rows):
                yield place, {**DEFAULTS, **row}
            return
        try:
            with open(self.path, "rb") as file:
                yield from _scan(file, self.path)
        except OSError as error:
            raise VSPGymError(f"{self.path}: {error.strerror or error}") from None

    def fetch(self, places: Iterable[int]) -> Iterator[Row]:
        """The rows at places that iteration gave."""
        if self.path is None:
            yield from ({**DEFAULTS, **self.rows[place]} for place in places)
            return
        with open(self.path, "rb") as file:
            for place in places:
                file.seek(place)
                yield _read_row(file.readline(MAX_ROW))


def open_run(path: Path) -> Run:
    """The run in a folder, or the run whose file of rows is given. Its label is the folder's name.

    Raises:
        VSPGymError: if there are no results.
        FormatError: if the recorded parameters cannot be read.
    """
    folder, file = (path, path / RESULTS) if path.is_dir() else (path.parent, path)
    if not file.is_file():
        raise VSPGymError(f"{path} holds no {RESULTS}" if path.is_dir() else f"there is no file {path}")
    label = folder.resolve().name if file.name == RESULTS else file.stem
    return Run(label, file, states_board=_states_board(folder / RUN))


def open_runs(paths: Sequence[Path]) -> list[Run]:
    """`open_run` of each path, with labels that differ.

    Raises:
        VSPGymError: if two paths are the same run, and as `open_run`.
    """
    runs = [open_run(path) for path in paths]
    files = [run.path.resolve() for run in runs if run.path is not None]
    for number, file in enumerate(files):
        if file in files[:number]:
            raise VSPGymError(f"{paths[number]} is given twice")
    labels = [run.label for run in runs]
    if len(set(labels)) < len(labels):
        labels = [str(path) for path in paths]
    return [Run(label, run.path, run.rows, run.states_board) for label, run in zip(labels, runs)]


def _states_board(path: Path) -> bool:
    """Whether the parameters of a run say that replies state the board; files without parameters do."""
    if not path.is_file():
        return True
    try:
        parameters = parse_json(path.read_bytes())
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None
    evaluation = parameters.get("evaluation") if isinstance(parameters, dict) else None
    return not isinstance(evaluation, dict) or evaluation.get("reply", "full") == "full"


def _scan(file: IO[bytes], path: Path) -> Iterator[tuple[int, Row]]:
    place = 0
    for number, line in enumerate(iter(lambda: file.readline(MAX_ROW), b""), 1):
        if line.strip():
            try:
                row = _read_row(line)
            except FormatError as error:
                if not line.endswith(b"\n") and len(line) < MAX_ROW:
                    return  # what was being written when the machine went down
                raise FormatError(f"{path}, line {number}: {error}") from None
            yield place, row
        place += len(line)


_TEXTS = ("board", "task", "modality", "agent", "reply", "protocol", "mode")
_OPTIONAL_TEXTS = ("theme", "perturbation", "question", "difficulty", "error")
_OBJECTS = ("score", "answer", "attribution")
_NUMBERS = ("prompt_tokens", "completion_tokens", "latency")


def _read_row(line: bytes) -> Row:
    """A line as a row whose fields have the right types.

    Raises:
        FormatError: naming the field.
    """
    data = parse_json(line)
    if not isinstance(data, dict):
        raise FormatError(f"a row is an object, not {data!r:.80}")
    row = {**DEFAULTS, **data}
    for name in _TEXTS:
        if not isinstance(row.get(name), str):
            raise _wrong(row, name, "text")
    for name in _OPTIONAL_TEXTS:
        if row[name] is not None and not isinstance(row[name], str):
            raise _wrong(row, name, "text or null")
    for name in _OBJECTS:
        if row[name] is not None and not isinstance(row[name], dict):
            raise _wrong(row, name, "an object or null")
    for name in _NUMBERS:
        value = row[name]
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0
        ):
            raise _wrong(row, name, "a number of at least 0, or null")
    if not isinstance(row.get("layout"), dict):
        raise _wrong(row, "layout", "an object")
    for name, low in (("size", 1), ("sample", 0)):
        value = row.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= 1 << 20:
            raise _wrong(row, name, f"a whole number of at least {low}")
    if row["score"] is None and row["answer"] is None and row["error"] is None:
        raise FormatError("a row has a score, an answer or an error, this one has none")
    return row


def _wrong(row: Row, name: str, what: str) -> FormatError:
    if name not in row:
        return FormatError(f"the field {name} is missing")
    return FormatError(f"the field {name} must be {what}, not {row[name]!r:.80}")


# ---------------------------------------------------------------------------------------------
# Files.


def write_results(results: Iterable[Result], path: Path) -> None:
    """Write results as JSON lines: the whole file appears at once, or an earlier one stays as it is."""
    write_whole(path, "".join(json.dumps(result.to_dict()) + "\n" for result in results))


def write_whole(path: Path, content: str | bytes) -> None:
    """Replace `path` by a file that holds `content` (text as UTF-8); a failure leaves no partial file."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def parse_json(text: str | bytes) -> Any:
    """`text` as JSON, whatever it holds.

    Raises:
        FormatError: for bytes that are no UTF-8, broken JSON, NaN and infinities, integers too long
            to convert, and nesting too deep to read.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        return json.loads(text, parse_constant=_refuse_constant)
    except FormatError:
        raise
    except UnicodeDecodeError as error:
        raise FormatError(f"not UTF-8: byte {error.object[error.start]:#04x} at {error.start}") from None
    except json.JSONDecodeError as error:
        raise FormatError(f"not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise FormatError("not readable: the JSON is nested too deeply") from None
    except ValueError:  # Python refuses to convert integers of thousands of digits
        raise FormatError("not readable: an integer has too many digits") from None


def _refuse_constant(name: str) -> NoReturn:
    raise FormatError(f"not JSON: {name} is no JSON number")


def is_results(path: Path) -> bool:
    """Whether a file was written by `write_results` (its first line is a row)."""
    with open(path, "rb") as file:
        first = file.readline(1 << 24)
    try:
        row = parse_json(first)
    except FormatError:
        return False
    return isinstance(row, dict) and {"board", "agent", "layout", "reply", "score"} <= row.keys()
