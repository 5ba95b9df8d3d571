"""Pictures say everything about a board, in the colours of the theme."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsp_gym import TASKS, Action, Cell, UnknownNameError, VSPGymError
from vsp_gym.core import MOVES
from vsp_gym.envs.mini_behaviour.rules import MiniBehaviourState
from vsp_gym.render import THEMES, check_render_size, render_batch, render_rgb
from vsp_gym.render.rgb import MIN_CELL

WHITE, BLACK, YELLOW, BLUE, RED = (255, 255, 255), (0, 0, 0), (255, 255, 0), (0, 0, 255), (255, 24, 16)


def at(picture: Any, row: int, col: int, cell: int, dy: float = 0.5, dx: float = 0.5) -> tuple[int, ...]:
    """The colour at a point of a cell (its centre unless said)."""
    return tuple(int(value) for value in picture[int((row + dy) * cell), int((col + dx) * cell)])


@pytest.mark.parametrize("theme", sorted(THEMES))
@pytest.mark.parametrize("cell", [MIN_CELL, 5, 9, 32])
def test_every_state_of_a_board_has_its_own_picture(
    task: Any, board: Any, states: list[Any], theme: str, cell: int
) -> None:
    pictures = render_batch(
        task, [board] * len(states), states, size=cell * max(board.rows, board.cols), theme=theme
    )
    assert len({picture.tobytes() for picture in pictures}) == len(states)


@pytest.mark.parametrize("theme", sorted(THEMES))
@pytest.mark.parametrize("cell", [MIN_CELL, 32])
def test_every_board_has_its_own_picture(task: Any, theme: str, cell: int) -> None:
    rng = np.random.default_rng(0)
    layouts = list({task.generator.sample(rng, task.min_size) for _ in range(60)})
    pictures = render_batch(task, layouts, size=cell * task.min_size, theme=theme)
    assert len({picture.tobytes() for picture in pictures}) == len(layouts)


@pytest.mark.parametrize("theme", sorted(THEMES))
@pytest.mark.parametrize("cell", [12, 64])
def test_each_direction_is_visible_in_every_state(
    task: Any, board: Any, states: list[Any], theme: str, cell: int
) -> None:
    for state in states:
        pictures = render_batch(
            task, [board] * 4, [state] * 4, size=cell * board.rows, theme=theme, facings=list(MOVES)
        )
        assert len({picture.tobytes() for picture in pictures}) == 4


def test_pick_and_drop_are_no_direction(task: Any, board: Any) -> None:
    np.testing.assert_array_equal(render_rgb(task, board, facing=Action.PICK), render_rgb(task, board))


def test_classic_maze(wide_maze: Any) -> None:
    maze = TASKS["maze"]
    picture = render_rgb(maze, wide_maze, size=128)
    assert picture.shape == (64, 128, 3)
    assert at(picture, 0, 0, 64) == YELLOW
    assert at(picture, 0, 1, 64) == BLUE
    assert at(picture, 0, 0, 64, 0.01, 0.5) == BLACK
    assert at(picture, 0, 0, 64, 0.5, 0.2) == WHITE
    assert at(picture, 0, 1, 64, 0.5, 0.01) == (224, 224, 224)
    at_goal = render_rgb(maze, wide_maze, wide_maze.goal, size=128)
    assert at(at_goal, 0, 1, 64) == YELLOW
    assert at(at_goal, 0, 0, 64) == WHITE
    assert YELLOW in {tuple(color) for color in at_goal[:, :64].reshape(-1, 3).tolist()}


def test_walls_of_classic_mazes_are_a_quarter_of_the_cell() -> None:
    maze = TASKS["maze"]
    layout = maze.layout_type([[5, 9], [6, 10]], (0, 0), (1, 1))
    closed = maze.layout_type([[7, 11], [7, 11]], (0, 0), (0, 1))
    line = render_rgb(maze, closed, Cell(0, 1), size=128)[:, 32, 0]
    assert (line[50:78] == 0).sum() == 15
    assert (render_rgb(maze, layout, Cell(0, 1), size=128)[50:78, 16] == 0).sum() == 0


@pytest.mark.parametrize("side", [3, 5, 6, 7, 11])
def test_outer_walls_are_straight_when_cells_differ_in_size(side: int) -> None:
    maze = TASKS["maze"]
    picture = render_rgb(maze, maze.generator.sample(np.random.default_rng(0), side))
    black = (picture == 0).all(-1)
    for edge in (black, black[::-1], black.T, black.T[::-1]):
        depth = np.argmin(edge[:, 20:-20].all(1))
        assert depth >= 2
        assert not edge[depth, 20:-20].all()
        inside = [np.argmin(edge[:, x]) for x in range(20, 236) if not edge[: 2 * depth, x].all()]
        assert set(inside) == {depth}


def test_classic_room(room: Any) -> None:
    mini = TASKS["mini_behaviour"]
    start = render_rgb(mini, room, size=320)
    assert at(start, 0, 0, 64) == RED
    assert at(start, 0, 2, 64, 0.4) == WHITE
    assert at(start, 3, 1, 64) == at(start, 4, 3, 64) == (181, 143, 96)
    assert at(start, 2, 2, 64) == BLACK
    assert at(start, 2, 2, 64, 0.0) == (60, 60, 60)


def test_the_printer_goes_with_the_agent_and_then_stands_on_the_table(room: Any) -> None:
    mini = TASKS["mini_behaviour"]

    def white(picture: Any, row: int, col: int) -> int:
        tile = picture[row * 64 : row * 64 + 64, col * 64 : col * 64 + 64]
        return int((tile == 255).all(-1).sum())

    carrying = render_rgb(mini, room, MiniBehaviourState(Cell(2, 2), carrying=True), size=320)
    assert white(carrying, 0, 2) == 0
    assert white(carrying, 2, 2) > 100
    delivered = render_rgb(mini, room, MiniBehaviourState(Cell(2, 2), delivered=True), size=320)
    assert white(delivered, 2, 2) == 0
    assert white(delivered, 3, 2) > 400
    assert white(delivered, 0, 2) == 0


def test_lake_tiles_differ_in_kind(lake: Any) -> None:
    picture = render_rgb(TASKS["frozen_lake"], lake, Cell(2, 1), size=256)
    tiles = {
        name: picture[r * 64 : r * 64 + 64, c * 64 : c * 64 + 64].tobytes()
        for name, (r, c) in {
            "start": (0, 0),
            "ice": (0, 1),
            "hole": (1, 1),
            "goal": (3, 3),
            "me": (2, 1),
        }.items()
    }
    assert len(set(tiles.values())) == 5
    assert picture[:64, 64:128].tobytes() == tiles["ice"] == picture[:64, 128:192].tobytes()


@pytest.mark.parametrize("size", [96, 128, 250, 256, 333, 512])
def test_a_batch_is_its_single_pictures(task: Any, size: int) -> None:
    rng = np.random.default_rng(1)
    side = task.min_size + 1
    layouts = [task.generator.sample(rng, side) for _ in range(20)]
    facings = [None, *MOVES] * 4
    batch = render_batch(task, layouts, size=size, facings=facings)
    assert batch.shape == (20, size, size, 3)
    assert batch.dtype == np.uint8
    for picture, layout, facing in zip(batch, layouts, facings):
        np.testing.assert_array_equal(picture, render_rgb(task, layout, size=size, facing=facing))


@settings(max_examples=30, deadline=None)
@given(side=st.integers(3, 20), cell=st.integers(MIN_CELL, 20), extra=st.integers(0, 19), order=st.randoms())
def test_pictures_do_not_depend_on_what_was_drawn_before(
    side: int, cell: int, extra: int, order: Any
) -> None:
    from vsp_gym.render import atlas

    task = TASKS["frozen_lake"]
    size = cell * side + extra
    layouts = [task.generator.sample(np.random.default_rng([side, i]), side) for i in range(3)]
    first = [render_rgb(task, layout, size=size) for layout in layouts]
    atlas.get_sheet.cache_clear()
    shuffled = list(range(3))
    order.shuffle(shuffled)
    for i in shuffled:
        np.testing.assert_array_equal(render_rgb(task, layouts[i], size=size), first[i])


def test_full_caches_start_anew(task: Any, board: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from vsp_gym.render import atlas

    expected = [render_rgb(task, board, size=200, facing=facing) for facing in MOVES]
    monkeypatch.setattr(atlas, "CACHE_BYTES", 0)
    atlas.get_sheet.cache_clear()
    for facing, picture in zip(MOVES, expected):
        np.testing.assert_array_equal(render_rgb(task, board, size=200, facing=facing), picture)


@pytest.mark.parametrize(
    ("rows", "cols", "shape"), [(3, 6, (128, 256)), (6, 3, (256, 128)), (5, 7, (183, 256))]
)
def test_boards_that_are_not_square_keep_square_cells(rows: int, cols: int, shape: tuple[int, int]) -> None:
    task = TASKS["frozen_lake"]
    layout = task.layout_type(rows, cols, (0, 0), (rows - 1, cols - 1), [(0, 1)])
    assert render_rgb(task, layout).shape == (*shape, 3)
    assert check_render_size(task, (rows, cols), 256) == shape


def test_out_is_written_to(task: Any, board: Any) -> None:
    out = np.empty((2, 128, 128, 3), np.uint8)
    assert render_batch(task, [board] * 2, size=128, out=out) is out
    np.testing.assert_array_equal(out[1], render_rgb(task, board, size=128))


@pytest.mark.parametrize(
    "out",
    [
        np.empty((1, 64, 64, 3), np.uint8),
        np.empty((1, 128, 128, 3), np.float32),
        np.empty((1, 128, 3, 128), np.uint8).transpose(0, 1, 3, 2),
    ],
)
def test_an_array_that_does_not_fit_is_refused(task: Any, board: Any, out: Any) -> None:
    with pytest.raises(VSPGymError, match="out must be"):
        render_batch(task, [board], size=128, out=out)


def test_the_smallest_size_that_works_is_named(task: Any, board: Any) -> None:
    least = MIN_CELL * board.rows
    assert render_rgb(task, board, size=least).shape == (least, least, 3)
    with pytest.raises(VSPGymError, match=f"smallest size is {least}"):
        render_rgb(task, board, size=least - 1)


@pytest.mark.parametrize("size", [0, -1, 1 << 20, 2.5, "256", None, True])
def test_sizes_that_are_none(task: Any, board: Any, size: Any) -> None:
    with pytest.raises(VSPGymError, match="size"):
        render_rgb(task, board, size=size)


def test_bad_arguments(task: Any, board: Any) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'classic'"):
        render_rgb(task, board, theme="clasic")
    with pytest.raises(VSPGymError, match="no layouts"):
        render_batch(task, [])
    with pytest.raises(VSPGymError, match="as many states"):
        render_batch(task, [board], [])
    with pytest.raises(VSPGymError, match="as many facings"):
        render_batch(task, [board], facings=[])
    other = task.generator.sample(np.random.default_rng(0), task.min_size + 1)
    with pytest.raises(VSPGymError, match="one shape"):
        render_batch(task, [board, other])
    with pytest.raises(VSPGymError, match=r"needs a \w+Layout"):
        render_rgb(task, "SFFG")


@pytest.mark.parametrize("cell", [Cell(-1, 0), Cell(0, 99)])
def test_a_state_off_the_board_is_refused(task: Any, board: Any, cell: Cell) -> None:
    initial = task.initial(board)
    state = cell if isinstance(initial, Cell) else initial._replace(agent=cell)
    with pytest.raises(VSPGymError, match="is no state of a"):
        render_rgb(task, board, state)


def test_planes_and_flags_say_what_the_rules_need(room: Any, lake: Any) -> None:
    mini, ice = TASKS["mini_behaviour"].picture, TASKS["frozen_lake"].picture
    printer, table = mini.encode_layout(room)
    assert printer.sum() == printer[0, 2] == 1
    assert table.sum() == table[3:5, 1:4].sum() == 6
    assert mini.encode_flags(MiniBehaviourState(Cell(0, 0), True, False)) == (True, False)
    holes, goal = ice.encode_layout(lake)
    assert {tuple(cell) for cell in np.argwhere(holes).tolist()} == set(lake.holes)
    assert goal.sum() == goal[3, 3] == 1


def test_maze_planes_are_the_walls() -> None:
    task = TASKS["maze"]
    layout = task.generator.sample(np.random.default_rng(2), 6)
    north, south, west, east, goal = task.picture.encode_layout(layout)
    np.testing.assert_array_equal(north + 2 * south + 4 * west + 8 * east, np.array(layout.walls))
    assert goal[layout.goal] == goal.sum() == 1


def test_drawing_does_not_import_pillow() -> None:
    import subprocess
    import sys

    code = (
        "import sys, numpy as np, vsp_gym; t = vsp_gym.TASKS['maze']; "
        "l = t.generator.sample(np.random.default_rng(0), 4); vsp_gym.render_png(t, l); "
        "vsp_gym.render_rgb(t, l); sys.exit('PIL' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
