"""What a model can do with held-out boards, judged by the simulator.

| view | the model sees | a reply is right if |
|---|---|---|
| `image-plan` | a picture | its plan is as short as the oracle's |
| `text-plan` | the state in words | the same |
| `perception` | a picture | it states exactly this board |

The difference between `text-plan` and `image-plan` is the modality gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from transformers import PreTrainedModel

from vsp_gym.errors import UnknownNameError, VSPGymError
from vsp_gym.perception import parse_statement
from vsp_gym.prompts import Message, ReplyForm
from vsp_gym.scoring import score_reply
from vsp_gym_trl.data import Board, Reader, encode_prompts, perception_row, plan_row, text_plan_row
from vsp_gym_trl.processing import ImageProcessor

View = Literal["image-plan", "text-plan", "perception"]

VIEWS: tuple[View, ...] = get_args(View)


@dataclass(frozen=True)
class Score:
    """The replies to one view, by task and size. Rates are 0.0 to 1.0."""

    view: View
    optimal: Mapping[tuple[str, int], float]
    """Share of right replies, see the module."""
    success: Mapping[tuple[str, int], float]
    """Share of plans that succeed, however long; of statements, those that are right."""
    boards: int
    cut: int
    """Replies that were cut off by the limit on their length."""

    @property
    def macro(self) -> float:
        """Mean over tasks of the mean over sizes of `optimal`, as MGSD reports it."""
        tasks: dict[str, list[float]] = {}
        for (task, _), rate in self.optimal.items():
            tasks.setdefault(task, []).append(rate)
        return sum(sum(rates) / len(rates) for rates in tasks.values()) / len(tasks)

    def to_dict(self) -> dict[str, Any]:
        """The score as JSON types."""
        return {
            "view": self.view,
            "macro": self.macro,
            "boards": self.boards,
            "cut": self.cut,
            "optimal": {f"{task}/{size}": rate for (task, size), rate in self.optimal.items()},
            "success": {f"{task}/{size}": rate for (task, size), rate in self.success.items()},
        }


def evaluate(
    generate: Callable[[Sequence[list[Message]], Sequence[bytes | None]], list[tuple[str, bool]]],
    boards: Sequence[Board],
    views: Iterable[View] = VIEWS,
    *,
    reply: ReplyForm = "full",
    reader: Reader = "text-student",
) -> dict[View, Score]:
    """Ask a model about boards.

    Args:
        generate: prompts and their pictures -> replies, each with whether it was cut off.
        boards: the boards, which it has not been trained on.
        views: what is asked.
        reply: form of the replies that have a plan.
        reader: who reads the state in `text-plan`.

    Raises:
        UnknownNameError: for an unknown view.
        VSPGymError: if there are no boards.
    """
    if not boards:
        raise VSPGymError("there are no boards to evaluate on")
    scores: dict[View, Score] = {}
    for view in views:
        if view not in VIEWS:
            raise UnknownNameError("view", view, VIEWS)
        if view == "perception":
            rows = [perception_row(board) for board in boards]
        elif view == "image-plan":
            rows = [plan_row(board, reply=reply) for board in boards]
        else:
            rows = [text_plan_row(board, reply=reply, reader=reader) for board in boards]
        replies = generate([row.prompt for row in rows], [row.image for row in rows])
        scores[view] = score_replies(view, boards, replies)
    return scores


def score_replies(view: View, boards: Sequence[Board], replies: Sequence[tuple[str, bool]]) -> Score:
    """Judge the replies to one view, each with whether it was cut off."""
    verdicts: dict[tuple[str, int], list[tuple[bool, bool]]] = {}
    for board, (text, _) in zip(boards, replies):
        key = board.task.name, max(board.layout.rows, board.layout.cols)
        verdicts.setdefault(key, []).append(_judge(view, board, text))
    keys = sorted(verdicts)
    return Score(
        view,
        {key: sum(right for right, _ in verdicts[key]) / len(verdicts[key]) for key in keys},
        {key: sum(success for _, success in verdicts[key]) / len(verdicts[key]) for key in keys},
        len(boards),
        sum(cut for _, cut in replies),
    )


def _judge(view: View, board: Board, text: str) -> tuple[bool, bool]:
    if view == "perception":
        seen = parse_statement(board.task, text)
        right = seen.layout == board.layout and seen.state == board.task.initial(board.layout)
        return right, right
    score = score_reply(board.task, board.layout, text)
    return score.optimal, score.success


class Generator:
    """Greedy replies of a transformers model, in batches.

    Args:
        model: the model; its mode (training or not) is restored after each call.
        processor: its processor.
        batch_size: rows of a batch.
        max_new_tokens: longest reply; longer ones are cut and counted.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        processor: ImageProcessor,
        *,
        batch_size: int = 64,
        max_new_tokens: int = 512,
    ) -> None:
        self.model, self.processor = model, processor
        self.batch_size, self.max_new_tokens = batch_size, max_new_tokens

    def __call__(
        self, prompts: Sequence[list[Message]], images: Sequence[bytes | None]
    ) -> list[tuple[str, bool]]:
        """Replies in the order of the prompts, each with whether it was cut off."""
        training = self.model.training
        self.model.eval()
        replies: list[tuple[str, bool]] = []
        try:
            for start in range(0, len(prompts), self.batch_size):
                chosen = slice(start, start + self.batch_size)
                replies += self._batch(prompts[chosen], images[chosen])
        finally:
            self.model.train(training)
        return replies

    def _batch(
        self, prompts: Sequence[list[Message]], images: Sequence[bytes | None]
    ) -> list[tuple[str, bool]]:
        batch = encode_prompts(self.processor, prompts, images)
        batch = {name: values.to(self.model.device) for name, values in batch.items()}
        tokenizer = self.processor.tokenizer
        ends = [tokenizer.eos_token_id, tokenizer.pad_token_id]
        with torch.no_grad():
            output = self.model.generate(
                **batch,
                max_new_tokens=self.max_new_tokens,
                do_sample=False,
                eos_token_id=ends,
                pad_token_id=tokenizer.pad_token_id,
            )
        completions = output[:, batch["input_ids"].shape[1] :].tolist()
        texts = tokenizer.batch_decode(completions, skip_special_tokens=True)
        return [(text, not set(ends) & set(ids)) for text, ids in zip(texts, completions)]
