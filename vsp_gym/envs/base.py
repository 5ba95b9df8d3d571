"""What a task adds to its rules: how boards are drawn at random, described, shown and encoded.

A task is one folder under `vsp_gym/envs/` and one entry in `vsp_gym.envs.TASKS`. Its parts:

| file | class | answers |
|---|---|---|
| `rules.py` | a `Task` | what an action does |
| `form.py` | a `BoardForm` | the board as bytes, for keys and mirror images |
| `generator.py` | a `Generator` | random solvable boards of a given difficulty |
| `text.py` | a `TextView` | the state in words, and back |
| `views.py` | a `PictureView` | the state in tiles, and how a tile is drawn |
| `questions.py` | a `QuestionSet` | what can be asked about a picture, with the true answers |
| `statement.py` | a `Statement` | what a model says that it sees, and back |
| `prompts/` | text files | the words for a model: the rules, and how to state the state |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, get_args

import numpy as np
import numpy.typing as npt

from vsp_gym.core import Action, Cell, LayoutT, StateT, Task, check_int, require_layout
from vsp_gym.errors import UnknownNameError, VSPGymError
from vsp_gym.planning import Solution
from vsp_gym.render.tiles import Glyph, agent_glyph
from vsp_gym.symmetry import Board, BoardForm

if TYPE_CHECKING:
    from vsp_gym.render.canvas import Canvas
    from vsp_gym.render.themes import Look, Theme

Difficulty = Literal["easy", "medium", "hard"]

DIFFICULTIES: tuple[Difficulty, ...] = get_args(Difficulty)


@lru_cache(maxsize=64)
def _cells(size: int) -> tuple[Cell, ...]:
    """The cells of a square board, row by row."""
    return tuple(Cell(row, col) for row in range(size) for col in range(size))


class Generator(Generic[LayoutT, StateT]):
    """Draws solvable boards.

    A board is drawn in three steps: its ground (`ground`), the target, and the start at the right
    distance from it. So every ground can give every difficulty that its size allows, and a data set
    can ask for targets that put the board into one of its splits (`among`).

    Every random number comes from `rng.random()`, so that the same generator state gives the same
    board on every machine and NumPy version.
    """

    rules: ClassVar[Task[Any, Any]]
    """The task's rules."""
    form: ClassVar[BoardForm[Any]]
    """The task's boards as bytes."""
    max_tries: ClassVar[int] = 100_000
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

    def ground(self, rng: np.random.Generator, size: int) -> bytes:
        """A random board of side `size` without target and start, as in `vsp_gym.symmetry.Board`."""
        raise NotImplementedError

    def sites(self, ground: bytes) -> Sequence[int]:
        """The cells where the target and the start may be, in order: by default those with code 0."""
        return [cell for cell, code in enumerate(ground) if not code]

    def state(self, cell: Cell) -> StateT:
        """The state in which a board begins whose start is `cell`."""
        raise NotImplementedError

    def grounds(self, size: int) -> Iterable[bytes] | None:
        """Every ground that `ground` can draw, in a fixed order, or None if they are too many to list."""
        return None

    def count_boards(self, size: int) -> tuple[int, str] | None:
        """How many solvable boards of side `size` there are, and how that is known; None if it is not."""
        return None

    def weight(self, ground: bytes) -> float:
        """How likely `ground` is compared to others that `grounds` lists."""
        return 1.0

    def straight_length(self, layout: LayoutT) -> int:
        """The length of a shortest plan were there nothing in the way."""
        raise NotImplementedError

    def arena(self, size: int, ground: bytes, target: int) -> Solution[LayoutT, StateT]:
        """A board without a start, solved from every cell where the agent could begin.

        `states` begins with the states of `sites(ground)` without `target`, in order.
        """
        cells = _cells(size)
        starts = list(self.sites(ground))
        starts.remove(target)
        layout = self.form.decode(Board(size, size, ground, target, starts[0]))
        return Solution(self.rules, layout, [self.state(cells[start]) for start in starts])

    def draw_arena(
        self, rng: np.random.Generator, size: int, among: Callable[[bytes], Sequence[int]] | None = None
    ) -> tuple[Solution[LayoutT, StateT], list[int]] | None:
        """A random `arena` and the cells of its starts, in order; None if the ground has no room for one.

        Args: as for `draw`.
        """
        ground = self.ground(rng, size)
        sites = self.sites(ground)
        targets = sites if among is None else among(ground)
        if not targets or len(sites) < 2:
            return None
        target = targets[int(rng.random() * len(targets))]
        starts = list(sites)
        starts.remove(target)
        return self.arena(size, ground, target), starts

    def draw(
        self,
        rng: np.random.Generator,
        size: int,
        difficulty: Difficulty | None = None,
        among: Callable[[bytes], Sequence[int]] | None = None,
    ) -> Solution[LayoutT, StateT]:
        """A random solvable board of side `size`, with its solution.

        The target is uniform among the cells that are allowed, the start among those at a distance that
        the difficulty allows.

        Args:
            rng: where random numbers come from.
            size: side of the board.
            difficulty: the bucket of the optimal length; None for any.
            among: the cells of a ground where the target may be (a part of `sites`); all if None.

        Raises:
            UnknownNameError: for an unknown difficulty.
            VSPGymError: if no such board turned up in `max_tries` candidates.
        """
        shortest, longest = self.length_range(size, difficulty)
        for _ in range(self.max_tries):
            found = self.draw_arena(rng, size, among)
            if found is None:
                continue
            arena, starts = found
            numbers = arena.starts_within(shortest, longest)
            if numbers:
                start = starts[numbers[int(rng.random() * len(numbers))]]
                return arena.restarted(self.form.with_start(arena.layout, start))
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
    seams: ClassVar[tuple[float, ...]] = ()
    """Where to cut a row of cells, in parts of its height, into strips that recur on many boards."""
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
        tiles: npt.NDArray[np.uint16] = self.batch_tiles([layout], [state], [facing])[0]
        return tiles

    def batch_tiles(
        self,
        layouts: Sequence[LayoutT],
        states: Sequence[StateT],
        facings: Sequence[Action | None] | None = None,
    ) -> npt.NDArray[np.uint16]:
        """`[boards, rows, cols]`: `tiles` of boards that have the same shape."""
        facings = facings or [None] * len(layouts)
        rows, cols = layouts[0].rows, layouts[0].cols
        codes = np.frombuffer(b"".join(map(self.cells, layouts)), np.uint8).astype(np.uint16)
        where: list[int] = []
        tiles: list[int] = []
        for board, (layout, state, facing) in enumerate(zip(layouts, states, facings)):
            for (row, col), tile in self.changes(layout, state, facing).items():
                if not (0 <= row < rows and 0 <= col < cols):
                    raise VSPGymError(f"{state!r:.80} is no state of a board of {rows}x{cols}")
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

    def glyphs(self, layout: LayoutT, state: StateT, facing: Action | None = None) -> list[list[Glyph]]:
        """The board for a terminal, line by line.

        Unless a task draws something better, a cell is the first letter of the first of its `planes`.
        """
        agent = self.agent(layout, state)
        planes = self.encode_layout(layout).astype(bool)
        letters = np.select(list(planes), [name[0].upper() for name in self.planes], ".")
        rows = [[Glyph(f"{letter} ", "floor") for letter in row] for row in letters.tolist()]
        rows[agent.row][agent.col] = Glyph(f"{agent_glyph(facing)} ", "agent")
        return rows

    def agent(self, layout: LayoutT, state: StateT) -> Cell:
        """The agent's cell."""
        raise NotImplementedError

    def encode_layout(self, layout: LayoutT) -> npt.NDArray[np.uint8]:
        """`[len(planes), rows, cols]` of 0 and 1: what of the board matters to a plan, without the agent."""
        raise NotImplementedError

    def encode_flags(self, state: StateT) -> tuple[bool, ...]:
        """The values of `flags` in `state`."""
        return ()


AnswerKind = Literal["int", "size", "cell", "cells", "actions", "directions", "yes_no"]
"""What an answer to a question is; see `vsp_gym.perception.Question.gold` for the types."""


@dataclass(frozen=True)
class Ask(Generic[LayoutT, StateT]):
    """A question that can be asked about any picture of a task."""

    name: str
    """Snake case, unique in the task: `"goal_position"`."""
    kind: AnswerKind
    prompt: str
    """The question, in the same words for every board."""
    gold: Callable[[LayoutT, StateT], Any]
    """The true answer, from the rules and the state."""


class QuestionSet(Generic[LayoutT, StateT]):
    """What can be asked about pictures of one task, besides what can be asked about every task's.

    `vsp_gym.perception` asks for the size, the agent's cell and the legal actions of every task.
    """

    asks: ClassVar[tuple[Ask[Any, Any], ...]] = ()
    """The task's own questions, in a fixed order."""


class Statement(Generic[LayoutT, StateT]):
    """The state in words as a model says it: short, regular, and enough to rebuild the board.

    `parse(state(layout, board_state)) == (layout, board_state)` for every state, whatever prose is around.
    """

    def state(self, layout: LayoutT, state: StateT) -> str:
        """A few short lines that begin with the size and end without a newline."""
        raise NotImplementedError

    def parse(self, text: str) -> tuple[LayoutT, StateT]:
        """The board that a text states, lenient about its words and strict about what they mean.

        Args:
            text: a reply up to its `<answer>` block, without its thoughts.

        Raises:
            FormatError: if a part is missing, unclear or contradicts another; the message is a clause.
        """
        raise NotImplementedError


class PlanningTask(Task[LayoutT, StateT]):
    """A whole task: the rules and everything that the package needs besides."""

    generator: Generator[LayoutT, StateT]
    text: TextView[LayoutT, StateT]
    picture: PictureView[LayoutT, StateT]
    questions: QuestionSet[LayoutT, StateT] = QuestionSet()
    statement: Statement[LayoutT, StateT] = Statement()

    @property
    def env_id(self) -> str:
        """The Gymnasium id, `"VSP/Maze-v0"`."""
        return f"VSP/{self.title}-v0"

    def check_board(self, layout: LayoutT, state: StateT | None = None) -> StateT:
        """`state`, or the initial one if None, after a check that board and state fit this task.

        Raises:
            LayoutError: if the layout is another task's.
            VSPGymError: if the agent is not on the board.
        """
        require_layout(self, layout)
        if state is None:
            return self.initial(layout)
        try:
            row, col = self.picture.agent(layout, state)
            self.picture.encode_flags(state)
            on_board = row in range(layout.rows) and col in range(layout.cols)
        except (AttributeError, IndexError, TypeError, ValueError):
            on_board = False
        if not on_board:
            raise VSPGymError(
                f"{state!r:.80} is no state of a {self.title} board of {layout.rows}x{layout.cols}"
            )
        return state

    def check_size(self, size: object) -> int:
        """`size` as a side that the task allows; raises `VSPGymError` naming the limits."""
        return check_int(size, f"size of {self.title}", self.min_size, self.max_size, VSPGymError)
