"""The demo's report in a browser, from a file."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from vsp_gym import TASKS
from vsp_gym.cli import main
from vsp_gym.evaluation.agents import AGENTS
from vsp_gym.render import render_rgb

REPLAY = "document.querySelector('#status').textContent"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    finished = CliRunner().invoke(
        main, ["demo", "--out", str(folder), "--boards", "2"], catch_exceptions=False
    )
    assert finished.exit_code == 0, finished.output
    return folder


@pytest.fixture
def report(page: Any, demo: Path) -> Any:
    page.open(demo / "report.html")
    return page


def results(demo: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (demo / "results.jsonl").read_text(encoding="utf-8").splitlines()]


def first_with(demo: Path, outcome: str) -> int:
    return next(i for i, row in enumerate(results(demo)) if row["score"]["outcome"] == outcome)


def test_loads_alone_and_without_complaints(report: Any, demo: Path) -> None:
    assert report.complaints == []
    assert {address.split(":")[0] for address in report.requests} <= {"file", "data"}
    assert [a for a in report.requests if a.startswith("file")] == [(demo / "report.html").as_uri()]


def test_shows_every_agent_and_reply(report: Any, demo: Path) -> None:
    rows = results(demo)
    agents = report.run(
        "[...document.querySelectorAll('#matrix tbody th')].map((th) => th.firstChild.textContent)"
    )
    assert sorted(agents) == sorted(AGENTS)
    assert report.run("document.querySelector('#count').textContent") == f"{len(rows)} replies of {len(rows)}"
    report.run("document.querySelector('#filters [name=outcome]').value = 'success'")
    report.run("document.querySelector('#filters [name=outcome]').dispatchEvent(new Event('change'))")
    solved = sum(row["score"]["success"] for row in rows)
    assert report.run("document.querySelector('#count').textContent").startswith(f"{solved} ")


@pytest.mark.parametrize(
    ("outcome", "ending"),
    [
        ("success", "Done."),
        ("violation", "Illegal:"),
        ("unfinished", "The plan ends here."),
        ("failure", "The agent "),
    ],
)
def test_replays_to_the_end(report: Any, demo: Path, outcome: str, ending: str) -> None:
    index = first_with(demo, outcome)
    row = results(demo)[index]
    report.run(f"location.hash = '#reply-{index}'")
    report.call("Page.reload")
    report.wait("document.querySelector('#player').open")
    assert report.run("document.querySelector('#verdict').textContent") == row["score"]["explanation"]
    assert report.run(REPLAY).startswith("Start.")
    report.press("ArrowRight")
    assert report.run(REPLAY).startswith("Step 1 of ")
    report.press("End")
    assert f"Step {row['score']['steps']} of " in report.run(REPLAY)
    assert ending in report.run(REPLAY)
    report.run("document.querySelector('#close').click()")
    assert not report.run("document.querySelector('#player').open")
    assert report.complaints == []


def test_draws_the_pixels_of_the_renderer(report: Any, demo: Path) -> None:
    for task in TASKS.values():
        index, row = next((i, r) for i, r in enumerate(results(demo)) if r["task"] == task.name)
        report.run(f"location.hash = '#reply-{index}'")
        report.call("Page.reload")
        report.wait("document.querySelector('#board canvas')")
        address = report.run("document.querySelector('#board canvas').toDataURL('image/png')")
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))).convert("RGB"))
        layout = task.layout_type.from_dict(row["layout"])
        drawn = render_rgb(task, layout, task.initial(layout), size=max(shown.shape[:2]))
        assert np.array_equal(shown, drawn), task.title
        report.run("document.querySelector('#close').click()")


@pytest.mark.parametrize("width", [360, 1280])
def test_fits_the_window(page: Any, demo: Path, width: int) -> None:
    page.open(demo / "report.html", width=width)
    assert page.run("document.documentElement.scrollWidth") <= width
    picture = np.asarray(Image.open(io.BytesIO(page.screenshot())))
    assert picture.shape[1] == width
    assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 10
