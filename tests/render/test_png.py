"""PNG files hold exactly the pixels of `render_rgb`."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from vsp_gym import TASKS
from vsp_gym.core import MOVES
from vsp_gym.render import THEMES, encode_png, render_png, render_rgb
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
