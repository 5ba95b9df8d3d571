"""Supervised training on TRL's `SFTTrainer`: perception, planning from words, planning from pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from datasets import Dataset
from peft import LoraConfig
from transformers import PreTrainedModel
from trl import SFTConfig, SFTTrainer

from vsp_gym.errors import UnknownNameError
from vsp_gym_trl.data import CELL, SftCollator, SftRow
from vsp_gym_trl.processing import ImageProcessor
from vsp_gym_trl.training import (
    LANGUAGE_LAYERS,
    LOGGING,
    BoardEvaluation,
    BoardTrainer,
    check_resume,
    freeze_vision,
    read_messages,
    save_final,
)


@dataclass(frozen=True)
class SftPreset:
    """Settings of a training run that belong together."""

    about: str
    lora_rank: int | None
    """Rank of the adapters; None trains all weights."""
    frozen_vision: bool
    cell_pixels: int | None
    """Pixels of a cell in drawn pictures; None takes the pictures of the data set."""
    arguments: Mapping[str, Any]
    """Fields of `SFTConfig`."""


PRESETS: Mapping[str, SftPreset] = MappingProxyType(
    {
        "mgsd": SftPreset(
            "MGSD's cold start of Qwen3-VL-4B and 8B (arXiv 2606.06076); a batch of 64 on eight GPUs",
            lora_rank=8,
            frozen_vision=True,
            cell_pixels=None,
            arguments={
                "learning_rate": 1e-4,
                "lr_scheduler_type": "cosine",
                "warmup_steps": 0.1,
                "num_train_epochs": 3,
                "per_device_train_batch_size": 4,
                "gradient_accumulation_steps": 2,
                "gradient_checkpointing": True,
                "bf16": True,
            },
        ),
        "tiny": SftPreset(
            "models of `vsp-gym-trl build-tiny`, from random weights",
            lora_rank=None,
            frozen_vision=False,
            cell_pixels=CELL,
            arguments={
                "learning_rate": 1e-3,
                "lr_scheduler_type": "cosine",
                "warmup_steps": 30,
                "adam_beta2": 0.98,
                "num_train_epochs": 10,
                "per_device_train_batch_size": 32,
                "gradient_checkpointing": False,
                "bf16": False,
            },
        ),
    }
)


def get_preset(name: str) -> SftPreset:
    """The preset of that name; raises `UnknownNameError` for any other."""
    if name not in PRESETS:
        raise UnknownNameError("preset", name, PRESETS)
    return PRESETS[name]


class BoardSFTTrainer(BoardTrainer, SFTTrainer):  # type: ignore[misc]
    """TRL's `SFTTrainer` that evaluates by the simulator."""

    _name = "VSP-Gym SFT"


class RowCollator(SftCollator):
    """`SftCollator` for the columns of `to_dataset`."""

    def __call__(self, rows: Any) -> Any:
        return super().__call__(
            [SftRow(read_messages(row["prompt"]), row["reply"], row["image"]) for row in rows]
        )


def lora_config(rank: int) -> LoraConfig:
    """Adapters on the language model, scaled as in MGSD: alpha is twice the rank."""
    return LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=LANGUAGE_LAYERS)


def make_sft_trainer(
    model: PreTrainedModel,
    processor: ImageProcessor,
    rows: Dataset,
    out: str | Path,
    *,
    preset: str | SftPreset = "mgsd",
    evaluation: BoardEvaluation | None = None,
    max_length: int | None = None,
    **arguments: Any,
) -> BoardSFTTrainer:
    """A trainer that is ready to `train()`.

    Args:
        model: the model, whose weights are trained in place.
        processor: its processor.
        rows: what `to_dataset(sft_rows(...))` gave.
        out: folder of the checkpoints.
        preset: a key of `PRESETS`, or settings.
        evaluation: how to evaluate when the arguments say so (`eval_strategy`, `eval_steps`).
        max_length: longest row in tokens; a longer one is an error.
        arguments: fields of `SFTConfig` that replace the preset's.
    """
    settings = get_preset(preset) if isinstance(preset, str) else preset
    if settings.frozen_vision:
        freeze_vision(model)
    config = SFTConfig(
        output_dir=str(out),
        **{
            "max_length": None,
            "remove_unused_columns": False,
            "dataset_kwargs": {"skip_prepare_dataset": True},
            **LOGGING,
            **settings.arguments,
            **arguments,
        },
    )
    trainer = BoardSFTTrainer(
        model=model,
        args=config,
        train_dataset=rows,
        eval_dataset=rows.select([0]) if config.eval_strategy != "no" else None,
        data_collator=RowCollator(processor, max_length),
        processing_class=processor,
        peft_config=None if settings.lora_rank is None else lora_config(settings.lora_rank),
    )
    trainer.board_evaluation = evaluation
    return trainer


def run_sft(trainer: BoardSFTTrainer, *, resume: bool = False) -> dict[str, float]:
    """Train, and write the model and its processor to the trainer's folder.

    Args:
        trainer: what `make_sft_trainer` made.
        resume: go on from the last whole checkpoint in the folder.

    Returns:
        The trainer's metrics.

    Raises:
        VSPGymError: if the folder already has a checkpoint and `resume` is false, there is none and it is
            true, or a checkpoint cannot be written.
    """
    found = trainer.train(resume_from_checkpoint=check_resume(trainer.args.output_dir, resume))
    save_final(trainer)
    return dict(found.metrics)
