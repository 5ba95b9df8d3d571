"""Why plans fail, for replies whose fault is known."""

from __future__ import annotations

import numpy as np
import pytest
from evaluation.samples import stated

from vsp_gym import TASKS, FrozenLakeLayout, get_task
from vsp_gym.evaluation.attribution import CAUSE_LABELS, CAUSES, attribute, differences
from vsp_gym.evaluation.simulated import misread
from vsp_gym.perception import parse_statement
from vsp_gym.planning import shortest_plan
from vsp_gym.plans import format_plan
from vsp_gym.scoring import score_reply

TRUE = FrozenLakeLayout(3, 3, (0, 0), (2, 2), frozenset({(1, 0)}))
SEEN = FrozenLakeLayout(3, 3, (0, 0), (2, 2), frozenset({(1, 1)}))


def judge(reply: str, **options):
    task = get_task("frozen_lake")
    score = score_reply(task, TRUE, reply, options.pop("convention", "strict"))
    return attribute(task, TRUE, reply, score, **options)


@pytest.mark.parametrize(
    ("reply", "saw", "cause"),
    [
        (stated(TRUE, "frozen_lake", "RRDD"), "right", None),
        (stated(SEEN, "frozen_lake", "RRDD"), "wrong", None),
        (stated(SEEN, "frozen_lake", "DDRR"), "wrong", "perception"),
        (stated(TRUE, "frozen_lake", "DDRR"), "right", "reasoning"),
        (stated(SEEN, "frozen_lake", "DRDR"), "wrong", "both"),
        (stated(TRUE, "frozen_lake", "no idea"), "right", "no_plan"),
        ("<answer>DDRR</answer>", "unclear", "no_statement"),
        ("Size: 3 x 3 <answer>DDRR</answer>", "unclear", "no_statement"),
        ("", "unclear", "no_plan"),
    ],
)
def test_each_cause(reply, saw, cause):
    found = judge(reply)
    assert (found.saw, found.cause) == (saw, cause)


def test_who_is_given_the_board_sees_right_and_who_is_not_asked_is_not_blamed():
    reply = "<answer>DDRR</answer>"
    assert judge(reply, modality="state").to_dict() == {"saw": "right", "cause": "reasoning"}
    assert judge(reply, states_board=False).to_dict() == {"saw": None, "cause": "unattributed"}
    assert judge("", states_board=False).cause == "no_plan"
    assert judge("<answer>RRDD</answer>", states_board=False).to_dict() == {"saw": None, "cause": None}


def test_words_are_judged_as_pictures_are():
    assert judge(stated(SEEN, "frozen_lake", "DDRR"), modality="text").cause == "perception"


def test_the_convention_of_the_score_judges_the_seen_board_too():
    detour = stated(SEEN, "frozen_lake", "LDDRR")
    assert judge(detour).cause == "both"
    assert judge(detour, convention="gym").cause == "perception"


def test_given_actions_come_before_those_of_the_reply():
    reply = stated(SEEN, "frozen_lake", "DDRR")
    assert judge(reply, actions=[0]).cause == "both"


def test_a_plan_begins_where_the_agent_was_seen():
    moved = "Size: 3 x 3\nStart: (0, 0)\nAgent: (0, 1)\nGoal: (2, 2)\nHoles: (1, 0)\n<answer>RDD</answer>"
    assert judge(moved).cause == "perception"


@pytest.mark.parametrize("name", TASKS)
def test_a_right_plan_for_a_misread_board_fails_by_perception_only(name):
    task = get_task(name)
    causes = set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        true = task.generator.sample(rng, task.default_size + 1)
        seen = misread(task, true, rng)
        assert seen != true
        reply = stated(seen, name, format_plan(shortest_plan(task, seen), task))
        found = attribute(task, true, reply, score_reply(task, true, reply))
        assert found.saw == "wrong"
        causes.add(found.cause)
    assert causes <= {"perception", None}
    assert "perception" in causes


@pytest.mark.parametrize("name", TASKS)
def test_the_lines_that_differ_are_named(name):
    task = get_task(name)
    rng = np.random.default_rng(5)
    true = task.generator.sample(rng, task.default_size + 1)
    seen = misread(task, true, rng)
    lines = differences(task, true, parse_statement(task, stated(seen, name, "")))
    assert lines
    assert all(a != b for a, b in lines)
    assert differences(task, true, parse_statement(task, stated(true, name, ""))) == []
    assert differences(task, true, parse_statement(task, "nothing")) == []


def test_every_cause_has_words():
    assert set(CAUSE_LABELS) == set(CAUSES)
