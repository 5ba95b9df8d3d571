"""Readers and `verify_suite`: sound folders agree, everything wrong is found and named, nothing raises."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from suites.published import (
    LAKE,
    MAZE,
    OTHER_LAKE,
    ROOM,
    WIDE_LAKE,
    WRITERS,
    sentences,
    symbols,
    table,
    vp_file,
    write,
    write_ucsb,
)

from vsp_gym import TASKS, FormatError, LayoutError, UnknownNameError, VSPGymError, shortest_plan
from vsp_gym.suites import SUITES, SuiteError, SuiteItem, VerifyReport, read_suite, verify_suite
from vsp_gym.suites.files import MAX_TEXT_BYTES, natural_key
from vsp_gym.suites.lakes import parse_sentences, parse_symbols, parse_table
from vsp_gym.testing import layouts


@pytest.fixture
def published(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a sound folder of a suite, and returns it."""

    def build(name: str) -> Path:
        return WRITERS[name](tmp_path)

    return build


def only_problem(report: VerifyReport) -> str:
    """The one disagreement of a report without broken files."""
    assert report.errors == []
    assert len(report.disagreements) == 1, report.disagreements
    return report.disagreements[0].problem


def only_error(report: VerifyReport) -> SuiteError:
    assert report.disagreements == []
    assert len(report.errors) == 1, report.errors
    return report.errors[0]


# -- sound folders ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SUITES)
def test_a_sound_folder_agrees(name: str, published: Callable[[str], Path]) -> None:
    report = verify_suite(name, published(name))
    assert report.ok, (report.disagreements, report.errors)
    assert report.total.boards > 0
    assert report.total.valid == report.total.answers > 0
    assert report.total.confirmed == report.total.statements > 0
    assert report.total.optimal == report.total.plans
    assert json.loads(json.dumps(report.to_dict()))["ok"] is True


@pytest.mark.parametrize(
    ("name", "inner"),
    [
        ("ucsb-vsp", "VSP-main"),
        ("ucsb-vsp", "VSP-main/maze"),
        ("visualplanning", "dataset"),
        ("mgsd", "maze"),
    ],
)
def test_the_folder_that_holds_the_task_folders_is_enough(name: str, inner: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path)
    if inner == "VSP-main":
        shutil.move(tmp_path / "VSP-main/maze", tmp_path / "maze")
        inner = ""
    assert verify_suite(name, tmp_path / inner).ok


def test_items_expose_boards_and_plans(tmp_path: Path) -> None:
    for name, build in WRITERS.items():
        build(tmp_path / name)
    boards = {
        (item.suite, item.part, item.level, item.id): item
        for name in SUITES
        for item in read_suite(name, tmp_path / name)
        if isinstance(item, SuiteItem)
    }
    main = boards["ucsb-vsp", "task-main", "3", "0"]
    assert (main.task, main.layout, main.plan) == ("frozen_lake", LAKE, None)
    assert main.image == tmp_path / "ucsb-vsp/VSP-main/maze/task-main/maps/level3/img/0.png"
    assert boards["ucsb-vsp", "task-main", "3", "1"].image is None
    assert boards["ucsb-vsp", "task3", "3", "1"].layout == OTHER_LAKE
    assert boards["ucsb-vsp", "task4", "step3", "0"].plan is None  # a plan asked about is no solution
    assert boards["visualplanning", "frozenlake", "4", "2"].layout == WIDE_LAKE
    assert boards["visualplanning", "frozenlake", "4", "2"].line == 2
    room = boards["visualplanning", "minibehaviour", "5", "1"]
    assert (room.task, room.layout) == ("mini_behaviour", ROOM)
    assert room.plan == shortest_plan(TASKS["mini_behaviour"], ROOM)
    maze = next(item for key, item in boards.items() if key[:2] == ("diffthinker", "Maze"))
    assert (maze.task, maze.layout) == ("maze", MAZE)
    assert boards["mgsd", "frozenlake", "3", "0000"].image is not None
    assert boards["mgsd", "maze", "3", "0000"].layout == MAZE


def test_boards_come_in_natural_order(tmp_path: Path) -> None:
    maze = write_ucsb(tmp_path)
    for name in ("2", "10", "9"):
        write(maze / f"task-main/maps/level3/table/{name}.txt", table(LAKE))
    shutil.rmtree(maze / "task-main/maps/level3/pure_text")
    found = [item for item in read_suite("ucsb-vsp", tmp_path) if isinstance(item, SuiteItem)]
    assert [item.id for item in found if (item.part, item.level) == ("task-main", "3")] == [
        "0",
        "1",
        "2",
        "9",
        "10",
    ]


def test_limit_holds_for_each_level(published: Callable[[str], Path]) -> None:
    seen: list[int] = []
    report = verify_suite("ucsb-vsp", published("ucsb-vsp"), limit=1, progress=seen.append)
    assert [row.boards for row in report.levels] == [1, 1, 1, 1, 1]
    assert seen == [1, 2, 3, 4, 5]
    with pytest.raises(VSPGymError, match="at least 1"):
        verify_suite("ucsb-vsp", ".", limit=0)


def test_absent_parts_are_named(published: Callable[[str], Path]) -> None:
    root = published("visualplanning")
    vp_file(root, "maze").unlink()
    report = verify_suite("visualplanning", root)
    assert report.ok
    assert report.absent == ("maze/tokenized_dataset/SFT/test_dataset.jsonl",)


@pytest.mark.parametrize("name", SUITES)
def test_a_folder_without_the_suite_is_no_success(name: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"none of|no folder level") as info:
        read_suite(name, tmp_path)
    assert str(tmp_path) in str(info.value)
    with pytest.raises(FormatError, match="is no folder"):
        read_suite(name, tmp_path / "missing")
    with pytest.raises(FormatError, match="is no folder"):
        read_suite(name, "\0")


def test_folders_without_boards_are_no_success(tmp_path: Path) -> None:
    (tmp_path / "task-main/maps").mkdir(parents=True)
    with pytest.raises(FormatError, match="no board in them"):
        verify_suite("ucsb-vsp", tmp_path)
    (tmp_path / "task-main/maps/level3").mkdir()
    assert "none of the folders table" in only_error(verify_suite("ucsb-vsp", tmp_path)).reason


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("ucsb-vsp", "VSP-main/maze/task3/maps/level3"),
        ("ucsb-vsp", "VSP-main/maze/task1/maps/level3/table"),
        ("diffthinker", "Maze/3_test"),
        ("diffthinker", "FrozenLake/4_test/table"),
        ("mgsd", "maze/level3/text"),
        ("visualplanning", "dataset/maze/tokenized_dataset/SFT/test_dataset.jsonl"),
    ],
)
def test_an_emptied_level_is_reported(name: str, folder: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path)
    path = tmp_path / folder
    if path.is_dir():
        shutil.rmtree(path)
        path.mkdir()
    else:
        path.write_text("\n")
    report = verify_suite(name, tmp_path)
    assert report.errors
    assert all(error.path.is_relative_to(path.parent) for error in report.errors)


def test_unknown_suite() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'ucsb-vsp'"):
        read_suite("ucsb_vsp", ".")


# -- disagreements ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        (
            "task-main/maps/level3/pure_text/0.txt",
            sentences(OTHER_LAKE),
            "pure_text states another board: start",
        ),
        ("task1/maps/level3/answer/0.txt", "N", "is answered no, but the board says yes"),
        (
            "task3/maps/level3/answer/1.txt",
            "4-0\n3-0\n3-1\n4-0\n1",
            "the answer is board 3-0, but the picture is",
        ),
        ("task3/maps/level3/answer/1.txt", "4-0\n3-1\n3-1\n4-0\n2", "option B is not board 3-1"),
        (
            "task3/maps/level3/answer/1.txt",
            "3-7\n3-0\n3-1\n4-0\n2",
            "size of option A is stated as 3x3, but is 4x4",
        ),
        ("task4/maps/level_step3/answer/0.txt", "N", "is said to be unsafe, but is safe"),
        ("task4/maps/level_step3/question/0.txt", "RDL", "is said to be safe, but is not: The agent fell"),
        ("task4/maps/level_step3/question/0.txt", "RD", "number of actions is stated as 3, but is 2"),
        (
            "task4/maps/level_step3/special_text/0.txt",
            symbols(OTHER_LAKE),
            "special_text states another board",
        ),
    ],
)
def test_ucsb_disagreements(file: str, text: str, problem: str, tmp_path: Path) -> None:
    path = write(write_ucsb(tmp_path) / file, text)
    report = verify_suite("ucsb-vsp", tmp_path)
    if file.endswith("question/0.txt") and text == "RD":
        report.disagreements = [d for d in report.disagreements if "number" in d.problem]
    assert problem in only_problem(report)
    assert report.disagreements[0].path.parents[1] == path.parents[1]


def test_a_level_that_is_not_the_size(tmp_path: Path) -> None:
    level = write_ucsb(tmp_path) / "task-main/maps/level4"
    level.rename(level.with_name("level5"))
    shutil.rmtree(tmp_path / "VSP-main/maze/task3")
    assert only_problem(verify_suite("ucsb-vsp", tmp_path)) == "the size is stated as 5x5, but is 4x4"


@pytest.mark.parametrize(
    ("plan", "problem", "valid"),
    [
        ("RDUDDR", "The plan has 6 actions, and 4 would do.", 1),
        ("RDL", "The agent fell into a hole at step 3", 0),
        ("UR", "leads off the board", 0),
        ("R", "ends after 1 steps", 0),
        ("", "The plan is empty", 0),
        ("RDDRU", "succeeds after 4 actions, but goes on for 1 more", 0),
    ],
)
def test_plans_that_fail_or_are_too_long(plan: str, problem: str, valid: int, tmp_path: Path) -> None:
    root = WRITERS["diffthinker"](tmp_path)
    path = root / "FrozenLake/VSP/maps/level3/metadata.json"
    plans = json.loads(path.read_text())
    path.write_text(json.dumps({**plans, "0.png": plan}))
    report = verify_suite("diffthinker", root)
    assert problem in only_problem(report)
    assert report.disagreements[0].path == path
    row = report.levels[0]
    assert (row.answers, row.valid, row.optimal) == (2, 1 + valid, 1)


def test_names_of_diffthinker_boards_are_checked(tmp_path: Path) -> None:
    folder = WRITERS["diffthinker"](tmp_path) / "Maze/3_test"
    (board,) = folder.glob("*.txt")
    board.rename(folder / "4_99_001.txt")
    (folder / "path.json").write_text(
        json.dumps({"4_99_001": next(iter(json.loads((folder / "path.json").read_text()).values()))})
    )
    problems = [d.problem for d in verify_suite("diffthinker", tmp_path).disagreements]
    assert any("size in the name is stated as 4x4" in problem for problem in problems)
    assert any("at least 98 actions" in problem for problem in problems)


Edit = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("data_set", "edit", "problem"),
    [
        (
            "frozenlake",
            lambda r: r["input_state"].insert(1, 8),
            "no legal action leads from (0, 0) to (2, 2)",
        ),
        ("frozenlake", lambda r: r["input_state"].pop(0), "the trajectory begins with (0, 1)"),
        ("frozenlake", lambda r: r["input_state"].clear(), "the trajectory begins with nothing"),
        ("frozenlake", lambda r: r["input_state"].append(5), "goes on after step 4, which ends the task"),
        ("frozenlake", lambda r: r["input_state"].pop(), "ends after 3 steps"),
        ("frozenlake", lambda r: r["meta"]["distance_map"].update({"1": 7}), "gives (0, 1) as 7 (it is 3)"),
        (
            "frozenlake",
            lambda r: r["meta"]["distance_map"].update({"3": 1}),
            "gives (1, 0) as 1 (it is None)",
        ),
        ("frozenlake", lambda r: r["meta"]["distance_map"].pop("2"), "lacks (0, 2)"),
        (
            "frozenlake",
            lambda r: r["meta"].update(target_pos=2),
            "target_pos is stated as (0, 2), but is (2, 2)",
        ),
        ("frozenlake", lambda r: r["meta"].update(level=4), "the size is stated as 4x4, but is 3x3"),
        ("maze", lambda r: r["meta"]["distance_map"].update({"8": 0}), "gives (2, 2) as 0 (it is 3)"),
        ("maze", lambda r: r["input_state"].insert(2, 4), "no legal action leads from (0, 1) to (1, 1)"),
        (
            "minibehaviour",
            lambda r: r["meta"]["best_paths"].pop(),
            "best_paths and the distance maps disagree",
        ),
        (
            "minibehaviour",
            lambda r: r["meta"]["table_neighbors"].pop(),
            "table_neighbors and the rules disagree",
        ),
        (
            "minibehaviour",
            lambda r: r["meta"]["distance_map_to_table"]["(2, 0)"].update({"(2, 0)": 5}),
            "the distance maps say",
        ),
        ("minibehaviour", lambda r: r["input_state"].pop(), "short of success"),
        (
            "minibehaviour",
            lambda r: [state.__setitem__(1, False) for state in r["input_state"]],
            "no legal action leads",
        ),
    ],
)
def test_visualplanning_disagreements(data_set: str, edit: Edit, problem: str, tmp_path: Path) -> None:
    WRITERS["visualplanning"](tmp_path)
    path = vp_file(tmp_path, data_set)
    record = json.loads(path.read_text().splitlines()[0])
    edit(record)
    path.write_text(json.dumps(record))
    report = verify_suite("visualplanning", tmp_path)
    assert report.errors == []
    assert any(problem in found.problem for found in report.disagreements), report.disagreements
    assert {(found.path, found.line) for found in report.disagreements} == {(path, 1)}


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("frozenlake/level3", "start_row=0", "start_row=1", "the start is stated as (1, 0), but is (0, 0)"),
        ("frozenlake/level3", "goal_col=2", "goal_col=1", "the goal is stated as (2, 1), but is (2, 2)"),
        ("frozenlake/level3", "path_length=4", "path_length=5", "5 actions are said to be needed, but"),
        ("frozenlake/level3", "level=3", "level=4", "the level of the folder is stated as 3, but is 4"),
        ("frozenlake/level3", "index=0", "index=1", "index is stated as 1, but is 0"),
        ("frozenlake/level3", '"right", ', "", "fell into a hole"),
        ("maze/level3", '"north": true', '"north": false', None),
        ("maze/level3", '"0": ', '"0": 1', "the distance map gives"),
        ("maze/level3", "target_pos=5", "target_pos=6", "target_pos is stated as 6, but is 5"),
        ("maze/level3", "bucket=medium", "bucket=easy", "the board is called 'easy'"),
        ("minibehaviour/level5", "A..P.", "A.P..", "the grid is stated as A.P"),
    ],
)
def test_mgsd_disagreements(file: str, old: str, new: str, problem: str | None, tmp_path: Path) -> None:
    path = WRITERS["mgsd"](tmp_path) / file / "text/0000.txt"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    report = verify_suite("mgsd", tmp_path)
    if problem is None:
        assert "the border is open" in only_error(report).reason
    else:
        assert any(problem in found.problem for found in report.disagreements), report.disagreements
        assert {found.path for found in report.disagreements} == {path}


# -- broken files -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("task-main/maps/level3/table/0.txt", b"\xff", "byte 0 (0xff) is not UTF-8"),
        ("task-main/maps/level3/table/0.txt", b"", "a table begins with"),
        (
            "task-main/maps/level3/table/0.txt",
            table(LAKE).replace("#", "X"),
            "row 2, column 1 is 'X'; allowed",
        ),
        ("task-main/maps/level3/table/0.txt", table(LAKE).replace("@", "_"), "one start (S), not 0"),
        (
            "task-main/maps/level3/table/0.txt",
            table(LAKE).replace("Row 2", "Row 3"),
            "must begin '| Row 2 |'",
        ),
        (
            "task-main/maps/level3/table/0.txt",
            table(LAKE).replace("Col 2", "Col 4"),
            "number the columns from 1",
        ),
        (
            "task-main/maps/level3/table/0.txt",
            table(LAKE)[:-4],
            "row 3 of the table has 2 cells, its head has 3",
        ),
        ("task-main/maps/level3/table/0.txt", b"x" * (MAX_TEXT_BYTES + 1), "longer than 1048576 bytes"),
        ("task-main/maps/level3/table/0.txt", None, "the file is missing"),
        (
            "task-main/maps/level3/pure_text/0.txt",
            sentences(LAKE).replace("row 1", "row 0"),
            "counted from 1",
        ),
        ("task-main/maps/level3/pure_text/0.txt", sentences(LAKE)[:30], "has 4 lines"),
        (
            "task-main/maps/level3/pure_text/0.txt",
            sentences(LAKE).replace("Row 2", "Row 9"),
            "hole row must be",
        ),
        ("task1/maps/level3/question/0.txt", "Is there a hole?", "there is no 'row R, column C'"),
        ("task1/maps/level3/question/0.txt", "Is there a hole in row 4, column 1?", "off the board"),
        ("task1/maps/level3/answer/0.txt", "maybe", "must be Y or N, not 'maybe'"),
        ("task1/maps/level3/answer/0.txt", None, "the file is missing"),
        ("task3/maps/level3/answer/1.txt", "4-0\n3-0\n3-1\n4-0\n4", "must be 0 to 3, not '4'"),
        ("task3/maps/level3/answer/1.txt", "4-0\n3-0\n3-1\n../x\n1", "named level-number, not '../x'"),
        ("task3/maps/level3/answer/1.txt", "1", "an answer has 4 names"),
        ("task3/maps/level3/question/1.txt", "(A)\n", "options A, B, C, D, not A"),
        ("task4/maps/level_step3/question/0.txt", "URX", "'X' at position 2; allowed: L, D, R, U"),
        ("task4/maps/level_step3/question/9.txt", "URD", "no readable board for it"),
    ],
)
def test_ucsb_broken_files(file: str, content: str | bytes | None, reason: str, tmp_path: Path) -> None:
    maze = write_ucsb(tmp_path)
    before = verify_suite("ucsb-vsp", tmp_path).total
    path = maze / file
    if content is None:
        path.unlink()
    else:
        write(path, content)
    report = verify_suite("ucsb-vsp", tmp_path)
    error = only_error(report)
    assert error.path == path
    assert reason in error.reason
    # The rest is read: a board is lost only where nothing else states it.
    assert report.total.boards == before.boards - ("task3" in file)
    assert report.total.broken == 1


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("FrozenLake/VSP/maps/level3/metadata.json", '{"0.png": "DD', "this is no JSON"),
        ("FrozenLake/VSP/maps/level3/metadata.json", None, "the file is missing"),
        ("FrozenLake/VSP/maps/level3/metadata.json", "[]", "must hold an object of plans"),
        ("FrozenLake/VSP/maps/level3/metadata.json", '{"0.png": "D", "0.png": "R"}', "occurs twice"),
        ("FrozenLake/VSP/maps/level3/metadata.json", "[" * 100_000, "nested too deeply"),
        ("FrozenLake/VSP/maps/level3/metadata.json", f'{{"0.png": {"1" * 5000}}}', "more than 400 digits"),
        ("Maze/3_test/3_2_009.txt", "2\n0 0\n0 1\n5 9", "line 1 says 2 rows of walls, but there are 1"),
        ("Maze/3_test/3_2_009.txt", "1\n0 0\n0 1\n5 9", "line 1 says 1 walls a row"),
        ("Maze/3_test/3_2_009.txt", "3\n0 0\n0\n7 3 9\n5 3 10\n6 3 11", "goal (line 3) must be 'row col'"),
        (
            "Maze/3_test/3_2_009.txt",
            "3\n0 0\n0 1\n7 3 x\n5 3 10\n6 3 11",
            "wall mask of (0, 2) must be a number",
        ),
        ("Maze/3_test/3_2_009.txt", "3\n0 0\n0 1\n7 3 9\n5 7 10\n6 3 11", "disagree about the wall"),
    ],
)
def test_diffthinker_broken_files(file: str, content: str | None, reason: str, tmp_path: Path) -> None:
    path = WRITERS["diffthinker"](tmp_path) / file
    if content is None:
        path.unlink()
    else:
        write(path, content)
    error = only_error(verify_suite("diffthinker", tmp_path))
    assert error.path == path
    assert reason in error.reason


def test_plans_and_boards_that_do_not_pair(tmp_path: Path) -> None:
    path = WRITERS["diffthinker"](tmp_path) / "FrozenLake/VSP/maps/level3/metadata.json"
    plans = json.loads(path.read_text())
    path.write_text(json.dumps({"0.png": 5, "7.png": plans["1.png"]}))
    report = verify_suite("diffthinker", tmp_path)
    assert [error.reason for error in report.errors] == [
        "the plan of '0.png' must be a text of L, D, R, U, not 5",
        "there is no plan for '1.png'",
        "there is no readable board for the plan of '7.png'",
    ]
    assert report.levels[0].boards == 2


@pytest.mark.parametrize(
    ("data_set", "line", "reason"),
    [
        ("frozenlake", b"\xfe{}", "not UTF-8"),
        ("frozenlake", b'{"meta": {"level": 3', "no JSON"),
        ("frozenlake", b"[1, 2]", "the line must be an object"),
        ("frozenlake", b'{"meta": 5}', "meta must be of type dict, not 5"),
        ("frozenlake", b'{"meta": {"level": true}}', "level must be of type int, not True"),
        ("frozenlake", b'{"meta": {"level": 65}}', "level must be 1 to 64, not 65"),
        ("frozenlake", b'{"meta": {"level": 3}}', "the line lacks 'input_state'"),
        ("frozenlake", b'{"meta": {"level": 3, "layout": [["S", 1]]}, "input_state": []}', "rows of letters"),
        (
            "frozenlake",
            b'{"meta": {"level": 3, "layout": [["S", "X"]]}, "input_state": []}',
            "is 'X'; allowed",
        ),
        (
            "maze",
            b'{"meta": {"level": 3, "layout": [[{"north": 1}]]}, "input_state": []}',
            "type bool, not 1",
        ),
        ("maze", b'{"meta": {"level": 3, "layout": []}, "input_state": []}', "layout is empty"),
    ],
)
def test_visualplanning_broken_lines(data_set: str, line: bytes, reason: str, tmp_path: Path) -> None:
    WRITERS["visualplanning"](tmp_path)
    path = vp_file(tmp_path, data_set)
    sound = path.read_bytes()
    path.write_bytes(line + b"\n\n" + sound)
    report = verify_suite("visualplanning", tmp_path)
    error = only_error(report)
    assert (error.path, error.line) == (path, 1)
    assert reason in error.reason
    assert report.total.boards == 4


def test_a_line_without_end_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    WRITERS["visualplanning"](tmp_path)
    monkeypatch.setattr("vsp_gym.suites.files.MAX_JSON_BYTES", 8000)
    path = vp_file(tmp_path, "frozenlake")
    path.write_bytes(b"7" * 50_000 + b"\n" + path.read_bytes())
    report = verify_suite("visualplanning", tmp_path)
    assert only_error(report).reason == "the line is longer than 8000 bytes"
    assert report.total.boards == 4


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        ("frozenlake/level3", "map:", "grid:", "a file of frozenlake ends with a block 'map:', not 'grid:'"),
        ("frozenlake/level3", "map:", "", "line 14 must be 'name=value'"),
        ("frozenlake/level3", "task=frozenlake", "task=frozenlakes", "Did you mean 'frozenlake'"),
        ("frozenlake/level3", "task=frozenlake", "", "line 1 must be 'name=value'"),
        ("frozenlake/level3", "seed=7", "level=3", "states 'level' a second time"),
        ("frozenlake/level3", "is_slippery=false", "is_slippery=true", "has no fixed plan"),
        ("frozenlake/level3", "goal_row=2", "goal_row=two", "goal_row must be a number, not 'two'"),
        ("frozenlake/level3", '"right"', '"forward"', "unknown FrozenLake action 'forward'"),
        (
            "frozenlake/level3",
            "trajectory_states=[",
            "trajectory_states=",
            "trajectory_states: this is no JSON",
        ),
        ("maze/level3", "distance_map=", "no_map=", "there is no line distance_map="),
        ("minibehaviour/level5", "table_pos=[[2, 1]", "table_pos=[[3, 1]", "6 cells of a table"),
    ],
)
def test_mgsd_broken_files(file: str, old: str, new: str, reason: str, tmp_path: Path) -> None:
    path = WRITERS["mgsd"](tmp_path) / file / "text/0000.txt"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    report = verify_suite("mgsd", tmp_path)
    error = only_error(report)
    assert error.path == path
    assert reason in error.reason
    assert report.total.boards == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    path = write_ucsb(tmp_path) / "task-main/maps/level3/table/0.txt"
    path.unlink()
    os.mkfifo(path)
    assert only_error(verify_suite("ucsb-vsp", tmp_path)).reason == "this is no regular file"


def test_symbolic_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    WRITERS["mgsd"](tmp_path / "real")
    root = tmp_path / "linked"
    root.mkdir()
    (root / "level3").symlink_to(tmp_path / "real/maze/level3")
    (root / "again").symlink_to(root)
    (root / "dangling").symlink_to(tmp_path / "nowhere")
    report = verify_suite("mgsd", root)
    assert report.ok
    assert report.total.boards == 1


# -- anything at all ----------------------------------------------------------------------------

any_content = st.binary(max_size=200) | st.text(max_size=200).map(
    lambda text: text.encode("utf-8", "replace")
)


@pytest.fixture(scope="module")
def sound_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, list[Path]]]:
    """Each suite's folder, and its text files."""
    found = {}
    for name, build in WRITERS.items():
        root = tmp_path_factory.mktemp(name)
        build(root)
        found[name] = (
            root,
            sorted(path for path in root.rglob("*") if path.suffix in {".txt", ".json", ".jsonl"}),
        )
    return found


@pytest.mark.parametrize("name", SUITES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_content_raises(
    name: str, sound_files: dict[str, tuple[Path, list[Path]]], data: st.DataObject
) -> None:
    root, files = sound_files[name]
    path = data.draw(st.sampled_from(files))
    sound = path.read_bytes()
    at = data.draw(st.integers(0, len(sound)))
    removed = data.draw(st.sampled_from([0, 1, 7, len(sound)]))
    try:
        path.write_bytes(sound[:at] + data.draw(any_content) + sound[at + removed :])
        report = verify_suite(name, root)
    finally:
        path.write_bytes(sound)
    assert report.total.boards <= 6
    json.dumps(report.to_dict())
    for found in (*report.disagreements, *report.errors):
        assert found.path.is_relative_to(root)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_json_value_raises(sound_files: dict[str, tuple[Path, list[Path]]], data: st.DataObject) -> None:
    """A value of any type in the place of any field of a VisualPlanning record, at any depth."""
    root, files = sound_files["visualplanning"]
    path = data.draw(st.sampled_from(files))
    sound = path.read_text()
    record = json.loads(sound.splitlines()[0])
    here, key = {"": record}, ""
    while True:
        value = here[key]
        keys = (
            list(value)
            if isinstance(value, dict)
            else list(range(len(value)))
            if isinstance(value, list)
            else []
        )
        if not keys or (value is not record and data.draw(st.booleans())):
            break
        here, key = value, data.draw(st.sampled_from(keys))
    here[key] = data.draw(json_values)
    try:
        path.write_text(json.dumps(record))
        report = verify_suite("visualplanning", root)
    finally:
        path.write_text(sound)
    assert report.total.boards + report.total.broken in (3, 4)


@given(layouts("frozen_lake"))
def test_every_notation_of_a_lake_is_read_back(lake: Any) -> None:
    assert parse_table(table(lake)) == lake
    assert parse_symbols(symbols(lake)) == lake
    assert parse_sentences(sentences(lake)) == lake


@given(st.text(max_size=80))
def test_notations_raise_nothing_else(text: str) -> None:
    for parse in (parse_table, parse_symbols, parse_sentences):
        with pytest.raises((FormatError, LayoutError)):
            parse(text)


@given(st.lists(st.text(max_size=6)))
def test_natural_order_takes_any_names(names: list[str]) -> None:
    other_way_round = list(names)
    other_way_round.reverse()
    assert sorted(names, key=natural_key) == sorted(other_way_round, key=natural_key)
    assert sorted(["10.txt", "9.txt", "b1", "01", "1", "a²"], key=natural_key) == [
        "01",
        "1",
        "9.txt",
        "10.txt",
        "a²",
        "b1",
    ]
