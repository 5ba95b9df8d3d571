"""PNG files hold exactly the pixels of `render_rgb`."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from vsp_gym import TASKS
from vsp_gym.core import MOVES
from vsp_gym.render import THEMES, encode_png, render_png, render_pngs, render_rgb, strips
from vsp_gym.render.atlas import get_sheet
from vsp_gym.render.themes import Look, Theme, get_theme


def decode(data: bytes) -> tuple[np.ndarray[Any, Any], str]:
    image = Image.open(io.BytesIO(data))
    image.load()
    return np.asarray(image.convert("RGB")), image.mode


@pytest.mark.parametrize("theme", sorted(THEMES))
@pytest.mark.parametrize("size", [61, 128, 256])
def test_pixels_are_those_of_render_rgb(task: Any, board: Any, theme: str, size: int) -> None:
    for facing in (None, *MOVES):
        data = render_png(task, board, size=size, theme=theme, facing=facing)
        pixels, mode = decode(data)
        assert mode == "P"
        np.testing.assert_array_equal(pixels, render_rgb(task, board, size=size, theme=theme, facing=facing))


def test_bytes_do_not_depend_on_what_was_drawn_before() -> None:
    task = TASKS["maze"]
    layouts = [task.generator.sample(np.random.default_rng(i), 5) for i in range(4)]
    forwards = [render_png(task, layout, theme="default") for layout in layouts]
    get_sheet.cache_clear()
    assert [render_png(task, layout, theme="default") for layout in reversed(layouts)] == forwards[::-1]


@pytest.mark.parametrize("name", sorted(TASKS))
@pytest.mark.parametrize("size", [strips.MOST_COLS - 1, strips.MOST_COLS, strips.MOST_COLS + 1])
def test_zlib_data_are_the_lines_and_their_checksum(name: str, size: int) -> None:
    task = TASKS[name]
    layouts = [task.generator.sample(np.random.default_rng(i), size) for i in range(6)]
    for layout, file in zip(layouts, render_pngs(task, layouts, size=120)):
        palette, bits = file.index(b"PLTE"), file[24]
        start = file.index(b"IDAT") + 4
        length = int.from_bytes(file[start - 8 : start - 4], "big")
        lines = zlib.decompress(file[start : start + length])  # which checks the checksum
        rows = np.frombuffer(lines, np.uint8).reshape(120, -1)
        assert not rows[:, 0].any()
        indices = np.unpackbits(rows[:, 1:], axis=1).reshape(120, 120, bits) @ (1 << np.arange(bits)[::-1])
        colors = np.frombuffer(file[palette + 4 : start - 12], np.uint8).reshape(-1, 3)
        np.testing.assert_array_equal(colors[indices], render_rgb(task, layout, size=120))


def test_forgetting_strips_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    task = TASKS["maze"]
    layouts = [task.generator.sample(np.random.default_rng(i), 4) for i in range(8)]
    files = render_pngs(task, layouts)
    strips.get_strips.cache_clear()
    monkeypatch.setattr(strips, "STRIP_BYTES", 1000)
    assert render_pngs(task, layouts) == files


def test_more_than_256_colors_make_a_true_color_file(lake: Any) -> None:
    y, x = np.mgrid[:64, :64]
    rainbow = np.stack([x * 4, y * 4, x + y, np.full_like(x, 255)], axis=-1).astype(np.uint8)
    floor = Look("plain", (9, 9, 9), "a rainbow", sprites={None: rainbow})
    theme = Theme("rainbow", {"floor": floor}, {"frozen_lake": {"floor": floor}}, get_theme("default"))
    task = TASKS["frozen_lake"]
    pixels, mode = decode(render_png(task, lake, theme=theme))
    assert mode == "RGB"
    np.testing.assert_array_equal(pixels, render_rgb(task, lake, theme=theme))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), colors=st.sampled_from([1, 2, 3, 4, 5, 16, 17, 256]))
def test_every_bit_depth_and_width(data: Any, colors: int) -> None:
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 19)))
    indices = data.draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, colors - 1)))
    palette = tuple(range(0x010203, 0x010203 + 977 * colors, 977))
    pixels, _ = decode(encode_png(indices, palette))
    packed = np.array(palette)[indices]
    expected = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1)
    np.testing.assert_array_equal(pixels, expected)


def test_files_are_small(board: Any, task: Any) -> None:
    assert len(render_png(task, board)) < 8000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_child_draws_what_another_thread_was_drawing_at_the_fork() -> None:
    task = TASKS["maze"]
    layouts = [task.generator.draw(np.random.default_rng(seed), 8).layout for seed in range(60)]
    stop = threading.Event()

    def draw() -> None:
        while not stop.is_set():
            render_pngs(task, layouts, size=256)

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        for _ in range(4):
            time.sleep(0.02)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                child = os.fork()
            if not child:
                signal.alarm(10)
                render_pngs(task, layouts[:2], size=256)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        thread.join()
