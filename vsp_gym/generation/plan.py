"""Who makes which boards: a request is cut into units that do not depend on each other.

Each of the 16 slices of a split has a *lane* for every part, size and difficulty. Lanes of one task,
size and slice form a *unit*, which is made at once so that no board occurs twice. A board's place in
the data set follows from the quotas alone: within a slice, lanes take turns.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from vsp_gym.envs import get_task
from vsp_gym.envs.base import Difficulty
from vsp_gym.generation.capacity import (
    Capacity,
    InfeasibleError,
    ListedBoard,
    birthday_bounds,
    list_boards,
)
from vsp_gym.generation.request import SLICES, Part, Request


class Lane(NamedTuple):
    """Boards of one bucket and slice, in the order in which they are made."""

    name: str
    """Unique in the request; safe as a file name."""
    bucket: int
    """Position in `Plan.buckets`."""
    part: int
    """Position in `Request.parts`."""
    difficulty: Difficulty | None
    quota: int
    first: int
    """Number of the first board, for the ids: lanes that differ by options only are numbered on."""


@dataclass(frozen=True)
class Unit:
    """What one worker makes at a time."""

    task: str
    size: int
    slice: int
    lanes: tuple[Lane, ...]
    first_index: int
    """Position in the data set of the slice's first board."""
    turns: tuple[tuple[int, int], ...]
    """Bucket and quota of all lanes of the slice, in the order in which they take turns."""

    @property
    def boards(self) -> int:
        """Boards of all lanes."""
        return sum(lane.quota for lane in self.lanes)

    def index(self, lane: Lane, number: int) -> int:
        """Position in the data set of a lane's board: the `number`-th board of every lane comes in turn."""
        index = self.first_index
        before = True
        for bucket, quota in self.turns:
            before = before and bucket != lane.bucket
            index += quota if quota <= number else number + before
        return index


class Bucket(NamedTuple):
    """Boards of one part, size and difficulty, in all slices."""

    part: int
    size: int
    difficulty: Difficulty | None
    quota: int


@dataclass(frozen=True)
class Plan:
    """How a request is carried out."""

    request: Request
    buckets: tuple[Bucket, ...]
    units: tuple[Unit, ...]
    """By slice, then as in the request."""
    capacities: tuple[Capacity, ...]
    """Of every bucket."""

    def of_slice(self, number: int) -> list[Unit]:
        """The units of a slice."""
        return [unit for unit in self.units if unit.slice == number]


def allocate(total: int, weights: Sequence[Fraction | int]) -> list[int]:
    """`total` divided in proportion to `weights` by largest remainders; earlier ones win ties."""
    whole = sum(weights)
    if not whole:
        return [0] * len(weights)
    exact = [Fraction(total * weight) / whole for weight in weights]
    shares = [math.floor(share) for share in exact]
    order = sorted(range(len(weights)), key=lambda i: (shares[i] - exact[i], i))
    for i in order[: total - sum(shares)]:
        shares[i] += 1
    return shares


def make_plan(request: Request) -> Plan:
    """Cut a request into units.

    Raises:
        InfeasibleError: if it asks for more boards than there are, with the number that there is.
    """
    buckets = make_buckets(request)
    quotas: list[list[int]] = []
    capacities: list[Capacity] = []
    for position, bucket in enumerate(buckets):
        task = request.parts[bucket.part].task
        chosen = choose_listed(request, task, bucket.size).get(position)
        if chosen is not None:
            capacities.append(chosen.available)
            quotas.append([len(boards) for boards in chosen.slices])
        else:
            capacities.append(_check_drawn(request, bucket, buckets))
            turn = position % SLICES  # so that not all buckets favour the same slices
            equal = allocate(bucket.quota, [1] * SLICES)
            quotas.append(equal[-turn:] + equal[:-turn])
    units: list[Unit] = []
    first = 0
    for number in range(SLICES):
        slice_quotas = [quota[number] for quota in quotas]
        units += _units(request, buckets, slice_quotas, number, first)
        first += sum(slice_quotas)
    return Plan(request, buckets, tuple(units), tuple(capacities))


def make_buckets(request: Request) -> tuple[Bucket, ...]:
    """Every part, size and difficulty with its number of boards."""
    kinds = [
        (number, size, difficulty, Fraction(part.share, len(part.sizes) * len(part.difficulties)))
        for number, part in enumerate(request.parts)
        for size in part.sizes
        for difficulty in part.difficulties
    ]
    quotas = allocate(request.count, [share for *_, share in kinds])
    return tuple(Bucket(part, size, hard, quota) for (part, size, hard, _), quota in zip(kinds, quotas))


def _units(
    request: Request, buckets: Sequence[Bucket], quotas: Sequence[int], number: int, first_index: int
) -> Iterator[Unit]:
    """The units of slice `number`; `quotas` has one number for each bucket."""
    lanes: dict[tuple[str, int], list[Lane]] = {}
    made: dict[str, int] = {}
    for position, (bucket, quota) in enumerate(zip(buckets, quotas)):
        if not quota:
            continue
        task = request.parts[bucket.part].task
        label = lane_label(task, bucket.size, bucket.difficulty, request.split, number)
        name = f"{label}-{position}"
        lane = Lane(name, position, bucket.part, bucket.difficulty, quota, made.get(label, 0))
        made[label] = lane.first + quota
        lanes.setdefault((task, bucket.size), []).append(lane)
    turns = tuple((lane.bucket, lane.quota) for those in lanes.values() for lane in those)
    for (task, size), those in lanes.items():
        yield Unit(task, size, number, tuple(those), first_index, turns)


def lane_label(task: str, size: int, difficulty: Difficulty | None, split: str, number: int) -> str:
    """What the ids of a lane's boards begin with."""
    words = [task.replace("_", "-"), str(size), *([difficulty] if difficulty else []), split, f"{number:02d}"]
    return "-".join(words)


def describe_bucket(request: Request, part: Part, size: int, difficulty: Difficulty | None) -> str:
    """A bucket in words, for messages."""
    options = "".join(f", {name}={value}" for name, value in part.options)
    title, hard = get_task(part.task).title, difficulty or "any difficulty"
    return f"{title} {size}x{size}, {hard}, {request.split}{options}"


def _refuse(request: Request, bucket: Bucket, available: Capacity) -> InfeasibleError:
    what = describe_bucket(request, request.parts[bucket.part], bucket.size, bucket.difficulty)
    known = "there are" if available.exact else "known to exist are"
    return InfeasibleError(f"{bucket.quota:,} boards are asked for of {what}; {known} {available}")


# -- spaces that are listed -------------------------------------------------------------------------


class Chosen(NamedTuple):
    """The boards of a bucket whose space is listed."""

    available: Capacity
    slices: tuple[tuple[ListedBoard, ...], ...]


@lru_cache(maxsize=128)
def choose_listed(request: Request, task: str, size: int) -> Mapping[int, Chosen]:
    """Choose the boards of all buckets of a task and size whose spaces are listed.

    Boards are chosen without replacement, by the generator's weights. A board of one bucket is not
    available to the next.

    Returns:
        What is chosen, by the bucket's position in the request.

    Raises:
        InfeasibleError: if there are too few for a bucket.
    """
    chosen: dict[int, Chosen] = {}
    taken: set[str] = set()
    low, high = request.range
    for position, bucket in enumerate(make_buckets(request)):
        part = request.parts[bucket.part]
        if (part.task, bucket.size) != (task, size):
            continue
        generator = part.generator
        listed = list_boards(task, generator, size)
        if listed is None:
            continue
        shortest, longest = generator.length_range(size, bucket.difficulty)
        slices: list[list[ListedBoard]] = [[] for _ in range(SLICES)]
        missing = 0
        for board in listed:
            if not (low <= board.position < high and shortest <= board.length <= longest):
                continue
            if board.key in taken or board.orbit in request.kept_out:
                missing += 1
            else:
                slices[(board.position - low) * SLICES // (high - low)].append(board)
        without = f", without {missing:,} excluded, in prompts or in other parts" if missing else ""
        available = Capacity(sum(map(len, slices)), True, f"all boards listed{without}")
        if bucket.quota > available.count:
            raise _refuse(request, bucket, available)
        shares = allocate(bucket.quota, [len(boards) for boards in slices])
        picked = tuple(_pick(boards, share, request.seed) for boards, share in zip(slices, shares))
        taken.update(board.key for boards in picked for board in boards)
        chosen[position] = Chosen(available, picked)
    return chosen


def _pick(boards: Sequence[ListedBoard], count: int, seed: int) -> tuple[ListedBoard, ...]:
    """`count` boards by their weights, in random order.

    Source: P. S. Efraimidis, P. G. Spirakis, Weighted random sampling with a reservoir, 2006.
    """

    def rank(board: ListedBoard) -> tuple[float, str]:
        data = hashlib.blake2b(f"{seed} {board.key}".encode(), digest_size=8).digest()
        uniform = (int.from_bytes(data, "big") + 1) / (1 << 64)
        return -math.log(uniform) / board.weight, board.key

    return tuple(heapq.nsmallest(count, boards, key=rank))


# -- spaces that boards are drawn from --------------------------------------------------------------


def _check_drawn(request: Request, bucket: Bucket, buckets: Sequence[Bucket]) -> Capacity:
    """Check that there are enough boards for a bucket and those that draw from the same space."""
    alike = [other for other in buckets if (other.part, other.size) == (bucket.part, bucket.size)]
    wanted = {other.difficulty: _wanted(request, other, buckets) for other in alike}
    available = _known_to_exist(request, bucket.part, bucket.size, tuple(wanted.items()))[bucket.difficulty]
    if wanted[bucket.difficulty] > available.count:
        raise _refuse(request, bucket._replace(quota=wanted[bucket.difficulty]), available)
    return available


def _wanted(request: Request, bucket: Bucket, buckets: Sequence[Bucket]) -> int:
    """Boards asked for that could be in a bucket: also those of parts that differ by options only."""
    task = request.parts[bucket.part].task
    rivals = [
        other.quota
        for other in buckets
        if (request.parts[other.part].task, other.size) == (task, bucket.size)
        and (other.difficulty == bucket.difficulty or None in (other.difficulty, bucket.difficulty))
    ]
    return max(1, sum(rivals))


@lru_cache(maxsize=1)  # for the buckets of a part and size, which follow each other
def _known_to_exist(
    request: Request, part: int, size: int, wanted: tuple[tuple[Difficulty | None, int], ...]
) -> dict[Difficulty | None, Capacity]:
    """Lower bounds for the buckets of a part and size."""
    of = request.parts[part]
    return birthday_bounds(of.task, of.generator, size, dict(wanted), request.range, request.kept_out)
