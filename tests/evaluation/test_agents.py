"""Every built-in agent plays every task, from the rules alone."""

from __future__ import annotations

import numpy as np
import pytest

from vsp_gym import TASKS, FrozenLakeLayout, UnknownNameError, get_task
from vsp_gym.core import Violation
from vsp_gym.evaluation.agents import AGENTS, get_agent
from vsp_gym.plans import parse_plan
from vsp_gym.scoring import rollout, score_reply

BOARDS = [
    (task, task.generator.sample(np.random.default_rng(seed), task.default_size))
    for task in TASKS.values()
    for seed in range(5)
]


@pytest.mark.parametrize(("task", "layout"), BOARDS)
def test_oracle_is_optimal_on_every_task(task, layout):
    assert score_reply(task, layout, get_agent("oracle").reply(task, layout)).optimal


@pytest.mark.parametrize("name", ["oracle", "first-legal", "random", "always-straight"])
@pytest.mark.parametrize(("task", "layout"), BOARDS)
def test_replies_hold_a_plan_even_for_the_strict_parser(name, task, layout):
    parsed = parse_plan(get_agent(name).reply(task, layout), task, mode="strict")
    assert parsed.actions, parsed.reason


@pytest.mark.parametrize(("task", "layout"), BOARDS)
def test_first_legal_never_makes_an_illegal_move_nor_comes_back(task, layout):
    plan = parse_plan(get_agent("first-legal").reply(task, layout), task).actions
    steps = rollout(task, layout, plan)
    states = [task.initial(layout), *(step.state for step in steps)]
    assert not any(step.violation for step in steps)
    assert len(set(states)) == len(states) == len(plan) + 1


def test_always_straight_repeats_one_action():
    task = get_task("frozen_lake")
    layout = FrozenLakeLayout.from_rows(["FFFS", "FFFF", "FFFF", "FFFG"])
    score = score_reply(task, layout, get_agent("always-straight").reply(task, layout))
    assert (score.steps, score.violation) == (4, Violation.OUT_OF_BOUNDS)


def test_empty_reply_is_no_plan():
    task, layout = BOARDS[0]
    reply = get_agent("empty-reply").reply(task, layout)
    assert (reply, score_reply(task, layout, reply).outcome) == ("", "no_plan")


def test_oracle_says_that_a_board_has_no_solution():
    task = get_task("frozen_lake")
    layout = FrozenLakeLayout.from_rows(["SHF", "HHF", "FFG"])
    assert score_reply(task, layout, get_agent("oracle").reply(task, layout)).outcome == "no_plan"


@pytest.mark.parametrize("agent", AGENTS.values(), ids=str)
def test_a_reply_depends_on_seed_and_index_alone(agent):
    task, layout = BOARDS[0]
    first = [agent.reply(task, layout, seed=3, index=i) for i in range(4)]
    assert [agent.reply(task, layout, seed=3, index=i) for i in reversed(range(4))] == first[::-1]


def test_random_differs_between_boards_and_seeds():
    task, layout = BOARDS[0]
    agent = get_agent("random")
    replies = {agent.reply(task, layout, seed=seed, index=index) for seed in range(3) for index in range(3)}
    assert len(replies) == 9


def test_unknown_agent_names_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'oracle'"):
        get_agent("oracel")
