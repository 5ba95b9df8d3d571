"""`Sample`: the one record of a board, and how sets of them are stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SCHEMA_VERSION = 1
"""Version of the record; raised whenever a field changes its meaning."""


@dataclass(frozen=True)
class Sample:
    """One board with everything that training and evaluation need to know about it."""

    id: str
    """Unique within a data set and safe as a file name: `"maze-5-hard-train-03-000017"`."""
    task: str
    """Name of the task, a key of `vsp_gym.TASKS`."""
    split: str
    """`"train"`, `"validation"` or `"test"`."""
    size: int
    """Side of the board."""
    layout: dict[str, Any]
    """The board, as the layout's `to_dict`."""
    text: str
    """The symbolic state, as `vsp_gym.describe` writes it."""
    plan: str
    """A shortest plan, as `vsp_gym.format_plan` writes it."""
    optimal_length: int
    """Actions in a shortest plan."""
    optimal_plans: int
    """How many different shortest plans there are (exact; may exceed 64 bits)."""
    turns: int
    """How often the reference plan changes direction between moves."""
    detour: float
    """`optimal_length` divided by the length of a shortest plan were there nothing in the way."""
    difficulty: str
    """`"easy"`, `"medium"` or `"hard"`, by the task's generator."""
    key: str
    """Canonical key of the board, hexadecimal: equal for equal boards only."""
    orbit: str
    """Key of the board's orbit under the symmetries of the square: equal for mirrored boards too."""
    seed: int
    """Seed of the data set."""
    index: int
    """Position in the data set."""
    theme: str | None = None
    """Look of the picture."""
    image_size: int | None = None
    """Longer side of the picture in pixels."""
    image: bytes | None = field(default=None, repr=False)
    """The picture as PNG, if it is held in memory."""
    image_path: str | None = None
    """The picture's path relative to the data set's folder, with `/`, if it is a file."""
    schema: int = SCHEMA_VERSION
