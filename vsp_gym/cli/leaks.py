"""`vsp-gym leaks`: boards that data sets and benchmarks have in common."""

from __future__ import annotations

import sys

import click
from rich import box
from rich.console import Console
from rich.table import Table

from vsp_gym.cli.options import examples
from vsp_gym.generation.leaks import Overlap, find_leaks


@click.command(
    epilog=examples(
        "vsp-gym leaks data",
        "vsp-gym leaks data/train.jsonl other/test.parquet",
        "vsp-gym leaks data ucsb-vsp=Visual-Spatial-Planning",
    )
)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
def command(sources: tuple[str, ...]) -> None:
    """Find boards that data sets and benchmarks have in common, exactly or mirrored.

    A SOURCE is a data set's folder or file (JSONL, Parquet, MGSD's folders), or a published benchmark as
    NAME=PATH. A folder with several splits counts as several sources.

    Exits with 1 if two sources have a board in common. Boards that a source itself has twice are
    listed, but are no leak.
    """
    overlaps = find_leaks(sources)
    table = Table(title="Boards in common", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("source", "with"):
        table.add_column(column, overflow="fold")
    for column in ("equal", "mirrored"):
        table.add_column(column, justify="right")
    for overlap in overlaps:
        second = "itself" if overlap.first == overlap.second else overlap.second
        table.add_row(overlap.first, second, f"{overlap.exact:,}", f"{overlap.mirrored:,}")
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    leaks = [overlap for overlap in overlaps if overlap.is_leak]
    for overlap in leaks:
        _print_examples(overlap)
    click.echo(f"{len(leaks)} of {sum(o.first != o.second for o in overlaps)} pairs of sources leak.")
    if leaks:
        sys.exit(1)


def _print_examples(overlap: Overlap) -> None:
    for ours, theirs in overlap.examples:
        click.echo(f"{overlap.first}: {ours} is {overlap.second}: {theirs}")
