"""The distillation record: complete, and never with a leak."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsp_gym import TASKS, FrozenLakeLayout, VSPGymError, describe, format_plan, score_reply
from vsp_gym.distillation import DistillationRecord, distillation_record
from vsp_gym.prompts import build_messages, message_texts
from vsp_gym.render import THEMES, render_png
from vsp_gym.testing import layouts

LAKE = FrozenLakeLayout.from_rows(["SFFF", "FFFH", "FFFF", "FFHG"])
RECORD = distillation_record("frozen_lake", LAKE)
DATA = RECORD.to_dict()


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=15)
@given(data=st.data(), theme=st.sampled_from(sorted(THEMES)), reply=st.sampled_from(["full", "direct"]))
def test_round_trip(task: str, data: st.DataObject, theme: str, reply: Any) -> None:
    layout = data.draw(layouts(task, solvable=True))
    record = distillation_record(task, layout, theme=theme, reply=reply, image_size=64)
    again = DistillationRecord.from_dict(json.loads(json.dumps(record.to_dict())))
    assert again == record
    assert again.image == render_png(TASKS[task], layout, size=64, theme=theme)
    assert score_reply(TASKS[task], layout, record.target, mode="strict").optimal


def test_who_sees_what() -> None:
    student, teacher, informed = map(
        message_texts, (RECORD.student, RECORD.teacher, RECORD.teacher_with_reference)
    )
    plan = format_plan(RECORD.reference_plan, TASKS["frozen_lake"])
    words = describe("frozen_lake", LAKE).strip()
    assert words not in "\n".join(student)
    assert words in teacher[1]
    assert words in informed[1]
    assert [plan in "\n".join(texts) for texts in (student, teacher, informed)] == [False, False, True]
    parts = [part["type"] for message in RECORD.student for part in message["content"]]
    assert parts.count("image") == 1
    assert len(set(RECORD.prompt_versions.values())) == 3


def test_a_plan_of_ones_own() -> None:
    plan = ["down", "right", "left", "right", "down", "right", "right", "down"]
    record = distillation_record("frozen_lake", LAKE, reference_plan=plan)
    assert format_plan(record.reference_plan, TASKS["frozen_lake"]) == "DRLRDRRD"
    assert record.target.endswith("<answer>DRLRDRRD</answer>")
    with pytest.raises(VSPGymError, match="the reference plan D does not succeed"):
        distillation_record("frozen_lake", LAKE, reference_plan=["down"])
    with pytest.raises(VSPGymError, match="the board has no solution"):
        distillation_record("frozen_lake", FrozenLakeLayout.from_rows(["SH", "HG"]))


def changed(path: str, value: Any) -> dict[str, Any]:
    """`DATA` with the value at a dotted path replaced."""
    data: Any = copy.deepcopy(DATA)
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    at = data
    for step in way:
        at = at[step]
    at[last] = value
    return data  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("schema_version", 2, "schema_version must be 1, not 2"),
        ("schema_version", True, "schema_version must be 1, not True"),
        ("task", "lake", "unknown task 'lake'"),
        ("task", ["maze"], "unknown task"),
        ("task", "maze", "Maze layout"),
        ("layout", None, "layout"),
        ("layout.goal", [9, 9], "goal row must be 0 to 3"),
        ("theme", 3, "theme must be a name, not 3"),
        ("reply", "long", "reply must be 'full' or 'direct'"),
        ("reply", [], "reply must be 'full' or 'direct'"),
        ("image", "!!", "image must be a picture in base64"),
        ("image", None, "image must be a picture in base64"),
        ("image", "R0lGODlh", "image must be the bytes of a PNG or JPEG file"),
        ("student", "hello", "student must be a list of messages"),
        ("student", [], "student must be a list of messages"),
        ("student.0", "hello", r"student\[0\] must be a message"),
        ("student.0.role", "assistant", r"unknown role in student\[0\] 'assistant'"),
        ("student.0.content", "words", r"student\[0\].content must be a list of parts"),
        ("student.1.content.0", {"type": "image_url"}, r"student\[1\].content must have parts"),
        ("student.1.content.0", {"type": ["text"]}, r"student\[1\].content must have parts"),
        ("student.1.content.0", 7, r"student\[1\].content must have parts"),
        ("student.1.content.1.text", 7, r"student\[1\].content must have text"),
        ("student.1.content.0", {"type": "text", "text": "no picture"}, "student must have 1 picture, not 0"),
        ("student.1.content.1", {"type": "image"}, "student must have 1 picture, not 2"),
        ("teacher.1.content.0", {"type": "image"}, "teacher must have no picture, not 1"),
        ("teacher_with_reference.0.content.0", {"type": "image"}, "must have no picture, not 1"),
        ("reference_plan", "", "reference_plan must be a plan like LDRU"),
        ("reference_plan", ["D"], "reference_plan must be a plan like LDRU"),
        ("reference_plan", "PICK", "reference_plan must be a plan like LDRU"),
        ("reference_plan", "D", "the reference plan D does not succeed"),
        ("reference_plan", "U", "the reference plan is illegal at action 0"),
        ("prompt_versions", {}, "prompt_versions must have a text for each of student, teacher"),
        ("prompt_versions.teacher", 3, "prompt_versions must have a text for each"),
        ("surprise", 1, "has unknown fields surprise"),
    ],
)
def test_wrong_records(path: str, value: Any, message: str) -> None:
    with pytest.raises(VSPGymError, match=message):
        DistillationRecord.from_dict(changed(path, value))


def test_missing_fields() -> None:
    for field in DATA:
        with pytest.raises(VSPGymError, match=f"lacks {field}"):
            DistillationRecord.from_dict({name: value for name, value in DATA.items() if name != field})
    for data in (None, [], "record", 3):
        with pytest.raises(VSPGymError, match="a distillation record is an object"):
            DistillationRecord.from_dict(data)


@pytest.mark.parametrize(
    "secret", ["\nGoal: (3, 3)", "\n<answer>DDRDRR</answer>", describe("frozen_lake", LAKE)]
)
def test_a_leaking_student_is_refused(secret: str) -> None:
    told = DATA["student"][1]["content"][1]["text"] + secret
    with pytest.raises(VSPGymError, match="not the one that every board gets"):
        DistillationRecord.from_dict(changed("student.1.content.1.text", told))
    with pytest.raises(VSPGymError, match="not the one that every board gets"):
        dataclasses.replace(
            RECORD, student=json.loads(json.dumps(changed("student.1.content.1.text", told)))["student"]
        )
    teacher = build_messages("frozen_lake", LAKE, role="teacher", form="hf-template")
    teacher[1]["content"].append({"type": "image"})
    with pytest.raises(VSPGymError, match="not the one that every board gets"):
        dataclasses.replace(RECORD, student=teacher)


def test_a_record_of_another_version_is_read_if_it_does_not_leak() -> None:
    data = changed("prompt_versions.student", "0123456789ab")
    data["student"] = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Cross the lake."}]}
    ]
    assert DistillationRecord.from_dict(data).student == data["student"]
    data["student"][0]["content"][1]["text"] += f"\n{describe('frozen_lake', LAKE)}"
    with pytest.raises(VSPGymError, match="states the board"):
        DistillationRecord.from_dict(data)
