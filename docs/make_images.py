"""Draws the pictures of the documentation with the package's own renderer: `python docs/make_images.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from vsp_gym import TASKS
from vsp_gym.render import render_rgb

SIZES = {"frozen_lake": 6, "maze": 8, "mini_behaviour": 6}
PIXELS, GAP, SEED = 256, 16, 5


def tasks() -> Image.Image:
    """One board of every task, side by side on white."""
    boards = []
    for task in TASKS.values():
        layout = task.generator.sample(
            np.random.default_rng(SEED), SIZES.get(task.name, task.default_size), "hard"
        )
        boards.append(render_rgb(task, layout, task.initial(layout), size=PIXELS))
    picture = np.full((PIXELS, len(boards) * (PIXELS + GAP) - GAP, 3), 255, np.uint8)
    for index, board in enumerate(boards):
        left = index * (PIXELS + GAP)
        picture[: board.shape[0], left : left + board.shape[1]] = board
    return Image.fromarray(picture)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tasks().save(folder / "tasks.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images")
