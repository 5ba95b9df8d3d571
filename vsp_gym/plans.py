"""Plans as text: `parse_plan` reads a model's reply, `format_plan` writes a plan.

Reading has two steps. First the *region* that holds the answer is found, here: an `<answer>` block
and, in lenient mode, the other places where models put their answer. Then `vsp_gym.plan_reader` reads
the region, and everything in it must be understood: a word that is no action, a number that is neither
a list number nor a repeat count or a phrase with two meanings means that there is no plan, and the
reason says which. So a plan is either read exactly or not at all.

Both steps are linear in the length of the reply: every pattern either consumes what it has looked at
or looks at a bounded number of characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from string import ascii_letters
from typing import Literal, get_args

from vsp_gym.core import MOVES, AnyTask, Plan, check_plan, require_task
from vsp_gym.errors import UnknownNameError, VSPGymError
from vsp_gym.plan_reader import ARROWS, COUNT_WORDS, SHORT, WORD, NoPlanError, PlanReader, is_known, quote
from vsp_gym.replies import ACTION, ANSWER, Region, find_boxed, find_tagged, hide_thoughts

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
    return separator.join([SHORT[action] for action in check_plan(task, plan)])


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
        visible, thinking = hide_thoughts(text)
        if visible.isspace() and not text.isspace():
            raise NoPlanError(f"the reply {'ends inside its thinking' if thinking else 'is all thinking'}")
        actions, region = _read_answer(visible, task) if mode == "strict" else _read_reply(visible, task)
    except NoPlanError as error:
        return ParsedPlan(None, None, str(error))
    return ParsedPlan(actions, (region.start, region.end), None)


def check_mode(mode: ParseMode) -> ParseMode:
    """`mode` if it is one of `ParseMode`; raises `UnknownNameError` if not."""
    if mode not in get_args(ParseMode):
        raise UnknownNameError("parse mode", mode, get_args(ParseMode))
    return mode


_FENCE = re.compile(r"`{3,}|~{3,}")
_FENCE_INFO = re.compile(r"(?:`{3,}|~{3,})[ \t]{0,8}([\w+-]{1,32})[ \t]{0,8}\r?\n")
_JSON_VALUE = re.compile(r"\s{0,8}([\"'\[])")
_LIST = re.compile(r"\[[^\[\]]*\]")
_BULLET = re.compile(r"[ \t]{0,16}[-*+•·●▪◦][ \t]")
_ITEM = re.compile(r"[ \t]{0,16}(?:[0-9]|[-*+•·●▪◦][ \t])")
_OPENING = re.compile(
    r"[\s\"'“‘*_`~(\[{>\-–—•·●▪◦+#$|]{0,24}(?:\\[a-z]{1,16}\{){0,4}"
    rf"(?:(?P<word>[^\W\d_]+)|[0-9]{{1,9}}[.):]|[{''.join(ARROWS)}])"
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


def _read_answer(text: str, task: AnyTask) -> tuple[Plan, Region]:
    """Strict mode: the last `<answer>` block."""
    region, complete = find_tagged(text, ANSWER, "the <answer> block")
    if region is None:
        raise NoPlanError("there is no <answer>...</answer> block")
    if not complete:
        raise NoPlanError("the last <answer> block lacks its opening or closing tag")
    return _read(text, region, task)


def _read_reply(text: str, task: AnyTask) -> tuple[Plan, Region]:
    """Lenient mode: the most explicit answer."""
    region = (
        find_tagged(text, ANSWER, "the <answer> block")[0]
        or find_tagged(text, ACTION, "the <action> block")[0]
        or find_boxed(text)
        or max((found for found in (_labelled(text), _fenced(text)) if found), default=None)
    )
    if region is not None:
        return _read(text, region, task)
    if not text.strip():
        raise NoPlanError("the reply is empty")
    block = _last_block(text)
    if block is not None:
        return _read_block(text, block, task)
    listed = _listed(text)
    if listed is not None:
        return _read(text, listed, task)
    raise NoPlanError("no part of the reply is marked as the answer or is only a plan")


def _fenced(text: str) -> Region | None:
    """The last code block that begins like a plan; a map or a program does not."""
    last = None
    fences = _FENCE.finditer(text)
    for opening in fences:
        closing = next(fences, None)
        block = Region(opening.start(), closing.start() if closing else len(text), "the code block")
        info = _info(text, block)
        if _begins_like_plan(text, info.end() if info else block.start, block.end):
            last = block
    return last


def _labelled(text: str) -> Region | None:
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
    name = f"the text after {quote(chosen['key'])}"
    return _json_value(text, chosen, name) or Region(chosen.end(), _continued(text, chosen.end()), name)


def _is_label(text: str, label: re.Match[str]) -> bool:
    """Whether the words before a label's key let it announce an answer."""
    if _is_json_key(text, label):
        return True
    lead = text[max(0, label.start() - 48) : label.start()].rpartition("\n")[2]
    is_heading = lead.lstrip()[:1] in ("#", "*")
    if not (label["colon"] or label["verb"] or is_heading):
        return False
    clause = re.split(r"[.!?:;]", lead)[-1]
    words = [word.lower() for word in WORD.findall(clause)]
    if words[-1:] == ["of"]:
        return words[-2:-1] in (["sequence"], ["list"], ["series"])
    return not words or _LABEL_LEAD.fullmatch(words[-1]) is not None


def _is_json_key(text: str, label: re.Match[str]) -> bool:
    """Whether a label stands in the quotation marks of a key: `"final_answer": "RRD"`."""
    mark = label["close"][:1]
    before = text[max(0, label.start() - 32) : label.start()].rstrip(f"_- {ascii_letters}")
    return bool(label["colon"]) and mark in ("'", '"') and before.endswith(mark)


def _json_value(text: str, label: re.Match[str], name: str) -> Region | None:
    """The string or list that belongs to a label which is a JSON key."""
    if not _is_json_key(text, label):
        return None
    value = _JSON_VALUE.match(text, label.end())
    end = text.find("]" if value[1] == "[" else value[1], value.end()) if value else -1
    return Region(value.end(), end, name) if value and end >= 0 else None


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
    return opening is not None and (opening["word"] is None or is_known(opening["word"]))


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
    for word in WORD.finditer(text, start, end):
        strangers += not (is_known(word[0]) or word[0].upper() in COUNT_WORDS)
        if strangers == 3:
            return True
    last = text[start:end].rstrip(_MARKUP)[-1:]
    return (strangers >= 1 and last in (":", "!")) or (strangers >= 2 and last in (".", "?"))


def _last_block(text: str) -> Region | None:
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
    return Region(start, end, "the reply" if whole else "the last lines")


def _read_block(text: str, block: Region, task: AnyTask) -> tuple[Plan, Region]:
    """Read the last lines, or only the very last if it sums up a walk through the steps.

    It does if a blank line sets it off, it is no list item and it has several actions.
    """
    try:
        return _read(text, block, task)
    except NoPlanError as error:
        start = text.rfind("\n", block.start, block.end) + 1
        line_before = text[text.rfind("\n", 0, max(0, start - 1)) + 1 : max(0, start - 1)]
        if start <= block.start or line_before.strip() or _ITEM.match(text, start):
            raise
        try:
            plan, region = _read(text, Region(start, block.end, "the last line"), task)
        except NoPlanError:
            raise error from None
        if len(plan) < 2:
            raise
        return plan, region


def _listed(text: str) -> Region | None:
    """The last bracketed list with a word in it that belongs into a plan."""
    last = None
    for found in _LIST.finditer(text):
        if any(is_known(word[0]) for word in WORD.finditer(found[0])):
            last = found
    return None if last is None else Region(last.start(), last.end(), "the list")


def _info(text: str, region: Region) -> re.Match[str] | None:
    """The first line of a code block if it names a language."""
    info = _FENCE_INFO.match(text, region.start, region.end)
    return info if info and text[info.end() : region.end].strip(_MARKUP) else None


def _trimmed(text: str, region: Region, characters: str | None = None) -> Region:
    part = text[region.start : region.end]
    start = region.start + len(part) - len(part.lstrip(characters))
    return region._replace(start=start, end=max(start, region.start + len(part.rstrip(characters))))


def _unwrapped(text: str, region: Region) -> Region:
    """The region without a label or the language of a code block in front."""
    region = _trimmed(text, region)
    label = _LABEL.search(text, region.start, min(region.end, region.start + 80))
    if label is not None and (label["colon"] or label["verb"]):
        lead = WORD.findall(text, region.start, label.start())
        if all(_LABEL_LEAD.fullmatch(word) or word.lower() in ("sequence", "of") for word in lead):
            region = _trimmed(text, region._replace(start=label.end()))
    info = _info(text, region)
    if info is not None:
        if is_known(info[1]):  # R and D are languages too
            raise NoPlanError(
                f"{quote(info[1])} on the first line of the code block may be a language or a step"
            )
        region = region._replace(start=info.end())
    return _trimmed(text, region, " \t\r\n*_`~")


def _read(text: str, region: Region, task: AnyTask) -> tuple[Plan, Region]:
    """The plan that a region holds, and the region trimmed to it."""
    region = _unwrapped(text, region)
    return PlanReader(text, region, task).read(), region
