"""Runs: what is asked, what is kept, and what survives crashes, bad servers and second runs."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from evaluation.misbehaving_server import SCRIPT, MisbehavingServer

from vsp_gym import get_task, shortest_plan
from vsp_gym.cli import main
from vsp_gym.errors import FormatError, VSPGymError
from vsp_gym.evaluation.conditions import WHOLE_STATE, Evaluation, Perturbation, draw_boards, read_boards
from vsp_gym.evaluation.dispatch import Dispatcher, Patience
from vsp_gym.evaluation.journal import Journal, read_rows
from vsp_gym.evaluation.models import ModelError, Reply, Request, load_model
from vsp_gym.evaluation.runner import Tally, run
from vsp_gym.perception import state_statement
from vsp_gym.plans import format_plan

KEY = "sk-test-secret-0123456789"

HURRY = Patience(retries=4, first_pause=0.02, longest_pause=0.05)


class Scripted:
    """A model that is a function of the request."""

    endpoints: tuple[str, ...] = ("here",)
    sees_state = False

    def __init__(self, answer: Callable[[Request], str], batch_size: int = 1) -> None:
        self.name = "scripted"
        self.batch_size = batch_size
        self.answer = answer
        self.batches: list[int] = []
        self.requests: list[Request] = []

    async def reply(self, requests: Sequence[Request], endpoint: int) -> list[Reply]:
        self.batches.append(len(requests))
        self.requests += requests
        await asyncio.sleep(0)
        return [Reply(self.answer(request), "stop", 10, 2) for request in requests]

    async def close(self) -> None:
        self.closed = True


def _solve(request: Request) -> str:
    plan = shortest_plan(request.task, request.layout) or ()
    return f"<answer>{format_plan(plan, request.task)}</answer>"


def _run(
    folder: Path, model: Any, evaluation: Evaluation | None = None, boards: int = 3, **options: Any
) -> Tally:
    drawn = draw_boards([get_task("maze"), get_task("mini_behaviour")], [3, 5], boards, 0)
    options = {"patience": HURRY, "concurrency": 4, **options}
    return run(evaluation or Evaluation(), drawn, model, folder, **options)


def _rows(folder: Path) -> list[dict[str, Any]]:
    return list(read_rows(folder / "results.jsonl"))


CASES = 9
"""Boards that `_run` draws by default."""


# -- what is asked -------------------------------------------------------------------------------


def test_plans_are_judged_and_accounted(tmp_path: Path) -> None:
    tally = _run(tmp_path, Scripted(_solve), Evaluation(modalities=("image", "text", "both")))
    rows = _rows(tmp_path)
    assert (tally.scored, tally.succeeded, tally.tokens) == (3 * CASES, 3 * CASES, 36 * CASES)
    assert tally.complete
    assert len({row["key"] for row in rows}) == 3 * CASES
    for row in rows:
        assert row["score"]["optimal"]
        assert row["actions"]
        assert (row["prompt_tokens"], row["completion_tokens"], row["attempts"]) == (10, 2, 1)
        assert (row["theme"] is None) == (row["modality"] == "text")


def test_a_picture_is_seen_exactly_where_it_should_be(tmp_path: Path) -> None:
    model = Scripted(_solve)
    _run(tmp_path, model, Evaluation(modalities=("image", "text", "both")), boards=1)
    seen = []
    for request in model.requests:
        text = json.dumps(request.messages)
        seen.append(("data:image/png;base64," in text, "Grid (" in text or "rows x cols" in text))
    assert sorted(seen) == sorted([(True, False), (False, True), (True, True)] * 3)


def test_axes_multiply_for_pictures_only(tmp_path: Path) -> None:
    evaluation = Evaluation(
        modalities=("image", "text"),
        themes=("classic", "blueprint"),
        perturbations=(None, Perturbation("noise", 2)),
        samples=2,
    )
    model = Scripted(_solve)
    _run(tmp_path, model, evaluation, boards=1)
    rows = [row for row in _rows(tmp_path) if row["board"] == "maze-3-0"]
    shown = {(row["modality"], row["theme"], row["perturbation"], row["sample"]) for row in rows}
    assert len(rows) == len(shown) == 2 * (4 + 1)
    assert ("image", "blueprint", "noise:2", 1) in shown
    assert ("text", None, None, 0) in shown
    pictures = {
        json.dumps(request.messages)
        for request in model.requests
        if request.layout == model.requests[0].layout
    }
    assert len(pictures) == 4 + 1  # the two samples are asked alike


def test_a_system_message_of_ones_own_changes_the_prompt_version() -> None:
    board = next(draw_boards([get_task("maze")], [3], 1, 0))
    plain, own = Evaluation(), Evaluation(system="Be brief.")
    case, other = next(plain.cases(board)), next(own.cases(board))
    assert own.messages(other)[0] == {"role": "system", "content": "Be brief."}
    assert own.messages(other)[1] == plain.messages(case)[1]
    assert case.prompt != other.prompt


def test_perception_asks_everything_and_the_whole_state(tmp_path: Path) -> None:
    def answer(request: Request) -> str:
        if "State the board" in request.messages[1]["content"][1]["text"]:
            return state_statement(request.task, request.layout)
        return "<answer>none</answer>"

    _run(tmp_path, Scripted(answer), Evaluation(protocol="perceive"), boards=1)
    rows = _rows(tmp_path)
    states = [row for row in rows if row["question"] == WHOLE_STATE]
    assert [row["answer"]["correct"] for row in states] == [True] * 3
    sizes = [row for row in rows if row["question"] == "size"]
    assert {row["gold"] for row in sizes} == {"3 x 3", "5 x 5"}
    assert not any(row["answer"]["correct"] for row in sizes)
    assert all(row["score"] is None and row["error"] is None for row in rows)


class Walker:
    """Plays a board by the messages alone: one action of its plan for each of its own replies before."""

    def __init__(self, plan: Sequence[str]) -> None:
        self.plan = plan

    def __call__(self, request: Request) -> str:
        said = sum(message["role"] == "assistant" for message in request.messages)
        return self.plan[said]


def _one_maze(folder: Path, evaluation: Evaluation, plan: Sequence[str]) -> tuple[dict[str, Any], Scripted]:
    model = Scripted(Walker(plan))
    boards = draw_boards([get_task("maze")], [5], 1, 3)
    run(evaluation, boards, model, folder, patience=HURRY)
    return _rows(folder)[0], model


def _words(folder: Path) -> list[str]:
    board = next(draw_boards([get_task("maze")], [5], 1, 3))
    return [action.name for action in board.solution.plan() or ()]


@pytest.mark.parametrize("modality", ["image", "text", "both"])
def test_interactive_attempts_succeed_step_by_step(tmp_path: Path, modality: Any) -> None:
    words = _words(tmp_path)
    evaluation = Evaluation(protocol="interactive", modalities=(modality,))
    row, model = _one_maze(tmp_path, evaluation, words)
    assert row["score"]["optimal"]
    assert [turn["reply"] for turn in row["turns"]] == words
    assert len(row["actions"]) == len(words) == len(model.requests)
    assert f"{words[0]} is done." in json.dumps(model.requests[1].messages[-1])
    assert row["completion_tokens"] == 2 * len(words)
    assert row["prompt"] != Evaluation(modalities=(modality,)).prompt_version(
        get_task("maze"), modality, None
    )


def test_interactive_attempts_hear_what_went_wrong_and_go_on(tmp_path: Path) -> None:
    words = _words(tmp_path)
    wall = next(
        name
        for name in ("LEFT", "DOWN", "RIGHT", "UP")
        if (board := next(draw_boards([get_task("maze")], [5], 1, 3)))
        and board.task.transition(
            board.layout, board.task.initial(board.layout), getattr(_action(), name)
        ).violation
    )
    evaluation = Evaluation(protocol="interactive", modalities=("text",), convention="gym")
    row, model = _one_maze(tmp_path, evaluation, ["dunno", "LEFT RIGHT", wall, *words])
    told = [json.dumps(request.messages[-1]) for request in model.requests]
    assert "The reply was not understood" in told[1]
    assert "one action is wanted, the reply names 2" in told[2]
    assert f"{wall} is illegal: it leads" in told[3]
    assert [turn["action"] for turn in row["turns"]][:2] == [None, None]
    assert row["score"]["success"]
    assert row["score"]["violations"] == 1


def _action() -> Any:
    from vsp_gym import Action

    return Action


def test_strict_attempts_end_at_an_illegal_action(tmp_path: Path) -> None:
    evaluation = Evaluation(protocol="interactive", modalities=("text",), max_turns=5)
    row, _ = _one_maze(tmp_path, evaluation, ["UP"] * 9)
    assert row["score"]["outcome"] == "violation"
    assert len(row["actions"]) == len(row["turns"])


def test_history_and_turns_are_limited(tmp_path: Path) -> None:
    evaluation = Evaluation(protocol="interactive", modalities=("text",), history=1, max_turns=4)
    row, model = _one_maze(tmp_path, evaluation, ["hm"] * 9)
    assert [len(request.messages) for request in model.requests] == [2, 4, 4, 4]
    assert row["score"]["outcome"] == "no_plan"
    assert row["score"]["explanation"].startswith("No action could be read")
    assert row["actions"] == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"protocol": "plann"}, "Did you mean 'plan'"),
        ({"modalities": ("pictures",)}, "unknown modality"),
        ({"themes": ("neon",)}, "unknown theme"),
        ({"convention": "lax"}, "unknown convention"),
        ({"samples": 0}, "samples must be 1 to 1000"),
        ({"protocol": "perceive", "modalities": ("text",)}, "questions are about pictures"),
        ({"protocol": "interactive", "modalities": ("state",)}, "built-in agents write whole plans"),
    ],
)
def test_evaluations_that_make_no_sense(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(VSPGymError) as caught:
        Evaluation(**fields)
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["fog:3", "noise:9", "noise:x", "none:1"])
def test_perturbations_that_there_are_not(text: str) -> None:
    with pytest.raises(VSPGymError):
        Perturbation.parse(text)
    assert Perturbation.parse("noise") == Perturbation("noise", 3)
    assert Perturbation.parse("none") is None


# -- what is kept --------------------------------------------------------------------------------


def test_a_second_run_asks_exactly_what_is_missing(tmp_path: Path) -> None:
    _run(tmp_path, Scripted(_solve))
    path = tmp_path / "results.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[2:5]) + lines[7][:-20])  # the last one is torn
    model = Scripted(_solve)
    tally = _run(tmp_path, model)
    assert (tally.earlier, tally.asked, tally.scored, tally.succeeded) == (3, CASES - 3, CASES, CASES)
    assert len(model.requests) == CASES - 3
    after = path.read_bytes().splitlines(keepends=True)
    assert after[:3] == lines[2:5]
    assert {json.loads(line)["key"] for line in after} == {json.loads(line)["key"] for line in lines}
    assert _run(tmp_path, Scripted(_solve)).asked == 0


def test_a_last_line_of_zeros_is_torn(tmp_path: Path) -> None:
    _run(tmp_path, Scripted(_solve))
    with open(tmp_path / "results.jsonl", "ab") as file:
        file.write(b"\0" * 100)
    assert _run(tmp_path, Scripted(_solve)).asked == 0
    assert len(_rows(tmp_path)) == CASES


def test_damage_elsewhere_is_named(tmp_path: Path) -> None:
    _run(tmp_path, Scripted(_solve))
    path = tmp_path / "results.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"{}\n" + lines[1])
    with pytest.raises(FormatError, match=r"results\.jsonl, line 2: this is no row"):
        _run(tmp_path, Scripted(_solve))
    assert path.read_bytes() == lines[0] + b"{}\n" + lines[1]


def test_unscored_rows_are_asked_again_and_replaced(tmp_path: Path) -> None:
    def flaky(request: Request) -> str:
        if request.index % 3 == 1:
            raise ModelError("out of memory", "rejected")
        return _solve(request)

    tally = _run(tmp_path, Scripted(flaky))
    assert (tally.scored, tally.unscored, tally.complete) == (6, 3, False)
    assert dict(tally.reasons) == {"here: out of memory": 3}
    unscored = [row for row in _rows(tmp_path) if row["error"]]
    assert [row["score"] for row in unscored] == [None] * 3
    tally = _run(tmp_path, Scripted(_solve))
    assert (tally.asked, tally.scored, tally.complete) == (3, CASES, True)
    rows = _rows(tmp_path)
    assert len(rows) == CASES
    assert not any(row["error"] for row in rows)


def test_other_parameters_are_refused_with_what_differs(tmp_path: Path) -> None:
    _run(tmp_path, Scripted(_solve), parameters={"seed": 1})
    with pytest.raises(VSPGymError) as caught:
        _run(tmp_path, Scripted(_solve), Evaluation(samples=2, convention="gym"), parameters={"seed": 2})
    words = str(caught.value)
    assert "seed was 1, now 2" in words
    assert "evaluation.samples was 1, now 2" in words
    assert 'evaluation.convention was "strict", now "gym"' in words
    assert "image_size" not in words


def test_a_folder_with_results_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text("{}\n")
    with pytest.raises(VSPGymError, match="is of no evaluation"):
        _run(tmp_path, Scripted(_solve))
    assert (tmp_path / "results.jsonl").read_text() == "{}\n"


@pytest.mark.parametrize("content", ["", "{", "[]", "NaN"])
def test_damaged_parameters_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(FormatError, match=r"run\.json"):
        _run(tmp_path, Scripted(_solve))


def test_two_runs_over_one_folder_refuse_each_other(tmp_path: Path) -> None:
    with Journal(tmp_path, {}), pytest.raises(VSPGymError, match="another run is writing"):
        Journal(tmp_path, {})
    with Journal(tmp_path, {}):
        pass


def test_a_full_disk_ends_the_run_and_leaves_whole_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = os.write, 0

    def full(file: int, data: Any) -> int:
        nonlocal calls
        calls += 1
        if calls > 3:
            write(file, bytes(data[:7]))
            raise OSError(28, "No space left on device")
        return write(file, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(VSPGymError, match="No space left on device"):
        _run(tmp_path, Scripted(_solve), concurrency=1)
    monkeypatch.undo()
    content = (tmp_path / "results.jsonl").read_bytes()
    assert content.endswith(b"\n")
    assert len(_rows(tmp_path)) == 3
    assert _run(tmp_path, Scripted(_solve)).complete


def test_a_row_is_durable_before_its_worker_goes_on(tmp_path: Path) -> None:
    model = Scripted(_solve)
    behind = []

    def watch(tally: Tally) -> None:
        written = (tmp_path / "results.jsonl").read_bytes().count(b"\n") if tally.asked else 0
        behind.append(len(model.requests) - written)

    _run(tmp_path, model, progress=watch, concurrency=4)
    assert max(behind) <= 4


# -- batches -------------------------------------------------------------------------------------


def test_batches_fill_up(tmp_path: Path) -> None:
    model = Scripted(_solve, batch_size=4)
    _run(tmp_path, model, concurrency=8)
    assert sum(model.batches) == CASES
    assert max(model.batches) == 4


def test_a_bad_request_fails_alone(tmp_path: Path) -> None:
    class Fussy(Scripted):
        async def reply(self, requests: Sequence[Request], endpoint: int) -> list[Reply]:
            if any(request.index == 5 for request in requests):
                raise ModelError("it is cursed", "rejected")
            return await super().reply(requests, endpoint)

    tally = _run(tmp_path, Fussy(_solve, batch_size=8), concurrency=8)
    assert (tally.scored, tally.unscored) == (CASES - 1, 1)


# -- servers -------------------------------------------------------------------------------------


@pytest.fixture
def _client(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai", reason="needs the extra openai")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def _served(folder: Path, *servers: MisbehavingServer, timeout: float = 10.0, **options: Any) -> Tally:
    urls = [server.url for server in servers]
    return _run(folder, load_model("openai:m", base_urls=urls, timeout=timeout), **options)


@pytest.mark.usefixtures("_client")
@pytest.mark.parametrize("behaviour", ["busy", "broken", "cut", "not_json", "empty", "wrong_schema", "huge"])
def test_faults_that_pass_leave_no_trace(tmp_path: Path, behaviour: str) -> None:
    with MisbehavingServer([behaviour, behaviour, "ok"]) as server:
        tally = _served(tmp_path, server)
    assert (tally.scored, tally.unscored) == (CASES, 0)
    assert len(server.requests) == CASES + 2
    assert max(row["attempts"] for row in _rows(tmp_path)) > 1


@pytest.mark.usefixtures("_client")
@pytest.mark.parametrize("behaviour", ["busy_seconds", "busy_date"])
def test_a_server_is_left_alone_as_long_as_it_asks(tmp_path: Path, behaviour: str) -> None:
    with MisbehavingServer([behaviour, "ok"]) as server:
        assert _served(tmp_path, server, concurrency=1).complete
    assert server.times[1] - server.times[0] > 0.9


@pytest.mark.usefixtures("_client")
def test_a_server_that_is_busy_for_ever_is_not_waited_for(tmp_path: Path) -> None:
    with MisbehavingServer(["busy_for_ever"]) as server:
        tally = _served(tmp_path, server, boards=1, concurrency=3)
    assert tally.unscored == 3


@pytest.mark.usefixtures("_client")
def test_requests_in_flight_are_bounded_over_all_servers(tmp_path: Path) -> None:
    with MisbehavingServer("brief") as one, MisbehavingServer("brief") as other:
        tally = _served(tmp_path, one, other, boards=6, concurrency=6)
    assert tally.complete
    assert one.most_at_once <= 3
    assert other.most_at_once <= 3
    assert abs(len(one.requests) - len(other.requests)) <= 6


@pytest.mark.usefixtures("_client")
@pytest.mark.parametrize("behaviour", ["broken", "hang_up", "slow"])
def test_one_dead_server_of_two_costs_nothing_but_time(tmp_path: Path, behaviour: str) -> None:
    with MisbehavingServer(behaviour) as dead, MisbehavingServer() as well:
        tally = _served(tmp_path, dead, well, boards=8, timeout=0.3)
    assert (tally.scored, tally.unscored) == (24, 0)
    assert {row["endpoint"] for row in _rows(tmp_path)} == {well.url}
    assert len(dead.requests) < 12


@pytest.mark.usefixtures("_client")
def test_a_server_that_recovers_is_used_again(tmp_path: Path) -> None:
    with MisbehavingServer([*["broken"] * 5, "brief"]) as sick, MisbehavingServer("brief") as well:
        tally = _served(tmp_path, sick, well, boards=20)
    assert tally.complete
    assert {row["endpoint"] for row in _rows(tmp_path)} == {sick.url, well.url}


@pytest.mark.usefixtures("_client")
@pytest.mark.parametrize(
    ("behaviour", "words"), [("broken", "failed 10 times in a row: HTTP 500"), ("unauthorized", "HTTP 401")]
)
def test_a_hopeless_server_ends_the_run(tmp_path: Path, behaviour: str, words: str) -> None:
    with MisbehavingServer(behaviour) as server:
        tally = _served(tmp_path, server, boards=40, patience=Patience(20, 0.01, 0.02))
    assert tally.stopped is not None
    assert words in tally.stopped
    assert not tally.complete
    assert len(server.requests) < 40
    assert KEY not in tally.stopped


@pytest.mark.usefixtures("_client")
def test_a_model_that_rejects_everything_ends_the_run(tmp_path: Path) -> None:
    with MisbehavingServer("rejected") as server:
        tally = _served(tmp_path, server, boards=40)
    assert tally.stopped is not None
    assert "20 requests were rejected and none answered" in tally.stopped


@pytest.mark.usefixtures("_client")
def test_replies_with_scripts_stay_text(tmp_path: Path) -> None:
    with MisbehavingServer("script") as server:
        _served(tmp_path, server, boards=1)
    assert {row["reply"] for row in _rows(tmp_path)} == {SCRIPT}


@pytest.mark.usefixtures("_client")
@pytest.mark.parametrize("behaviour", ["echo_key", "unauthorized", "not_json"])
def test_keys_reach_nothing_that_is_kept_or_shown(tmp_path: Path, behaviour: str) -> None:
    with MisbehavingServer(behaviour) as server:
        done = CliRunner().invoke(
            main,
            [
                *("evaluate", "--model", "openai:m", "--base-url", server.url, "--task", "maze"),
                *("--boards", "2", "--sizes", "3", "--retries", "0", "--out", str(tmp_path / "run")),
            ],
        )
    assert KEY.encode() in server.headers[0].encode()  # the key was used
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in kept} == {".lock", "run.json", "results.jsonl"}
    assert not any(KEY.encode() in path.read_bytes() for path in kept)
    assert KEY not in done.output
    assert done.exit_code == (0 if behaviour == "echo_key" else 1)


# -- the command ---------------------------------------------------------------------------------


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from vsp_gym.cli import main; main()", "evaluate", *arguments]


_SLOW_MODEL = "import time\ndef reply(messages):\n    time.sleep(0.05)\n    return '<answer>R</answer>'\n"


def _slow_run(folder: Path, boards: int) -> list[str]:
    (folder / "slow_model.py").write_text(_SLOW_MODEL)
    return _command(
        *("--model", "python:slow_model:reply", "--task", "maze", "--sizes", "3", "--modality", "text"),
        *("--boards", str(boards), "--concurrency", "3", "--out", str(folder / "run")),
    )


def _wait_for_rows(path: Path, number: int, process: subprocess.Popen[Any]) -> None:
    end = time.monotonic() + 60
    while not path.exists() or path.read_bytes().count(b"\n") < number:
        assert process.poll() is None, "the run has ended"
        assert time.monotonic() < end, "the run does not get on"
        time.sleep(0.01)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_kill_9_loses_at_most_the_requests_in_flight(tmp_path: Path) -> None:
    command, path = _slow_run(tmp_path, 60), tmp_path / "run/results.jsonl"
    keys: set[str] = set()
    for stop in (5, 20):
        with subprocess.Popen(command, cwd=tmp_path) as process:
            try:
                _wait_for_rows(path, stop, process)
            finally:
                process.kill()
        kept = {row["key"] for row in read_rows(path)}
        assert kept >= keys  # what was there stays
        keys = kept
        assert stop <= len(keys) < 60
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 0
    rows = list(read_rows(path))
    assert len(rows) == len({row["key"] for row in rows}) == 60
    assert {row["key"] for row in rows} >= keys


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_ctrl_c_ends_in_good_order(tmp_path: Path) -> None:
    command = _slow_run(tmp_path, 5000)
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            _wait_for_rows(tmp_path / "run/results.jsonl", 3, process)
            second = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert second.returncode == 2
            assert "another run is writing" in second.stderr
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 3
    assert "interrupted by SIGINT" in out
    assert "Traceback" not in err


def _evaluate(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["evaluate", *arguments])


def test_the_command_from_boards_to_verdicts(tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    arguments = ("--model", "agent:oracle", "--task", "maze,frozen-lake", "--sizes", "3-4", "--boards", "2")
    first = _evaluate(*arguments, "--out", out)
    assert first.exit_code == 0
    assert "8 replies judged, 100.0% right" in first.output
    again = _evaluate(*arguments, "--out", out)
    assert "8 of them by an earlier run" in again.output
    other = _evaluate(*arguments, "--convention", "gym", "--out", out)
    assert other.exit_code == 2
    assert 'evaluation.convention was "strict", now "gym"' in other.output


def test_lists_may_be_given_in_one_option_or_in_several(tmp_path: Path) -> None:
    arguments = ("--model", "agent:oracle", "--boards", "1", "--out", str(tmp_path / "run"))
    first = _evaluate(*arguments, "--task", "maze,frozen-lake", "--sizes", "3-4")
    assert "4 replies judged" in first.output
    again = _evaluate(*arguments, "--task", "maze", "--task", "frozen-lake", "--sizes", "3", "--sizes", "4")
    assert "4 replies judged, 4 of them by an earlier run" in again.output


def test_a_key_on_the_command_line_is_not_repeated(tmp_path: Path) -> None:
    result = _evaluate("--model", "openai:m", "--api-key-env", "sk-secret", "--out", str(tmp_path / "run"))
    assert result.exit_code == 2
    assert "the name of an environment variable" in result.output
    assert "sk-secret" not in result.output


@pytest.mark.parametrize("option", [("--extra-body", f'{{"a": [{{"key": "{KEY}"}}]}}'), ("--system", KEY)])
def test_a_key_that_would_be_recorded_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: tuple[str, str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    result = _evaluate("--model", "agent:oracle", *option, "--out", str(tmp_path / "run"))
    assert result.exit_code == 2
    assert "holds the key in OPENAI_API_KEY" in result.output
    assert KEY not in result.output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "agent:orakle"), "Did you mean 'oracle'"),
        (("--model", "agent:oracle", "--modality", "image"), "leave out --modality"),
        (("--model", "python:json:dumps", "--modality", "state"), "is for built-in agents"),
        (("--model", "agent:oracle", "--sizes", "x"), "a size is a number or a range"),
        (("--model", "agent:oracle", "--task", "chess"), "unknown task"),
        (("--model", "agent:oracle", "--sizes", "99"), "no size of"),
        (("--model", "agent:oracle", "--temperature", "hot"), "a number from 0 to 10"),
        (("--model", "agent:oracle", "--suite", "ucsb-vsp"), "NAME=PATH"),
        (("--model", "agent:oracle", "--extra-body", "{"), "not JSON"),
        (("--model", "agent:oracle", "--extra-body", "[1]"), "a JSON object"),
        (("--model", "agent:oracle", "--perturb", "fog"), "unknown perturbation"),
        (("--model", "agent:oracle", "--system", "@no-such-file"), "no-such-file"),
        (("--model", "agent:oracle", "--mode", "perceive"), "the modality is image"),
        (
            ("--model", "agent:oracle", "--suite", "ucsb-vsp=.", "--boards", "3"),
            "--boards is for fresh boards",
        ),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    result = _evaluate(*arguments, "--out", str(tmp_path / "run"))
    assert result.exit_code == 2, result.output
    assert words in result.output
    assert not (tmp_path / "run").exists()


def test_data_sets_are_evaluated_with_their_own_pictures(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "run"
    made = CliRunner().invoke(
        main,
        [
            *("generate", "--task", "maze", "--sizes", "4", "--count", "3", "--split", "test"),
            *("--theme", "blueprint", "--image-size", "128", "--out", str(data)),
        ],
    )
    assert made.exit_code == 0, made.output
    model = Scripted(_solve)
    run(Evaluation(modalities=("image", "text")), read_boards(data), model, out)
    rows = _rows(out)
    assert {row["theme"] for row in rows if row["modality"] == "image"} == {"blueprint"}
    pictures = {base64.b64encode(path.read_bytes()).decode() for path in data.rglob("*.png")}
    sent = {
        request.messages[1]["content"][0]["image_url"]["url"].partition(",")[2]
        for request in model.requests
        if isinstance(request.messages[1]["content"], list)
    }
    assert sent == pictures
    assert len(sent) == 3
    assert all(row["score"]["success"] for row in rows)


def test_dispatcher_spreads_pauses() -> None:
    patience = Patience(6, 1.0, 8.0)
    assert [patience.pause(attempt, 1.0) for attempt in (1, 2, 3, 4, 5)] == [1.0, 2.0, 4.0, 8.0, 8.0]
    assert patience.pause(1, 0.0) == 0.5
    assert patience.pause(10_000, 0.5) == 6.0
    assert Dispatcher(Scripted(_solve))


def test_boards_of_a_benchmark_without_a_solution_are_left_out(tmp_path: Path) -> None:
    maps = tmp_path / "suite" / "task1" / "maps" / "level3"
    boards = {"0": ("_@_", "_*_", "___"), "1": ("@#_", "#*_", "___")}
    for number, rows in boards.items():
        table = ["| | Col 1 | Col 2 | Col 3 |"]
        table += [f"| Row {r} | {' | '.join(row)} |" for r, row in enumerate(rows, start=1)]
        holes = [
            f"Row {r}, Column {c};" for r, row in enumerate(rows, 1) for c, x in enumerate(row, 1) if x == "#"
        ]
        said = f"The hole(s) are at: {' '.join(holes)}" if holes else "There is no holes in this map;"
        (start,), (goal,) = (
            [(r, c) for r, row in enumerate(rows, 1) for c, x in enumerate(row, 1) if x == mark]
            for mark in "@*"
        )
        files = {
            "table": "\n".join(table) + "\n",
            "pure_text": f"This is a 3x3 map.\nThe player is at: row {start[0]}, column {start[1]};\n{said}\n"
            f"The goal is at: Row {goal[0]}, Column {goal[1]}.",
            "question": "Is there a hole in row 1, column 2?",
            "answer": "Y" if rows[0][1] == "#" else "N",
        }
        for folder, text in files.items():
            (maps / folder).mkdir(parents=True, exist_ok=True)
            (maps / folder / f"{number}.txt").write_text(text, encoding="utf-8")
    arguments = ["evaluate", "--model", "agent:oracle", "--suite", f"ucsb-vsp={tmp_path / 'suite'}"]
    result = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    assert "1 boards of the benchmark have no solution and were left out." in result.output
    assert "1 replies judged, 100.0% right" in result.output


def test_a_data_set_without_boards_is_nothing_to_evaluate(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_text("", encoding="utf-8")
    arguments = [
        "evaluate",
        "--model",
        "agent:oracle",
        "--data",
        str(tmp_path),
        "--out",
        str(tmp_path / "run"),
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert "no boards were found" in result.output
