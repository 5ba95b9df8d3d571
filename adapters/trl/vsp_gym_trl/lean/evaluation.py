"""Greedy replies to boards, judged by the core's parsers and scorer in other processes meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from vsp_gym.core import Layout
from vsp_gym.envs import get_task
from vsp_gym.perception import parse_statement
from vsp_gym.scoring import score_reply
from vsp_gym_trl.lean.boards import Mode, TaskBoards
from vsp_gym_trl.lean.training import TaskData, Trainer, View

_CHUNK = 100
"""Replies that a process judges at a time."""


class Verdict(NamedTuple):
    """One reply."""

    success: bool
    optimal: bool
    state: bool
    """Whether it states the board exactly."""
    parsed: bool
    """Whether a plan could be read (for a statement: whether it could)."""


def judge(task: str, mode: Mode, layouts: Sequence[Layout], replies: Sequence[str]) -> list[Verdict]:
    """Judge replies about boards of a task by `score_reply` and `parse_statement`."""
    return [_judged(task, mode, layout, reply) for layout, reply in zip(layouts, replies)]


def _judged(task: str, mode: Mode, layout: Layout, reply: str) -> Verdict:
    rules = get_task(task)
    state, parsed = False, False
    if mode != "direct":
        said = parse_statement(rules, reply)
        state = said.layout == layout and said.state == rules.initial(layout)
        parsed = said.layout is not None
    if mode == "state":
        return Verdict(False, False, state, parsed)
    score = score_reply(rules, layout, reply)
    return Verdict(score.success, score.optimal, state, score.outcome != "no_plan")


@dataclass(frozen=True)
class Pending:
    """Replies that are being judged."""

    sizes: Mapping[str, Sequence[int]]
    """By task the size of every board."""
    judging: Mapping[str, Sequence[Future[list[Verdict]]]]
    examples: Mapping[str, str]
    """By task the reply to its last board."""

    def done(self) -> bool:
        """Whether all are judged."""
        return all(future.done() for waiting in self.judging.values() for future in waiting)

    def result(self) -> dict[str, Any]:
        """Shares by measure, in total (the mean over tasks of the mean over sizes) and by task and size.

        ```python
        {"optimal": {"macro": 0.93, "frozen_lake 3": 0.99, ...}, "success": ..., "state": ..., "parsed": ...}
        ```
        """
        verdicts = {
            name: [v for done in waiting for v in done.result()] for name, waiting in self.judging.items()
        }
        found: dict[str, Any] = {}
        for number, measure in enumerate(Verdict._fields):
            shares: dict[str, float] = {}
            macro = []
            for name, sizes in self.sizes.items():
                of_task = []
                for size in sorted(set(sizes)):
                    values = [v[number] for v, s in zip(verdicts[name], sizes) if s == size]
                    of_task.append(sum(values) / len(values))
                    shares[f"{name} {size}"] = of_task[-1]
                macro.append(sum(of_task) / len(of_task))
            found[measure] = {"macro": sum(macro) / len(macro), **shares}
        return found


class _Inline(Executor):
    """Judges at once, for a machine with few cores."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Evaluator:
    """Lets a network reply to held-out boards.

    Args:
        trainer: the network and its samplers.
        tokenizer: turns replies into text.
        boards: held-out boards by task, with their layouts.
        executor: processes that judge; this one if None.
        batch: boards that are replied to at once.
    """

    def __init__(
        self,
        trainer: Trainer,
        tokenizer: Any,
        boards: Mapping[str, TaskBoards],
        *,
        executor: Executor | None = None,
        batch: int = 256,
    ) -> None:
        self._trainer, self._tokenizer, self._boards = trainer, tokenizer, boards
        self._executor = executor or _Inline()
        self._batch = batch

    def start(
        self, view: View, *, looks: Mapping[str, TaskData] | None = None, share: float = 1.0
    ) -> Pending:
        """Reply to the boards and have the replies judged.

        Args:
            view: how boards are shown and what is asked.
            looks: tasks with other pictures, for another theme.
            share: of the boards of every task, this share, evenly chosen.
        """
        sizes, judging, examples = {}, {}, {}
        for name, boards in self._boards.items():
            task = (looks or self._trainer.data)[name]
            step = max(1, round(1 / share))
            rows = torch.arange(0, len(boards), step)
            replies = self._replies(task, boards, view, rows)
            layouts = [boards.layouts[row] for row in rows.tolist()]
            sizes[name] = [int(size) for size in boards.sizes[rows.numpy()]]
            examples[name] = replies[-1]
            judging[name] = [
                self._executor.submit(
                    judge, name, view.mode, layouts[i : i + _CHUNK], replies[i : i + _CHUNK]
                )
                for i in range(0, len(replies), _CHUNK)
            ]
        return Pending(sizes, judging, examples)

    def _replies(self, task: TaskData, boards: TaskBoards, view: View, rows: torch.Tensor) -> list[str]:
        trainer, replies = self._trainer, []
        longest = trainer.longest(task, view)
        for start in range(0, len(rows), self._batch):
            some = rows[start : start + self._batch]
            filled = torch.cat([some, some[:1].expand(self._batch - len(some))])
            prompts, picture_at = trainer.prompts(task, boards, view, filled)
            patches = trainer.pictures(task, boards, filled) if view.sees else None
            sampler = trainer.sampler(self._batch, prompts.ids.shape[1] + longest)
            tokens, lengths = sampler.run(
                prompts, longest, patches=patches, picture_at=picture_at, temperature=0.0
            )
            for ids, length in zip(tokens[: len(some)].tolist(), lengths.tolist()):
                ended = ids[length - 1] == trainer.end
                replies.append(self._tokenizer.decode(ids[: length - 1] if ended else ids[:length]))
        return replies
