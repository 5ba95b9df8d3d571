"""What the subcommands share: kinds of options, and reading boards from the command line."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from vsp_gym.core import Layout
from vsp_gym.envs import TASKS, get_task
from vsp_gym.envs.base import DIFFICULTIES, Difficulty, PlanningTask
from vsp_gym.envs.env import check_layout
from vsp_gym.errors import FormatError, UnknownNameError, VSPGymError
from vsp_gym.evaluation.results import parse_json
from vsp_gym.scoring import CONVENTIONS


class TaskType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.2
    """A task by its name; case, `-` and `_` do not matter."""

    name = "task"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> PlanningTask[Any, Any]:
        try:
            return get_task(value)
        except UnknownNameError as error:
            self.fail(str(error), param, ctx)


def use_color() -> bool:
    """Whether to colour what goes to stdout: a terminal, and nobody has set `NO_COLOR`."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def examples(*lines: str) -> str:
    """An epilog that lists commands to try, one a line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def convention_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--convention`, shared by the commands that judge plans."""
    return click.option(
        "--convention",
        type=click.Choice(list(CONVENTIONS)),
        default="strict",
        show_default=True,
        help="How illegal moves and the goal are judged.",
    )(command)


def board_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--task`, `--size`, `--difficulty` and `--layout`, which say what board is meant."""
    names = ", ".join(name.replace("_", "-") for name in TASKS)
    for option in (
        click.option("--layout", metavar="FILE|JSON", help="A board instead of random ones."),
        click.option("--difficulty", type=click.Choice(DIFFICULTIES), help="Bucket of the optimal length."),
        click.option("--size", type=int, help="Cells a side.  [default: the task's]"),
        click.option("--task", type=TaskType(), help=f"{names}."),
    ):
        command = option(command)
    return command


def boards_of(
    task: PlanningTask[Any, Any] | None,
    size: int | None,
    difficulty: Difficulty | None,
    layout: str | None,
    seed: int | None,
) -> tuple[PlanningTask[Any, Any], Iterator[Layout]]:
    """The task and the endless series of boards that `board_options` and a seed describe."""
    if layout is not None:
        if size is not None or difficulty is not None:
            raise click.UsageError("--layout excludes --size and --difficulty")
        task, board = read_layout(task, layout)
        return task, itertools.repeat(board)
    if task is None:
        raise click.UsageError("give --task for random boards, or --layout for a certain one")
    try:
        size = task.check_size(task.default_size if size is None else size)
    except VSPGymError as error:
        raise click.BadParameter(str(error), param_hint="--size") from None
    return task, _draw_boards(task, size, difficulty, np.random.default_rng(seed))


def _draw_boards(
    task: PlanningTask[Any, Any], size: int, difficulty: Difficulty | None, rng: np.random.Generator
) -> Iterator[Layout]:
    while True:
        yield task.generator.sample(rng, size, difficulty)


def read_layout(task: PlanningTask[Any, Any] | None, source: str) -> tuple[PlanningTask[Any, Any], Layout]:
    """A board from JSON text or from the JSON file of that name.

    The JSON is the layout itself, or an object with `task` and `layout` as `vsp-gym show --out
    board.json` writes it; `task` may be None for the latter only.

    Raises:
        FormatError: for a file or JSON that cannot be read.
        LayoutError: for a board that breaks the task's rules.
        UnknownNameError: for an unknown task.
    """
    if source.lstrip()[:1] == "{":
        data = parse_json(source)
    else:
        try:
            data = parse_json(Path(source).read_bytes())
        except (OSError, ValueError) as error:
            raise FormatError(f"{source}: {getattr(error, 'strerror', None) or error}") from None
    if isinstance(data, dict) and "layout" in data:
        named = get_task(data["task"]) if "task" in data else task
        if task is not None and named is not task:
            raise VSPGymError(f"--task {task.name} contradicts the board, which is for {data['task']!r}")
        task, data = named, data["layout"]
    if task is None:
        raise click.UsageError("--task is needed: the layout does not name its task")
    if not isinstance(data, dict):
        raise FormatError(f"a layout is a JSON object, not {data!r:.80}")
    return task, check_layout(task, data)
