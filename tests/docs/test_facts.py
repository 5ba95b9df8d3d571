"""README.md names what there is, and the pictures are what the renderer draws."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image

import vsp_gym
from vsp_gym import TASKS, PlanningEnv
from vsp_gym.cli import COMMANDS
from vsp_gym.scoring import CONVENTIONS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [
        *(task.env_id for task in TASKS.values()),
        *CONVENTIONS,
        *COMMANDS,
        *list(inspect.signature(PlanningEnv).parameters)[1:],
    ],
)
def test_named(name: str) -> None:
    assert f"`{name}`" in README or f"`vsp-gym {name}`" in README


def test_sizes() -> None:
    for task in TASKS.values():
        assert f"| `{task.env_id}` | {task.min_size} to {task.max_size} |" in README


def test_keys_of_info() -> None:
    _, info = gym.make(vsp_gym.TASKS["maze"].env_id).reset(seed=0)
    table = README.split("| key of `info` | value |\n")[1].split("\n\n")[0]
    assert [line.split("`")[1] for line in table.splitlines()[1:]] == list(info)


def test_pictures_are_current(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("make_images", ROOT / "docs/make_images.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(tmp_path)
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == sorted(path.name for path in (ROOT / "docs/images").iterdir())
    for name in made:
        with Image.open(tmp_path / name) as drawn, Image.open(ROOT / "docs/images" / name) as committed:
            difference = np.asarray(drawn, np.int16) - np.asarray(committed, np.int16)
        assert np.abs(difference).mean() < 1.0, f"{name} is out of date: run docs/make_images.py"
