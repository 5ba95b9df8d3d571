"""Prompts: who sees what, and the words for every task.

The words of all prompts are kept in `data/prompts`. A change of theirs is a change of what models are
trained and judged on; `python tests/test_prompts.py` writes them anew.
"""

from __future__ import annotations

import base64
import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vsp_gym import (
    TASKS,
    FrozenLakeLayout,
    UnknownNameError,
    VSPGymError,
    describe,
    format_plan,
    score_reply,
    shortest_plan,
)
from vsp_gym.core import DELTAS, MOVES, Cell
from vsp_gym.envs.maze import Maze
from vsp_gym.perception import asks, parse_statement, questions, state_statement
from vsp_gym.prompts import (
    Message,
    build_messages,
    check_student,
    example_solution,
    message_texts,
    prompt_version,
    trace_route,
    write_reply,
)
from vsp_gym.render import THEMES, legend, render_png, render_rgb
from vsp_gym.testing import states

GOLDEN = Path(__file__).parent / "data" / "prompts"
LAKE = FrozenLakeLayout.from_rows(["SFFF", "FFFH", "FFFF", "FFHG"])
PNG = render_png(TASKS["frozen_lake"], LAKE, size=64)


def text(messages: list[Message]) -> str:
    return "\n".join(message_texts(messages))


# ---- who sees what --------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("reply", ["full", "direct"])
@settings(max_examples=25)
@given(data=st.data())
def test_a_students_text_is_the_same_for_every_board(task: str, reply: Any, data: st.DataObject) -> None:
    """So it cannot hold the state, the size or the answer of any."""
    (layout, state), (other, _) = data.draw(states(task)), data.draw(states(task))
    theme = data.draw(st.sampled_from(sorted(THEMES)))
    kwargs: dict[str, Any] = {"theme": theme, "image": PNG}
    example = example_solution(task).layout
    messages = build_messages(task, layout, state, reply=reply, **kwargs)
    if example not in (layout, other):
        assert messages == build_messages(task, other, reply=reply, **kwargs)
    check_student(task, layout, messages, theme=theme, reply=reply)
    words = text(messages)
    for secret in (describe(task, layout, state).strip(), state_statement(task, layout, state)):
        assert secret not in words
    assert example_solution(task, layout).layout != layout
    perception = build_messages(task, layout, state, role="perception", **kwargs)
    assert perception == build_messages(task, other, role="perception", **kwargs)
    for mine, its in zip(questions(task, layout, state), questions(task, other)):
        asked = build_messages(task, layout, state, role="perception", question=mine, **kwargs)
        assert asked == build_messages(task, other, role="perception", question=its, **kwargs)


@pytest.mark.parametrize("task", TASKS)
def test_the_example_is_never_the_board_asked_about(task: str) -> None:
    first = example_solution(task)
    second = example_solution(task, first.layout)
    assert first.layout != second.layout
    words = text(build_messages(task, first.layout, image=PNG))
    assert state_statement(task, first.layout) not in words
    assert state_statement(task, second.layout) in words
    check_student(task, first.layout, build_messages(task, first.layout, image=PNG))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("role", ["text-student", "teacher"])
@settings(max_examples=20)
@given(data=st.data())
def test_readers_see_words_and_no_picture(task: str, role: Any, data: st.DataObject) -> None:
    layout, state = data.draw(states(task))
    for form in ("openai", "hf", "hf-template"):
        messages = build_messages(task, layout, state, role=role, form=form)
        dumped = json.dumps(messages)  # a picture would be no JSON, or a data URL
        assert "data:" not in dumped
        assert '"image' not in dumped
        words = text(messages)
        assert describe(task, layout, state).strip() in words
        for said in ("picture", "image", *(seen for seen, _ in legend(TASKS[task]))):
            assert said not in words


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=20)
@given(data=st.data())
def test_only_a_teacher_with_reference_sees_the_plan(task: str, data: st.DataObject) -> None:
    layout, state = data.draw(states(task, solvable=True))
    plan = shortest_plan(TASKS[task], layout, state)
    if not plan:
        return
    without = text(build_messages(task, layout, state, role="teacher"))
    given_plan = text(build_messages(task, layout, state, role="teacher", reference_plan=plan))
    added = [line for line in given_plan.split("\n") if line not in without.split("\n")]
    assert any(line.endswith(f": {format_plan(plan, TASKS[task])}") for line in added)
    assert len(added) == 2
    assert text(build_messages(task, layout, state, role="text-student")).count("<answer>") == 2


def test_each_role_has_a_system_text_of_its_own() -> None:
    roles: tuple[Any, ...] = ("student", "text-student", "teacher", "perception")
    assert len({text(build_messages("maze", MAZE, role=role)[:1]) for role in roles}) == 4


# ---- what prompts say is true ---------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("theme", THEMES)
def test_legend(task: str, theme: str) -> None:
    layout = example_solution(task).layout
    for role in ("student", "perception"):
        words = text(build_messages(task, layout, role=role, theme=theme))  # type: ignore[arg-type]
        for seen, meaning in legend(TASKS[task], theme):
            assert f"- {seen} = {meaning}\n" in words


@pytest.mark.parametrize("task", TASKS)
def test_the_example_is_right(task: str) -> None:
    solution = example_solution(task)
    system = text(build_messages(task, example_solution(task, solution.layout).layout, image=PNG)[:1])
    example = system.partition("Example of a reply, about another board\n")[2]
    found = parse_statement(task, example)
    assert (found.layout, found.state) == (solution.layout, TASKS[task].initial(solution.layout))
    assert score_reply(TASKS[task], solution.layout, example, mode="strict").optimal
    assert len(solution.plan() or ()) >= 4


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=25)
@given(data=st.data())
def test_perfect_replies(task: str, data: st.DataObject) -> None:
    """What prompts ask for is read as it is meant."""
    layout, state = data.draw(states(task, solvable=True))
    start = TASKS[task].initial(layout)
    plan = shortest_plan(TASKS[task], layout) or ()
    for form in ("full", "direct"):
        reply = write_reply(task, layout, plan=plan, reply=form)  # type: ignore[arg-type]
        assert score_reply(TASKS[task], layout, reply, mode="strict").optimal
    found = parse_statement(task, write_reply(task, layout, state, plan=plan))
    assert (found.layout, found.state) == (layout, state)
    assert parse_statement(task, write_reply(task, layout, plan=plan)).state == start


def test_all_actions_are_named_as_plans_write_them() -> None:
    for name, task in TASKS.items():
        words = text(build_messages(name, example_solution(name).layout, role="teacher"))
        assert f"written like {format_plan(task.actions, task)}." in words
        for action in task.actions:
            assert format_plan((action,), task) in words.partition("Actions\n")[2].partition("\n")[0]


def test_questions_say_how_to_answer() -> None:
    for name in TASKS:
        layout = example_solution(name).layout
        for question in questions(name, layout):
            words = text(build_messages(name, layout, role="perception", question=question, image=PNG)[1:])
            assert words.startswith(question.prompt + "\n")
            assert "<answer>" in words
            if question.kind in ("cell", "cells", "actions"):
                assert "<answer>none</answer>" in words


def test_routes_name_the_cells_that_moves_lead_to() -> None:
    layout = FrozenLakeLayout.from_rows(["SFF", "FHF", "FFG"])
    assert trace_route("frozen_lake", layout, plan=[2, 2, 1, 1]) == ["(0, 1)", "(0, 2)", "(1, 2)", "(2, 2)"]
    assert trace_route("frozen_lake", layout, plan=[0, 2, 1, 0]) == [
        "(0, 0)",
        "(0, 1)",
        "(1, 1)",
    ]  # a hole ends it


@pytest.mark.parametrize("task", TASKS)
def test_routes_of_replies_lead_where_plans_do(task: str) -> None:
    solution = example_solution(task)
    layout, plan = solution.layout, solution.plan() or ()
    (line,) = re.findall(r"^Route: (.*)\.$", write_reply(task, layout, plan=plan), re.MULTILINE)
    told = re.findall(r"\(\d+, \d+\)|[A-Z]+", line)
    cell, moves = TASKS[task].picture.agent(layout, solution.start), []
    for action, step in zip(plan, told, strict=True):
        if action in MOVES:
            row, col = map(int, re.findall(r"\d+", step))
            moves.append(DELTAS.index((row - cell.row, col - cell.col)))
            cell = Cell(row, col)
        else:
            assert step == action.name
    assert moves == [action for action in plan if action in MOVES]


# ---- forms ----------------------------------------------------------------------------------


def test_openai_form() -> None:
    system, user = build_messages("frozen_lake", LAKE, image_size=128)
    assert (system["role"], user["role"]) == ("system", "user")
    assert isinstance(system["content"], str)
    picture, request = user["content"]
    head, _, data = picture["image_url"]["url"].partition(",")
    assert (picture["type"], head) == ("image_url", "data:image/png;base64")
    assert base64.b64decode(data, validate=True) == render_png(TASKS["frozen_lake"], LAKE, size=128)
    assert request["type"] == "text"
    json.dumps([system, user])


def test_hugging_face_forms() -> None:
    _, user = build_messages("frozen_lake", LAKE, form="hf", theme="default")
    picture = user["content"][0]["image"]
    assert isinstance(picture, Image.Image)
    drawn = render_rgb(TASKS["frozen_lake"], LAKE, theme="default")
    assert np.array_equal(np.asarray(picture), drawn)
    system, bare = build_messages("frozen_lake", LAKE, form="hf-template")
    assert bare["content"][0] == {"type": "image"}
    assert bare["content"][1:] == user["content"][1:]
    assert [part["type"] for part in system["content"]] == ["text"]


def test_a_given_picture_is_shown() -> None:
    jpeg = io.BytesIO()
    Image.new("RGB", (32, 32)).save(jpeg, "JPEG")
    _, user = build_messages("frozen_lake", LAKE, image=jpeg.getvalue())
    url = user["content"][0]["image_url"]["url"]
    assert url == f"data:image/jpeg;base64,{base64.b64encode(jpeg.getvalue()).decode()}"


def test_forms_have_the_same_texts() -> None:
    for role in ("student", "teacher", "perception"):
        forms = [
            message_texts(build_messages("frozen_lake", LAKE, role=role, form=form))  # type: ignore[arg-type]
            for form in ("openai", "hf", "hf-template")
        ]
        assert forms[0] == forms[1] == forms[2]


# ---- wrong arguments ------------------------------------------------------------------------

MAZE = example_solution("maze").layout


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"role": "pupil"}, "unknown role 'pupil'; allowed: student"),
        ({"form": "openapi"}, "unknown form of messages 'openapi'.*'openai'"),
        ({"reply": "long"}, "unknown form of reply 'long'"),
        ({"theme": "clasic"}, "unknown theme 'clasic'.*'classic'"),
        ({"role": "teacher", "image": PNG}, "the role 'teacher' sees no picture"),
        ({"reference_plan": "R"}, "only the role 'teacher' may see a reference plan, not 'student'"),
        ({"role": "text-student", "reference_plan": ()}, "only the role 'teacher'"),
        ({"role": "teacher", "reference_plan": ()}, r"the reference plan \(empty\) does not succeed"),
        ({"role": "teacher", "reference_plan": ["up"]}, "illegal at action 0: it leads off the board"),
        ({"role": "teacher", "reference_plan": ["down"]}, "the reference plan D does not succeed"),
        ({"role": "teacher", "reference_plan": "R R R D".split()}, r"plan\[0\]"),
        (
            {"role": "teacher", "reference_plan": ["right", "right", "right", "down", "down"]},
            "ends at action 3, before its last one or in failure",
        ),
        ({"image": b"GIF89a"}, "image must be the bytes of a PNG or JPEG file"),
        ({"image": "picture.png"}, "image must be the bytes of a PNG or JPEG file"),
        ({"state": (9, 9)}, "is no state of a FrozenLake board of 4x4"),
        ({"question": questions("frozen_lake", LAKE)[0]}, "is for the role 'perception'"),
        ({"role": "perception", "question": questions("maze", MAZE)[0]}, "not for .*frozen_lake"),
    ],
)
def test_wrong_arguments(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(VSPGymError, match=message):
        build_messages("frozen_lake", LAKE, **kwargs)


def test_wrong_boards() -> None:
    with pytest.raises(UnknownNameError, match="frozen_lake"):
        build_messages("frozen_lakes", LAKE)
    with pytest.raises(VSPGymError, match="Maze needs a MazeLayout"):
        build_messages("maze", LAKE)
    with pytest.raises(VSPGymError, match="only the role 'teacher'"):
        prompt_version("maze", "student", reference=True)


# ---- a student's messages that hold more ----------------------------------------------------


@pytest.mark.parametrize(
    "secret",
    [
        describe("frozen_lake", LAKE),
        state_statement("frozen_lake", LAKE),
        "Goal: (3, 3)",
        "The plan is DDRDRR.",
        "Size: 4 x 4",
        " ",
    ],
)
def test_leaks_are_found(secret: str) -> None:
    messages = build_messages("frozen_lake", LAKE)
    messages[0]["content"] += f"\n{secret}"
    with pytest.raises(VSPGymError, match="not the one that every board gets"):
        check_student("frozen_lake", LAKE, messages)
    messages = build_messages("frozen_lake", LAKE)
    messages[1]["content"].append({"type": "text", "text": secret})
    with pytest.raises(VSPGymError, match="not the one that every board gets"):
        check_student("frozen_lake", LAKE, messages)


def test_leaks_are_found_in_messages_of_another_version() -> None:
    plan = format_plan(shortest_plan(TASKS["frozen_lake"], LAKE) or (), TASKS["frozen_lake"])
    for words, found in [
        ("Solve the lake in the picture. Size: rows x columns", None),
        (f"Look:\n{describe('frozen_lake', LAKE)}\nThank you.", "states the board"),
        (state_statement("frozen_lake", LAKE), "states the board"),
        (state_statement("frozen_lake", LAKE).replace("\n", "  \n "), "states the board"),
        (f"Hint: {plan}!", f"gives the plan '{plan}'"),
    ]:
        messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": words}]}]
        if found is None:
            check_student("frozen_lake", LAKE, messages, version="another")
        else:
            with pytest.raises(VSPGymError, match=found):
                check_student("frozen_lake", LAKE, messages, version="another")


# ---- templates of a task of one's own -------------------------------------------------------


@pytest.fixture
def own_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Maze, Path]]:
    """A maze with another set of rules' words, in a package of its own."""
    folder = tmp_path / "own_maze" / "prompts"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text(
        "from vsp_gym.envs.maze import Maze\nclass OwnMaze(Maze):\n    name, title = 'own_maze', 'OwnMaze'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import own_maze  # type: ignore[import-not-found]

    yield own_maze.OwnMaze(), folder
    sys.modules.pop("own_maze")


def test_own_templates_come_first(own_task: tuple[Maze, Path]) -> None:
    task, folder = own_task
    (folder / "rules.txt").write_text("Run {fast}, {{but}} never through a wall.\n")
    words = text(build_messages(task, MAZE))
    assert "Rules\nRun {fast}, {{but}} never through a wall.\n" in words
    assert "The task is called OwnMaze." in words
    assert "Open directions:" in words
    assert prompt_version(task) != prompt_version("maze")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("student.txt", "Solve it.", r"must have the sections \[system\] and \[user\]"),
        ("student.txt", "[system]\n{title}\n[user]\nGo.", r"must have \{picture\} once, in \[user\]"),
        ("student.txt", "[system]\n{title}\n[user]\n{picture} {picture}", r"must have \{picture\} once"),
        (
            "student.txt",
            "[system]\n{title}\n[user]\n{picture}",
            r"must have the field \{actions\} once, not 0",
        ),
        ("student.txt", "[system]\n{titel}\n[user]\n{picture}", "unknown field in .*'titel'.*'title'"),
        ("student.txt", "[system]\n{description}\n[user]\n{picture}", "unknown field in .*'description'"),
        ("reply-full.txt", "State {board}.", "unknown field in prompts/reply-full.txt of OwnMaze 'board'"),
    ],
)
def test_templates_are_checked(own_task: tuple[Maze, Path], name: str, content: str, message: str) -> None:
    task, folder = own_task
    (folder / name).write_text(content)
    with pytest.raises(VSPGymError, match=message):
        build_messages(task, MAZE)


def test_a_missing_template_is_named(own_task: tuple[Maze, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsp_gym.prompts._packages", lambda _: ["own_maze"])
    with pytest.raises(VSPGymError, match="there is no prompts/.* for OwnMaze in the packages own_maze"):
        build_messages(own_task[0], MAZE)


# ---- versions and golden words --------------------------------------------------------------


def test_versions_differ_where_words_do() -> None:
    versions = [
        *(prompt_version(task, role) for task in TASKS for role in ("student", "text-student", "perception")),  # type: ignore[arg-type]
        *(prompt_version(task, "teacher", reference=seen) for task in TASKS for seen in (False, True)),
        *(prompt_version("maze", reply="direct", theme=theme) for theme in THEMES),
        *(prompt_version("maze", theme=theme) for theme in THEMES if theme != "classic"),
    ]
    assert len(set(versions)) == len(versions)
    assert all(len(version) == 12 and int(version, 16) >= 0 for version in versions)


def test_a_changed_template_changes_the_version(own_task: tuple[Maze, Path]) -> None:
    from vsp_gym.prompts import _template

    task, folder = own_task
    before = prompt_version(task), prompt_version(task, "teacher"), prompt_version(task, "perception")
    (folder / "statement.txt").write_text("Size: rows x columns, please\n")
    _template.cache_clear()
    after = prompt_version(task), prompt_version(task, "teacher"), prompt_version(task, "perception")
    assert not set(before) & set(after)


def golden() -> dict[str, str]:
    """The words of all prompts, by file name, and their versions."""
    files, versions = {}, {}
    for name, task in TASKS.items():
        layout = example_solution(name, example_solution(name).layout).layout
        plan = shortest_plan(task, layout)
        for role in ("student", "text-student", "teacher", "perception"):
            parts: list[str] = []
            variants: list[dict[str, Any]] = [{}]
            if role == "teacher":
                variants = [{"reference_plan": plan}]
            elif role == "student":
                variants = [{}, {"reply": "direct"}]
            elif role == "perception":
                variants = [{}, *({"question": question} for question in questions(name, layout))]
            for variant in variants:
                for message in build_messages(name, layout, role=role, form="hf-template", **variant):  # type: ignore[arg-type]
                    content = [part.get("text", "<picture>") for part in message["content"]]
                    parts.append(f"[{message['role']}]\n" + "\n".join(content))
            files[f"{name}-{role}.txt"] = "\n\n".join(dict.fromkeys(parts)) + "\n"
            versions[f"{name} {role}"] = prompt_version(name, role)  # type: ignore[arg-type]
        versions[f"{name} teacher with reference"] = prompt_version(name, "teacher", reference=True)
        assert {ask.name for ask in asks(name)} == {question.name for question in questions(name, layout)}
    return {**files, "versions.json": json.dumps(versions, indent=2) + "\n"}


def test_golden() -> None:
    """If this change is meant, run this file; what was trained with the old words has another version."""
    expected = {path.name: path.read_text(encoding="utf-8") for path in GOLDEN.iterdir()}
    assert golden() == expected


if __name__ == "__main__":
    for file_name, words in golden().items():
        (GOLDEN / file_name).write_text(words, encoding="utf-8")
