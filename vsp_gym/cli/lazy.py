"""Groups of commands that are imported when they are called, so that `--help` and errors are quick."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, cast

import click

from vsp_gym.errors import VSPGymError


class LazyGroup(click.Group):
    """A group whose commands are the `command` of one module each; errors of VSP-Gym become its message.

    Args:
        package: where the modules are, by the commands' names with underscores.
        summaries: the commands' names and what the group's help says of each.
        attributes: as for `click.Group`.
    """

    def __init__(self, *, package: str, summaries: Mapping[str, str], **attributes: Any) -> None:
        super().__init__(**attributes)
        self._package, self._summaries = package, summaries

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._summaries:
            return None
        module = importlib.import_module(f"{self._package}.{cmd_name.replace('-', '_')}")
        return cast("click.Command", module.command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self._summaries.items()))

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except VSPGymError as error:
            raise click.ClickException(str(error)) from error
