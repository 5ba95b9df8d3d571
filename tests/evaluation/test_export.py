"""Numbers for papers: the page's, in other forms, whatever names and replies hold."""

from __future__ import annotations

import csv
import io
import json

import pytest
from evaluation.samples import HOSTILE, LAKE, RESULTS, result, run_of, stated

from vsp_gym import FrozenLakeLayout
from vsp_gym.evaluation.export import CSV_FIELDS, to_csv, to_json, to_markdown
from vsp_gym.evaluation.findings import findings
from vsp_gym.evaluation.metrics import summarise
from vsp_gym.evaluation.results import Run

SEEN = FrozenLakeLayout(3, 3, (0, 0), (2, 2), frozenset({(1, 0)}))


@pytest.fixture(scope="module")
def summary():
    replies = {"text": "DDRR", "image": "RRDD"}
    rows = [
        result("frozen_lake", LAKE, stated(LAKE, "frozen_lake", plan), modality=m)
        for m, plan in replies.items()
    ]
    rows.append(result("frozen_lake", SEEN, stated(LAKE, "frozen_lake", "DDRR"), modality="image"))
    rows.append(result("frozen_lake", SEEN, stated(SEEN, "frozen_lake", "RRDD"), modality="text"))
    return summarise([run_of(rows, "one"), run_of(rows + RESULTS, "two")])


def test_json_and_csv_hold_the_same_numbers(summary):
    data = json.loads(to_json(summary))
    lines = list(csv.DictReader(io.StringIO(to_csv(summary))))
    assert tuple(lines[0]) == CSV_FIELDS
    for cell in data["overall"]:
        one = data["series"][cell["series"]]
        (line,) = (
            x
            for x in lines
            if (x["scope"], x["metric"], x["run"], x["agent"].lstrip("'"), x["modality"])
            == ("overall", "success", one["run"], one["agent"], one["modality"])
        )
        success = cell["metrics"]["success"]
        assert float(line["value"]) == success["value"]
        assert line["low"] == ("" if success["low"] is None else str(success["low"]))
        assert int(line["n"]) == cell["metrics"]["replies"]
    gaps = [x for x in lines if x["scope"] == "gap" and x["metric"] == "difference"]
    assert [float(x["value"]) for x in gaps] == [
        part["difference"]["value"] for gap in data["gaps"] for part in gap["parts"]
    ]


def test_markdown_has_the_tables(summary):
    text = to_markdown(summary, "A title")
    for heading in ("# A title", "## Success", "## Causes of failure", "## Gap between", "## Runs compared"):
        assert heading in text
    assert "| floor |" in text
    widths = [
        {line.count(" | ") for line in block.splitlines()} for block in text.split("\n\n") if block[:1] == "|"
    ]
    assert all(len(width) == 1 for width in widths)


def test_names_cannot_break_out_of_tables():
    rows = [result("frozen_lake", LAKE, "R", agent=f"=cmd|x\n{HOSTILE}")]
    summary = summarise(run_of(rows))
    text = to_markdown(summary, "<b>|x")
    assert "<script" not in text
    assert "<b>" not in text
    assert "\\|x" in text
    lines = list(csv.DictReader(io.StringIO(to_csv(summary))))
    assert {line["agent"][:2] for line in lines if line["scope"] == "overall"} == {"'="}


def test_findings_say_the_gap_its_cause_the_floor_and_what_is_missing(summary):
    said = " ".join(findings(summary))
    assert "solves 100% of the boards in words and 50% in pictures" in said
    assert "two" in said
    assert "baseline" in said
    missing = {**RESULTS[0].to_dict(), "score": None, "error": "gone"}
    (alone,) = [
        s for s in findings(summarise(Run("r", rows=[missing, RESULTS[0].to_dict()]))) if "no reply" in s
    ]
    assert alone.startswith("1 of 2 requests")
