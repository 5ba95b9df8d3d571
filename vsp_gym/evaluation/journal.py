"""A run's folder: rows that survive a crash, and the parameters that they belong to.

| file | holds |
|---|---|
| `run.json` | the parameters; a run with others is refused |
| `results.jsonl` | one row a line, each on the disk before its worker goes on |
| `.lock` | held while a run writes, so that a second one is refused |

A row ends with a newline and nothing follows it before it is whole, so a crash can leave only a torn last
line, which the next run cuts off. Rows that are unscored are dropped when a run begins, for it asks again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from typing_extensions import Self

from vsp_gym.errors import FormatError, VSPGymError
from vsp_gym.evaluation.results import MAX_ROW, RESULTS, RUN, parse_json, write_whole


class Journal:
    """The rows of one run, open for writing; use it as a context manager.

    Args:
        folder: the run's folder; made if it does not exist.
        parameters: everything that decides what the rows say, as JSON types.

    Raises:
        VSPGymError: if another run writes there, or the folder belongs to a run with other parameters or to
            something else.
        FormatError: if a row is damaged other than by a crash.
    """

    def __init__(self, folder: Path, parameters: dict[str, Any]) -> None:
        self.path = folder / RESULTS
        self.done: set[int] = set()
        """Keys of the rows that are there, as numbers."""
        self.scored = self.succeeded = 0
        self._pending: list[tuple[bytes, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        with contextlib.ExitStack() as stack:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context(open(folder / ".lock", "ab"))
                _lock(lock, folder)
                check_parameters(folder, parameters)
                self._recover()
                self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _BINARY, 0o666)
            except OSError as error:
                raise VSPGymError(f"{error.filename or folder}: {error.strerror or error}") from None
            self._size = os.fstat(self._file).st_size
            self._closing = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        os.close(self._file)
        self._closing.close()

    def _recover(self) -> None:
        """Read the keys of earlier rows; drop a torn last line, and unscored rows."""
        whole = drop = 0
        kept: list[tuple[int, int]] = []
        if not self.path.exists():
            return
        with open(self.path, "rb") as file:
            for start, line, row in _scan(file, self.path):
                whole = start + len(line)
                if row["error"] is None:
                    if kept and kept[-1][1] == start:
                        kept[-1] = (kept[-1][0], whole)
                    else:
                        kept.append((start, whole))
                    self.done.add(int(row["key"], 16))
                    self._count(row)
                else:
                    drop += 1
            size = file.seek(0, os.SEEK_END)
        if drop:
            _keep(self.path, kept)
        elif whole < size:
            os.truncate(self.path, whole)

    def _count(self, row: dict[str, Any]) -> None:
        verdict = row["score"] or row["answer"]
        self.scored += verdict is not None
        self.succeeded += bool(verdict and (verdict.get("success") or verdict.get("correct")))

    async def append(self, row: dict[str, Any]) -> None:
        """Add a row; it is on the disk when this returns. Rows that wait together share one write.

        Raises:
            VSPGymError: if the disk refuses.
        """
        future = asyncio.get_running_loop().create_future()
        self._pending.append((json.dumps(row, separators=(",", ":")).encode() + b"\n", future))
        self._count(row)
        if self._writer is None:
            self._writer = asyncio.create_task(self._flush())
        await asyncio.shield(future)

    async def flush(self) -> None:
        """Wait until every row that was handed over is on the disk."""
        if self._writer is not None:
            await asyncio.shield(self._writer)

    async def _flush(self) -> None:
        try:
            while self._pending:
                batch, self._pending = self._pending, []
                error = None
                try:
                    await asyncio.to_thread(self._write, b"".join(line for line, _ in batch))
                except OSError as failure:
                    error = VSPGymError(f"{self.path} cannot be written: {failure.strerror or failure}")
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error) if error else future.set_result(None)
        finally:
            self._writer = None

    def _write(self, data: bytes) -> None:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
            os.fsync(self._file)
            self._size += len(data)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise


def check_parameters(folder: Path, parameters: dict[str, Any]) -> None:
    """Record the parameters of a new run, or compare them with those recorded.

    Raises:
        VSPGymError: naming every parameter that differs, or if the folder holds results of something else.
        FormatError: if the recorded parameters cannot be read.
    """
    path = folder / RUN
    if not path.exists():
        if (folder / RESULTS).exists() and (folder / RESULTS).stat().st_size:
            raise VSPGymError(f"{folder / RESULTS} exists and is of no evaluation; choose another folder")
        write_whole(path, json.dumps(parameters, indent=2) + "\n")
        return
    try:
        recorded = parse_json(path.read_bytes())
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None
    if not isinstance(recorded, dict):
        raise FormatError(f"{path}: parameters are an object, not {recorded!r:.80}")
    before, now = dict(_flat(recorded)), dict(_flat(json.loads(json.dumps(parameters))))
    differences = [
        f"{name} was {_show(before, name)}, now {_show(now, name)}"
        for name in {**before, **now}
        if before.get(name, _ABSENT) != now.get(name, _ABSENT)
    ]
    if differences:
        raise VSPGymError(
            f"{folder} holds a run with other parameters ({'; '.join(differences)}); choose another folder"
        )


_ABSENT = object()


def _flat(data: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _show(parameters: dict[str, Any], name: str) -> str:
    return f"{json.dumps(parameters[name]):.80}" if name in parameters else "not there"


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a run, in the order in which they came; a torn last line is passed over.

    Raises:
        FormatError: for a row that is damaged, with its line.
        VSPGymError: if there is no such file.
    """
    try:
        with open(path, "rb") as file:
            for _, _, row in _scan(file, path):
                yield row
    except OSError as error:
        raise VSPGymError(f"{path}: {error.strerror or error}") from None


def _scan(file: IO[bytes], path: Path) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
    """Every whole row with where it starts."""
    start = 0
    line = file.readline(MAX_ROW)
    number = 0
    while line:
        number += 1
        after = file.readline(MAX_ROW)
        try:
            row = parse_json(line)
            if not isinstance(row, dict) or not row.keys() >= _REQUIRED or not line.endswith(b"\n"):
                raise FormatError("this is no row of an evaluation")
            int(row["key"], 16)
        except (FormatError, TypeError, ValueError) as error:
            if not after:
                return  # the last line: what was being written when the machine went down
            raise FormatError(f"{path}, line {number}: {error}") from None
        yield start, line, row
        start += len(line)
        line = after


_REQUIRED = {"key", "board", "task", "layout", "reply", "score", "answer", "error"}


def _keep(path: Path, spans: list[tuple[int, int]]) -> None:
    """Replace a file by some spans of itself; a crash leaves the one or the other."""
    temporary = path.with_name(f".{path.name}.new")
    with open(path, "rb") as source, open(temporary, "wb") as target:
        for start, end in spans:
            source.seek(start)
            left = end - start
            while left:
                left -= target.write(source.read(min(1 << 20, left)))
        target.flush()
        os.fsync(target.fileno())
    os.replace(temporary, path)


if sys.platform == "win32":
    import msvcrt

    _BINARY = os.O_BINARY

    def _lock(file: IO[bytes], folder: Path) -> None:
        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            raise _in_use(folder) from None

else:
    import fcntl

    _BINARY = 0

    def _lock(file: IO[bytes], folder: Path) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _in_use(folder) from None


def _in_use(folder: Path) -> VSPGymError:
    return VSPGymError(f"another run is writing to {folder}; wait for it or choose another folder")
