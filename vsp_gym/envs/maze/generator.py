"""Random mazes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from vsp_gym.core import Cell
from vsp_gym.envs.base import Generator
from vsp_gym.envs.maze.form import MazeForm
from vsp_gym.envs.maze.rules import EAST, NORTH, SOUTH, WEST, MazeLayout, MazeRules
from vsp_gym.errors import UnknownNameError, VSPGymError

LISTED_SETS = 1000
"""Mazes are listed by trying all sets of passages if there are no more than this many."""

Passage = tuple[int, int]
"""Two neighbouring cells, each `row * size + col`, the smaller one first."""


@dataclass(frozen=True)
class MazeGenerator(Generator[MazeLayout, Cell]):
    """Mazes in which every cell can be reached, with a uniform goal.

    Raises:
        UnknownNameError: for an unknown algorithm.
        VSPGymError: if `loops` is no number from 0 to 1.
    """

    algorithm: str = "depth-first"
    """A key of `ALGORITHMS`: how the perfect maze is carved, in which every two cells have one route."""
    loops: float = 0.0
    """Share of the inner walls that a perfect maze has left which are opened: more than one route."""

    rules = MazeRules()
    form = MazeForm()

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise UnknownNameError("maze algorithm", self.algorithm, ALGORITHMS)
        if (
            isinstance(self.loops, bool)
            or not isinstance(self.loops, (int, float))
            or not 0 <= self.loops <= 1
        ):
            raise VSPGymError(f"loops must be a number from 0 to 1, not {self.loops!r:.80}")

    def ground(self, rng: np.random.Generator, size: int) -> bytes:
        passages = ALGORITHMS[self.algorithm](rng, size)
        extra = self._extra(size)
        if extra:
            carved = set(passages)
            closed = [passage for passage in _passages(size) if passage not in carved]
            for draw in rng.random(extra).tolist():
                passages.append(closed.pop(int(draw * len(closed))))
        return _carve(size, passages)

    def sites(self, ground: bytes) -> range:
        return range(len(ground))

    def state(self, cell: Cell) -> Cell:
        return cell

    def grounds(self, size: int) -> Iterator[bytes] | None:
        """All mazes of a small size: of all sets of passages those that the options can give."""
        passages, wanted = _passages(size), size * size - 1 + self._extra(size)
        if math.comb(len(passages), wanted) > LISTED_SETS:
            return None
        chosen = itertools.combinations(passages, wanted)
        return (_carve(size, few) for few in chosen if _is_connected(size, few) and self._can_draw(size, few))

    def count_boards(self, size: int) -> tuple[int, str] | None:
        if self.loops or self.algorithm != "uniform":
            return None
        cells = size * size
        return (
            count_spanning_trees(size) * cells * (cells - 1),
            "spanning trees (Kirchhoff's theorem) with a start and a goal",
        )

    def straight_length(self, layout: MazeLayout) -> int:
        return abs(layout.start[0] - layout.goal[0]) + abs(layout.start[1] - layout.goal[1])

    def _extra(self, size: int) -> int:
        """How many walls are opened besides those of the perfect maze (halves are rounded up)."""
        return math.floor(self.loops * (size - 1) ** 2 + 0.5)

    def _can_draw(self, size: int, passages: tuple[Passage, ...]) -> bool:
        """Whether this connected maze comes from a perfect one of the algorithm by opening walls."""
        if self.algorithm == "uniform":
            return True
        trees = itertools.combinations(passages, size * size - 1)
        return any(_is_connected(size, tree) and is_depth_first(size, tree) for tree in trees)


def depth_first_tree(rng: np.random.Generator, size: int) -> list[Passage]:
    """Passages of a perfect maze carved by randomised depth-first search: long corridors."""
    neighbours = _neighbours(size)
    draws = iter(rng.random(size * size).tolist())
    here = int(next(draws) * size * size)
    unvisited = [True] * (size * size)
    unvisited[here] = False
    path, passages = [here], []
    left = size * size - 1
    while left:
        options = [cell for cell in neighbours[here] if unvisited[cell]]
        if not options:
            here = path.pop()
            continue
        there = options[int(next(draws) * len(options))] if len(options) > 1 else options[0]
        unvisited[there] = False
        left -= 1
        passages.append((here, there) if here < there else (there, here))
        path.append(here)
        here = there
    return passages


def uniform_tree(rng: np.random.Generator, size: int) -> list[Passage]:
    """Passages of a perfect maze, each equally likely: a uniform spanning tree by Wilson's algorithm.

    Source: D. B. Wilson, Generating random spanning trees more quickly than the cover time, STOC 1996.
    """
    neighbours = _neighbours(size)
    cells = size * size
    draws = _stream(rng, cells)
    outside = [True] * cells
    outside[0] = False
    passages = []
    leads_to = [0] * cells
    for first in range(1, cells):
        cell = first
        while outside[cell]:  # a random walk; leaving a cell again forgets the loop between
            options = neighbours[cell]
            leads_to[cell] = options[int(next(draws) * len(options))]
            cell = leads_to[cell]
        cell = first
        while outside[cell]:
            outside[cell] = False
            there = leads_to[cell]
            passages.append((cell, there) if cell < there else (there, cell))
            cell = there
    return passages


ALGORITHMS: Mapping[str, Callable[[np.random.Generator, int], list[Passage]]] = MappingProxyType(
    {"depth-first": depth_first_tree, "uniform": uniform_tree}
)
"""How perfect mazes are carved."""


def count_spanning_trees(size: int) -> int:
    """The number of perfect mazes of side `size`: Kirchhoff's matrix tree theorem, exact.

    The determinant of the grid's Laplacian without its last cell is found by elimination in integers
    (E. H. Bareiss, Math. Comp. 22, 1968).

    >>> [count_spanning_trees(size) for size in (2, 3, 4)]
    [4, 192, 100352]
    """
    neighbours = _neighbours(size)
    order = size * size - 1
    matrix = [[-int(col in neighbours[row]) for col in range(order)] for row in range(order)]
    for row in range(order):
        matrix[row][row] = len(neighbours[row])
    previous = 1
    for k in range(order - 1):
        pivot = matrix[k][k]
        for row in range(k + 1, min(order, k + size + 1)):  # below these, the column is 0
            factor, upper, here = matrix[row][k], matrix[k], matrix[row]
            for col in range(k + 1, order):
                here[col] = (here[col] * pivot - factor * upper[col]) // previous
        for row in range(k + size + 1, order):
            here = matrix[row]
            for col in range(k + 1, order):
                here[col] = here[col] * pivot // previous
        previous = pivot
    return matrix[-1][-1] if order else 1


def is_depth_first(size: int, tree: tuple[Passage, ...]) -> bool:
    """Whether depth-first search can carve this perfect maze.

    It can if for some first cell every wall separates a cell from one on its way to the first cell.
    """
    links: list[list[int]] = [[] for _ in range(size * size)]
    for a, b in tree:
        links[a].append(b)
        links[b].append(a)
    walls = [passage for passage in _passages(size) if passage not in tree]
    for first in range(size * size):
        above: dict[int, set[int]] = {first: {first}}
        stack = [first]
        while stack:
            cell = stack.pop()
            for there in links[cell]:
                if there not in above:
                    above[there] = above[cell] | {there}
                    stack.append(there)
        if all(a in above[b] or b in above[a] for a, b in walls):
            return True
    return False


@lru_cache(maxsize=64)
def _neighbours(size: int) -> tuple[tuple[int, ...], ...]:
    """The cells beside each cell: above, below, left, right."""
    return tuple(
        tuple(
            (row + dr) * size + col + dc
            for dr, dc in ((-1, 0), (1, 0), (0, -1), (0, 1))
            if 0 <= row + dr < size and 0 <= col + dc < size
        )
        for row in range(size)
        for col in range(size)
    )


@lru_cache(maxsize=64)
def _passages(size: int) -> tuple[Passage, ...]:
    """All pairs of neighbouring cells."""
    return tuple((a, b) for a, beside in enumerate(_neighbours(size)) for b in beside if a < b)


def _carve(size: int, passages: tuple[Passage, ...] | list[Passage]) -> bytes:
    """The wall masks of a maze with these passages."""
    walls = bytearray([NORTH | SOUTH | WEST | EAST]) * (size * size)
    for a, b in passages:
        if b - a == 1:
            walls[a] -= EAST
            walls[b] -= WEST
        else:
            walls[a] -= SOUTH
            walls[b] -= NORTH
    return bytes(walls)


def _is_connected(size: int, passages: tuple[Passage, ...]) -> bool:
    """Whether the passages connect all cells."""
    group = list(range(size * size))
    left = size * size
    for passage in passages:
        a, b = (_root(group, cell) for cell in passage)
        if a != b:
            group[a] = b
            left -= 1
    return left == 1


def _root(group: list[int], cell: int) -> int:
    """The cell that stands for the group of `cell`."""
    while group[cell] != cell:
        cell = group[cell]
    return cell


def _stream(rng: np.random.Generator, block: int) -> Iterator[float]:
    """Random numbers without end, drawn `block` at a time."""
    while True:
        yield from rng.random(block).tolist()
