"""Plans in motion: the picture after every step, and an animated GIF of them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vsp_gym.core import Action, LayoutT, StateT, check_int
from vsp_gym.envs.base import PlanningTask
from vsp_gym.errors import VSPGymError
from vsp_gym.render.rgb import render_batch
from vsp_gym.render.themes import Theme
from vsp_gym.scoring import Convention, rollout

PANEL_FONT, PANEL_LINE, PANEL_MARGIN = 6, 13, 10
"""Width of a character, height of a line and margin of the text beside a picture, in pixels."""

INK, PAPER = (33, 37, 41), (255, 255, 255)


def render_frames(
    task: PlanningTask[LayoutT, StateT],
    layout: LayoutT,
    plan: Sequence[Action],
    *,
    size: int = 256,
    theme: str | Theme = "classic",
    text: bool = False,
    convention: str | Convention = "strict",
) -> npt.NDArray[np.uint8]:
    """The board before a plan and after each of its steps.

    Args:
        task: the task.
        layout: the board.
        plan: the actions; those after the plan's end (success, failure) are not shown.
        size: pixels of the picture's longer side.
        theme: name of the look, or a `Theme`.
        text: whether the state's description stands beside each picture.
        convention: how the plan is judged, and with it where it ends.

    Returns:
        `uint8[1 + steps, height, width, 3]`.

    Raises:
        VSPGymError: as `render_rgb`, and for actions that are not the task's.
    """
    steps = rollout(task, layout, plan, convention)
    states: list[Any] = [task.initial(layout), *(step.state for step in steps)]
    actions: list[Action | None] = [None, *(Action(action) for action, _ in zip(plan, steps))]
    pictures = render_batch(task, [layout] * len(states), states, size=size, theme=theme, facings=actions)
    if not text:
        return pictures
    titles = [_title(number, action) for number, action in enumerate(actions)]
    pages = [f"{title}\n\n{task.text.describe(layout, s)}" for title, s in zip(titles, states)]
    return _beside(pictures, _panels(pages))


def render_gif(
    task: PlanningTask[LayoutT, StateT],
    layout: LayoutT,
    plan: Sequence[Action],
    *,
    size: int = 256,
    theme: str | Theme = "classic",
    text: bool = False,
    convention: str | Convention = "strict",
    milliseconds: int = 400,
) -> bytes:
    """A plan as an animated GIF: the frames of `render_frames`, the last one shown three times as long.

    A step that changes nothing in the picture adds its time to the frame before. Colours are exact
    unless a frame has more than 256.

    Args:
        task: as for `render_frames`; so are the arguments not named here.
        layout: the board.
        plan: the actions.
        size: pixels of the picture's longer side.
        theme: name of the look, or a `Theme`.
        text: whether the state's description stands beside each picture.
        convention: how the plan is judged.
        milliseconds: time of a frame, 20 to 10,000; GIF knows hundredths of a second.

    Raises:
        VSPGymError: as `render_frames`.
    """
    from PIL import Image

    check_int(milliseconds, "milliseconds", 20, 10_000, VSPGymError)
    frames = render_frames(task, layout, plan, size=size, theme=theme, text=text, convention=convention)
    images = [Image.fromarray(frame).convert("P", palette=Image.Palette.ADAPTIVE) for frame in frames]
    durations = [milliseconds] * (len(images) - 1) + [3 * milliseconds]
    buffer = io.BytesIO()
    images[0].save(
        buffer, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0, optimize=False
    )
    return buffer.getvalue()


def _title(number: int, action: Action | None) -> str:
    return "start" if action is None else f"step {number}: {action.name}"


def _panels(pages: list[str]) -> npt.NDArray[np.uint8]:
    """Texts as pictures of one size, in Pillow's own font with every character as wide as the others."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default()
    lines = [page.rstrip("\n").split("\n") for page in pages]
    width = max(len(line) for page in lines for line in page) * PANEL_FONT + 2 * PANEL_MARGIN
    height = max(map(len, lines)) * PANEL_LINE + 2 * PANEL_MARGIN
    panels = []
    for page in lines:
        image = Image.new("RGB", (width, height), PAPER)
        draw = ImageDraw.Draw(image)
        for row, line in enumerate(page):
            for col, letter in enumerate(line):
                left, _, right, _ = font.getbbox(letter)
                x = PANEL_MARGIN + col * PANEL_FONT + (PANEL_FONT - right - left) // 2
                draw.text((x, PANEL_MARGIN + row * PANEL_LINE), letter, INK, font=font)
        panels.append(np.asarray(image))
    return np.stack(panels)


def _beside(pictures: npt.NDArray[np.uint8], panels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Pictures with panels to their right, the shorter ones filled up with paper."""
    height = max(pictures.shape[1], panels.shape[1])
    parts = []
    for part in (pictures, panels):
        filled = np.full((len(part), height, *part.shape[2:]), PAPER[0], np.uint8)
        filled[:, : part.shape[1]] = part
        parts.append(filled)
    return np.concatenate(parts, axis=2)
