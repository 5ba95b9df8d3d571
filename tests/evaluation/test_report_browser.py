"""The report in headless Chromium, with real clicks and keys, on replies that are awkward or hostile.

Skipped where selenium, Chromium or its driver are missing; `VSP_GYM_REQUIRE_BROWSER=1` makes that a
failure. `VSP_GYM_SCREENSHOTS=DIR` keeps screenshots.
"""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from evaluation.samples import HOSTILE, LAKE, MAZE, RESULTS, result, run_of, stated
from PIL import Image

from vsp_gym import FrozenLakeLayout, get_task
from vsp_gym.core import Action
from vsp_gym.evaluation.pictures import CELL
from vsp_gym.evaluation.report import write_report
from vsp_gym.planning import shortest_plan
from vsp_gym.plans import format_plan
from vsp_gym.render import render_rgb
from vsp_gym.scoring import rollout

TITLE = "A title with <b>markup</b>"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
SELENIUM = importlib.util.find_spec("selenium")
MISSING = [
    name
    for name, found in (("selenium", SELENIUM), ("Chromium", CHROMIUM), ("chromedriver", DRIVER))
    if not found
]
ARGUMENTS = """--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run
--hide-scrollbars --disable-background-networking --disable-component-update --disable-sync""".split()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if MISSING:
        stop = pytest.fail if os.environ.get("VSP_GYM_REQUIRE_BROWSER") == "1" else pytest.skip
        stop(f"needs {', '.join(MISSING)}")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report([run_of(RESULTS)], path, title=TITLE)
    return path.as_uri()


@pytest.fixture
def report(browser, address):
    """The page, freshly loaded; in no test may it complain or ask for anything but itself."""
    view(browser, 1280, 900)
    browser.get("about:blank")
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # forgets what came before
    load(browser, address)
    yield browser
    assert browser.get_log("browser") == []
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = {e["params"]["request"]["url"] for e in asked if e["method"] == "Network.requestWillBeSent"}
    assert {url for url in urls if not url.startswith(("data:", "about:"))} <= {address}


LAKES = [
    FrozenLakeLayout(3, 3, (0, 0), (2, 2), frozenset(holes))
    for holes in ({(1, 0)}, {(1, 1)}, {(0, 2)}, {(1, 1), (0, 2)}, {(1, 2)}, {(0, 1)})
]
"""Each has a way; the first differs from the others in its hole at the left."""


@pytest.fixture(scope="module")
def gap_address(tmp_path_factory) -> str:
    """A page about two runs, each with pictures and words, with failures of every cause."""
    rows = []
    for lake in LAKES:
        way = format_plan(shortest_plan(get_task("frozen_lake"), lake), get_task("frozen_lake"))
        rows.append(result("frozen_lake", lake, stated(lake, "frozen_lake", way), modality="text"))
        rows.append(result("frozen_lake", lake, stated(LAKES[1], "frozen_lake", "DDRR"), modality="image"))
    rows.append(result("frozen_lake", LAKES[0], stated(LAKES[0], "frozen_lake", "DDRR"), modality="image"))
    rows.append(result("frozen_lake", LAKES[0], stated(LAKES[1], "frozen_lake", "DR"), modality="image"))
    rows.append(result("frozen_lake", LAKES[0], f"{HOSTILE[:-3]} <answer>D</answer>", modality="image"))
    after = [result("frozen_lake", row.layout, "", modality=row.modality) for row in rows[:6]]
    rows.append(result("maze", MAZE, "<answer>RD</answer>", modality="image"))
    path = tmp_path_factory.mktemp("report") / "gap.html"
    write_report([run_of(rows, HOSTILE.replace("\ud800", "")), run_of(after, "after")], path, title=TITLE)
    return path.as_uri()


@pytest.fixture
def gap(browser, gap_address):
    """That page, freshly loaded; it may not complain either."""
    view(browser, 1280, 900)
    browser.get("about:blank")
    browser.get_log("browser")
    load(browser, gap_address)
    yield browser
    assert browser.get_log("browser") == []
    assert browser.title == TITLE


def load(browser, address: str) -> None:
    browser.get("about:blank")
    browser.get(address)
    wait(browser, "document.documentElement.dataset.ready === 'yes'")


def view(browser, width: int, height: int, scheme: str = "light") -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def run(browser, expression: str):
    """The value of a JavaScript expression."""
    return browser.execute_script(f"return {expression}")


def wait(browser, condition: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 20, poll_frequency=0.05).until(lambda b: run(b, condition))


def text(browser, css: str) -> str:
    return run(browser, f"document.querySelector({json.dumps(css)}).textContent")


def count(browser, css: str) -> int:
    return len(browser.find_elements("css selector", css))


def click(browser, css: str) -> None:
    browser.find_element("css selector", css).click()


def write(browser, css: str, *keys: str) -> None:
    browser.find_element("css selector", css).send_keys(*keys)


def press(browser, *keys: str) -> None:
    """Press keys, by their names in `Keys` or as characters, wherever the focus is."""
    from selenium.webdriver import ActionChains, Keys

    ActionChains(browser).send_keys(*(getattr(Keys, key, key) for key in keys)).perform()


def choose(browser, field: str, label: str) -> None:
    from selenium.webdriver.support.ui import Select

    select = browser.find_element("css selector", f"#filters [name={field}]")
    Select(select).select_by_visible_text(label)


def open_row(browser, number: int) -> None:
    click(browser, f'#cards [data-row="{number}"]')
    wait(browser, "document.getElementById('player').open")


def shown_rows(browser) -> list[int]:
    return run(browser, "[...document.querySelectorAll('#cards .card')].map((c) => Number(c.dataset.row))")


def keep_picture(browser, name: str) -> None:
    if folder := os.environ.get("VSP_GYM_SCREENSHOTS"):
        browser.save_screenshot(str(Path(folder, f"{name}.png")))


def test_hostile_replies_and_names_are_only_text(report):
    assert report.title == text(report, "#title") == TITLE
    assert count(report, "#title b, #cards b b, #cards img, main script") == 0
    assert count(report, "#matrix tbody tr") == count(report, "#outcome-bars .ending") == 6
    assert count(report, "#charts figure") == 2
    assert shown_rows(report) == list(range(len(RESULTS)))
    open_row(report, 5)
    # JSON carries the lone surrogate, which the driver's protocol cannot.
    assert json.loads(run(report, "JSON.stringify(document.getElementById('reply').textContent)")) == HOSTILE
    assert report.title == TITLE


def test_filters_narrow_the_gallery(report):
    choose(report, "task", "Maze")
    assert text(report, "#count") == "2 replies of 8"
    choose(report, "outcome", "illegal move")
    assert shown_rows(report) == [7]
    click(report, "#filters button[type=reset]")
    assert shown_rows(report) == list(range(len(RESULTS)))
    write(report, "#filters [name=text]", "2. down")
    assert text(report, "#count") == "1 reply of 8"
    write(report, "#filters [name=text]", " nowhere")
    assert "No reply matches" in text(report, "#count")


def test_a_part_of_a_bar_filters_the_gallery(report):
    click(report, '#outcome-bars button[aria-label^="falls: failure"]')
    assert shown_rows(report) == [2]
    assert run(report, "document.querySelector('#filters [name=outcome]').value") == "failure"


def test_curves_change_with_the_measure_and_show_one_agent(report):
    first = run(report, "document.getElementById('charts').innerHTML")
    click(report, "#measure label:last-of-type")
    assert run(report, "document.getElementById('charts').innerHTML") != first
    assert "distance" in text(report, "#measure-about")
    click(report, "#series button")
    assert count(report, "#charts .series.hot") == 2


def test_keys_replay_a_plan(report):
    open_row(report, 1)  # its reply begins with an emoji: offsets differ between Python and JavaScript
    assert text(report, "#status") == "Start. 4 actions planned."
    press(report, "ARROW_RIGHT", "ARROW_RIGHT", "ARROW_RIGHT")
    assert text(report, "#status") == "Step 3 of 4: RIGHT."
    assert text(report, "#reply mark.now") == "R"
    assert "Agent: (2, 1)" in text(report, "#state")
    press(report, "ARROW_LEFT")
    assert "Agent: (2, 0)" in text(report, "#state")
    press(report, "END")
    assert text(report, "#status") == "Step 4 of 4: LEFT. The plan ends here."
    press(report, "ARROW_RIGHT", "HOME")  # nothing lies beyond the end, and the keys still work
    assert text(report, "#status").startswith("Start.")
    press(report, "w")
    assert count(report, "#board svg") == 0
    press(report, "j")
    assert text(report, "#player-title") == "FrozenLake 3×3, falls"
    press(report, "k", "k")
    assert text(report, "#player-title") == "FrozenLake 3×3, good"
    press(report, "ESCAPE")
    wait(report, "!document.getElementById('player').open")
    assert run(report, "document.activeElement.dataset.row") == "1"


def test_keys_work_on_after_a_button_reached_the_end(report):
    open_row(report, 2)
    click(report, "#next")
    click(report, "#next")
    assert text(report, "#status") == "Step 2 of 2: DOWN. The agent fell into a hole."
    press(report, "ARROW_LEFT")
    assert text(report, "#status").startswith("Step 1 of 2")


def test_the_action_that_ends_a_plan_is_marked(report):
    open_row(report, 3)  # RLLL leaves the board at its third action
    press(report, "END")
    assert text(report, "#status") == "Step 3 of 4: LEFT. Illegal: out of bounds."
    assert text(report, "#reply mark.bad") == "L"
    classes = run(report, "[...document.querySelectorAll('#plan li')].map((li) => li.className)")
    assert classes == ["", "", "bad", "untaken"]
    assert text(report, "#verdict").startswith(RESULTS[3].score.explanation)
    keep_picture(report, "violation")
    press(report, "ESCAPE")
    open_row(report, 2)
    press(report, "END")
    assert text(report, "#reply mark.fell") == "Down"


def test_space_plays_to_the_end_and_pauses(report):
    label = "document.getElementById('play').getAttribute('aria-label')"
    open_row(report, 0)
    press(report, " ")
    assert run(report, label) == "Pause"
    press(report, " ")
    assert run(report, label) == "Play"
    assert text(report, "#status").startswith(("Step 1 of 4", "Step 2 of 4"))
    click(report, "#play")
    wait(report, "document.getElementById('status').textContent === 'Step 4 of 4: RIGHT. Done.'")
    assert run(report, label) == "Play"


def test_scrubbing_buttons_and_the_shortest_plan(report):
    open_row(report, 4)
    assert text(report, "#reply") == "(the reply is empty)"
    assert text(report, "#status") == "The reply holds no plan to replay."
    click(report, "#which label:last-of-type")
    assert text(report, "#status") == "Start. 4 actions needed."
    run(report, "document.getElementById('scrub').focus()")
    press(report, "ARROW_RIGHT")
    assert text(report, "#status").startswith("Step 1 of 4")
    click(report, "#plan li:nth-child(3) button")
    assert text(report, "#status").startswith("Step 3 of 4")
    for button, step in (("#back", 2), ("#next", 3)):
        click(report, button)
        assert text(report, "#status").startswith(f"Step {step} of 4")
    click(report, "#first")
    assert text(report, "#status").startswith("Start")


def test_every_step_equals_the_renderer_pixel_by_pixel(report):
    task = get_task("frozen_lake")
    plan = (Action.DOWN, Action.DOWN, Action.RIGHT, Action.RIGHT)
    states = [LAKE.start, *(step.state for step in rollout(task, LAKE, plan))]
    open_row(report, 0)
    for state, facing in zip(states, (None, *plan)):
        url = run(report, "document.querySelector('#board canvas').toDataURL('image/png')")
        picture = Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB")
        drawn = render_rgb(task, LAKE, state, size=3 * CELL, facing=facing)
        np.testing.assert_array_equal(np.asarray(picture), drawn)
        press(report, "ARROW_RIGHT")


def test_a_link_opens_its_reply(browser, address):
    load(browser, f"{address}#reply-7")
    assert run(browser, "document.getElementById('player').open")
    assert text(browser, "#player-title") == "Maze 2×2, off"
    load(browser, f"{address}#reply-99")
    assert not run(browser, "document.getElementById('player').open")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_until_they_are_chosen(report, scheme):
    view(report, 1280, 900, scheme)
    wait(report, f"document.documentElement.dataset.scheme === '{scheme}'")
    colours = []
    for _ in range(4):  # as the system, light, dark, as the system again
        colours.append(run(report, "getComputedStyle(document.body).backgroundColor"))
        click(report, "#scheme")
    run(report, "localStorage.clear()")
    light, dark = "rgb(255, 255, 255)", "rgb(19, 20, 22)"
    assert colours == [{"light": light, "dark": dark}[scheme], light, dark, colours[0]]


@pytest.mark.parametrize("width", [360, 768, 1600])
def test_page_and_replays_fit_any_width(report, width):
    view(report, width, 900)
    assert run(report, "document.documentElement.scrollWidth <= innerWidth")
    keep_picture(report, f"page-{width}")
    open_row(report, 3)
    assert run(report, "document.documentElement.scrollWidth <= innerWidth")
    assert run(report, "(({ scrollWidth, clientWidth }) => scrollWidth <= clientWidth)(player)")
    keep_picture(report, f"replay-{width}")


def test_tab_skips_to_the_gallery_and_stays_in_the_replay(report):
    press(report, "TAB")
    assert run(report, "document.activeElement.textContent") == "Skip to the gallery"
    open_row(report, 0)
    reached = set()
    for _ in range(25):
        press(report, "TAB")
        inside = "document.activeElement === document.body || player.contains(document.activeElement)"
        assert run(report, inside)
        reached.add(run(report, "document.activeElement.id"))
    assert {"play", "scrub", "trail", "reply", "state", "close"} <= reached


def test_every_control_has_a_name(report):
    open_row(report, 0)
    unnamed = run(
        report,
        """[...document.querySelectorAll("button, input, select, dialog, [role=img], [role=region]")]
        .filter((e) => !(e.getAttribute("aria-label") || e.getAttribute("aria-labelledby")
            || e.textContent.trim() || e.closest("label")?.textContent.trim()))
        .map((e) => e.outerHTML)""",
    )
    assert unnamed == []


def shown(browser, css: str) -> list[str]:
    """The text of every element that is to be seen."""
    return [element.text for element in browser.find_elements("css selector", css) if element.is_displayed()]


def test_the_gap_its_causes_and_the_comparison_are_drawn_and_markup_stays_text(gap):
    assert len(shown(gap, "#gap .dumbbell:not(.axis)")) == 2
    assert "points" in shown(gap, "#gap .points b")[0]
    assert "McNemar" in text(gap, "#gap-test") or "bootstrap" in text(gap, "#gap-test")
    assert len(shown(gap, "#compare .dumbbell:not(.axis)")) == 2
    assert "against" in text(gap, "#compare-rows")
    click(gap, "#compare-task label:last-of-type")
    assert "no boards of this task in common" in text(gap, "#compare-rows")
    assert {"perception", "reasoning", "both"} <= {
        label.split("\n")[0] for label in shown(gap, "#cause-legend > span")
    }
    assert len(shown(gap, "#examples .example")) == 3
    assert any("pictures" in sentence for sentence in shown(gap, "#findings li"))
    assert count(gap, "main img, main script, #findings b, #compare-rows img") == 0
    assert shown(gap, "nav a") == ["Gap", "Causes", "Results", "Sizes", "Runs", "Gallery"]
    keep_picture(gap, "gap")


def test_sections_without_numbers_are_not_there(report):
    assert shown(report, "#gap, #compare, #questions, #samples, #cost") == []
    assert "Gap" not in shown(report, "nav a")


def test_a_cause_filters_the_gallery_and_is_a_filter(gap):
    click(gap, '#cause-bars button[aria-label*=": perception,"]')
    causes = run(gap, "[...document.querySelectorAll('#cards .card')].map((c) => c.textContent)")
    assert causes
    assert all("perception" in cause for cause in causes)
    assert run(gap, "document.activeElement.id") == "count"
    click(gap, "#filters button[type=reset]")
    choose(gap, "cause", "reasoning")
    assert text(gap, "#count").startswith("1 reply of")


def test_what_was_seen_is_replayed_beside_the_board_to_its_own_end(gap):
    click(gap, '#cause-bars button[aria-label*=": perception,"]')
    click(gap, "#cards .card")
    wait(gap, "document.getElementById('player').open")
    assert gap.find_element("id", "seen").is_displayed()
    assert count(gap, "#board .differs") == count(gap, "#seen .differs") > 0
    assert "Holes" in text(gap, "#misread-table")
    press(gap, "END")
    assert "on the board that it saw" in text(gap, "#status")
    seen = "document.querySelector('#seen canvas').getAttribute('aria-label')"
    assert run(gap, seen) == "What it saw, after step 4"
    press(gap, "HOME", "ARROW_RIGHT")
    assert run(gap, seen) == "What it saw, after step 1"
    keep_picture(gap, "seen")
    url = run(gap, "document.querySelector('#seen canvas').toDataURL('image/png')")
    picture = Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB")
    drawn = render_rgb(get_task("frozen_lake"), LAKES[1], (1, 0), size=3 * CELL, facing=Action.DOWN)
    np.testing.assert_array_equal(np.asarray(picture), drawn)
    click(gap, "#which label:last-of-type")
    press(gap, "END")
    assert run(gap, seen) == "What it saw, after step 0"


def test_a_right_reading_has_no_second_board(gap):
    choose(gap, "cause", "reasoning")
    click(gap, "#cards .card")
    wait(gap, "document.getElementById('player').open")
    assert not gap.find_element("id", "seen").is_displayed()
    assert not gap.find_element("id", "misread").is_displayed()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1600])
def test_gap_and_seen_boards_fit_any_width(gap, width, scheme):
    view(gap, width, 900, scheme)
    assert run(gap, "document.documentElement.scrollWidth <= innerWidth")
    keep_picture(gap, f"gap-{width}-{scheme}")
    click(gap, '#cause-bars button[aria-label*=": perception,"]')
    click(gap, "#cards .card")
    wait(gap, "document.getElementById('player').open")
    assert run(gap, "(({ scrollWidth, clientWidth }) => scrollWidth <= clientWidth)(player)")
    keep_picture(gap, f"seen-{width}-{scheme}")
