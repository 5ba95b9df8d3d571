"""Themes: every task in every look, the words that go with it, and themes from untrusted folders."""

from __future__ import annotations

import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vsp_gym import TASKS, Action, FormatError, UnknownNameError, VSPGymError
from vsp_gym.core import MOVES
from vsp_gym.render import (
    ROLES,
    SHAPES,
    THEMES,
    Look,
    Theme,
    get_theme,
    legend,
    load_theme,
    register_theme,
    render_png,
    render_rgb,
    themefile,
)
from vsp_gym.render.canvas import Canvas

ALL_THEMES = ("blueprint", "classic", "default", "high-contrast", "inverted")


def test_the_themes_that_are_promised() -> None:
    assert set(ALL_THEMES) <= set(THEMES)


@pytest.mark.parametrize("name", ALL_THEMES)
def test_a_legend_has_one_description_for_each_meaning(task: Any, name: str) -> None:
    entries = legend(task, name)
    words = [words for words, _ in entries]
    assert len(set(words)) == len(words)
    assert [meaning for _, meaning in entries] == list(task.picture.meanings.values())


def test_legends_of_classic() -> None:
    assert dict(legend(TASKS["maze"]))["a yellow dot"] == "the agent"
    assert dict(legend(TASKS["mini_behaviour"]))["a red triangle"].startswith("the agent")
    assert dict(legend(TASKS["frozen_lake"]))["a red present"] == "the goal"


@pytest.mark.parametrize("name", ALL_THEMES)
def test_themes_look_different(task: Any, board: Any, name: str) -> None:
    others = [render_rgb(task, board, theme=other) for other in ALL_THEMES if other != name]
    assert not any(np.array_equal(render_rgb(task, board, theme=name), other) for other in others)


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_every_shape_draws_something_in_the_middle_of_its_cell(shape: str) -> None:
    look = Look(shape, (200, 0, 0), "a shape", 0.6, (0, 200, 0), (0, 0, 200))
    for facing in (None, *MOVES):
        canvas = Canvas(40, 40, (255, 255, 255))
        look.draw(canvas, facing)
        drawn = (canvas.pixels != 255).any(-1)
        assert drawn[6:34, 6:34].sum() > 40
        assert not drawn[[0, -1]].any()


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'inverted'"):
        get_theme("inverte")
    with pytest.raises(UnknownNameError, match="shape"):
        Look("blob", (0, 0, 0), "a blob")
    with pytest.raises(UnknownNameError, match="role"):
        get_theme("classic").look("dragon")
    with pytest.raises(VSPGymError, match="no look for grid"):
        Theme("bare", {"floor": get_theme("classic").look("floor")})


def test_a_registered_theme_is_found_by_name(monkeypatch: pytest.MonkeyPatch, task: Any, board: Any) -> None:
    monkeypatch.setattr("vsp_gym.render.themes.THEMES", dict(THEMES))
    roles = {role: Look("plain", (7, 7, i), f"look {i}") for i, role in enumerate(ROLES)}
    theme = register_theme(Theme("mine", roles))
    assert get_theme("mine") is theme is get_theme(theme)
    assert set(render_rgb(task, board, theme="mine").reshape(-1, 3)[:, 0].tolist()) == {7}


def test_a_theme_that_varies_another_keeps_what_tasks_do_in_that_one(lake: Any) -> None:
    agent = Look("dot", (1, 2, 3), "a black dot")
    theme = Theme("varied", {"agent": agent}, base=get_theme("classic"))
    ours, classic = dict(legend(TASKS["frozen_lake"], theme)), dict(legend(TASKS["frozen_lake"]))
    assert ours.pop("a black dot") == classic.pop("an elf in green")
    assert ours == classic


# ---------------------------------------------------------------------------------------------
# Folders.


def sprite(path: Path, color: tuple[int, int, int] = (250, 10, 20), side: int = 32) -> None:
    Image.new("RGBA", (side, side), (*color, 255)).save(path)


def write(folder: Path, data: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "theme.json").write_text(data if isinstance(data, str) else json.dumps(data))
    return folder


def agent(**look: Any) -> dict[str, Any]:
    return {"name": "pirates", "roles": {"agent": {"words": "a pirate", **look}}}


def test_a_folder_of_sprites(tmp_path: Path, lake: Any) -> None:
    folder = write(
        tmp_path / "pirates",
        {
            "name": "pirates",
            "base": "classic",
            "roles": {
                "agent": {
                    "words": "a pirate",
                    "sprite": "me.png",
                    "size": 0.5,
                    "facing": {"left": "left.png"},
                },
                "floor": {"words": "a blue cell", "shape": "plain", "color": "#2060a0"},
            },
            "tasks": {"frozen_lake": {"hazard": {"words": "a whirlpool", "sprite": "whirl.png"}}},
        },
    )
    for name, color in (("me", (250, 10, 20)), ("left", (10, 250, 20)), ("whirl", (20, 10, 250))):
        sprite(folder / f"{name}.png", color)
    theme = load_theme(folder)
    task = TASKS["frozen_lake"]
    picture = render_rgb(task, lake, theme=theme)
    assert picture[32, 32].tolist() == [250, 10, 20]
    assert picture[4, 32].tolist() == [32, 96, 160]
    assert picture[96, 96].tolist() == [20, 10, 250]
    left = render_rgb(task, lake, theme=theme, facing=Action.LEFT)
    assert left[32, 32].tolist() == [10, 250, 20]
    pictures = {render_rgb(task, lake, theme=theme, facing=facing).tobytes() for facing in (None, *MOVES)}
    assert len(pictures) == 5
    words = [words for words, _ in legend(task, theme)]
    assert {"a pirate", "a whirlpool", "a blue cell"} <= set(words)
    assert "a whirlpool" not in [words for words, _ in legend(TASKS["maze"], theme)]
    assert render_png(task, lake, theme=theme)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "must be an object"),
        ("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "not JSON"),
        ({}, "name must be"),
        ({"name": "../x"}, "name must be"),
        ({"name": "x", "colour": 1}, "unknown fields"),
        ({"name": "x", "roles": []}, "roles must be an object"),
        ({"name": "x", "roles": {"dragon": {}}}, "unknown fields"),
        (
            {"name": "x", "tasks": {"frozenlak": {}}},
            "tasks: unknown task 'frozenlak'.*Did you mean 'frozen_lake'",
        ),
        ({"name": "x", "tasks": {"maze": {"gaol": {"words": "x"}}}}, "tasks.maze has unknown fields .'gaol'"),
        ({"name": "x", "tasks": {"maze": 3}}, "tasks.maze must be an object"),
        (agent(), "shape must be one of"),
        (agent(shape="blob", color="#000000"), "shape must be one of"),
        (agent(shape=["dot"], color="#000000"), "shape must be one of"),
        (agent(shape="dot"), "lacks color"),
        (agent(shape="dot", color="red"), "a colour like"),
        (agent(shape="dot", color="#00000g"), "a colour like"),
        (agent(shape="dot", color="#000000", size=0), "size must be"),
        (agent(shape="dot", color="#000000", size=float("nan")), "size must be"),
        (agent(shape="dot", color="#000000", size=True), "size must be"),
        (agent(shape="dot", color="#000000", facing={}), "facing is for sprites"),
        (agent(shape="dot", sprite="a.png"), "both shape and sprite"),
        (agent(sprite="missing.png"), "missing.png is no readable PNG"),
        (agent(sprite="../secret.png"), "name of a .png file"),
        (agent(sprite="/etc/passwd"), "name of a .png file"),
        (agent(sprite="a\x00.png"), "name of a .png file"),
        (agent(sprite="theme.json"), "name of a .png file"),
        (agent(sprite="ok.png", facing={"north": "ok.png"}), "left, down, right or up"),
        (agent(sprite="ok.png", facing={"up": 3}), "name of a .png file"),
        ({"name": "x", "roles": {"agent": {"words": "", "shape": "dot"}}}, "words must be one line"),
        ({"name": "x", "roles": {"agent": {"words": "a\nb", "shape": "dot"}}}, "words must be one line"),
        ({"name": "x", "roles": {"agent": {"words": "a" * 121, "shape": "dot"}}}, "words must be one line"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, data: Any, message: str) -> None:
    folder = write(tmp_path / "theme", data)
    sprite(folder / "ok.png")
    sprite(tmp_path / "secret.png")
    with pytest.raises(FormatError, match=message) as caught:
        load_theme(folder)
    assert len(str(caught.value)) < 1000


def test_a_base_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="classic"):
        load_theme(write(tmp_path / "theme", {"name": "x", "base": "clasic"}))


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot be read"):
        load_theme(tmp_path / "nowhere")


def test_links_do_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "theme", agent(sprite="link.png"))
    sprite(tmp_path / "secret.png")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(FormatError, match="leads out of the theme's folder"):
        load_theme(folder)


def test_huge_sprites_are_not_decoded(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 6, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1 << 16))), (b"IEND", b"")):
        bomb += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    folder = write(tmp_path / "theme", agent(sprite="bomb.png"))
    (folder / "bomb.png").write_bytes(bomb)
    with pytest.raises(FormatError, match=r"bomb\.png"):
        load_theme(folder)
    sprite(folder / "bomb.png", side=themefile.MAX_SPRITE_SIDE + 1)
    with pytest.raises(FormatError, match="1025x1025 pixels; allowed are 1024"):
        load_theme(folder)


def test_large_files_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "theme", agent(sprite="me.png"))
    sprite(folder / "me.png")
    monkeypatch.setattr(themefile, "MAX_SPRITE_BYTES", 10)
    with pytest.raises(FormatError, match="more than 10 bytes"):
        load_theme(folder)
    monkeypatch.setattr(themefile, "MAX_JSON_BYTES", 5)
    with pytest.raises(FormatError, match="more than 5 bytes"):
        load_theme(folder)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["dot", "#102030", "ok.png"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "base", "roles", "tasks", "agent", "words", "shape", "sprite", "size", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(data=JSON)
def test_any_json_gives_a_theme_or_an_error_of_ours(tmp_path_factory: Any, data: Any) -> None:
    folder = write(
        tmp_path_factory.getbasetemp() / "any", data if isinstance(data, dict) else {"roles": data}
    )
    try:
        theme = load_theme(folder)
    except VSPGymError:
        return
    assert isinstance(theme, Theme)


def test_pipes_in_a_themes_folder_are_not_opened(tmp_path: Path) -> None:
    folder = write(tmp_path / "theme", agent(sprite="pipe.png"))
    os.mkfifo(folder / "pipe.png")
    with pytest.raises(FormatError, match=r"agent\.sprite: pipe\.png is no regular file"):
        load_theme(folder)
    (folder / "theme.json").unlink()
    os.mkfifo(folder / "theme.json")
    with pytest.raises(FormatError, match=r"theme\.json is no regular file"):
        load_theme(folder)


def test_a_number_of_thousands_of_digits_is_no_theme(tmp_path: Path) -> None:
    folder = write(tmp_path / "theme", f'{{"name": {"9" * 5000}}}')
    with pytest.raises(FormatError, match=r"theme\.json|name must be"):
        load_theme(folder)


@pytest.mark.parametrize("folder", ["\0", 5, None])
def test_what_is_no_folder(folder: Any) -> None:
    with pytest.raises(FormatError):
        load_theme(folder)
