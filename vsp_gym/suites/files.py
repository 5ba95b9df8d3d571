"""Reading files that nobody vouches for: whatever is in them, the outcome is a value or a `FormatError`."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vsp_gym.core import Cell, check_cell
from vsp_gym.errors import FormatError, LayoutError

MAX_TEXT_BYTES = 1 << 20
"""Largest file of one board; real ones have at most 10 kB."""

MAX_JSON_BYTES = 16 << 20
"""Largest JSON file and largest line of a JSONL file; real ones have at most 20 kB."""

_LONG_NUMBER = re.compile(r"[0-9]{400}")
_DIGITS = re.compile(r"(\d+)")


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key that puts `10.txt` after `9.txt`; different names never tie."""
    parts = [part for part in _DIGITS.split(name) if part]
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts], name


def list_names(folder: Path, suffix: str = "") -> list[str]:
    """Names in `folder` that end in `suffix`, in natural order; none if it is no readable folder.

    Hidden files are left out. The suffix is kept.
    """
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return []
    return sorted((n for n in names if n.endswith(suffix) and not n.startswith(".")), key=natural_key)


def _open(path: Path) -> Any:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # opening a pipe would wait for ever
            raise FormatError("this is no regular file")
        return path.open("rb")
    except FormatError:
        raise
    except FileNotFoundError:
        raise FormatError("the file is missing") from None
    except (OSError, ValueError) as error:
        raise FormatError(f"the file cannot be opened: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"byte {error.start} ({raw[error.start]:#04x}) is not UTF-8") from None


def read_text(path: Path, limit: int = MAX_TEXT_BYTES) -> str:
    """The text of a UTF-8 file.

    Raises:
        FormatError: if it is missing, unreadable, longer than `limit` bytes or not UTF-8.
    """
    with _open(path) as file:
        try:
            raw = file.read(limit + 1)
        except OSError as error:
            raise FormatError(f"the file cannot be read: {_reason(error)}") from None
    if len(raw) > limit:
        raise FormatError(f"the file is longer than {limit} bytes")
    return _decode(raw)


def read_lines(path: Path) -> Iterator[tuple[int, str | FormatError]]:
    """The lines of a JSONL file with their numbers (from 1), one at a time; blank ones are left out.

    A line that is too long or not UTF-8 comes as the error that says so.

    Raises:
        FormatError: if the file is missing or cannot be read.
    """
    with _open(path) as file:
        number = 0
        while True:
            try:
                raw = file.readline(MAX_JSON_BYTES + 1)
                too_long = len(raw) > MAX_JSON_BYTES
                rest = raw
                while too_long and rest and not rest.endswith(b"\n"):
                    rest = file.readline(MAX_JSON_BYTES)
            except OSError as error:
                raise FormatError(f"the file cannot be read: {_reason(error)}") from None
            if not raw:
                return
            number += 1
            if too_long:
                yield number, FormatError(f"the line is longer than {MAX_JSON_BYTES} bytes")
                continue
            try:
                text = _decode(raw).strip()
            except FormatError as error:
                yield number, error
                continue
            if text:
                yield number, text


def parse_json(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        FormatError: if it is no JSON, nested too deeply, or holds a name twice or an absurd number.
    """
    if _LONG_NUMBER.search(text):
        raise FormatError("the JSON holds a number of more than 400 digits")
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except RecursionError:
        raise FormatError("the JSON is nested too deeply") from None
    except FormatError:
        raise
    except ValueError as error:
        raise FormatError(f"this is no JSON: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise FormatError(f"{twice!r:.80} occurs twice in one JSON object")
    return values


def get_field(data: object, name: str, kind: type[Any], where: str) -> Any:
    """`data[name]`, which must be of type `kind`; booleans are no integers.

    Raises:
        FormatError: naming `where` and what is wrong.
    """
    if not isinstance(data, dict):
        raise FormatError(f"{where} must be an object, not {data!r:.80}")
    if name not in data:
        raise FormatError(f"{where} lacks {name!r}")
    value = data[name]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise FormatError(f"{name} must be of type {kind.__name__}, not {value!r:.80}")
    return value


def parse_int(text: str, name: str) -> int:
    """A decimal number of at most 9 digits; raises `FormatError` naming `name`."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise FormatError(f"{name} must be a number, not {text!r:.80}")
    return int(text)


def to_cell(value: object, name: str, rows: int, cols: int) -> Cell:
    """`[row, col]` (0-based) as a cell of the board; raises `FormatError` naming `name`."""
    try:
        return check_cell(value, name, rows, cols)
    except LayoutError as error:
        raise FormatError(str(error)) from None


def cell_of_index(index: int, name: str, rows: int, cols: int) -> Cell:
    """The cell whose number, counted row by row from 0, is `index`; raises `FormatError` naming `name`."""
    if not 0 <= index < rows * cols:
        raise FormatError(f"{name} must be 0 to {rows * cols - 1}, not {index}")
    return Cell(*divmod(index, cols))
