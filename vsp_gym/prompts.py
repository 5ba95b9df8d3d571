r"""The only place where messages for a model are assembled.

| role | sees | replies with |
|---|---|---|
| `student` | a picture | statement, route, `<answer>` (or the answer alone) |
| `text-student` | the state in words | the same |
| `both-student` | a picture and the state in words | the same |
| `teacher` | the state in words, with or without a reference plan | the same |
| `perception` | a picture and a question | `<answer>`, or a statement |

The words are templates in the folders `prompts` of a task and of `vsp_gym.envs`; a task's own file comes
before a shared one of the same name. What the colours mean comes from the theme that is drawn, and the
example from a board that the code draws and solves. So a student's text depends on the task, the theme and
the form of the reply, and on nothing of the board: `check_student` holds messages to that.

>>> from vsp_gym import FrozenLakeLayout
>>> lake = FrozenLakeLayout.from_rows(["SH", "FG"])
>>> system, user = build_messages("frozen_lake", lake, role="teacher", reference_plan=["down", "right"])
>>> print(user["content"].split("\n\n")[1])
A plan that solves this board, for your eyes only: DR
Any other plan that is as short is as good.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import io
import json
import re
import sys
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from vsp_gym.core import MOVES, Layout, Plan, check_plan
from vsp_gym.envs import get_task
from vsp_gym.envs._text import COORDINATES
from vsp_gym.envs.base import AnswerKind, PlanningTask
from vsp_gym.errors import UnknownNameError, VSPGymError
from vsp_gym.perception import Question, action_words, asks, state_statement
from vsp_gym.planning import Solution, solve
from vsp_gym.plans import format_plan
from vsp_gym.render import Theme, legend, render_png
from vsp_gym.text import describe

if TYPE_CHECKING:
    from importlib.abc import Traversable  # importlib.resources.abc since Python 3.11

AnyPlanningTask = PlanningTask[Any, Any]
Message = dict[str, Any]

Role = Literal["student", "text-student", "both-student", "teacher", "perception"]
ReplyForm = Literal["full", "direct", "action"]
MessageForm = Literal["openai", "hf", "hf-template"]

PROMPT_CODE = 1
"""Raised when this module changes what messages say beyond what their texts show."""

EXAMPLE_SEED = 20
"""Seed of the worked examples' boards."""

EXAMPLE_STEPS = 4
"""Fewest actions of a worked example's plan."""

TASK_TEMPLATES = ("rules.txt", "statement.txt")
"""The words that only a task itself can give."""

_SEES_PICTURE: Mapping[str, bool] = {
    "student": True,
    "text-student": False,
    "both-student": True,
    "teacher": False,
    "perception": True,
}

_SEES_WORDS = frozenset({"text-student", "both-student", "teacher"})

_IMAGE_TYPES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}


def build_messages(
    task: str | AnyPlanningTask,
    layout: Layout,
    state: Any = None,
    *,
    role: Role = "student",
    image: bytes | None = None,
    image_size: int = 256,
    theme: str | Theme = "classic",
    reference_plan: Iterable[object] | None = None,
    question: Question | None = None,
    reply: ReplyForm = "full",
    form: MessageForm = "openai",
) -> list[Message]:
    """Chat messages about a board, a system message and a user message.

    Args:
        task: a task or its name.
        layout: the board.
        state: where the attempt stands; the initial state if None.
        role: who is asked, see the module.
        image: the picture as PNG or JPEG; drawn if None. For roles that see one.
        image_size: longer side of a drawn picture in pixels.
        theme: look of the picture, which the legend is about, also when `image` is given.
        reference_plan: a plan from `state` that succeeds, for the teacher's eyes.
        question: what to ask in the role `perception`; None asks for the whole statement.
        reply: `"full"` asks for statement, route and answer, `"direct"` for the answer alone, `"action"`
            for one action, which `next_turn` follows.
        form: `"openai"` has pictures as data URLs; `"hf"` is for `apply_chat_template` of transformers and
            has them as `PIL.Image.Image` under `image`; `"hf-template"` is the same with a bare
            `{"type": "image"}` in each picture's place, for data sets that hold pictures in a column.

    Raises:
        UnknownNameError: for an unknown task, role, theme, reply or form.
        VSPGymError: if the layout belongs to another task, an argument does not fit the role, the reference
            plan does not succeed, or a template is missing or has unknown fields.
    """
    task = get_task(task)
    state = task.check_board(layout, state)
    _check_name("role", role, get_args(Role))
    _check_name("form of messages", form, get_args(MessageForm))
    if image is not None and not _SEES_PICTURE[role]:
        raise VSPGymError(f"the role {role!r} sees no picture; leave out image")
    if reference_plan is not None and role != "teacher":
        raise VSPGymError(f"only the role 'teacher' may see a reference plan, not {role!r}")
    if question is not None and (role != "perception" or question.task != task.name):
        raise VSPGymError(
            f"the question {question.name!r} of {question.task} is for the role 'perception' of that task, "
            f"not for the role {role!r} of {task.name}"
        )
    fields = {"reference": ""}
    if role == "perception":
        fields["question"] = _question_text(task, question)
    if role in _SEES_WORDS:
        fields["description"] = describe(task, layout, state).rstrip("\n")
    if reference_plan is not None:
        plan = check_reference(task, layout, state, reference_plan)
        fields["reference"] = f"\n{_fill(task, 'reference.txt', plan=format_plan(plan, task))}\n"
    system, user = _texts(task, role, theme, reply, example_solution(task, layout), fields)
    if not _SEES_PICTURE[role]:
        return _to_form([("system", [system]), ("user", [user])], None, form)
    if image is None:
        image = render_png(task, layout, state, size=image_size, theme=theme)
    before, after = user.split(_PICTURE)
    parts = [before.strip(), None, after.strip()]
    return _to_form([("system", [system]), ("user", parts)], image, form)


def next_turn(
    task: str | AnyPlanningTask,
    layout: Layout,
    state: Any,
    *,
    outcome: str,
    role: Role = "student",
    image: bytes | None = None,
    image_size: int = 256,
    theme: str | Theme = "classic",
    form: MessageForm = "openai",
) -> Message:
    """The user message that answers one action: what it did, and the board as it is now.

    Args:
        task: a task or its name.
        layout: the board.
        state: where the attempt stands.
        outcome: what the last reply did, in a sentence.
        role: who is asked: a student.
        image: as for `build_messages`.
        image_size: as for `build_messages`.
        theme: as for `build_messages`.
        form: as for `build_messages`.

    Raises:
        UnknownNameError: for an unknown task, theme or form, or a role that is no student.
        VSPGymError: if layout and state do not fit the task.
    """
    task = get_task(task)
    state = task.check_board(layout, state)
    _check_name("role of a student", role, ("student", "text-student", "both-student"))
    _check_name("form of messages", form, get_args(MessageForm))
    parts: list[str | None] = [_fill(task, "turn.txt", outcome=outcome)]
    if _SEES_PICTURE[role]:
        parts.append(None)
        if image is None:
            image = render_png(task, layout, state, size=image_size, theme=theme)
    if role in _SEES_WORDS:
        parts.append(describe(task, layout, state).rstrip("\n"))
    if None not in parts:
        parts = ["\n\n".join(part for part in parts if part is not None)]
    return _to_form([("user", parts)], image, form)[0]


def prompt_version(
    task: str | AnyPlanningTask,
    role: Role = "student",
    *,
    theme: str | Theme = "classic",
    reply: ReplyForm = "full",
    reference: bool = False,
) -> str:
    """A hash (12 hexadecimal digits) of everything in messages that is the same for all boards.

    It belongs in every record and result. Templates, legend, worked example, questions and `PROMPT_CODE`
    go into it; the picture and the description do not.

    Args:
        task: as for `build_messages`.
        role: as for `build_messages`.
        theme: as for `build_messages`.
        reply: as for `build_messages`.
        reference: whether the teacher sees a reference plan.
    """
    task = get_task(task)
    _check_name("role", role, get_args(Role))
    if reference and role != "teacher":
        raise VSPGymError(f"only the role 'teacher' may see a reference plan, not {role!r}")
    fields = {"description": "{description}", "reference": "", "question": "{question}"}
    if reference:
        fields["reference"] = _template(task, "reference.txt")
    texts = list(_texts(task, role, theme, reply, example_solution(task), fields))
    if role == "perception":
        texts.append(_question_text(task, None))
        for ask in asks(task):
            texts += [ask.name, ask.prompt, _answer_form(task, ask.kind)]
    if reply == "action":
        texts.append(_template(task, "turn.txt"))
    content = json.dumps([PROMPT_CODE, task.name, role, *texts])
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def write_reply(
    task: str | AnyPlanningTask,
    layout: Layout,
    state: Any = None,
    *,
    plan: Iterable[object],
    reply: ReplyForm = "full",
) -> str:
    """The reply that a perfect student gives: a training target, and the worked example.

    Raises:
        UnknownNameError: for an unknown task or reply.
        VSPGymError: if the layout or the plan does not belong to the task.
    """
    task = get_task(task)
    _check_name("form of reply", reply, get_args(ReplyForm))
    actions = check_plan(task, plan)
    if reply == "action":
        actions = actions[:1]
    answer = f"<answer>{format_plan(actions, task)}</answer>"
    if reply in ("direct", "action"):
        return answer
    route = ", ".join(trace_route(task, layout, state, plan=actions))
    return f"{state_statement(task, layout, state)}\nRoute: {route}.\n{answer}"


def trace_route(
    task: str | AnyPlanningTask, layout: Layout, state: Any = None, *, plan: Iterable[object]
) -> list[str]:
    """What a plan does, action by action: the cell that a move leads to, or the name of another action.

    A step of a route needs no more than the cell before it and what is around, where a list of moves asks
    for the agent's place to be worked out from all moves so far. Illegal moves lead nowhere, so they name
    the cell where the agent stays; what follows the end of the attempt is left out.

    >>> from vsp_gym import FrozenLakeLayout
    >>> trace_route("frozen_lake", FrozenLakeLayout.from_rows(["SF", "HG"]), plan=[2, 1])
    ['(0, 1)', '(1, 1)']

    Raises:
        UnknownNameError: for an unknown task.
        VSPGymError: if the layout or the plan does not belong to the task.
    """
    task = get_task(task)
    state = task.check_board(layout, state)
    steps = []
    for action in check_plan(task, plan):
        state, _, terminated, _ = task.transition(layout, state, action)
        row, col = task.picture.agent(layout, state)
        steps.append(f"({row}, {col})" if action in MOVES else action.name)
        if terminated:
            break
    return steps


def check_reference(task: AnyPlanningTask, layout: Layout, state: Hashable, plan: Iterable[object]) -> Plan:
    """`plan` as a tuple of actions, if it succeeds from `state` with its last action.

    Raises:
        VSPGymError: if it does not.
    """
    actions = check_plan(task, plan)
    for position, action in enumerate(actions):
        step = task.transition(layout, state, action)
        if step.violation is not None:
            raise VSPGymError(
                f"the reference plan is illegal at action {position}: it {step.violation.phrase}"
            )
        if step.terminated and step.reward > 0 and position == len(actions) - 1:
            return actions
        if step.terminated:
            raise VSPGymError(
                f"the reference plan ends at action {position}, before its last one or in failure"
            )
        state = step.state
    raise VSPGymError(f"the reference plan {format_plan(actions, task) or '(empty)'} does not succeed")


# ---------------------------------------------------------------------------------------------
# The texts.

_PICTURE = "{picture}"
"""The picture's place in a template: a marker that is no field."""

_FIELD = re.compile(r"\{([a-z_]+)\}")
_SECTIONS = re.compile(r"\[system\]\n(.*)\n\[user\]\n(.*)", re.DOTALL)

_FIELDS: Mapping[str, frozenset[str]] = {
    role: frozenset({"title", "rules", "actions", *fields.split()})
    for role, fields in {
        "student": "legend coordinates reply example",
        "text-student": "reply example description",
        "both-student": "legend coordinates reply example description",
        "teacher": "reply example description reference",
        "perception": "legend coordinates question",
    }.items()
}
"""What a role's template must have, each once."""


def _texts(
    task: AnyPlanningTask,
    role: Role,
    theme: str | Theme,
    reply: ReplyForm,
    example: Solution[Any, Any],
    fields: Mapping[str, str],
) -> tuple[str, str]:
    """The system's and the user's text; `_PICTURE` stands where the picture comes."""
    _check_name("form of reply", reply, get_args(ReplyForm))
    told = {"statement": _template(task, "statement.txt"), "route": _route_text(task)}
    available = {
        **fields,
        "title": task.title,
        "rules": _template(task, "rules.txt"),
        "actions": _actions_text(task),
        "legend": _legend_text(task, theme),
        "coordinates": COORDINATES,
        "reply": _fill(task, f"reply-{reply}.txt", optional=tuple(told), **told),
        "example": write_reply(task, example.layout, plan=example.plan() or (), reply=reply),
    }
    name = f"{role}.txt"
    sections = _SECTIONS.fullmatch(_template(task, name))
    if sections is None:
        raise VSPGymError(
            f"{_place(task, name)} must have the sections [system] and [user], each in a line of its own"
        )
    system, user = sections.groups()
    pictures = user.count(_PICTURE)
    if pictures != _SEES_PICTURE[role] or _PICTURE in system:
        wanted = "once, in [user]" if _SEES_PICTURE[role] else "nowhere"
        raise VSPGymError(f"{_place(task, name)} must have {_PICTURE} {wanted}")
    _check_fields(_place(task, name), system + user, _FIELDS[role], ("picture",))
    return _substitute(system, available), _substitute(user, available)


def _route_text(task: AnyPlanningTask) -> str:
    """What a route lists, see `trace_route`."""
    others = " and ".join(action.name for action in task.actions if action not in MOVES)
    return f"the cells that the agent comes to, in order{others and f', with {others} in between'}"


def _fill(task: AnyPlanningTask, name: str, *, optional: Sequence[str] = (), **fields: str) -> str:
    """A template with its fields filled in."""
    text = _template(task, name)
    _check_fields(_place(task, name), text, frozenset(fields) - set(optional), optional)
    return _substitute(text, fields)


def _substitute(text: str, fields: Mapping[str, str]) -> str:
    """`text` with each `{field}` replaced; what is filled in is not looked at again."""
    return _FIELD.sub(lambda match: fields.get(match[1], match[0]), text)


def _check_fields(place: str, text: str, required: frozenset[str], optional: Sequence[str] = ()) -> None:
    found = _FIELD.findall(text)
    for field in found:
        if field not in required and field not in optional:
            raise UnknownNameError(f"field in {place}", field, sorted({*required, *optional} - {"picture"}))
    for field in sorted(required):
        if found.count(field) != 1:
            raise VSPGymError(f"{place} must have the field {{{field}}} once, not {found.count(field)} times")


@lru_cache(maxsize=256)
def _template(task: AnyPlanningTask, name: str) -> str:
    """The text of a template, without white space around it: the task's own, or else the shared one.

    Folders are those of the packages in which the task's class and its base classes are defined.
    """
    file = _find_template(task, name)
    if file is not None:
        return file.read_text(encoding="utf-8").strip()
    raise VSPGymError(
        f"there is no prompts/{name} for {task.title} in the packages {', '.join(_packages(task))}"
    )


def _find_template(task: AnyPlanningTask, name: str) -> Traversable | None:
    folders = (importlib.resources.files(package) / "prompts" for package in _packages(task))
    return next((file for folder in folders if (file := folder / name).is_file()), None)


def missing_templates(task: str | AnyPlanningTask) -> tuple[str, ...]:
    """The files that a task's folder `prompts` must have and that it lacks; no messages without them."""
    task = get_task(task)
    return tuple(name for name in TASK_TEMPLATES if _find_template(task, name) is None)


def _packages(task: AnyPlanningTask) -> list[str]:
    modules = (sys.modules.get(cls.__module__) for cls in type(task).__mro__ if cls.__module__ != "builtins")
    specs = (getattr(module, "__spec__", None) for module in modules)
    return list(dict.fromkeys(spec.parent for spec in specs if spec is not None and spec.parent))


def _place(task: AnyPlanningTask, name: str) -> str:
    """How errors call a template."""
    return f"prompts/{name} of {task.title}"


def _actions_text(task: AnyPlanningTask) -> str:
    words = action_words(task)
    listed = ", ".join(
        word if word == action.name else f"{word} {action.name.lower()}" for action, word in words.items()
    )
    return f"{listed}.\nA plan is a sequence of them, written like {format_plan(task.actions, task)}."


def _legend_text(task: AnyPlanningTask, theme: str | Theme) -> str:
    return "\n".join(f"- {words} = {meaning}" for words, meaning in legend(task, theme))


def _question_text(task: AnyPlanningTask, question: Question | None) -> str:
    if question is None:
        return _fill(task, "state-question.txt", statement=_template(task, "statement.txt"))
    return f"{question.prompt}\n{_answer_form(task, question.kind)}"


def _answer_form(task: AnyPlanningTask, kind: AnswerKind) -> str:
    """How an answer of a kind is to be written."""
    first, second = list(action_words(task).values())[:2]
    return {
        "int": "Reply with a number, like <answer>3</answer>",
        "size": "Reply with rows x columns, like <answer>4 x 5</answer>",
        "cell": "Reply with the cell, like <answer>(1, 2)</answer>, or <answer>none</answer>",
        "cells": "Reply with all of them in any order, like <answer>(0, 2), (1, 1)</answer>, "
        "or <answer>none</answer>",
        "actions": f"Reply with all of them in any order, like <answer>{first}, {second}</answer>, "
        "or <answer>none</answer>",
        "directions": "Reply with every cell and the letters of its directions, row by row, "
        f"like <answer>(0, 0) {second}; (0, 1) none; (1, 0) {first}{second}</answer>",
        "yes_no": "Reply with <answer>yes</answer> or <answer>no</answer>",
    }[kind]


# ---------------------------------------------------------------------------------------------
# What a student must not see.

LONG_PLAN = 5
"""Fewest actions of a plan that is no coincidence in a text of unknown origin."""


def message_texts(messages: Iterable[Mapping[str, Any]]) -> list[str]:
    """All texts in messages of any form, in order; pictures are passed over."""
    texts: list[str] = []
    for message in messages:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        texts += [part["text"] for part in parts if part["type"] == "text"]
    return texts


def check_student(
    task: str | AnyPlanningTask,
    layout: Layout,
    messages: Iterable[Mapping[str, Any]],
    *,
    theme: str | Theme = "classic",
    reply: ReplyForm = "full",
    version: str | None = None,
) -> None:
    """Check that a student's messages hold nothing of the board but its picture.

    Messages of this version of the prompts must have the very text that every board gets. Those of another
    version must not state the board, nor give a shortest plan of at least `LONG_PLAN` actions.

    Args:
        task: a task or its name.
        layout: the board, at its initial state.
        messages: messages of any form.
        theme: the look that the legend is about.
        reply: the form of reply that the messages ask for.
        version: the `prompt_version` that they were built with; the present one if None.

    Raises:
        VSPGymError: if they hold more, with a piece of it.
    """
    task = get_task(task)
    texts = message_texts(messages)
    if version is None or version == prompt_version(task, "student", theme=theme, reply=reply):
        system, user = _texts(task, "student", theme, reply, example_solution(task, layout), {})
        expected = [system, *(part.strip() for part in user.split(_PICTURE) if part.strip())]
        if texts != expected:
            extra = next(
                (line for text in texts for line in text.split("\n") if line not in system + user), ""
            )
            raise VSPGymError(f"the student's text is not the one that every board gets: {extra!r:.80}")
        return
    text = "\n".join(texts)
    lines = {line.strip() for line in text.split("\n")}
    for words in (describe(task, layout), state_statement(task, layout)):
        told = [line for line in words.strip().split("\n") if any(character.isdigit() for character in line)]
        if words.strip() in text or lines.issuperset(told):
            raise VSPGymError(f"the student's text states the board: {told[-1]!r:.80}")
    plan = solve(task, layout).plan() or ()
    if len(plan) >= LONG_PLAN and re.search(rf"(?<!\w){re.escape(format_plan(plan, task))}(?!\w)", text):
        raise VSPGymError(f"the student's text gives the plan {format_plan(plan, task)!r:.80}")


# ---------------------------------------------------------------------------------------------
# The worked example.


def example_solution(task: str | AnyPlanningTask, layout: Layout | None = None) -> Solution[Any, Any]:
    """The board of the worked example in prompts about `layout`, solved.

    It is the same for every board but itself, for which it is a second one. Data that must not hold it
    can leave out `example_solution(task).layout`.
    """
    first, second = _examples(get_task(task))
    return second if first.layout == layout else first


@lru_cache(maxsize=64)
def _examples(task: AnyPlanningTask) -> tuple[Solution[Any, Any], Solution[Any, Any]]:
    """Two boards of the smallest size, with plans that are not too short where there are such."""
    drawn = [
        task.generator.draw(np.random.default_rng([EXAMPLE_SEED, index]), task.min_size)
        for index in range(64)
    ]
    drawn.sort(key=lambda solution: (solution.distance() or 0) < EXAMPLE_STEPS)
    first = drawn[0]
    second = next((solution for solution in drawn if solution.layout != first.layout), first)
    return first, second


# ---------------------------------------------------------------------------------------------
# Forms of messages.


def _to_form(
    messages: Sequence[tuple[str, Sequence[str | None]]], image: bytes | None, form: MessageForm
) -> list[Message]:
    """Messages of texts and, where a part is None, the picture.

    In the Hugging Face forms every content is a list of parts: a data set's column has one type.
    """
    found: list[Message] = []
    for role, parts in messages:
        content = [_part(part, image, form) for part in parts if part != ""]
        is_text = form == "openai" and None not in parts
        found.append({"role": role, "content": content[0]["text"] if is_text else content})
    return found


def _part(part: str | None, image: bytes | None, form: MessageForm) -> dict[str, Any]:
    if part is not None:
        return {"type": "text", "text": part}
    if form == "hf-template":
        return {"type": "image"}
    if image is None:
        raise VSPGymError("there is no picture")
    kind = image_type(image)
    if form == "openai":
        url = f"data:{kind};base64,{base64.b64encode(image).decode()}"
        return {"type": "image_url", "image_url": {"url": url}}
    from PIL import Image

    with Image.open(io.BytesIO(image)) as opened:
        return {"type": "image", "image": opened.convert("RGB")}


def image_type(image: object) -> str:
    """The media type of a picture; raises `VSPGymError` if it is neither PNG nor JPEG."""
    if isinstance(image, (bytes, bytearray, memoryview)):
        for signature, kind in _IMAGE_TYPES.items():
            if bytes(image[: len(signature)]) == signature:
                return kind
    raise VSPGymError(
        f"image must be the bytes of a PNG or JPEG file, not {type(image).__name__} {image!r:.40}"
    )


def _check_name(kind: str, value: object, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise UnknownNameError(kind, value, allowed)
