"""The `vsp-gym` command: one module a subcommand, imported when it is called."""

from __future__ import annotations

import click

from vsp_gym.cli.lazy import LazyGroup

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


@click.group(
    cls=LazyGroup,
    package="vsp_gym.cli",
    summaries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="vsp-gym")
def main() -> None:
    """Visual spatial planning: boards as pictures and as words, oracles, scores and reports."""
