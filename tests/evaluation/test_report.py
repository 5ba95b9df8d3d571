"""The page's contents, without a browser."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import io
import json
import re
import time

import numpy as np
import pytest
from evaluation.samples import HOSTILE, LAKE, RESULTS, result, run_of, stated
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vsp_gym import TASKS, FormatError, FrozenLakeLayout, UnknownNameError, VSPGymError, get_task
from vsp_gym.core import Action
from vsp_gym.evaluation.agents import AGENTS
from vsp_gym.evaluation.metrics import summarise
from vsp_gym.evaluation.report import choose_rows, is_report, locate_actions, render_report, write_report
from vsp_gym.evaluation.results import Run
from vsp_gym.evaluation.simulated import misread
from vsp_gym.evaluation.table import read_table
from vsp_gym.perception import parse_statement
from vsp_gym.plans import parse_plan
from vsp_gym.render import render_rgb
from vsp_gym.scoring import rollout
from vsp_gym.text import describe


def page_data(page: str) -> dict:
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1]
    )


def render(results, **options) -> str:
    """The page about results or runs."""
    runs = results if isinstance(results[0], Run) else [run_of(results)]
    table = read_table(runs)
    return render_report(table, summarise(table), **{"title": "t", **options})


@pytest.fixture(scope="module")
def page() -> str:
    return render(RESULTS, title="T <script>alert(1)</script> \ud800")


@pytest.fixture(scope="module")
def data(page) -> dict:
    return page_data(page)


class Elements(html.parser.HTMLParser):
    """Collects every element with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_hostile_text_stays_in_the_data(page, data):
    page.encode("utf-8")
    assert page.count("</script>") == 2
    assert "<img" not in page
    assert "<b>bold" not in page
    assert data["rows"][5]["reply"] == HOSTILE
    assert data["boards"][0]["name"] == "b"
    assert "{{" not in re.sub(r'id="data">.*?</script>', "", page, flags=re.DOTALL)


def test_page_refers_to_nothing_outside(page):
    elements = Elements()
    elements.feed(page)
    for tag, attributes in elements.found:
        for name in ("src", "href", "srcset", "action"):
            assert attributes.get(name, "#").startswith("#"), (tag, attributes)
    assert "@import" not in page
    assert "url(" not in page


def test_policy_allows_exactly_the_own_script_and_style(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        text = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def paint(data: dict, board: dict, frame: dict) -> np.ndarray:
    """The board as the page's script puts it together."""
    atlas = data["atlases"][board["atlas"]]
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(atlas["png"]))))
    cell = atlas["cell"]
    tiles = list(board["tiles"])
    for at, tile in frame["tiles"]:
        tiles[at] = tile
    picture = np.zeros((board["rows"] * cell, board["cols"] * cell, 3), np.uint8)
    for at, tile in enumerate(tiles):
        (y, x), (v, u) = divmod(at, board["cols"]), divmod(tile, atlas["columns"])
        picture[y * cell :, x * cell :][:cell, :cell] = sheet[v * cell :, u * cell :][:cell, :cell]
    return picture


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("theme", ["classic", "inverted"])
def test_every_frame_equals_the_renderer_and_the_words(name, theme):
    task = get_task(name)
    layout = task.generator.sample(np.random.default_rng(1), 6)
    results = [result(name, layout, agent.reply(task, layout)) for agent in AGENTS.values()]
    data = page_data(render(results, theme=theme))
    for row, res in zip(data["rows"], results):
        board = data["boards"][row["board"]]
        plan = tuple(Action(number) for number in row["plan"])
        states = [task.initial(layout), *(step.state for step in rollout(task, layout, plan))]
        assert len(row["frames"]) == len(states)
        for state, facing, number in zip(states, (None, *plan), row["frames"]):
            frame = board["frames"][number]
            size = data["atlases"][board["atlas"]]["cell"] * 6
            expected = render_rgb(task, layout, state, size=size, theme=theme, facing=facing)
            np.testing.assert_array_equal(paint(data, board, frame), expected)
            words = list(board["text"])
            for start, stop, lines in reversed(frame["text"]):
                words[start:stop] = lines
            assert "\n".join(words) == describe(task, layout, state).rstrip("\n")
            assert frame["agent"] == list(task.picture.agent(layout, state))
        assert row["outcome"] == res.score.outcome


def test_boards_are_shared_and_series_split_by_modality():
    rows = [result("frozen_lake", LAKE, "DDRR", modality=modality) for modality in ("image", "text", "image")]
    data = page_data(render(rows))
    assert len(data["boards"]) == 1
    assert [series["label"] for series in data["series"]] == ["model, image", "model, text"]
    assert [row["series"] for row in data["rows"]] == [0, 1, 0]
    assert [cell["series"] for cell in data["summary"]["overall"]] == [0, 1]


@pytest.mark.parametrize(
    ("task", "reply", "words"),
    [
        ("maze", "So <answer>DRD</answer>", ["D", "R", "D"]),
        ("maze", "1. Right 2. down", ["Right", "down"]),
        ("maze", "→ ↓", ["→", "↓"]),
        ("maze", "['R','D']", ["R", "D"]),
        ("mini_behaviour", "LL,PICK,DROP", []),
        ("mini_behaviour", "L,PICK,D,DROP", ["L", "PICK", "D", "DROP"]),
        ("maze", "right x 2", []),
        ("maze", "right twice", []),
    ],
)
def test_actions_are_found_in_the_reply_or_not_at_all(task, reply, words):
    task = get_task(task)
    parsed = parse_plan(reply, task)
    found = locate_actions(reply, parsed.span, parsed.actions, task)
    assert [reply[start:end] for start, end in found] == words


def test_ten_thousand_rows_stay_small_and_quick():
    task = get_task("maze")
    layouts = [task.generator.sample(np.random.default_rng(seed), 6) for seed in range(20)]
    replies = [(layout, agent.reply(task, layout)) for layout in layouts for agent in AGENTS.values()]
    rows = [result("maze", layout, reply, board=str(i)) for i, (layout, reply) in enumerate(replies)] * 100
    started = time.process_time()
    page = render(rows)
    assert len(rows) == 10_000
    assert len(page) < 8_000_000
    assert time.process_time() - started < 20


def test_a_larger_run_is_sampled_for_the_gallery_but_not_for_the_numbers():
    rows = [result("frozen_lake", LAKE, "DDRR").to_dict()] * 400
    rows += [result("frozen_lake", LAKE, "L").to_dict()] * 3 + [result("frozen_lake", LAKE, "").to_dict()] * 2
    rows = [{**row, "sample": n} for n, row in enumerate(rows)]
    table = read_table([Run("r", rows=rows)])
    chosen = choose_rows(table, 20)
    assert len(chosen) == 20
    assert set(chosen) >= set(range(400, 405))  # rare kinds of failure stay
    backwards = read_table([Run("r", rows=rows[::-1])])
    assert {404 - number for number in choose_rows(backwards, 20)} == set(chosen)
    data = page_data(render([Run("r", rows=rows)], gallery=20))
    assert (len(data["rows"]), data["plans"]) == (20, 405)
    assert data["summary"]["overall"][0]["metrics"]["replies"] == 405
    assert page_data(render([Run("r", rows=rows)], gallery=0))["rows"] == []


@pytest.mark.parametrize("name", TASKS)
def test_the_board_that_was_seen_equals_the_renderer_and_differs_where_it_is_marked(name):
    task = get_task(name)
    rng = np.random.default_rng(2)
    true = task.generator.sample(rng, 5)
    seen = misread(task, true, rng)
    data = page_data(render([result(name, true, stated(seen, name, "R"))]))
    (row,) = data["rows"]
    boards = [data["boards"][row[key]] for key in ("board", "seen")]
    size = data["atlases"][boards[0]["atlas"]]["cell"] * 5
    pictures = [paint(data, board, board["frames"][0]) for board in boards]
    for picture, layout in zip(pictures, (true, seen)):
        drawn = render_rgb(task, layout, task.initial(layout), size=size)
        np.testing.assert_array_equal(picture, drawn)
    cell = size // 5
    changed = {
        r * 5 + c
        for r in range(5)
        for c in range(5)
        if (pictures[0] != pictures[1])[r * cell :, c * cell :][:cell, :cell].any()
    }
    assert changed == set(row["differs"])
    assert row["cause"] in ("perception", "both")
    assert row["said"]


def test_a_huge_or_unreadable_board_that_was_stated_is_told_and_not_drawn():
    huge = FrozenLakeLayout(64, 64, (0, 0), (63, 63), frozenset())
    replies = [stated(huge, "frozen_lake", "R"), "Size: 3 x 3 <answer>R</answer>"]
    rows = page_data(render([result("frozen_lake", LAKE, reply) for reply in replies]))["rows"]
    assert rows[0]["said"][0] == ["Size: 3 x 3", "Size: 64 x 64"]
    assert "seen" not in rows[0]
    assert rows[1]["unclear"] == parse_statement("frozen_lake", replies[1]).reason


def test_a_row_with_impossible_actions_is_refused():
    row = {**result("frozen_lake", LAKE, "R").to_dict(), "actions": [17]}
    with pytest.raises(FormatError, match="17"):
        render([Run("r", rows=[row])])


def test_a_large_board_gets_smaller_tiles_of_its_own():
    task = get_task("maze")
    layouts = [task.generator.sample(np.random.default_rng(0), size) for size in (4, 8, 64)]
    data = page_data(render([result("maze", layout, "R") for layout in layouts]))
    assert [atlas["cell"] for atlas in data["atlases"]] == [96, 15]


def test_page_is_known_again_and_replaced_whole(tmp_path):
    path = tmp_path / "report.html"
    write_report([run_of(RESULTS)], path)
    assert is_report(path)
    before = path.read_bytes()
    with pytest.raises(UnknownNameError, match="unknown theme"):
        write_report([run_of(RESULTS)], path, theme="clasic")
    assert path.read_bytes() == before
    path.write_text("<html>mine</html>")
    assert not is_report(path)


JUNK = st.one_of(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    st.lists(st.integers(), max_size=2) | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
ROW = {
    **result("frozen_lake", LAKE, stated(LAKE, "frozen_lake", "DDRR")).to_dict(),
    "attribution": {"saw": "right", "cause": None},
    "actions": [1, 1, 2, 2],
    "sample": 0,
    "latency": 1.0,
    "theme": None,
    "question": None,
    "error": None,
}
PLACES = [(name,) for name in ROW] + [
    (name, inner) for name in ("score", "layout", "attribution") for inner in ROW[name]
]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(PLACES), JUNK)
def test_whatever_stands_in_a_row_there_is_a_page_or_a_reason(tmp_path_factory, place, junk):
    row = json.loads(json.dumps(ROW))
    inner = row if len(place) == 1 else row[place[0]]
    inner[place[-1]] = junk
    path = tmp_path_factory.mktemp("junk") / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    try:
        assert render([Run("r", path)])
    except VSPGymError as error:
        assert len(str(error)) < 1000


def test_nothing_to_report(tmp_path):
    with pytest.raises(VSPGymError, match="no results"):
        write_report([Run("empty")], tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []
