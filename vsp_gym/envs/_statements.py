"""Reading statements: what the tasks' `Statement.parse` share.

A statement names *facts*: a label (`Goal`), perhaps words that say nothing (`is at`), and a value
(`(3, 3)`). A *strong* mention has a colon after its label; it is how prompts ask for a fact to be stated.
A *weak* one is prose, "the goal is at (3, 3)". Strong mentions count where there are any, else weak ones,
and those that count must agree. Prose after a statement may move the agent about, but it must not move
what cannot be moved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

from vsp_gym.core import Cell
from vsp_gym.envs._reading import (
    DOUBT,
    END,
    NEGATIONS,
    NONE,
    Directions,
    join_words,
    quote,
    read_cell_list,
    read_directions,
    states_nothing,
    tokenize,
)
from vsp_gym.errors import FormatError, LayoutError

T = TypeVar("T")

_SILENT = frozenset(
    "is are was were at in on the its located placed position positions positioned start starts starting "
    "stands standing begins cell cells tile tiles location locations coordinate coordinates currently of row "
    "rows col cols column columns each every all for moves directions sides".split()
)
"""Words between a label and its value that do not change what is meant."""

_PLURAL = frozenset("cells tiles positions locations coordinates are".split())
_NEAR = frozenset("next adjacent beside near neighbouring neighboring around free towards".split())
"""Words before a label which say that what follows is about other cells than the thing's own."""

_MARKUP = frozenset("*_`\"'|")
_MAX_GAP = 24
"""How many tokens may stand between a label and its value, and within a remark in parentheses."""

Kind = Literal["size", "cell", "cells", "directions", "status"]
"""What the value is; a `status` has no value but the statuses themselves."""


@dataclass(frozen=True)
class Fact:
    """Something that a statement says."""

    name: str
    """What reasons call it: `"the goal"`."""
    kind: Kind
    labels: frozenset[str]
    """Words, in lower case, that announce it."""
    varies: bool = False
    """Whether prose about a plan may give it other values, as where actions change it."""
    words: frozenset[str] = frozenset()
    """Further words that may stand before the value."""
    statuses: frozenset[str] = frozenset()
    """Words, or phrases of three words, before or after the value that change what is meant; a mention keeps
    those it had."""


class Mention(NamedTuple):
    """One place of a text that states a fact."""

    fact: Fact
    strong: bool
    full: bool
    """Whether it gives the whole value and not one cell of several."""
    cells: tuple[Cell, ...] = ()
    size: tuple[int, int] | None = None
    directions: Directions | None = None
    statuses: frozenset[str] = frozenset()
    problem: str | None = None
    """Why the value cannot be relied on, or None."""

    @property
    def value(self) -> object:
        """What two mentions of a fact must agree in."""
        return frozenset(self.cells), self.size, self.statuses


class StatementReader:
    """All mentions of a task's facts in a text.

    Args:
        text: a reply without its thoughts and its answer.
        facts: what the task's statements say. One of them is of the kind `size`.
    """

    def __init__(self, text: str, facts: Sequence[Fact]) -> None:
        self._tokens = tokenize(text)
        self._labels = {label: fact for fact in facts for label in fact.labels}
        self._mentions: dict[str, list[Mention]] = {fact.name: [] for fact in facts}
        position = 0
        while self._tokens[position] is not END:
            position = self._read(position)

    # ---- finding mentions -------------------------------------------------------------------

    def _read(self, label: int) -> int:
        """Read the mention that begins at a token, if one does; returns where to go on."""
        fact = self._labels.get(self._tokens[label].text)
        if fact is None or self._is_near(label):
            return label + 1
        position, strong = self._skip_gap(fact, label + 1)
        if fact.kind == "size":
            token = self._tokens[position]
            if token.kind == "size" or (token.kind == "cell" and strong):
                self._add(Mention(fact, strong, True, size=token.pair))
                return position + 1
        elif fact.kind == "directions":
            directions, end = read_directions(self._tokens, position)
            if directions:
                self._add(Mention(fact, True, True, directions=directions))
                return end
        elif fact.kind == "status":
            statuses = self._statuses(fact, label + 1, position)
            if statuses and strong:
                self._add(Mention(fact, True, True, statuses=statuses))
        else:
            return self._read_cells(fact, strong, label, position)
        return label + 1

    def _read_cells(self, fact: Fact, strong: bool, label: int, position: int) -> int:
        is_set = fact.kind == "cells"
        statuses = self._statuses(fact, label + 1, position)
        is_none = strong and states_nothing(self._tokens[position : position + 2])
        negated = is_set and label > 0 and self._tokens[label - 1].text == "no"
        found = read_cell_list(self._tokens, position, one_line=not is_set)
        if negated == bool(found.cells) and not (is_none or statuses):
            return label + 1
        end = position + 1 if is_none else found.end
        stop = self._end_of_remark(end, strong, fact)
        mention = Mention(
            fact,
            strong,
            full=strong or negated or not is_set or self._is_plural(label, position),
            cells=found.cells,
            statuses=statuses | self._statuses(fact, end, stop),
            problem=self._problem(found.doubt, end, stop, strong),
        )
        self._add(mention)
        return max(found.end, label + 1)

    def _skip_gap(self, fact: Fact, position: int) -> tuple[int, bool]:
        """Where the value may begin, and whether there was a colon."""
        strong = False
        for _ in range(_MAX_GAP):
            token = self._tokens[position]
            if self._labels.get(token.text) is fact:
                break
            if token.text in (":", "="):
                strong = True
            elif token.text in ("(", "[") and not states_nothing(self._tokens[position : position + 2]):
                position = self._skip_remark(position)
                continue
            elif not (
                token.text in _SILENT
                or token.text in fact.words
                or self._status_at(fact, position)
                or token.text in _MARKUP
                or (token.text == "," and (fact.words or fact.kind == "size"))
                or (token.text in "-•" and token.kind == "other" and strong)
                or (token.kind == "newline" and strong and fact.kind in ("cells", "directions"))
            ):
                break
            position += 1
        return position, strong

    def _skip_remark(self, position: int) -> int:
        """The position after a remark in parentheses, or after the parenthesis alone if none closes it."""
        for end in range(position + 1, min(position + _MAX_GAP, len(self._tokens))):
            if self._tokens[end].text in (")", "]"):
                return end + 1
            if self._tokens[end].kind in ("cell", "number", "newline") or self._tokens[end].text in NONE:
                break
        return position + 1

    def _is_near(self, label: int) -> bool:
        for position in range(label - 1, max(-1, label - 5), -1):
            token = self._tokens[position]
            if token.kind != "word":
                return False
            if token.text in _NEAR:
                return True
        return False

    def _is_plural(self, label: int, position: int) -> bool:
        """Whether the words from a label to its value speak of several cells."""
        words = self._tokens[label:position]
        return words[0].text.endswith("s") or any(token.text in _PLURAL for token in words)

    def _status_at(self, fact: Fact, position: int) -> str | None:
        """The fact's status that ends with a token."""
        if not fact.statuses:
            return None
        phrase = " ".join(token.text for token in self._tokens[max(0, position - 2) : position + 1])
        return next((text for text in (phrase, self._tokens[position].text) if text in fact.statuses), None)

    def _statuses(self, fact: Fact, start: int, stop: int) -> frozenset[str]:
        """The fact's statuses among some tokens, up to a negation; "carrying nothing" is none."""
        found = set()
        for position in range(start, min(stop, len(self._tokens))):
            if self._tokens[position].text in NEGATIONS:
                break
            status = self._status_at(fact, position)
            if status is not None and self._tokens[position + 1].text not in NONE:
                found.add(status)
        return frozenset(found)

    def _end_of_remark(self, position: int, strong: bool, fact: Fact) -> int:
        """Where what is said after a value ends: the line, the sentence or the next fact."""
        while True:
            token = self._tokens[position]
            if token.kind in ("newline", "end") or (token.text in (",", ";") and not strong):
                return position
            if token.text == "." and self._tokens[position + 1].start != token.start + 1:
                return position
            if token.text in self._labels and self._status_at(fact, position) is None:
                return position
            position += 1

    def _problem(self, doubt: str | None, position: int, stop: int, strong: bool) -> str | None:
        """Why a value that ends before `position` is not the whole of what the text says up to `stop`."""
        if doubt is not None:
            return f"{quote(doubt)} leaves it open"
        if not strong:
            return None
        for token in self._tokens[position:stop]:
            if token.kind in ("cell", "number", "size") or token.text in DOUBT:
                return f"{quote(token.text)} after it is unclear"
        is_open = stop > position and self._tokens[stop - 1].text in (",", ";", "and", "(", "[")
        is_sentence = self._tokens[stop].text == "."
        while self._tokens[stop].kind == "newline" or self._tokens[stop].text in (".", ",", ";"):
            stop += 1
        after = self._tokens[stop]
        goes_on = after.kind in ("cell", "number", "end") or after.text in ("(", "[")
        if (is_open and goes_on) or (is_sentence and after.kind == "cell"):
            return "the list is cut short"
        return None

    def _add(self, mention: Mention) -> None:
        self._mentions[mention.fact.name].append(mention)

    # ---- what the text states ---------------------------------------------------------------

    def find(self, fact: Fact) -> Mention | None:
        """What the text states of a fact, or None if nothing.

        Raises:
            FormatError: if it cannot be read, or mentions of it disagree.
        """
        mentions = self._mentions[fact.name]
        strong = [mention for mention in mentions if mention.strong]
        weak = [mention for mention in mentions if not mention.strong]
        chosen = strong or [mention for mention in weak if mention.full]
        if not chosen:
            return None
        for mention in chosen:
            if mention.problem is not None:
                raise FormatError(f"{fact.name} cannot be read: {mention.problem}")
        first = chosen[0]
        for mention in chosen[1:]:
            if mention.value != first.value:
                raise FormatError(f"two statements about {fact.name} disagree")
        cells = set(first.cells)
        if not fact.varies:
            for mention in weak:
                same = cells == set(mention.cells) if mention.full else cells >= set(mention.cells)
                if not same or mention.size != first.size:
                    raise FormatError(f"two statements about {fact.name} disagree")
        return first

    def get(self, fact: Fact) -> Mention:
        """What the text states of a fact.

        Raises:
            FormatError: also if it states nothing.
        """
        mention = self.find(fact)
        if mention is None:
            raise FormatError(f"the text does not state {fact.name}")
        return mention

    def size(self, fact: Fact) -> tuple[int, int]:
        """Rows and columns, 1 to 64."""
        size = self.get(fact).size or (0, 0)
        if not all(1 <= side <= 64 for side in size):
            raise FormatError(f"a board has 1 to 64 rows and columns, not {size[0]} x {size[1]}")
        return size

    def cell(self, fact: Fact) -> Cell:
        """The one cell of a fact."""
        return self._only(fact, self.get(fact))

    def optional_cell(self, fact: Fact) -> Cell | None:
        """The one cell of a fact, or None if nothing is stated of it."""
        mention = self.find(fact)
        return None if mention is None else self._only(fact, mention)

    def _only(self, fact: Fact, mention: Mention) -> Cell:
        if len(set(mention.cells)) != 1:
            count = "no cell" if not mention.cells else f"{join_words(mention.cells[:4])}"
            raise FormatError(f"{fact.name} must be one cell, not {count}")
        return mention.cells[0]

    def cells(self, fact: Fact) -> frozenset[Cell]:
        """The cells of a fact."""
        return frozenset(self.get(fact).cells)

    def directions(self, fact: Fact) -> Directions:
        """The open directions of all cells that are stated.

        Raises:
            FormatError: also if two entries of one cell disagree.
        """
        self.get(fact)
        merged: Directions = {}
        for mention in self._mentions[fact.name]:
            for cell, moves in (mention.directions or {}).items():
                if merged.setdefault(cell, moves) != moves:
                    raise FormatError(f"the open directions of {cell} are stated twice and differently")
        return merged


def build(make: Callable[[], T]) -> T:
    """`make()`, with its `LayoutError` turned into a `FormatError`."""
    try:
        return make()
    except LayoutError as error:
        raise FormatError(str(error)) from None


def cell_on_board(cell: Cell, name: str, rows: int, cols: int) -> Cell:
    """`cell`, if it is on the board; raises `FormatError` naming it."""
    if not (cell.row < rows and cell.col < cols):
        raise FormatError(f"{name} {cell} is not on a board of {rows} x {cols}")
    return cell


SIZE = Fact("the size", "size", frozenset({"size", "dimensions", "board", "grid", "map"}))
"""What every statement begins with."""


def size_line(rows: int, cols: int) -> str:
    """The first line of every statement, without its newline."""
    return f"Size: {rows} x {cols}"
