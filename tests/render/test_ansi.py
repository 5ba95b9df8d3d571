"""Boards in the terminal."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from vsp_gym import TASKS, Action, Cell, VSPGymError
from vsp_gym.core import MOVES
from vsp_gym.envs.base import PictureView
from vsp_gym.envs.mini_behaviour.rules import MiniBehaviourState
from vsp_gym.render import render_ansi

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def test_lake(lake: Any) -> None:
    task = TASKS["frozen_lake"]
    assert render_ansi(task, lake, color=False) == "@ F F F\nF H F H\nF F F H\nH F F G"
    assert render_ansi(task, lake, Cell(1, 1), color=False).splitlines()[1] == "F X F H"


def test_maze(wide_maze: Any) -> None:
    expected = "+---+---+\n| S   < |\n+---+---+"
    assert render_ansi(TASKS["maze"], wide_maze, Cell(0, 1), facing=Action.LEFT, color=False) == expected


def test_room(room: Any) -> None:
    task = TASKS["mini_behaviour"]
    start = ["@ . P . .", ". . . . .", ". . . . .", ". # # # .", ". # # # ."]
    assert render_ansi(task, room, color=False).splitlines() == start
    carrying = render_ansi(task, room, MiniBehaviourState(Cell(1, 2), True), facing=Action.UP, color=False)
    assert carrying.splitlines()[:2] == ["S . . . .", ". . ^P. ."]
    delivered = render_ansi(task, room, MiniBehaviourState(Cell(2, 2), False, True), color=False)
    assert delivered.splitlines()[2:4] == [". . @ . .", ". # P # ."]


def test_colors_add_nothing_but_escapes(task: Any, board: Any, states: list[Any]) -> None:
    for state in states:
        colored = render_ansi(task, board, state)
        assert colored.count("\x1b[0m") > 0
        stripped = "\n".join(line.rstrip() for line in ESCAPE.sub("", colored).splitlines())
        assert stripped == render_ansi(task, board, state, color=False)
        assert stripped.isascii()


def test_every_state_and_direction_reads_differently(task: Any, board: Any, states: list[Any]) -> None:
    texts = {render_ansi(task, board, state, color=False) for state in states}
    assert len(texts) == len(states)
    assert len({render_ansi(task, board, facing=facing, color=False) for facing in (None, *MOVES)}) == 5


def test_a_task_without_glyphs_shows_its_planes(lake: Any) -> None:
    view = TASKS["frozen_lake"].picture
    lines = PictureView.glyphs(view, lake, Cell(0, 0), None)
    assert ["".join(glyph.text for glyph in line).rstrip() for line in lines] == [
        "@ . . .",
        ". H . H",
        ". . . H",
        "H . . G",
    ]


def test_bad_arguments(task: Any, board: Any) -> None:
    with pytest.raises(VSPGymError, match="needs a"):
        render_ansi(task, np.zeros(3))
    initial = task.initial(board)
    with pytest.raises(VSPGymError, match="is no state of a"):
        render_ansi(
            task, board, Cell(9, 99) if isinstance(initial, Cell) else initial._replace(agent=Cell(99, 9))
        )
