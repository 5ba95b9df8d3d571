"""Real optimiser steps of SFT and OPCD on the tiny model: who sees what, resuming, checkpoints, bad input."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from transformers import LlamaConfig, LlamaForCausalLM

import vsp_gym.cli
from vsp_gym.errors import FormatError, UnknownNameError, VSPGymError
from vsp_gym.text import describe
from vsp_gym_trl.commands.options import checked_settings, trainer_arguments
from vsp_gym_trl.data import Board, opcd_rows, sft_rows
from vsp_gym_trl.losses import Objective
from vsp_gym_trl.opcd import OpcdConfig, OpcdTrainer, check_teacher, make_opcd_trainer, plan_reward, run_opcd
from vsp_gym_trl.processing import load_processor
from vsp_gym_trl.sft import make_sft_trainer, run_sft
from vsp_gym_trl.training import (
    BoardEvaluation,
    check_out,
    check_pixels,
    freeze_vision,
    last_checkpoint,
    load_model,
    to_dataset,
)

Boards = Callable[..., list[Board]]

QUIET: dict[str, Any] = {"use_cpu": True, "disable_tqdm": True, "report_to": [], "logging_steps": 1}


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def opcd(micro: Path, boards: list[Board], out: Path, **options: Any) -> OpcdTrainer:
    values = {
        **QUIET,
        "preset": "tiny",
        "per_device_train_batch_size": 4,
        "max_completion_length": 12,
        "replays": {kind: (to_dataset(sft_rows(boards, kind)), 0.5) for kind in ("perception", "text-plan")},
        "max_steps": 2,
        **options,
    }
    teacher = values.pop("teacher", "copy")
    return make_opcd_trainer(
        values.pop("student", None) or load_model(micro),
        load_model(micro) if teacher == "copy" else teacher,
        load_processor(micro),
        to_dataset(opcd_rows(boards)),
        out,
        **values,
    )


def prepared(trainer: OpcdTrainer, rows: int = 4) -> dict[str, Any]:
    """A batch with sampled replies, the same for the same seed."""
    torch.manual_seed(0)
    trainer.model.train()
    inputs: dict[str, Any] = trainer._generate_and_score_completions(
        [trainer.train_dataset[i] for i in range(rows)]
    )
    return inputs


# -- SFT ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["tiny", "mgsd"])
def test_sft_learns_and_its_folder_loads(
    preset: str, micro: Path, make_boards: Boards, tmp_path: Path
) -> None:
    boards = make_boards(16)
    model = load_model(micro)
    before = weights(model)
    trainer = make_sft_trainer(
        model,
        load_processor(micro),
        to_dataset(sft_rows(boards, "mixed")),
        tmp_path,
        preset=preset,
        evaluation=BoardEvaluation(boards[:2], max_new_tokens=4),
        eval_strategy="steps",
        eval_steps=4,
        max_steps=8,
        **{**QUIET, "bf16": False, "per_device_train_batch_size": 8, "gradient_accumulation_steps": 1},
    )
    run_sft(trainer)
    history = trainer.state.log_history
    losses = [entry["loss"] for entry in history if "loss" in entry]
    assert float(losses[-1]) < float(losses[0])
    assert any(entry.get("tokens_per_second", 0) > 0 for entry in history)
    found = [entry for entry in history if "eval_image-plan" in entry]
    assert len(found) == 2
    assert found[0]["eval_perception_cut"] == 1.0
    after = weights(load_model(tmp_path))
    assert after.keys() == before.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any("language_model" in name for name in changed)
    assert any("visual" in name for name in changed) == (preset == "tiny")
    assert load_processor(tmp_path).image_token == "<|image_pad|>"


def test_freezing_leaves_the_language_model_free(micro: Path) -> None:
    model = load_model(micro)
    frozen = freeze_vision(model)
    assert frozen == sum(w.numel() for n, w in model.named_parameters() if not w.requires_grad) > 0
    assert all(w.requires_grad == ("visual" not in n) for n, w in model.named_parameters())


# -- OPCD: who sees what --------------------------------------------------------------------------


def test_teacher_and_student_read_the_same_tokens_after_their_own_prompts(
    micro: Path, make_boards: Boards, tmp_path: Path
) -> None:
    boards = make_boards(4)
    trainer = opcd(micro, boards, tmp_path, replays=None)
    inputs = prepared(trainer)
    seen: list[tuple[torch.Tensor, torch.Tensor, dict[str, Any]]] = []
    original = trainer._get_last_hidden_state

    def spy(model: Any, ids: torch.Tensor, mask: torch.Tensor, keep: int, **pictures: Any) -> torch.Tensor:
        seen.append((ids, mask, pictures))
        hidden: torch.Tensor = original(model, ids, mask, keep, **pictures)
        return hidden

    trainer._get_last_hidden_state = spy
    trainer._compute_loss(trainer.model, inputs, None)
    (student, student_mask, pictures), (teacher, teacher_mask, no_pictures) = seen
    keep = inputs["completion_ids"].shape[1]
    assert torch.equal(student[:, -keep:], teacher[:, -keep:])
    assert torch.equal(student_mask[:, -keep:], teacher_mask[:, -keep:])
    assert "pixel_values" in pictures
    assert not no_pictures
    processor = trainer.processing_class
    assert bool((student == processor.image_token_id).any())
    assert not bool((teacher == processor.image_token_id).any())
    for row, board in enumerate(boards):
        words = describe(board.task, board.layout).strip()
        assert words in processor.tokenizer.decode(teacher[row])
        assert words not in processor.tokenizer.decode(student[row])


def test_the_teacher_without_adapters_equals_a_copy_of_the_student(
    micro: Path, make_boards: Boards, tmp_path: Path
) -> None:
    boards = make_boards(4)
    by_adapter = opcd(micro, boards, tmp_path / "a", teacher=None, replays=None)
    by_copy = opcd(micro, boards, tmp_path / "b", replays=None)
    for name, weight in by_adapter.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1, generator=torch.Generator().manual_seed(len(name)))
    inputs = prepared(by_adapter)
    merged = copy.deepcopy(by_adapter.model).merge_and_unload()
    with torch.no_grad():
        one = by_adapter._compute_loss(by_adapter.model, inputs, None)[0]
        other = by_copy._compute_loss(merged, inputs, None)[0]
    assert one.item() > 1e-3
    assert one.item() == pytest.approx(other.item(), rel=1e-4)
    assert by_adapter.model.training


@pytest.mark.parametrize("hidden_weight", [0.0, 2.0])
def test_a_batch_has_the_loss_of_its_rows(
    hidden_weight: float, micro: Path, make_boards: Boards, tmp_path: Path
) -> None:
    """Boards of two sizes, replies of many lengths: the sum over rows alone is that of the padded batch."""
    boards = make_boards(4, sizes=(3, 5))
    teacher = load_model(micro)
    torch.manual_seed(1)
    for weight in teacher.parameters():
        weight.data += 0.02 * torch.randn_like(weight)
    how: dict[str, Any] = {"chunk_tokens": 7, "hidden_weight": hidden_weight}
    trainer = opcd(micro, boards, tmp_path, teacher=teacher, replays=None, **how)
    inputs = prepared(trainer)
    inputs["completion_mask"][0, 5:] = 0
    with torch.no_grad():
        whole, _, tokens = trainer._compute_loss(trainer.model, inputs, torch.tensor(1.0))
        total, patches = 0.0, inputs["image_grid_thw"].prod(1).tolist()
        for row in range(4):
            keep = int(inputs["completion_mask"][row].sum())
            start, teacher_start = (int((inputs[k][row] == 0).sum()) for k in ("prompt_mask", "teacher_mask"))
            first = sum(patches[:row])
            single = {
                "prompt_ids": inputs["prompt_ids"][row : row + 1, start:],
                "prompt_mask": inputs["prompt_mask"][row : row + 1, start:],
                "teacher_ids": inputs["teacher_ids"][row : row + 1, teacher_start:],
                "teacher_mask": inputs["teacher_mask"][row : row + 1, teacher_start:],
                "completion_ids": inputs["completion_ids"][row : row + 1, :keep],
                "completion_mask": inputs["completion_mask"][row : row + 1, :keep],
                "pixel_values": inputs["pixel_values"][first : first + patches[row]],
                "image_grid_thw": inputs["image_grid_thw"][row : row + 1],
            }
            prompt_types = inputs["mm_token_type_ids"][row : row + 1, start:]
            length = single["prompt_ids"].shape[1] + keep
            single["mm_token_type_ids"] = prompt_types[:, :length]
            total += trainer._compute_loss(trainer.model, single, torch.tensor(1.0))[0].item()
    assert int(tokens) == int(inputs["completion_mask"].sum())
    assert total == pytest.approx(whole.item(), rel=1e-4)


@pytest.mark.parametrize("objective", ["reverse-kl", "jsd", "sampled"])
def test_the_loss_is_the_objective_on_the_logits(
    objective: str, micro: Path, make_boards: Boards, tmp_path: Path
) -> None:
    teacher = load_model(micro)
    teacher.lm_head.weight.data *= 1.5
    trainer = opcd(micro, make_boards(4), tmp_path, teacher=teacher, objective=objective, replays=None)
    inputs = prepared(trainer)
    ids, mask = inputs["completion_ids"], inputs["completion_mask"]
    keep = ids.shape[1]
    loss, _, tokens = trainer._compute_loss(trainer.model, inputs, None)
    pictures = {name: inputs[name] for name in ("pixel_values", "image_grid_thw", "mm_token_type_ids")}
    with torch.no_grad():
        student_logits = trainer.model(
            input_ids=torch.cat([inputs["prompt_ids"], ids], 1),
            attention_mask=torch.cat([inputs["prompt_mask"], mask], 1),
            **pictures,
        ).logits[:, -keep - 1 : -1]
        teacher_logits = teacher(
            input_ids=torch.cat([inputs["teacher_ids"], ids], 1),
            attention_mask=torch.cat([inputs["teacher_mask"], mask], 1),
        ).logits[:, -keep - 1 : -1]
    expected = Objective(objective).per_token(student_logits.double(), teacher_logits.double(), ids).loss
    assert loss.item() == pytest.approx((expected * mask).sum().item() / int(tokens), rel=1e-4)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_hidden_states_are_led_to_those_of_the_teacher(
    checkpointing: bool, micro: Path, make_boards: Boards, tmp_path: Path
) -> None:
    losses, gradients = [], []
    inputs: dict[str, Any] = {}
    for weight in (0.0, 3.0):
        teacher = load_model(micro)
        for layer in teacher.model.language_model.layers:
            layer.mlp.down_proj.weight.data *= 1.5
        how: dict[str, Any] = {"hidden_weight": weight, "gradient_checkpointing": checkpointing}
        trainer = opcd(micro, make_boards(4), tmp_path / str(weight), teacher=teacher, replays=None, **how)
        inputs = inputs or prepared(trainer)
        loss, _, tokens = trainer._compute_loss(trainer.model, inputs, None)
        loss.backward()
        losses.append(loss.item())
        gradients.append(trainer.model.model.language_model.layers[0].mlp.down_proj.weight.grad.norm().item())
    ids, mask = inputs["completion_ids"], inputs["completion_mask"]
    keep = ids.shape[1]
    pictures = {name: inputs[name] for name in ("pixel_values", "image_grid_thw", "mm_token_type_ids")}
    states = []
    with torch.no_grad():
        for model, role, seen in ((trainer.model, "prompt", pictures), (teacher, "teacher", {})):
            told = torch.cat([inputs[f"{role}_ids"], ids], 1), torch.cat([inputs[f"{role}_mask"], mask], 1)
            found: list[torch.Tensor] = []
            hooks = [
                layer.register_forward_hook(lambda _layer, _given, output, found=found: found.append(output))
                for layer in model.model.language_model.layers
            ]
            model(input_ids=told[0], attention_mask=told[1], **seen)
            for hook in hooks:
                hook.remove()
            states.append(torch.stack(found)[:, :, -keep - 1 : -1].double())
    distance = ((states[0] - states[1]) ** 2).sum(-1) / (states[1] ** 2).sum(-1)
    expected = 3.0 * (distance * mask).sum().item() / len(distance) / int(tokens)
    assert losses[1] - losses[0] == pytest.approx(expected, rel=1e-3)
    assert expected > 0.01
    assert gradients[0] != pytest.approx(gradients[1], rel=1e-3)


def test_hidden_states_need_a_teacher_of_the_same_architecture(
    micro: Path, make_boards: Boards, tmp_path: Path
) -> None:
    teacher = load_model(micro)
    del teacher.model.language_model.layers[1]
    with pytest.raises(VSPGymError, match="the student has 2 layers of 64, the teacher 1 layers of 64"):
        opcd(micro, make_boards(4), tmp_path, teacher=teacher, hidden_weight=1.0)
    with pytest.raises(VSPGymError, match="hidden_weight must not be negative, not -1"):
        opcd(micro, make_boards(4), tmp_path, hidden_weight=-1.0)


# -- OPCD: runs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"objective": "reverse-kl"},
        {"objective": "jsd", "teacher": None, "hidden_weight": 1.0},
        {"objective": "sampled", "reward_weight": 0.1, "gradient_accumulation_steps": 2},
        {"objective": "top-k", "replays": None},
    ],
    ids=lambda options: options["objective"],
)
def test_opcd_takes_steps_and_its_folder_loads(
    options: dict[str, Any], micro: Path, make_boards: Boards, tmp_path: Path
) -> None:
    boards = make_boards(8)
    trainer = opcd(micro, boards, tmp_path, **options)
    before = weights(trainer.model)
    teacher = None if trainer.teacher_model is None else weights(trainer.teacher_model)
    run_opcd(trainer)
    after = weights(trainer.model) if teacher else weights(load_model(tmp_path))
    first = next(entry for entry in trainer.state.log_history if "divergence" in entry)
    assert {"divergence", "dead", "reward", "entropy"} <= first.keys()
    assert ("replay/perception" in first) == ("replay/text-plan" in first) == ("replays" not in options)
    if teacher:
        assert any(not torch.equal(before[name], after[name]) for name in before)
        assert all(torch.equal(teacher[n], w) for n, w in trainer.teacher_model.named_parameters())
    load_model(tmp_path)
    assert "Divergence" in (tmp_path / "curves.svg").read_text()
    assert any(entry.get("tokens_per_second", 0) > 0 for entry in trainer.state.log_history)


@pytest.mark.parametrize(("count", "last"), [(16, 2), (8, 2), (8, 3)], ids=["first", "between", "later"])
def test_a_resumed_run_equals_an_uninterrupted_one(
    count: int, last: int, micro: Path, make_boards: Boards, tmp_path: Path
) -> None:
    """Resumed in its first pass over the boards, between two, and in a later one."""
    boards = make_boards(count)
    whole = opcd(micro, boards, tmp_path / "whole", max_steps=4, save_steps=1)
    run_opcd(whole)
    kept = f"checkpoint-{last}"
    shutil.copytree(tmp_path / "whole" / kept, tmp_path / "rest" / kept)
    rest = opcd(micro, boards, tmp_path / "rest", max_steps=4, save_steps=1)
    run_opcd(rest, resume=True)
    expected, found = weights(whole.model), weights(rest.model)
    assert all(torch.equal(expected[name], found[name]) for name in expected)

    def losses(trainer: OpcdTrainer) -> list[Any]:
        return [(entry["step"], entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]

    assert losses(whole) == losses(rest)


def test_a_full_disk_is_said_and_the_last_checkpoint_stays(
    micro: Path, make_boards: Boards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = opcd(micro, make_boards(16), tmp_path, max_steps=3, save_steps=1)
    original = trainer._save_optimizer_and_scheduler

    def full(folder: str) -> None:
        if trainer.state.global_step == 2:
            raise OSError(28, "No space left on device")
        original(folder)

    monkeypatch.setattr(trainer, "_save_optimizer_and_scheduler", full)
    with pytest.raises(VSPGymError, match=r"No space left on device.*last good one is .*checkpoint-1"):
        run_opcd(trainer)
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-1"
    assert not (tmp_path / "checkpoint-2").exists()


def test_a_used_folder_needs_resume_and_an_empty_one_refuses_it(
    micro: Path, make_boards: Boards, tmp_path: Path
) -> None:
    boards = make_boards(8)
    with pytest.raises(VSPGymError, match="no whole checkpoint"):
        run_opcd(opcd(micro, boards, tmp_path), resume=True)
    (tmp_path / "checkpoint-1").mkdir()
    (tmp_path / "checkpoint-1" / "trainer_state.json").write_text("{}")
    with pytest.raises(VSPGymError, match="already has checkpoint-1"):
        run_opcd(opcd(micro, boards, tmp_path))


# -- bad input ------------------------------------------------------------------------------------


def test_fewer_boards_than_a_step_takes_are_refused(micro: Path, make_boards: Boards, tmp_path: Path) -> None:
    with pytest.raises(VSPGymError, match="3 boards are fewer than a step takes: 4"):
        opcd(micro, make_boards(3), tmp_path, per_device_train_batch_size=2, gradient_accumulation_steps=2)


def test_replays_have_shares(micro: Path, make_boards: Boards, tmp_path: Path) -> None:
    rows = to_dataset(sft_rows(make_boards(4), "perception"))
    with pytest.raises(VSPGymError, match="share of the replay seeing must be 0 or more, not nan"):
        opcd(micro, make_boards(4), tmp_path, replays={"seeing": (rows, float("nan"))})


def test_a_folder_with_anything_else_in_it_is_refused(tmp_path: Path) -> None:
    check_out(tmp_path / "new", resume=False)
    check_out(tmp_path, resume=False)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(VSPGymError, match="is not empty; name a new folder"):
        check_out(tmp_path, resume=False)
    with pytest.raises(VSPGymError, match="is no folder"):
        check_out(tmp_path / "model.safetensors", resume=False)
    with pytest.raises(VSPGymError, match="no whole checkpoint"):
        check_out(tmp_path, resume=True)


@pytest.mark.parametrize(("written", "value"), [("False", False), ("true", True), ("None", None), ("x", "x")])
def test_settings_are_json_or_pythons_words(written: str, value: object) -> None:
    none = dict.fromkeys(("steps", "batch_size", "learning_rate", "eval_every", "save_every"))
    found = trainer_arguments(**none, seed=0, settings=[f"guard={written}"])
    assert found["guard"] == value


def test_a_guard_is_on_or_off(tmp_path: Path) -> None:
    with pytest.raises(VSPGymError, match="guard must be true or false, not 'maybe'"):
        OpcdConfig(output_dir=str(tmp_path), guard="maybe", use_cpu=True, bf16=False)


def test_values_that_the_trainer_refuses_are_told_in_one_line() -> None:
    with pytest.raises(VSPGymError, match="refuses its settings: 1 is not 2"), checked_settings():
        raise ValueError("1 is\nnot 2")
    with pytest.raises(VSPGymError, match=r"^as it is$"), checked_settings():
        raise VSPGymError("as it is")


def test_a_leaking_row_stops_the_run(micro: Path, make_boards: Boards, tmp_path: Path) -> None:
    trainer = opcd(micro, make_boards(4), tmp_path)
    row = dict(trainer.train_dataset[0])
    prompt = json.loads(row["prompt"])
    prompt[-1]["content"].append({"type": "text", "text": "Goal: (0, 0)"})
    with pytest.raises(VSPGymError, match="student's text"):
        trainer._generate_and_score_completions([{**row, "prompt": json.dumps(prompt)}])


def test_a_model_without_vision_is_refused(tmp_path: Path) -> None:
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    LlamaForCausalLM(LlamaConfig(vocab_size=16, **sizes)).save_pretrained(tmp_path)
    with pytest.raises(FormatError, match="without vision"):
        load_model(tmp_path)
    with pytest.raises(FormatError, match="no model"):
        load_model(tmp_path / "nothing")


def test_tokenizers_that_differ_are_refused(micro: Path) -> None:
    one, other = load_processor(micro), load_processor(micro)
    check_teacher(one, other)
    other.tokenizer.add_tokens(["something new"])
    with pytest.raises(VSPGymError, match="'something new' is token None of the student"):
        check_teacher(one, other)


def test_a_teacher_from_base_needs_adapters(micro: Path, make_boards: Boards, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'reverse-kl'"):
        opcd(micro, make_boards(2), tmp_path, objective="reverse_kl")
    with pytest.raises(UnknownNameError, match="preset"):
        opcd(micro, make_boards(2), tmp_path, preset="mgds")


def test_pictures_above_the_limit_are_refused(micro: Path, make_boards: Boards) -> None:
    processor = load_processor(micro)
    board = make_boards(1)[0]
    check_pixels(processor, [board])
    from vsp_gym.render import render_png

    large = dataclasses.replace(board, image=render_png(board.task, board.layout, size=512))
    with pytest.raises(VSPGymError, match="at most 320 pixels a side"):
        check_pixels(processor, [large])


def test_replies_are_rewarded_by_the_simulator(make_boards: Boards) -> None:
    board = make_boards(1, sizes=(4,))[0]
    (row,) = opcd_rows([board])
    (target,) = sft_rows([board], "plan")
    assert plan_reward(row.board, target.reply) == 1.0
    assert plan_reward(row.board, "no idea") == 0.0


_TWO_PROCESSES = """
import hashlib, sys
import torch
torch.set_num_threads(1)
from vsp_gym_trl.data import opcd_rows, sft_rows
from vsp_gym_trl.opcd import make_opcd_trainer
from vsp_gym_trl.processing import load_processor
from vsp_gym_trl.training import BoardEvaluation, load_model, read_boards, to_dataset

model, data, out = sys.argv[1:]
boards = read_boards(data, cell_pixels=32)
trainer = make_opcd_trainer(
    load_model(model), load_model(model), load_processor(model), to_dataset(opcd_rows(boards)), out,
    replays={"perception": (to_dataset(sft_rows(boards, "perception")), 0.5)},
    evaluation=BoardEvaluation(boards[:5], ("perception",), max_new_tokens=2),
    eval_strategy="steps", eval_steps=2, preset="tiny", max_steps=2, per_device_train_batch_size=2,
    max_completion_length=6, use_cpu=True, report_to=[], save_strategy="no", disable_tqdm=True,
)
trainer.train()
trained = trainer.accelerator.unwrap_model(trainer.model)
weights = torch.cat([weight.detach().reshape(-1) for weight in trained.parameters()])
digest = hashlib.sha256(weights.numpy().tobytes()).hexdigest()[:16]
place = trainer.accelerator
print(f"RANK {place.process_index} of {place.num_processes}: {digest}", flush=True)
"""


def test_two_processes_train_one_model(micro: Path, tmp_path: Path) -> None:
    """As on two GPUs: each samples its own replies, gradients are shared, and weights stay equal."""
    data, script = tmp_path / "data", tmp_path / "two.py"
    options = ["--task", "frozen-lake", "--sizes", "3", "--count", "12", "--out", str(data)]
    assert CliRunner().invoke(vsp_gym.cli.main, ["generate", *options]).exit_code == 0
    script.write_text(_TWO_PROCESSES)
    found = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"),
            *(str(script), str(micro), str(data), str(tmp_path / "out")),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    said = re.findall(r"RANK (\d) of 2: (\w+)", found.stdout)
    assert {rank for rank, _ in said} == {"0", "1"}, found.stderr[-2000:]
    assert len({digest for _, digest in said}) == 1
