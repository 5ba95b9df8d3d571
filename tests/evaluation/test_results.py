"""Rows on disk: whole or not at all, and readable again by the scorer."""

from __future__ import annotations

import contextlib
import json
import os
import stat

import pytest
from evaluation.samples import HOSTILE, LAKE, RESULTS, result
from hypothesis import given
from hypothesis import strategies as st

from vsp_gym import FormatError, VSPGymError, get_task
from vsp_gym.evaluation.results import (
    is_results,
    open_run,
    open_runs,
    parse_json,
    write_results,
    write_whole,
)
from vsp_gym.scoring import score_reply


def test_rows_score_the_same_when_read_again(tmp_path):
    path = tmp_path / "results.jsonl"
    write_results(RESULTS, path)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == len(RESULTS)
    for row in rows:
        task = get_task(row["task"])
        again = score_reply(task, task.layout_type.from_dict(row["layout"]), row["reply"], mode=row["mode"])
        assert again.to_dict() == row["score"]


def test_a_failure_in_the_middle_leaves_the_earlier_file(tmp_path):
    path = tmp_path / "results.jsonl"
    write_results(RESULTS[:1], path)
    before = path.read_bytes()

    def broken():
        yield RESULTS[0]
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        write_results(broken(), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["results.jsonl"]


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    with pytest.raises(UnicodeEncodeError):
        write_whole(tmp_path / "page.html", "\ud800")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_whole(tmp_path / "folder", "text")
    assert os.listdir(tmp_path) == ["folder"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_files_have_the_usual_permissions(tmp_path):
    write_whole(tmp_path / "a", "text")
    (tmp_path / "b").write_text("text")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"}
    assert len(modes) == 1


def test_lone_surrogates_survive(tmp_path):
    write_results([result("frozen_lake", LAKE, HOSTILE)], tmp_path / "r.jsonl")
    assert json.loads((tmp_path / "r.jsonl").read_text())["reply"] == HOSTILE


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        ("NaN", "NaN is no JSON number"),
        ('{"a": -Infinity}', "-Infinity is no JSON number"),
        (b"\xff\xfe{", "not UTF-8: byte 0xff at 0"),
        ("[" * 200_000, "nested too deeply"),
        ("1" * 100_000, "too many digits"),
        ("", "not JSON"),
    ],
)
def test_what_is_no_json_gets_a_reason(text, reason):
    with pytest.raises(FormatError, match=reason):
        parse_json(text)


@given(st.binary() | st.text())
def test_parse_json_raises_nothing_else(text):
    with contextlib.suppress(FormatError):
        parse_json(text)


def test_is_results_knows_its_own_files(tmp_path):
    path = tmp_path / "r.jsonl"
    write_results(RESULTS, path)
    assert is_results(path)
    for other in ("", "hello\n", '{"a": 1}\n', "[1]\n"):
        path.write_text(other)
        assert not is_results(path)


def test_runs_are_opened_by_folder_or_file_and_named_apart(tmp_path):
    for name in ("a", "b/run", "c/run"):
        (tmp_path / name).mkdir(parents=True)
        write_results(RESULTS, tmp_path / name / "results.jsonl")
    write_results(RESULTS, tmp_path / "other.jsonl")
    assert open_run(tmp_path / "a").label == open_run(tmp_path / "a" / "results.jsonl").label == "a"
    assert open_run(tmp_path / "other.jsonl").label == "other"
    labels = [run.label for run in open_runs([tmp_path / "b" / "run", tmp_path / "c" / "run"])]
    assert len(set(labels)) == 2
    with pytest.raises(VSPGymError, match="given twice"):
        open_runs([tmp_path / "a", tmp_path / "a" / "results.jsonl"])
    with pytest.raises(VSPGymError, match=r"holds no results\.jsonl"):
        open_run(tmp_path)


def test_rows_are_fetched_again_by_their_places(tmp_path):
    path = tmp_path / "results.jsonl"
    write_results(RESULTS, path)
    run = open_run(path)
    places, rows = zip(*run)
    assert list(run.fetch(places[::-1])) == list(rows[::-1])
    assert [row["reply"] for row in rows] == [one.reply for one in RESULTS]
    assert rows[0]["latency"] is None


@pytest.mark.parametrize(
    ("parameters", "states"),
    [
        ({"evaluation": {"reply": "direct"}}, False),
        ({"evaluation": {"reply": "full"}}, True),
        ({}, True),
        ([], True),
    ],
)
def test_the_parameters_of_a_run_say_whether_boards_are_stated(tmp_path, parameters, states):
    write_results(RESULTS, tmp_path / "results.jsonl")
    (tmp_path / "run.json").write_text(json.dumps(parameters))
    assert open_run(tmp_path).states_board is states
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(FormatError, match="run.json: not JSON"):
        open_run(tmp_path)
