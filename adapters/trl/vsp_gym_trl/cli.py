"""The `vsp-gym-trl` command: one module a subcommand, imported when it is called."""

from __future__ import annotations

import importlib

import click

from vsp_gym.errors import VSPGymError

COMMANDS = {
    "demo": "See a model learn to plan from pictures, on two processor cores.",
    "build-tiny": "Make a small Qwen3-VL with random weights.",
    "sft": "Teach a model to read pictures, or to plan.",
    "opcd": "Distil a reader of words into a student that sees pictures.",
    "evaluate": "Measure planning and perception on held-out boards.",
}
"""Subcommand to its one-line help. `vsp_gym_trl.commands.<name>` holds a click command `command`."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"vsp_gym_trl.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except VSPGymError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vsp-gym-trl")
def main() -> None:
    """Teach a vision-language model to plan from pictures, and measure what it learned."""
