"""`vsp-gym-trl sft`."""

from __future__ import annotations

from typing import Any, get_args

import click

from vsp_gym_trl.commands.options import checked_settings, trainer_arguments, training_options, weights_dtype
from vsp_gym_trl.data import SftKind, sft_rows
from vsp_gym_trl.processing import load_processor
from vsp_gym_trl.sft import PRESETS, get_preset, make_sft_trainer, run_sft
from vsp_gym_trl.training import BoardEvaluation, check_out, check_pixels, load_model, read_boards, to_dataset


@click.command(
    epilog="\b\nExamples:\n"
    "  vsp-gym-trl sft --task perception --model Qwen3-VL-4B-Instruct --data data/lakes --out runs/sft\n"
    "  vsp-gym-trl sft --task mixed --model models/small --data data/lakes --preset tiny --out runs/sft"
)
@click.option(
    "--task", "kind", required=True, type=click.Choice(list(get_args(SftKind))), help="What is learned."
)
@click.option("--model", required=True, type=click.Path(exists=True), help="Folder of a Qwen3-VL.")
@training_options(PRESETS, "mgsd")
def command(
    kind: SftKind,
    model: str,
    data: str,
    out: str,
    preset: str,
    reply: Any,
    boards: int | None,
    cell_pixels: int | None,
    theme: str | None,
    eval_boards: int,
    eval_split: str,
    resume: bool,
    **options: Any,
) -> None:
    """Teach a model to read pictures of boards, to plan from words, or to plan from pictures."""
    check_out(out, resume)
    arguments, settings = trainer_arguments(**options), get_preset(preset)
    processor = load_processor(model)
    drawn: dict[str, Any] = {"cell_pixels": cell_pixels or settings.cell_pixels, "theme": theme}
    train = read_boards(data, "train", limit=boards, **drawn)
    check_pixels(processor, train)
    evaluation = None
    if options["eval_every"]:
        held_out = read_boards(data, eval_split, limit=eval_boards, **drawn)
        evaluation = BoardEvaluation(held_out, reply=reply)
    rows = to_dataset(sft_rows(train, kind, reply=reply))
    network = load_model(model, dtype=weights_dtype(settings.lora_rank))
    with checked_settings():
        trainer = make_sft_trainer(
            network,
            processor,
            rows,
            out,
            preset=settings,
            evaluation=evaluation,
            **arguments,
        )
    found = run_sft(trainer, resume=resume)
    if trainer.is_world_process_zero():
        steps, loss = trainer.state.global_step, found["train_loss"]
        click.echo(f"{out}: {len(rows)} rows, {steps} steps, loss {loss:.4f}")
