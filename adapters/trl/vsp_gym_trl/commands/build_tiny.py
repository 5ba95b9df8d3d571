"""`vsp-gym-trl build-tiny`."""

from __future__ import annotations

import click

from vsp_gym.render import THEMES
from vsp_gym_trl.tiny import PRESETS, build_tiny

_SIZES = "; ".join(f"{name}: {preset.about}" for name, preset in PRESETS.items())


@click.command(epilog="\b\nExample:\n  vsp-gym-trl build-tiny --out models/small --preset small")
@click.option("--out", required=True, type=click.Path(), help="A new folder.")
@click.option(
    "--preset", type=click.Choice(list(PRESETS)), default="small", show_default=True, help=_SIZES + "."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the weights.")
@click.option(
    "--theme",
    type=click.Choice(list(THEMES)),
    default="classic",
    show_default=True,
    help="Look of the pictures.",
)
def command(out: str, preset: str, seed: int, theme: str) -> None:
    """Make a Qwen3-VL with random weights and a tokenizer built from the suite's prompts."""
    weights = build_tiny(out, preset, seed=seed, theme=theme)
    click.echo(f"{out}: a Qwen3-VL with {weights / 1e6:.2f} million weights")
