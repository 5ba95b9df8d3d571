"""Where in a model's reply something stands: thoughts, tagged blocks, boxes.

Shared by everything that reads replies: plans, answers to perception questions, statements of the
state. Each function is linear in the length of the reply.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Region(NamedTuple):
    """A part of the reply."""

    start: int
    end: int
    name: str
    """What reasons call it."""


_TAG_END = r"\s{0,8}>"
_THOUGHT = re.compile(rf"<(/?)(?:think|thinking|thought|reasoning){_TAG_END}", re.ASCII | re.IGNORECASE)
ANSWER = re.compile(rf"<(/?)answer{_TAG_END}", re.ASCII | re.IGNORECASE)
ACTION = re.compile(rf"<(/?)actions?{_TAG_END}", re.ASCII | re.IGNORECASE)
"""Tags, opening and closing; group 1 is the slash of a closing one."""
_BOX = re.compile(r"\\boxed ?\{|<\|begin_of_box\|>")
_BRACE = re.compile(r"[{}]")


def hide_thoughts(text: str) -> tuple[str, bool]:
    """The reply with its `<think>` blocks blanked out, and whether it ends inside one.

    Offsets stay as they are. What follows an opening tag without a closing one is a thought, and so is
    all that precedes a closing tag without an opening one, which the chat template may have written.
    """
    visible: list[tuple[int, int]] = []
    position, thinking = 0, False
    for tag in _THOUGHT.finditer(text):
        if not tag[1]:
            if not thinking:
                visible.append((position, tag.start()))
            thinking = True
            continue
        if not thinking:
            visible.clear()
        position, thinking = tag.end(), False
    if not thinking:
        visible.append((position, len(text)))
    pieces, end = [], 0
    for start, stop in visible:
        pieces += [" " * (start - end), text[start:stop]]
        end = stop
    return "".join(pieces).ljust(len(text)), thinking


def find_tagged(text: str, tag: re.Pattern[str], name: str) -> tuple[Region | None, bool]:
    """The last block between two tags, and whether it has both of them.

    One tag is often missing: the opening one because the prompt ends with it, the closing one
    because generation stops at it.
    """
    opening, closing, stray = _last_tags(text, tag)
    if opening is not None:
        end = len(text) if closing is None else closing.start()
        return Region(opening.end(), end, name), closing is not None
    return (None, False) if stray is None else (Region(0, stray.start(), name), False)


def split_answer(text: str) -> tuple[str, str | None]:
    """What precedes the last `<answer>` block, and its content; None if there is no block.

    The closing tag may be missing.
    """
    opening, closing, _ = _last_tags(text, ANSWER)
    if opening is None:
        return text, None
    return text[: opening.start()], text[opening.end() : len(text) if closing is None else closing.start()]


def _last_tags(text: str, tag: re.Pattern[str]) -> tuple[re.Match[str] | None, ...]:
    """The last opening tag, the first closing one after it, and the last closing one before any opening."""
    opening = closing = stray = None
    for found in tag.finditer(text):
        if not found[1]:
            opening, closing = found, None
        elif opening is None:
            stray = found
        elif closing is None:
            closing = found
    return opening, closing, stray


def find_boxed(text: str) -> Region | None:
    r"""The inside of the last `\boxed{...}`, or of the box tokens of GLM's vision models."""
    box: re.Match[str] | None = None
    for found in _BOX.finditer(text):
        box = found
    if box is None:
        return None
    if box[0].startswith("<"):
        end = text.find("<|end_of_box|>", box.end())
        return Region(box.end(), len(text) if end < 0 else end, "the box")
    depth = 1
    for brace in _BRACE.finditer(text, box.end()):
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return Region(box.end(), brace.start(), "the box")
    return Region(box.end(), len(text), "the box")
