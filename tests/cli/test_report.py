"""`vsp-gym report`: runs in, a page or numbers out, and clear words for what is wrong."""

from __future__ import annotations

import csv
import io
import json
import os

import pytest
from cli.invoke import invoke
from evaluation.samples import HOSTILE, LAKE, RESULTS, result

from vsp_gym.evaluation.metrics import summarise
from vsp_gym.evaluation.results import open_run, write_results


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run").mkdir()
    write_results(RESULTS, tmp_path / "run" / "results.jsonl")
    return tmp_path


def test_every_format_has_the_same_numbers(folder):
    run = folder / "run"
    expected = summarise(open_run(run)).to_dict()
    assert json.loads(invoke("report", str(run), "--format", "json").stdout) == expected
    assert invoke("report", str(run / "results.jsonl"), "--out", str(folder / "n.json")).exit_code == 0
    assert json.loads((folder / "n.json").read_text())["overall"] == expected["overall"]
    lines = list(csv.DictReader(io.StringIO(invoke("report", str(run), "--format", "csv").stdout)))
    assert sum(line["scope"] == "overall" and line["metric"] == "success" for line in lines) == 6
    assert "| good |" in invoke("report", str(run), "--format", "md").stdout
    out = folder / "page.html"
    done = invoke("report", str(run), "--out", str(out), "--title", HOSTILE.replace("\ud800", ""))
    assert (done.exit_code, done.stderr) == (0, "")
    assert out.as_uri() in done.stdout.replace("\n", "")
    page = out.read_text(encoding="utf-8")
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert data["summary"] == json.loads(json.dumps(expected))


def test_several_runs_are_compared(folder):
    other = folder / "other"
    other.mkdir()
    write_results([result("frozen_lake", LAKE, "DDRR", agent="good")], other / "results.jsonl")
    text = invoke("report", str(folder / "run"), str(other), "--format", "md").stdout
    assert "## Runs compared" in text


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("", "no results"),
        ("hello\n", "line 1: not JSON"),
        ("[1]\n", "line 1: a row is an object"),
        ('{"board": 1}\n', "line 1: the field board must be text"),
        ('{"board": "b"}\n', "line 1: the field task is missing"),
        ("[" * 100_000 + "\n", "nested too deeply"),
        ("\xff\n", "not UTF-8"),
        ('{"board":"b","task":"maze","modality":"m","agent":"a","layout":{},"size":3}\n', "has none"),
        (
            '{"board":"b","task":"maze","modality":"m","agent":"a","layout":{},"size":true,"error":"x"}\n',
            "size",
        ),
        ('{"board":"b","task":"maze","modality":"m","agent":"a","layout":{},"size":3,"score":{}}\n', "lacks"),
    ],
)
def test_broken_rows_are_named(tmp_path, lines, reason):
    path = tmp_path / "results.jsonl"
    path.write_bytes(lines.encode("latin-1"))
    done = invoke("report", str(tmp_path), "--format", "json")
    assert done.exit_code == 1
    assert reason in done.stderr
    assert len(done.stderr) < 500


def test_a_torn_last_line_is_what_a_crash_leaves(folder):
    path = folder / "run" / "results.jsonl"
    whole = invoke("report", str(path), "--format", "csv").stdout
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"board": "b", "ta')
    assert invoke("report", str(path), "--format", "csv").stdout == whole


def test_without_a_file_tables_go_to_stdout(folder):
    run = str(folder / "run")
    assert invoke("report", run).stdout == invoke("report", run, "--format", "md").stdout != ""


def test_wrong_usage(folder):
    run = str(folder / "run")
    assert invoke("report").exit_code == 2
    assert invoke("report", str(folder / "none")).exit_code == 2
    assert "needs --out" in invoke("report", run, "--format", "html").stderr
    assert "give --format" in invoke("report", run, "--out", str(folder / "x.pdf")).stderr
    assert "given twice" in invoke("report", run, run, "--format", "md").stderr
    assert "no results.jsonl" in invoke("report", str(folder), "--format", "md").stderr.replace("\n", " ")


def test_foreign_pages_stay(folder):
    (folder / "mine.html").write_text("mine")
    done = invoke("report", str(folder / "run"), "--out", str(folder / "mine.html"))
    assert done.exit_code == 1
    assert (folder / "mine.html").read_text() == "mine"
    done = invoke("report", str(folder / "run"), "--out", str(folder / "none" / "page.html"))
    assert done.exit_code == 1
    assert sorted(os.listdir(folder)) == ["mine.html", "run"]


@pytest.mark.parametrize("kind", ["json", "csv", "md", "html"])
def test_half_characters_are_replaced(folder, kind):
    path = folder / "run" / "results.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**row, "agent": "\ud800", "theme": "\udfff"}) + "\n" for row in rows))
    done = invoke("report", str(path), "--out", str(folder / f"x.{kind}"))
    assert done.exit_code == 0, done.output
    assert (folder / f"x.{kind}").read_text(encoding="utf-8")
