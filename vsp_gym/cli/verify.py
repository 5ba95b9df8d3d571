"""`vsp-gym verify`: check the published answers of a benchmark."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import click
from rich import box
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from vsp_gym.cli.options import examples
from vsp_gym.errors import VSPGymError
from vsp_gym.suites import SUITES, LevelReport, VerifyReport, verify_suite

MAX_LISTED = 50
"""How many disagreements, and how many broken files, are listed without `--all`."""


@click.command(
    epilog=examples(
        "vsp-gym verify --suite ucsb-vsp Visual-Spatial-Planning",
        "vsp-gym verify --suite visualplanning VisualPlanning/dataset --json report.json",
        "vsp-gym verify --suite mgsd data --limit 20",
    )
)
@click.option("--suite", type=click.Choice(list(SUITES)), required=True, help="Which benchmark it is.")
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--json",
    "json_path",
    metavar="FILE",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Also write the whole report as JSON.",
)
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Check only N boards of each part and level."
)
@click.option(
    "--all", "list_all", is_flag=True, help=f"List everything that is wrong, not only {MAX_LISTED}."
)
def command(suite: str, path: Path, json_path: Path | None, limit: int | None, list_all: bool) -> None:
    """Check what a benchmark publishes against the rules and the oracle.

    PATH is your copy of the published checkout, or the folder in it that holds the task folders. Text is
    read, pictures are not. Everything that disagrees, and every file that cannot be read, is listed.

    answers: published solutions and answers; valid: those that are right; optimal: plans in the fewest
    actions; facts: whatever else is stated about a board (further notations, sizes, distances).

    Exit status: 0 if all agrees, 1 if anything disagrees or is broken, 2 for wrong usage.
    """
    with _progress() as progress:
        try:
            report = verify_suite(suite, path, limit=limit, progress=progress)
        except VSPGymError as error:
            raise click.UsageError(str(error)) from error
    _print(report, list_all)
    if json_path is not None:
        try:
            json_path.write_text(json.dumps(report.to_dict(), indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise click.UsageError(f"{json_path} cannot be written: {error.strerror or error}") from error
    if not report.ok:
        click.get_current_context().exit(1)


@contextmanager
def _progress() -> Iterator[Callable[[int], object] | None]:
    """A counter on stderr while boards are checked, if stderr is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.completed} boards checked"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        shown = bar.add_task("", total=None)
        yield lambda boards: bar.update(shown, completed=boards)


def _print(report: VerifyReport, list_all: bool) -> None:
    click.echo(printable(f"{report.suite}: {report.root}"))
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("part", "level"):
        table.add_column(heading)
    for heading in ("boards", "answers", "valid", "optimal", "facts", "wrong", "broken"):
        table.add_column(heading, justify="right")
    for row in report.levels:
        table.add_row(*_cells(row))
    table.add_section()
    table.add_row(*_cells(report.total), style="bold")
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 120  # a log has no width to fit
    console.print(table)
    for part in report.absent:
        click.echo(f"not in this folder: {part}")
    _list("disagreement", report.disagreements, list_all, lambda d: f"{_where(d)}: board {d.id}: {d.problem}")
    _list("broken file", report.errors, list_all, lambda e: f"{_where(e)}: {e.reason}")
    if report.ok:
        click.echo("Everything agrees.")


def _cells(row: LevelReport) -> list[str]:
    counts = (
        row.boards,
        row.answers or "",
        row.valid if row.answers else "",
        row.optimal if row.plans else "",
        row.statements,
        row.disagreements,
        row.broken,
    )
    return [printable(row.part), printable(row.level), *map(str, counts)]


class _Located(Protocol):
    @property
    def path(self) -> Path: ...
    @property
    def line(self) -> int | None: ...


_LocatedT = TypeVar("_LocatedT", bound=_Located)


def _where(found: _Located) -> str:
    return f"{found.path}:{found.line}" if found.line is not None else f"{found.path}"


def _list(kind: str, found: Sequence[_LocatedT], list_all: bool, line: Callable[[_LocatedT], str]) -> None:
    """Print what was found, one a line; without `list_all` at most `MAX_LISTED` of it."""
    if not found:
        return
    click.echo(f"\n{len(found)} {kind}{'s' * (len(found) > 1)}:")
    shown = found if list_all else found[:MAX_LISTED]
    for one in shown:
        click.echo(f"  {printable(line(one))}")
    if len(shown) < len(found):
        click.echo(f"  ... and {len(found) - len(shown)} more; --all lists them")


def printable(text: str) -> str:
    """`text` without control characters and lone surrogates: names and values come from files."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )
