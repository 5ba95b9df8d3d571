"""Plans as text: `parse_plan` reads a model's reply, `format_plan` writes a plan.

Reading has two steps. First the *region* that holds the answer is found: an `<answer>` block and,
in lenient mode, the other places where models put their answer. Then everything in that region must
be understood: a word that is no action, a number that is neither a list number nor a repeat count or
a phrase with two meanings means that there is no plan, and the reason says which. So a plan is
either read exactly or not at all.

Both steps are linear in the length of the reply: every pattern here either consumes what it has
looked at or looks at a bounded number of characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from string import ascii_letters
from typing import Literal, NamedTuple, get_args

from vsp_gym.core import MOVES, Action, AnyTask, Plan, check_plan, require_task
from vsp_gym.errors import UnknownNameError, VSPGymError

ParseMode = Literal["lenient", "strict"]


@dataclass(frozen=True)
class ParsedPlan:
    """What `parse_plan` found in a reply."""

    actions: Plan | None
    """The plan, or None if there is none to be read."""
    span: tuple[int, int] | None
    """Start and end (exclusive) of the text that the plan came from, as offsets into the reply."""
    reason: str | None
    """Why there is no plan; None if there is one. A clause without a full stop."""


def format_plan(plan: Iterable[object], task: AnyTask) -> str:
    """Write a plan the way the task's prompts ask for it.

    One run of letters (`"DDRUR"`) if all actions of the task are moves, else a list with commas
    (`"L,L,PICK,D,DROP"`). `parse_plan` reads either back; the empty plan gives the empty text, which
    is no plan to `parse_plan`.

    Args:
        plan: actions as `Action`, numbers or names.
        task: the task that the plan is for.

    Raises:
        VSPGymError: for an action that the task does not have, naming its position.

    >>> from vsp_gym import get_task
    >>> format_plan(["down", "right"], get_task("maze"))
    'DR'
    """
    require_task(task)
    separator = "" if set(task.actions) <= set(MOVES) else ","
    return separator.join(_SHORT[action] for action in check_plan(task, plan))


def parse_plan(text: str, task: AnyTask, *, mode: ParseMode = "lenient") -> ParsedPlan:
    r"""Read the plan in a model's reply.

    What stands in `<think>` blocks never counts. In `strict` mode the plan must stand in an
    `<answer>...</answer>` block, the last one if there are several. `lenient` mode takes the first of
    these that the reply has:

    1. the last `<answer>` block, which may lack one of its tags;
    2. the last `<action>` block;
    3. the last `\boxed{...}`;
    4. the last line such as `Answer: ...` or `The plan is ...` with the lines that continue it, or
       the last code block, whichever comes later (`Answer:` goes before `Plan:` and the like);
    5. the whole reply, or its last lines after prose;
    6. the last list in brackets that has an action in it.

    The plan may be written as letters (`RRD`), words (`right, move down`), arrows, a numbered or
    bulleted list, or a JSON list, with Markdown or LaTeX around it; repeat counts (`R x 2`,
    `right twice`) are carried out. An empty block is no plan.

    Args:
        text: the reply; any string at all.
        task: the task whose actions are allowed.
        mode: `"lenient"` or `"strict"`.

    Returns:
        The plan and its place in `text`, or the reason why there is none.

    Raises:
        VSPGymError: if `text` is no string or `task` no task.
        UnknownNameError: for an unknown mode.

    >>> from vsp_gym import get_task
    >>> parse_plan("So: <answer>1. Right 2. Down</answer>", get_task("maze")).actions
    (<Action.RIGHT: 2>, <Action.DOWN: 1>)
    >>> parse_plan("RRX", get_task("maze")).reason
    "'RRX' in the reply is no action of Maze (allowed: LEFT, DOWN, RIGHT, UP)"
    """
    if not isinstance(text, str):
        raise VSPGymError(f"a reply is text, not {type(text).__name__}")
    require_task(task)
    check_mode(mode)
    try:
        visible = _hide_thoughts(text)
        actions, region = _read_answer(visible, task) if mode == "strict" else _read_reply(visible, task)
    except _NoPlanError as error:
        return ParsedPlan(None, None, str(error))
    return ParsedPlan(actions, (region.start, region.end), None)


def check_mode(mode: ParseMode) -> ParseMode:
    """`mode` if it is one of `ParseMode`; raises `UnknownNameError` if not."""
    if mode not in get_args(ParseMode):
        raise UnknownNameError("parse mode", mode, get_args(ParseMode))
    return mode


class _NoPlanError(Exception):
    """There is no plan to be read; the message is the reason."""


# ---------------------------------------------------------------------------------------------
# Vocabulary.

_LETTERS = {action.name[0]: action for action in MOVES}
_SHORT = {action: action.name[0] if action in MOVES else action.name for action in Action}
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
_ARROWS = {
    **dict.fromkeys("←⬅⇐⟵", Action.LEFT),
    **dict.fromkeys("↓⬇⇓", Action.DOWN),
    **dict.fromkeys("→➡⇒⟶➜➔", Action.RIGHT),
    **dict.fromkeys("↑⬆⇑", Action.UP),
}
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
_COUNT_WORDS = {"X", "TIME", "TIMES", "STEPS", "CELL", "CELLS", "SQUARE", "SQUARES", "ACTION", *_TIMES}
"""Words that only count or number actions."""


def _is_letters(word: str) -> bool:
    return not word.strip("LDRU")


def _is_known(word: str) -> bool:
    """Whether a plan may have this word in it."""
    upper = word.upper()
    return word.isascii() and (
        upper in _WORDS or upper in _VERBS or upper in _CONNECTIVES or _is_letters(upper)
    )


def _quote(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


# ---------------------------------------------------------------------------------------------
# Where the answer is.


class _Region(NamedTuple):
    """A part of the reply."""

    start: int
    end: int
    name: str
    """What reasons call it."""


_TAG_END = r"\s{0,8}>"
_THOUGHT = re.compile(rf"<(/?)(?:think|thinking|thought|reasoning){_TAG_END}", re.ASCII | re.IGNORECASE)
_ANSWER = re.compile(rf"<(/?)answer{_TAG_END}", re.ASCII | re.IGNORECASE)
_ACTION = re.compile(rf"<(/?)actions?{_TAG_END}", re.ASCII | re.IGNORECASE)
_BOX = re.compile(r"\\boxed ?\{|<\|begin_of_box\|>")
_BRACE = re.compile(r"[{}]")
_FENCE = re.compile(r"`{3,}|~{3,}")
_FENCE_INFO = re.compile(r"(?:`{3,}|~{3,})[ \t]{0,8}([\w+-]{1,32})[ \t]{0,8}\r?\n")
_JSON_VALUE = re.compile(r"\s{0,8}([\"'\[])")
_LIST = re.compile(r"\[[^\[\]]*\]")
_WORD = re.compile(r"[^\W\d_]+")
_BULLET = re.compile(r"[ \t]{0,16}[-*+•·●▪◦][ \t]")
_ITEM = re.compile(r"[ \t]{0,16}(?:[0-9]|[-*+•·●▪◦][ \t])")
_OPENING = re.compile(
    r"[\s\"'“‘*_`~(\[{>\-–—•·●▪◦+#$|]{0,24}(?:\\[a-z]{1,16}\{){0,4}"
    rf"(?:(?P<word>[^\W\d_]+)|[0-9]{{1,9}}[.):]|[{''.join(_ARROWS)}])"
)
_LABEL = re.compile(
    r"(?<![A-Za-z])(?P<key>answer|solution|plan|actions?|moves|sequence|path|route)"
    r"(?P<close>[\"'*_`) \t]{0,6})"
    r"(?:(?P<colon>[:：=])|(?P<verb>(?:is|are)\b[ \t]?:?)|(?=\r?\n))",
    re.ASCII | re.IGNORECASE,
)
_LABEL_LEAD = re.compile(
    """a|actions?|all|answer|best|complete|correct|corresponding|entire|executable|final|full|here|hence|is
    |move|movement|my|optimal|our|output|overall|plan|planned|proposed|resulting|s|shortest|so|solution
    |the|therefore|this|thus|whole""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
"""Words that may stand before a label: "the final plan:" announces one, "legal moves:" does not."""
_MARKUP = " \t\r\n*_`~-#>"


def _hide_thoughts(text: str) -> str:
    """The reply with its thinking blanked out, so that offsets stay as they are."""
    visible: list[tuple[int, int]] = []
    position, thinking = 0, False
    for tag in _THOUGHT.finditer(text):
        if not tag[1]:
            if not thinking:
                visible.append((position, tag.start()))
            thinking = True
            continue
        if not thinking:  # the chat template opened the block
            visible.clear()
        position, thinking = tag.end(), False
    if not thinking:
        visible.append((position, len(text)))
    pieces, end = [], 0
    for start, stop in visible:
        pieces += [" " * (start - end), text[start:stop]]
        end = stop
    shown = "".join(pieces).ljust(len(text))
    if shown.isspace() and not text.isspace():
        raise _NoPlanError("the reply ends inside its thinking" if thinking else "the reply is all thinking")
    return shown


def _read_answer(text: str, task: AnyTask) -> tuple[Plan, _Region]:
    """Strict mode: the last `<answer>` block."""
    region, complete = _tagged(text, _ANSWER, "the <answer> block")
    if region is None:
        raise _NoPlanError("there is no <answer>...</answer> block")
    if not complete:
        raise _NoPlanError("the last <answer> block lacks its opening or closing tag")
    return _read(text, region, task)


def _read_reply(text: str, task: AnyTask) -> tuple[Plan, _Region]:
    """Lenient mode: the most explicit answer."""
    region = (
        _tagged(text, _ANSWER, "the <answer> block")[0]
        or _tagged(text, _ACTION, "the <action> block")[0]
        or _boxed(text)
        or max((found for found in (_labelled(text), _fenced(text)) if found), default=None)
    )
    if region is not None:
        return _read(text, region, task)
    if not text.strip():
        raise _NoPlanError("the reply is empty")
    block = _last_block(text)
    if block is not None:
        return _read_block(text, block, task)
    listed = _listed(text)
    if listed is not None:
        return _read(text, listed, task)
    raise _NoPlanError("no part of the reply is marked as the answer or is only a plan")


def _tagged(text: str, tag_pattern: re.Pattern[str], name: str) -> tuple[_Region | None, bool]:
    """The last block between two tags, and whether it has both of them.

    One tag is often missing: the opening one because the prompt ends with it, the closing one
    because generation stops at it.
    """
    opening = closing = stray = None
    for tag in tag_pattern.finditer(text):
        if not tag[1]:
            opening, closing = tag, None
        elif opening is None:
            stray = tag
        elif closing is None:
            closing = tag
    if opening is not None:
        end = len(text) if closing is None else closing.start()
        return _Region(opening.end(), end, name), closing is not None
    return (None, False) if stray is None else (_Region(0, stray.start(), name), False)


def _boxed(text: str) -> _Region | None:
    r"""The inside of the last `\boxed{...}`, or of the box tokens of GLM's vision models."""
    box: re.Match[str] | None = None
    for found in _BOX.finditer(text):
        box = found
    if box is None:
        return None
    if box[0].startswith("<"):
        end = text.find("<|end_of_box|>", box.end())
        return _Region(box.end(), len(text) if end < 0 else end, "the box")
    depth = 1
    for brace in _BRACE.finditer(text, box.end()):
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return _Region(box.end(), brace.start(), "the box")
    return _Region(box.end(), len(text), "the box")


def _fenced(text: str) -> _Region | None:
    """The last code block that begins like a plan; a map or a program does not."""
    last = None
    fences = _FENCE.finditer(text)
    for opening in fences:
        closing = next(fences, None)
        block = _Region(opening.start(), closing.start() if closing else len(text), "the code block")
        info = _info(text, block)
        if _begins_like_plan(text, info.end() if info else block.start, block.end):
            last = block
    return last


def _labelled(text: str) -> _Region | None:
    """What follows the last `Answer:`, or else the last `Plan:` or the like that a plan follows."""
    strong: re.Match[str] | None = None
    weak: re.Match[str] | None = None
    for label in _LABEL.finditer(text):
        if not _is_label(text, label):
            continue
        if label["colon"] and label["key"].lower() == "answer":
            strong = label
        elif _begins_like_plan(text, label.end(), len(text)):
            weak = label
    chosen = strong or weak
    if chosen is None:
        return None
    name = f"the text after {_quote(chosen['key'])}"
    return _json_value(text, chosen, name) or _Region(chosen.end(), _continued(text, chosen.end()), name)


def _is_label(text: str, label: re.Match[str]) -> bool:
    """Whether the words before a label's key let it announce an answer."""
    if _is_json_key(text, label):
        return True
    lead = text[max(0, label.start() - 48) : label.start()].rpartition("\n")[2]
    is_heading = lead.lstrip()[:1] in ("#", "*")
    if not (label["colon"] or label["verb"] or is_heading):
        return False
    clause = re.split(r"[.!?:;]", lead)[-1]
    words = [word.lower() for word in _WORD.findall(clause)]
    if words[-1:] == ["of"]:
        return words[-2:-1] in (["sequence"], ["list"], ["series"])
    return not words or _LABEL_LEAD.fullmatch(words[-1]) is not None


def _is_json_key(text: str, label: re.Match[str]) -> bool:
    """Whether a label stands in the quotation marks of a key: `"final_answer": "RRD"`."""
    quote = label["close"][:1]
    before = text[max(0, label.start() - 32) : label.start()].rstrip(f"_- {ascii_letters}")
    return bool(label["colon"]) and quote in ("'", '"') and before.endswith(quote)


def _json_value(text: str, label: re.Match[str], name: str) -> _Region | None:
    """The string or list that belongs to a label which is a JSON key."""
    if not _is_json_key(text, label):
        return None
    value = _JSON_VALUE.match(text, label.end())
    end = text.find("]" if value[1] == "[" else value[1], value.end()) if value else -1
    return _Region(value.end(), end, name) if value and end >= 0 else None


def _continued(text: str, start: int) -> int:
    """Where the answer that begins at `start` ends: before a paragraph of prose, or prose that ends its own.

    Prose between two lines of a plan stays in, so that no step after it is lost.
    """
    end, new_paragraph = None, False
    for line_start, line_end in _lines(text, start):
        if not text[line_start:line_end].strip(_MARKUP):
            new_paragraph = end is not None
        elif end is None or not _is_prose(text, line_start, line_end):
            end, new_paragraph = line_end, False
        elif new_paragraph:
            break
    return len(text) if end is None else end


def _begins_like_plan(text: str, start: int, end: int) -> bool:
    opening = _OPENING.match(text, start, end)
    return opening is not None and (opening["word"] is None or _is_known(opening["word"]))


def _continues_plan(text: str, start: int, end: int) -> bool:
    return _BULLET.match(text, start, end) is not None or _begins_like_plan(text, start, end)


def _lines(text: str, position: int) -> Iterator[tuple[int, int]]:
    """Start and end of every line from `position` on."""
    while position <= len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        yield position, end
        position = end + 1


def _lines_backwards(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of every line, the last one first."""
    end = len(text)
    while end >= 0:
        start = text.rfind("\n", 0, end) + 1
        yield start, end
        end = start - 1


def _is_prose(text: str, start: int, end: int) -> bool:
    """Whether a line is talk about the plan; a list item with a wrong word in it is not."""
    if _continues_plan(text, start, end):
        return False
    strangers = 0
    for word in _WORD.finditer(text, start, end):
        strangers += not (_is_known(word[0]) or word[0].upper() in _COUNT_WORDS)
        if strangers == 3:
            return True
    last = text[start:end].rstrip(_MARKUP)[-1:]
    return (strangers >= 1 and last in (":", "!")) or (strangers >= 2 and last in (".", "?"))


def _last_block(text: str) -> _Region | None:
    """The lines after the last prose, or None if the reply ends with prose; the mirror of `_continued`."""
    start = end = None
    new_paragraph = False
    for line_start, line_end in _lines_backwards(text):
        if not text[line_start:line_end].strip(_MARKUP):
            new_paragraph = end is not None
        elif not _is_prose(text, line_start, line_end):
            start, end = line_start, line_end if end is None else end
            new_paragraph = False
        elif end is None or new_paragraph:
            break
    if start is None or end is None:
        return None
    whole = not text[:start].strip(_MARKUP)
    return _Region(start, end, "the reply" if whole else "the last lines")


def _read_block(text: str, block: _Region, task: AnyTask) -> tuple[Plan, _Region]:
    """Read the last lines, or only the very last if it sums up a walk through the steps.

    It does if a blank line sets it off, it is no list item and it has several actions.
    """
    try:
        return _read(text, block, task)
    except _NoPlanError as error:
        start = text.rfind("\n", block.start, block.end) + 1
        line_before = text[text.rfind("\n", 0, max(0, start - 1)) + 1 : max(0, start - 1)]
        if start <= block.start or line_before.strip() or _ITEM.match(text, start):
            raise
        try:
            plan, region = _read(text, _Region(start, block.end, "the last line"), task)
        except _NoPlanError:
            raise error from None
        if len(plan) < 2:
            raise
        return plan, region


def _listed(text: str) -> _Region | None:
    """The last bracketed list with a word in it that belongs into a plan."""
    last = None
    for found in _LIST.finditer(text):
        if any(_is_known(word[0]) for word in _WORD.finditer(found[0])):
            last = found
    return None if last is None else _Region(last.start(), last.end(), "the list")


def _info(text: str, region: _Region) -> re.Match[str] | None:
    """The first line of a code block if it names a language."""
    info = _FENCE_INFO.match(text, region.start, region.end)
    return info if info and text[info.end() : region.end].strip(_MARKUP) else None


def _trimmed(text: str, region: _Region, characters: str | None = None) -> _Region:
    part = text[region.start : region.end]
    start = region.start + len(part) - len(part.lstrip(characters))
    return region._replace(start=start, end=max(start, region.start + len(part.rstrip(characters))))


def _unwrapped(text: str, region: _Region) -> _Region:
    """The region without a label or the language of a code block in front."""
    region = _trimmed(text, region)
    label = _LABEL.search(text, region.start, min(region.end, region.start + 80))
    if label is not None and (label["colon"] or label["verb"]):
        lead = _WORD.findall(text, region.start, label.start())
        if all(_LABEL_LEAD.fullmatch(word) or word.lower() in ("sequence", "of") for word in lead):
            region = _trimmed(text, region._replace(start=label.end()))
    info = _info(text, region)
    if info is not None:
        if _is_known(info[1]):  # R and D are languages too
            raise _NoPlanError(
                f"{_quote(info[1])} on the first line of the code block may be a language or a step"
            )
        region = region._replace(start=info.end())
    return _trimmed(text, region, " \t\r\n*_`~")


# ---------------------------------------------------------------------------------------------
# What the answer says.

_Kind = Literal["letters", "word", "arrow"]
"""How an action was written."""

_TOKEN = re.compile(
    r"(?P<word>[^\W\d_]+)"
    r"|(?P<number>[0-9]+)"
    rf"|(?P<arrow>[{''.join(_ARROWS)}]\ufe0f?|\\[A-Za-z]+)"
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
_GLOSS = re.compile(rf"([^\W\d_]+|[{''.join(_ARROWS)}])\ufe0f?[ \t]?\)")


def _read(text: str, region: _Region, task: AnyTask) -> tuple[Plan, _Region]:
    """The plan that a region holds, and the region trimmed to it."""
    region = _unwrapped(text, region)
    return _Reader(text, region, task).read(), region


class _Reader:
    """Reads a region from left to right, up to the first thing that it does not understand."""

    def __init__(self, text: str, region: _Region, task: AnyTask) -> None:
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
        """The plan; raises `_NoPlanError`."""
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
            raise _NoPlanError(f"{self.region.name} {holds}")
        self._settle_arrows()
        return tuple(self.actions)

    def _match(self, pattern: re.Pattern[str], position: int) -> re.Match[str] | None:
        return pattern.match(self.text, position, self.region.end)

    def _adjoins(self, start: int, between: str) -> bool:
        """Whether nothing but characters of `between` is between the last action and `start`."""
        return self.last_kind is not None and not self.text[self.last_end : start].strip(between)

    # Reasons.

    def _error(self, phrase: str, why: str) -> _NoPlanError:
        return _NoPlanError(f"{_quote(phrase)} in {self.region.name} {why}")

    def _no_action(self, word: str) -> _NoPlanError:
        allowed = ", ".join(action.name for action in self.task.actions)
        return self._error(word, f"is no action of {self.task.title} (allowed: {allowed})")

    def _unfollowed(self) -> _NoPlanError:
        return _NoPlanError(f"no action follows {_quote(self.pending)} in {self.region.name}")

    def _stray(self, position: int) -> _NoPlanError:
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
            raise _NoPlanError(f"the list number {_quote(digits)} in {self.region.name} is out of order")
        if self.item_is_empty:
            raise self._unfollowed()
        self._expect(digits)
        self.number, self.item_is_empty = number, True
        return found.end()

    def _arrow(self, token: re.Match[str]) -> int:
        arrow = token[0].rstrip("\ufe0f")
        if arrow in _WRAPPERS:
            return token.end()
        action = _ARROWS.get(arrow, _ARROW_COMMANDS.get(arrow))
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
        if gloss is not None and found == [_ARROWS.get(gloss[1], _meaning(gloss[1]))]:
            return gloss.end()
        if self.number is not None and self._match(_LIST_NUMBER, remark.end()):
            return end
        word = self._match(_WORD, remark.end())
        if word is not None and not _is_known(word[0]):
            raise self._no_action(word[0])
        phrase = self.text[start : remark.end()]
        raise self._error(phrase, "is ambiguous: what is in parentheses may be a remark or a step")

    def _settle_arrows(self) -> None:
        """Decide whether right arrows are moves (`→ → ↓`) or only lead from word to word (`R → D`)."""
        if not self.arrows:
            return
        links = self.arrows_are_links and self.last_kind != "arrow"
        if self.has_word_moves and not links:
            raise _NoPlanError(f"{self.region.name} mixes arrows with words for moves")
        if links and not self.has_word_moves:
            raise _NoPlanError(f"the arrows in {self.region.name} may be moves or only separate the actions")
        if links:
            skipped = set(self.arrows)
            self.actions = [action for index, action in enumerate(self.actions) if index not in skipped]


def _meaning(word: str) -> Action | None:
    """The one action that a word or letter stands for."""
    upper = word.upper() if word.isascii() else ""
    return _WORDS.get(upper, _LETTERS.get(upper))
