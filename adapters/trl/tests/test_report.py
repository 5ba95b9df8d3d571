"""Curves and pages: what is drawn, and that nothing a model wrote can act."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

from vsp_gym_trl.report import Chart, Example, curves, draw_chart, draw_charts, write_curves, write_report

HISTORY = [
    {"step": 1, "loss": "2.0", "replay/perception": 1.0, "divergence": 0.5, "tokens_per_second": 100.0},
    {"step": 2, "loss": 1.0, "replay/perception": 0.5, "divergence": 0.25, "reward": 0.1},
    {"step": 2, "eval_image-plan": 0.4, "eval_perception": 0.9, "eval_perception_cut": 0.1},
    {"train_runtime": 3.0},
]


def test_a_history_becomes_charts() -> None:
    charts = {chart.title.split(" ")[0]: chart for chart in curves(HISTORY)}
    assert set(charts) == {"Loss", "Divergence", "Held-out", "Sampled", "Tokens"}
    assert charts["Loss"].lines == {
        "loss": [(1.0, 2.0), (2.0, 1.0)],
        "replay/perception": [(1.0, 1.0), (2.0, 0.5)],
    }
    assert set(charts["Held-out"].lines) == {"image-plan", "perception"}
    assert charts["Held-out"].percent


def test_charts_are_valid_svg_with_every_line_inside_the_frame() -> None:
    chart = Chart("a <b> & c", {"x": [(0, -1.0), (5, 3.0), (9, float("nan"))], "<y>": [(2, 0.0)]})
    root = ET.fromstring(draw_chart(chart))
    lines = [node for node in root.iter() if node.tag.endswith("polyline")]
    assert len(lines) == 2
    for line in lines:
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 520
            assert 0 <= y <= 240
    ET.fromstring(draw_charts([chart, chart]))
    assert draw_chart(Chart("empty", {"x": []})) == ""


def test_a_page_escapes_what_a_model_wrote(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    path = tmp_path / "report.html"
    write_report(
        path,
        evil,
        story=[evil],
        table=[["", evil], [evil, "1"]],
        charts=[Chart(evil, {evil: [(0, 0.0)]})],
        examples=[Example(b"\x89PNG", {evil: (evil, evil, False)})],
    )
    seen: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.append(tag)
            assert not any(name.startswith("on") for name, _ in attrs)

    Parser().feed(path.read_text())
    assert "script" not in seen
    assert seen.count("img") == 1
    assert "http" not in path.read_text().replace("http://www.w3.org/2000/svg", "")


def test_a_run_leaves_a_picture_and_a_page(tmp_path: Path) -> None:
    write_curves(tmp_path, HISTORY, "A run")
    ET.parse(tmp_path / "curves.svg")
    assert "A run" in (tmp_path / "report.html").read_text()
