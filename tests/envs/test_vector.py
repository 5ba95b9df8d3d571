"""The vector environment agrees with the single one in everything."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from vsp_gym import TASKS, FrozenLakeLayout, PlanningEnv, UnknownNameError, VectorPlanningEnv, VSPGymError
from vsp_gym.envs import vector
from vsp_gym.envs.env import ObservationSpec

HAS_MODES = hasattr(gym.vector, "AutoresetMode")
"""Gymnasium 1.0 has only one way to reset."""


def assert_same(ours: Any, theirs: Any, path: str = "") -> None:
    """Compare nested results of two environments, types and dtypes included."""
    if isinstance(ours, dict):
        assert set(ours) == set(theirs), path
        for key in ours:
            assert_same(ours[key], theirs[key], f"{path}/{key}")
    elif isinstance(ours, np.ndarray) and ours.dtype != object:
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), path
        assert np.array_equal(ours, theirs), path
    elif isinstance(ours, (tuple, list, np.ndarray)):
        assert len(ours) == len(theirs), path
        for i, (mine, other) in enumerate(zip(ours, theirs)):
            assert_same(mine, other, f"{path}/{i}")
    else:
        assert type(ours) is type(theirs), path
        assert ours == theirs, path


def sync(count: int, mode: str, **arguments: Any) -> SyncVectorEnv:
    kwargs = {"autoreset_mode": mode} if HAS_MODES else {}
    return SyncVectorEnv([lambda: PlanningEnv(**arguments)] * count, **kwargs)


@pytest.mark.parametrize(
    "mode",
    [
        "NextStep",
        pytest.param("SameStep", marks=pytest.mark.skipif(not HAS_MODES, reason="needs Gymnasium 1.1")),
    ],
)
@pytest.mark.parametrize("observation", ["state", "text", "both", "image"])
@pytest.mark.parametrize("task", TASKS)
def test_agrees_with_sync_vector_env(task: str, observation: str, mode: str) -> None:
    for on_violation in ("stay", "terminate"):
        arguments = {
            "task": task,
            "size": 5,
            "observation": observation,
            "on_violation": on_violation,
            "image_size": 40,
            "max_steps": 9,
        }
        ours, theirs = VectorPlanningEnv(6, autoreset_mode=mode, **arguments), sync(6, mode, **arguments)
        assert ours.observation_space == theirs.observation_space
        assert ours.action_space == theirs.action_space
        assert_same(ours.reset(seed=5), theirs.reset(seed=5))
        rng = np.random.default_rng(1)
        for step in range(30):
            actions = rng.integers(0, ours.single_action_space.n, 6)
            assert_same(ours.step(actions), theirs.step(actions), f"step {step}")


def test_a_fixed_layout_agrees_with_sync_vector_env() -> None:
    layout = FrozenLakeLayout.from_rows(["SFF", "FHF", "FFG"])
    arguments = {"task": "frozen_lake", "layout": layout, "observation": "state"}
    ours, theirs = VectorPlanningEnv(16, **arguments), sync(16, "NextStep", **arguments)
    assert_same(ours.reset(seed=0), theirs.reset(seed=0))
    rng = np.random.default_rng(0)
    for _ in range(60):
        actions = rng.integers(0, 4, 16)
        assert_same(ours.step(actions), theirs.step(actions))


def test_make_vec_uses_it() -> None:
    env = gym.make_vec("VSP/Maze-v0", num_envs=3, size=5, observation="text")
    assert isinstance(env, VectorPlanningEnv)
    texts, infos = env.reset(seed=1)
    assert len(texts) == 3
    assert infos["distance"].shape == (3,)


@pytest.mark.parametrize("task", TASKS)
def test_a_pool_deals_its_boards_only_and_steps_them_by_the_rules(task: str) -> None:
    rng = np.random.default_rng(0)
    pool = [TASKS[task].generator.sample(rng, 5) for _ in range(4)]
    env = VectorPlanningEnv(32, task, size=5, observation="text", pool=pool, max_steps=5)
    env.reset(seed=3)
    seen = set()
    for _ in range(40):
        before = list(zip(env.layouts, env.states))
        actions = rng.integers(0, env.single_action_space.n, 32)
        fresh = env._done.copy()
        env.step(actions)
        seen.update(env.layouts)
        for i in np.flatnonzero(~fresh):
            layout, state = before[i]
            assert env.states[i] == env.task.transition(layout, state, env.task.actions[actions[i]]).state
    assert seen == set(pool)


def test_a_drawn_pool_is_a_function_of_the_seed() -> None:
    first, second = (VectorPlanningEnv(8, "maze", observation="state", pool=3) for _ in range(2))
    assert_same(first.reset(seed=4), second.reset(seed=4))
    layouts = first.layouts
    assert_same(first.reset(seed=4)[0], second.reset(seed=4)[0])
    assert first.layouts == layouts
    first.reset(seed=5)
    assert set(first.layouts).isdisjoint(layouts)


@pytest.mark.parametrize("kept_bytes", [0, 1 << 20])
@pytest.mark.parametrize("task", TASKS)
def test_state_vectors_of_a_pool_are_those_of_the_boards_in_play(
    task: str, kept_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector, "KEPT_BYTES", kept_bytes)
    env = VectorPlanningEnv(8, task, size=5, observation="state", pool=3)
    spec = ObservationSpec(env.task, "state", (5, 5), 256, "classic")
    rng = np.random.default_rng(0)
    for seed in (4, 5):
        seen, _ = env.reset(seed=seed)
        for _ in range(30):
            expected = [spec.encode(*board) for board in zip(env.layouts, env.states)]
            assert np.array_equal(seen, expected)
            seen = env.step(rng.integers(0, env.single_action_space.n, 8))[0]


def test_a_drawn_pool_is_not_drawn_anew_under_boards_that_go_on() -> None:
    env = VectorPlanningEnv(4, "maze", observation="text", pool=3)
    env.reset(seed=0)
    mask = np.array([True, False, False, False])
    with pytest.raises(VSPGymError, match="leave out reset_mask"):
        env.reset(seed=1, options={"reset_mask": mask})
    before = env.layouts[1:]
    env.reset(options={"reset_mask": mask})
    assert env.layouts[1:] == before


def test_seeds_may_be_numpy_integers() -> None:
    env = VectorPlanningEnv(3, "maze", observation="text")
    expected = env.reset(seed=[5, 6, 7])[0]
    assert env.reset(seed=np.int64(5))[0] == expected
    assert env.reset(seed=np.arange(5, 8))[0] == expected
    for wrong in (1.5, "123", [1, 2]):
        with pytest.raises(VSPGymError, match="seed"):
            env.reset(seed=wrong)  # type: ignore[arg-type]


def test_reset_mask_resets_the_named_boards_only() -> None:
    env = VectorPlanningEnv(4, "maze", observation="text", autoreset_mode="Disabled", max_steps=1)
    env.reset(seed=0)
    env.step(np.zeros(4, np.int64))
    with pytest.raises(gym.error.ResetNeeded, match="are over"):
        env.step(np.zeros(4, np.int64))
    before = env.layouts
    mask = np.array([True, False, True, False])
    _, infos = env.reset(options={"reset_mask": mask})
    changed = [old != new for old, new in zip(before, env.layouts)]
    assert changed == mask.tolist()
    assert infos["_distance"].tolist() == mask.tolist()


def test_returned_arrays_are_the_callers_own() -> None:
    env = VectorPlanningEnv(4, "maze", observation="state")
    observation, _ = env.reset(seed=0)
    kept = observation.copy()
    env.step(np.full(4, 1))
    assert np.array_equal(observation, kept)


@pytest.mark.parametrize("task", TASKS)
def test_infos_have_strides_that_other_libraries_take(task: str) -> None:
    _, infos = VectorPlanningEnv(4, task, observation="state").reset(seed=0)
    for key, value in infos.items():
        assert value.flags.aligned, key
        assert all(stride % value.itemsize == 0 for stride in value.strides), key


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_envs": 0}, "num_envs"),
        ({"autoreset_mode": "Never"}, "NextStep"),
        ({"pool": 0}, "pool"),
        ({"pool": []}, "at least one"),
        ({"render_mode": "human"}, "rgb_array"),
        ({"pool": 3, "layout": FrozenLakeLayout.from_rows(["SG"])}, "exclude"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(VSPGymError, match=message):
        VectorPlanningEnv(**{"num_envs": 2, **arguments})


@pytest.mark.parametrize("actions", [[0, 4], [-1, 0], [0], [0.5, 1.0], 3])
def test_wrong_actions_are_refused(actions: Any) -> None:
    env = VectorPlanningEnv(2, "maze", observation="text")
    env.reset(seed=0)
    with pytest.raises(VSPGymError, match="actions"):
        env.step(np.array(actions))


def test_a_pool_refuses_options_for_one_episode() -> None:
    env = VectorPlanningEnv(2, "maze", observation="text", pool=2)
    with pytest.raises(VSPGymError, match="boards of one's own"):
        env.reset(seed=0, options={"size": 5})
    with pytest.raises(UnknownNameError, match="reset option"):
        VectorPlanningEnv(2, "maze", observation="text").reset(seed=0, options={"seize": 5})


def test_it_renders_every_board() -> None:
    env = VectorPlanningEnv(3, "maze", observation="state", render_mode="rgb_array", image_size=64)
    env.reset(seed=0)
    frames = env.render()
    assert frames is not None
    assert [frame.shape for frame in frames] == [(64, 64, 3)] * 3
