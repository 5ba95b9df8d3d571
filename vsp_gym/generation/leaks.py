"""Boards that data sets and benchmarks have in common, exactly or as mirror images."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from vsp_gym.core import Layout
from vsp_gym.envs import get_task
from vsp_gym.envs.base import PlanningTask
from vsp_gym.errors import FormatError, UnknownNameError
from vsp_gym.records.reading import find_files, read_samples
from vsp_gym.symmetry import board_key, orbit_key

EXAMPLES = 3
"""Boards that an overlap names."""


class Named(NamedTuple):
    """A board of a source."""

    id: str
    key: str
    orbit: str


@dataclass(frozen=True)
class Overlap:
    """What two sources have in common, or a source with itself."""

    first: str
    second: str
    exact: int
    """Boards of `second` that are in `first`. Of a source with itself: boards that are there once more."""
    mirrored: int
    """Boards of `second` whose mirror image, and not the board itself, is in `first`."""
    examples: tuple[tuple[str, str], ...] = ()
    """Names of some of them, in `first` and in `second`."""

    @property
    def is_leak(self) -> bool:
        """Whether there is an overlap between two sources; duplicates within one are no leak."""
        return self.first != self.second and bool(self.exact or self.mirrored)


def find_leaks(sources: Iterable[str | os.PathLike[str]]) -> list[Overlap]:
    """Compare data sets and benchmarks, each with itself and with every other one.

    A folder with several splits counts as that many sources.

    Args:
        sources: data sets (see `vsp_gym.records.read_samples`), or benchmarks as `NAME=PATH` with a
            key of `vsp_gym.suites.SUITES`.

    Returns:
        One `Overlap` for every source, then one for every pair.

    Raises:
        FormatError: if a source cannot be read or is given twice.
        UnknownNameError: for an unknown benchmark.
    """
    named: dict[str, list[Named]] = {}
    for source in sources:
        for name, boards in open_source(os.fspath(source)):
            if name in named:
                raise FormatError(f"{name} is given twice")
            named[name] = list(boards)
    alone = [_inside(name, boards) for name, boards in named.items()]
    return alone + [_between(a, named[a], b, named[b]) for a, b in combinations(named, 2)]


def open_source(source: str) -> Iterator[tuple[str, Iterator[Named]]]:
    """The boards of a source, for each of its splits under a name of its own."""
    suite, equals, path = source.partition("=")
    if equals and not Path(source).exists():
        yield source, _suite_boards(suite, path)
        return
    folder = Path(source)
    files = find_files(folder) if folder.is_dir() else []
    for file in files if len(files) > 1 else [folder]:
        samples = read_samples(file, images=False, verify=False)
        yield str(file), (_named(get_task(s.task), s.board(), s.id) for s in samples)


def _suite_boards(name: str, path: str) -> Iterator[Named]:
    from vsp_gym.suites import SUITES, SuiteItem, read_suite

    if name not in SUITES:
        raise UnknownNameError("suite", name, SUITES)
    for item in read_suite(name, path):
        if isinstance(item, SuiteItem):
            yield _named(get_task(item.task), item.layout, f"{item.part}/{item.level}/{item.id}")
        else:
            raise FormatError(f"{item.path}: {item.reason}")


def _named(task: PlanningTask[Any, Any], layout: Layout, name: str) -> Named:
    board = task.generator.form.encode(layout)
    return Named(name, board_key(task.name, board), orbit_key(task.name, task.generator.form, board))


def suite_orbits(name: str, path: str | os.PathLike[str]) -> frozenset[str]:
    """The orbit keys of all boards of a benchmark, for `Request.exclude`.

    Raises:
        UnknownNameError: for an unknown benchmark.
        FormatError: if it is not there, or one of its boards cannot be read (it could not be kept out).
    """
    return frozenset(board.orbit for board in _suite_boards(name, os.fspath(path)))


def _inside(name: str, boards: list[Named]) -> Overlap:
    keys = Counter(board.key for board in boards)
    orbits = Counter(board.orbit for board in boards)
    exact = sum(count - 1 for count in keys.values())
    return Overlap(name, name, exact, sum(count - 1 for count in orbits.values()) - exact)


def _between(first: str, ours: list[Named], second: str, theirs: list[Named]) -> Overlap:
    by_key = {board.key: board.id for board in ours}
    by_orbit = {board.orbit: board.id for board in ours}
    exact = [(by_key[board.key], board.id) for board in theirs if board.key in by_key]
    mirrored = [
        (by_orbit[board.orbit], board.id)
        for board in theirs
        if board.orbit in by_orbit and board.key not in by_key
    ]
    examples = (exact + mirrored)[:EXAMPLES]
    return Overlap(first, second, len(exact), len(mirrored), tuple(examples))
