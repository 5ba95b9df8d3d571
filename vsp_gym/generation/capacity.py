"""How many different boards there are: exactly where they can be listed or counted, else at least.

Small spaces are listed. For some there is a formula. For the rest the *birthday test* gives a lower
bound: among `m` boards drawn at random from at most `n` there are about `m * m / 2 / n` equal pairs or
more, so few equal pairs prove that there are many boards, whatever their distribution.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from vsp_gym.core import check_int
from vsp_gym.envs import get_task
from vsp_gym.envs.base import Difficulty, Generator, PlanningTask
from vsp_gym.envs.env import check_difficulty
from vsp_gym.errors import VSPGymError
from vsp_gym.generation.request import ALL, FRACTIONS, Range, make_generator, split_range
from vsp_gym.planning import Solution
from vsp_gym.symmetry import Board, Orbits, board_key

LISTED = 60_000
"""A space of up to this many boards (solvable or not) is listed, which takes a second or two."""

CONFIDENCE = 1e-4
"""Chance that a lower bound is too high."""

DRAWS = 4000
"""Boards that the birthday test draws when no number of boards is asked for."""

FEWEST = 100
"""Boards that it draws at least."""

DOUBLINGS = 3
"""How often the birthday test draws as many boards again before it says no."""

SPARE = Fraction(4, 5)
"""Share of a lower bound that may be asked for: slices have somewhat different numbers of boards."""


TELLING_PAIRS, HOPELESS = 16, 8
"""With so many equal pairs, more draws cannot raise the bound to this many times as much."""

EXCLUDED = 20
"""The birthday test gives up if it draws this many times as many boards as it needs that are not excluded."""


class InfeasibleError(VSPGymError):
    """More boards are asked for than there are (or than are known to be there)."""


@dataclass(frozen=True)
class Capacity:
    """How many different boards a request can have."""

    count: int
    exact: bool
    """Whether there are exactly so many; if not, there are at least so many."""
    method: str
    """How that is known."""

    def __str__(self) -> str:
        return f"{'exactly' if self.exact else 'at least'} {self.count:,} ({self.method})"


class ListedBoard(NamedTuple):
    """A solvable board of a space that is listed."""

    board: Board
    position: int
    """Position of its orbit."""
    key: str
    orbit: str
    length: int
    """Optimal length."""
    weight: float
    """How likely it is to be drawn compared to others."""


def capacity(
    task: str | PlanningTask[Any, Any],
    size: int,
    difficulty: Difficulty | None = None,
    split: str | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    fractions: Sequence[Fraction] = FRACTIONS,
    wanted: int | None = None,
) -> Capacity:
    """How many different solvable boards there are.

    Args:
        task: a task or its name.
        size: side of the boards.
        difficulty: the bucket; None for all.
        split: the split; None for all boards.
        options: options of the task's generator.
        fractions: shares of the splits.
        wanted: for a lower bound, the number that it should show if it can.

    Raises:
        UnknownNameError: for an unknown task, difficulty, split or option.
        VSPGymError: for a size or option out of range.
    """
    task = get_task(task)
    size = task.check_size(size)
    generator = make_generator(task, options or {})
    check_difficulty(difficulty)
    where = split_range(split, fractions)
    if wanted is not None:
        check_int(wanted, "wanted", 1, 1 << 60, VSPGymError)
    listed = list_boards(task.name, generator, size)
    if listed is not None:
        shortest, longest = generator.length_range(size, difficulty)
        found = sum(
            where.low <= board.position < where.high and shortest <= board.length <= longest
            for board in listed
        )
        return Capacity(found, True, "all boards listed")
    known = generator.count_boards(size) if difficulty is None and where == ALL else None
    if known is not None:
        return Capacity(known[0], True, known[1])
    return birthday_bound(task.name, generator, size, difficulty, where, wanted)


@lru_cache(maxsize=16)
def list_boards(name: str, generator: Generator[Any, Any], size: int) -> tuple[ListedBoard, ...] | None:
    """All solvable boards of a size, in a fixed order, or None if they are too many to list."""
    grounds = generator.grounds(size)
    if grounds is None:
        return None
    kept, total = [], 0
    for ground in grounds:
        sites = len(generator.sites(ground))
        total += sites * (sites - 1)
        if total > LISTED:
            return None
        if sites > 1:
            kept.append(ground)
    return tuple(board for ground in kept for board in _boards_of(name, generator, size, ground))


@lru_cache(maxsize=1024)
def listed_arena(generator: Generator[Any, Any], size: int, ground: bytes, target: int) -> Solution[Any, Any]:
    """The generator's arena. Spaces are listed first and boards made from them afterwards."""
    return generator.arena(size, ground, target)


def _boards_of(name: str, generator: Generator[Any, Any], size: int, ground: bytes) -> list[ListedBoard]:
    orbits = Orbits(name, generator.form, size, size, ground)
    positions = orbits.positions()
    weight = generator.weight(ground)
    sites = generator.sites(ground)
    boards = []
    for target in sites:
        arena = listed_arena(generator, size, ground, target)
        starts = [cell for cell in sites if cell != target]
        for number in arena.starts_within(1, 1 << 30):
            board = Board(size, size, ground, target, starts[number])
            boards.append(
                ListedBoard(
                    board,
                    positions[target],
                    board_key(name, board),
                    orbits.key(target, starts[number]),
                    arena.to_go[number],
                    weight,
                )
            )
    return boards


def birthday_bound(
    name: str,
    generator: Generator[Any, Any],
    size: int,
    difficulty: Difficulty | None,
    where: Range,
    wanted: int | None = None,
    exclude: frozenset[str] = frozenset(),
) -> Capacity:
    """A lower bound from the equal pairs among boards drawn at random; it is wrong once in ten thousand.

    If the bound is lower than `wanted`, up to eight times as many boards are drawn before it stands.
    Boards whose orbit keys are in `exclude` do not count.
    """
    return birthday_bounds(name, generator, size, {difficulty: wanted}, where, exclude)[difficulty]


def birthday_bounds(
    name: str,
    generator: Generator[Any, Any],
    size: int,
    wanted: Mapping[Difficulty | None, int | None],
    where: Range,
    exclude: frozenset[str] = frozenset(),
) -> dict[Difficulty | None, Capacity]:
    """`birthday_bound` of several difficulties: each solved board gives one a start for each of them."""
    rng = np.random.default_rng([size, 1])
    among = TargetsIn(name, generator, size, where)
    tests = {
        difficulty: _BirthdayTest(generator.length_range(size, difficulty), number, generator.max_tries)
        for difficulty, number in wanted.items()
    }
    going_on = list(tests.values())
    while going_on:
        found = generator.draw_arena(rng, size, among)
        for test in going_on:
            numbers = [] if found is None else found[0].starts_within(*test.lengths)
            if found is None or not numbers:
                test.miss()
                continue
            arena, starts = found
            board = generator.form.encode(arena.layout)
            board = board._replace(start=starts[numbers[int(rng.random() * len(numbers))]])
            excluded = bool(exclude) and among.orbits.key(board.target, board.start) in exclude
            test.take(board, excluded)
        going_on = [test for test in going_on if not test.is_over]
    return {difficulty: test.capacity for difficulty, test in tests.items()}


class _BirthdayTest:
    """Counts the equal pairs among boards of one bucket until there are enough boards.

    Args:
        lengths: the shortest and the longest optimal length of the bucket.
        wanted: number of boards that the bound should show if it can.
        patience: how many candidates in a row may have no board of the bucket.
    """

    _LOG = -math.log(CONFIDENCE)

    def __init__(self, lengths: tuple[int, int], wanted: int | None, patience: int) -> None:
        self.lengths = lengths
        self._wanted, self._patience = wanted, patience
        needed = 0 if wanted is None else math.isqrt(math.ceil(2 * self._LOG * wanted / SPARE)) + 2
        self._needed = DRAWS if wanted is None else max(FEWEST, needed)
        self._draws = min(FEWEST, self._needed)
        self._most = self._needed << DOUBLINGS
        self._seen: Counter[Board] = Counter()
        self._pairs = self._drawn = self._excluded = self._misses = 0
        self.capacity: Capacity
        """What came out, when the test is over."""
        self.is_over = False

    def miss(self) -> None:
        """Count a candidate that has no board of the bucket."""
        self._misses += 1
        if self._misses >= self._patience:
            self._end(Capacity(0, False, f"no such board in {self._patience:,} tries"))

    def take(self, board: Board, excluded: bool) -> None:
        """Count a board."""
        self._misses = 0
        if excluded:
            self._excluded += 1
            tries = self._drawn + self._excluded
            if tries > EXCLUDED * self._needed:
                self._end(Capacity(len(self._seen), False, f"{tries:,} boards drawn, nearly all excluded"))
            return
        self._pairs += self._seen[board]
        self._seen[board] += 1
        self._drawn += 1
        if self._drawn == self._draws:
            self._conclude()

    def _conclude(self) -> None:
        """Find the bound; if it is too low for what is wanted, go on with as many boards again."""
        log, pairs, drawn = self._LOG, self._pairs, self._drawn
        # A Poisson number with this mean is `pairs` or less once in 1 / CONFIDENCE times (Chernoff).
        mean = pairs + log + math.sqrt(log * log + 2 * log * pairs) if pairs else log
        count = int(max(len(self._seen), int(drawn * (drawn - 1) / 2 / mean)) * SPARE)
        if self._draws < self._needed and not self._is_hopeless(count):
            self._draws = min(2 * self._draws, self._needed)
            return
        is_too_low = self._wanted is not None and count < self._wanted
        if is_too_low and self._draws < self._most and not self._is_hopeless(count):
            self._draws *= 2
            return
        method = f"birthday test: {pairs:,} equal pairs among {drawn:,} boards drawn at random"
        self._end(Capacity(count, False, method))

    def _is_hopeless(self, count: int) -> bool:
        """Whether the bound is so far below what is wanted that more draws cannot raise it that far."""
        return self._wanted is not None and self._pairs >= TELLING_PAIRS and HOPELESS * count < self._wanted

    def _end(self, capacity: Capacity) -> None:
        self.capacity = capacity
        self.is_over = True


class TargetsIn:
    """The targets that put a ground's boards into a range of positions; for `Generator.draw`."""

    def __init__(self, name: str, generator: Generator[Any, Any], size: int, where: Range) -> None:
        self._name, self._generator, self._size = name, generator, size
        self._low, self._high = where
        self.orbits: Orbits
        """Those of the ground asked about last."""

    def __call__(self, ground: bytes) -> list[int]:
        low, high = self._low, self._high
        self.orbits = Orbits(self._name, self._generator.form, self._size, self._size, ground)
        positions = self.orbits.positions()
        return [site for site in self._generator.sites(ground) if low <= positions[site] < high]
