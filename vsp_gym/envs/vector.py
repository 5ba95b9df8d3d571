"""`VectorPlanningEnv`: thousands of boards of one task, stepped by table look-ups.

Each board's rules are enumerated once into integer tables (`vsp_gym.planning.tabulate`); a step of
all boards is then a handful of NumPy gathers. Nothing is simulated twice, so the single and the
vector environment cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar, cast, get_args

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.utils import seeding
from gymnasium.vector.utils import batch_space

from vsp_gym.core import LayoutT, StateT, check_int
from vsp_gym.envs.base import Difficulty, PlanningTask
from vsp_gym.envs.env import (
    BoardSource,
    Knowledge,
    ObservationKind,
    ObservationSpec,
    OnViolation,
    PlanningEnv,
    check_layout,
    check_options,
    plain_seed,
)
from vsp_gym.errors import UnknownNameError, VSPGymError
from vsp_gym.planning import VIOLATION_CODES, Solution
from vsp_gym.render import render_batch, render_rgb

ScalarT = TypeVar("ScalarT", bound=np.generic)

VIOLATION_NAMES = np.array(
    [None, *(violation.value for violation in VIOLATION_CODES[1:] if violation)], object
)
"""What `info["violation"]` says for each code of `TransitionTable.violation`."""

AUTORESET_MODES = ("NextStep", "SameStep", "Disabled")
"""Values of Gymnasium's `AutoresetMode`."""

KEPT_BYTES = 1 << 20
"""Up to this size the state vectors of all states are kept; more would leave a core's cache."""

_MOVE = np.dtype(
    [("next", np.int64), ("reward", np.float32), ("terminated", np.bool_), ("violation", np.uint8)],
    align=True,
)
"""What an action does in a state: the columns of `TransitionTable`, side by side in 16 bytes."""


def _facts(actions: int) -> np.dtype[np.void]:
    """What infos say about a state, by the names they have there and in `Knowledge`."""
    masks = [(name, np.int8, (actions,)) for name in ("optimal_actions", "action_mask")]
    return np.dtype([("distance", np.int64), *masks], align=True)


class _Boards(Generic[LayoutT, StateT]):
    """The tables of `count` boards, stacked so that one number names a board and a state.

    That number is `board * per_board + state`, and `number * actions + action` a move. Rows are structured
    where several values of one are wanted together, because each gather costs a step.
    """

    def __init__(self, spec: ObservationSpec[LayoutT, StateT], count: int) -> None:
        self.spec = spec
        self.actions = len(spec.task.actions)
        self.count = count
        self.per_board = 1
        """States that there is room for on each board."""
        self.moves = np.zeros(count * self.actions, _MOVE)
        self.facts = np.zeros(count, _facts(self.actions))
        self.agent = np.zeros(count, np.int64)
        """Where the agent's 1 is in a state vector."""
        self.flags = np.zeros((count, len(spec.task.picture.flags)), np.uint8)
        self.solutions: list[Solution[LayoutT, StateT] | None] = [None] * count
        self.start = np.zeros(count, np.int64)
        self.limit = np.zeros(count, np.int64)
        self.texts: list[dict[int, str]] = [{} for _ in range(count)]
        self._encodes = spec.kind == "state"
        self.planes = np.zeros((count, spec.state_length if self._encodes else 0), np.uint8)
        """State vectors of the boards without agent and flags."""
        self._kept: npt.NDArray[np.uint8] | None = None

    def _grow(self, per_board: int) -> None:
        """Make room for boards with `per_board` states, moving those that are there."""
        count, actions = self.count, self.actions
        shift = np.arange(count) * (per_board - self.per_board)
        self.moves["next"] += shift.repeat(self.per_board * actions)
        self.start += shift
        self.moves = _widened(self.moves, count, per_board * actions)
        self.facts = _widened(self.facts, count, per_board)
        self.agent = _widened(self.agent, count, per_board)
        self.flags = _widened(self.flags, count, per_board)
        self.per_board = per_board

    def put(self, board: int, solution: Solution[LayoutT, StateT]) -> bool:
        """Store a board's tables in slot `board`; True if all state numbers changed to make room."""
        known = Knowledge(solution)
        table, layout, picture = known.table, solution.layout, self.spec.task.picture
        states = len(table.states)
        grows = states > self.per_board
        if grows:
            self._grow(states)
        first = board * self.per_board
        rows = slice(first, first + states)
        moves = self.moves[first * self.actions : (first + states) * self.actions]
        moves["next"] = table.next.ravel() + first
        moves["reward"] = table.reward.ravel()
        moves["terminated"] = table.terminated.ravel()
        moves["violation"] = table.violation.ravel()
        facts = self.facts[rows]
        facts["distance"] = known.distance
        facts["optimal_actions"] = known.optimal_actions
        facts["action_mask"] = known.action_mask
        agents = [picture.agent(layout, state) for state in table.states]
        plane = self.spec.planes * layout.rows * layout.cols
        self.agent[rows] = [plane + agent.row * layout.cols + agent.col for agent in agents]
        if picture.flags:
            self.flags[rows] = [picture.encode_flags(state) for state in table.states]
        self.solutions[board] = solution
        self.texts[board] = {}
        self.start[board] = first + solution.index[solution.start]
        self.limit[board] = 4 * layout.rows * layout.cols
        if self._encodes:
            planes = picture.encode_layout(layout).ravel()
            self.planes[board] = 0
            self.planes[board, : len(planes)] = planes
        return grows

    def vectors(self, board: npt.NDArray[np.int64], at: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """State vectors, `uint8[n, state_length]`, of states on boards, both given by their numbers."""
        if self._kept is not None:
            return _take(self._kept, at)
        vectors = _take(self.planes, board)
        vectors.reshape(-1)[np.arange(0, vectors.size, vectors.shape[1]) + _take(self.agent, at)] = 1
        flags = self.flags.shape[1]
        if flags:
            vectors[:, -flags:] = _take(self.flags, at)
        return vectors

    def keep_vectors(self) -> None:
        """Keep the vectors of all states if they are small together; for boards that stay as they are."""
        self._kept = None
        states = np.arange(self.count * self.per_board)
        if self._encodes and len(states) * self.planes.shape[1] <= KEPT_BYTES:
            self._kept = self.vectors(states // self.per_board, states)

    def solution(self, board: int) -> Solution[LayoutT, StateT]:
        solution = self.solutions[board]
        if solution is None:
            raise gym.error.ResetNeeded("the environment has no boards before the first reset")
        return solution


class VectorPlanningEnv(gym.vector.VectorEnv[Any, Any, Any], Generic[LayoutT, StateT]):
    """Many boards of one planning task, stepped together.

    Args:
        num_envs: how many boards.
        task, size, difficulty, observation, image_size, theme, layout, on_violation, max_steps: as for
            `PlanningEnv`.
        pool: None draws a fresh board at every reset, exactly as `PlanningEnv` does. A number draws that
            many boards once, at the first reset, and every reset takes one of them at random; a sequence
            of layouts is such a pool. Far faster, because tables are built only once.
        autoreset_mode: `"NextStep"` (default), `"SameStep"` or `"Disabled"`, or Gymnasium's
            `AutoresetMode`; see Gymnasium's documentation of vector environments.
        render_mode: None or `"rgb_array"`.

    Without a pool it agrees step for step, in observations, rewards, flags and infos, with
    `gymnasium.vector.SyncVectorEnv` over `PlanningEnv`.
    """

    metadata: dict[str, Any] = {
        "render_modes": ["rgb_array"],
        "render_fps": PlanningEnv.metadata["render_fps"],
    }

    def __init__(
        self,
        num_envs: int = 1,
        task: str | PlanningTask[LayoutT, StateT] = "frozen_lake",
        *,
        size: int | None = None,
        difficulty: Difficulty | None = None,
        observation: ObservationKind = "both",
        image_size: int = 256,
        theme: str = "classic",
        layout: LayoutT | Mapping[str, Any] | None = None,
        on_violation: OnViolation = "stay",
        max_steps: int | None = None,
        pool: int | Sequence[LayoutT] | None = None,
        autoreset_mode: Any = "NextStep",
        render_mode: str | None = None,
    ) -> None:
        self.num_envs = check_int(num_envs, "num_envs", 1, 1 << 24, VSPGymError)
        self._source: BoardSource[LayoutT, StateT] = BoardSource(task, size, difficulty, layout)
        self.task = self._source.task
        if on_violation not in get_args(OnViolation):
            raise UnknownNameError("on_violation", on_violation, get_args(OnViolation))
        if render_mode not in (None, "rgb_array"):
            raise UnknownNameError("render_mode", render_mode, ["rgb_array"])
        mode = getattr(autoreset_mode, "value", autoreset_mode)
        if mode not in AUTORESET_MODES:
            raise UnknownNameError("autoreset_mode", autoreset_mode, AUTORESET_MODES)
        self._autoreset = mode
        self.metadata = {**self.metadata, "autoreset_mode": _gymnasium_mode(mode)}
        self.render_mode = render_mode
        self._max_steps = (
            None if max_steps is None else check_int(max_steps, "max_steps", 1, 1 << 30, VSPGymError)
        )
        self._ends_at_violation = on_violation == "terminate"
        self._spec: ObservationSpec[LayoutT, StateT] = ObservationSpec(
            self.task, observation, self._source.shape, image_size, theme
        )
        self.single_observation_space = self._spec.space
        self.single_action_space = gym.spaces.Discrete(len(self.task.actions))
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

        self._pool = self._check_pool(pool)
        self._shared = self._pool is not None or self._source.layout is not None
        count = self.num_envs
        if self._shared:
            count = (
                1 if self._pool is None else self._pool if isinstance(self._pool, int) else len(self._pool)
            )
        self._boards: _Boards[LayoutT, StateT] = _Boards(self._spec, count)
        self._ready = False
        self._rngs: list[np.random.Generator | None] = [None] * self.num_envs
        self._board = np.zeros(self.num_envs, np.int64) if self._shared else np.arange(self.num_envs)
        self._at = np.zeros(self.num_envs, np.int64)
        self._clock = 0
        self._deadlines = np.zeros(self.num_envs, np.int64)
        self._done = np.zeros(self.num_envs, np.bool_)
        self._began = False

    def _check_pool(self, pool: int | Sequence[LayoutT] | None) -> int | list[LayoutT] | None:
        if pool is None:
            return None
        if self._source.layout is not None:
            raise VSPGymError("a fixed layout and a pool exclude each other")
        if isinstance(pool, Sequence):
            if not pool:
                raise VSPGymError("a pool needs at least one layout")
            layouts = [check_layout(self.task, layout) for layout in pool]
            for layout in layouts:
                self._spec.check(layout)
            return layouts
        return check_int(pool, "pool", 1, 1 << 24, VSPGymError)

    # -- reset ---------------------------------------------------------------------------------

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode on every board.

        Args:
            seed: board `i` gets `seed + i`, or `seed[i]` of a sequence; without one, generators go on.
            options: as for `PlanningEnv`, for all boards; besides `"reset_mask"`, `bool[num_envs]`, resets
                only the boards named.
        """
        options = check_options(options)
        which = self._reset_mask(options.pop("reset_mask", None))
        seeds = self._check_seed(seed)
        if self._shared:
            self._prepare_pool(seeds[0], options, which)
        else:
            for i in which.tolist():
                if self._rngs[i] is None or seeds[i] is not None:
                    self._rngs[i] = seeding.np_random(seeds[i])[0]
        self._deal(which, options)
        self._done[which] = False
        self._began = True
        present = np.zeros(self.num_envs, np.bool_)
        present[which] = True
        return self._observe(), self._infos(np.zeros(self.num_envs, np.uint8), present)

    def _reset_mask(self, mask: object) -> npt.NDArray[np.int64]:
        if mask is None:
            return np.arange(self.num_envs)
        chosen = np.asarray(mask)
        if chosen.shape != (self.num_envs,) or chosen.dtype != np.bool_ or not chosen.any():
            raise VSPGymError(
                f"reset_mask must be bool[{self.num_envs}] with at least one True, "
                f"not {chosen.dtype}{list(chosen.shape)}"
            )
        if not self._began:
            raise gym.error.ResetNeeded("the first reset takes no reset_mask")
        return np.flatnonzero(chosen)

    def _check_seed(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, (int, np.integer)):
            return [int(seed) + i for i in range(self.num_envs)]
        if not isinstance(seed, (Sequence, np.ndarray)) or isinstance(seed, str):
            raise VSPGymError(f"seed must be an integer or a sequence of them, not {seed!r:.80}")
        if len(seed) != self.num_envs:
            raise VSPGymError(f"{len(seed)} seeds for {self.num_envs} boards")
        return [plain_seed(one) for one in seed]

    def _prepare_pool(self, seed: int | None, options: dict[str, Any], which: npt.NDArray[np.int64]) -> None:
        """Build the shared boards: at the first reset, and again for a new seed of a drawn pool."""
        if options:
            raise VSPGymError(
                f"reset options {', '.join(map(str, options))} need boards of one's own: "
                "make the environment without pool and layout"
            )
        draws = isinstance(self._pool, int)
        if draws and seed is not None and len(which) < self.num_envs:
            raise VSPGymError("a seed draws a new pool, which changes every board: leave out reset_mask")
        if seed is not None:
            self._np_random, self._np_random_seed = seeding.np_random(seed)
        if self._ready and not (draws and seed is not None):
            return
        solutions: list[Solution[LayoutT, StateT]]
        if isinstance(self._pool, int):
            solutions = [self._source.draw(self.np_random) for _ in range(self._pool)]
        elif self._pool is not None:
            solutions = [Solution(self.task, layout) for layout in self._pool]
        else:
            solutions = [self._source.draw(self.np_random)]
        for board, solution in enumerate(solutions):
            self._boards.put(board, solution)
        self._boards.keep_vectors()
        self._ready = True

    def _deal(self, which: npt.NDArray[np.int64], options: dict[str, Any]) -> None:
        """Give the environments `which` their next boards and put them at the start."""
        boards = self._boards
        if self._pool is not None:
            self._board[which] = (self.np_random.random(len(which)) * boards.count).astype(np.int64)
        elif not self._shared:
            for i in which.tolist():
                rng = self._rngs[i]
                if rng is None:
                    rng = self._rngs[i] = seeding.np_random(None)[0]
                solution = self._source.draw(rng, options)
                if options:
                    self._spec.check(solution.layout)
                before = boards.per_board
                if boards.put(i, solution):
                    self._at += np.arange(self.num_envs) * (boards.per_board - before)
        dealt = self._board[which]
        self._at[which] = boards.start[dealt]
        self._deadlines[which] = self._clock + (self._max_steps or boards.limit[dealt])

    # -- step ----------------------------------------------------------------------------------

    def step(
        self, actions: Any
    ) -> tuple[Any, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]:
        """Carry out one action on every board; `actions` is an integer array of shape `[num_envs]`."""
        if not self._began:
            raise gym.error.ResetNeeded("call reset() before step()")
        boards = self._boards
        entry = self._check_actions(actions)
        ended = self._done
        if self._autoreset == "Disabled" and ended.any():
            raise gym.error.ResetNeeded(
                f"boards {np.flatnonzero(ended)[:10].tolist()} are over; reset them first"
            )
        entry += self._at * boards.actions
        moves = _take(boards.moves, entry)
        self._at = moves["next"].copy()
        reward = moves["reward"].astype(np.float64)
        terminated = moves["terminated"].copy()
        violation = moves["violation"]
        if self._ends_at_violation:
            terminated |= violation != 0
        self._clock += 1
        truncated = self._deadlines <= self._clock
        truncated &= ~terminated
        fresh = np.flatnonzero(ended) if self._autoreset == "NextStep" else np.empty(0, np.int64)
        if len(fresh):
            self._deal(fresh, {})
            reward[fresh] = 0.0
            terminated[fresh] = truncated[fresh] = False
            violation[fresh] = 0
        self._done = terminated | truncated
        infos: dict[str, Any] = {}
        if self._autoreset == "SameStep" and self._done.any():
            infos = self._final(violation)
            over = np.flatnonzero(self._done)
            self._deal(over, {})
            violation[over] = 0
            self._done = np.zeros(self.num_envs, np.bool_)
        infos.update(self._infos(violation, np.ones(self.num_envs, np.bool_)))
        return self._observe(), reward, terminated, truncated, infos

    def _check_actions(self, actions: Any) -> npt.NDArray[np.int64]:
        array = np.asarray(actions)
        if array.shape != (self.num_envs,) or array.dtype.kind not in "iu":
            raise VSPGymError(
                f"actions must be integers of shape [{self.num_envs}], not {array.dtype}{list(array.shape)}"
            )
        entry = array.astype(np.int64)
        if np.max(entry.view(np.uint64)) >= self._boards.actions:  # a negative one is huge without its sign
            allowed = ", ".join(f"{a.value} {a.name}" for a in self.task.actions)
            wrong = int(np.flatnonzero((array < 0) | (array >= self._boards.actions))[0])
            raise VSPGymError(
                f"actions[{wrong}] is {array[wrong]}, no action of {self.task.title}; allowed: {allowed}"
            )
        return entry

    # -- what is seen --------------------------------------------------------------------------

    def _observe(self) -> Any:
        kind = self._spec.kind
        if kind == "state":
            return self._boards.vectors(self._board, self._at)
        if kind == "text":
            return self._texts()
        if kind == "image":
            return self._images()
        return {"image": self._images(), "text": self._texts()}

    def _where(self, i: int) -> tuple[Solution[LayoutT, StateT], int]:
        board = int(self._board[i])
        return self._boards.solution(board), int(self._at[i]) - board * self._boards.per_board

    def _text(self, i: int) -> str:
        solution, s = self._where(i)
        texts = self._boards.texts[int(self._board[i])]
        if s not in texts:
            texts[s] = self._spec.text(solution.layout, solution.states[s])
        return texts[s]

    def _texts(self) -> tuple[str, ...]:
        return tuple(self._text(i) for i in range(self.num_envs))

    def _images(self) -> npt.NDArray[np.uint8]:
        layouts, states = [], []
        for i in range(self.num_envs):
            solution, s = self._where(i)
            layouts.append(solution.layout)
            states.append(solution.states[s])
        spec = self._spec
        return render_batch(self.task, layouts, states, size=spec.image_size, theme=spec.theme)

    def _observe_each(self, which: npt.NDArray[np.int64]) -> list[Any]:
        """Observations of the environments `which` as the single environment gives them."""
        if self._spec.kind == "state":
            return list(self._boards.vectors(self._board[which], self._at[which]))
        return [self._observe_one(i) for i in which.tolist()]

    def _observe_one(self, i: int) -> Any:
        if self._spec.kind == "text":
            return self._text(i)
        solution, s = self._where(i)
        image = self._spec.image(solution.layout, solution.states[s])
        return image if self._spec.kind == "image" else {"image": image, "text": self._text(i)}

    def _infos(self, violation: npt.NDArray[np.uint8], present: npt.NDArray[np.bool_]) -> dict[str, Any]:
        """The infos of the environments `present`, in Gymnasium's form: an array and its mask a key."""
        facts = _take(self._boards.facts, self._at)
        values: dict[str, npt.NDArray[Any]] = {
            "violation": _take(VIOLATION_NAMES, violation),
            "distance": facts["distance"],
            "optimal_actions": facts["optimal_actions"],
            "action_mask": facts["action_mask"],
            "is_success": facts["distance"] == 0,
        }
        infos: dict[str, Any] = {}
        everywhere = bool(present.all())
        for key, value in values.items():
            if not everywhere:
                value[~present] = None if value.dtype == object else 0
            infos[key] = value
            infos[f"_{key}"] = present.copy()
        return infos

    def _final(self, violation: npt.NDArray[np.uint8]) -> dict[str, Any]:
        """`final_obs` and `final_info` of the boards that are over, before they are reset."""
        observations = np.full(self.num_envs, None, object)
        over = np.flatnonzero(self._done)
        for i, observation in zip(over.tolist(), self._observe_each(over)):
            observations[i] = observation
        return {
            "final_obs": observations,
            "_final_obs": self._done.copy(),
            "final_info": self._infos(violation, self._done),
            "_final_info": self._done.copy(),
        }

    def render(self) -> tuple[npt.NDArray[np.uint8], ...] | None:
        """A picture of every board, with render_mode `"rgb_array"`."""
        if self.render_mode is None:
            gym.logger.warn("render() does nothing: the environment was made without a render_mode")
            return None
        frames = []
        for i in range(self.num_envs):
            solution, s = self._where(i)
            spec = self._spec
            frames.append(
                render_rgb(
                    self.task, solution.layout, solution.states[s], size=spec.image_size, theme=spec.theme
                )
            )
        return tuple(frames)

    @property
    def layouts(self) -> tuple[LayoutT, ...]:
        """The boards of the current episodes."""
        return tuple(self._where(i)[0].layout for i in range(self.num_envs))

    @property
    def states(self) -> tuple[StateT, ...]:
        """The current states."""
        return tuple(solution.states[s] for solution, s in map(self._where, range(self.num_envs)))


def _widened(table: npt.NDArray[ScalarT], count: int, length: int) -> npt.NDArray[ScalarT]:
    """`table` of `count` boards with `length` rows for each; the new ones are 0."""
    rows = table.reshape(count, len(table) // count, *table.shape[1:])
    wide = np.zeros((count, length, *table.shape[1:]), table.dtype)
    wide[:, : rows.shape[1]] = rows
    return wide.reshape(count * length, *table.shape[1:])


def _take(table: npt.NDArray[ScalarT], at: npt.NDArray[np.integer[Any]]) -> npt.NDArray[ScalarT]:
    """Rows of `table`; the positions are known to be in range, and "wrap" is the mode that checks least."""
    return table.take(at, axis=0, mode="wrap")


def _gymnasium_mode(mode: str) -> Any:
    """Gymnasium's `AutoresetMode` of that value, or the value itself on Gymnasium 1.0, which has none."""
    kind = getattr(gym.vector, "AutoresetMode", None)
    return cast(Any, mode if kind is None else kind(mode))
