"""`PlanningEnv`: one board of any task as a Gymnasium environment."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any, Generic, Literal, SupportsFloat, get_args

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from vsp_gym.core import Action, Layout, LayoutT, StateT, check_action, check_int, require_layout
from vsp_gym.envs import get_task
from vsp_gym.envs.base import DIFFICULTIES, Difficulty, PlanningTask
from vsp_gym.errors import LayoutError, UnknownNameError, VSPGymError
from vsp_gym.planning import Solution
from vsp_gym.render import check_render_size, render_ansi, render_rgb

ObservationKind = Literal["both", "image", "text", "state"]
OnViolation = Literal["stay", "terminate"]

MAX_TEXT_LENGTH = 1 << 18
"""Upper bound of the length of a symbolic text, in characters, for every task and size."""

RESET_OPTIONS = ("layout", "size", "difficulty")

FORFEIT = "forfeit"
"""What an agent that names no action gives to `PlanningEnv.step`: the step passes and nothing moves."""


class BoardSource(Generic[LayoutT, StateT]):
    """Where an environment's boards come from: a fixed layout, or the task's generator.

    Shared by `PlanningEnv` and `VectorPlanningEnv`, so that both accept the same arguments and
    draw the same boards from the same random numbers.
    """

    def __init__(
        self,
        task: str | PlanningTask[LayoutT, StateT],
        size: int | None,
        difficulty: Difficulty | None,
        layout: LayoutT | Mapping[str, Any] | None,
    ) -> None:
        self.task: PlanningTask[LayoutT, StateT] = get_task(task)
        self.layout = None if layout is None else check_layout(self.task, layout)
        if size is not None:
            size = self.task.check_size(size)
            if self.layout is not None and (size, size) != (self.layout.rows, self.layout.cols):
                raise VSPGymError(
                    f"size={size} contradicts the layout of {self.layout.rows}x{self.layout.cols} cells; "
                    "give one of them"
                )
        fixed = self.layout
        if size is None:
            size = self.task.default_size if fixed is None else max(fixed.rows, fixed.cols)
        self.size = size
        self.difficulty = check_difficulty(difficulty)
        self.shape = (self.size, self.size) if fixed is None else (fixed.rows, fixed.cols)
        """`(rows, cols)` of the boards when `reset` gets no options."""
        self._fixed_solution = None if fixed is None else Solution(self.task, fixed)

    def draw(
        self, rng: np.random.Generator, options: Mapping[str, Any] | None = None
    ) -> Solution[LayoutT, StateT]:
        """The next board; `options` are those of `PlanningEnv.reset`.

        Raises:
            UnknownNameError: for an unknown option or difficulty.
            VSPGymError: for a size out of range or options that contradict each other.
            LayoutError: for a layout that is not valid.
        """
        if not options:
            if self._fixed_solution is not None:
                return self._fixed_solution
            return self.task.generator.draw(rng, self.size, self.difficulty)
        for name in options:
            if name not in RESET_OPTIONS:
                raise UnknownNameError("reset option", name, RESET_OPTIONS)
        if options.get("layout") is not None:
            if options.get("size") is not None or options.get("difficulty") is not None:
                raise VSPGymError("the reset option 'layout' excludes 'size' and 'difficulty'")
            return Solution(self.task, check_layout(self.task, options["layout"]))
        size = self.task.check_size(self.size if options.get("size") is None else options["size"])
        difficulty = check_difficulty(options.get("difficulty", self.difficulty))
        return self.task.generator.draw(rng, size, difficulty)


def check_options(options: object) -> dict[str, Any]:
    """The options of a reset as a dict, empty for None; raises `VSPGymError` if they are no mapping."""
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise VSPGymError(f"reset options are a dict with {', '.join(RESET_OPTIONS)}, not {options!r:.80}")
    return dict(options)


def plain_seed(seed: Any) -> Any:
    """`seed` with a NumPy integer turned into an int, which is all that Gymnasium takes."""
    return int(seed) if isinstance(seed, np.integer) else seed


def check_layout(task: PlanningTask[LayoutT, StateT], layout: LayoutT | Mapping[str, Any]) -> LayoutT:
    """`layout` as a layout of `task` (a mapping is read by `from_dict`); raises `LayoutError`."""
    if isinstance(layout, Mapping):
        layout = task.layout_type.from_dict(dict(layout))
    require_layout(task, layout)
    if max(layout.rows, layout.cols) > task.max_size:
        raise LayoutError(
            f"a {task.title} board has at most {task.max_size} cells a side, not {layout.rows}x{layout.cols}"
        )
    return layout


def check_difficulty(difficulty: Difficulty | None) -> Difficulty | None:
    """`difficulty` if it is None or one of `DIFFICULTIES`; raises `UnknownNameError` if not."""
    if difficulty is not None and difficulty not in DIFFICULTIES:
        raise UnknownNameError("difficulty", difficulty, DIFFICULTIES)
    return difficulty


class ObservationSpec(Generic[LayoutT, StateT]):
    """The observation space of a kind of observation, and how a state is observed.

    Args:
        task: the task.
        kind: `"both"`, `"image"`, `"text"` or `"state"`.
        shape: `(rows, cols)` of the boards that the space is for.
        image_size: longer side of the picture in pixels.
        theme: name of the look.
    """

    def __init__(
        self,
        task: PlanningTask[LayoutT, StateT],
        kind: ObservationKind,
        shape: tuple[int, int],
        image_size: int,
        theme: str,
    ) -> None:
        if kind not in get_args(ObservationKind):
            raise UnknownNameError("observation", kind, get_args(ObservationKind))
        self.task, self.kind, self.shape, self.theme = task, kind, shape, theme
        self.image_size = image_size
        self.has_image = kind in ("both", "image")
        self.has_text = kind in ("both", "text")
        self.image_shape = (*check_render_size(task, shape, image_size, theme), 3)
        rows, cols = shape
        self.planes = len(task.picture.planes)
        self.state_length = (self.planes + 1) * rows * cols + len(task.picture.flags)
        text = spaces.Text(MAX_TEXT_LENGTH, min_length=1, charset=string.printable)
        image = spaces.Box(0, 255, self.image_shape, np.uint8)
        self.space: spaces.Space[Any]
        if kind == "both":
            self.space = spaces.Dict({"image": image, "text": text})
        elif kind == "image":
            self.space = image
        elif kind == "text":
            self.space = text
        else:
            self.space = spaces.Box(0, 1, (self.state_length,), np.uint8)

    def check(self, layout: LayoutT) -> None:
        """Raise `VSPGymError` if a board cannot be observed in this space."""
        if self.kind == "state" and (layout.rows, layout.cols) != self.shape:
            raise VSPGymError(
                f"a board of {layout.rows}x{layout.cols} does not fit the observation 'state' of an "
                f"environment made for {self.shape[0]}x{self.shape[1]}; make one with that size"
            )
        if self.has_image:
            got = (*check_render_size(self.task, (layout.rows, layout.cols), self.image_size, self.theme), 3)
            if got != self.image_shape:
                raise VSPGymError(
                    f"a board of {layout.rows}x{layout.cols} gives pictures of {got[0]}x{got[1]} pixels, but "
                    f"the environment's are {self.image_shape[0]}x{self.image_shape[1]}; "
                    "make one with that layout"
                )

    def encode(self, layout: LayoutT, state: StateT) -> npt.NDArray[np.uint8]:
        """The observation `"state"`: `uint8[state_length]` of 0 and 1.

        First the layout's planes (`task.picture.planes`), then one plane with the agent, each
        `rows * cols` long and row by row, then the state's flags (`task.picture.flags`).
        """
        picture = self.task.picture
        vector = np.zeros(self.state_length, np.uint8)
        cells = layout.rows * layout.cols
        vector[: self.planes * cells] = picture.encode_layout(layout).ravel()
        row, col = picture.agent(layout, state)
        vector[self.planes * cells + row * layout.cols + col] = 1
        vector[(self.planes + 1) * cells :] = picture.encode_flags(state)
        return vector

    def text(self, layout: LayoutT, state: StateT) -> str:
        """The observation `"text"`."""
        return self.task.text.describe(layout, state)

    def image(self, layout: LayoutT, state: StateT) -> npt.NDArray[np.uint8]:
        """The observation `"image"`: `uint8[H, W, 3]`, a function of the state alone."""
        return render_rgb(self.task, layout, state, size=self.image_size, theme=self.theme)


class Knowledge(Generic[StateT]):
    """What `info` says about each of the `S` states of a board with `A` actions."""

    def __init__(self, solution: Solution[Any, StateT]) -> None:
        self.table = solution.table()
        self.distance: npt.NDArray[np.int64] = np.array(solution.to_go, np.int64)
        """`[S]` fewest actions to success, -1 if there is no way."""
        legal = self.table.violation == 0
        legal[[not row for row in solution.successors]] = False
        self.action_mask = legal.astype(np.int8)
        """`[S, A]` 1 for each legal action; all 0 in a final state."""
        closer = self.distance[self.table.next] == self.distance[:, None] - 1
        self.optimal_actions = (closer & legal & (self.distance[:, None] > 0)).astype(np.int8)
        """`[S, A]` 1 for each action that begins a shortest plan."""


class PlanningEnv(gym.Env[Any, Any], Generic[LayoutT, StateT]):
    """One board of a planning task.

    Args:
        task: a task or its name (`"frozen_lake"`, `"maze"`, `"mini_behaviour"`).
        size: side of the square boards; 3 to 64, MiniBehaviour 5 to 32.
        difficulty: `"easy"`, `"medium"`, `"hard"` or None for any.
        observation: `"both"` is `{"image": uint8[H, W, 3], "text": str}`; `"image"` and `"text"` are
            one of the two; `"state"` is a flat `uint8` vector of 0 and 1 (see `ObservationSpec.encode`).
        image_size: longer side of the picture in pixels.
        theme: name of the look, one of `vsp_gym.THEMES`.
        layout: a fixed board for every episode, as a layout or the mapping of its `to_dict`, with which
            `env.spec` can be written as JSON.
        on_violation: an illegal action does nothing (`"stay"`) or ends the episode (`"terminate"`).
        max_steps: steps until the episode is truncated; `4 * rows * cols` by default.
        render_mode: `"rgb_array"`, `"ansi"` or `"human"` (a window; needs the extra `human`).

    The reward is 1.0 for the step that completes the task, else 0.0. Success and failure terminate.
    `info` has

    - `violation`: the name of a `Violation` if the action was illegal, else None;
    - `distance`: fewest actions to success from here, -1 if there is no way;
    - `optimal_actions`: `int8[A]`, 1 for each action that begins a shortest plan;
    - `action_mask`: `int8[A]`, 1 for each legal action, as `action_space.sample(mask=...)` takes it
      (all 0 in a final state);
    - `is_success`: whether the task is complete.

    Raises:
        UnknownNameError: for an unknown task, difficulty, observation, theme or mode.
        VSPGymError: for a size out of range.
        LayoutError: for a layout that is not valid.
    """

    metadata = {"render_modes": ["rgb_array", "ansi", "human"], "render_fps": 4}

    def __init__(
        self,
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
        render_mode: str | None = None,
    ) -> None:
        self._boards: BoardSource[LayoutT, StateT] = BoardSource(task, size, difficulty, layout)
        self.task = self._boards.task
        if on_violation not in get_args(OnViolation):
            raise UnknownNameError("on_violation", on_violation, get_args(OnViolation))
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise UnknownNameError("render_mode", render_mode, self.metadata["render_modes"])
        if max_steps is not None:
            max_steps = check_int(max_steps, "max_steps", 1, 1 << 30, VSPGymError)
        self._spec: ObservationSpec[LayoutT, StateT] = ObservationSpec(
            self.task, observation, self._boards.shape, image_size, theme
        )
        self.observation_space = self._spec.space
        self.action_space = spaces.Discrete(len(self.task.actions))
        self.render_mode = render_mode
        self._ends_at_violation = on_violation == "terminate"
        self._max_steps = max_steps
        self._window: Any = None
        self._over = True

    # -- the board -----------------------------------------------------------------------------

    @property
    def layout(self) -> LayoutT:
        """The board of the current episode."""
        return self.solution.layout

    @property
    def state(self) -> StateT:
        """The current state."""
        return self.solution.states[self._index]

    @property
    def solution(self) -> Solution[LayoutT, StateT]:
        """The oracle's solution of the current board."""
        try:
            return self._solution
        except AttributeError:
            raise gym.error.ResetNeeded("the environment has no board before the first reset") from None

    # -- Gymnasium's interface -----------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode on a fresh solvable board.

        Args:
            seed: the same seed gives the same board on every machine.
            options: `"layout"` for a board of your own (a layout or its `to_dict`), or `"size"` and
                `"difficulty"`, for this episode only.
        """
        super().reset(seed=plain_seed(seed))
        options = check_options(options)
        solution = self._boards.draw(self.np_random, options)
        layout = solution.layout
        if options:
            self._spec.check(layout)
        if solution is not getattr(self, "_solution", None):
            self._solution = solution
            self._known = Knowledge(solution)
            self._encoded: list[npt.NDArray[np.uint8] | None] = [None] * len(solution.states)
            self._limit = self._max_steps or 4 * layout.rows * layout.cols
        self._index = solution.index[solution.start]
        self._steps = 0
        self._over = False
        self._facing: Action | None = None
        if self.render_mode == "human":
            self.render()
        return self._observe(), self._info()

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Carry out one action of `range(len(task.actions))`.

        `FORFEIT` lets the step pass without an action, for a reply that names none: it counts towards
        `max_steps`, and ends the episode if illegal actions do.

        Raises:
            VSPGymError: if `action` is not one of them.
            gymnasium.error.ResetNeeded: before `reset` and after the episode has ended.
        """
        if self._over:
            raise gym.error.ResetNeeded("call reset() before step(): the episode is over or none has begun")
        index = self._index
        try:
            if action < 0:
                raise IndexError
            outcome = self._solution.transitions[index][action]
        except (IndexError, TypeError, ValueError):
            if isinstance(action, str) and action == FORFEIT:
                return self._forfeit()
            action = check_action(self.task, action)
            outcome = self._solution.transitions[index][action]
        self._index = index = self._solution.successors[index][action]
        self._steps += 1
        _, reward, terminated, violation = outcome
        if violation is not None and self._ends_at_violation:
            terminated = True
        truncated = not terminated and self._steps >= self._limit
        self._over = terminated or truncated
        self._facing = action
        info = self._info()
        if violation is not None:
            info["violation"] = violation.value
        if self.render_mode == "human":
            self.render()
        return self._observe(), reward, terminated, truncated, info

    def _forfeit(self) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        self._steps += 1
        terminated = self._ends_at_violation
        truncated = not terminated and self._steps >= self._limit
        self._over = terminated or truncated
        return self._observe(), 0.0, terminated, truncated, self._info()

    def _info(self) -> dict[str, Any]:
        known, index = self._known, self._index
        distance = self._solution.to_go[index]
        return {
            "violation": None,
            "distance": distance,
            "optimal_actions": known.optimal_actions[index].copy(),
            "action_mask": known.action_mask[index].copy(),
            "is_success": distance == 0,
        }

    def _observe(self) -> Any:
        spec = self._spec
        if spec.kind == "state":
            encoded = self._encoded[self._index]
            if encoded is None:
                encoded = self._encoded[self._index] = spec.encode(self.layout, self.state)
            return encoded.copy()
        if spec.kind == "text":
            return spec.text(self.layout, self.state)
        if spec.kind == "image":
            return spec.image(self.layout, self.state)
        return {
            "image": spec.image(self.layout, self.state),
            "text": spec.text(self.layout, self.state),
        }

    def render(self) -> Any:
        """The board as the `render_mode` asks; the agent faces the way of its last move."""
        if self.render_mode is None:
            gym.logger.warn("render() does nothing: the environment was made without a render_mode")
            return None
        if self.render_mode == "ansi":
            return render_ansi(self.task, self.layout, self.state)
        frame = render_rgb(
            self.task,
            self.layout,
            self.state,
            size=self._spec.image_size,
            theme=self._spec.theme,
            facing=None if self._facing is None else Action(self._facing),
        )
        if self.render_mode == "rgb_array":
            return frame
        if self._window is None:
            from vsp_gym.render.human import Window

            self._window = Window(self.task.title, fps=self.metadata["render_fps"])
        self._window.show(frame)
        return None

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()
            self._window = None


__all__ = [
    "FORFEIT",
    "MAX_TEXT_LENGTH",
    "BoardSource",
    "Knowledge",
    "Layout",
    "ObservationSpec",
    "PlanningEnv",
    "check_difficulty",
    "check_layout",
    "check_options",
    "plain_seed",
]
