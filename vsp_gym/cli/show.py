"""`vsp-gym show`: print or save a board."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from vsp_gym.cli.options import board_options, boards_of, convention_option, examples, use_color
from vsp_gym.core import Action, Layout, Plan
from vsp_gym.envs.base import Difficulty, PlanningTask
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
@board_options
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Which random board.")
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

    Prints the board (in colour, in a terminal), its description, the length of a shortest plan and,
    with --plan, how that plan ends; with --out, saves it. A seed gives the board with which
    `gym.make(...).reset(seed=...)` starts.
    With --plan, a picture or a text shows the board after the plan.
    """
    if out is not None and out.suffix.lower() not in KINDS:
        raise click.BadParameter(f"{out.name!r} must end in {', '.join(KINDS)}", param_hint="--out")
    task, boards = boards_of(task, size, difficulty, layout, seed)
    board = next(boards)
    actions = None if plan is None else _read_plan(task, plan)
    if out is None:
        _print(task, board, actions, convention)
        return
    try:
        _save(out, task, board, actions, convention, theme, image_size)
    except OSError as error:
        raise click.ClickException(f"{out}: {error.strerror or error}") from None
    click.echo(f"wrote {out}")


def _read_plan(task: PlanningTask[Any, Any], text: str) -> Plan:
    parsed = parse_plan(text, task)
    if parsed.actions is None:
        raise click.BadParameter(f"{text!r:.80} is no plan: {parsed.reason}", param_hint="--plan")
    return parsed.actions


def _after(
    task: PlanningTask[Any, Any], board: Layout, plan: Plan | None, convention: str
) -> tuple[Any, Action | None]:
    """The state after a plan, and the last action that was carried out."""
    steps = rollout(task, board, plan or (), convention)
    if not steps or plan is None:
        return task.initial(board), None
    return steps[-1].state, plan[len(steps) - 1]


def _print(task: PlanningTask[Any, Any], board: Layout, plan: Plan | None, convention: str) -> None:
    solution = solve(task, board)
    state, facing = _after(task, board, plan, convention)
    if sys.stdout.isatty():
        click.echo(render_ansi(task, board, state, facing=facing, color=use_color()))
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
    if kind == ".gif":
        if plan is None and (plan := solve(task, board).plan()) is None:
            raise VSPGymError("this board has no solution to show; give a --plan")
        write_whole(out, render_gif(task, board, plan, size=image_size, theme=theme, convention=convention))
        return
    state, facing = _after(task, board, plan, convention)
    if kind == ".json":
        write_whole(out, json.dumps({"task": task.name, "layout": board.to_dict()}) + "\n")
    elif kind == ".txt":
        write_whole(out, describe(task, board, state))
    else:
        write_whole(out, render_png(task, board, state, size=image_size, theme=theme, facing=facing))
