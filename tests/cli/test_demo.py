"""`vsp-gym demo`: everything end to end."""

from __future__ import annotations

import json
import os
import time

import pytest
from cli.invoke import invoke, spawn

from vsp_gym import TASKS
from vsp_gym.cli import demo
from vsp_gym.evaluation.simulated import SIMULATED


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder, output and duration of one run in a process of its own."""
    folder = tmp_path_factory.mktemp("demo") / "new" / "folder"
    began = time.perf_counter()
    process = spawn("demo", "--out", str(folder), "--boards", "2")
    return folder, process, time.perf_counter() - began


def rows_of(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()]


def test_all_tasks_sizes_and_agents_are_in_the_results(done):
    folder, process, seconds = done
    assert (process.returncode, process.stderr) == (0, "")
    assert seconds < 30
    rows = rows_of(folder)
    kinds = {(row["task"], row["size"], row["agent"], row["modality"]) for row in rows}
    who = [(name, modality) for name, model in SIMULATED.items() for modality in model.misreads]
    who += [(name, "state") for name in demo.BASELINES]
    assert kinds == {(t.name, size, *one) for t in TASKS.values() for size in t.paper_sizes for one in who}
    assert len(rows) == 2 * len(kinds)
    assert all(row["score"]["optimal"] for row in rows if row["agent"] == "oracle")
    assert {row["score"]["outcome"] for row in rows} >= {"success", "violation", "failure"}


def test_it_says_what_to_open_and_leaves_nothing_else(done):
    folder, process, _ = done
    assert (folder / "report.html").as_uri() in process.stdout.replace("\n", "")
    assert sorted(os.listdir(folder)) == ["report.html", "results.jsonl"]
    for name in (*SIMULATED, *demo.BASELINES):
        assert name in process.stdout
    assert "\x1b" not in process.stdout


def test_its_report_has_something_to_explain_and_says_that_no_model_was_asked(done):
    folder, _, _ = done
    page = (folder / "report.html").read_text(encoding="utf-8")
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    gaps = {
        data["summary"]["series"][gap["before"]]["agent"]: gap["parts"][-1] for gap in data["summary"]["gaps"]
    }
    assert set(gaps) == set(SIMULATED)
    assert gaps["near-sighted"]["difference"]["low"] > 0
    assert gaps["hasty"]["difference"]["value"] < gaps["near-sighted"]["difference"]["value"]
    causes = {cause for row in data["rows"] for cause in [row["cause"]] if row["cause"]}
    assert {"perception", "reasoning", "both"} <= causes
    assert "No model was asked" in data["lede"]
    simulated = [one["about"] for one in data["series"] if one["label"].split(",")[0] in SIMULATED]
    assert simulated
    assert all(about.startswith("Simulated:") for about in simulated)


def test_the_scorer_reads_the_results_again(done):
    folder, _, _ = done
    process = spawn("score", "--jsonl", str(folder / "results.jsonl"))
    assert process.returncode == 0
    again = [json.loads(line) for line in process.stdout.splitlines()]
    for row, score in zip(rows_of(folder), again):
        assert row["score"].items() <= score.items()


def test_the_seed_decides_the_boards(tmp_path):
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert invoke("demo", "--out", str(tmp_path / name), "--boards", "1", "--seed", seed).exit_code == 0
    a, b, c = ((tmp_path / name / "results.jsonl").read_bytes() for name in "abc")
    assert a == b != c
    assert (tmp_path / "a" / "report.html").read_bytes() == (tmp_path / "b" / "report.html").read_bytes()


def test_its_own_files_are_replaced_and_others_stay(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for _ in range(2):
        assert invoke("demo", "--out", str(tmp_path), "--boards", "1").exit_code == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["report.html", "results.jsonl"])
def test_foreign_files_are_refused_and_untouched(tmp_path, name):
    (tmp_path / name).write_text("mine")
    result = invoke("demo", "--out", str(tmp_path), "--boards", "1")
    assert result.exit_code == 1
    assert f"{name} exists and is not from vsp-gym" in result.stderr
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_file_or_an_impossible_path_as_folder(tmp_path):
    (tmp_path / "file").write_text("")
    assert invoke("demo", "--out", str(tmp_path / "file")).exit_code == 2
    result = invoke("demo", "--out", str(tmp_path / "file" / "folder"))
    assert result.exit_code == 1
    assert "Error" in result.stderr


@pytest.mark.parametrize("args", [[], ["--out", "x", "--boards", "0"], ["--out", "x", "--seed", "-1"]])
def test_wrong_usage(args):
    assert invoke("demo", *args).exit_code == 2


def test_a_failure_while_playing_writes_nothing(tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise OSError(28, "No space left on device", str(tmp_path))

    monkeypatch.setattr(demo, "score_reply", broken)
    result = invoke("demo", "--out", str(tmp_path / "out"), "--boards", "1")
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert os.listdir(tmp_path / "out") == []
