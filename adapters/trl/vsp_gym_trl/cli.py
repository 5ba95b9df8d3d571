"""The `vsp-gym-trl` command: one module a subcommand, imported when it is called."""

from __future__ import annotations

import click

from vsp_gym.cli.lazy import LazyGroup

COMMANDS = {
    "demo": "See a model learn to plan from pictures, on two processor cores.",
    "build-tiny": "Make a small Qwen3-VL with random weights.",
    "sft": "Teach a model to read pictures, or to plan.",
    "opcd": "Distil a reader of words into a student that sees pictures.",
    "evaluate": "Measure planning and perception on held-out boards.",
}
"""Subcommand to its one-line help. `vsp_gym_trl.commands.<name>` holds a click command `command`."""


@click.group(
    cls=LazyGroup,
    package="vsp_gym_trl.commands",
    summaries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="vsp-gym-trl")
def main() -> None:
    """Teach a vision-language model to plan from pictures, and measure what it learned."""
