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
from vsp_gym_trl.lean.training import Trainer, View

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

    judging: Mapping[tuple[str, int], Sequence[Future[list[Verdict]]]]
    """By task and size."""

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
            key: [verdict for done in waiting for verdict in done.result()]
            for key, waiting in self.judging.items()
        }
        found: dict[str, Any] = {}
        for number, measure in enumerate(Verdict._fields):
            shares: dict[str, float] = {}
            of_tasks: dict[str, list[float]] = {}
            for (task, size), judged in verdicts.items():
                share = sum(verdict[number] for verdict in judged) / len(judged)
                shares[f"{task} {size}"] = share
                of_tasks.setdefault(task, []).append(share)
            means = [sum(values) / len(values) for values in of_tasks.values()]
            found[measure] = {"macro": sum(means) / len(means), **shares}
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
        boards: held-out boards by the trainer's names, with their layouts.
        executor: processes that judge; this one if None.
        batch: boards of every name that are replied to at once.
    """

    def __init__(
        self,
        trainer: Trainer,
        tokenizer: Any,
        boards: Mapping[str, TaskBoards],
        *,
        executor: Executor | None = None,
        batch: int = 64,
    ) -> None:
        self._trainer, self._tokenizer, self._boards = trainer, tokenizer, boards
        self._executor = executor or _Inline()
        self._batch = batch

    def start(self, view: View, *, share: float = 1.0) -> Pending:
        """Reply to the boards and have the replies judged.

        Args:
            view: how boards are shown and what is asked.
            share: of the boards of every name, this share, evenly chosen.
        """
        step = max(1, round(1 / share))
        chosen = {name: torch.arange(0, len(boards), step) for name, boards in self._boards.items()}
        replies = self._replies(view, chosen)
        judging = {}
        for name, rows in chosen.items():
            boards = self._boards[name]
            layouts = [boards.layouts[row] for row in rows.tolist()]
            judging[boards.task.name, boards.size] = [
                self._executor.submit(
                    judge,
                    *(boards.task.name, view.mode),
                    *(layouts[i : i + _CHUNK], replies[name][i : i + _CHUNK]),
                )
                for i in range(0, len(rows), _CHUNK)
            ]
        return Pending(judging)

    def _replies(self, view: View, chosen: Mapping[str, torch.Tensor]) -> dict[str, list[str]]:
        """The text of the reply to every chosen board, by name."""
        end = self._trainer.end
        replies: dict[str, list[str]] = {name: [] for name in chosen}
        for start in range(0, max(map(len, chosen.values())), self._batch):
            wanted = torch.arange(start, start + self._batch)
            asked = [(name, some[wanted.clamp(max=len(some) - 1)]) for name, some in chosen.items()]
            for found in self._trainer.reply(view, asked, self._boards, temperature=0.0, training=False):
                missing = max(0, len(chosen[found.name]) - start)
                ragged = found.replies
                for ids, length in zip(ragged.ids[:missing].tolist(), ragged.lengths.tolist()):
                    said = ids[:length]
                    replies[found.name].append(self._tokenizer.decode(said[:-1] if said[-1] == end else said))
        return replies
