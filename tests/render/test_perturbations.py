"""Damage that is the same every time and grows with its severity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vsp_gym import TASKS, UnknownNameError, VSPGymError
from vsp_gym.render import PERTURBATIONS, perturb, render_rgb
from vsp_gym.render.perturbations import SEVERITIES

NAMES = sorted(PERTURBATIONS)


@pytest.fixture
def picture(lake: Any) -> Any:
    return render_rgb(TASKS["frozen_lake"], lake, size=96)


def test_the_kinds_that_are_promised() -> None:
    assert {"noise", "blur", "jpeg", "brightness", "rotation"} <= set(PERTURBATIONS)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_pixels(picture: Any, name: str) -> None:
    before = picture.copy()
    first = perturb(picture, name, 3, seed=11)
    np.testing.assert_array_equal(first, perturb(picture, name, 3, seed=11))
    np.testing.assert_array_equal(picture, before)
    assert first.shape == picture.shape
    assert first.dtype == np.uint8


@pytest.mark.parametrize("name", ["noise", "rotation", "brightness"])
def test_seeds_differ(picture: Any, name: str) -> None:
    assert len({perturb(picture, name, 3, seed=seed).tobytes() for seed in range(8)}) > 1


@pytest.mark.parametrize("name", NAMES)
def test_damage_grows_with_severity(name: str) -> None:
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(60, 196, (16, 16, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    damage = [
        np.mean([np.abs(perturb(picture, name, s, seed).astype(int) - picture).mean() for seed in range(6)])
        for s in SEVERITIES
    ]
    assert damage[0] > 0
    assert damage == sorted(damage)


def test_rotation_keeps_the_centre_and_fills_corners() -> None:
    picture = np.full((101, 101, 3), 200, np.uint8)
    picture[45:56, 45:56] = 0
    turned = perturb(picture, "rotation", 5, seed=1)
    assert turned[50, 50].tolist() == [0, 0, 0]
    assert turned[0, 0].tolist() == [128, 128, 128]


def test_blur_keeps_plain_areas() -> None:
    picture = np.full((40, 60, 3), 77, np.uint8)
    np.testing.assert_array_equal(perturb(picture, "blur", 5), picture)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("noise", 0), "severity"),
        (("noise", 6), "severity"),
        (("noise", 3, -1), "seed"),
        (("noise", 2.5), "severity"),
    ],
)
def test_bad_numbers(picture: Any, arguments: Any, message: str) -> None:
    with pytest.raises(VSPGymError, match=message):
        perturb(picture, *arguments)


def test_bad_names_and_images(picture: Any) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'noise'"):
        perturb(picture, "nois")
    for image in (picture[..., 0], picture.astype(float), "picture"):
        with pytest.raises(VSPGymError, match="uint8 array"):
            perturb(image, "noise")
