"""Text actions, one-shot planning, slippery movement."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.wrappers import RecordEpisodeStatistics, TimeLimit

from vsp_gym import (
    TASKS,
    FrozenLakeLayout,
    OneShotPlanning,
    PlanningEnv,
    Slippery,
    TextActions,
    UnknownNameError,
    VSPGymError,
    format_plan,
)

LAKE = FrozenLakeLayout.from_rows(["SFF", "FHF", "FFG"])


def test_a_reply_that_names_one_action_is_carried_out() -> None:
    env = TextActions(PlanningEnv("frozen_lake", layout=LAKE, observation="text"))
    env.reset()
    *_, info = env.step("The hole is to the right below, so <answer>right</answer>")
    assert info["parse_error"] is None
    assert env.unwrapped.state == (0, 1)


@pytest.mark.parametrize("reply", ["<answer>RR</answer>", "I cannot tell", "", "PICK"])
def test_a_reply_that_names_no_single_action_forfeits_the_step(reply: str) -> None:
    env = TextActions(PlanningEnv("frozen_lake", layout=LAKE, observation="text", max_steps=2))
    env.reset()
    _, reward, terminated, truncated, info = env.step(reply)
    assert info["parse_error"]
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert env.unwrapped.state == LAKE.start
    assert env.step(reply)[3]


def test_a_bad_reply_ends_the_episode_where_violations_do() -> None:
    env = TextActions(PlanningEnv("frozen_lake", layout=LAKE, on_violation="terminate"))
    env.reset()
    assert env.step("no idea")[2]


def test_wrappers_inside_count_forfeited_steps() -> None:
    env = TextActions(TimeLimit(PlanningEnv("maze", observation="state"), 2))
    env.reset(seed=0)
    assert [env.step("no idea")[3] for _ in range(2)] == [False, True]
    env = TextActions(
        RecordEpisodeStatistics(Slippery(PlanningEnv("maze", observation="state", max_steps=2)))
    )
    env.reset(seed=0)
    infos = [env.step("no idea")[-1] for _ in range(2)]
    assert infos[1]["episode"]["l"] == 2
    assert infos[1]["action"] is None


@pytest.mark.parametrize("observation", ["both", "state"])
def test_one_shot_planning_gives_observations_of_their_own(observation: Any) -> None:
    env = OneShotPlanning(PlanningEnv("maze", observation=observation, image_size=32))
    first, _ = env.reset(seed=0)
    image = first["image"] if observation == "both" else first
    kept = image.copy()
    image[:] = 0
    last = env.step("R")[0]
    assert np.array_equal(last["image"] if observation == "both" else last, kept)


@pytest.mark.parametrize(
    ("wrap", "attribute", "value"),
    [
        (lambda env: TextActions(env, mode="strict"), "_mode", "strict"),
        (lambda env: OneShotPlanning(env, convention="gym", reward="progress"), "_reward", "progress"),
        (lambda env: Slippery(env, success_rate=0.5), "_thresholds", [0.25, 0.75]),
    ],
)
def test_a_wrapped_environment_is_made_again_from_its_spec(wrap: Any, attribute: str, value: Any) -> None:
    spec = wrap(gym.make("VSP/Maze-v0", size=5, observation="state")).spec
    again = gym.make(EnvSpec.from_json(spec.to_json()))
    assert again.unwrapped.reset(seed=0)[0].shape == (150,)
    assert np.all(getattr(again, attribute) == np.array(value))


@pytest.mark.parametrize("wrapper", [TextActions, OneShotPlanning])
def test_an_unknown_parse_mode_is_refused_at_once(wrapper: Any) -> None:
    with pytest.raises(UnknownNameError, match="'strict'"):
        wrapper(PlanningEnv(), mode="stric")


@pytest.mark.parametrize("task", TASKS)
def test_one_shot_planning_rewards_the_oracles_plan(task: str) -> None:
    env = OneShotPlanning(PlanningEnv(task, observation="text"), reward="optimal")
    env.reset(seed=2)
    plan = env.unwrapped.solution.plan()
    _, reward, terminated, _, info = env.step(f"<answer>{format_plan(plan, env.unwrapped.task)}</answer>")
    assert (reward, terminated, info["score"]["optimal"], info["is_success"]) == (1.0, True, True, True)
    with pytest.raises(gym.error.ResetNeeded):
        env.step("R")


def test_one_shot_planning_can_reward_progress_and_anything_else() -> None:
    env = OneShotPlanning(PlanningEnv("frozen_lake", layout=LAKE), reward="progress")
    env.reset()
    assert env.step("<answer>RR</answer>")[1] == 0.5
    env = OneShotPlanning(PlanningEnv("frozen_lake", layout=LAKE), reward=lambda score: -float(score.steps))
    env.reset()
    assert env.step("<answer>RR</answer>")[1] == -2.0
    with pytest.raises(UnknownNameError, match="success, optimal, progress"):
        OneShotPlanning(PlanningEnv(), reward="sucess")  # type: ignore[arg-type]


def test_slippery_moves_have_gymnasiums_frequencies() -> None:
    layout = FrozenLakeLayout(3, 3, (1, 1), (0, 0), ())
    env = Slippery(PlanningEnv("frozen_lake", layout=layout, observation="state"))
    counts = np.zeros(4)
    env.reset(seed=0)
    for _ in range(3000):
        env.reset()
        counts[env.step(1)[-1]["action"]] += 1
    assert counts[3] == 0
    assert np.allclose(counts[:3] / 3000, 1 / 3, atol=0.04)


def test_slippery_success_rate_one_never_slips_and_other_actions_do_not_slip() -> None:
    env = Slippery(PlanningEnv("mini_behaviour", observation="state"), success_rate=1.0)
    env.reset(seed=0)
    for action in (0, 1, 2, 3, 4, 5):
        assert env.step(action)[-1]["action"] == action
    env = Slippery(PlanningEnv("mini_behaviour", observation="state"), success_rate=0.0)
    env.reset(seed=0)
    assert all(env.step(4)[-1]["action"] == 4 for _ in range(20))
    with pytest.raises(VSPGymError, match=r"0\.0 to 1\.0"):
        Slippery(PlanningEnv(), success_rate=1.5)
    with pytest.raises(VSPGymError, match=r"not '0\.5'"):
        Slippery(PlanningEnv(), success_rate="0.5")  # type: ignore[arg-type]


def test_wrappers_refuse_other_environments() -> None:
    with pytest.raises(VSPGymError, match="PlanningEnv"):
        TextActions(gym.make("FrozenLake-v1"))
