"""What a published benchmark looks like to the rest of the package: items, errors, readers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from vsp_gym.core import AnyTask, Layout, Plan
from vsp_gym.envs import TASKS
from vsp_gym.errors import FormatError


class Verdict(NamedTuple):
    """Whether something that was published is true of the board that it was published for."""

    valid: bool
    """Whether it is true (a plan: whether it succeeds)."""
    optimal: bool | None = None
    """For a plan, whether no shorter one succeeds; None for anything else."""
    problem: str | None = None
    """One sentence about what is wrong; None if nothing is."""


@dataclass(frozen=True)
class Claim(ABC):
    """One thing that a benchmark publishes about a board, and that the rules can confirm or refute."""

    source: Path
    """The file that says it."""

    is_answer: ClassVar[bool] = False
    """Whether it answers the benchmark's question, rather than describing the board once more."""

    @abstractmethod
    def check(self, task: AnyTask, layout: Layout) -> Verdict:
        """Judge the claim by the rules and the oracle of `task`."""

    @property
    def reference(self) -> Plan | None:
        """The plan that is published as a solution, if the claim is one."""
        return None


@dataclass(frozen=True)
class SuiteItem:
    """One board of a published benchmark, with everything that was published about it."""

    suite: str
    """Key in `SUITES`."""
    part: str
    """The benchmark's own name of the task or data set: `"task-main"`, `"minibehaviour"`."""
    level: str
    """The level as the benchmark names it, without the word: `"3"`, `"step9"`."""
    id: str
    """Name of the board within its part and level."""
    task: str
    """Key in `vsp_gym.TASKS`."""
    layout: Layout
    source: Path
    """The file that the layout was read from."""
    line: int | None = None
    """Line (from 1) of a JSONL file."""
    image: Path | None = None
    """The published picture, if it lies in the checkout. It is never opened here."""
    claims: tuple[Claim, ...] = ()

    @property
    def plan(self) -> Plan | None:
        """The published solution, or None if there is none."""
        return next((claim.reference for claim in self.claims if claim.reference is not None), None)

    def check(self) -> Iterator[tuple[Claim, Verdict]]:
        """Judge every claim."""
        task = TASKS[self.task]
        for claim in self.claims:
            yield claim, claim.check(task, self.layout)


@dataclass(frozen=True)
class SuiteError:
    """A file, or a line of it, that cannot be read. A value, not an exception: reading goes on."""

    part: str
    level: str
    """Empty if the file is so broken that its level is unknown."""
    path: Path
    reason: str
    line: int | None = None
    """Line (from 1) of a JSONL file, or None for the whole file."""


class Suite(ABC):
    """Reads one published benchmark. Files are only read, and never trusted."""

    name: ClassVar[str]
    """Key in `SUITES`."""
    title: ClassVar[str]
    """What it is and where it is published."""
    roots: ClassVar[tuple[str, ...]] = ("",)
    """Where, relative to the path that a user gives, `parts` may lie; the first that has one counts."""
    parts: ClassVar[tuple[str, ...]]
    """Paths, relative to the root, of the folders and files that the benchmark consists of."""

    def find_root(self, path: Path) -> Path:
        """The folder below `path` that holds the benchmark's parts.

        Raises:
            FormatError: if there is none; the message says what was looked for.
        """
        for root in self.roots:
            if any((path / root / part).exists() for part in self.parts):
                return path / root
        looked_for = ", ".join(self.parts)
        inside = " or ".join(f"{path / root}" for root in self.roots)
        raise FormatError(f"no {self.title} here: none of {looked_for} in {inside}")

    def absent(self, root: Path) -> tuple[str, ...]:
        """Those of `parts` that are not in `root`."""
        return tuple(part for part in self.parts if not (root / part).exists())

    @abstractmethod
    def read(self, root: Path) -> Iterator[SuiteItem | SuiteError]:
        """All boards below the folder that `find_root` found, one at a time."""


def not_empty(
    stream: Iterable[SuiteItem | SuiteError], part: str, level: str, path: Path
) -> Iterator[SuiteItem | SuiteError]:
    """What is read from `path`, or the error that there is nothing: an empty folder is no success."""
    empty = True
    for found in stream:
        empty = False
        yield found
    if empty:
        yield SuiteError(part, level, path, "there is no board in it")
