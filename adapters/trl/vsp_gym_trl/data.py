"""Rows to train on, from samples, through `vsp_gym.prompts` only.

| kind | the model sees | and learns to write |
|---|---|---|
| `perception` | a picture | the statement of the board |
| `text-plan` | the state in words | statement, plan and answer (or the answer alone) |
| `plan` | a picture | the same |
| `mixed` | perception and text-plan in turn | |

A row of context distillation (`OpcdRow`) has no target: it has what the student sees, and what the teacher
reads. No row is made whose student sees more of the board than its picture.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from PIL import Image

from vsp_gym.core import Layout, Plan
from vsp_gym.distillation import distillation_record
from vsp_gym.envs import get_task
from vsp_gym.envs.base import PlanningTask
from vsp_gym.errors import UnknownNameError, VSPGymError
from vsp_gym.perception import state_statement
from vsp_gym.plans import parse_plan
from vsp_gym.prompts import (
    Message,
    ReplyForm,
    Role,
    build_messages,
    check_student,
    example_solution,
    message_texts,
    write_reply,
)
from vsp_gym.records import Sample
from vsp_gym.render import render_png
from vsp_gym_trl.processing import ImageProcessor

AnyPlanningTask = PlanningTask[Any, Any]

SftKind = Literal["perception", "text-plan", "plan", "mixed"]
Reader = Literal["text-student", "teacher", "teacher-with-reference"]

READERS: tuple[Reader, ...] = get_args(Reader)
"""Who reads the state in words: all of them are trained by `text-plan` rows, in turn."""

CELL = 32
"""Pixels of a cell that is one visual token of a Qwen3-VL: 2 x 2 patches of 16."""

IGNORED = -100
"""Label of a token that is not learned."""


@dataclass(frozen=True)
class SftRow:
    """One thing to learn: a prompt and the reply to it."""

    prompt: list[Message]
    """Chat messages in the form `"hf-template"`."""
    reply: str
    image: bytes | None
    """The picture as PNG or JPEG, if the prompt has a place for it."""


@dataclass(frozen=True)
class OpcdRow:
    """A board as student and teacher see it.

    Raises:
        VSPGymError: if the student's text is not the one that every board gets, or the teacher sees a
            picture.
    """

    prompt: list[Message]
    """The student's messages in the form `"hf-template"`."""
    image: bytes
    """The student's picture as PNG or JPEG."""
    teacher_prompt: list[Message]
    """The teacher's messages, without a picture."""
    board: str
    """The task's name and the layout as JSON; for the scorer, not for any model."""
    theme: str = "classic"
    """The look of the picture."""
    reply: ReplyForm = "full"
    """Which form of reply both are asked for."""

    def __post_init__(self) -> None:
        task, layout = read_board(self.board)
        check_student(task, layout, self.prompt, theme=self.theme, reply=self.reply)
        if any(part["type"] != "text" for message in self.teacher_prompt for part in message["content"]):
            raise VSPGymError("the teacher's messages hold a picture; it reads the state in words")


def read_board(board: str) -> tuple[AnyPlanningTask, Layout]:
    """The task and the layout of `OpcdRow.board`."""
    data = json.loads(board)
    task = get_task(data["task"])
    return task, task.layout_type.from_dict(data["layout"])


def write_board(task: AnyPlanningTask, layout: Layout) -> str:
    """`OpcdRow.board` of a layout."""
    return json.dumps({"task": task.name, "layout": layout.to_dict()}, sort_keys=True)


def _check_perception(board: Board, prompt: list[Message]) -> None:
    """Check that a perception prompt has the text that every other board gets."""
    other = example_solution(board.task, board.layout).layout
    expected = build_messages(board.task, other, role="perception", theme=board.theme, form="hf-template")
    if message_texts(prompt) != message_texts(expected):
        raise VSPGymError("the text of a perception prompt is not the one that every board gets")


@dataclass(frozen=True)
class Board:
    """A sample as far as training needs it."""

    task: AnyPlanningTask
    layout: Layout
    plan: Plan
    theme: str
    image: bytes

    @classmethod
    def from_sample(
        cls, sample: Sample, *, cell_pixels: int | None = None, theme: str | None = None
    ) -> Board:
        """The board of a sample; its picture is drawn if the sample has none or another look is wanted.

        Args:
            sample: the sample.
            cell_pixels: draw the picture with so many pixels a cell; `CELL` makes each cell one visual token.
                If None, the sample's own picture is taken, or else one drawn with `CELL`.
            theme: draw the picture in this look.
        """
        task, layout = get_task(sample.task), sample.board()
        plan = parse_plan(f"<answer>{sample.plan}</answer>", task, mode="strict").actions
        if plan is None:
            raise VSPGymError(f"sample {sample.id}: the plan {sample.plan!r:.80} cannot be read")
        image = sample.image
        look = theme or sample.theme or "classic"
        other_look = theme is not None and theme != sample.theme
        size = (cell_pixels or CELL) * sample.size
        if image is None or other_look or (cell_pixels is not None and size != sample.image_size):
            image = render_png(task, layout, size=size, theme=look)
        return cls(task, layout, plan, look, image)


def sft_rows(
    boards: Iterable[Board],
    kind: SftKind,
    *,
    reply: ReplyForm = "full",
    readers: Sequence[Reader] = READERS,
) -> Iterator[SftRow]:
    """Rows for supervised training, one a board.

    Args:
        boards: the boards.
        kind: what is learned, see the module.
        reply: form of the replies that have a plan.
        readers: who reads the state in `text-plan` rows, in turn. The teacher of a distillation is a reader,
            so a model that knows no language yet must learn its prompts too.

    Raises:
        UnknownNameError: for an unknown kind or reader.
        VSPGymError: if a prompt says more of the board than it may.
    """
    if kind not in get_args(SftKind):
        raise UnknownNameError("kind of rows", kind, get_args(SftKind))
    for reader in readers:
        if reader not in READERS:
            raise UnknownNameError("reader", reader, READERS)
    if not readers:
        raise VSPGymError(f"name at least one reader of {', '.join(READERS)}")
    for index, board in enumerate(boards):
        if kind == "perception" or (kind == "mixed" and index % 2 == 0):
            yield perception_row(board)
        elif kind == "plan":
            yield plan_row(board, reply=reply)
        else:
            turn = index // 2 if kind == "mixed" else index
            yield text_plan_row(board, reply=reply, reader=readers[turn % len(readers)])


def perception_row(board: Board) -> SftRow:
    """Picture -> the statement of the board."""
    prompt = build_messages(
        board.task, board.layout, role="perception", image=board.image, theme=board.theme, form="hf-template"
    )
    _check_perception(board, prompt)
    return SftRow(prompt, state_statement(board.task, board.layout), board.image)


def plan_row(board: Board, *, reply: ReplyForm = "full") -> SftRow:
    """Picture -> the plan, as a student would be taught without a teacher."""
    prompt = build_messages(
        board.task, board.layout, image=board.image, theme=board.theme, reply=reply, form="hf-template"
    )
    check_student(board.task, board.layout, prompt, theme=board.theme, reply=reply)
    return SftRow(prompt, write_reply(board.task, board.layout, plan=board.plan, reply=reply), board.image)


def text_plan_row(board: Board, *, reply: ReplyForm = "full", reader: Reader = "text-student") -> SftRow:
    """The state in words -> the plan."""
    role: Role = "text-student" if reader == "text-student" else "teacher"
    reference = board.plan if reader == "teacher-with-reference" else None
    prompt = build_messages(
        board.task, board.layout, role=role, reply=reply, reference_plan=reference, form="hf-template"
    )
    return SftRow(prompt, write_reply(board.task, board.layout, plan=board.plan, reply=reply), None)


def opcd_rows(
    boards: Iterable[Board], *, reply: ReplyForm = "full", reference: bool = True
) -> Iterator[OpcdRow]:
    """Rows for on-policy context distillation, one a board.

    Args:
        boards: the boards.
        reply: form of the replies.
        reference: whether the teacher reads the reference plan too (as by MGSD's default).
    """
    for board in boards:
        record = distillation_record(
            board.task,
            board.layout,
            image=board.image,
            theme=board.theme,
            reference_plan=board.plan,
            reply=reply,
        )
        teacher = record.teacher_with_reference if reference else record.teacher
        where = write_board(board.task, board.layout)
        yield OpcdRow(record.student, record.image, teacher, where, record.theme, reply)


# ---------------------------------------------------------------------------------------------
# Batches.


def open_image(image: bytes) -> Image.Image:
    """A picture from its bytes, in RGB."""
    with Image.open(io.BytesIO(image)) as opened:
        return opened.convert("RGB")


def encode_prompts(
    processor: ImageProcessor, prompts: Sequence[list[Message]], images: Sequence[bytes | None]
) -> dict[str, torch.Tensor]:
    """Prompts as model inputs, padded on the left, with the opening of the reply.

    Pictures and pure texts may be mixed.

    Returns:
        `input_ids`, `attention_mask` and `mm_token_type_ids` `int64[rows, tokens]`; where there are pictures
        `pixel_values` `float32[patches, values]` and `image_grid_thw` `int64[pictures, 3]` too.
    """
    texts = processor.apply_chat_template(list(prompts), tokenize=False, add_generation_prompt=True)
    pictures = [[open_image(image)] for image in images if image is not None]
    batch = processor(
        text=texts, images=pictures or None, padding=True, padding_side="left", return_tensors="pt"
    )
    return dict(batch)


class SftCollator:
    """Makes batches of `SftRow`s, or of rows of a data set with the columns `prompt`, `reply` and `image`.

    Only the reply and the token that ends it have labels. Rows with and without pictures may share a batch.

    Args:
        processor: the model's processor.
        max_length: longest row in tokens; a longer one is an error, never cut.
    """

    def __init__(self, processor: ImageProcessor, max_length: int | None = None) -> None:
        self.processor = processor
        self.max_length = max_length
        self._end = processor.tokenizer.eos_token_id

    def __call__(self, rows: Sequence[SftRow | dict[str, Any]]) -> dict[str, torch.Tensor]:
        """The batch, padded on the right: the tensors of `encode_prompts`, and `labels`."""
        given = [
            row if isinstance(row, SftRow) else SftRow(row["prompt"], row["reply"], row["image"])
            for row in rows
        ]
        prompts = encode_prompts(self.processor, [row.prompt for row in given], [row.image for row in given])
        replies = self.processor.tokenizer([row.reply for row in given], add_special_tokens=False)[
            "input_ids"
        ]
        lengths = prompts["attention_mask"].sum(1).tolist()
        longest = max(length + len(reply) + 1 for length, reply in zip(lengths, replies))
        if self.max_length is not None and longest > self.max_length:
            raise VSPGymError(
                f"a row of {longest} tokens is longer than max_length {self.max_length}; nothing is cut off"
            )
        shape = (len(given), longest)
        pad = self.processor.tokenizer.pad_token_id
        batch = {
            "input_ids": torch.full(shape, pad),
            "attention_mask": torch.zeros(shape, dtype=torch.int64),
            "mm_token_type_ids": torch.zeros(shape, dtype=torch.int64),
            "labels": torch.full(shape, IGNORED),
        }
        for row, (length, reply) in enumerate(zip(lengths, replies)):
            target = torch.tensor([*reply, self._end])
            end = length + len(target)
            for name in ("input_ids", "mm_token_type_ids"):
                if name in prompts:
                    batch[name][row, :length] = prompts[name][row, -length:]
            batch["input_ids"][row, length:end] = target
            batch["labels"][row, length:end] = target
            batch["attention_mask"][row, :end] = 1
        for name in ("pixel_values", "image_grid_thw"):
            if name in prompts:
                batch[name] = prompts[name]
        return batch
