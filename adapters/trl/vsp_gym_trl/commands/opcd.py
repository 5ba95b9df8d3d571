"""`vsp-gym-trl opcd`."""

from __future__ import annotations

from typing import Any

import click

from vsp_gym_trl.commands.options import checked_settings, trainer_arguments, training_options, weights_dtype
from vsp_gym_trl.data import opcd_rows, sft_rows
from vsp_gym_trl.losses import OBJECTIVES
from vsp_gym_trl.opcd import PRESETS, check_teacher, get_preset, make_opcd_trainer, run_opcd
from vsp_gym_trl.processing import load_processor
from vsp_gym_trl.training import BoardEvaluation, check_out, check_pixels, load_model, read_boards, to_dataset

_SHARE = "Replayed rows for each board."


@click.command(
    epilog="\b\nExamples:\n"
    "  vsp-gym-trl opcd --student runs/sft --teacher-from-base --data data/lakes --out runs/opcd\n"
    "  vsp-gym-trl opcd --student runs/sft --teacher runs/sft --data data/lakes --preset tiny --out runs/opcd"
)
@click.option("--student", required=True, type=click.Path(exists=True), help="Folder of the model to train.")
@click.option("--teacher", type=click.Path(exists=True), help="Folder of the model to learn from.")
@click.option("--teacher-from-base", is_flag=True, help="Learn from the student as it is, without adapters.")
@click.option(
    "--reference/--no-reference", default=True, help="Whether the teacher reads a plan too.  [reference]"
)
@click.option("--objective", type=click.Choice(list(OBJECTIVES)), default="reverse-kl", show_default=True)
@click.option(
    "--replay-perception", type=click.FloatRange(min=0), default=0.25, show_default=True, help=_SHARE
)
@click.option("--replay-text", type=click.FloatRange(min=0), default=0.25, show_default=True, help=_SHARE)
@click.option(
    "--reward-weight", type=float, default=0.0, show_default=True, help="Weight of the simulator's reward."
)
@training_options(PRESETS, "lora")
def command(
    student: str,
    teacher: str | None,
    teacher_from_base: bool,
    reference: bool,
    objective: str,
    replay_perception: float,
    replay_text: float,
    reward_weight: float,
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
    """Close the gap: a student that sees pictures learns from a teacher that reads the boards in words."""
    if teacher_from_base == (teacher is not None):
        raise click.UsageError("give --teacher FOLDER, or --teacher-from-base")
    check_out(out, resume)
    arguments, settings = trainer_arguments(**options), get_preset(preset)
    processor = load_processor(student)
    if teacher is not None:
        check_teacher(processor, load_processor(teacher))
    drawn: dict[str, Any] = {"cell_pixels": cell_pixels or settings.cell_pixels, "theme": theme}
    train = read_boards(data, "train", limit=boards, **drawn)
    check_pixels(processor, train)
    evaluation = None
    if options["eval_every"]:
        held_out = read_boards(data, eval_split, limit=eval_boards, **drawn)
        evaluation = BoardEvaluation(held_out, reply=reply)
    rows = to_dataset(opcd_rows(train, reply=reply, reference=reference))
    dtype = weights_dtype(8 if teacher is None else settings.lora_rank)
    with checked_settings():
        trainer = make_opcd_trainer(
            load_model(student, dtype=dtype),
            None if teacher is None else load_model(teacher, dtype=dtype),
            processor,
            rows,
            out,
            preset=settings,
            replays={
                "perception": (to_dataset(sft_rows(train, "perception")), replay_perception),
                "text-plan": (to_dataset(sft_rows(train, "text-plan", reply=reply)), replay_text),
            },
            evaluation=evaluation,
            reward_weight=reward_weight,
            objective=objective,
            **arguments,
        )
    found = run_opcd(trainer, resume=resume)
    if trainer.is_world_process_zero():
        steps, loss = trainer.state.global_step, found["train_loss"]
        click.echo(f"{out}: {len(rows)} boards, {steps} steps, loss {loss:.4f}")
