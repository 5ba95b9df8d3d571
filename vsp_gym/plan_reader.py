"""What an answer says: the words, letters, arrows, lists and counts in which models write plans.

`PlanReader` reads a region of a reply from left to right, up to the first thing that it does not
understand. Every pattern either consumes what it has looked at or looks at a bounded number of
characters, so reading is linear.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from vsp_gym.core import MOVES, Action, AnyTask, Plan
from vsp_gym.replies import Region


class NoPlanError(Exception):
    """There is no plan to be read; the message is the reason."""


_LETTERS = {action.name[0]: action for action in MOVES}
SHORT = {action: action.name[0] if action in MOVES else action.name for action in Action}
"""How plans write each action: moves as letters, the others as words."""
_WORDS = {
    **{action.name + suffix: action for action in MOVES for suffix in ("", "WARD", "WARDS")},
    **dict.fromkeys(("PICK", "PICKUP", "GRAB"), Action.PICK),
    **dict.fromkeys(("DROP", "DROPOFF", "PUT", "PUTDOWN", "PLACE"), Action.DROP),
}
_PHRASES = {
    ("PICK", "UP"): Action.PICK,
    ("PUT", "DOWN"): Action.DROP,
    ("SET", "DOWN"): Action.DROP,
    ("PLACE", "DOWN"): Action.DROP,
    ("DROP", "OFF"): Action.DROP,
}
_UNCLEAR_PHRASES = {("DROP", "DOWN"), ("GRAB", "UP")}
"""Either one action, as in English, or two."""
ARROWS = {
    **dict.fromkeys("←⬅⇐⟵", Action.LEFT),
    **dict.fromkeys("↓⬇⇓", Action.DOWN),
    **dict.fromkeys("→➡⇒⟶➜➔", Action.RIGHT),
    **dict.fromkeys("↑⬆⇑", Action.UP),
}
"""The move of each arrow."""
_ARROW_COMMANDS = {
    **{rf"\{action.name.lower()}arrow": action for action in MOVES},
    **{rf"\{action.name.capitalize()}arrow": action for action in MOVES},
    r"\to": Action.RIGHT,
}
_WRAPPERS = {
    rf"\{name}"
    for name in (
        *("boxed", "text", "textbf", "textit", "textrm", "textsf", "texttt", "mathbf", "mathrm", "mathsf"),
        *("mathtt", "operatorname", "quad", "qquad", "left", "right"),
    )
}
"""LaTeX commands that set type and say nothing."""
_VERBS = {"MOVE", "GO", "STEP", "WALK"}
_CONNECTIVES = {"FIRST", "THEN", "AND", "NEXT", "FINALLY"}
_TIMES = {"ONCE": 1, "TWICE": 2, "THRICE": 3}
COUNT_WORDS = {"X", "TIME", "TIMES", "STEPS", "CELL", "CELLS", "SQUARE", "SQUARES", "ACTION", *_TIMES}
"""Words that only count or number actions."""


def _is_letters(word: str) -> bool:
    return not word.strip("LDRU")


def is_known(word: str) -> bool:
    """Whether a plan may have this word in it."""
    upper = word.upper()
    return word.isascii() and (
        upper in _WORDS or upper in _VERBS or upper in _CONNECTIVES or _is_letters(upper)
    )


def quote(text: str) -> str:
    """A piece of a reply for a reason, cut if it is long."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


WORD = re.compile(r"[^\W\d_]+")


_Kind = Literal["letters", "word", "arrow"]
"""How an action was written."""

_TOKEN = re.compile(
    r"(?P<word>[^\W\d_]+)"
    r"|(?P<number>[0-9]+)"
    rf"|(?P<arrow>[{''.join(ARROWS)}]\ufe0f?|\\[A-Za-z]+)"
    r"|(?P<chain>-{1,2}>|={1,2}>|>)"
    r"|(?P<gap>(?:[\s,;|*_`~\"'“”‘’(){}\[\]$–—•·●▪◦!+&，、；。\ufe0f\ufeff\u200b-\u200d\u2060\xad]"
    r"|\.(?!\.)|-(?!-?>)|\\(?![A-Za-z])|<\|\w{1,32}\|>|</s>)+)"
    r"|\.{2,}|.",
    re.DOTALL,
)
_ELLIPSIS = re.compile(r"\.{2,}|…")
_AROUND_LINK = " \t\r\n*_`\"'$"
_UNITS = r"(?:[x×]|times?|steps?|cells?|squares?)(?![^\W_])"
_COUNT_BEFORE = re.compile(rf"([0-9]{{1,9}})[ \t]?(?:{_UNITS}|\*(?!\*))[ \t]?", re.IGNORECASE)
_LIST_NUMBER = re.compile(r"([0-9]+)\\?[*_]{0,3}[.):：]")
_LIST_NUMBER_IN_WORDS = re.compile(
    rf"(?:step|move|action)[ \t]{{1,3}}#?([0-9]{{1,9}})(?![^\W_])(?![ \t]?{_UNITS})[*_]{{0,3}}[.):：]?",
    re.IGNORECASE,
)
_COUNT_AFTER = re.compile(
    r"(?:[ \t]?\*([0-9]+)|[ \t]\*[ \t]([0-9]+)"
    rf"|[ \t*_`\"']{{0,4}}\(?[ \t]?(?:[x×][ \t]?([0-9]+)|([0-9]{{1,9}})[ \t]?{_UNITS}|(once|twice|thrice)))"
    r"(?![^\W_])(?:[ \t]?\))?",
    re.IGNORECASE,
)
_PARTICLE = re.compile(r"[ \t_-]{1,3}(up|down|off)(?![^\W_])", re.IGNORECASE)
_NEXT_WORD = re.compile(r"[ \t_-]{1,8}([^\W\d_]+)")
_REMARK = re.compile(r"[ \t*_`\"']{0,4}\([ \t]?")
_GLOSS = re.compile(rf"([^\W\d_]+|[{''.join(ARROWS)}])\ufe0f?[ \t]?\)")


class PlanReader:
    """Reads a region from left to right, up to the first thing that it does not understand."""

    def __init__(self, text: str, region: Region, task: AnyTask) -> None:
        self.text = text
        self.region = region
        self.task = task
        self.allowed = frozenset(task.actions)
        self.actions: list[Action] = []
        self.last_end = region.start
        """Where the last action ended."""
        self.last_kind: _Kind | None = None
        self.pending = ""
        """A word, number or sign that an action must follow."""
        self.pending_end: int | None = None
        """Where a pending verb or repeat count ends, if the action must follow it at once."""
        self.count: int | None = None
        """The pending repeat count."""
        self.number: int | None = None
        """The last list number."""
        self.item_is_empty = False
        """Whether no action followed the last list number yet."""
        self.has_word_moves = False
        self.arrows: list[int] = []
        """Indices into `actions` of what was written as an arrow."""
        self.arrows_are_links = True
        """Whether all arrows point right and stand between two words: `R → D`."""

    def read(self) -> Plan:
        """The plan; raises `NoPlanError`."""
        take: dict[str, Callable[[re.Match[str]], int]] = {
            "word": self._word,
            "number": self._number,
            "arrow": self._arrow,
            "chain": self._chain,
            "gap": lambda gap: gap.end(),
        }
        position = self.region.start
        while position < self.region.end:
            token = self._match(_TOKEN, position)
            if token is None or token.lastgroup is None:
                raise self._stray(position)
            position = take[token.lastgroup](token)
        if self.pending:
            raise self._unfollowed()
        if not self.actions:
            holds = "holds no action" if self.region.end > self.region.start else "is empty"
            raise NoPlanError(f"{self.region.name} {holds}")
        self._settle_arrows()
        return tuple(self.actions)

    def _match(self, pattern: re.Pattern[str], position: int) -> re.Match[str] | None:
        return pattern.match(self.text, position, self.region.end)

    def _adjoins(self, start: int, between: str) -> bool:
        """Whether nothing but characters of `between` is between the last action and `start`."""
        return self.last_kind is not None and not self.text[self.last_end : start].strip(between)

    # Reasons.

    def _error(self, phrase: str, why: str) -> NoPlanError:
        return NoPlanError(f"{quote(phrase)} in {self.region.name} {why}")

    def _no_action(self, word: str) -> NoPlanError:
        allowed = ", ".join(action.name for action in self.task.actions)
        return self._error(word, f"is no action of {self.task.title} (allowed: {allowed})")

    def _unfollowed(self) -> NoPlanError:
        return NoPlanError(f"no action follows {quote(self.pending)} in {self.region.name}")

    def _stray(self, position: int) -> NoPlanError:
        dots = self._match(_ELLIPSIS, position)
        if dots is not None:
            return self._error(dots[0], "leaves something out")
        return self._error(self.text[position], "cannot be read as part of a plan")

    # Each of these takes one token and returns where reading goes on.

    def _word(self, token: re.Match[str]) -> int:
        word = token[0]
        start, end = token.span()
        upper = word.upper() if word.isascii() else ""
        particle = self._match(_PARTICLE, end)
        phrase = (upper, particle[1].upper()) if particle else ("", "")
        if particle and phrase in _PHRASES:
            if _PHRASES[phrase] not in self.allowed:
                raise self._no_action(self.text[start : particle.end()])
            self._check_phrase(start, particle.end())
            return self._add([_PHRASES[phrase]], start, particle.end(), "word")
        if particle and phrase in _UNCLEAR_PHRASES:
            raise self._error(self.text[start : particle.end()], "may be one action or two")
        if upper in _WORDS:
            return self._add([_WORDS[upper]], start, end, "word")
        if upper and _is_letters(upper):
            return self._add([_LETTERS[letter] for letter in upper], start, end, "letters")
        number = self._match(_LIST_NUMBER_IN_WORDS, start)
        if number is not None:
            return self._list_number(number)
        if upper not in _VERBS and upper not in _CONNECTIVES:
            raise self._no_action(word)
        self._expect(word)
        self.pending_end = end if upper in _VERBS else None
        return end

    def _check_phrase(self, start: int, end: int) -> None:
        """Refuse `LEFT PICK UP`: among moves spelled out with blanks between, UP may be one of them."""
        phrase = self.text[start:end]
        if not phrase.upper().endswith("UP"):
            return
        after = self._match(_NEXT_WORD, end)
        move_before = self.last_kind == "word" and self.actions[-1] in MOVES and self._adjoins(start, " \t_-")
        if move_before or (after and _WORDS.get(after[1].upper()) in MOVES):
            raise self._error(phrase, "is ambiguous: UP may be a move of its own")

    def _number(self, token: re.Match[str]) -> int:
        count = self._match(_COUNT_BEFORE, token.start())
        if count is not None:
            phrase = count[0].strip()
            if self.pending_end is not None and not self.text[self.pending_end : count.start()].strip():
                self.pending_end = None  # "move 2 steps right"
            self._expect(phrase)
            self.count = self._checked_count(count[1], phrase)
            self.pending_end = count.end()
            return count.end()
        number = self._match(_LIST_NUMBER, token.start())
        if number is None:
            raise self._error(token[0], "is neither a list number nor a repeat count")
        return self._list_number(number)

    def _list_number(self, found: re.Match[str]) -> int:
        digits = found[1]
        number = int(digits) if len(digits) <= 9 else -1
        is_first = self.number is None and not self.actions and number in (0, 1)
        if not is_first and (self.number is None or number != self.number + 1):
            raise NoPlanError(f"the list number {quote(digits)} in {self.region.name} is out of order")
        if self.item_is_empty:
            raise self._unfollowed()
        self._expect(digits)
        self.number, self.item_is_empty = number, True
        return found.end()

    def _arrow(self, token: re.Match[str]) -> int:
        arrow = token[0].rstrip("\ufe0f")
        if arrow in _WRAPPERS:
            return token.end()
        action = ARROWS.get(arrow, _ARROW_COMMANDS.get(arrow))
        if action is None:
            raise self._no_action(arrow)
        after_word = self.last_kind in ("word", "letters") and self._adjoins(token.start(), _AROUND_LINK)
        self.arrows_are_links &= after_word and action is Action.RIGHT
        self.arrows.append(len(self.actions))
        return self._add([action], *token.span(), "arrow")

    def _chain(self, token: re.Match[str]) -> int:
        before = self.text[max(self.region.start, token.start() - 24) : token.start()]
        if token[0] == ">" and not before.rpartition("\n")[2].strip(" \t>"):
            return token.end()  # a Markdown quotation
        if self.last_kind is None or self.pending:
            raise self._error(token[0], "is not between two actions")
        self._expect(token[0])
        return token.end()

    def _expect(self, phrase: str) -> None:
        """Note that an action must follow `phrase`."""
        if self.pending_end is not None:
            raise self._unfollowed()
        self.pending = phrase

    def _add(self, found: list[Action], start: int, end: int, kind: _Kind) -> int:
        """Append actions with their repeat count; returns where reading goes on."""
        if not self.allowed.issuperset(found):
            raise self._no_action(self.text[start:end])
        if self.pending_end is not None and self.text[self.pending_end : start].strip(" \t\r\n*_`\"'-"):
            raise self._unfollowed()
        if kind != "arrow" and self.last_kind == "arrow":
            self.arrows_are_links &= self._adjoins(start, _AROUND_LINK)
        count, after = self._count_after(start, end)
        if count is not None and len(found) > 1:
            raise self._error(
                self.text[start:after], "is ambiguous: all of its letters or one may be repeated"
            )
        if count is not None and kind == "arrow":
            self.arrows_are_links = False
        self.has_word_moves |= kind != "arrow" and found[0] in MOVES
        self.actions += found * (1 if count is None else count)
        self.last_kind, self.last_end = kind, after
        self.pending, self.pending_end, self.count, self.item_is_empty = "", None, None, False
        if after == end:
            self.last_end = self._after_remark(found, start, end)
        return self.last_end

    def _count_after(self, start: int, end: int) -> tuple[int | None, int]:
        """The repeat count of the action at `start..end`, and where the action ends with it."""
        after = self._match(_COUNT_AFTER, end)
        if after is None:
            return self.count, end
        phrase = self.text[start : after.end()]
        if self.count is not None:
            raise self._error(phrase, "is ambiguous: it has two repeat counts")
        following = self._match(_NEXT_WORD, after.end())
        if after[4] and "(" not in after[0] and following is not None and _meaning(following[1]) is not None:
            raise self._error(phrase, "is ambiguous: the repeat count may belong to the next action")
        if after[5]:
            return _TIMES[after[5].upper()], after.end()
        return self._checked_count(after[1] or after[2] or after[3] or after[4], phrase), after.end()

    def _checked_count(self, digits: str, phrase: str) -> int:
        """A repeat count; no straight way on a board is longer than its largest side."""
        count = int(digits) if len(digits) <= 9 else 0
        if not 1 <= count <= self.task.max_size:
            raise self._error(phrase, f"repeats an action other than 1 to {self.task.max_size} times")
        return count

    def _after_remark(self, found: list[Action], start: int, end: int) -> int:
        """Skip the `(R)` of `Right (R)`; any other remark in parentheses is refused."""
        remark = self._match(_REMARK, end)
        if remark is None:
            return end
        gloss = self._match(_GLOSS, remark.end())
        if gloss is not None and found == [ARROWS.get(gloss[1], _meaning(gloss[1]))]:
            return gloss.end()
        if self.number is not None and self._match(_LIST_NUMBER, remark.end()):
            return end
        word = self._match(WORD, remark.end())
        if word is not None and not is_known(word[0]):
            raise self._no_action(word[0])
        phrase = self.text[start : remark.end()]
        raise self._error(phrase, "is ambiguous: what is in parentheses may be a remark or a step")

    def _settle_arrows(self) -> None:
        """Decide whether right arrows are moves (`→ → ↓`) or only lead from word to word (`R → D`)."""
        if not self.arrows:
            return
        links = self.arrows_are_links and self.last_kind != "arrow"
        if self.has_word_moves and not links:
            raise NoPlanError(f"{self.region.name} mixes arrows with words for moves")
        if links and not self.has_word_moves:
            raise NoPlanError(f"the arrows in {self.region.name} may be moves or only separate the actions")
        if links:
            skipped = set(self.arrows)
            self.actions = [action for index, action in enumerate(self.actions) if index not in skipped]


def _meaning(word: str) -> Action | None:
    """The one action that a word or letter stands for."""
    upper = word.upper() if word.isascii() else ""
    return _WORDS.get(upper, _LETTERS.get(upper))
