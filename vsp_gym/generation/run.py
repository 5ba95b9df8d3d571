"""Making a data set: workers, the hidden folder that makes interruption harmless, and the last assembly."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vsp_gym.core import check_int
from vsp_gym.errors import FormatError, VSPGymError
from vsp_gym.generation.card import data_card
from vsp_gym.generation.cluster import import_ray, run_on_ray
from vsp_gym.generation.plan import Plan, Unit, make_plan
from vsp_gym.generation.pool import run_units
from vsp_gym.generation.request import SLICES, Request
from vsp_gym.generation.units import is_whole, lane_path, merge
from vsp_gym.records.sample import SCHEMA_VERSION
from vsp_gym.records.writing import Writer, describe_path, get_format, publish, write_whole

MANIFEST = "manifest.json"
"""Name of the file that says what a data set consists of."""

WORK = ".vsp-gym"
"""Name of the hidden folder in which an unfinished set is kept."""

MAX_WORKERS = 4096

Progress = Callable[[int, int], None]
"""Called with the number of boards made and the number of boards in all."""


def generate(
    request: Request,
    out: str | os.PathLike[str],
    *,
    format: str = "jsonl",  # noqa: A002 (the option's name)
    workers: int = 1,
    shard: tuple[int, int] = (1, 1),
    ray: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Make one split of a data set.

    A call that was interrupted goes on where it was when it is made again; one that has finished is
    verified instead. Other splits in the same folder are left alone.

    Args:
        request: what the set is made from.
        out: the data set's folder; made if it does not exist.
        format: a key of `vsp_gym.records.FORMATS`.
        workers: processes that make boards; the set is the same for any number.
        shard: `(i, n)`: only the i-th of n parts (from 1, at most 16) is made; together they are the set.
        ray: address of a Ray cluster that makes the boards instead.
        progress: called now and then.

    Returns:
        What `manifest.json` says about the split, and under `"verified"` whether it was there already.

    Raises:
        InfeasibleError: if more boards are asked for than there are; nothing is written.
        UnknownNameError: for an unknown format.
        VSPGymError: if the folder holds another set, is in use or cannot be written, if what it holds is
            damaged, for a wrong number of workers or shard, or if Ray is asked for and not installed.
    """
    make = get_format(format)
    check_int(workers, "workers", 1, MAX_WORKERS, VSPGymError)
    check_shard(shard)
    if ray is not None:
        import_ray()
    folder = Path(out)
    head = {
        "request": request.to_dict(),
        "format": format,
        "shard": list(shard),
        "versions": versions(),
    }
    finished = _find_split(folder, request.split, head)
    if finished is not None:
        _check_files(folder, finished)
        return {**finished, "verified": True}
    plan = make_plan(request)
    with _system_errors(folder), _locked(folder):
        _check_format(folder, format)
        work = _Work(folder, request.split, head)
        units = [unit for unit in plan.units if in_shard(unit.slice, shard)]
        work.make(plan, units, workers, ray, progress)
        return {**work.assemble(plan, units, make), "verified": False}


def check_shard(shard: tuple[int, int]) -> None:
    """Raise `VSPGymError` unless `shard` is `(i, n)` with 1 <= i <= n <= 16."""
    number, count = shard
    check_int(count, "the number of shards", 1, SLICES, VSPGymError)
    check_int(number, "the shard", 1, count, VSPGymError)


def in_shard(number: int, shard: tuple[int, int]) -> bool:
    """Whether a slice belongs to a shard."""
    part, count = shard
    return SLICES * (part - 1) // count <= number < SLICES * part // count


def versions() -> dict[str, Any]:
    """The versions that the bytes of a data set depend on."""
    import zlib

    import numpy as np

    from vsp_gym import __version__

    return {
        "vsp_gym": __version__,
        "schema": SCHEMA_VERSION,
        "numpy": np.__version__,
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
    }


# -- finished sets ----------------------------------------------------------------------------------


def verify_set(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Check that all files of a data set are as its manifest says; returns the manifest.

    Raises:
        FormatError: naming the file that is missing, damaged or wrong.
    """
    path = Path(folder)
    manifest = _read_manifest(path)
    if manifest is None:
        raise FormatError(f"{path} has no {MANIFEST}")
    for split in manifest["splits"].values():
        _check_files(path, split)
    return manifest


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    from vsp_gym.suites.files import parse_json, read_text

    path = folder / MANIFEST
    if not path.exists():
        return None
    try:
        data = parse_json(read_text(path))
        if not isinstance(data, dict) or not isinstance(data.get("splits"), dict):
            raise FormatError("it does not list splits")
        for name, split in data["splits"].items():
            if not isinstance(split, dict) or not isinstance(split.get("files"), dict):
                raise FormatError(f"split {name!r:.40} does not list files")
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None
    return data


def _find_split(folder: Path, split: str, head: dict[str, Any]) -> dict[str, Any] | None:
    """What the manifest says about a split made from the same parameters; None if it is not there."""
    manifest = _read_manifest(folder)
    if manifest is None or split not in manifest["splits"]:
        return None
    found: dict[str, Any] = manifest["splits"][split]
    _check_same(folder, split, found, head, "holds")
    return found


def _check_same(folder: Path, split: str, found: dict[str, Any], head: dict[str, Any], verb: str) -> None:
    differing = [
        f"{name} is {_short(_flat(found).get(name))}, not {_short(value)}"
        for name, value in _flat(head).items()
        if _flat(found).get(name) != value
    ]
    if differing:
        raise VSPGymError(
            f"{folder} {verb} a {split} set made from other parameters ({'; '.join(differing):.400}); "
            "choose another folder"
        )


def _flat(data: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, dict) and name in ("request", "versions", "fractions", "excluded"):
            flat.update(_flat(value, "" if name == "request" else f"{name}."))
        else:
            flat[prefix + name] = value
    return flat


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _check_files(folder: Path, split: dict[str, Any]) -> None:
    for name, stated in split["files"].items():
        path = folder / name
        try:
            actual = describe_path(path)
        except OSError as error:
            raise FormatError(f"{path}: {error.strerror or error}") from None
        if actual != stated:
            raise FormatError(
                f"{path} is not as {MANIFEST} says: {_short(actual)} instead of {_short(stated)}"
            )


# -- unfinished sets --------------------------------------------------------------------------------


class _Work:
    """The hidden folder of an unfinished split.

    Raises:
        VSPGymError: if it holds the beginning of a set made from other parameters.
    """

    def __init__(self, folder: Path, split: str, head: dict[str, Any]) -> None:
        self._folder, self._split, self._head = folder, split, head
        self._root = folder / WORK / split
        self._lanes = self._root / "lanes"
        self._lanes.mkdir(parents=True, exist_ok=True)
        described = self._root / "request.json"
        if described.exists():
            try:
                begun = json.loads(described.read_bytes())
            except ValueError as error:
                raise FormatError(f"{described}: {error}; delete {self._root} to begin anew") from None
            _check_same(folder, split, begun, head, "has begun")
        else:
            write_whole(described, _json(head))

    def make(
        self, plan: Plan, units: list[Unit], workers: int, ray: str | None, progress: Progress | None
    ) -> None:
        """Make the units that are not there yet."""
        for leftover in self._lanes.glob(".*"):
            leftover.unlink(missing_ok=True)
        missing = [
            unit for unit in units if not all(is_whole(lane_path(self._lanes, lane)) for lane in unit.lanes)
        ]
        total = sum(unit.boards for unit in units)
        done = total - sum(unit.boards for unit in missing)

        def report(made: int) -> None:
            if progress is not None:
                progress(done + made, total)

        report(0)
        if ray is None:
            run_units(plan.request, missing, self._lanes, workers, report)
        else:
            run_on_ray(ray, plan.request, missing, self._lanes, report)

    def assemble(self, plan: Plan, units: list[Unit], make: Callable[[Path, str], Writer]) -> dict[str, Any]:
        """Put the data set together, and say so in the manifest."""
        staging = self._root / "whole"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        writer = make(staging, self._split)
        try:
            for number in dict.fromkeys(unit.slice for unit in units):
                lanes = [lane for unit in plan.of_slice(number) for lane in unit.lanes]
                for record in merge(lane_path(self._lanes, lane) for lane in lanes):
                    writer.add(record)
            writer.close()
        finally:
            writer.abort()
        entry = {
            **self._head,
            "count": sum(unit.boards for unit in units),
            "counts": _counts(plan, units),
            "files": writer.checksums(),
        }
        publish(staging, self._folder)
        manifest = _read_manifest(self._folder) or {"splits": {}}
        manifest["splits"] = dict(sorted({**manifest["splits"], self._split: entry}.items()))
        write_whole(self._folder / "README.md", data_card(manifest).encode())
        write_whole(self._folder / MANIFEST, _json(manifest))
        shutil.rmtree(self._root)
        with contextlib.suppress(OSError):  # another split's unfinished set may be there
            (self._folder / WORK).rmdir()
        return entry


def _counts(plan: Plan, units: list[Unit]) -> list[dict[str, Any]]:
    """Boards of every bucket, and how many there are to choose from."""
    made = dict.fromkeys(range(len(plan.buckets)), 0)
    for unit in units:
        for lane in unit.lanes:
            made[lane.bucket] += lane.quota
    return [
        {
            "task": plan.request.parts[bucket.part].task,
            "size": bucket.size,
            "difficulty": bucket.difficulty or "any",
            "part": bucket.part,
            "count": made[position],
            "available": {"count": known.count, "exact": known.exact, "method": known.method},
        }
        for position, (bucket, known) in enumerate(zip(plan.buckets, plan.capacities))
    ]


def _json(data: object) -> bytes:
    return (json.dumps(data, indent=2) + "\n").encode()


def _check_format(folder: Path, name: str) -> None:
    """All splits of a data set have one format."""
    manifest = _read_manifest(folder)
    for split, entry in (manifest or {"splits": {}})["splits"].items():
        if entry.get("format") != name:
            raise VSPGymError(
                f"{folder} holds a {split} set in the format {entry.get('format')}; "
                f"choose another folder for {name}"
            )


@contextlib.contextmanager
def _system_errors(folder: Path) -> Iterator[None]:
    """Turn errors of the file system into ours, which say what to do."""
    try:
        yield
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        where = error.filename or folder
        raise VSPGymError(
            f"{where}: {error.strerror or error}; what is finished is kept, "
            "and the same command goes on from there"
        ) from None


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder; the system lets go when the process ends, however it ends."""
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{WORK}.lock"
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise VSPGymError(f"{folder} is being written by another run") from None
            try:
                ours = os.fstat(descriptor).st_ino == os.stat(path).st_ino
            except FileNotFoundError:
                ours = False
            if not ours:  # the run before has just removed the file that we have opened
                continue
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return
        finally:
            os.close(descriptor)
