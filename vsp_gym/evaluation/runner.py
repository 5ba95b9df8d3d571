"""Running an evaluation: every case once, each result on the disk before the next is asked.

>>> from pathlib import Path
>>> from vsp_gym.evaluation.conditions import Evaluation, draw_boards
>>> from vsp_gym.evaluation.models import load_model
>>> from vsp_gym.envs import get_task
>>> boards = draw_boards([get_task("maze")], [3], 5, seed=0)
>>> evaluation = Evaluation(modalities=("state",))
>>> tally = run(evaluation, boards, load_model("agent:oracle"), Path("runs/oracle"))  # doctest: +SKIP
>>> tally.succeeded, tally.scored  # doctest: +SKIP
(5, 5)
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import json
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vsp_gym.evaluation.attribution import attribute
from vsp_gym.evaluation.conditions import Board as EvaluatedBoard
from vsp_gym.evaluation.conditions import Case, Evaluation, tell_outcome
from vsp_gym.evaluation.dispatch import Answer, Dispatcher, Patience
from vsp_gym.evaluation.journal import Journal
from vsp_gym.evaluation.models import Message, Model, ModelError, Request
from vsp_gym.perception import AnswerScore, parse_statement, score_answer
from vsp_gym.plans import parse_plan
from vsp_gym.scoring import PlanScore, get_convention, score_plan, score_reply

ROW_VERSION = 1
"""Version of the rows; raised whenever a field changes its meaning."""

MAX_REASONS = 20
"""How many different reasons for unscored rows are told apart."""


@dataclass
class Tally:
    """How a run went."""

    earlier: int = 0
    """Rows that an earlier run had scored."""
    asked: int = 0
    """Rows that this run added."""
    scored: int = 0
    """Rows with a verdict, earlier ones included."""
    succeeded: int = 0
    """Of those, plans that succeed and answers that are right."""
    unscored: int = 0
    """Rows without a verdict because no reply came."""
    tokens: int = 0
    """Tokens of this run's prompts and replies, as far as the model counts them."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why rows are unscored, and how many."""
    stopped: str | None = None
    """Why the run ended before its time; None if every case was asked."""
    interrupted: bool = False
    """Whether it was a signal that ended it."""

    @property
    def complete(self) -> bool:
        """Whether every case has a verdict."""
        return self.stopped is None and not self.unscored

    def add(self, row: dict[str, Any]) -> None:
        """Count a new row."""
        self.asked += 1
        self.tokens += (row["prompt_tokens"] or 0) + (row["completion_tokens"] or 0)
        if row["error"] is not None:
            self.unscored += 1
            reason = row["error"]
            self.reasons[
                reason if reason in self.reasons or len(self.reasons) < MAX_REASONS else "others"
            ] += 1
            return
        self.scored += 1
        verdict = row["score"] or row["answer"]
        self.succeeded += bool(verdict.get("success") or verdict.get("correct"))


def run(
    evaluation: Evaluation,
    boards: Iterable[EvaluatedBoard],
    model: Model,
    folder: Path,
    *,
    parameters: dict[str, Any] | None = None,
    concurrency: int = 32,
    patience: Patience | None = None,
    progress: Callable[[Tally], object] | None = None,
) -> Tally:
    """Ask a model everything, and keep the results in a folder; what an earlier run has is not asked again.

    Args:
        evaluation: what is asked.
        boards: about what; they are read as they are needed.
        model: who answers. It is closed at the end.
        folder: where results are kept, see `vsp_gym.evaluation.journal`.
        parameters: what else decides what rows say (the source of the boards, the sampling), as JSON types.
        concurrency: cases that are worked on at a time.
        patience: how failing servers are met.
        progress: called after every row.

    Returns:
        How it went. Ctrl-C and SIGTERM end the run early, and it says so.

    Raises:
        VSPGymError: if the folder belongs to another run or is in use, or boards cannot be read.
    """
    identity = {
        "version": ROW_VERSION,
        "model": model.name,
        **(parameters or {}),
        "evaluation": evaluation.to_dict(),
    }
    with Journal(folder, identity) as journal:
        runner = _Runner(evaluation, model, journal, identity, concurrency, patience, progress)
        asyncio.run(runner.run(iter(boards)))
    return runner.tally


class _Runner:
    def __init__(
        self,
        evaluation: Evaluation,
        model: Model,
        journal: Journal,
        identity: dict[str, Any],
        concurrency: int,
        patience: Patience | None,
        progress: Callable[[Tally], object] | None,
    ) -> None:
        self._evaluation = evaluation
        self._model = model
        self._journal = journal
        self._dispatcher = Dispatcher(model, patience)
        self._concurrency = concurrency
        self._progress = progress or (lambda _: None)
        self._base = hashlib.sha256(json.dumps(identity, sort_keys=True).encode())
        self.tally = Tally(earlier=journal.scored, scored=journal.scored, succeeded=journal.succeeded)

    async def run(self, boards: Iterator[EvaluatedBoard]) -> None:
        """Work on all cases; the first worker that cannot go on ends the run."""
        self._progress(self.tally)
        cases = self._missing(boards)
        workers = [asyncio.create_task(self._work(cases)) for _ in range(self._concurrency)]
        try:
            with self._signals(workers):
                await asyncio.gather(*workers)
        except ModelError as error:
            self.tally.stopped = str(error)
        except asyncio.CancelledError:
            if not self.tally.interrupted:
                raise
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await self._journal.flush()
            await self._dispatcher.close()

    @contextlib.contextmanager
    def _signals(self, workers: list[asyncio.Task[None]]) -> Iterator[None]:
        """Let Ctrl-C and SIGTERM end the run in good order, where the platform can."""
        loop = asyncio.get_running_loop()
        caught = []

        def stop(name: str) -> None:
            self.tally.stopped, self.tally.interrupted = f"interrupted by {name}", True
            for worker in workers:
                worker.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, stop, number.name)
                caught.append(number)
        try:
            yield
        finally:
            for number in caught:
                loop.remove_signal_handler(number)

    def _missing(self, boards: Iterator[EvaluatedBoard]) -> Iterator[tuple[str, Case]]:
        """The cases that have no row yet, with their keys."""
        for board in boards:
            for case in self._evaluation.cases(board):
                key = self._key(case)
                if int(key, 16) not in self._journal.done:
                    yield key, case

    def _key(self, case: Case) -> str:
        digest = self._base.copy()
        digest.update(json.dumps(case.identity(), sort_keys=True).encode())
        return digest.hexdigest()[:16]

    async def _work(self, cases: Iterator[tuple[str, Case]]) -> None:
        for key, case in cases:
            row = _new_row(key, case, self._evaluation, self._model)
            try:
                await _PLAYS[self._evaluation.protocol](self, case, row)
            except ModelError as error:
                if error.fault == "fatal":
                    raise
                row["error"] = str(error)
            await self._journal.append(row)
            self.tally.add(row)
            self._progress(self.tally)

    async def _ask(self, case: Case, messages: list[Message], row: dict[str, Any]) -> str:
        """The reply to messages; what it took goes into the row."""
        board = case.board
        request = Request(messages, board.task, board.layout, board.index, case.sample)
        answer = await self._dispatcher.ask(request)
        _account(row, answer)
        return answer.reply.text

    # -- protocols -----------------------------------------------------------------------------

    async def _play_plan(self, case: Case, row: dict[str, Any]) -> None:
        evaluation, board = self._evaluation, case.board
        text = row["reply"] = await self._ask(case, evaluation.messages(case), row)
        parsed = parse_plan(text, board.task, mode=evaluation.mode)
        if parsed.actions is None:
            score = score_reply(
                board.task,
                board.layout,
                text,
                evaluation.convention,
                mode=evaluation.mode,
                solution=board.solution,
            )
        else:
            row["actions"] = [int(action) for action in parsed.actions]
            score = score_plan(
                board.task, board.layout, parsed.actions, evaluation.convention, solution=board.solution
            )
        row["score"] = score.to_dict()
        row["attribution"] = attribute(
            board.task,
            board.layout,
            text,
            score,
            actions=row["actions"],
            modality=case.condition.modality,
            states_board=evaluation.reply == "full",
            mode=evaluation.mode,
        ).to_dict()

    async def _play_perceive(self, case: Case, row: dict[str, Any]) -> None:
        text = row["reply"] = await self._ask(case, self._evaluation.messages(case), row)
        question = self._evaluation.question(case)
        if question is None:
            row["answer"] = score_statement(case.board, text).to_dict()
        else:
            row["gold"] = question.answer
            row["answer"] = score_answer(question, text).to_dict()

    async def _play_interactive(self, case: Case, row: dict[str, Any]) -> None:
        evaluation, board = self._evaluation, case.board
        task = board.task
        tolerated = get_convention(evaluation.convention).tolerates(task)
        opening = evaluation.messages(case)
        exchanges: list[Message] = []
        state = task.initial(board.layout)
        actions: list[int] = []
        row["turns"] = []
        for _ in range(evaluation.limit(board)):
            text = await self._ask(case, [*opening, *self._recent(exchanges)], row)
            action, problem = read_action(text, task, evaluation.mode)
            row["turns"].append({"reply": text, "action": None if action is None else int(action)})
            if action is None:
                outcome = f"The reply was not understood: {problem}. Nothing changed."
            else:
                step = task.transition(board.layout, state, action)
                actions.append(int(action))
                state = step.state
                outcome = tell_outcome(action, step.violation and step.violation.phrase)
                illegal = step.violation is not None and step.violation not in tolerated
                if illegal or step.terminated:
                    break
            exchanges += [
                {"role": "assistant", "content": text},
                evaluation.next_message(case, state, outcome),
            ]
        row["reply"], row["actions"] = row["turns"][-1]["reply"], actions
        row["score"] = self._score_actions(case, actions, row["reply"]).to_dict()

    def _recent(self, exchanges: list[Message]) -> list[Message]:
        history = self._evaluation.history
        return exchanges if history is None else exchanges[max(0, len(exchanges) - 2 * history) :]

    def _score_actions(self, case: Case, actions: list[int], last: str) -> PlanScore:
        board, convention = case.board, self._evaluation.convention
        if actions:
            return score_plan(board.task, board.layout, actions, convention, solution=board.solution)
        score = score_reply(board.task, board.layout, "", convention, solution=board.solution)
        _, problem = read_action(last, board.task, self._evaluation.mode)
        return dataclasses.replace(score, explanation=f"No action could be read; the last reply: {problem}.")


_PLAYS = {
    "plan": _Runner._play_plan,
    "interactive": _Runner._play_interactive,
    "perceive": _Runner._play_perceive,
}


def read_action(text: str, task: Any, mode: Any) -> tuple[Any, str | None]:
    """The one action that a reply names, or None and the reason, as `TextActions` reads it."""
    parsed = parse_plan(text, task, mode=mode)
    if parsed.actions is None:
        return None, parsed.reason
    if len(parsed.actions) != 1:
        return None, f"one action is wanted, the reply names {len(parsed.actions)}"
    return parsed.actions[0], None


def score_statement(board: EvaluatedBoard, text: str) -> AnswerScore:
    """Whether a reply states exactly this board in its initial state."""
    parsed = parse_statement(board.task, text)
    correct = parsed.layout == board.layout and parsed.state == board.task.initial(board.layout)
    return AnswerScore(parsed.layout is not None, correct, None, None, None, None, parsed.reason)


def _new_row(key: str, case: Case, evaluation: Evaluation, model: Model) -> dict[str, Any]:
    """A row before its case is asked. The names that `Result` has too mean the same."""
    board, damage = case.board, case.condition.perturbation
    return {
        "version": ROW_VERSION,
        "key": key,
        "index": board.index,
        "board": board.id,
        "task": board.task.name,
        "size": board.size,
        "difficulty": board.difficulty,
        "modality": case.condition.modality,
        "agent": model.name,
        "protocol": evaluation.protocol,
        "theme": case.theme,
        "perturbation": damage and str(damage),
        "question": case.question,
        "sample": case.sample,
        "prompt": case.prompt,
        "convention": evaluation.convention,
        "mode": evaluation.mode,
        "layout": board.layout.to_dict(),
        "reply": "",
        "actions": None,
        "turns": None,
        "gold": None,
        "score": None,
        "answer": None,
        "attribution": None,
        "error": None,
        "finish_reason": None,
        "prompt_tokens": None,
        "completion_tokens": None,
        "latency": None,
        "attempts": 0,
        "endpoint": None,
    }


def _account(row: dict[str, Any], answer: Answer) -> None:
    """Add what a reply took to its row; the turns of an attempt add up."""
    reply = answer.reply
    row["finish_reason"], row["endpoint"] = reply.finish_reason, answer.endpoint
    row["attempts"] += answer.attempts
    row["latency"] = round((row["latency"] or 0.0) + answer.latency, 4)
    for name, count in (
        ("prompt_tokens", reply.prompt_tokens),
        ("completion_tokens", reply.completion_tokens),
    ):
        if count is not None:
            row[name] = (row[name] or 0) + count
