"""The oracle, backed by brute force on small boards and by networkx on larger ones."""

from __future__ import annotations

import itertools
import math
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsp_gym import (
    TASKS,
    Action,
    Cell,
    FrozenLakeLayout,
    MazeLayout,
    MiniBehaviourLayout,
    Solution,
    VSPGymError,
    count_shortest_plans,
    distances,
    optimal_actions,
    shortest_plan,
    solve,
    tabulate,
)
from vsp_gym.core import DELTAS
from vsp_gym.envs.mini_behaviour.rules import MiniBehaviourState
from vsp_gym.planning import VIOLATION_CODES
from vsp_gym.testing import layouts, states

LEFT, DOWN, RIGHT, UP, PICK, DROP = Action


# -- all plans up to a length -------------------------------------------------------------------


def successful_plans(name: str, layout: Any, length: int) -> list[tuple[Action, ...]]:
    """All plans of exactly `length` actions that succeed with their last action, by trying every plan."""
    task = TASKS[name]
    found = []
    for plan in itertools.product(task.actions, repeat=length):
        state = task.initial(layout)
        for number, action in enumerate(plan, 1):
            outcome = task.transition(layout, state, action)
            if outcome.violation is not None:
                break
            if outcome.terminated:
                if outcome.reward > 0 and number == length:
                    found.append(plan)
                break
            state = outcome.state
    return found


@pytest.mark.parametrize(
    ("name", "size", "longest"), [("frozen_lake", 3, 6), ("maze", 3, 6), ("mini_behaviour", 3, 4)]
)
@given(data=st.data())
@settings(max_examples=25)
def test_brute_force(name: str, size: int, longest: int, data: st.DataObject) -> None:
    layout = data.draw(layouts(name, 2, size))
    task = TASKS[name]
    distance = solve(task, layout).distance()
    for length in range(1, longest + 1):
        plans = successful_plans(name, layout, length)
        if plans:
            assert distance == length
            assert shortest_plan(task, layout) == min(plans)
            assert count_shortest_plans(task, layout) == len(plans)
            assert optimal_actions(task, layout) == tuple(sorted({plan[0] for plan in plans}))
            return
    assert distance is None or distance > longest


# -- networkx, on graphs that are built without the rules ----------------------------------------


def lake_graph(layout: FrozenLakeLayout) -> nx.DiGraph:
    graph = nx.grid_2d_graph(layout.rows, layout.cols).to_directed()
    graph.remove_nodes_from(layout.holes)
    graph.remove_edges_from(list(graph.out_edges(layout.goal)))
    return graph


def maze_graph(layout: MazeLayout) -> nx.DiGraph:
    graph = nx.DiGraph()
    for row, masks in enumerate(layout.walls):
        for col, mask in enumerate(masks):
            graph.add_node((row, col))
            if not mask & 8:
                graph.add_edges_from([((row, col), (row, col + 1)), ((row, col + 1), (row, col))])
            if not mask & 2:
                graph.add_edges_from([((row, col), (row + 1, col)), ((row + 1, col), (row, col))])
    graph.remove_edges_from(list(graph.out_edges(layout.goal)))
    return graph


def room_graph(layout: MiniBehaviourLayout) -> nx.DiGraph:
    """Two copies of the room, without and with the printer in hand, and the state `done`."""
    floor = nx.grid_2d_graph(layout.rows, layout.cols)
    beside_table = set().union(*(floor.neighbors(cell) for cell in layout.table_cells))
    beside_printer = set(floor.neighbors(layout.printer))
    floor.remove_nodes_from(layout.table_cells)
    graph = nx.DiGraph()
    for carrying in (False, True):
        for a, b in floor.to_directed().edges:
            if carrying or layout.printer not in (a, b):
                graph.add_edge((a, carrying), (b, carrying))
    graph.add_node((layout.start, False))
    graph.add_edges_from([((c, False), (c, True)) for c in beside_printer if c in floor])
    graph.add_edges_from([((c, True), "done") for c in beside_table if c in floor])
    return graph


GRAPHS: dict[str, Any] = {
    "frozen_lake": lambda layout: (lake_graph(layout), layout.start, layout.goal),
    "maze": lambda layout: (maze_graph(layout), layout.start, layout.goal),
    "mini_behaviour": lambda layout: (room_graph(layout), (layout.start, False), "done"),
}


@pytest.mark.parametrize("name", TASKS)
@given(data=st.data())
@settings(max_examples=40)
def test_networkx(name: str, data: st.DataObject) -> None:
    layout = data.draw(layouts(name, 2, 6))
    graph, start, goal = GRAPHS[name](layout)
    task = TASKS[name]
    if goal not in graph or not nx.has_path(graph, start, goal):
        assert shortest_plan(task, layout) is None
        assert count_shortest_plans(task, layout) == 0
        assert optimal_actions(task, layout) == ()
        return
    plan = shortest_plan(task, layout)
    assert plan is not None
    assert len(plan) == nx.shortest_path_length(graph, start, goal)
    paths = sum(1 for _ in itertools.islice(nx.all_shortest_paths(graph, start, goal), 2000))
    assert min(2000, count_shortest_plans(task, layout)) == paths
    first_steps = {path[1] for path in itertools.islice(nx.all_shortest_paths(graph, start, goal), 2000)}
    if paths < 2000:
        assert len(optimal_actions(task, layout)) == len(first_steps)


@pytest.mark.parametrize("name", ["frozen_lake", "maze"])
def test_networkx_on_64x64(name: str) -> None:
    task = TASKS[name]
    solution = task.generator.draw(np.random.default_rng([64]), 64)
    graph, _, goal = GRAPHS[name](solution.layout)
    lengths = nx.single_source_shortest_path_length(graph.reverse(copy=False), goal)
    fresh = Solution(task, solution.layout)
    reachable = {cell: d for cell, d in fresh.distances().items() if d is not None}
    assert len(reachable) > 500
    assert all(lengths[cell] == d for cell, d in reachable.items())


def test_an_empty_64x64_lake_has_126_choose_63_shortest_plans() -> None:
    lake = FrozenLakeLayout(64, 64, Cell(0, 0), Cell(63, 63), frozenset())
    assert count_shortest_plans(TASKS["frozen_lake"], lake) == math.comb(126, 63)
    plan = shortest_plan(TASKS["frozen_lake"], lake)
    assert plan == (DOWN,) * 63 + (RIGHT,) * 63


def test_a_maze_with_loops_has_several_shortest_plans() -> None:
    maze = MazeLayout(((5, 9), (6, 10)), Cell(0, 0), Cell(1, 1))
    assert count_shortest_plans(TASKS["maze"], maze) == 2
    assert optimal_actions(TASKS["maze"], maze) == (DOWN, RIGHT)


# -- the rest of the module's promises -----------------------------------------------------------


@pytest.mark.parametrize("name", TASKS)
@given(data=st.data())
@settings(max_examples=30)
def test_optimal_actions_lower_the_distance_by_one(name: str, data: st.DataObject) -> None:
    layout, state = data.draw(states(name))
    task = TASKS[name]
    solution = solve(task, layout)
    distance = solution.distance(state)
    best = solution.optimal_actions(state)
    assert bool(best) == bool(distance)
    if not distance:
        return
    for action in task.actions:
        outcome = task.transition(layout, state, action)
        lowers = outcome.violation is None and solution.distance(outcome.state) == distance - 1
        assert (action in best) == lowers
    plan = solution.plan(state)
    assert plan is not None
    assert (len(plan), plan[0]) == (distance, best[0])


@pytest.mark.parametrize("name", TASKS)
@given(data=st.data())
@settings(max_examples=30)
def test_the_table_is_the_rules(name: str, data: st.DataObject) -> None:
    layout = data.draw(layouts(name, 2, 5))
    task, table = TASKS[name], tabulate(TASKS[name], layout)
    final = {
        s for s, _ in enumerate(table.states) if table.terminated[s].all() and (table.next[s] == s).all()
    }
    assert table.states[0] == task.initial(layout)
    for s, state in enumerate(table.states):
        for action in task.actions:
            cell = s, int(action)
            if s in final:
                assert (table.reward[cell], table.violation[cell]) == (0.0, 0)
                continue
            outcome = task.transition(layout, state, action)
            assert table.states[table.next[cell]] == outcome.state
            assert table.reward[cell] == outcome.reward
            assert table.terminated[cell] == outcome.terminated
            assert VIOLATION_CODES[table.violation[cell]] == outcome.violation
            if outcome.terminated:
                assert int(table.next[cell]) in final
    assert (table.next.dtype, table.reward.dtype) == (np.int32, np.float32)
    assert (table.terminated.dtype, table.violation.dtype) == (np.bool_, np.uint8)


@pytest.mark.parametrize("name", TASKS)
@given(data=st.data())
@settings(max_examples=20)
def test_other_starts(name: str, data: st.DataObject) -> None:
    """Solving from a state of a board gives what the whole board's solution says about it."""
    layout, state = data.draw(states(name, 2, 5))
    task, solution = TASKS[name], solve(TASKS[name], layout)
    if not solution.transitions[solution.index[state]]:
        return  # nothing begins in a final state
    alone = Solution(task, layout, [state])
    assert alone.distance() == distances(task, layout)[state]
    assert alone.plan() == shortest_plan(task, layout, state)
    assert alone.count() == count_shortest_plans(task, layout, state)


def test_unsolvable() -> None:
    lake = FrozenLakeLayout.from_rows(["SH", "HG"])
    task = TASKS["frozen_lake"]
    assert shortest_plan(task, lake) is None
    assert optimal_actions(task, lake) == ()
    assert count_shortest_plans(task, lake) == 0
    assert set(distances(task, lake).values()) == {None}


def test_at_the_goal_there_is_nothing_to_do() -> None:
    lake = FrozenLakeLayout.from_rows(["SG"])
    task = TASKS["frozen_lake"]
    assert shortest_plan(task, lake, Cell(0, 1)) == ()
    assert optimal_actions(task, lake, Cell(0, 1)) == ()
    assert count_shortest_plans(task, lake, Cell(0, 1)) == 1


def test_a_state_beyond_the_goal() -> None:
    """Cells that only lead through the goal are not reachable, but can be asked about."""
    lake = FrozenLakeLayout.from_rows(["SGF"])
    assert shortest_plan(TASKS["frozen_lake"], lake, Cell(0, 2)) == (LEFT,)


@pytest.mark.parametrize(("rows", "cell", "plan"), [(["SHFG"], (0, 3), ()), (["SHHFG"], (0, 2), None)])
def test_final_states_that_cannot_be_reached(rows: list[str], cell: tuple[int, int], plan: object) -> None:
    lake = FrozenLakeLayout.from_rows(rows)
    assert shortest_plan(TASKS["frozen_lake"], lake, Cell(*cell)) == plan


def test_restarted_answers_for_the_new_start() -> None:
    lake = FrozenLakeLayout.from_rows(["SFF", "FHF", "FFG"])
    moved = FrozenLakeLayout(3, 3, Cell(1, 2), lake.goal, lake.holes)
    solution = Solution(TASKS["frozen_lake"], lake).restarted(moved)
    assert (solution.distance(), solution.layout) == (1, moved)
    assert solution.plan() == (DOWN,)


@pytest.mark.parametrize("state", [Cell(9, 9), "nowhere", None, [0, 0], MiniBehaviourState(Cell(0, 0))])
def test_an_unknown_state_is_named(state: object) -> None:
    solution = Solution(TASKS["frozen_lake"], FrozenLakeLayout.from_rows(["SFG"]))
    if state is None:
        assert solution.distance(state) == 2
        return
    with pytest.raises(VSPGymError, match="is not reachable on this FrozenLake board"):
        solution.distance(state)  # type: ignore[arg-type]


def test_deltas_follow_the_actions() -> None:
    assert [DELTAS[action] for action in (LEFT, DOWN, RIGHT, UP)] == [(0, -1), (1, 0), (0, 1), (-1, 0)]
