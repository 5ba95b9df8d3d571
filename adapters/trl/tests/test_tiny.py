"""The tiny model: its vocabulary, its files, and that they load like those of any Qwen3-VL."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from transformers import AutoModelForImageTextToText

import vsp_gym.cli
from vsp_gym.envs import TASKS
from vsp_gym.errors import FormatError, UnknownNameError, VSPGymError
from vsp_gym.perception import state_statement
from vsp_gym.prompts import build_messages, write_reply
from vsp_gym_trl.processing import VIDEO_FILE, load_processor
from vsp_gym_trl.tiny import CELL, PRESETS, build_tiny, build_tokenizer, get_preset
from vsp_gym_trl.training import load_model
from vsp_gym_trl.vocabulary import _cut, _phrases, suite_vocabulary


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return build_tokenizer()


def boards(task: Any) -> list[Any]:
    """Boards of every size of the paper that the vocabulary was not collected from."""
    return [
        task.generator.draw(np.random.default_rng([99, n, i]), n) for n in task.paper_sizes for i in range(6)
    ]


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_what_the_suite_says_is_read_in_whole_tokens(task: Any, tokenizer: Any) -> None:
    newline = tokenizer.convert_tokens_to_ids("Ċ")
    letters = set(tokenizer.convert_tokens_to_ids(list("LDRU")))
    for solution in boards(task):
        layout, plan = solution.layout, solution.plan()
        texts = [
            message["content"][-1]["text"]
            for role in ("student", "text-student", "teacher", "perception")
            for reply in ("full", "direct")
            for message in build_messages(task, layout, role=role, reply=reply, form="hf-template")
        ]
        texts += [write_reply(task, layout, plan=plan, reply=reply) for reply in ("full", "direct")]
        texts += [state_statement(task, layout)]
        for text in texts:
            ids = tokenizer(text)["input_ids"]
            assert tokenizer.decode(ids) == text
            spelled = [tokenizer.decode([i]) for i in ids if i < 256 and i != newline and i not in letters]
            assert not spelled, f"{spelled} in {text}"


def test_a_cell_of_a_maze_and_a_row_of_its_walls_are_one_token(tokenizer: Any) -> None:
    task = TASKS["maze"]
    for solution in boards(task):
        n = solution.layout.rows
        told = state_statement(task, solution.layout)
        cells = [token for token in map(tokenizer.decode, tokenizer(told)["input_ids"]) if token[0] == "("]
        assert len(cells) == n * n + 2  # and where the agent and the goal are
        ids = tokenizer(f"{'+---' * n}+\n|{' ' * (4 * n - 1)}|\n")["input_ids"]
        assert len(ids) == 2


@pytest.mark.parametrize(
    "text", ["", "naïve 🎉 text", "<answer>LRD</answer>", "(3, 3)(10, 10)\n\n", "\x00 none", "<|im_end|>x"]
)
def test_any_text_survives(text: str, tokenizer: Any) -> None:
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=False) == text


def test_sentences_are_cut_where_they_are_alike_and_joined_where_they_come_together() -> None:
    assert _cut(["a b c d e", "a b c d f"]) == {
        "a b c d e": ["a b c d", " e"],
        "a b c d f": ["a b c d", " f"],
    }
    assert _phrases(["One. Two. Three.", "One. Two. Four."]) == ["One. Two. ", "Three.", "Four."]


def test_the_vocabulary_is_the_same_every_time() -> None:
    assert suite_vocabulary() == suite_vocabulary()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "model"
    build_tiny(path, "micro", seed=3)
    return path


def test_a_cell_is_a_visual_token(folder: Path) -> None:
    processor = load_processor(folder)
    task = TASKS["maze"]
    layout = boards(task)[0].layout
    messages = build_messages(task, layout, form="hf", image_size=CELL * layout.rows)
    batch = processor.apply_chat_template(messages, tokenize=True, return_dict=True, return_tensors="pt")
    assert int((batch["input_ids"] == processor.image_token_id).sum()) == layout.rows * layout.cols


def test_a_folder_loads_like_any_qwen3_vl_and_gives_the_same_logits(folder: Path) -> None:
    one = AutoModelForImageTextToText.from_pretrained(folder)
    assert type(one).__name__ == "Qwen3VLForConditionalGeneration"
    again = folder.parent / "again"
    if not again.exists():
        build_tiny(again, "micro", seed=3)
    other = AutoModelForImageTextToText.from_pretrained(again)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters()))
    processor = load_processor(folder)
    task = TASKS["frozen_lake"]
    messages = build_messages(task, boards(task)[0].layout, form="hf", image_size=96)
    batch = processor.apply_chat_template(messages, tokenize=True, return_dict=True, return_tensors="pt")
    with torch.no_grad():
        assert torch.equal(one(**batch).logits, other(**batch).logits)


def test_the_files_name_the_classes_of_transformers(folder: Path) -> None:
    written = json.loads((folder / "processor_config.json").read_text())
    assert written["processor_class"] == "Qwen3VLProcessor"
    assert json.loads((folder / "config.json").read_text())["architectures"] == [
        "Qwen3VLForConditionalGeneration"
    ]
    assert json.loads((folder / "tokenizer_config.json").read_text())["tokenizer_class"] == "Qwen2Tokenizer"


def test_a_saved_processor_loads_again(folder: Path, tmp_path: Path) -> None:
    load_processor(folder).save_pretrained(tmp_path)
    assert load_processor(tmp_path).tokenizer.get_vocab() == load_processor(folder).tokenizer.get_vocab()
    assert (tmp_path / VIDEO_FILE).read_text() == (folder / VIDEO_FILE).read_text()


def test_the_suite_evaluates_it_as_any_model(folder: Path, tmp_path: Path) -> None:
    found = CliRunner().invoke(
        vsp_gym.cli.main,
        [
            *("evaluate", "--model", f"hf:{folder}", "--out", str(tmp_path / "run"), "--task", "maze"),
            *("--sizes", "3", "--boards", "2", "--image-size", "96", "--max-tokens", "4"),
        ],
    )
    assert found.exit_code == 0, found.output
    assert len((tmp_path / "run" / "results.jsonl").read_text().splitlines()) >= 2


def test_nothing_of_the_adapter_needs_torchvision(folder: Path) -> None:
    code = (
        "import sys; sys.modules['torchvision'] = None\n"
        "from vsp_gym_trl.processing import VIDEO_FILE, load_processor\n"
        f"print(load_processor({str(folder)!r}).image_token)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert found.stdout.strip() == "<|image_pad|>", found.stderr


def test_the_files_of_qwens_own_release_are_read_too(folder: Path, tmp_path: Path) -> None:
    """Qwen3-VL-4B-Instruct has other files than transformers writes today."""
    model = tmp_path / "release"
    shutil.copytree(folder, model)
    written = json.loads((model / "processor_config.json").read_text())
    (model / "processor_config.json").unlink()
    settings = {**written["image_processor"], "processor_class": "Qwen3VLProcessor"}
    settings["image_processor_type"] = "Qwen2VLImageProcessorFast"
    (model / "preprocessor_config.json").write_text(json.dumps(settings))
    template = (model / "chat_template.jinja").read_text()
    (model / "chat_template.jinja").unlink()
    (model / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    released, ours = load_processor(model), load_processor(folder)
    assert released.chat_template == ours.chat_template
    assert released.image_processor.to_dict() == ours.image_processor.to_dict()
    load_model(model)
    (model / "chat_template.json").write_text("[]")
    with pytest.raises(FormatError, match="no chat template"):
        load_processor(model)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_have_heads_of_even_size(name: str) -> None:
    preset = get_preset(name)
    assert preset.hidden % preset.heads == 0
    assert preset.hidden // preset.heads % 2 == 0
    assert preset.vision_hidden // preset.vision_heads % 4 == 0


def test_wrong_names_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'small'"):
        build_tiny(tmp_path / "new", "smal")
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(VSPGymError, match="not empty"):
        build_tiny(tmp_path, "micro")
    with pytest.raises(VSPGymError, match="cannot be written"):
        build_tiny(tmp_path / "file" / "model", "micro")


def test_a_folder_without_a_vision_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no processor of a Qwen3-VL"):
        load_processor(tmp_path)


def test_the_replies_that_the_vocabulary_knows_are_those_of_the_suite() -> None:
    from vsp_gym.prompts import ReplyForm

    assert {"full", "direct"} <= set(get_args(ReplyForm))
