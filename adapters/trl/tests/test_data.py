"""Rows say what they must and no more; batches are the same as single rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from vsp_gym.envs import TASKS
from vsp_gym.errors import UnknownNameError, VSPGymError
from vsp_gym.perception import parse_statement, state_statement
from vsp_gym.prompts import message_texts
from vsp_gym.records import make_sample
from vsp_gym.scoring import score_reply
from vsp_gym.text import describe
from vsp_gym_trl.data import IGNORED, Board, OpcdRow, SftCollator, opcd_rows, sft_rows
from vsp_gym_trl.processing import load_processor
from vsp_gym_trl.training import load_model, read_messages, to_dataset

Boards = Callable[..., list[Board]]

SIZES = {"frozen_lake": (3, 8), "maze": (3, 6), "mini_behaviour": (5, 6)}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("reply", ["full", "direct"])
def test_targets_are_what_the_simulator_accepts(task: str, reply: str, make_boards: Boards) -> None:
    boards = make_boards(4, task, SIZES[task])
    for kind in ("text-plan", "plan"):
        for board, row in zip(boards, sft_rows(boards, kind, reply=reply)):
            assert score_reply(board.task, board.layout, row.reply, mode="strict").optimal
            assert (row.image is None) == (kind == "text-plan")
    for board, row in zip(boards, sft_rows(boards, "perception")):
        assert parse_statement(board.task, row.reply).layout == board.layout


@pytest.mark.parametrize("task", TASKS)
def test_a_student_sees_nothing_of_the_board_but_its_picture(task: str, make_boards: Boards) -> None:
    boards = make_boards(3, task, SIZES[task])
    for reply in ("full", "direct"):
        rows = list(opcd_rows(boards, reply=reply))
        assert len({str(row.prompt) for row in rows}) == 1
        for board, row in zip(boards, rows):
            words = "\n".join(message_texts(row.teacher_prompt))
            assert describe(board.task, board.layout).strip() in words
            assert describe(board.task, board.layout).strip() not in "\n".join(message_texts(row.prompt))


def test_a_row_that_tells_the_student_the_state_is_refused(make_boards: Boards) -> None:
    board = make_boards(1)[0]
    (row,) = opcd_rows([board])
    for told in (state_statement(board.task, board.layout), "By the way, the goal is near.", "RRD"):
        prompt = [
            *row.prompt[:-1],
            {"role": "user", "content": [*row.prompt[-1]["content"], {"type": "text", "text": told}]},
        ]
        with pytest.raises(VSPGymError, match="student's text"):
            dataclasses.replace(row, prompt=prompt)
    with pytest.raises(VSPGymError, match="teacher's messages hold a picture"):
        dataclasses.replace(row, teacher_prompt=row.prompt)


def test_the_teacher_reads_the_reference_plan_only_if_asked(make_boards: Boards) -> None:
    boards = make_boards(1, sizes=(8,))
    with_plan, without = (next(iter(opcd_rows(boards, reference=flag))) for flag in (True, False))
    assert "for your eyes only" in str(with_plan.teacher_prompt)
    assert "for your eyes only" not in str(without.teacher_prompt)


def test_mixed_rows_take_turns_and_every_reader_has_its_own(make_boards: Boards) -> None:
    rows = list(sft_rows(make_boards(12), "mixed"))
    assert [row.image is not None for row in rows] == [True, False] * 6
    systems = [str(row.prompt[0]) for row in rows if row.image is None]
    assert systems[0] != systems[1]
    assert systems[:3] == systems[3:]


def test_wrong_kinds_and_readers_are_named(make_boards: Boards) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'perception'"):
        list(sft_rows(make_boards(1), "perceptoin"))  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="reader"):
        list(sft_rows(make_boards(1), "text-plan", readers=["pupil"]))  # type: ignore[list-item]


def test_a_board_comes_from_a_sample_with_or_without_a_picture() -> None:
    import numpy as np

    task = TASKS["maze"]
    solution = task.generator.draw(np.random.default_rng(1), 4)
    sample = make_sample(task, solution, id="a", split="train", seed=0, index=0)
    drawn = Board.from_sample(sample)
    assert drawn.layout == solution.layout
    assert drawn.plan == solution.plan()
    kept = Board.from_sample(dataclasses.replace(sample, image=b"kept", image_size=128, theme="classic"))
    assert kept.image == b"kept"
    other = dataclasses.replace(sample, image=b"kept", image_size=128, theme="classic")
    assert Board.from_sample(other, theme="inverted").image not in (b"kept", drawn.image)


def test_a_batch_is_its_rows_padded(micro: Path, make_boards: Boards) -> None:
    """Mixed lengths, and rows with and without pictures: logits, labels and loss are those of single rows."""
    processor, model = load_processor(micro), load_model(micro).eval()
    collate = SftCollator(processor)
    rows = list(sft_rows(make_boards(4, sizes=(3, 5)), "mixed"))
    batch = collate(rows)
    with torch.no_grad():
        together = model(**{k: v for k, v in batch.items() if k != "labels"}).logits
        for index, row in enumerate(rows):
            single = collate([row])
            length = single["input_ids"].shape[1]
            assert torch.equal(batch["labels"][index, :length], single["labels"][0])
            assert bool((batch["labels"][index, length:] == IGNORED).all())
            alone = model(**{k: v for k, v in single.items() if k != "labels"}).logits[0]
            assert torch.allclose(together[index, :length], alone, atol=1e-5)


def test_labels_are_the_reply_and_its_end(micro: Path, make_boards: Boards) -> None:
    processor = load_processor(micro)
    (row,) = sft_rows(make_boards(1), "plan")
    labels = SftCollator(processor)([row])["labels"][0]
    learned = labels[labels != IGNORED].tolist()
    assert processor.tokenizer.decode(learned) == f"{row.reply}<|im_end|>"


def test_a_row_that_is_too_long_is_refused_not_cut(micro: Path, make_boards: Boards) -> None:
    with pytest.raises(VSPGymError, match="nothing is cut off"):
        SftCollator(load_processor(micro), max_length=20)(list(sft_rows(make_boards(1), "plan")))


def test_a_data_set_gives_rows_back_as_they_were(make_boards: Boards) -> None:
    row = next(iter(opcd_rows(make_boards(1))))
    stored = to_dataset([row])[0]
    again = OpcdRow(
        **{
            **stored,
            "prompt": read_messages(stored["prompt"]),
            "teacher_prompt": read_messages(stored["teacher_prompt"]),
        }
    )
    assert again == row
    with pytest.raises(VSPGymError, match="no rows"):
        to_dataset([])
