"""`vsp-gym-trl evaluate`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from vsp_gym_trl.evaluation import VIEWS, Score, View
from vsp_gym_trl.processing import load_processor
from vsp_gym_trl.training import BoardEvaluation, load_model, read_boards


@click.command(
    epilog="\b\nExample:\n  vsp-gym-trl evaluate --model tiny --model opcd --data data --boards 200 \\\n"
    "    --cell-pixels 32"
)
@click.option(
    "--model",
    "models",
    required=True,
    multiple=True,
    type=click.Path(exists=True),
    help="Folder of a model; may be repeated, to compare.",
)
@click.option("--data", required=True, type=click.Path(exists=True), help="Data set.")
@click.option("--split", default="test", show_default=True, help="Part of it.")
@click.option("--boards", type=click.IntRange(min=1), help="How many boards.  [default: all]")
@click.option(
    "--view", "views", multiple=True, type=click.Choice(VIEWS), help="What is asked.  [default: all]"
)
@click.option("--reply", type=click.Choice(["full", "direct"]), default="full", show_default=True)
@click.option(
    "--cell-pixels",
    type=click.IntRange(min=4),
    help="Draw pictures, with so many pixels a cell: 32 for tiny models.  [default: those of the data]",
)
@click.option("--theme", help="Draw pictures in this look.")
@click.option("--batch-size", type=click.IntRange(min=1), default=64, show_default=True)
@click.option("--max-new-tokens", type=click.IntRange(min=1), default=512, show_default=True)
@click.option("--json", "json_path", type=click.Path(), help="Write the scores to this file too.")
def command(
    models: Sequence[str],
    data: str,
    split: str,
    boards: int | None,
    views: Sequence[View],
    reply: Any,
    cell_pixels: int | None,
    theme: str | None,
    batch_size: int,
    max_new_tokens: int,
    json_path: str | None,
) -> None:
    """Measure what a model can do: plan from pictures, plan from words, and say what it sees.

    For whole evaluation runs with every reply on record, use `vsp-gym evaluate --model hf:FOLDER`.
    """
    import torch

    if json_path and not Path(json_path).parent.is_dir():
        raise click.BadParameter(f"{Path(json_path).parent} is no folder", param_hint="--json")
    chosen = read_boards(data, split, limit=boards, cell_pixels=cell_pixels, theme=theme)
    evaluation = BoardEvaluation(
        chosen, tuple(views) or VIEWS, reply, batch_size=batch_size, max_new_tokens=max_new_tokens
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    scores = {model: evaluation.run(load_model(model).to(device), load_processor(model)) for model in models}
    Console().print(score_table(scores))
    for model, found in scores.items():
        for view, score in found.items():
            if score.cut:
                click.echo(
                    f"{model}, {view}: --max-new-tokens {max_new_tokens} cut {score.cut} of {score.boards} "
                    "replies",
                    err=True,
                )
    if json_path:
        written = {
            model: {view: score.to_dict() for view, score in found.items()} for model, found in scores.items()
        }
        Path(json_path).write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")


def score_table(models: dict[str, dict[View, Score]]) -> Table:
    """Macro averages of models by view, in percent."""
    table = Table(title="Right replies, macro-averaged over tasks and sizes (%)", title_justify="left")
    table.add_column("model")
    views = [view for view in VIEWS if any(view in scores for scores in models.values())]
    for view in views:
        table.add_column(view, justify="right")
    table.add_column("modality gap", justify="right")
    for name, scores in models.items():
        cells = [f"{100 * scores[view].macro:.1f}" if view in scores else "" for view in views]
        gap = ""
        if "image-plan" in scores and "text-plan" in scores:
            gap = f"{100 * (scores['text-plan'].macro - scores['image-plan'].macro):.1f}"
        table.add_row(name, *cells, gap)
    return table
