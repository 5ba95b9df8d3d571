"""`vsp-gym show`: print or save a board."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from vsp_gym.cli.options import TaskType, convention_option, examples, read_layout
from vsp_gym.core import Layout, Plan
from vsp_gym.envs.base import DIFFICULTIES, Difficulty, PlanningTask
from vsp_gym.errors import VSPGymError
from vsp_gym.evaluation.results import write_whole
from vsp_gym.planning import solve
from vsp_gym.plans import format_plan, parse_plan
from vsp_gym.render import THEMES, render_ansi, render_gif, render_png
from vsp_gym.scoring import rollout, score_plan
from vsp_gym.text import describe

KINDS = (".png", ".gif", ".txt", ".json")


@click.command(
    epilog=examples(
        "vsp-gym show --task maze --size 5 --seed 3",
        "vsp-gym show --task frozen-lake --size 8 --difficulty hard --out lake.png",
        "vsp-gym show --task mini-behaviour --plan 'L,L,PICK' --out plan.gif",
        "vsp-gym show --layout board.json --out board.txt",
    )
)
@click.option("--task", type=TaskType(), help="frozen-lake, maze, mini-behaviour.")
@click.option("--size", type=int, help="Cells a side.  [default: the task's]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Which random board.")
@click.option("--difficulty", type=click.Choice(DIFFICULTIES), help="Bucket of the optimal length.")
@click.option("--layout", metavar="FILE|JSON", help="A board instead of a random one.")
@click.option("--plan", metavar="TEXT", help="A plan to carry out: DDRR, or L,L,PICK,D,DROP.")
@convention_option
@click.option(
    "--theme", type=click.Choice(list(THEMES)), default="classic", show_default=True, help="Look of pictures."
)
@click.option("--image-size", type=int, default=512, show_default=True, help="Pixels of the longer side.")
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Save instead: .png the board, .gif the plan or a shortest one, .txt the words, .json the layout.",
)
def command(
    task: PlanningTask[Any, Any] | None,
    size: int | None,
    seed: int,
    difficulty: Difficulty | None,
    layout: str | None,
    plan: str | None,
    convention: str,
    theme: str,
    image_size: int,
    out: Path | None,
) -> None:
    """Print or save a board.

    Prints the board, its description, the length of a shortest plan and, with --plan, how that plan
    ends; with --out, saves it. A seed gives the board that `gym.make(...).reset(seed=...)` starts with.
    With --plan, a picture or a text shows the board after the plan.
    """
    if out is not None and out.suffix.lower() not in KINDS:
        raise click.BadParameter(f"{out.name!r} must end in {', '.join(KINDS)}", param_hint="--out")
    if layout is not None:
        if size is not None or difficulty is not None:
            raise click.UsageError("--layout excludes --size and --difficulty")
        task, board = read_layout(task, layout)
    elif task is None:
        raise click.UsageError("give --task for a random board, or --layout for a certain one")
    else:
        size = task.check_size(task.default_size if size is None else size)
        board = task.generator.sample(np.random.default_rng(seed), size, difficulty)
    actions = None if plan is None else _read_plan(task, plan)
    if out is None:
        _print(task, board, actions, convention)
        return
    try:
        _save(out, task, board, actions, convention, theme, image_size)
    except OSError as error:
        raise click.ClickException(f"{error.filename or out}: {error.strerror or error}") from None
    click.echo(f"wrote {out}")


def _read_plan(task: PlanningTask[Any, Any], text: str) -> Plan:
    parsed = parse_plan(text, task)
    if parsed.actions is None:
        raise click.BadParameter(f"{text!r:.80} is no plan: {parsed.reason}", param_hint="--plan")
    return parsed.actions


def _frames(
    task: PlanningTask[Any, Any], board: Layout, plan: Plan, convention: str
) -> list[tuple[Any, Any]]:
    """The state before the plan and after each step, with the action that led there."""
    steps = rollout(task, board, plan, convention)
    return [(task.initial(board), None), *((step.state, action) for step, action in zip(steps, plan))]


def _print(task: PlanningTask[Any, Any], board: Layout, plan: Plan | None, convention: str) -> None:
    solution = solve(task, board)
    state, facing = _frames(task, board, plan or (), convention)[-1]
    click.echo(render_ansi(task, board, state, facing=facing))
    click.echo()
    click.echo(describe(task, board, state).rstrip("\n"))
    click.echo()
    shortest = solution.plan()
    if shortest is None:
        click.echo("This board has no solution.")
    else:
        click.echo(
            f"Shortest plan: {format_plan(shortest, task)} ({len(shortest)} steps, {_ways(solution.count())})"
        )
    if plan is not None:
        click.echo(score_plan(task, board, plan, convention, solution=solution).explanation)


def _ways(count: int) -> str:
    return "the only one" if count == 1 else f"one of {count}"


def _save(
    out: Path,
    task: PlanningTask[Any, Any],
    board: Layout,
    plan: Plan | None,
    convention: str,
    theme: str,
    image_size: int,
) -> None:
    kind = out.suffix.lower()
    if kind == ".json":
        write_whole(out, json.dumps({"task": task.name, "layout": board.to_dict()}) + "\n")
        return
    if kind == ".gif":
        if plan is None and (plan := solve(task, board).plan()) is None:
            raise VSPGymError("this board has no solution to show; give a --plan")
        out.write_bytes(render_gif(task, board, plan, size=image_size, theme=theme))
        return
    state, facing = _frames(task, board, plan or (), convention)[-1]
    if kind == ".txt":
        write_whole(out, describe(task, board, state))
    else:
        out.write_bytes(render_png(task, board, state, size=image_size, theme=theme, facing=facing))
