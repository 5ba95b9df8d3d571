"""The distillation record: one board with all that on-policy context distillation needs.

The student sees the picture, the teacher the state in words, with and without a reference plan (MGSD, arXiv
2606.06076; on-policy context distillation, arXiv 2602.12275). Every export to a training framework starts
from this record, so that none can mix up who sees what: a record whose student sees more than the picture,
or whose teacher sees one, cannot be made.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vsp_gym.core import Layout, Plan, check_plan
from vsp_gym.envs import get_task
from vsp_gym.envs.base import PlanningTask
from vsp_gym.errors import FormatError, UnknownNameError, VSPGymError
from vsp_gym.planning import shortest_plan
from vsp_gym.plans import format_plan, parse_plan
from vsp_gym.prompts import (
    Message,
    ReplyForm,
    build_messages,
    check_reference,
    check_student,
    image_type,
    prompt_version,
    write_reply,
)
from vsp_gym.render import THEMES, Theme, get_theme, render_png

SCHEMA_VERSION = 1
"""Raised when a field of `DistillationRecord.to_dict` changes its meaning."""

_FIELDS = (
    "schema_version",
    "task",
    "layout",
    "theme",
    "reply",
    "image",
    "student",
    "teacher",
    "teacher_with_reference",
    "reference_plan",
    "prompt_versions",
)
_VIEWS = ("student", "teacher", "teacher_with_reference")
_PARTS = {"text": {"type", "text"}, "image": {"type"}}


@dataclass(frozen=True)
class DistillationRecord:
    """A board at its start, as student and teacher see it.

    Messages are in the form `"hf-template"` of `build_messages`: the picture's place is marked, and the
    picture itself is `image`.

    Raises:
        UnknownNameError: for an unknown task.
        FormatError: if a field has another type or shape; the message names it.
        VSPGymError: if the student's messages hold the state or the plan, a teacher's hold a picture, or
            the reference plan does not succeed.
    """

    task: str
    """Name of the task."""
    layout: Layout
    theme: str
    """Name of the theme that the picture is drawn in."""
    reply: ReplyForm
    """Which form of reply all messages ask for."""
    image: bytes
    """The student's picture, as PNG or JPEG."""
    student: list[Message]
    teacher: list[Message]
    """The teacher's messages without the reference plan."""
    teacher_with_reference: list[Message]
    reference_plan: Plan
    """A plan that succeeds."""
    prompt_versions: dict[str, str]
    """`prompt_version` of `student`, `teacher` and `teacher_with_reference`."""

    def __post_init__(self) -> None:
        task = get_task(self.task)
        if not isinstance(self.layout, task.layout_type):
            raise FormatError(f"layout must be a {task.layout_type.__name__}, not {self.layout!r:.80}")
        try:
            image_type(self.image)
        except VSPGymError as error:
            raise FormatError(str(error)) from None
        for view in _VIEWS:
            _check_messages(view, getattr(self, view), pictures=int(view == "student"))
        _check_versions(self.prompt_versions)
        if self.reply not in ("full", "direct"):
            raise FormatError(f"reply must be 'full' or 'direct', not {self.reply!r:.80}")
        if not isinstance(self.theme, str):
            raise FormatError(f"theme must be a name, not {self.theme!r:.80}")
        known = self.theme in THEMES
        check_student(
            task,
            self.layout,
            self.student,
            theme=self.theme if known else "classic",
            reply=self.reply,
            version=self.prompt_versions["student"],
        )
        plan = check_reference(task, self.layout, task.initial(self.layout), self.reference_plan)
        object.__setattr__(self, "reference_plan", plan)

    @property
    def target(self) -> str:
        """The reply that states the board and gives the reference plan, for supervised training."""
        return write_reply(self.task, self.layout, plan=self.reference_plan, reply=self.reply)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON types; the picture in base64."""
        return {
            "schema_version": SCHEMA_VERSION,
            "task": self.task,
            "layout": self.layout.to_dict(),
            "theme": self.theme,
            "reply": self.reply,
            "image": base64.b64encode(self.image).decode(),
            "student": self.student,
            "teacher": self.teacher,
            "teacher_with_reference": self.teacher_with_reference,
            "reference_plan": format_plan(self.reference_plan, get_task(self.task)),
            "prompt_versions": self.prompt_versions,
        }

    @classmethod
    def from_dict(cls, data: Any) -> DistillationRecord:
        """Read `to_dict` back.

        Raises:
            FormatError: for anything else; the message names the field.
            VSPGymError: as for `DistillationRecord`.
        """
        if not isinstance(data, dict):
            raise FormatError(f"a distillation record is an object, not {data!r:.80}")
        missing = [field for field in _FIELDS if field not in data]
        unknown = [str(field) for field in data if field not in _FIELDS]
        if missing or unknown:
            what = (
                f"lacks {', '.join(missing)}" if missing else f"has unknown fields {', '.join(unknown):.80}"
            )
            raise FormatError(f"a distillation record {what}")
        if data["schema_version"] is True or data["schema_version"] != SCHEMA_VERSION:
            raise FormatError(f"schema_version must be {SCHEMA_VERSION}, not {data['schema_version']!r:.80}")
        task = get_task(data["task"])
        plan = data["reference_plan"]
        parsed = (
            parse_plan(f"<answer>{plan}</answer>", task, mode="strict") if isinstance(plan, str) else None
        )
        if parsed is None or parsed.actions is None:
            raise FormatError(
                f"reference_plan must be a plan like {format_plan(task.actions, task)}, not {plan!r:.80}"
            )
        fields = {field: data[field] for field in ("theme", "reply", *_VIEWS, "prompt_versions")}
        return cls(
            task=task.name,
            layout=task.layout_type.from_dict(data["layout"]),
            image=_read_image(data["image"]),
            reference_plan=parsed.actions,
            **fields,
        )


def distillation_record(
    task: str | PlanningTask[Any, Any],
    layout: Layout,
    *,
    image: bytes | None = None,
    image_size: int = 256,
    theme: str | Theme = "classic",
    reference_plan: Iterable[object] | None = None,
    reply: ReplyForm = "full",
) -> DistillationRecord:
    """The record of a board.

    Args:
        task: a task or its name.
        layout: the board.
        image: the picture as PNG or JPEG; drawn if None.
        image_size: longer side of a drawn picture in pixels.
        theme: look of the picture.
        reference_plan: a plan that succeeds; the oracle's if None.
        reply: which form of reply the messages ask for.

    Raises:
        UnknownNameError: for an unknown task, theme or reply.
        VSPGymError: if the layout belongs to another task, has no solution, or the plan does not succeed.
    """
    task, theme = get_task(task), get_theme(theme)
    student = build_messages(
        task, layout, theme=theme, image=image, image_size=image_size, reply=reply, form="hf-template"
    )
    plan = shortest_plan(task, layout) if reference_plan is None else check_plan(task, reference_plan)
    if plan is None:
        raise VSPGymError("the board has no solution, so there is no reference plan")
    teacher = build_messages(task, layout, role="teacher", reply=reply, form="hf-template")
    with_reference = build_messages(
        task, layout, role="teacher", reply=reply, form="hf-template", reference_plan=plan
    )
    return DistillationRecord(
        task=task.name,
        layout=layout,
        theme=theme.name,
        reply=reply,
        image=render_png(task, layout, size=image_size, theme=theme) if image is None else image,
        student=student,
        teacher=teacher,
        teacher_with_reference=with_reference,
        reference_plan=plan,
        prompt_versions={
            "student": prompt_version(task, "student", theme=theme, reply=reply),
            "teacher": prompt_version(task, "teacher", reply=reply),
            "teacher_with_reference": prompt_version(task, "teacher", reply=reply, reference=True),
        },
    )


def _check_messages(field: str, messages: object, pictures: int) -> None:
    """Check that `messages` are a list of chat messages in the form `"hf-template"`."""
    if not isinstance(messages, list) or not messages:
        raise FormatError(f"{field} must be a list of messages, not {messages!r:.80}")
    found = 0
    for number, message in enumerate(messages):
        place = f"{field}[{number}]"
        if not isinstance(message, dict) or set(message) != {"role", "content"}:
            raise FormatError(f"{place} must be a message with role and content, not {message!r:.80}")
        if message["role"] not in ("system", "user"):
            raise UnknownNameError(f"role in {place}", message["role"], ("system", "user"))
        if not isinstance(message["content"], list):
            raise FormatError(f"{place}.content must be a list of parts, not {message['content']!r:.80}")
        for part in message["content"]:
            kind = part.get("type") if isinstance(part, dict) else None
            if not isinstance(kind, str) or set(part) != _PARTS.get(kind):
                raise FormatError(f"{place}.content must have parts of type text or image, not {part!r:.80}")
            if kind == "text" and not isinstance(part["text"], str):
                raise FormatError(f"{place}.content must have text, not {part['text']!r:.80}")
            found += kind == "image"
    if found != pictures:
        raise FormatError(f"{field} must have {pictures or 'no'} picture, not {found}")


def _check_versions(versions: object) -> None:
    wanted = f"prompt_versions must have a text for each of {', '.join(_VIEWS)}"
    if not isinstance(versions, Mapping) or set(versions) != set(_VIEWS):
        raise FormatError(f"{wanted}, not {versions!r:.80}")
    if not all(isinstance(version, str) for version in versions.values()):
        raise FormatError(f"{wanted}, not {versions!r:.80}")


def _read_image(value: object) -> bytes:
    try:
        return base64.b64decode(value, validate=True)  # type: ignore[arg-type]
    except (TypeError, ValueError, binascii.Error):
        raise FormatError(f"image must be a picture in base64, not {value!r:.80}") from None
