"""Wrappers: actions as text, a whole plan as one action, slippery movement."""

from __future__ import annotations

import copy
import string
from collections.abc import Callable
from typing import Any, Literal, SupportsFloat, get_args

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs

from vsp_gym.core import MOVES, check_action
from vsp_gym.envs.env import FORFEIT, PlanningEnv
from vsp_gym.errors import UnknownNameError, VSPGymError
from vsp_gym.plans import ParseMode, check_mode, parse_plan
from vsp_gym.scoring import Convention, PlanScore, get_convention, score_reply

MAX_REPLY_LENGTH = 1 << 20
"""Upper bound that the reply space declares, in characters; longer replies are accepted as well."""

PlanReward = Literal["success", "optimal", "progress"]


def _planning_env(env: gym.Env[Any, Any]) -> PlanningEnv[Any, Any]:
    inner = env.unwrapped
    if not isinstance(inner, PlanningEnv):
        raise VSPGymError(f"the wrapper needs a PlanningEnv inside, not {type(inner).__name__}")
    return inner


def _reply_space() -> spaces.Text:
    return spaces.Text(MAX_REPLY_LENGTH, min_length=0, charset=string.printable)


class TextActions(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """The action is a model's reply that names one action, as `parse_plan` reads it.

    A reply that names none or several changes nothing: the step is forfeited (see `PlanningEnv.step`),
    and `info["parse_error"]` has the reason; it is None for a good reply.

    Args:
        env: an environment around `PlanningEnv`.
        mode: `"lenient"`, or `"strict"` to require an `<answer>` block.
    """

    def __init__(self, env: gym.Env[Any, Any], mode: ParseMode = "lenient") -> None:
        RecordConstructorArgs.__init__(self, mode=mode)
        gym.Wrapper.__init__(self, env)
        self._inner = _planning_env(env)
        self._mode = check_mode(mode)
        self.action_space = _reply_space()

    def step(self, action: str) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Carry out the one action that the reply names."""
        parsed = parse_plan(action, self._inner.task, mode=self._mode)
        reason = parsed.reason
        if parsed.actions is not None and len(parsed.actions) != 1:
            reason = f"one action is wanted, the reply names {len(parsed.actions)}"
        named = int(parsed.actions[0]) if parsed.actions is not None and reason is None else FORFEIT
        observation, reward, terminated, truncated, info = self.env.step(named)
        info["parse_error"] = reason
        return observation, reward, terminated, truncated, info


class OneShotPlanning(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """The action is a model's whole reply, the reward its plan's score; every episode has one step.

    `info["score"]` is the `PlanScore` as a dict. The observation after the step is the board as it was.
    The inner environment is not stepped, so wrappers that count or record steps go around this one.

    Args:
        env: an environment around `PlanningEnv`.
        convention: how the plan is judged, see `vsp_gym.CONVENTIONS`.
        mode: how the reply is read, see `parse_plan`.
        reward: `"success"` and `"optimal"` give 1.0 or 0.0, `"progress"` a share of the way; or a function
            of the `PlanScore`.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        convention: str | Convention = "strict",
        mode: ParseMode = "lenient",
        reward: PlanReward | Callable[[PlanScore], float] = "success",
    ) -> None:
        RecordConstructorArgs.__init__(self, convention=convention, mode=mode, reward=reward)
        gym.Wrapper.__init__(self, env)
        self._inner = _planning_env(env)
        self._convention = get_convention(convention)
        self._mode = check_mode(mode)
        if not callable(reward) and reward not in get_args(PlanReward):
            raise UnknownNameError("reward", reward, get_args(PlanReward))
        self._reward = reward
        self._waiting: tuple[Any, dict[str, Any]] | None = None
        self.action_space = _reply_space()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Draw a board, see `PlanningEnv.reset`."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._waiting = copy.deepcopy((observation, info))  # the caller may change what it gets
        return observation, info

    def step(self, action: str) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Score the reply; the episode is over."""
        if self._waiting is None:
            raise gym.error.ResetNeeded("call reset() before step(): a board takes one reply")
        observation, info = self._waiting
        self._waiting = None
        inner = self._inner
        score = score_reply(
            inner.task, inner.layout, action, self._convention, mode=self._mode, solution=inner.solution
        )
        reward = self._reward(score) if callable(self._reward) else getattr(score, self._reward)
        info["score"] = score.to_dict()
        info["is_success"] = score.success
        return observation, float(reward), True, False, info


class Slippery(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Moves slip sideways, as in Gymnasium's FrozenLake with `is_slippery=True`.

    A move goes where it was meant to with probability `success_rate`, else to one of the two sides,
    each equally likely. Other actions are not affected. `info["action"]` is the action that
    happened. The oracle's part of `info` is about the board without slipping.

    Args:
        env: an environment around `PlanningEnv`.
        success_rate: probability of the intended move, 0.0 to 1.0.
    """

    def __init__(self, env: gym.Env[Any, Any], success_rate: float = 1 / 3) -> None:
        RecordConstructorArgs.__init__(self, success_rate=success_rate)
        gym.Wrapper.__init__(self, env)
        self._inner = _planning_env(env)
        if not (isinstance(success_rate, (int, float, np.floating)) and 0.0 <= success_rate <= 1.0):
            raise VSPGymError(f"success_rate must be 0.0 to 1.0, not {success_rate!r}")
        side = (1.0 - success_rate) / 2.0
        self._thresholds = np.cumsum([side, success_rate])

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Carry out the action, or the move to one side of it; `FORFEIT` passes, with the action None."""
        if isinstance(action, str) and action == FORFEIT:
            observation, reward, terminated, truncated, info = self.env.step(action)
            info["action"] = None
            return observation, reward, terminated, truncated, info
        happened = check_action(self._inner.task, action)
        if happened in MOVES:
            turn = int(np.searchsorted(self._thresholds, self._inner.np_random.random(), side="right")) - 1
            happened = MOVES[(happened + turn) % len(MOVES)]
        observation, reward, terminated, truncated, info = self.env.step(int(happened))
        info["action"] = int(happened)
        return observation, reward, terminated, truncated, info
