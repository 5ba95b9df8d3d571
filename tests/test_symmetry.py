"""Keys of boards and orbits."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsp_gym import TASKS, count_shortest_plans, get_task, shortest_plan
from vsp_gym.core import DELTAS, Layout
from vsp_gym.envs.maze.generator import MazeGenerator
from vsp_gym.symmetry import (
    POSITIONS,
    SYMMETRIES,
    Board,
    Orbits,
    board_key,
    images,
    orbit_key,
    orbit_position,
)
from vsp_gym.testing import layouts

boards = st.sampled_from(sorted(TASKS)).flatmap(lambda name: st.tuples(st.just(name), layouts(name, 3, 7)))


def form(name: str) -> Any:
    return get_task(name).generator.form


@given(boards)
def test_a_layout_is_read_back_from_its_bytes(case: tuple[str, Layout]) -> None:
    name, layout = case
    assert form(name).decode(form(name).encode(layout)) == layout


@given(boards)
def test_all_images_share_the_orbit_key(case: tuple[str, Layout]) -> None:
    name, layout = case
    board = form(name).encode(layout)
    turned = images(form(name), board)
    assert len(turned) == (8 if layout.rows == layout.cols else 4)
    assert turned[0] == board
    assert {orbit_key(name, form(name), image) for image in turned} == {orbit_key(name, form(name), board)}


@given(boards, st.data())
def test_different_orbits_have_different_keys(case: tuple[str, Layout], data: st.DataObject) -> None:
    name, layout = case
    board = form(name).encode(layout)
    other = form(name).encode(data.draw(layouts(name, 3, 4)))
    same = other in images(form(name), board)
    assert (orbit_key(name, form(name), other) == orbit_key(name, form(name), board)) is same
    assert (board_key(name, other) == board_key(name, board)) is (other == board)


@pytest.mark.parametrize("name", ["frozen_lake", "maze"])
def test_brute_force_on_all_boards_of_3x3(name: str) -> None:
    task = get_task(name)
    generator = MazeGenerator("uniform") if name == "maze" else task.generator
    keys: dict[str, set[Board]] = {}
    every = [
        Board(3, 3, ground, target, start)
        for ground in generator.grounds(3) or ()
        for target, start in itertools.permutations(generator.sites(ground), 2)
    ]
    for board in every:
        keys.setdefault(orbit_key(name, generator.form, board), set()).add(board)
    assert len({board_key(name, board) for board in every}) == len(every)
    for orbit in keys.values():
        assert orbit == set(images(generator.form, next(iter(orbit))))


@given(boards)
def test_a_position_does_not_depend_on_the_start(case: tuple[str, Layout]) -> None:
    name, layout = case
    rows, cols, ground, target, start = form(name).encode(layout)
    orbits = Orbits(name, form(name), rows, cols, ground)
    position = orbits.positions()[target]
    assert 0 <= position < POSITIONS
    for other in {start, 0, rows * cols - 1} - {target}:
        assert orbit_position(orbits.key(target, other)) == position


def test_positions_are_spread_evenly() -> None:
    generator = get_task("maze").generator
    rng = np.random.default_rng(0)
    found = [
        position / POSITIONS
        for _ in range(200)
        for position in Orbits("maze", generator.form, 6, 6, generator.ground(rng, 6)).positions()
    ]
    shares, _ = np.histogram(found, 10, (0, 1))
    assert abs(shares / len(found) - 0.1).max() < 0.02


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_a_symmetry_moves_cells_and_directions_alike(symmetry: Any) -> None:
    rows, cols = 3, 5
    for row, col in itertools.product(range(1, 2), range(1, 4)):
        here = symmetry.cell(row, col, rows, cols)
        for step in DELTAS:
            there = symmetry.cell(row + step[0], col + step[1], rows, cols)
            assert symmetry.step(*step) == (there[0] - here[0], there[1] - here[1])


def test_a_mirrored_maze_has_the_same_shortest_plans() -> None:
    task = get_task("maze")
    rng = np.random.default_rng(3)
    for _ in range(20):
        solution = task.generator.draw(rng, 5)
        for image in images(task.generator.form, task.generator.form.encode(solution.layout)):
            layout = task.layout_type.from_dict(task.generator.form.decode(image).to_dict())
            assert len(shortest_plan(task, layout) or ()) == solution.distance()
            assert count_shortest_plans(task, layout) == solution.count()


def test_tasks_do_not_share_keys() -> None:
    board = Board(5, 5, bytes(25), 1, 2)
    assert len({board_key(name, board) for name in TASKS}) == len(TASKS)
