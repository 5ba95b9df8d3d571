"""The `vsp-gym` command: one module a subcommand, imported when it is called."""

from __future__ import annotations

import importlib
from typing import cast

import click

from vsp_gym.errors import VSPGymError

COMMANDS = {
    "demo": "Draw boards, let built-in agents plan, and write a report.",
    "generate": "Make a data set of boards.",
    "leaks": "Find boards that data sets and benchmarks have in common.",
    "show": "Print or save a board.",
    "play": "Play a board yourself, in the terminal or a window.",
    "evaluate": "Ask any model about boards, and judge what it replies.",
    "score": "Judge one reply, or a stream of them.",
    "report": "Sum up runs, as a page or as numbers.",
    "verify": "Check the published answers of a benchmark.",
}
"""Subcommand to its one-line help. `vsp_gym.cli.<name>` holds a click command `command`."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return cast("click.Command", importlib.import_module(f"vsp_gym.cli.{cmd_name}").command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except VSPGymError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vsp-gym")
def main() -> None:
    """Visual spatial planning: boards as pictures and as words, oracles, scores and reports."""
