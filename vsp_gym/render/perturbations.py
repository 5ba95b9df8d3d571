"""Controlled damage to pictures, for robustness curves: five kinds, each in five severities."""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from vsp_gym.core import check_int
from vsp_gym.errors import UnknownNameError, VSPGymError

SEVERITIES = (1, 2, 3, 4, 5)
"""From hardly visible to strong."""

Image = npt.NDArray[np.uint8]


def perturb(image: Image, name: str, severity: int = 3, seed: int = 0) -> Image:
    """A damaged copy of a picture.

    The same arguments give the same pixels everywhere (for `jpeg`, with the same version of libjpeg).

    Args:
        image: `uint8[height, width, 3]`.
        name: a key of `PERTURBATIONS`.
        severity: 1 to 5.
        seed: which of the possible damages; `blur` and `jpeg` have only one.

    Raises:
        UnknownNameError: for an unknown name.
        VSPGymError: for a severity, seed or image of another form.
    """
    if name not in PERTURBATIONS:
        raise UnknownNameError("perturbation", name, PERTURBATIONS)
    level = check_int(severity, "severity", SEVERITIES[0], SEVERITIES[-1], VSPGymError)
    number = check_int(seed, "seed", 0, (1 << 63) - 1, VSPGymError)
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise VSPGymError("an image is a uint8 array of shape (height, width, 3)")
    rng = np.random.default_rng([number, zlib.crc32(name.encode()), level])
    return PERTURBATIONS[name](image, level, rng)


def noise(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Gaussian noise on every channel: standard deviation 4, 8, 16, 32, 64 of 255."""
    spread = (4, 8, 16, 32, 64)[severity - 1]
    return _pixels(image + rng.normal(0.0, spread, image.shape))


def blur(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Gaussian blur: standard deviation 0.5, 1, 1.5, 2.5, 4 pixels on a picture of 256."""
    sigma = (0.5, 1.0, 1.5, 2.5, 4.0)[severity - 1] * max(image.shape[:2]) / 256
    radius = math.ceil(3 * sigma)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights /= weights.sum()
    blurred = image.astype(np.float64)
    for axis in (0, 1):
        padding = [(0, 0)] * 3
        padding[axis] = (radius, radius)
        padded = np.pad(blurred, padding, mode="edge")
        length = image.shape[axis]
        blurred = np.zeros(image.shape)
        for shift, weight in enumerate(weights):
            blurred += weight * padded.take(range(shift, shift + length), axis=axis)
    return _pixels(blurred)


def jpeg(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """JPEG compression: quality 60, 35, 20, 10, 5."""
    from PIL import Image as PILImage

    buffer = io.BytesIO()
    PILImage.fromarray(image).save(buffer, "JPEG", quality=(60, 35, 20, 10, 5)[severity - 1])
    with PILImage.open(buffer) as opened:
        return np.array(opened.convert("RGB"))


def brightness(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Darker or brighter (which of them is random): by 10, 20, 30, 45, 60 percent of the way."""
    share = (0.1, 0.2, 0.3, 0.45, 0.6)[severity - 1]
    target = 255.0 * float(rng.random() < 0.5)
    return _pixels(image + share * (target - image))


def rotation(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Rotation about the centre: 1, 2, 4, 7, 10 degrees, to a random side; corners are mid-grey."""
    degrees = (1, 2, 4, 7, 10)[severity - 1] * (1 if rng.random() < 0.5 else -1)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    y, x = y - (height - 1) / 2, x - (width - 1) / 2
    from_y, from_x = sin * x + cos * y + (height - 1) / 2, cos * x - sin * y + (width - 1) / 2
    framed = np.pad(image.astype(np.float64), ((1, 2), (1, 2), (0, 0)), constant_values=128.0)
    top = np.clip(np.floor(from_y).astype(int) + 1, 0, height)
    left = np.clip(np.floor(from_x).astype(int) + 1, 0, width)
    down = np.clip(from_y + 1 - top, 0.0, 1.0)[..., None]
    right = np.clip(from_x + 1 - left, 0.0, 1.0)[..., None]
    above = framed[top, left] * (1 - right) + framed[top, left + 1] * right
    below = framed[top + 1, left] * (1 - right) + framed[top + 1, left + 1] * right
    return _pixels(above * (1 - down) + below * down)


Perturbation = Callable[[Image, int, np.random.Generator], Image]

PERTURBATIONS: Mapping[str, Perturbation] = MappingProxyType(
    {kind.__name__: kind for kind in (noise, blur, jpeg, brightness, rotation)}
)
"""Every perturbation by its name."""


def _pixels(values: npt.NDArray[np.float64]) -> Image:
    """Values rounded and limited to what a pixel can hold."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
