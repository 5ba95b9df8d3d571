"""`vsp-gym report`: runs as a page, or as numbers for a paper."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from vsp_gym.cli.options import examples
from vsp_gym.evaluation.export import to_csv, to_json, to_markdown
from vsp_gym.evaluation.metrics import summarise
from vsp_gym.evaluation.report import GALLERY, is_report, render_report
from vsp_gym.evaluation.results import open_runs, write_whole
from vsp_gym.evaluation.summary import Summary
from vsp_gym.evaluation.table import read_table
from vsp_gym.render import THEMES

FORMATS = {".html": "html", ".json": "json", ".csv": "csv", ".md": "md"}


@click.command(
    epilog=examples(
        "vsp-gym report runs/qwen --out report.html",
        "vsp-gym report runs/before runs/after --out compared.html",
        "vsp-gym report runs/qwen",
        "vsp-gym report runs/qwen --out numbers.csv",
    )
)
@click.argument(
    "runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(exists=True, path_type=Path)
)
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; without it tables go to stdout.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(list(FORMATS.values())),
    help="html: a page; json: everything; csv: a number a line; md: tables.  [default: as FILE ends, or md]",
)
@click.option("--title", default="Visual spatial planning", show_default=True, help="Heading.")
@click.option(
    "--theme",
    type=click.Choice(list(THEMES)),
    default="classic",
    show_default=True,
    help="Look of the page's boards.",
)
@click.option(
    "--gallery",
    type=click.IntRange(0, 100_000),
    default=GALLERY,
    show_default=True,
    help="Replies in the page's gallery at most; numbers are always over all.",
)
def command(
    runs: tuple[Path, ...], out: Path | None, kind: str | None, title: str, theme: str, gallery: int
) -> None:
    """Sum up runs of vsp-gym evaluate, and explain the gap between pictures and words.

    A RUN is the folder of a run, or its results.jsonl. With several, each is compared with the first on
    the boards that both have replies to.

    Rates are averaged over the sizes of a task and then over tasks. Intervals are 95% bootstraps over
    boards. Rows without a reply are counted apart. A page is one file that needs no network; an existing
    file that is no such page is not replaced by one.
    """
    kind = kind or ("md" if out is None else FORMATS.get(out.suffix.lower()))
    if kind is None:
        raise click.UsageError(f"--out {out} ends in none of {', '.join(FORMATS)}; give --format")
    if kind == "html" and out is None:
        raise click.UsageError("a page needs --out FILE")
    with _progress() as progress:
        table = read_table(open_runs(runs), progress)
    summary = summarise(table)
    if kind == "html":
        text = render_report(table, summary, title=title, theme=theme, gallery=gallery)
    else:
        text = _WRITERS[kind](summary, title).encode("utf-8", "replace").decode("utf-8")  # half characters
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        if kind == "html" and out.exists() and not is_report(out):
            raise click.ClickException(f"{out} exists and is no report; choose another --out")
        write_whole(out, text)
    except OSError as error:
        raise click.ClickException(f"{error.filename or out}: {error.strerror or error}") from None
    click.echo(f"{summary.rows:,} rows in {out}")
    if kind == "html":
        click.echo(f"Open {out.resolve().as_uri()} in a browser.")


_WRITERS: dict[str, Callable[[Summary, str], str]] = {
    "json": lambda summary, title: to_json(summary),
    "csv": lambda summary, title: to_csv(summary),
    "md": to_markdown,
}


@contextmanager
def _progress() -> Iterator[Callable[[int], object] | None]:
    """A counter on stderr while rows are read, if stderr is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.completed} rows read"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        shown = bar.add_task("", total=None)
        yield lambda rows: bar.update(shown, completed=rows)
