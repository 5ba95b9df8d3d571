"""Making the boards of one unit, and keeping them in files until the data set is put together.

A lane is kept as one file: for every record the lengths of its line, path and picture and these three,
and at the end a checksum. A file appears when it is whole.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from vsp_gym.envs import get_task
from vsp_gym.errors import FormatError
from vsp_gym.generation.capacity import InfeasibleError, ListedBoard, TargetsIn, listed_arena
from vsp_gym.generation.plan import Lane, Unit, choose_listed, describe_bucket, lane_label
from vsp_gym.generation.request import Request
from vsp_gym.planning import Solution
from vsp_gym.records.sample import make_sample
from vsp_gym.records.writing import Record
from vsp_gym.render import render_pngs
from vsp_gym.symmetry import Board, board_key

BATCH = 16
"""Pictures drawn at a time: few enough that their pixels stay in the processor's cache."""

STALL = 10_000
"""Boards in a row that were made before, after which a slice counts as exhausted."""

_LENGTHS = struct.Struct("<III")
_END = b"\xff\xff\xff\xff"
"""Stands where the length of the next line would be."""

_DIGEST = 32


def make_unit(request: Request, unit: Unit) -> Iterator[tuple[Lane, Record]]:
    """The records of a unit, lane by lane.

    Raises:
        InfeasibleError: if a slice has fewer boards than planned.
    """
    seen: set[str] = set()
    listed = choose_listed(request, unit.task, unit.size)
    for lane in sorted(unit.lanes, key=lambda lane: lane.bucket not in listed):  # listed ones first
        if lane.bucket in listed:
            boards = listed[lane.bucket].slices[unit.slice]
            drawn = _solve_listed(request, unit, lane, boards)
            seen.update(board.key for board in boards)
        else:
            drawn = _draw(request, unit, lane, seen)
        number = 0
        while batch := list(itertools.islice(drawn, BATCH)):
            for record in _records(request, unit, lane, batch, number):
                yield lane, record
            number += len(batch)


class Drawn(NamedTuple):
    """A solved board and its keys."""

    solution: Solution[Any, Any]
    board: Board
    key: str
    orbit: str


def _solve_listed(request: Request, unit: Unit, lane: Lane, boards: Sequence[ListedBoard]) -> Iterator[Drawn]:
    """Listed boards with solutions, in their order; boards that differ by their start share the work."""
    generator = request.parts[lane.part].generator
    for board, _, key, orbit, _, _ in boards:
        solution = listed_arena(generator, unit.size, board.ground, board.target)
        layout = generator.form.with_start(solution.layout, board.start)
        yield Drawn(solution.restarted(layout), board, key, orbit)


def _draw(request: Request, unit: Unit, lane: Lane, seen: set[str]) -> Iterator[Drawn]:
    """Boards drawn at random that are not in `seen`, which grows."""
    part = request.parts[lane.part]
    generator = part.generator
    stream = hashlib.blake2b(f"{lane.name} {part.to_dict()['options']}".encode(), digest_size=16).digest()
    rng = np.random.default_rng([request.seed, int.from_bytes(stream, "little")])
    among = TargetsIn(part.task, generator, unit.size, request.range.slice(unit.slice))
    made = stalled = 0
    while made < lane.quota:
        solution = generator.draw(rng, unit.size, lane.difficulty, among)
        board = generator.form.encode(solution.layout)
        key = board_key(part.task, board)
        orbit = among.orbits.key(board.target, board.start)
        if key in seen or orbit in request.kept_out:
            stalled += 1
            if stalled == STALL:
                what = describe_bucket(request, part, unit.size, lane.difficulty)
                raise InfeasibleError(
                    f"slice {unit.slice} of {what} gave {made:,} boards and then no new one "
                    f"in {STALL:,} tries; {lane.quota:,} are asked for"
                )
            continue
        stalled = 0
        made += 1
        seen.add(key)
        yield Drawn(solution, board, key, orbit)


def _records(
    request: Request, unit: Unit, lane: Lane, batch: Sequence[Drawn], first: int
) -> Iterator[Record]:
    """The records of solved boards; `first` is the first one's number in the lane."""
    task = get_task(unit.task)
    images: Sequence[bytes | None] = [None] * len(batch)
    if request.image_size is not None:
        layouts = [drawn.solution.layout for drawn in batch]
        images = render_pngs(task, layouts, size=request.image_size, theme=request.theme)
    label = lane_label(unit.task, unit.size, lane.difficulty, request.split, unit.slice)
    theme = None if request.image_size is None else request.theme
    for number, (drawn, image) in enumerate(zip(batch, images), start=first):
        name = f"{label}-{lane.first + number:06d}"
        path = None if image is None else f"images/{request.split}-{unit.slice:02d}/{name}.png"
        sample = make_sample(
            task,
            drawn.solution,
            id=name,
            split=request.split,
            seed=request.seed,
            index=unit.index(lane, number),
            board=drawn.board,
            key=drawn.key,
            orbit=drawn.orbit,
            theme=theme,
            image_size=request.image_size,
            image_path=path,
        )
        yield Record(sample.to_json(), path, image)


# -- files of lanes ---------------------------------------------------------------------------------


class LaneFile:
    """Writes a lane's file; it gets its name when it is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}")
        self._stream: IO[bytes] = self._temporary.open("wb", 1 << 18)
        self._digest = hashlib.sha256()

    def add(self, record: Record) -> None:
        """Append a record."""
        path = (record.image_path or "").encode()
        image = record.image or b""
        data = b"".join((_LENGTHS.pack(len(record.line), len(path), len(image)), record.line, path, image))
        self._digest.update(data)
        self._stream.write(data)

    def close(self) -> None:
        """Finish the file. If the machine stops before it is on the disk, its checksum will tell."""
        self._stream.write(_END + self._digest.digest())
        self._stream.close()
        os.replace(self._temporary, self._path)

    def abort(self) -> None:
        """Remove what was written, if the file is not whole."""
        if not self._stream.closed:
            self._stream.close()
            self._temporary.unlink(missing_ok=True)


def read_lane(path: Path) -> Iterator[Record]:
    """The records of a lane's file.

    Raises:
        FormatError: at the end, if the file is not what was written.
    """
    digest = hashlib.sha256()
    with path.open("rb", 1 << 18) as stream:
        while True:
            head = stream.read(_LENGTHS.size)
            if head[:4] == _END:
                if head[4:] + stream.read() == digest.digest():
                    return
                break
            if len(head) < _LENGTHS.size:
                break
            lengths = _LENGTHS.unpack(head)
            data = stream.read(sum(lengths))
            if len(data) < sum(lengths):
                break
            digest.update(head)
            digest.update(data)
            line, name = lengths[0], lengths[0] + lengths[1]
            yield Record(data[:line], data[line:name].decode() or None, data[name:] or None)
    raise FormatError(f"{path}: the file is damaged")


def is_whole(path: Path) -> bool:
    """Whether a lane's file is there and undamaged."""
    try:
        for _ in read_lane(path):
            pass
    except (OSError, FormatError, UnicodeDecodeError):
        return False
    return True


def write_unit(request: Request, unit: Unit, folder: Path, tick: Callable[[], None] | None = None) -> None:
    """Make a unit and write its lanes' files into `folder`; `tick` is called after every board."""
    files: dict[str, LaneFile] = {}
    try:
        for lane in unit.lanes:
            files[lane.name] = LaneFile(lane_path(folder, lane))
        for lane, record in make_unit(request, unit):
            files[lane.name].add(record)
            if tick is not None:
                tick()
        for file in files.values():
            file.close()
    finally:
        for file in files.values():
            file.abort()


def lane_path(folder: Path, lane: Lane) -> Path:
    """The file of a lane."""
    return folder / f"{lane.name}.lane"


def merge(lanes: Iterable[Path]) -> Iterator[Record]:
    """The records of a slice's lanes, which take turns: the first of each, the second of each, and so on."""
    waiting = [read_lane(path) for path in lanes]
    while waiting:
        still = []
        for records in waiting:
            record = next(records, None)
            if record is not None:
                yield record
                still.append(records)
        waiting = still
