"""`python -m benchmarks NAME`: one command a benchmark."""

from __future__ import annotations

import importlib

import click

BENCHMARKS = {
    "core": "Stepping, rendering, solving and importing, against Gymnasium, EnvPool and MGSD.",
    "evaluation": "Evaluating a model: requests a second and memory, against MGSD's evaluator.",
    "summary": "Summing up 100,000 rows of an evaluation, and the page about them.",
    "generation": "Making data sets, against MGSD's generators.",
    "learning": "Training from random weights: the modality gap, and distillation against its alternatives.",
}
"""Name to one-line help. `benchmarks.<name>` holds a click command `command`."""


class _Group(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(BENCHMARKS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in BENCHMARKS:
            return None
        command: click.Command = importlib.import_module(f"benchmarks.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Benchmarks"):
            formatter.write_dl(list(BENCHMARKS.items()))


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure VSP-Gym against the alternatives, on the same work in the same run.

    Every benchmark prints a table and, with --json FILE, writes its numbers.
    """


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
