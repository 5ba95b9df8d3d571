"""`vsp-gym demo`: everything end to end, without network or model."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from vsp_gym.cli.options import examples
from vsp_gym.envs import TASKS
from vsp_gym.envs.base import PlanningTask
from vsp_gym.evaluation.agents import AGENTS
from vsp_gym.evaluation.attribution import attribute
from vsp_gym.evaluation.report import is_report, write_report
from vsp_gym.evaluation.results import Result, Run, is_results, write_results
from vsp_gym.evaluation.simulated import SIMULATED
from vsp_gym.evaluation.summary import Metrics, Summary
from vsp_gym.planning import Solution
from vsp_gym.scoring import score_reply

TITLE = "Visual spatial planning: seeing against thinking"

LEDE = (
    "A demonstration. No model was asked: near-sighted, hasty and beginner are simulated, with faults at "
    "known rates, so that you can see how the report tells misreading from bad planning."
)

BASELINES = tuple(AGENTS)
"""Agents that are given the board itself: all that are built in."""


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
    default=8,
    show_default=True,
    help="Boards of each task and size.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides the boards.")
def command(out: Path, boards: int, seed: int) -> None:
    """Draw boards, let simulated models and baselines plan, and write a report.

    Draws boards of every task in the sizes that published work uses. Simulated models, which misread
    boards and plan badly at known rates, answer each as a picture and as words; baselines are given the
    board itself. Every reply is judged, and DIR/results.jsonl (one line a reply) and DIR/report.html (one
    page that any browser opens from the file) are written. Needs no network, no model and no GPU.

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
        run = Run("demo", rows=[result.to_dict() for result in results])
        summary = write_report([run], page_path, title=TITLE, lede=LEDE)
    except OSError as error:
        raise click.ClickException(f"{error.filename or out}: {error.strerror or error}") from None
    _print_table(summary)
    click.echo(f"{len(results)} replies in {rows_path}")
    click.echo(f"Open {page_path.resolve().as_uri()} in a browser.")


def play_all(boards: int, seed: int) -> Iterator[Result]:
    """The results of everyone on `boards` boards of each task and paper size."""
    kinds = [(task, size) for task in TASKS.values() for size in task.paper_sizes or (task.default_size,)]
    for index, (number, (task, size)) in enumerate(itertools.product(range(boards), kinds)):
        solution = _draw(task, size, seed, number)
        board = f"{task.name}-{size}-{number}"
        for agent, modality, reply in _replies(task, solution, seed, index):
            yield _judge(task, size, board, solution, agent, modality, reply)


def _draw(task: PlanningTask[Any, Any], size: int, seed: int, number: int) -> Solution[Any, Any]:
    stream = zlib.crc32(task.name.encode())
    return task.generator.draw(np.random.default_rng([seed, stream, size, number]), size)


def _replies(
    task: PlanningTask[Any, Any], solution: Solution[Any, Any], seed: int, index: int
) -> Iterator[tuple[str, str, str]]:
    """Who replies, what it was shown, and the reply."""
    layout = solution.layout
    for model in SIMULATED.values():
        for modality in model.misreads:
            yield model.name, modality, model.reply(task, layout, modality, seed=seed, index=index)
    for name in BASELINES:
        yield name, "state", AGENTS[name].reply(task, layout, seed=seed, index=index)


def _judge(
    task: PlanningTask[Any, Any],
    size: int,
    board: str,
    solution: Solution[Any, Any],
    agent: str,
    modality: str,
    reply: str,
) -> Result:
    optimal = solution.distance()
    score = score_reply(task, solution.layout, reply, solution=solution)
    return Result(
        board=board,
        task=task.name,
        size=size,
        difficulty=None if optimal is None else task.generator.difficulty(size, optimal),
        modality=modality,
        agent=agent,
        layout=solution.layout,
        reply=reply,
        score=score,
        attribution=attribute(task, solution.layout, reply, score, modality=modality),
    )


def _print_table(summary: Summary) -> None:
    """Success and, in brackets, optimal success of each series, by task."""
    cells = {(cell.series, cell.task): cell.metrics for cell in (*summary.by_task, *summary.overall)}
    table = Table(title="Success (of it optimal) by task", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("who")
    for task in summary.tasks:
        table.add_column(TASKS[task].title, justify="right")
    table.add_column("all", justify="right")
    for number, label in enumerate(summary.labels):
        table.add_row(label, *(_rates(cells[number, task]) for task in (*summary.tasks, None)))
    Console().print(table)


def _rates(metrics: Metrics) -> str:
    return f"{metrics.success.value:.0%} ({metrics.optimal.value:.0%})"
