"""Options that the training commands share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from vsp_gym.errors import VSPGymError


def training_options(
    presets: Iterable[str], default: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Data, length, evaluation and output of a training run."""
    options = (
        click.option("--data", required=True, type=click.Path(exists=True), help="Data set to train on."),
        click.option("--out", required=True, type=click.Path(), help="Folder of checkpoints and the result."),
        click.option(
            "--preset", type=click.Choice(list(presets)), default=default, show_default=True, help="Settings."
        ),
        click.option(
            "--reply",
            type=click.Choice(["full", "direct"]),
            default="full",
            show_default=True,
            help="State the board first, or give the answer alone.",
        ),
        click.option("--boards", type=click.IntRange(min=1), help="Train on so many boards.  [default: all]"),
        click.option(
            "--cell-pixels",
            type=click.IntRange(min=4),
            help="Draw pictures, with so many pixels a cell.  [default: the preset's]",
        ),
        click.option("--theme", help="Draw pictures in this look."),
        click.option(
            "--steps", type=click.IntRange(min=1), help="Optimiser steps.  [default: the preset's epochs]"
        ),
        click.option("--batch-size", type=click.IntRange(min=1), help="Rows of a device's batch."),
        click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True)),
        click.option(
            "--eval-every",
            type=click.IntRange(min=1),
            help="Evaluate on held-out boards every so many steps.",
        ),
        click.option(
            "--eval-boards",
            type=click.IntRange(min=1),
            default=128,
            show_default=True,
            help="How many of them.",
        ),
        click.option(
            "--eval-split",
            type=click.Choice(["validation", "test"]),
            default="validation",
            show_default=True,
            help="Where they come from.",
        ),
        click.option("--save-every", type=click.IntRange(min=1), help="Checkpoint every so many steps."),
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True),
        click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out."),
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="NAME=VALUE",
            help="Any other setting of the trainer, e.g. report_to='[\"wandb\"]'.",
        ),
    )

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def trainer_arguments(
    *,
    steps: int | None,
    batch_size: int | None,
    learning_rate: float | None,
    eval_every: int | None,
    save_every: int | None,
    seed: int,
    settings: Iterable[str],
) -> dict[str, Any]:
    """Fields of the trainer's configuration from the options that were given.

    Raises:
        click.BadParameter: for a setting that is not `NAME=VALUE`.
    """
    import torch

    given = {
        "max_steps": steps,
        "per_device_train_batch_size": batch_size,
        "learning_rate": learning_rate,
        "eval_steps": eval_every,
        "eval_strategy": "steps" if eval_every else None,
        "save_steps": save_every,
        "seed": seed,
    }
    arguments: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if not torch.cuda.is_available():
        arguments |= {"use_cpu": True, "bf16": False}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.isidentifier():
            raise click.BadParameter(f"{setting!r} is not NAME=VALUE", param_hint="--set")
        try:
            arguments[name] = json.loads(value)
        except ValueError:
            arguments[name] = _PYTHON.get(value, value)
    return arguments


def weights_dtype(lora_rank: int | None) -> Any:
    """The type to load weights in: bfloat16 under adapters on a GPU, where they stay as they are."""
    import torch

    return torch.bfloat16 if lora_rank is not None and torch.cuda.is_available() else torch.float32


_PYTHON = {"True": True, "False": False, "None": None}
"""Values as Python writes them, which are no JSON."""


@contextmanager
def checked_settings() -> Iterator[None]:
    """Turns what transformers and TRL say of settings that they do not take into one line.

    Raises:
        VSPGymError: for an unknown setting, a value out of range, or one that needs what is not installed.
    """
    try:
        yield
    except VSPGymError:
        raise
    except (TypeError, ValueError, ImportError) as error:
        said = " ".join(str(error).replace("__init__() ", "").split())
        raise VSPGymError(f"the trainer refuses its settings: {said:.400}") from None
