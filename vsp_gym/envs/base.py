"""What a task adds to its rules: how boards are drawn at random, described, shown and encoded.

A task is one folder under `vsp_gym/envs/` and one entry in `vsp_gym.envs.TASKS`. Its parts:

| file | class | answers |
|---|---|---|
| `rules.py` | a `Task` | what an action does |
| `generator.py` | a `Generator` | random solvable boards of a given difficulty |
| `text.py` | a `TextView` | the state in words, and back |
| `views.py` | a `PictureView` | the state in tiles, and how a tile is drawn |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, get_args

import numpy as np
import numpy.typing as npt

from vsp_gym.core import Action, Cell, LayoutT, StateT, Task, check_int
from vsp_gym.errors import UnknownNameError, VSPGymError
from vsp_gym.planning import Solution

if TYPE_CHECKING:
    from vsp_gym.render.canvas import Canvas
    from vsp_gym.render.themes import Look, Theme

Difficulty = Literal["easy", "medium", "hard"]

DIFFICULTIES: tuple[Difficulty, ...] = get_args(Difficulty)


class Generator(Generic[LayoutT, StateT]):
    """Draws solvable boards.

    Every random number comes from `rng.random()`, so that the same generator state gives the same
    board on every machine and NumPy version.
    """

    max_tries: ClassVar[int] = 1000
    """How many candidate boards `draw` may reject before it gives up."""

    def thresholds(self, size: int) -> tuple[int, int]:
        """The largest optimal length that is `easy`, and the largest that is `medium`, at side `size`.

        The default is MGSD's rule for mazes: `max(1, size // 2)` and `size`.
        """
        return max(1, size // 2), size

    def difficulty(self, size: int, optimal_length: int) -> Difficulty:
        """The bucket of a board of side `size` whose shortest plan has `optimal_length` actions."""
        easy, medium = self.thresholds(size)
        return "easy" if optimal_length <= easy else "medium" if optimal_length <= medium else "hard"

    def length_range(self, size: int, difficulty: Difficulty | None) -> tuple[int, int]:
        """The shortest and the longest optimal length (inclusive) of a bucket; all lengths for None."""
        easy, medium = self.thresholds(size)
        unbounded = 1 << 30
        if difficulty is None:
            return 1, unbounded
        if difficulty not in DIFFICULTIES:
            raise UnknownNameError("difficulty", difficulty, DIFFICULTIES)
        return {"easy": (1, easy), "medium": (easy + 1, medium), "hard": (medium + 1, unbounded)}[difficulty]

    def candidate(self, rng: np.random.Generator, size: int) -> Solution[LayoutT, StateT] | None:
        """A random board solved for every cell where the agent could start, or None if it is no board.

        The layout's own start is a placeholder: `draw` chooses it.
        """
        raise NotImplementedError

    def with_start(self, layout: LayoutT, start: StateT) -> LayoutT:
        """`layout` with its start where the agent is in `start`."""
        raise NotImplementedError

    def starts(self, solution: Solution[LayoutT, StateT]) -> list[StateT]:
        """The states in which a board may begin, in a fixed order."""
        raise NotImplementedError

    def draw(
        self, rng: np.random.Generator, size: int, difficulty: Difficulty | None = None
    ) -> Solution[LayoutT, StateT]:
        """A random solvable board of side `size`, with its solution.

        The start is uniform among the cells at a distance that the difficulty allows.

        Raises:
            UnknownNameError: for an unknown difficulty.
            VSPGymError: if no such board turned up in `max_tries` candidates.
        """
        shortest, longest = self.length_range(size, difficulty)
        for _ in range(self.max_tries):
            solution = self.candidate(rng, size)
            if solution is None:
                continue
            starts = [
                state
                for state in self.starts(solution)
                if (d := solution.distance(state)) is not None and shortest <= d <= longest
            ]
            if starts:
                start = starts[int(rng.random() * len(starts))]
                return solution.restarted(self.with_start(solution.layout, start))
        raise VSPGymError(
            f"no board of size {size} with difficulty {difficulty!r} in {self.max_tries} tries; "
            "ask for another size or difficulty"
        )

    def sample(self, rng: np.random.Generator, size: int, difficulty: Difficulty | None = None) -> LayoutT:
        """The layout of `draw`."""
        return self.draw(rng, size, difficulty).layout


class TextView(Generic[LayoutT, StateT]):
    """A lossless description of the board: `parse(describe(layout, state)) == (layout, state)`."""

    def describe(self, layout: LayoutT, state: StateT) -> str:
        """The whole state in words: size, positions, grid and what a planner needs besides."""
        raise NotImplementedError

    def parse(self, text: str) -> tuple[LayoutT, StateT]:
        """Read a description back; raises `FormatError` naming the line that is wrong."""
        raise NotImplementedError


class PictureView(Generic[LayoutT, StateT]):
    """The board as a grid of tiles and as numbers.

    A tile is a small integer whose meaning belongs to the task; equal tiles look equal. Pictures of
    all tasks are put together from cached tiles by `vsp_gym.render`. No two pictures of a task are
    equal unless layout and state are.
    """

    planes: ClassVar[tuple[str, ...]] = ()
    """Names of the binary planes of `encode_layout`."""
    flags: ClassVar[tuple[str, ...]] = ()
    """Names of the state's booleans besides the agent's cell."""
    meanings: ClassVar[Mapping[str, str]] = {}
    """What each role that the task draws stands for, for the legend: `{"goal": "the goal"}`."""
    looks: ClassVar[Mapping[str, Mapping[str, Look]]] = {}
    """Looks of this task's own, by theme and role. Roles that no theme has need one for `"default"`."""

    def cells(self, layout: LayoutT) -> bytes:
        """The tile of every cell of the board without the agent, row by row (all below 256)."""
        raise NotImplementedError

    def changes(self, layout: LayoutT, state: StateT, facing: Action | None = None) -> dict[Cell, int]:
        """The tiles that the state changes in `cells`, which includes the agent's."""
        raise NotImplementedError

    def tiles(self, layout: LayoutT, state: StateT, facing: Action | None = None) -> npt.NDArray[np.uint16]:
        """`[rows, cols]` tile of every cell; `facing` is the agent's last move, if it is to be seen.

        Raises:
            VSPGymError: if the state has a cell that is not on the board.
        """
        return self.batch_tiles([layout], [state], facing)[0]

    def batch_tiles(
        self, layouts: Sequence[LayoutT], states: Sequence[StateT], facing: Action | None = None
    ) -> npt.NDArray[np.uint16]:
        """`[boards, rows, cols]`: `tiles` of boards that have the same shape."""
        rows, cols = layouts[0].rows, layouts[0].cols
        codes = np.frombuffer(b"".join(map(self.cells, layouts)), np.uint8).astype(np.uint16)
        where: list[int] = []
        tiles: list[int] = []
        for board, (layout, state) in enumerate(zip(layouts, states)):
            for (row, col), tile in self.changes(layout, state, facing).items():
                if not (0 <= row < rows and 0 <= col < cols):
                    raise VSPGymError(f"the state {state!r} is not on a board of {rows}x{cols}")
                where.append((board * rows + row) * cols + col)
                tiles.append(tile)
        codes[where] = tiles
        return codes.reshape(len(layouts), rows, cols)

    def draw_tile(self, canvas: Canvas, tile: int, theme: Theme) -> None:
        """Draw one tile on a canvas whose coordinates run from 0 to 1.

        `theme` is adapted to the task: it has a look for every role that the task draws.
        """
        raise NotImplementedError

    def legend(self, theme: Theme) -> tuple[tuple[str, str], ...]:
        """What a picture shows: for each role its words as drawn, and what it stands for.

        `theme` is adapted to the task; `vsp_gym.render.legend` takes care of that.
        """
        return tuple((theme.look(role).words, meaning) for role, meaning in self.meanings.items())

    def agent(self, layout: LayoutT, state: StateT) -> Cell:
        """The agent's cell."""
        raise NotImplementedError

    def encode_layout(self, layout: LayoutT) -> npt.NDArray[np.uint8]:
        """`[len(planes), rows, cols]` of 0 and 1: what of the board matters to a plan, without the agent."""
        raise NotImplementedError

    def encode_flags(self, state: StateT) -> tuple[bool, ...]:
        """The values of `flags` in `state`."""
        return ()


class PlanningTask(Task[LayoutT, StateT]):
    """A whole task: the rules and everything that the package needs besides."""

    generator: Generator[LayoutT, StateT]
    text: TextView[LayoutT, StateT]
    picture: PictureView[LayoutT, StateT]

    @property
    def env_id(self) -> str:
        """The Gymnasium id, `"VSP/Maze-v0"`."""
        return f"VSP/{self.title}-v0"

    def check_size(self, size: object) -> int:
        """`size` as a side that the task allows; raises `VSPGymError` naming the limits."""
        return check_int(size, f"size of {self.title}", self.min_size, self.max_size, VSPGymError)
