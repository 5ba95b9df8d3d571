"""`vsp-gym demo`: everything end to end, without network or model."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from vsp_gym.cli.options import examples
from vsp_gym.envs import TASKS
from vsp_gym.envs.base import PlanningTask
from vsp_gym.evaluation.agents import AGENTS
from vsp_gym.evaluation.metrics import Metrics, summarise_by
from vsp_gym.evaluation.report import is_report, write_report
from vsp_gym.evaluation.results import Result, is_results, write_results
from vsp_gym.planning import Solution
from vsp_gym.scoring import score_reply

LEDE = "Agents see a board and say, all at once, how to solve it. Each plan is carried out and judged."


@click.command(epilog=examples("vsp-gym demo --out demo", "vsp-gym demo --out big --boards 30 --seed 7"))
@click.option(
    "--out",
    required=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for results.jsonl and report.html; made if it does not exist.",
)
@click.option(
    "--boards",
    type=click.IntRange(1, 1000),
    default=6,
    show_default=True,
    help="Boards of each task and size.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides the boards.")
def command(out: Path, boards: int, seed: int) -> None:
    """Draw boards, let built-in agents plan, and write a report.

    Draws boards of every task in the sizes that published work uses, lets the built-in agents answer
    them, judges every reply, and writes DIR/results.jsonl (one line a reply) and DIR/report.html (one
    page that any browser opens from the file). Needs no network and no GPU.

    Earlier results and reports in DIR are replaced; a file that this command did not write is left
    alone, and the command refuses to start.
    """
    rows_path, page_path = out / "results.jsonl", out / "report.html"
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path, is_ours in ((rows_path, is_results), (page_path, is_report)):
            if path.exists() and not is_ours(path):
                raise click.ClickException(f"{path} exists and is not from vsp-gym; choose another --out")
        results = list(play_all(boards, seed))
        write_results(results, rows_path)
        write_report(results, page_path, title="Visual spatial planning, judged step by step", lede=LEDE)
    except OSError as error:
        raise click.ClickException(f"{error.filename or out}: {error.strerror or error}") from None
    _print_table(results)
    click.echo(f"{len(results)} replies in {rows_path}")
    click.echo(f"Open {page_path.resolve().as_uri()} in a browser.")


def play_all(boards: int, seed: int) -> Iterator[Result]:
    """The results of every agent on `boards` boards of each task and paper size."""
    kinds = [(task, size) for task in TASKS.values() for size in task.paper_sizes or (task.default_size,)]
    for index, (number, (task, size)) in enumerate(itertools.product(range(boards), kinds)):
        solution = _draw(task, size, seed, number)
        yield from _answers(task, size, f"{task.name}-{size}-{number}", solution, seed, index)


def _draw(task: PlanningTask[Any, Any], size: int, seed: int, number: int) -> Solution[Any, Any]:
    stream = zlib.crc32(task.name.encode())
    return task.generator.draw(np.random.default_rng([seed, stream, size, number]), size)


def _answers(
    task: PlanningTask[Any, Any], size: int, board: str, solution: Solution[Any, Any], seed: int, index: int
) -> Iterator[Result]:
    optimal = solution.distance()
    for agent in AGENTS.values():
        reply = agent.reply(task, solution.layout, seed=seed, index=index)
        yield Result(
            board=board,
            task=task.name,
            size=size,
            difficulty=None if optimal is None else task.generator.difficulty(size, optimal),
            modality="state",
            agent=agent.name,
            layout=solution.layout,
            reply=reply,
            score=score_reply(task, solution.layout, reply, solution=solution),
        )


def _print_table(results: list[Result]) -> None:
    """Success and, in brackets, optimal success of each agent, by task."""
    cells = summarise_by(results, "agent", "task")
    tasks = list(dict.fromkeys(result.task for result in results))
    table = Table(title="Success (of it optimal) by task", title_justify="left")
    table.add_column("agent")
    for task in tasks:
        table.add_column(TASKS[task].title, justify="right")
    table.add_column("all", justify="right")
    for (agent,), total in summarise_by(results, "agent").items():
        table.add_row(agent, *(_rates(cells[agent, task]) for task in tasks), _rates(total))
    Console().print(table)


def _rates(metrics: Metrics) -> str:
    return f"{metrics.success:.0%} ({metrics.optimal:.0%})"
