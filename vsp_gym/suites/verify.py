"""`verify_suite`: what a benchmark publishes, checked against the rules, the oracle and the scorer."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vsp_gym.errors import FormatError, VSPGymError
from vsp_gym.suites.base import SuiteError, SuiteItem
from vsp_gym.suites.registry import check_folder, get_suite


@dataclass
class LevelReport:
    """Counts of one level of one part."""

    part: str
    level: str
    boards: int = 0
    """Boards read."""
    answers: int = 0
    """Published answers checked: plans, trajectories, yes or no, choices."""
    valid: int = 0
    """Answers that are right; plans that succeed."""
    plans: int = 0
    """Answers that are plans or trajectories."""
    optimal: int = 0
    """Plans that succeed in the fewest actions."""
    statements: int = 0
    """Everything else that is published about the boards: further notations, sizes, distances."""
    confirmed: int = 0
    """Statements that are true."""
    disagreements: int = 0
    """Answers and statements that are wrong, and plans that are not optimal."""
    broken: int = 0
    """Files, or lines of files, that cannot be read."""

    def add(self, other: LevelReport) -> None:
        """Add the counts of `other`."""
        for name, value in asdict(other).items():
            if isinstance(value, int):
                setattr(self, name, getattr(self, name) + value)


@dataclass(frozen=True)
class Disagreement:
    """Something published that the rules refute."""

    part: str
    level: str
    id: str
    """Name of the board."""
    path: Path
    """The file that says it."""
    line: int | None
    """Line (from 1) of a JSONL file."""
    problem: str
    """One sentence."""


@dataclass
class VerifyReport:
    """The outcome of `verify_suite`."""

    suite: str
    root: Path
    """The folder below which the benchmark was found."""
    absent: tuple[str, ...] = ()
    """Parts of the benchmark that are not there."""
    levels: list[LevelReport] = field(default_factory=list)
    """In the order of reading."""
    disagreements: list[Disagreement] = field(default_factory=list)
    errors: list[SuiteError] = field(default_factory=list)
    """Files that cannot be read."""

    @property
    def ok(self) -> bool:
        """Whether everything could be read and agrees."""
        return not self.disagreements and not self.errors

    @property
    def total(self) -> LevelReport:
        """The sum of all levels."""
        total = LevelReport("total", "")
        for level in self.levels:
            total.add(level)
        return total

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON types; paths are relative to `root`."""
        return {
            "suite": self.suite,
            "root": str(self.root),
            "ok": self.ok,
            "absent": list(self.absent),
            "levels": [asdict(level) for level in self.levels],
            "total": {name: n for name, n in asdict(self.total).items() if isinstance(n, int)},
            "disagreements": [self._relative(asdict(found)) for found in self.disagreements],
            "errors": [self._relative(asdict(error)) for error in self.errors],
        }

    def _relative(self, entry: dict[str, Any]) -> dict[str, Any]:
        return {**entry, "path": entry["path"].relative_to(self.root).as_posix()}


def verify_suite(
    name: str,
    path: str | os.PathLike[str],
    *,
    limit: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> VerifyReport:
    """Check everything that a benchmark publishes about its boards.

    Args:
        name: key in `SUITES`.
        path: the published checkout, or the folder in it that holds the task folders.
        limit: how many boards of each part and level to check; all for None.
        progress: called after every board with the number of boards so far.

    Raises:
        UnknownNameError: for an unknown suite.
        FormatError: if there is nothing of that benchmark in `path`, not even a broken file.
        VSPGymError: for a limit below 1.
    """
    if limit is not None and limit < 1:
        raise VSPGymError(f"limit must be at least 1, not {limit}")
    suite = get_suite(name)
    root = suite.find_root(check_folder(path))
    report = VerifyReport(suite.name, root, suite.absent(root))
    rows: dict[tuple[str, str], LevelReport] = {}
    boards = 0
    for found in suite.read(root):
        key = found.part, found.level
        if key not in rows:
            rows[key] = LevelReport(*key)
            report.levels.append(rows[key])
        row = rows[key]
        if isinstance(found, SuiteError):
            row.broken += 1
            report.errors.append(found)
        elif limit is None or row.boards < limit:
            _check(found, row, report)
            boards += 1
            if progress is not None:
                progress(boards)
    if not report.levels:
        raise FormatError(f"{root} has the folders of a {suite.title}, but no board in them")
    return report


def _check(item: SuiteItem, row: LevelReport, report: VerifyReport) -> None:
    row.boards += 1
    for claim, verdict in item.check():
        if claim.is_answer:
            row.answers += 1
            row.valid += verdict.valid
            row.plans += verdict.optimal is not None
            row.optimal += bool(verdict.optimal)
        else:
            row.statements += 1
            row.confirmed += verdict.valid
        if verdict.problem is not None:
            row.disagreements += 1
            report.disagreements.append(
                Disagreement(item.part, item.level, item.id, claim.source, item.line, verdict.problem)
            )
