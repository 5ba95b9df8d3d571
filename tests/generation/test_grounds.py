"""Grounds of boards: what generators can draw, and their options."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsp_gym import TASKS, MazeLayout, VSPGymError, get_task
from vsp_gym.core import Cell
from vsp_gym.envs.frozen_lake.generator import FrozenLakeGenerator
from vsp_gym.envs.maze.generator import ALGORITHMS, MazeGenerator, count_spanning_trees
from vsp_gym.planning import Solution


def graph(layout: MazeLayout) -> nx.Graph[Cell]:
    found: nx.Graph[Cell] = nx.Graph()
    task = get_task("maze")
    for row, col in itertools.product(range(layout.rows), range(layout.cols)):
        found.add_node(Cell(row, col))
        for move in layout.open_moves(Cell(row, col)):
            step = task.transition(layout, Cell(row, col), move)
            found.add_edge(Cell(row, col), step.state)
    return found


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("loops", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("size", [3, 6, 17])
def test_mazes_are_connected_and_have_the_loops_asked_for(algorithm: str, loops: float, size: int) -> None:
    generator = MazeGenerator(algorithm, loops)
    layout = generator.draw(np.random.default_rng(size), size).layout
    found = graph(MazeLayout.from_dict(layout.to_dict()))
    assert nx.is_connected(found)
    extra = found.number_of_edges() - (size * size - 1)
    assert extra == int(loops * (size - 1) ** 2 + 0.5)


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_kirchhoff_agrees_with_numpy(size: int) -> None:
    grid = nx.grid_2d_graph(size, size)
    laplacian = np.diag([degree for _, degree in grid.degree()]) - nx.to_numpy_array(grid)
    assert count_spanning_trees(size) == round(np.linalg.det(laplacian[1:, 1:]))


def test_uniform_mazes_are_uniform() -> None:
    generator = MazeGenerator("uniform")
    rng = np.random.default_rng(0)
    draws = 192 * 60
    counts = Counter(generator.ground(rng, 3) for _ in range(draws))
    assert len(counts) == 192
    chi_square = sum((count - 60) ** 2 / 60 for count in counts.values())
    assert chi_square < 191 + 4 * (2 * 191) ** 0.5


@pytest.mark.parametrize("generator", [MazeGenerator(), MazeGenerator("uniform"), MazeGenerator(loops=0.3)])
def test_the_list_of_3x3_mazes_is_what_is_drawn(generator: MazeGenerator) -> None:
    listed = list(generator.grounds(3) or ())
    rng = np.random.default_rng(1)
    drawn = {generator.ground(rng, 3) for _ in range(5000)}
    assert len(set(listed)) == len(listed)
    assert drawn == set(listed)


def test_depth_first_search_makes_longer_corridors() -> None:
    ends = {}
    for algorithm in ALGORITHMS:
        rng = np.random.default_rng(0)
        layouts = [MazeGenerator(algorithm).draw(rng, 10).layout for _ in range(20)]
        ends[algorithm] = sum(degree == 1 for layout in layouts for _, degree in graph(layout).degree())
    assert ends["depth-first"] < 0.7 * ends["uniform"]


def test_lakes_have_the_share_of_holes_asked_for() -> None:
    rng = np.random.default_rng(0)
    ground = b"".join(FrozenLakeGenerator(0.35).ground(rng, 20) for _ in range(50))
    assert abs(ground.count(1) / len(ground) - 0.35) < 0.01


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FrozenLakeGenerator(1), "hole_probability must be a number from 0 to less than 1, not 1"),
        (lambda: FrozenLakeGenerator("x"), "hole_probability must be a number"),
        (lambda: MazeGenerator("wilson"), "unknown maze algorithm 'wilson'; allowed: depth-first, uniform"),
        (lambda: MazeGenerator(loops=-0.1), "loops must be a number from 0 to 1, not -0.1"),
        (lambda: MazeGenerator(loops=True), "loops must be a number from 0 to 1, not True"),
    ],
)
def test_wrong_options_are_refused(make: Any, message: str) -> None:
    with pytest.raises(VSPGymError, match=message):
        make()


@given(st.sampled_from(sorted(TASKS)), st.integers(0, 2**32))
def test_an_arena_knows_the_distance_from_every_start(name: str, seed: int) -> None:
    task = get_task(name)
    rng = np.random.default_rng(seed)
    ground = task.generator.ground(rng, 5)
    sites = task.generator.sites(ground)
    if len(sites) < 2:
        return
    arena = task.generator.arena(5, ground, sites[0])
    for number, start in enumerate(sites[1:]):
        state = task.generator.state(Cell(*divmod(start, 5)))
        assert arena.states[number] == state
        fresh = Solution(task, arena.layout, (state,)).distance()
        assert (None if arena.to_go[number] < 0 else arena.to_go[number]) == fresh


@given(st.sampled_from(sorted(TASKS)), st.integers(0, 2**32))
def test_nothing_is_shorter_than_the_straight_way(name: str, seed: int) -> None:
    task = get_task(name)
    solution = task.generator.draw(np.random.default_rng(seed), 6)
    assert 1 <= task.generator.straight_length(solution.layout) <= (solution.distance() or 0)


def test_targets_can_be_limited() -> None:
    task = get_task("maze")
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert task.generator.draw(rng, 4, None, lambda ground: [5]).layout.goal == Cell(1, 1)
    with pytest.raises(VSPGymError, match="in 100000 tries"):
        task.generator.draw(rng, 4, None, lambda ground: [])
