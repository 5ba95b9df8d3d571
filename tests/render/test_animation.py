"""Plans as frames and GIFs."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vsp_gym import TASKS, Action, VSPGymError, shortest_plan
from vsp_gym.render import render_frames, render_gif, render_rgb


def test_a_frame_for_the_start_and_each_step(task: Any, board: Any) -> None:
    plan = shortest_plan(task, board)
    frames = render_frames(task, board, plan, size=100)
    assert frames.shape == (len(plan) + 1, 100, 100, 3)
    np.testing.assert_array_equal(frames[0], render_rgb(task, board, size=100))
    state = task.transition(board, task.initial(board), plan[0]).state
    np.testing.assert_array_equal(frames[1], render_rgb(task, board, state, size=100, facing=plan[0]))


def test_frames_end_where_the_plan_does(lake: Any) -> None:
    task = TASKS["frozen_lake"]
    plan = [Action.LEFT, Action.RIGHT]
    assert len(render_frames(task, lake, plan)) == 2
    assert len(render_frames(task, lake, plan, convention="gym")) == 3


def test_text_beside_each_picture(task: Any, board: Any) -> None:
    plan = shortest_plan(task, board)
    plain, texted = render_frames(task, board, plan), render_frames(task, board, plan, text=True)
    assert texted.shape[0] == plain.shape[0]
    assert texted.shape[1] >= plain.shape[1]
    np.testing.assert_array_equal(texted[:, : plain.shape[1], : plain.shape[2]], plain)
    panels = texted[:, :, plain.shape[2] :]
    assert (panels < 100).sum() > 500
    assert len({panel.tobytes() for panel in panels}) == len(panels)


def test_a_gif_shows_the_frames(task: Any, board: Any) -> None:
    plan = shortest_plan(task, board)
    frames = render_frames(task, board, plan, size=120)
    image = Image.open(io.BytesIO(render_gif(task, board, plan, size=120, milliseconds=250)))
    assert image.format == "GIF"
    assert image.n_frames == len(plan) + 1
    for number, frame in enumerate(frames):
        image.seek(number)
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), frame)
        assert image.info["duration"] == (750 if number == len(plan) else 250)


def test_a_plan_of_no_steps_is_one_frame(task: Any, board: Any) -> None:
    assert Image.open(io.BytesIO(render_gif(task, board, []))).n_frames == 1


def test_bad_arguments(task: Any, board: Any) -> None:
    with pytest.raises(VSPGymError, match="milliseconds"):
        render_gif(task, board, [], milliseconds=1)
    with pytest.raises(VSPGymError, match=r"plan\[0\]"):
        render_gif(task, board, [17])
