"""`vsp-gym-trl demo`."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from vsp_gym_trl.demo import PRESETS, run_demo

_ABOUT = "; ".join(f"{name}: {preset.about}" for name, preset in PRESETS.items())


@click.command(epilog="\b\nExample:\n  vsp-gym-trl demo --out demo")
@click.option("--out", required=True, type=click.Path(), help="A new folder.")
@click.option(
    "--preset", type=click.Choice(list(PRESETS)), default="default", show_default=True, help=f"{_ABOUT}."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True)
def command(out: str, preset: str, seed: int, threads: int) -> None:
    """See a model learn to plan from pictures: the modality gap, and how distillation closes it."""
    demo = run_demo(out, preset, seed=seed, threads=threads, say=click.echo)
    head, *rows = demo.table()
    table = Table(title="Right replies on held-out boards", title_justify="left")
    for number, cell in enumerate(head):
        table.add_column(cell, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    click.echo(f"{out}/report.html tells the story; {out}/model is the model ({demo.seconds():.0f} s)")
