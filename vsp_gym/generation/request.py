"""What a data set is made from: `Part`, `Request`, and a YAML file that describes both."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast

from vsp_gym.core import check_int
from vsp_gym.envs import get_task
from vsp_gym.envs.base import DIFFICULTIES, Difficulty, Generator, PlanningTask
from vsp_gym.errors import FormatError, UnknownNameError, VSPGymError
from vsp_gym.records.sample import SPLITS
from vsp_gym.symmetry import POSITIONS, orbit_key

SLICES = 16
"""Every split is cut into this many equal ranges of orbit positions, so there can be as many shards."""

FRACTIONS: tuple[Fraction, ...] = (Fraction(8, 10), Fraction(1, 10), Fraction(1, 10))
"""Shares of all boards that belong to `SPLITS`."""

MAX_COUNT = 1 << 30
"""Boards of one split. For more it would take hours to find out whether there are so many."""

MAX_SEED = (1 << 63) - 1


class Range(NamedTuple):
    """A range of orbit positions, the upper end excluded."""

    low: int
    high: int

    def slice(self, number: int) -> Range:
        """The `number`-th of `SLICES` equal parts."""
        width = self.high - self.low
        low, high = (self.low - (-width * k // SLICES) for k in (number, number + 1))
        return Range(low, high)


ALL = Range(0, POSITIONS)
"""Every board."""


def split_range(split: str | None, fractions: Iterable[Fraction] = FRACTIONS) -> Range:
    """The positions of a split's boards; of all boards for None."""
    if split is None:
        return ALL
    bounds = [Fraction(0)]
    for fraction in fractions:
        bounds.append(bounds[-1] + fraction)
    number = SPLITS.index(check_split(split))
    return Range(int(bounds[number] * POSITIONS), int(bounds[number + 1] * POSITIONS))


def check_split(split: object) -> str:
    """`split` if it is one; raises `UnknownNameError` if not."""
    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    return str(split)


def make_generator(task: str | PlanningTask[Any, Any], options: Mapping[str, Any]) -> Generator[Any, Any]:
    """The task's generator with other options.

    Raises:
        UnknownNameError: for an option that the generator does not have.
        VSPGymError: for a value that it does not allow.
    """
    generator = get_task(task).generator
    known = [f.name for f in dataclasses.fields(generator)]  # type: ignore[arg-type]
    for name in options:
        if name not in known:
            raise UnknownNameError(f"option of {get_task(task).title}'s generator", name, known)
    return dataclasses.replace(generator, **options)  # type: ignore[type-var]


@dataclass(frozen=True)
class Part:
    """Boards of one task.

    Raises:
        VSPGymError: for a size out of range or an option with a wrong value.
        UnknownNameError: for an unknown task, difficulty or option.
    """

    task: str
    sizes: tuple[int, ...]
    """Sides of the boards; each gets as many boards."""
    difficulties: tuple[Difficulty | None, ...] = (None,)
    """Buckets, each with as many boards; None takes boards as they come."""
    share: int = 1
    """Boards of this part compared to those of other parts."""
    options: tuple[tuple[str, Any], ...] = ()
    """Fields of the task's generator and their values; a mapping is accepted."""

    def __post_init__(self) -> None:
        task = get_task(self.task)
        sizes = tuple(task.check_size(size) for size in self.sizes)
        if not sizes or len(set(sizes)) < len(sizes):
            raise VSPGymError(f"sizes of {task.title} must be different and at least one, not {self.sizes!r}")
        for difficulty in self.difficulties:
            if difficulty is not None and difficulty not in DIFFICULTIES:
                raise UnknownNameError("difficulty", difficulty, DIFFICULTIES)
        if not self.difficulties or len(set(self.difficulties)) < len(self.difficulties):
            raise VSPGymError(f"difficulties must be different and at least one, not {self.difficulties!r}")
        options = tuple(sorted(dict(self.options).items()))
        make_generator(task, dict(options))
        for name, value in (
            ("task", task.name),
            ("sizes", sizes),
            ("difficulties", tuple(self.difficulties)),
            ("share", check_int(self.share, "share", 1, 1 << 20, VSPGymError)),
            ("options", options),
        ):
            object.__setattr__(self, name, value)

    @property
    def generator(self) -> Generator[Any, Any]:
        """The task's generator with the part's options."""
        return make_generator(self.task, dict(self.options))

    def to_dict(self) -> dict[str, Any]:
        """The part as JSON types."""
        return {
            "task": self.task,
            "sizes": list(self.sizes),
            "difficulty": [difficulty or "any" for difficulty in self.difficulties],
            "share": self.share,
            "options": {**dataclasses.asdict(self.generator)},  # type: ignore[call-overload]
        }


@dataclass(frozen=True)
class Request:
    """One split of a data set.

    Raises:
        VSPGymError: for a value out of range.
        UnknownNameError: for an unknown split or theme.
    """

    parts: tuple[Part, ...]
    count: int
    """Boards in all."""
    split: str = "train"
    seed: int = 0
    fractions: tuple[Fraction, ...] = FRACTIONS
    """Shares of all boards that belong to train, validation and test; numbers are accepted."""
    theme: str = "classic"
    """Look of the pictures."""
    image_size: int | None = 256
    """Longer side of the pictures in pixels; None for none."""
    exclude: frozenset[str] = field(default=frozenset(), repr=False)
    """Orbit keys of boards that must not be in the set, nor their mirror images."""
    excluded: tuple[str, ...] = ()
    """Where these boards come from, for the manifest."""

    def __post_init__(self) -> None:
        if not self.parts:
            raise VSPGymError("a data set needs at least one part")
        check_split(self.split)
        check_int(self.count, "count", 1, MAX_COUNT, VSPGymError)
        check_int(self.seed, "seed", 0, MAX_SEED, VSPGymError)
        fractions = tuple(parse_fraction(value) for value in self.fractions)
        if len(fractions) != len(SPLITS) or sum(fractions) != 1:
            listed = ", ".join(str(float(value)) for value in fractions)
            raise VSPGymError(f"the fractions of {', '.join(SPLITS)} must add up to 1, not {listed}")
        object.__setattr__(self, "fractions", fractions)
        if self.range.high - self.range.low < SLICES:
            raise VSPGymError(f"the fraction of {self.split} is 0")
        object.__setattr__(self, "exclude", frozenset(self.exclude))
        if self.image_size is not None:
            self._check_pictures()

    def _check_pictures(self) -> None:
        from vsp_gym.render import check_render_size

        for part in self.parts:
            for size in part.sizes:
                check_render_size(get_task(part.task), (size, size), self.image_size, self.theme)

    @cached_property
    def range(self) -> Range:
        """The positions of the split's boards."""
        return split_range(self.split, self.fractions)

    @cached_property
    def kept_out(self) -> frozenset[str]:
        """`exclude`, and the orbit keys of the worked examples in prompts, which would give answers away."""
        return self.exclude.union(example_orbit(get_task(part.task)) for part in self.parts)

    def to_dict(self) -> dict[str, Any]:
        """All parameters as JSON types: equal for requests of the same set."""
        exclude = hashlib.sha256("\n".join(sorted(self.exclude)).encode()).hexdigest()
        return {
            "parts": [part.to_dict() for part in self.parts],
            "count": self.count,
            "split": self.split,
            "seed": self.seed,
            "fractions": {split: str(value) for split, value in zip(SPLITS, self.fractions)},
            "theme": self.theme if self.image_size is not None else None,
            "image_size": self.image_size,
            "excluded": {
                "from": list(self.excluded),
                "orbits": len(self.exclude),
                "sha256": exclude if self.exclude else None,
            },
        }


@lru_cache(maxsize=64)
def example_orbit(task: PlanningTask[Any, Any]) -> str:
    """The orbit key of the board of a task's worked example."""
    from vsp_gym.prompts import example_solution

    form = task.generator.form
    return orbit_key(task.name, form, form.encode(example_solution(task).layout))


def parse_fraction(value: object) -> Fraction:
    """An exact fraction from a number or its decimal text; raises `VSPGymError` unless it is 0 to 1."""
    try:
        if isinstance(value, bool):
            raise TypeError
        fraction = value if isinstance(value, Fraction) else Fraction(str(value))
    except (TypeError, ValueError, ZeroDivisionError):
        raise VSPGymError(f"a fraction must be a number from 0 to 1, not {value!r:.80}") from None
    if not 0 <= fraction <= 1 or fraction.denominator > 1_000_000:
        raise VSPGymError(f"a fraction must be a number from 0 to 1, not {value!r:.80}")
    return fraction


# -- YAML -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Config:
    """A whole mixed data set, as a YAML file describes it."""

    requests: tuple[Request, ...]
    """One for each split."""
    format: str = "jsonl"
    exclude: tuple[tuple[str, str], ...] = ()
    """Suites whose boards are kept out, and their folders."""


_FIELDS = ("parts", "splits", "seed", "fractions", "theme", "image_size", "images", "format", "exclude")
_PART_FIELDS = ("task", "sizes", "difficulty", "share", "options")


def read_config(path: str | os.PathLike[str]) -> Config:
    """Read a YAML file that describes a data set.

    ```yaml
    seed: 0
    splits: {train: 10000, test: 500}
    parts:
      - {task: frozen-lake, sizes: 3-8}
      - {task: maze, sizes: [4, 5, 6], difficulty: [easy, medium, hard], share: 2, options: {loops: 0.1}}
    ```

    Raises:
        FormatError: naming the file and the field that is wrong.
        VSPGymError: if PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError:
        raise VSPGymError("YAML needs PyYAML: pip install 'vsp-gym[yaml]'") from None
    from vsp_gym.suites.files import read_text

    try:
        try:
            data = yaml.safe_load(read_text(Path(path)))
        except yaml.YAMLError as error:
            where = getattr(error, "problem_mark", None)
            line = f"line {where.line + 1}: " if where is not None else ""
            raise FormatError(f"{line}this is no YAML: {getattr(error, 'problem', None) or error}") from None
        except (RecursionError, ValueError) as error:
            if isinstance(error, VSPGymError):
                raise
            raise FormatError(f"this is no YAML that can be read: {error!s:.200}") from None
        return _config(data)
    except VSPGymError as error:
        raise FormatError(f"{path}: {error}") from None


def _config(data: object) -> Config:
    fields = _mapping(data, "the file", _FIELDS)
    if "parts" not in fields or "splits" not in fields:
        raise FormatError("parts and splits are needed")
    if not isinstance(fields["parts"], list):
        raise FormatError(f"parts must be a list, not {fields['parts']!r:.80}")
    parts = tuple(_part(part, f"parts[{number}]") for number, part in enumerate(fields["parts"]))
    splits = _mapping(fields["splits"], "splits", SPLITS)
    common: dict[str, Any] = {
        name: fields[name] for name in ("seed", "theme", "image_size") if name in fields
    }
    if "fractions" in fields:
        shares = _mapping(fields["fractions"], "fractions", SPLITS)
        common["fractions"] = tuple(shares.get(split, 0) for split in SPLITS)
    images = fields.get("images", True)
    if not isinstance(images, bool):
        raise FormatError(f"images must be true or false, not {images!r:.80}")
    if not images:
        common["image_size"] = None
    exclude = fields.get("exclude", {})
    if not isinstance(exclude, dict) or not all(isinstance(v, str) for pair in exclude.items() for v in pair):
        raise FormatError(f"exclude must name suites and their folders, not {exclude!r:.80}")
    if not splits:
        raise FormatError("splits is empty")
    return Config(
        tuple(Request(parts, splits[split], split, **common) for split in SPLITS if split in splits),
        str(fields.get("format", "jsonl")),
        tuple(exclude.items()),
    )


def _part(data: object, where: str) -> Part:
    fields = _mapping(data, where, _PART_FIELDS)
    for name in ("task", "sizes"):
        if name not in fields:
            raise FormatError(f"{where} lacks {name}")
    try:
        return Part(
            fields["task"],
            parse_sizes(fields["sizes"]),
            parse_difficulties(fields.get("difficulty")),
            fields.get("share", 1),
            tuple(_mapping(fields.get("options", {}), "options", None).items()),
        )
    except VSPGymError as error:
        raise FormatError(f"{where}: {error}") from None


def _mapping(data: object, where: str, allowed: Iterable[str] | None) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise FormatError(f"{where} must have names and values, not {data!r:.80}")
    for name in data:
        if not isinstance(name, str) or (allowed is not None and name not in allowed):
            raise UnknownNameError(f"field of {where}", name, allowed or ())
    return data


def parse_sizes(value: object) -> tuple[int, ...]:
    """Sizes from `5`, `"3-6"`, `"3,5,8"` or a list of those; raises `FormatError` for anything else."""
    if isinstance(value, bool):
        raise FormatError(f"sizes must be numbers like 5 or ranges like 3-6, not {value!r}")
    if isinstance(value, int):
        return (value,)
    if isinstance(value, (list, tuple)):
        return tuple(size for item in value for size in parse_sizes(item))
    sizes: list[int] = []
    for item in str(value).split(","):
        first, dash, last = (text.strip() for text in item.partition("-"))
        if not _is_size(first) or (dash and not _is_size(last)) or (dash and int(first) > int(last)):
            raise FormatError(f"sizes must be numbers like 5 or ranges like 3-6, not {item!r:.80}")
        sizes += range(int(first), int(last or first) + 1)
    return tuple(sizes)


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 3


def parse_difficulties(value: object) -> tuple[Difficulty | None, ...]:
    """Difficulties from None, `"easy,hard"` or a list; `any` stands for None.

    Raises:
        FormatError: for anything that is no text or list of texts.
    """
    if value is None:
        return (None,)
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
        raise FormatError(f"difficulty must be any of {', '.join(DIFFICULTIES)}, not {value!r:.80}")
    names = [item.strip() for item in items]
    return tuple(None if name == "any" else cast("Difficulty", name) for name in names)
