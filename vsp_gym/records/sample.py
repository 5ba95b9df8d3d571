"""One board with everything that training and evaluation need to know about it."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from vsp_gym.core import Action, Layout, Plan, trusted
from vsp_gym.envs import get_task
from vsp_gym.envs.base import DIFFICULTIES, PlanningTask
from vsp_gym.errors import FormatError, LayoutError, UnknownNameError, VSPGymError
from vsp_gym.planning import Solution
from vsp_gym.plans import format_plan
from vsp_gym.records.images import check_path
from vsp_gym.symmetry import Board, board_key, orbit_key

SCHEMA_VERSION = 1
"""Version of the record; raised whenever a field changes its meaning."""

SPLITS = ("train", "validation", "test")
"""The parts of a data set."""

MAX_INT = (1 << 63) - 1
"""Largest number in a field, so that every format can store it; `optimal_plans` has no limit."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
_HEX_KEY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Sample:
    """One board, as it is stored in a data set."""

    id: str
    """Unique within a data set and safe as a file name: `"maze-5-hard-train-03-000017"`."""
    task: str
    """Name of the task, a key of `vsp_gym.TASKS`."""
    split: str
    """`"train"`, `"validation"` or `"test"`."""
    size: int
    """Longer side of the board in cells."""
    layout: dict[str, Any]
    """The board, as the layout's `to_dict`."""
    text: str
    """The symbolic state, as `vsp_gym.describe` writes it."""
    plan: str
    """The first shortest plan, as `vsp_gym.format_plan` writes it."""
    optimal_length: int
    """Actions in a shortest plan."""
    optimal_plans: int
    """How many different shortest plans there are (exact; may exceed 64 bits)."""
    turns: int
    """How often the reference plan changes direction from one move to the next."""
    detour: float
    """`optimal_length` divided by the length of a shortest plan were there nothing in the way."""
    difficulty: str
    """`"easy"`, `"medium"` or `"hard"`, by the task's generator."""
    key: str
    """Canonical key of the board, 32 hexadecimal digits: equal for equal boards only."""
    orbit: str
    """Key of the board's orbit under the symmetries of the square: equal for mirrored boards too."""
    seed: int
    """Seed of the data set."""
    index: int
    """Position in the split, from 0."""
    theme: str | None = None
    """Look of the picture; None if there is none or it is not known."""
    image_size: int | None = None
    """Longer side of the picture in pixels; None if there is none."""
    image_path: str | None = None
    """The picture's path relative to the data set's folder, with `/`; None if there is none."""
    schema: int = SCHEMA_VERSION
    """`SCHEMA_VERSION` of the record."""
    image: bytes | None = field(default=None, repr=False)
    """The picture as PNG; not part of the JSON."""

    def board(self) -> Layout:
        """The layout as an object of the task; raises `LayoutError` if it is not valid."""
        return get_task(self.task).layout_type.from_dict(self.layout)  # type: ignore[no-any-return]

    def to_dict(self) -> dict[str, Any]:
        """All fields but `image`, as JSON types and in the order of this class."""
        values = self.__dict__
        return {name: values[name] for name in FIELDS}

    def to_json(self) -> bytes:
        """The record as one line of JSON, with its newline."""
        return f"{_encode(self.to_dict())}\n".encode()

    @classmethod
    def from_dict(cls, data: object, *, image: bytes | None = None, verify: bool = True) -> Sample:
        """Read a record back.

        Args:
            data: what `to_dict` gave.
            image: the picture as PNG.
            verify: whether everything that follows from the board is computed again and compared (with
                the oracle, so it takes as long as making the record). If not, only types and ranges are,
                and that there is such a board.

        Raises:
            FormatError: naming the field that is missing, unknown or wrong.
        """
        sample = cls(**_checked(data), image=image)
        task, layout = _board(sample)
        if verify:
            _verify(sample, task, layout)
        return sample


FIELDS = tuple(f.name for f in dataclasses.fields(Sample) if f.name != "image")
"""The fields of a record in JSON."""

_encode = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")
).encode


def make_sample(
    task: PlanningTask[Any, Any],
    solution: Solution[Any, Any],
    *,
    id: str,  # noqa: A002 (the record's own word)
    split: str,
    seed: int,
    index: int,
    board: Board | None = None,
    key: str | None = None,
    orbit: str | None = None,
    theme: str | None = None,
    image_size: int | None = None,
    image_path: str | None = None,
    image: bytes | None = None,
) -> Sample:
    """The record of a solved board; everything but the arguments follows from the board.

    Args:
        task: the task.
        solution: the board and its oracle.
        board, key, orbit: the board as bytes and its keys, if they are known already.
        id, split, seed, index, theme, image_size, image_path, image: the fields of `Sample`.

    Raises:
        VSPGymError: if the board has no solution.
    """
    layout = solution.layout
    plan = solution.plan()
    if plan is None:
        raise VSPGymError("the board has no solution")
    if board is None:
        board = task.generator.form.encode(layout)
    size = max(layout.rows, layout.cols)
    return trusted(
        Sample,
        id=id,
        task=task.name,
        split=split,
        size=size,
        layout=layout.to_dict(),
        text=task.text.describe(layout, task.initial(layout)),
        plan=format_plan(plan, task),
        optimal_length=len(plan),
        optimal_plans=solution.count(),
        turns=count_turns(plan),
        detour=round(len(plan) / task.generator.straight_length(layout), 4),
        difficulty=task.generator.difficulty(size, len(plan)),
        key=key or board_key(task.name, board),
        orbit=orbit or orbit_key(task.name, task.generator.form, board),
        seed=seed,
        index=index,
        theme=theme,
        image_size=image_size,
        image_path=image_path,
        schema=SCHEMA_VERSION,
        image=image,
    )


def count_turns(plan: Plan) -> int:
    """How often a plan changes direction from one move to the next; PICK and DROP do not count."""
    moves = [action for action in plan if action < Action.PICK]
    return sum([a is not b for a, b in zip(moves, moves[1:])])


@lru_cache(maxsize=1)
def _kinds() -> dict[str, tuple[tuple[type, ...], bool]]:
    """For every field its JSON types, and whether it may be null."""
    kinds: dict[str, tuple[tuple[type, ...], bool]] = {}
    for f in dataclasses.fields(Sample):
        words = str(f.type).replace("dict[str, Any]", "dict").split(" | ")
        types = {"str": (str,), "int": (int,), "float": (float, int), "dict": (dict,), "bytes": (bytes,)}
        kinds[f.name] = (types[words[0]], "None" in words)
    return kinds


def _checked(data: object) -> dict[str, Any]:
    """The fields of a record, their types and ranges checked."""
    if not isinstance(data, dict):
        raise FormatError(f"a record must be an object, not {data!r:.80}")
    if data.get("schema") != SCHEMA_VERSION:
        raise FormatError(f"schema must be {SCHEMA_VERSION}, not {data.get('schema')!r:.40}")
    for name in FIELDS:
        if name not in data:
            raise FormatError(f"{name} is missing")
    unknown = [str(name) for name in data if name not in FIELDS]
    if unknown:
        raise FormatError(f"{', '.join(unknown):.200} is no field of a record")
    for name, (types, optional) in _kinds().items():
        if name == "image" or (optional and data[name] is None):
            continue
        value = data[name]
        if not isinstance(value, types) or isinstance(value, bool):
            raise FormatError(f"{name} must be of type {types[0].__name__}, not {value!r:.80}")
        if isinstance(value, (int, float)):
            _check_number(name, value)
    _check_texts(data)
    return data


def _check_texts(data: dict[str, Any]) -> None:
    if not _ID.fullmatch(data["id"]):
        raise FormatError(f"id must be letters, digits and any of _.- (at most 200), not {data['id']!r:.80}")
    for name, allowed in (("split", SPLITS), ("difficulty", DIFFICULTIES)):
        if data[name] not in allowed:
            raise FormatError(f"{name} must be one of {', '.join(allowed)}, not {data[name]!r:.80}")
    if data["image_path"] is not None:
        check_path(data["image_path"])
    for name in ("key", "orbit"):
        if not _HEX_KEY.fullmatch(data[name]):
            raise FormatError(f"{name} must be 32 hexadecimal digits, not {data[name]!r:.80}")


def _check_number(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise FormatError(f"{name} must be a number of at least 0, not {value!r:.80}")
    if isinstance(value, int) and value > MAX_INT and name != "optimal_plans":
        raise FormatError(f"{name} must be at most {MAX_INT}, not {value!r:.80}")


def _verify(sample: Sample, task: PlanningTask[Any, Any], layout: Layout) -> None:
    """Compute again what follows from the board, and compare; raises `FormatError` naming the field."""
    same = {name: getattr(sample, name) for name in _GIVEN}
    try:
        expected = make_sample(task, Solution(task, layout), **same)
    except VSPGymError as error:
        raise FormatError(f"layout: {error}") from None
    for name in FIELDS:
        stated, actual = getattr(sample, name), getattr(expected, name)
        if stated != actual:
            raise FormatError(f"{name} is {stated!r:.200}, but the board has {actual!r:.200}")


_GIVEN = ("id", "split", "seed", "index", "theme", "image_size", "image_path")
"""The fields that do not follow from the board."""


def _board(sample: Sample) -> tuple[PlanningTask[Any, Any], Layout]:
    try:
        task = get_task(sample.task)
    except UnknownNameError as error:
        raise FormatError(f"task: {error}") from None
    try:
        layout = task.layout_type.from_dict(sample.layout)
    except LayoutError as error:
        raise FormatError(f"layout: {error}") from None
    if max(layout.rows, layout.cols) > task.max_size:
        raise FormatError(f"layout: a {task.title} board has at most {task.max_size} cells a side")
    if sample.task != task.name:
        raise FormatError(f"task must be {task.name!r}, not {sample.task!r:.80}")
    return task, layout
