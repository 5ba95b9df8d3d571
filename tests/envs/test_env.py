"""The single environment: Gymnasium's contract, boards, info, errors."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import vsp_gym
from vsp_gym import TASKS, FrozenLakeLayout, LayoutError, PlanningEnv, UnknownNameError, VSPGymError

OBSERVATIONS = ("both", "image", "text", "state")
IDS = [task.env_id for task in TASKS.values()]


@pytest.mark.parametrize("observation", OBSERVATIONS)
@pytest.mark.parametrize("env_id", IDS)
def test_gymnasium_accepts_every_observation_without_a_warning(env_id: str, observation: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gym.make(env_id, observation=observation, image_size=64)
        check_env(env.unwrapped, skip_render_check=True)


@pytest.mark.parametrize("render_mode", ["rgb_array", "ansi"])
def test_gymnasium_accepts_the_render_modes(render_mode: str) -> None:
    for env_id in IDS:
        env = gym.make(env_id, render_mode=render_mode, observation="state")
        env.reset(seed=0)
        frame = env.render()
        assert isinstance(frame, str) if render_mode == "ansi" else frame.shape == (256, 256, 3)


def test_make_works_without_importing_the_package() -> None:
    assert gym.make("vsp_gym:VSP/Maze-v0").unwrapped.task.name == "maze"


@pytest.mark.parametrize("task", TASKS)
def test_the_same_seed_gives_the_same_board_and_observation(task: str) -> None:
    env = PlanningEnv(task, image_size=64)
    first, _ = env.reset(seed=7)
    layout = env.layout
    env.reset()
    again, _ = PlanningEnv(task, image_size=64).reset(seed=7)
    assert env.layout != layout
    assert np.array_equal(first["image"], again["image"])
    assert first["text"] == again["text"]


@pytest.mark.parametrize("task", TASKS)
def test_following_the_optimal_actions_takes_the_distance_told_at_reset(task: str) -> None:
    env = PlanningEnv(task, observation="text")
    for seed in range(10):
        _, info = env.reset(seed=seed)
        for remaining in range(info["distance"], 0, -1):
            assert info["distance"] == remaining
            assert not info["is_success"]
            assert (info["action_mask"] >= info["optimal_actions"]).all()
            _, reward, terminated, truncated, info = env.step(int(np.argmax(info["optimal_actions"])))
            assert not truncated
            assert (reward, terminated) == ((1.0, True) if remaining == 1 else (0.0, False))
        assert info["is_success"]
        assert info["distance"] == 0


@pytest.mark.parametrize("task", TASKS)
def test_the_action_mask_and_the_violation_agree_with_the_rules(task: str) -> None:
    env = PlanningEnv(task, observation="state")
    rng = np.random.default_rng(3)
    for seed in range(20):
        _, info = env.reset(seed=seed)
        over = False
        while not over:
            state, mask = env.state, info["action_mask"]
            action = int(rng.integers(len(env.task.actions)))
            expected = env.task.transition(env.layout, state, env.task.actions[action])
            _, reward, terminated, truncated, info = env.step(action)
            assert (info["violation"] is None) == bool(mask[action])
            assert info["violation"] == expected.violation
            assert (env.state, reward, terminated) == (expected.state, expected.reward, expected.terminated)
            over = terminated or truncated


def test_a_hole_terminates_without_reward_or_success() -> None:
    env = PlanningEnv("frozen_lake", layout=FrozenLakeLayout.from_rows(["SH", "FG"]))
    env.reset()
    _, reward, terminated, truncated, info = env.step(vsp_gym.Action.RIGHT)
    assert (reward, terminated, truncated) == (0.0, True, False)
    assert info["distance"] == -1
    assert not info["is_success"]
    assert not info["action_mask"].any()


def test_running_out_of_steps_truncates() -> None:
    env = PlanningEnv("maze", size=3, observation="text", max_steps=3)
    env.reset(seed=0)
    blocked = int(np.flatnonzero(env.reset(seed=0)[1]["action_mask"] == 0)[0])
    flags = [env.step(blocked)[2:4] for _ in range(3)]
    assert flags == [(False, False), (False, False), (False, True)]
    with pytest.raises(gym.error.ResetNeeded):
        env.step(blocked)


def test_a_violation_ends_the_episode_when_asked_to() -> None:
    env = PlanningEnv(
        "frozen_lake", layout=FrozenLakeLayout.from_rows(["SF", "FG"]), on_violation="terminate"
    )
    env.reset()
    _, reward, terminated, _, info = env.step(0)
    assert (reward, terminated, info["violation"]) == (0.0, True, "out_of_bounds")


def test_reset_options_change_one_episode() -> None:
    env = PlanningEnv("maze", size=4, image_size=64)
    env.reset(seed=1, options={"size": 6, "difficulty": "hard"})
    assert env.layout.rows == 6
    assert env.solution.distance() > 6
    env.reset()
    assert env.layout.rows == 4
    layout = TASKS["maze"].generator.sample(np.random.default_rng(0), 5)
    env.reset(options={"layout": layout.to_dict()})
    assert env.layout == layout


def test_a_board_for_one_episode_has_the_fixed_layouts_size() -> None:
    layout = TASKS["maze"].generator.sample(np.random.default_rng(0), 7)
    env = PlanningEnv("maze", layout=layout, observation="state")
    env.reset(seed=0, options={"difficulty": "hard"})
    assert env.layout.rows == 7
    assert env.layout != layout


def test_seeds_may_be_numpy_integers() -> None:
    env = PlanningEnv(observation="text")
    assert env.reset(seed=np.int64(7))[0] == env.reset(seed=7)[0]  # type: ignore[arg-type]


def test_the_state_vector_holds_every_plane_the_agent_and_the_flags() -> None:
    env = PlanningEnv("mini_behaviour", size=5, observation="state")
    vector, _ = env.reset(seed=0)
    picture = env.task.picture
    planes = vector[: -len(picture.flags)].reshape(len(picture.planes) + 1, 5, 5)
    assert np.array_equal(planes[:-1], picture.encode_layout(env.layout))
    assert np.argwhere(planes[-1]).tolist() == [list(env.state.agent)]
    for action in env.solution.plan():
        vector, *_ = env.step(action)
    assert tuple(vector[-len(picture.flags) :]) == picture.encode_flags(env.state) != (False, False)


def test_render_faces_the_last_move_and_observations_do_not() -> None:
    env = PlanningEnv("frozen_lake", size=3, observation="image", render_mode="rgb_array", image_size=96)
    layout = FrozenLakeLayout.from_rows(["FFF", "FSF", "FFG"])
    frames, images = [], []
    for there, back in ((0, 2), (2, 0)):
        env.reset(options={"layout": layout})
        env.step(there)
        images.append(env.step(back)[0])
        frames.append(env.render())
    assert np.array_equal(images[0], images[1])
    assert not np.array_equal(frames[0], frames[1])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"task": "mase"}, UnknownNameError, "Did you mean 'maze'"),
        ({"size": 2}, VSPGymError, "3 to 64, not 2"),
        ({"size": 65}, VSPGymError, "3 to 64"),
        ({"size": 4.0}, VSPGymError, "integer"),
        ({"task": "mini_behaviour", "size": 4}, VSPGymError, "5 to 32"),
        ({"difficulty": "hrad"}, UnknownNameError, "Did you mean 'hard'"),
        ({"observation": "pixels"}, UnknownNameError, "both, image, text, state"),
        ({"theme": "clasic"}, UnknownNameError, "Did you mean 'classic'"),
        ({"on_violation": "die"}, UnknownNameError, "stay, terminate"),
        ({"render_mode": "gif"}, UnknownNameError, "rgb_array"),
        ({"image_size": 5}, VSPGymError, "smallest size is 16"),
        ({"max_steps": 0}, VSPGymError, "max_steps"),
        ({"layout": {"rows": 3}}, LayoutError, "lacks cols"),
        ({"layout": "SFG"}, LayoutError, "FrozenLakeLayout"),
        ({"size": 5, "layout": FrozenLakeLayout.from_rows(["SG"])}, VSPGymError, "contradicts"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        PlanningEnv(**arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seize": 4}, "Did you mean 'size'"),
        ({"size": 2}, "3 to 64"),
        ({"difficulty": "x"}, "easy, medium, hard"),
        ({"layout": {}}, "lacks"),
        ({"layout": {"rows": 2, "cols": 4, "start": [0, 0], "goal": [1, 1], "holes": []}}, "128x256 pixels"),
        ({"layout": FrozenLakeLayout.from_rows(["SG"]), "size": 4}, "excludes"),
        (["size"], "are a dict with layout, size, difficulty"),
        (5, "are a dict"),
    ],
)
def test_wrong_reset_options_are_refused_and_leave_the_episode_alone(options: Any, message: str) -> None:
    env = PlanningEnv()
    env.reset(seed=0)
    layout = env.layout
    with pytest.raises(VSPGymError, match=message):
        env.reset(options=options)
    assert env.layout == layout


@pytest.mark.parametrize("action", [4, -1, 1.5, "JUMP", None, np.array([1])])
def test_wrong_actions_are_refused_with_what_is_allowed(action: Any) -> None:
    env = PlanningEnv(observation="text")
    env.reset(seed=0)
    with pytest.raises(VSPGymError):
        env.step(action)


def test_stepping_before_reset_is_refused() -> None:
    with pytest.raises(gym.error.ResetNeeded):
        PlanningEnv().step(0)


def test_the_state_observation_refuses_another_size() -> None:
    env = PlanningEnv("maze", size=4, observation="state")
    with pytest.raises(VSPGymError, match="made for 4x4"):
        env.reset(options={"size": 5})


def test_gymnasium_wrappers_work() -> None:
    env = gym.make("VSP/Maze-v0", render_mode="rgb_array", observation="image", image_size=64)
    env = gym.wrappers.RecordEpisodeStatistics(gym.wrappers.TimeLimit(env, 5))
    _, info = env.reset(seed=0)
    for step in range(1, 6):
        _, _, terminated, truncated, info = env.step(int(np.argmin(info["action_mask"])))
        assert (terminated, truncated) == (False, step == 5)
    assert info["episode"]["l"] == 5
