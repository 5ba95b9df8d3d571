"""Perception: questions about a picture with true answers, and the state in words as a model says it.

`questions` asks about any state along a plan and `score_answer` judges a reply. `state_statement` is what a
model that sees the board should say of it, and `parse_statement` rebuilds from a reply the board that the
model believes it saw, so that a plan can be judged on either board.

>>> from vsp_gym import FrozenLakeLayout
>>> lake = FrozenLakeLayout.from_rows(["SH", "FG"])
>>> hole = questions("frozen_lake", lake)[4]
>>> hole.prompt, hole.answer
('Which cells are holes?', '(0, 1)')
>>> score_answer(hole, "I see one: <answer>[[0, 1]]</answer>").correct
True
>>> print(state_statement("frozen_lake", lake))
Size: 2 x 2
Agent: (0, 0)
Goal: (1, 1)
Holes: (0, 1)
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, cast

from vsp_gym.core import Action, AnyTask, Cell, Layout
from vsp_gym.envs import get_task
from vsp_gym.envs._reading import (
    DOUBT,
    END,
    NEGATIONS,
    Token,
    quote,
    read_actions,
    read_directions,
    states_nothing,
    tokenize,
)
from vsp_gym.envs._text import join_cells
from vsp_gym.envs.base import AnswerKind, Ask, PlanningTask
from vsp_gym.errors import FormatError, UnknownNameError, VSPGymError
from vsp_gym.planning import solve
from vsp_gym.plans import format_plan
from vsp_gym.replies import hide_thoughts, split_answer

AnyPlanningTask = PlanningTask[Any, Any]


@dataclass(frozen=True)
class Question:
    """A question about one picture, with its true answer."""

    task: str
    """Name of the task."""
    name: str
    """Snake case, unique in the task."""
    prompt: str
    """The question, in the same words for every board of the task."""
    kind: AnswerKind
    gold: Any
    """The true answer: an int; a pair (rows, cols); a `Cell` or None; a frozenset of cells or of actions; a
    mapping of each cell to its frozenset of moves; a bool. Of the type that `kind` says."""
    actions: Mapping[Action, str]
    """The task's actions, which an answer may name, as plans write them: `L`, `PICK`."""

    @property
    def answer(self) -> str:
        """The true answer as prompts ask for it; `score_answer` finds it correct."""
        return _WRITERS[self.kind](self.gold, self.actions)

    @property
    def reply(self) -> str:
        """The whole reply that prompts ask for: a training target."""
        return f"<answer>{self.answer}</answer>"

    def to_dict(self) -> dict[str, str]:
        """The question as JSON types; the gold answer in words."""
        return {
            "task": self.task,
            "name": self.name,
            "prompt": self.prompt,
            "kind": self.kind,
            "answer": self.answer,
        }


@dataclass(frozen=True)
class AnswerScore:
    """The verdict on one answer."""

    parsed: bool
    """Whether the answer could be read."""
    correct: bool
    """Whether it is exactly the true answer; False if it could not be read."""
    precision: float | None
    """Share of what was named that is true, for sets and maps (as pairs of cell and direction); else None.
    Where nothing is named it is 1.0 if nothing is true, and 0.0 otherwise."""
    recall: float | None
    """Share of what is true that was named; as `precision` where nothing is true."""
    f1: float | None
    """Harmonic mean of precision and recall."""
    answer: str | None
    """The answer as it was read, in the prompts' form; None if it could not be read."""
    reason: str | None
    """Why it could not be read; None if it could. A clause without a full stop."""

    def to_dict(self) -> dict[str, Any]:
        """The score as JSON types."""
        return asdict(self)


def asks(task: str | AnyPlanningTask) -> tuple[Ask[Any, Any], ...]:
    """Everything that can be asked about pictures of a task, in a fixed order.

    Raises:
        UnknownNameError: for an unknown task.
    """
    task = get_task(task)
    return (
        Ask(
            "size",
            "size",
            "How many rows and columns does the board have?",
            lambda layout, _: (layout.rows, layout.cols),
        ),
        Ask("agent_position", "cell", "In which cell is the agent?", task.picture.agent),
        Ask(
            "legal_actions",
            "actions",
            "Which actions are legal for the agent now? If the attempt is over, none is.",
            lambda layout, state: legal_actions(task, layout, state),
        ),
        *task.questions.asks,
    )


def questions(task: str | AnyPlanningTask, layout: Layout, state: Any = None) -> list[Question]:
    """All questions about the picture of a state, with their true answers.

    Args:
        task: a task or its name.
        layout: the board.
        state: a state of the board, for instance one along a plan; the initial one if None.

    Raises:
        UnknownNameError: for an unknown task.
        VSPGymError: if the layout belongs to another task, or the agent is not on the board.
    """
    task = get_task(task)
    state = task.check_board(layout, state)
    words = action_words(task)
    return [
        Question(task.name, ask.name, ask.prompt, ask.kind, ask.gold(layout, state), words)
        for ask in asks(task)
    ]


def action_words(task: AnyTask) -> dict[Action, str]:
    """Each action of a task as plans write it."""
    return {action: format_plan((action,), task) for action in task.actions}


def get_question(task: str | AnyPlanningTask, layout: Layout, state: Any = None, *, name: str) -> Question:
    """The question of that name; raises `UnknownNameError` for any other name."""
    found = {question.name: question for question in questions(task, layout, state)}
    if name not in found:
        raise UnknownNameError(f"question about {get_task(task).title}", name, found)
    return found[name]


def legal_actions(task: AnyTask, layout: Layout, state: Hashable) -> frozenset[Action]:
    """The actions that are no violation in `state`; none once the attempt is over."""
    solution = solve(task, layout)
    index = solution.index.get(state)
    if index is not None and not solution.transitions[index]:
        return frozenset()
    return frozenset(
        action for action in task.actions if task.transition(layout, state, action).violation is None
    )


# ---------------------------------------------------------------------------------------------
# Answers as text.

_Actions = Mapping[Action, str]


def _write_actions(gold: AbstractSet[Action], actions: _Actions) -> str:
    return ", ".join(actions[action] for action in sorted(gold)) or "none"


def _write_directions(gold: Mapping[Cell, AbstractSet[Action]], actions: _Actions) -> str:
    rows: dict[int, list[str]] = {}
    for cell in sorted(gold):
        letters = "".join(actions[move] for move in sorted(gold[cell])) or "none"
        rows.setdefault(cell.row, []).append(f"{cell} {letters}")
    return "\n".join("; ".join(entries) for entries in rows.values())


_WRITERS: Mapping[AnswerKind, Callable[[Any, _Actions], str]] = MappingProxyType(
    {
        "int": lambda gold, _: str(gold),
        "size": lambda gold, _: f"{gold[0]} x {gold[1]}",
        "cell": lambda gold, _: "none" if gold is None else str(Cell(*gold)),
        "cells": lambda gold, _: join_cells(sorted(gold)),
        "actions": _write_actions,
        "directions": _write_directions,
        "yes_no": lambda gold, _: "yes" if gold else "no",
    }
)


# ---------------------------------------------------------------------------------------------
# Reading and scoring answers.


def score_answer(question: Question, reply: str) -> AnswerScore:
    """Read the answer in a reply and judge it.

    The answer is the last `<answer>` block, or the whole reply if it has none; what stands in `<think>`
    blocks never counts. An answer that cannot be read is wrong, also where the true answer is the empty
    set, which a reply states as `none`. One that could mean several things is not read.

    Args:
        question: what was asked.
        reply: any string at all.

    Raises:
        VSPGymError: if `reply` is no string.
    """
    if not isinstance(reply, str):
        raise VSPGymError(f"a reply is text, not {type(reply).__name__}")
    try:
        answer = read_answer(question, reply)
    except FormatError as error:
        zero = 0.0 if question.kind in _SETS else None
        return AnswerScore(False, False, zero, zero, zero, None, str(error))
    correct = bool(answer == question.gold)
    precision, recall, f1 = _set_scores(question, answer)
    text = _WRITERS[question.kind](answer, question.actions)
    return AnswerScore(True, correct, precision, recall, f1, text, None)


def read_answer(question: Question, reply: str) -> Any:
    """The answer that a reply gives, of the type of `question.gold`.

    Raises:
        FormatError: with the reason why no answer of that kind can be read.
    """
    before, answer = split_answer(hide_thoughts(reply)[0])
    content = before if answer is None else answer
    if not content.strip():
        raise FormatError("the answer is empty" if answer is not None else "the reply is empty")
    tokens = tokenize(content)
    doubt = next((token for token in tokens if token.text in DOUBT), None)
    if doubt is not None and not (doubt.text == "or" and question.kind in ("actions", "directions")):
        raise FormatError(f"{quote(doubt.text)} leaves the answer open")
    negation = next((token for token in tokens if token.text in NEGATIONS), None)
    if negation is not None and question.kind != "yes_no":
        raise FormatError(f"an answer with {quote(negation.text)} in it is unclear")
    return _READERS[question.kind](tokens, question.actions)


_SETS = ("cells", "actions", "directions")


def _items(kind: AnswerKind, value: Any) -> set[object]:
    if kind == "directions":
        return {(cell, move) for cell, moves in value.items() for move in moves}
    return set(value)


def _set_scores(question: Question, answer: Any) -> tuple[float | None, float | None, float | None]:
    if question.kind not in _SETS:
        return None, None, None
    named, true = _items(question.kind, answer), _items(question.kind, question.gold)
    if not named or not true:
        score = float(named == true)
        return score, score, score
    hits = len(named & true)
    return hits / len(named), hits / len(true), 2 * hits / (len(named) + len(true))


def _numbers(tokens: Sequence[Token]) -> list[int]:
    """The whole numbers outside cells and sizes."""
    found = []
    for position, token in enumerate(tokens):
        if token.kind != "number":
            continue
        if "." in token.text or len(token.text) > 6 or (position and tokens[position - 1].text in "-–−"):
            raise FormatError(f"{quote(token.text)} in the answer is no number of rows, columns or things")
        found.append(int(token.text))
    return found


def _only(found: Sequence[Any], what: str) -> Any:
    """The one thing that all of `found` are."""
    if not found:
        raise FormatError(f"the answer names no {what}")
    if any(value != found[0] for value in found):
        raise FormatError(f"the answer names more than one {what}")
    return found[0]


def _read_int(tokens: Sequence[Token], _: _Actions) -> int:
    numbers = _numbers(tokens)
    if not numbers and states_nothing(tokens):
        return 0
    return int(_only(numbers, "number"))


def _read_size(tokens: Sequence[Token], _: _Actions) -> tuple[int, int]:
    sizes = [token.pair for token in tokens if token.kind == "size"]
    if not sizes:
        sizes = [token.pair for token in tokens if token.kind == "cell"]
    numbers = _numbers(tokens)
    if not sizes and 1 <= len(numbers) <= 2:
        return numbers[0], numbers[-1]
    rows, cols = _only(sizes, "size")
    return rows, cols


def _read_cells(tokens: Sequence[Token], _: _Actions) -> frozenset[Cell]:
    cells = frozenset(token.cell for token in tokens if token.kind == "cell")
    is_empty = states_nothing(tokens)
    if cells and is_empty:
        raise FormatError("the answer names cells and says that there are none")
    for position, token in enumerate(tokens):
        if token.kind == "size" or (token.kind == "number" and not _is_count(tokens, position)):
            raise FormatError(f"{quote(token.text)} in the answer is no cell; a cell is written like (1, 2)")
    if not cells and not is_empty:
        raise FormatError("the answer names no cell; the empty set is 'none'")
    return cells


def _is_count(tokens: Sequence[Token], position: int) -> bool:
    """Whether a number counts things (`2 holes`) or numbers the lines of a list (`2. (1, 1)`)."""
    before, after = tokens[position - 1] if position else END, tokens[position + 1]
    begins_line = before is END or before.kind == "newline"
    return after.text in ("holes", "hole", "cells", "cell") or (begins_line and after.text in (".", ")"))


def _read_cell(tokens: Sequence[Token], actions: _Actions) -> Cell | None:
    if not any(token.kind in ("cell", "size") for token in tokens):
        numbers = _numbers(tokens)
        closed = sum((token.text in "([{") - (token.text in ")]}") for token in tokens[:-1]) == 0
        if len(numbers) == 2 and closed and not states_nothing(tokens):
            return Cell(*numbers)
    cells = _read_cells(tokens, actions)
    return cast("Cell", _only(list(cells), "cell")) if cells else None


def _read_yes_no(tokens: Sequence[Token], _: _Actions) -> bool:
    words = {"yes": True, "true": True, "no": False, "false": False}
    answer = bool(_only([words[token.text] for token in tokens if token.text in words], "yes or no"))
    if answer and any(token.text in NEGATIONS for token in tokens):
        raise FormatError("the answer says yes and denies something")
    return answer


def _read_directions(tokens: Sequence[Token], _: _Actions) -> dict[Cell, frozenset[Action]]:
    first = next((i for i, token in enumerate(tokens) if token.kind == "cell"), 0)
    found, end = read_directions(tokens, first)
    if not found:
        raise FormatError("the answer names no cell with its directions, like (0, 0) RD")
    if tokens[end] is not END:
        raise FormatError(
            f"{quote(tokens[end].text)} in the answer cannot be read as a cell with its directions"
        )
    return found


_READERS: Mapping[AnswerKind, Callable[[Sequence[Token], _Actions], Any]] = MappingProxyType(
    {
        "int": _read_int,
        "size": _read_size,
        "cell": _read_cell,
        "cells": _read_cells,
        "actions": read_actions,
        "directions": _read_directions,
        "yes_no": _read_yes_no,
    }
)


# ---------------------------------------------------------------------------------------------
# Statements.


@dataclass(frozen=True)
class ParsedStatement:
    """The board that a reply states, or why there is none."""

    layout: Layout | None
    """The perceived board; None if none could be rebuilt."""
    state: Any
    """The perceived state; None if none could be rebuilt."""
    reason: str | None
    """What is missing, unclear or contradictory; None if there is a board. A clause without a full stop."""


def state_statement(task: str | AnyPlanningTask, layout: Layout, state: Any = None) -> str:
    """The state in words as a model should say it before it plans: a few short, regular lines.

    `parse_statement` reads it back. `vsp_gym.describe` is the longer text for a reader who has no picture.

    Args:
        task: a task or its name.
        layout: the board.
        state: a state of the board; the initial one if None.

    Raises:
        UnknownNameError: for an unknown task.
        VSPGymError: if the layout belongs to another task, or the agent is not on the board.
    """
    task = get_task(task)
    return task.statement.state(layout, task.check_board(layout, state))


def parse_statement(task: str | AnyPlanningTask, text: str) -> ParsedStatement:
    """The board that a reply states before its `<answer>` block, or in it if nothing is before it.

    Wording, case, order and prose around the statement do not matter. A board results only if every part
    of it is stated clearly and no part contradicts another; a start that is not stated is the agent's cell.

    Args:
        task: a task or its name.
        text: a reply; any string at all.

    Raises:
        UnknownNameError: for an unknown task.
        VSPGymError: if `text` is no string.
    """
    task = get_task(task)
    if not isinstance(text, str):
        raise VSPGymError(f"a reply is text, not {type(text).__name__}")
    statement, answer = split_answer(hide_thoughts(text)[0])
    try:
        layout, state = task.statement.parse(statement if statement.strip() else answer or "")
    except FormatError as error:
        return ParsedStatement(None, None, str(error))
    return ParsedStatement(layout, state, None)
