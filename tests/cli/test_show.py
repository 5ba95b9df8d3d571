"""`vsp-gym show`: boards printed and saved."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys

import gymnasium
import numpy as np
import pytest
from cli.invoke import COMMAND, invoke
from PIL import Image

from vsp_gym import TASKS, FrozenLakeLayout, get_task, shortest_plan
from vsp_gym.render import render_rgb
from vsp_gym.scoring import rollout
from vsp_gym.text import describe, parse_description

LAKE = FrozenLakeLayout.from_rows(["SFF", "FHF", "FFG"])
BOARD = json.dumps({"task": "frozen_lake", "layout": LAKE.to_dict()})


@pytest.mark.parametrize("task", TASKS.values(), ids=repr)
def test_a_seed_gives_the_environments_first_board(task):
    result = invoke("show", "--task", task.name, "--size", "6", "--seed", "3", "--difficulty", "hard")
    env = gymnasium.make(task.env_id, size=6, difficulty="hard").unwrapped
    env.reset(seed=3)
    assert result.exit_code == 0
    assert describe(task, env.layout) in result.stdout
    assert f"({len(shortest_plan(task, env.layout))} steps" in result.stdout


def test_a_plan_is_judged_and_the_board_after_it_shown():
    result = invoke("show", "--layout", BOARD, "--plan", "right, down")
    assert "The agent fell into a hole at step 2 of 2 (DOWN)." in result.stdout
    assert "Agent: (1, 1)" in result.stdout
    result = invoke("show", "--layout", BOARD, "--plan", "L,D,D,R,R", "--convention", "gym")
    assert "succeeds in 5 steps; 4 would do" in result.stdout


def test_an_unsolvable_board_is_said_to_be_one():
    lake = FrozenLakeLayout.from_rows(["SHF", "HHF", "FFG"])
    result = invoke("show", "--task", "frozen-lake", "--layout", json.dumps(lake.to_dict()))
    assert "This board has no solution." in result.stdout


def test_pictures_are_the_renderers(tmp_path):
    path = tmp_path / "board.png"
    args = ("show", "--layout", BOARD, "--image-size", "96", "--theme", "inverted", "--out", str(path))
    assert invoke(*args).exit_code == 0
    task = get_task("frozen_lake")
    expected = render_rgb(task, LAKE, LAKE.start, size=96, theme="inverted")
    np.testing.assert_array_equal(np.asarray(Image.open(path).convert("RGB")), expected)
    assert invoke(*args, "--plan", "DR").exit_code == 0
    step = rollout(task, LAKE, [1, 2])[-1]
    expected = render_rgb(task, LAKE, step.state, size=96, theme="inverted", facing=task.actions[2])
    np.testing.assert_array_equal(np.asarray(Image.open(path).convert("RGB")), expected)


@pytest.mark.parametrize(("plan", "frames"), [(None, 5), ("DD", 3), ("RD", 3)])
def test_a_gif_shows_every_step(tmp_path, plan, frames):
    path = tmp_path / "plan.GIF"
    args = ("--plan", plan) if plan else ()
    assert invoke("show", "--layout", BOARD, "--out", str(path), *args).exit_code == 0
    assert Image.open(io.BytesIO(path.read_bytes())).n_frames == frames


def test_saved_text_and_json_are_read_back(tmp_path):
    text, board = tmp_path / "b.txt", tmp_path / "b.json"
    assert invoke("show", "--layout", BOARD, "--plan", "D", "--out", str(text)).exit_code == 0
    assert parse_description("frozen_lake", text.read_text()) == (LAKE, (1, 0))
    assert invoke("show", "--layout", BOARD, "--out", str(board)).exit_code == 0
    assert invoke("show", "--layout", str(board)).stdout == invoke("show", "--layout", BOARD).stdout
    assert sorted(os.listdir(tmp_path)) == ["b.json", "b.txt"]


@pytest.mark.parametrize(
    ("args", "status", "reason"),
    [
        ([], 2, "give --task"),
        (["--task", "mazes"], 2, "Did you mean 'maze'"),
        (["--task", "maze", "--size", "2"], 2, "3 to 64, not 2"),
        (["--task", "maze", "--size", "x"], 2, "not a valid integer"),
        (["--task", "maze", "--seed", "-1"], 2, "--seed"),
        (["--task", "maze", "--theme", "clasic"], 2, "clasic"),
        (["--task", "maze", "--out", "board.bmp"], 2, ".png, .gif, .txt, .json"),
        (["--task", "maze", "--plan", "PICK"], 2, "is no plan"),
        (["--layout", BOARD, "--size", "3"], 2, "--layout excludes"),
        (["--layout", "{}"], 2, "--task is needed"),
        (["--layout", "missing.json"], 1, "missing.json: No such file"),
        (["--layout", BOARD, "--task", "maze"], 1, "contradicts"),
        (["--layout", BOARD, "--out", "missing/board.png"], 1, "missing/board.png: No such file"),
        (["--layout", BOARD, "--image-size", "5", "--out", "x.png"], 1, "too small"),
    ],
)
def test_bad_input_is_explained(args, status, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = invoke("show", *args)
    assert result.exit_code == status
    assert reason in result.stderr
    assert os.listdir(tmp_path) == []


def in_terminal(*args: str, **environment: str) -> str:
    """What a command prints to a terminal."""
    pty = pytest.importorskip("pty")
    controller, terminal = pty.openpty()
    inherited = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    pid = os.posix_spawn(
        sys.executable,
        [*COMMAND, *args],
        {**inherited, **environment},
        file_actions=[(os.POSIX_SPAWN_DUP2, terminal, 1), (os.POSIX_SPAWN_DUP2, terminal, 2)],
    )
    os.close(terminal)
    output = b""
    with contextlib.suppress(OSError):  # what Linux raises when the other side has closed
        while chunk := os.read(controller, 4096):
            output += chunk
    os.close(controller)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, output
    return output.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX terminal")
def test_colours_in_a_terminal_unless_they_are_not_wanted():
    assert "\x1b[" in in_terminal("show", "--layout", BOARD)
    assert "\x1b" not in in_terminal("show", "--layout", BOARD, NO_COLOR="1")
    assert "\x1b" not in invoke("show", "--layout", BOARD).stdout
