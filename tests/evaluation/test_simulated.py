"""Simulated models imitate what they say, on every task, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from vsp_gym import TASKS
from vsp_gym.evaluation.attribution import attribute
from vsp_gym.evaluation.simulated import SIMULATED, SimulatedModel, misread
from vsp_gym.planning import shortest_plan
from vsp_gym.scoring import score_reply

BOARDS = [
    (task, task.generator.sample(np.random.default_rng(seed), task.default_size + 1))
    for task in TASKS.values()
    for seed in range(15)
]


def causes(model: SimulatedModel, modality: str) -> set[str | None]:
    found = set()
    for index, (task, layout) in enumerate(BOARDS):
        reply = model.reply(task, layout, modality, index=index)
        found.add(attribute(task, layout, reply, score_reply(task, layout, reply), modality=modality).cause)
    return found


def test_each_fault_alone_gives_its_own_cause_alone():
    assert causes(SimulatedModel("m", "", {"image": 0.0}, 0.0), "image") == {None}
    assert causes(SimulatedModel("m", "", {"image": 0.3}, 0.0), "image") == {"perception", None}
    assert causes(SimulatedModel("m", "", {"image": 0.0}, 0.3), "image") == {"reasoning", None}
    assert causes(SimulatedModel("m", "", {"image": 0.0}, 1.0, 0.5), "image") == {"no_plan", "no_statement"}


def test_a_reply_depends_on_seed_board_and_number_alone():
    model, (task, layout) = SIMULATED["beginner"], BOARDS[0]
    again = [model.reply(task, layout, "image", seed=3, index=5) for _ in range(2)]
    assert again[0] == again[1]
    assert len({model.reply(task, layout, "image", index=index) for index in range(40)}) > 5


def test_modalities_differ_by_misreading_alone():
    model = SimulatedModel("m", "", {"image": 0.1, "text": 0.1}, 0.2, 0.1)
    for index, (task, layout) in enumerate(BOARDS):
        replies = {model.reply(task, layout, modality, index=index) for modality in model.misreads}
        assert len(replies) == 1


@pytest.mark.parametrize(("task", "layout"), BOARDS[::5])
def test_a_misread_board_is_another_that_can_be_solved(task, layout):
    rng = np.random.default_rng(0)
    seen = [misread(task, layout, rng) for _ in range(5)]
    assert any(one != layout for one in seen)
    assert all(shortest_plan(task, one) for one in seen)


def test_every_one_says_that_it_is_simulated():
    assert all(model.about.startswith("Simulated:") for model in SIMULATED.values())
