"""Reading what models write: tokens, and lists of cells, directions and actions.

Shared by the answers to perception questions and the statements of all tasks. Everything here is linear
in the length of the text: one pattern with bounded repetitions cuts it into tokens, and the readers go
over the tokens once. What cannot be read raises `FormatError` with the reason as a clause.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from vsp_gym.core import MOVES, Action, Cell
from vsp_gym.errors import FormatError

MAX_CELLS = 64 * 64
"""More cells than any board has; longer lists are not read."""

_GAP = r"[ \t]{0,3}"
_NUMBER = r"[0-9]{1,4}(?!\.?[0-9])"
_TOKEN = re.compile(
    rf"""
    (?P<remark>\b(?:0|zero)[- ](?:based|indexed)\b)
  | (?P<size>
        {_NUMBER}{_GAP}(?:[x×*]|by\b){_GAP}{_NUMBER}\b
      | {_NUMBER}{_GAP}rows?\b[ \t,]{{0,3}}(?:and\b|by\b|[x×])?{_GAP}{_NUMBER}{_GAP}col(?:umn)?s?\b
    )
  | (?P<cell>
        [(\[]\s{{0,3}}{_NUMBER}\s{{0,3}}[,;]\s{{0,3}}{_NUMBER}\s{{0,3}}[)\]]
      | \brow["']?{_GAP}[:=]?{_GAP}{_NUMBER}["']?{_GAP}[,;]?{_GAP}(?:and{_GAP})?
        ["']?col(?:umn)?["']?{_GAP}[:=]?{_GAP}{_NUMBER}
      | \br{_NUMBER}c{_NUMBER}
    )
  | (?P<number>[0-9]+(?:\.[0-9]+)?)
  | (?P<word>[A-Za-z]+(?:['’][A-Za-z]{{1,2}}\b)?)
  | (?P<newline>\n)
  | (?P<ellipsis>\.\.+)
  | (?P<other>[^\s])
    """,
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
_DIGITS = re.compile(r"[0-9]+")


class Token(NamedTuple):
    """A piece of text with a meaning of its own."""

    kind: str
    """`size`, `cell`, `number`, `word`, `newline`, `ellipsis` or `other` (one character)."""
    text: str
    """As written, words in lower case and any ellipsis as `…`."""
    start: int
    """Its offset in the text."""

    @property
    def pair(self) -> tuple[int, int]:
        """The two numbers of a size or a cell."""
        first, second = _DIGITS.findall(self.text)
        return int(first), int(second)

    @property
    def cell(self) -> Cell:
        """The cell that a `cell` token names."""
        return Cell(*self.pair)


END = Token("end", "", -1)
"""Stands after the last token."""


def tokenize(text: str) -> list[Token]:
    """The tokens of a text, `END` last."""
    found = (
        Token(match.lastgroup or "", "…" if match["ellipsis"] else match[0].lower(), match.start())
        for match in _TOKEN.finditer(text)
    )
    return [*(token for token in found if token.kind != "remark"), END]


# ---------------------------------------------------------------------------------------------
# Vocabulary.

NONE = frozenset({"none", "nothing", "empty", "nowhere", "∅"})
"""Words for the empty set."""

DOUBT = frozenset(
    {"or", "maybe", "perhaps", "possibly", "either", "unclear", "unknown", "unsure", "?", "…", "etc"}
)
"""Words and signs that leave open what is meant or leave something out."""

NEGATIONS = frozenset(
    "not cannot can't isn't aren't don't doesn't except but without neither nor never".split()
)

_LETTERS = {move.name[0].lower(): move for move in MOVES}
_WORDS = {
    **{action.name.lower(): action for action in Action},
    **{f"{move.name.lower()}{suffix}": move for move in MOVES for suffix in ("ward", "wards")},
    **dict.fromkeys(("north", "top"), Action.UP),
    **dict.fromkeys(("south", "bottom"), Action.DOWN),
    "west": Action.LEFT,
    "east": Action.RIGHT,
    **dict(zip("←↓→↑", MOVES)),
}
_PHRASES = {
    ("pick", "up"): Action.PICK,
    ("put", "down"): Action.DROP,
    ("set", "down"): Action.DROP,
    ("drop", "off"): Action.DROP,
}


def read_actions_word(word: str) -> tuple[Action, ...]:
    """The actions that a word names: `left`, `lu` (letters of moves, each once); empty if it names none."""
    if word in _WORDS:
        return (_WORDS[word],)
    if len(word) <= len(MOVES) and len(set(word)) == len(word) and set(word) <= set(_LETTERS):
        return tuple(_LETTERS[letter] for letter in word)
    return ()


def quote(text: str) -> str:
    """A piece of a reply for a reason, cut if it is long."""
    text = " ".join(text[:200].split())
    return repr(text if len(text) <= 40 else text[:37] + "...")


# ---------------------------------------------------------------------------------------------
# Sets of actions and open directions.

_FILLERS = frozenset(
    "the a an and or are is only both agent agent's player can could may move moves moving movement go step "
    "action actions legal direction directions open available possible valid following these those this that "
    "from here there answer to it its one cell all in boxed json text".split()
)
_MARKS = frozenset("\"'`*_[]{}(),;:/|&.-–>=+\\")


def read_actions(tokens: Sequence[Token], allowed: Collection[Action]) -> frozenset[Action]:
    """The actions that a short answer lists, in any order; `none` alone is the empty set."""
    found: set[Action] = set()
    is_empty = states_nothing(tokens)
    position = 0
    while tokens[position] is not END:
        token, after = tokens[position], tokens[position + 1]
        position += 1
        phrase = _PHRASES.get((token.text, after.text))
        named = (phrase,) if phrase is not None else read_actions_word(token.text)
        if phrase is not None:
            position += 1
        if named:
            unknown = [action.name for action in named if action not in allowed]
            if unknown:
                names = ", ".join(action.name for action in allowed)
                raise FormatError(f"{unknown[0]} is no action of this task (allowed: {names})")
            found.update(named)
        elif not (token.kind == "newline" or token.text in _MARKS or token.text in _FILLERS or is_empty):
            raise FormatError(f"{quote(token.text)} cannot be read as part of a list of actions")
    if found and is_empty:
        raise FormatError("the answer names actions and says that there are none")
    if not found and not is_empty:
        raise FormatError("the answer names no action; the empty set is 'none'")
    return frozenset(found)


def states_nothing(tokens: Sequence[Token]) -> bool:
    """Whether the tokens say that a set is empty: `none`, `[]`, `no holes`."""
    return any(
        token.text in NONE
        or (token.text == "no" and after.kind == "word")
        or token.text + after.text in ("[]", "{}")
        for token, after in pairwise(tokens)
    )


Directions = dict[Cell, frozenset[Action]]
"""The open directions of each cell."""

_ENTRY_MARKS = frozenset("\"'`*_[]{}(),:/|&-–>=")
_BETWEEN = _ENTRY_MARKS | frozenset(";.•")


def read_directions(tokens: Sequence[Token], position: int) -> tuple[Directions, int]:
    """Entries such as `(0, 0) RD; (0, 1): left, none` from `position` on, and where they end.

    An entry ends at a semicolon, a full stop, a newline or the next cell.

    Raises:
        FormatError: if two entries of one cell disagree.
    """
    found: Directions = {}
    while True:
        token = tokens[position]
        if token.kind == "newline" or token.text in _BETWEEN:
            position += 1
        elif token.text == "row" and tokens[position + 1].kind == "number":
            position += 2
        elif token.kind == "cell":
            entry, after = _read_entry(tokens, position + 1)
            if entry is None:
                return found, position
            if found.setdefault(token.cell, entry) != entry:
                raise FormatError(f"the open directions of {token.cell} are stated twice and differently")
            if len(found) > MAX_CELLS:
                raise FormatError("there are more cells than a board has")
            position = after
        else:
            return found, position


def _read_entry(tokens: Sequence[Token], position: int) -> tuple[frozenset[Action] | None, int]:
    """The directions after a cell, or None if there are none to be read, and where they end."""
    moves: set[Action] = set()
    is_empty = False
    while True:
        token = tokens[position]
        named = read_actions_word(token.text)
        if named:
            moves.update(named)
        elif token.text in NONE:
            is_empty = True
        elif token.text not in _ENTRY_MARKS and token.text not in ("and", "only"):
            break
        position += 1
    if moves and is_empty:
        raise FormatError("a cell is said to have open directions and to have none")
    readable = (moves or is_empty) and not moves & {Action.PICK, Action.DROP}
    return (frozenset(moves) if readable else None), position


# ---------------------------------------------------------------------------------------------
# Lists of cells.

_LIST_MARKS = frozenset("\"'`*_[]{}(),;&-–•|")


class CellList(NamedTuple):
    """Cells that follow each other in a text."""

    cells: tuple[Cell, ...]
    end: int
    """Position of the first token that is not part of the list."""
    doubt: str | None
    """The word that leaves open what is meant, if there is one in the list."""


def read_cell_list(tokens: Sequence[Token], position: int, *, one_line: bool) -> CellList:
    """The cells from `position` on, with nothing but marks and `and` between them."""
    cells: list[Cell] = []
    end, doubt, last_doubt = position, None, None
    while True:
        token = tokens[position]
        if token.kind == "cell":
            cells.append(token.cell)
            end = position + 1
            doubt = doubt or last_doubt
        elif token.text in DOUBT:
            last_doubt = token.text
        elif not (
            token.text in _LIST_MARKS or token.text == "and" or (token.kind == "newline" and not one_line)
        ):
            break
        position += 1
    if cells and last_doubt and tokens[position].kind == "number":
        doubt = doubt or last_doubt
    return CellList(tuple(cells), end, doubt)


def join_words(words: Iterable[object]) -> str:
    """`a, b and c`."""
    *first, last = (str(word) for word in words)
    return f"{', '.join(first)} and {last}" if first else last
