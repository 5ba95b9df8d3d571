"""`vsp-gym score`: one reply, and streams with anything in them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from cli.invoke import COMMAND, invoke
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vsp_gym import FrozenLakeLayout, get_task
from vsp_gym.scoring import score_reply

LAKE = FrozenLakeLayout.from_rows(["SFF", "FHF", "FFG"])
ROW = {"task": "frozen-lake", "layout": LAKE.to_dict(), "reply": "<answer>DDRR</answer>"}


def run(*args: str, data: str | bytes = ""):
    return invoke("score", *args, data=data)


def stream(*lines: object, options: tuple[str, ...] = ()):
    """Scores and errors of a stream of records (or of lines as they are), and the exit status."""
    data = b"\n".join(x if isinstance(x, bytes) else json.dumps(x).encode() for x in lines)
    result = run("--jsonl", "-", *options, data=data)
    return (
        [json.loads(line) for line in result.stdout.splitlines()],
        [json.loads(line) for line in result.stderr.splitlines()],
        result.exit_code,
    )


def test_one_reply_gets_its_score(tmp_path):
    file = tmp_path / "board.json"
    file.write_text(json.dumps({"task": "frozen_lake", "layout": LAKE.to_dict()}))
    expected = score_reply(get_task("frozen_lake"), LAKE, "right, right").to_dict()
    for args in (["--layout", str(file)], ["--task", "FrozenLake", "--layout", json.dumps(LAKE.to_dict())]):
        result = run(*args, "--reply", "right, right")
        assert (json.loads(result.stdout), result.exit_code) == ({"task": "frozen_lake", **expected}, 0)


def test_strict_mode_and_conventions_reach_the_scorer():
    args = ("--task", "frozen-lake", "--layout", json.dumps(LAKE.to_dict()))
    assert json.loads(run(*args, "--reply", "DDRR", "--mode", "strict").stdout)["outcome"] == "no_plan"
    assert json.loads(run(*args, "--reply", "LDDRR").stdout)["outcome"] == "violation"
    assert json.loads(run(*args, "--reply", "LDDRR", "--convention", "gym").stdout)["success"]


def test_stream_keeps_order_ids_and_line_numbers():
    scores, errors, status = stream(
        {**ROW, "id": "a"},
        b"",
        {**ROW, "id": ["b"], "reply": ""},
        {**ROW, "convention": "gym", "reply": "LDDRR"},
    )
    assert [score["line"] for score in scores] == [1, 3, 4]
    assert [score.get("id") for score in scores] == ["a", ["b"], None]
    assert [score["outcome"] for score in scores] == ["success", "no_plan", "success"]
    assert (errors, status) == ([], 0)


@pytest.mark.parametrize(
    "plan", ["DDRR", "down, down, right, right", [1, 1, 2, 2], ["DOWN", "down", 2, "RIGHT"]]
)
def test_plans_instead_of_replies(plan):
    record = {"task": ROW["task"], "layout": ROW["layout"], "plan": plan}
    scores, errors, _ = stream(record)
    assert not errors
    assert scores[0]["optimal"]


def without(*fields: str) -> dict:
    return {key: value for key, value in ROW.items() if key not in fields}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"layout":' * 5000, "nested too deeply"),
        (b"9" * 20_000, "too many digits"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b"[]", "a line is an object"),
        (b"null", "a line is an object"),
        (without("task"), "task is missing"),
        (without("layout"), "layout must be an object"),
        (without("reply"), "one of the fields reply and plan"),
        ({**ROW, "plan": "D"}, "one of the fields reply and plan"),
        ({**ROW, "task": "lake"}, "unknown task 'lake'"),
        ({**ROW, "task": ["maze"]}, "unknown task"),
        ({**ROW, "task": None}, "unknown task"),
        ({**ROW, "layout": {}}, "lacks rows"),
        ({**ROW, "layout": {**LAKE.to_dict(), "rows": 10**30}}, "rows must be"),
        ({**ROW, "layout": {**LAKE.to_dict(), "rows": 3.0}}, "rows must be an integer"),
        ({**ROW, "layout": {**LAKE.to_dict(), "holes": [[[]]]}}, "hole"),
        ({**ROW, "layout": {**LAKE.to_dict(), "start": {"a": 1}}}, "start must be a pair"),
        ({**ROW, "reply": 7}, "reply must be text"),
        ({**ROW, "convention": "strictt"}, "Did you mean 'strict'"),
        ({**ROW, "convention": {}}, "unknown convention"),
        ({**ROW, "mode": []}, "mode must be one of"),
        ({**without("reply"), "plan": 3}, "plan must be text or a list"),
        ({**without("reply"), "plan": [9]}, "9 is no action"),
        ({**without("reply"), "plan": [1e300]}, "plan\\[0\\]"),
        ({**without("reply"), "plan": [[[]]]}, "plan\\[0\\]"),
        ({**without("reply"), "plan": "hello"}, "plan is no plan"),
    ],
)
def test_a_bad_line_is_reported_and_the_others_are_judged(line, reason):
    scores, errors, status = stream(ROW, line, ROW)
    assert [score["line"] for score in scores] == [1, 3]
    (error,) = errors
    assert error["line"] == 2
    assert re.search(reason, error["error"]), error
    assert error["value"]
    assert status == 1


def test_a_line_too_long_for_memory_is_skipped_in_pieces(monkeypatch):
    monkeypatch.setattr("vsp_gym.cli.score.MAX_LINE", 1000)
    long = {**ROW, "reply": "x" * 5000}
    scores, errors, status = stream(ROW, long, ROW, long)
    assert [score["line"] for score in scores] == [1, 3]
    assert [error["line"] for error in errors] == [2, 4]
    assert "longer than 1000 bytes" in errors[0]["error"]
    assert status == 1


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["task", "layout", "reply", "plan", "convention", "mode", "rows", "start"]),
                inner,
            )
        ),
    )
)
def test_any_record_gives_one_score_or_one_error(record):
    if isinstance(record, dict):
        record = {**ROW, **record}
    scores, errors, _ = stream(record)
    assert len(scores) + len(errors) == 1


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["--reply", "D"],
        ["--layout", "{}"],
        ["--jsonl", "-", "--reply", "D"],
        ["--jsonl", "no-such-file"],
        ["--layout", "{}", "--reply", "D"],
        ["--task", "lake", "--layout", "{}", "--reply", "D"],
        ["--jsonl", "-", "--convention", "lax"],
    ],
)
def test_wrong_usage_is_status_2(args):
    result = run(*args)
    assert result.exit_code == 2
    assert "Error" in result.stderr


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        ("no-such-file.json", "no-such-file.json: No such file"),
        ("{", "not JSON"),
        ("{}", "lacks rows"),
        ('{"task": "maze", "layout": {}}', "contradicts"),
        ('{"layout": 3}', "a layout is a JSON object"),
        ("\0", "null"),
        ("x" * 5000, "too long"),
    ],
)
def test_a_bad_board_is_status_1(layout, reason):
    result = run("--task", "frozen-lake", "--layout", layout, "--reply", "D")
    assert result.exit_code == 1
    assert reason in result.stderr
    assert len(result.stderr) < 500 or len(layout) > 500


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_a_reader_that_leaves_early_is_no_traceback():
    lines = (json.dumps(ROW) + "\n").encode() * 3000
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        (*COMMAND, "score", "--jsonl", "-"), input=lines, stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux does")
def test_memory_does_not_grow_with_the_stream(tmp_path):
    def peak(copies: int) -> int:
        """Peak memory in KiB of scoring a file of `copies` lines."""
        file = tmp_path / f"{copies}.jsonl"
        file.write_text((json.dumps({**ROW, "pad": "x" * 20_000}) + "\n") * copies)
        code = (
            "import resource, sys\nfrom vsp_gym.cli import main\n"
            "main(standalone_mode=False)\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, "score", "--jsonl", str(file)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert len(done.stdout.splitlines()) == copies
        return int(done.stderr)

    assert peak(2000) < peak(20) + 20_000
