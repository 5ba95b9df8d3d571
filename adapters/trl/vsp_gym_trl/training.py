"""What supervised training and distillation share: models, evaluation on boards, whole checkpoints."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate.utils import gather_object
from datasets import Dataset
from peft import PeftModel
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedModel, Trainer
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from vsp_gym.errors import FormatError, VSPGymError
from vsp_gym.prompts import Message, ReplyForm
from vsp_gym.records import read_samples
from vsp_gym_trl.data import Board, OpcdRow, Reader, SftRow
from vsp_gym_trl.evaluation import VIEWS, Generator, Score, View, evaluate
from vsp_gym_trl.processing import ImageProcessor
from vsp_gym_trl.report import write_curves

TrainerT = TypeVar("TrainerT", bound=Trainer)

LOGGING = {"report_to": ["tensorboard"], "logging_steps": 0.02}
"""What every run logs, unless told otherwise: fifty points, or one for each step of a shorter run."""

LANGUAGE_LAYERS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
"""The layers that adapters are put on: all linear layers of the language model, none of the vision tower."""


# ---------------------------------------------------------------------------------------------
# Models and data.


def load_model(folder: str | Path, *, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """A vision-language model from a folder.

    Raises:
        FormatError: if the folder has no model, or one that sees no pictures.
    """
    folder = Path(folder)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        if getattr(config, "vision_config", None) is None:
            raise FormatError(
                f"{folder} is a {config.model_type} without vision; a student must see pictures"
            )
        return AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype, local_files_only=True)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        if isinstance(error, VSPGymError):
            raise
        reason = " ".join(str(error).split())
        raise FormatError(f"{folder} has no model that can be loaded: {reason:.300}") from None


def freeze_vision(model: PreTrainedModel) -> int:
    """Keep the vision tower as it is; returns how many weights that are."""
    frozen = 0
    for name, weight in model.named_parameters():
        if ".visual." in f".{name}":
            weight.requires_grad_(False)
            frozen += weight.numel()
    return frozen


def read_boards(
    path: str | Path,
    split: str | None = None,
    *,
    limit: int | None = None,
    cell_pixels: int | None = None,
    theme: str | None = None,
) -> list[Board]:
    """The boards of a data set.

    Args:
        path: as for `vsp_gym.records.read_samples`.
        split: the part of it; all if None.
        limit: how many at most, evenly over the data set.
        cell_pixels: see `Board.from_sample`.
        theme: see `Board.from_sample`.

    Raises:
        FormatError: for a record that is wrong.
        VSPGymError: if no boards are left.
    """
    samples = [sample for sample in read_samples(path) if split in (None, sample.split)]
    if not samples:
        part = f"the split {split!r} of {path}" if split else f"{path}"
        raise VSPGymError(f"{part} has no boards")
    if limit is not None and limit < len(samples):
        samples = [samples[index * len(samples) // limit] for index in range(limit)]
    return [Board.from_sample(sample, cell_pixels=cell_pixels, theme=theme) for sample in samples]


def check_pixels(processor: ImageProcessor, boards: Iterable[Board]) -> None:
    """Check that no picture will be scaled down on its way to the model.

    Raises:
        VSPGymError: naming the size and the limit.
    """
    from vsp_gym.records.images import png_size

    limit = processor.image_processor.size["longest_edge"]
    for board in boards:
        width, height = png_size(board.image)
        if width * height > limit:
            raise VSPGymError(
                f"a picture of {width} x {height} pixels is above the model's limit of {limit} pixels and "
                f"would be scaled down; draw pictures of at most {int(limit**0.5)} pixels a side"
            )


def to_dataset(rows: Iterable[SftRow | OpcdRow]) -> Dataset:
    """Rows as a data set; messages are JSON, so that no field is added to any part of them.

    Raises:
        VSPGymError: if there are no rows.
    """
    columns = [
        {name: json.dumps(value) if isinstance(value, list) else value for name, value in vars(row).items()}
        for row in rows
    ]
    if not columns:
        raise VSPGymError("there are no rows to train on")
    return Dataset.from_list(columns)


def read_messages(messages: str | list[Message]) -> list[Message]:
    """The messages of a column that `to_dataset` wrote."""
    return json.loads(messages) if isinstance(messages, str) else messages


# ---------------------------------------------------------------------------------------------
# Trainers.


@dataclass(frozen=True)
class BoardEvaluation:
    """How a trainer evaluates on boards that it is not trained on."""

    boards: Sequence[Board]
    views: tuple[View, ...] = VIEWS
    reply: ReplyForm = "full"
    reader: Reader = "text-student"
    batch_size: int = 64
    max_new_tokens: int = 512

    def run(self, model: PreTrainedModel, processor: ImageProcessor) -> dict[View, Score]:
        """The scores of a model; with several processes each one answers its share."""
        generator = Generator(
            model, processor, batch_size=self.batch_size, max_new_tokens=self.max_new_tokens
        )

        def shared(
            prompts: Sequence[list[Message]], images: Sequence[bytes | None]
        ) -> list[tuple[str, bool]]:
            rank, world = _rank_and_world()
            mine = generator(prompts[rank::world], images[rank::world])
            if world == 1:
                return mine
            places = gather_object(list(enumerate(mine)))
            offsets = gather_object([rank] * len(mine))
            replies: list[tuple[str, bool]] = [("", False)] * len(prompts)
            for offset, (place, reply) in zip(offsets, places):
                replies[offset + place * world] = reply
            return replies

        return evaluate(shared, self.boards, self.views, reply=self.reply, reader=self.reader)


def _rank_and_world() -> tuple[int, int]:
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


class BoardTrainer(Trainer):  # type: ignore[misc]
    """Mixin of trainers: evaluates by the simulator, and never leaves half a checkpoint behind.

    Set `board_evaluation` after construction. What it finds is logged as `eval_<view>`, the macro average of
    replies that are right, and `eval_<view>_cut`, the share that was cut off.
    """

    board_evaluation: BoardEvaluation | None = None
    _last_log: tuple[float, float] | None = None

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log, and add how many tokens a second went through since the last time."""
        if "loss" in logs:
            counts = self.state.num_input_tokens_seen, getattr(self, "_total_train_tokens", 0)
            now, tokens = time.perf_counter(), float(max(counts))
            if self._last_log is not None and tokens > self._last_log[1]:
                logs["tokens_per_second"] = (tokens - self._last_log[1]) / (now - self._last_log[0])
            self._last_log = now, tokens
        super().log(logs, start_time)

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Evaluate on the boards; the trainer's own evaluation data are not used."""
        if self.board_evaluation is None:
            found: dict[str, float] = super().evaluate(eval_dataset, ignore_keys, metric_key_prefix)
            return found
        scores = self.board_evaluation.run(self.accelerator.unwrap_model(self.model), self.processing_class)
        metrics: dict[str, float] = {}
        for view, score in scores.items():
            metrics[f"{metric_key_prefix}_{view}"] = score.macro
            if score.cut:
                metrics[f"{metric_key_prefix}_{view}_cut"] = score.cut / score.boards
        self.log(metrics)
        self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = Path(self.args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
        try:
            super()._save_checkpoint(model, trial)
        except Exception as error:  # safetensors, torch and the file system each raise their own
            if self.is_world_process_zero():
                shutil.rmtree(folder, ignore_errors=True)
            last = last_checkpoint(self.args.output_dir)
            kept = f"the last good one is {last}" if last else "there is no earlier one"
            raise VSPGymError(f"the checkpoint {folder} could not be written ({error}); {kept}") from error


def save_final(trainer: Trainer) -> None:
    """Write a trained model, its processor and its curves to the trainer's folder.

    The folder loads like any model's: adapters are merged, and written to the folder `adapter` in it as well.
    """
    out = Path(trainer.args.output_dir)
    if trainer.is_world_process_zero():
        out.mkdir(parents=True, exist_ok=True)
        write_curves(out, trainer.state.log_history, f"{trainer._name}: {out.name}")
    model = trainer.accelerator.unwrap_model(trainer.model)
    if not isinstance(model, PeftModel):
        trainer.save_model(str(out))
        return
    trainer.save_model(str(out / "adapter"))
    if trainer.is_world_process_zero():
        model.merge_and_unload().save_pretrained(out)
        trainer.processing_class.save_pretrained(out)


def last_checkpoint(folder: str | Path) -> Path | None:
    """The latest whole checkpoint in a folder, or None."""
    return max(_checkpoints(Path(folder)), default=(0, None))[1]


def _checkpoints(folder: Path) -> Iterator[tuple[int, Path]]:
    """Whole checkpoints with their steps: those with `trainer_state.json`, which is written last."""
    for state in folder.glob(f"{PREFIX_CHECKPOINT_DIR}-*/trainer_state.json"):
        number = state.parent.name.rpartition("-")[2]
        if number.isdigit():
            yield int(number), state.parent


def check_out(folder: str | Path, resume: bool) -> None:
    """Check a folder before anything is written to it, or any model is loaded.

    Raises:
        VSPGymError: as `check_resume`; and if it is no folder, or has anything in it that is not a run.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise VSPGymError(f"{folder} is no folder")
    if check_resume(folder, resume) is None and folder.exists() and any(folder.iterdir()):
        raise VSPGymError(f"{folder} is not empty; name a new folder")


def check_resume(folder: str | Path, resume: bool) -> str | None:
    """The checkpoint to go on from.

    Raises:
        VSPGymError: if there is one and `resume` is false, or none and it is true.
    """
    last = last_checkpoint(folder)
    if resume and last is None:
        raise VSPGymError(f"{folder} has no whole checkpoint to resume from")
    if not resume and last is not None:
        raise VSPGymError(f"{folder} already has {last.name}; resume it, or name a new folder")
    return None if last is None else str(last)
