"""The vocabulary of a tiny model: what VSP-Gym says, in as few tokens as its parts allow.

A vision-language model of a million parameters cannot spend four hundred tokens on instructions that are
the same for every board. So its tokenizer is built from the suite's own prompts: a passage that never
changes is one token, cut only where two prompts begin or end alike, and the things that change from board
to board (cells, sizes, moves, grid squares) are one token each; so are a cell with the ways that are open
from it, and a row of a drawing that is nothing but walls. Any other text is spelled in bytes, as in every
byte-level tokenizer. The model therefore takes exactly the messages that a large model takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import combinations, product
from typing import Any

import numpy as np

from vsp_gym.core import DELTAS, MOVES, Action
from vsp_gym.envs import TASKS
from vsp_gym.envs.base import PlanningTask
from vsp_gym.planning import Solution
from vsp_gym.plans import format_plan
from vsp_gym.prompts import ReplyForm, Role, build_messages, message_texts, write_reply
from vsp_gym.text import describe

AnyPlanningTask = PlanningTask[Any, Any]

MAX_SIZE = 10
"""Longest side of a board whose cells are single tokens."""

SHARED_WORDS = 4
"""Fewest words that two sentences must share at one end to be cut there."""

_BOARDS = 24
"""Boards of each size that the labels of descriptions and replies are collected from."""

_SEED = 7

_CELL = r"(?:, )?\(\d+, \d+\)"
_NAMED = rf"(?:, )?(?:{'|'.join(action.name for action in Action if action not in MOVES)})"
_LETTERS = "".join(action.name[0] for action in MOVES)
_OPEN = rf" [{_LETTERS}]{{1,4}}(?:; |\n(?=\()|(?=\n|$))"
_ATOM = re.compile(rf"{_CELL}|\d+ x \d+|{_NAMED}|{_OPEN}")
"""What changes from board to board, in descriptions and replies."""

_OPEN_CELL = re.compile(rf"\(\d+, \d+\){_OPEN}")

_ANSWER = re.compile(r"<answer>.*?</answer>")
_LETTER_ROW = re.compile(r"^(?:\S )+\S$\n?", re.MULTILINE)
_LETTER = re.compile(r"\S(?: |\n|$)")
_WALL_ROW = re.compile(r"^[+|](?:.{3}[+| ])+$\n?", re.MULTILINE)
_WALL = re.compile(r".{4}|[+|]\n")
_LABEL = re.compile(r"\n?[^\n]+|\n")
_SENTENCE = re.compile(r".*?(?:(?<=\.) |\n+|$)", re.DOTALL)


def suite_vocabulary(tasks: Iterable[AnyPlanningTask] | None = None, theme: str = "classic") -> list[str]:
    """The passages and atoms that are one token each, without duplicates, in a fixed order.

    Args:
        tasks: the tasks whose prompts are read; all of `vsp_gym.TASKS` if None.
        theme: the look that the students' legends are about.
    """
    labels: set[str] = set()
    phrases: list[str] = []
    pairs: list[str] = []
    for task in TASKS.values() if tasks is None else tasks:
        fixed: dict[str, None] = {}
        for solution in _boards(task):
            fixed.update(dict.fromkeys(_fixed_passages(task, solution, theme)))
            labels.update(_labels(task, solution))
        phrases += _phrases(fixed)
        text, sizes = describe(task, solution.layout), task.paper_sizes or (task.default_size,)
        if _OPEN_CELL.search(text):
            pairs += [pair for size in sizes for pair in _open_cells(size)]
        if _WALL_ROW.search(text):
            pairs += [row for size in sizes for row in _wall_rows(size)]
    found = [*_atoms(), *sorted(labels), *phrases, *pairs]
    return [token for token in dict.fromkeys(found) if len(token) > 1]


def _boards(task: AnyPlanningTask) -> Iterator[Solution[Any, Any]]:
    """Random boards of every size that a model is trained on."""
    for size in task.paper_sizes or (task.default_size,):
        for index in range(_BOARDS):
            yield task.generator.draw(np.random.default_rng([_SEED, size, index]), size)


# ---------------------------------------------------------------------------------------------
# What never changes.


def _fixed_passages(task: AnyPlanningTask, solution: Solution[Any, Any], theme: str) -> Iterator[str]:
    """The parts of all prompts about a board that say nothing of it."""
    plan = solution.plan() or ()
    views: list[tuple[Role, ReplyForm, bool]] = [
        ("perception", "full", False),
        *((role, reply, False) for role in ("student", "text-student", "teacher") for reply in _REPLIES),
        *(("teacher", reply, True) for reply in _REPLIES),
    ]
    description = re.escape(describe(task, solution.layout).rstrip("\n"))
    told = re.compile(rf"{description}|(?<= ){re.escape(format_plan(plan, task))}(?=\n)")
    for role, reply, reference in views:
        messages = build_messages(
            task,
            solution.layout,
            role=role,
            reply=reply,
            theme=theme,
            reference_plan=plan if reference else None,
            form="hf-template",
        )
        system, *users = message_texts(messages)
        yield system
        for text in users:
            yield from (part for part in told.split(text) if part)


_REPLIES: tuple[ReplyForm, ...] = ("full", "direct")


def _phrases(passages: Iterable[str]) -> list[str]:
    """The passages' longest parts that always come together.

    Sentences are cut where another one begins or ends alike, and parts that never occur without each other
    are joined again.
    """
    texts = [_SENTENCE.findall(passage) for passage in passages]
    sentences = dict.fromkeys(sentence for text in texts for sentence in text if sentence)
    parts = _cut(list(sentences))
    sequences = [[part for sentence in text if sentence for part in parts[sentence]] for text in texts]
    after: dict[str, set[str | None]] = {}
    before: dict[str, set[str | None]] = {}
    for sequence in sequences:
        for left, right in zip([None, *sequence], [*sequence, None]):
            if left is not None:
                after.setdefault(left, set()).add(right)
            if right is not None:
                before.setdefault(right, set()).add(left)
    phrases: dict[str, None] = {}
    for sequence in sequences:
        phrase = ""
        for part, following in zip(sequence, [*sequence[1:], None]):
            phrase += part
            if following is None or len(after[part]) > 1 or len(before[following]) > 1:
                phrases[phrase] = None
                phrase = ""
    return list(phrases)


def _cut(sentences: list[str]) -> dict[str, list[str]]:
    """Each sentence in parts, cut where it shares `SHARED_WORDS` words at one end with another one."""
    words = {sentence: re.findall(r"\s*\S+\s*$|\s*\S+", sentence) or [sentence] for sentence in sentences}
    cuts: dict[str, set[int]] = {sentence: set() for sentence in sentences}
    prose = [sentence for sentence in sentences if not any(character.isdigit() for character in sentence)]
    for one, other in combinations(prose, 2):
        for sign in (1, -1):
            shared = _shared(words[one][::sign], words[other][::sign])
            if shared >= SHARED_WORDS:
                for sentence in (one, other):
                    cuts[sentence].add(shared if sign > 0 else len(words[sentence]) - shared)
    parts = {}
    for sentence in sentences:
        edges = sorted({0, *cuts[sentence], len(words[sentence])})
        parts[sentence] = ["".join(words[sentence][a:b]) for a, b in zip(edges, edges[1:])]
    return parts


def _shared(one: list[str], other: list[str]) -> int:
    """How many words two lists have in common at their beginning."""
    count = 0
    for a, b in zip(one, other):
        if a != b:
            break
        count += 1
    return count


# ---------------------------------------------------------------------------------------------
# What changes from board to board.


def _atoms() -> Iterator[str]:
    """Cells, sizes, open directions and named actions, with what separates them."""
    named = [action.name for action in Action if action not in MOVES]
    for comma in ("", ", "):
        for row, col in product(range(MAX_SIZE), repeat=2):
            yield f"{comma}({row}, {col})"
        for name in named:
            yield f"{comma}{name}"
    for count in range(1, len(MOVES) + 1):
        for letters in combinations(_LETTERS, count):
            yield from (f" {''.join(letters)}{end}" for end in ("", "; ", "\n"))
    for size in range(2, MAX_SIZE + 1):
        yield f"{size} x {size}"
    for action in MOVES:
        yield f",{action.name[0]}"
    for name in named:
        yield f",{name}"


def _open_cells(size: int) -> Iterator[str]:
    """The cells of a board, each with every set of ways that can be open from it."""
    last = size - 1
    for row, col in product(range(size), repeat=2):
        beyond = [(row + down, col + right) for down, right in DELTAS]
        ways = [letter for letter, cell in zip(_LETTERS, beyond) if min(cell) >= 0 and max(cell) <= last]
        ends = ("; ",) if col < last else ("\n", "") if row == last else ("\n",)
        for count in range(1, len(ways) + 1):
            for letters in combinations(ways, count):
                yield from (f"({row}, {col}) {''.join(letters)}{end}" for end in ends)


def _wall_rows(size: int) -> Iterator[str]:
    """The rows of a drawing of walls, without those that show what is in a cell."""
    for walls in product(("+---", "+   "), repeat=size):
        yield f"{''.join(walls)}+\n"
    for walls in product(("|   ", "    "), repeat=size - 1):
        yield f"|   {''.join(walls)}|\n"


def _labels(task: AnyPlanningTask, solution: Solution[Any, Any]) -> Iterator[str]:
    """What stands between the atoms in a board's description and replies, and the squares of its grid."""
    layout, plan = solution.layout, solution.plan() or ()
    texts = [describe(task, layout), *(write_reply(task, layout, plan=plan, reply=r) for r in _REPLIES)]
    for text in texts:
        told = _ANSWER.sub("<answer>\0</answer>", text)
        for row in _LETTER_ROW.findall(told):
            yield from _LETTER.findall(row)
        for row in _WALL_ROW.findall(told):
            yield from _WALL.findall(row)
        told = _WALL_ROW.sub("\0", _LETTER_ROW.sub("\0", told))
        for piece in _ATOM.sub("\0", told).split("\0"):
            for label in _LABEL.findall(piece):
                yield label
                yield label.lstrip("\n")  # an atom may have taken the newline
