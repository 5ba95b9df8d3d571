"""What a data set is made from: checks, YAML, and how many boards there are."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsp_gym import VSPGymError, get_task
from vsp_gym.envs.maze.generator import MazeGenerator, count_spanning_trees
from vsp_gym.errors import FormatError, UnknownNameError
from vsp_gym.generation import Part, Request, capacity, read_config
from vsp_gym.generation.capacity import birthday_bound, list_boards
from vsp_gym.generation.request import ALL, SLICES, Range, parse_sizes, split_range
from vsp_gym.records.sample import SPLITS
from vsp_gym.symmetry import POSITIONS

MAZE = Part("maze", (4,))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Part("mazes", (4,)), "unknown task 'mazes'.*Did you mean 'maze'"),
        (lambda: Part("maze", (2,)), "size of Maze must be 3 to 64, not 2"),
        (lambda: Part("maze", ()), "must be different and at least one"),
        (lambda: Part("maze", (4, 4)), "must be different"),
        (lambda: Part("maze", (4,), ("simple",)), "unknown difficulty 'simple'"),  # type: ignore[arg-type]
        (lambda: Part("maze", (4,), share=0), "share must be 1 to"),
        (lambda: Part("maze", (4,), options=(("loop", 0.1),)), "unknown option of Maze's generator 'loop'"),
        (lambda: Part("maze", (4,), options=(("loops", "many"),)), "loops must be a number"),
        (lambda: Request((), 5), "at least one part"),
        (lambda: Request((MAZE,), 0), "count must be 1 to"),
        (lambda: Request((MAZE,), 5, "dev"), "unknown split 'dev'"),
        (lambda: Request((MAZE,), 5, seed=-1), "seed must be 0"),
        (lambda: Request((MAZE,), 5, fractions=(0.5, 0.1, 0.1)), "must add up to 1, not 0.5, 0.1, 0.1"),  # type: ignore[arg-type]
        (lambda: Request((MAZE,), 5, fractions=("x", 0, 0)), "a fraction must be a number"),  # type: ignore[arg-type]
        (lambda: Request((MAZE,), 5, "test", fractions=(1, 0, 0)), "the fraction of test is 0"),  # type: ignore[arg-type]
        (lambda: Request((MAZE,), 5, theme="pink"), "unknown theme 'pink'"),
        (lambda: Request((MAZE,), 5, image_size=8), "smallest size is 16"),
    ],
)
def test_wrong_requests_are_refused(make: Any, message: str) -> None:
    with pytest.raises(VSPGymError, match=message):
        make()


@given(st.integers(0, POSITIONS - 1), st.sampled_from([(0.8, 0.1, 0.1), (0.5, 0.3, 0.2), (1, 0, 0)]))
def test_every_position_is_in_one_split_and_slice(position: int, shares: tuple[float, ...]) -> None:
    fractions = tuple(Fraction(str(share)) for share in shares)
    ranges = [split_range(split, fractions) for split in SPLITS]
    inside = [where for where in ranges if where.low <= position < where.high]
    assert len(inside) == 1
    slices = [inside[0].slice(number) for number in range(SLICES)]
    assert [low for low, _ in slices[1:]] == [high for _, high in slices[:-1]]
    assert (slices[0].low, slices[-1].high) == inside[0]
    number = next(n for n, (low, high) in enumerate(slices) if low <= position < high)
    assert number == (position - inside[0].low) * SLICES // (inside[0].high - inside[0].low)


def test_a_range_is_cut_without_gaps() -> None:
    where = Range(3, 40)
    assert [where.slice(number).high - where.slice(number).low for number in range(SLICES)].count(0) == 0
    assert sum(high - low for low, high in map(where.slice, range(SLICES))) == 37


@pytest.mark.parametrize(
    ("text", "sizes"),
    [("3-6", (3, 4, 5, 6)), (5, (5,)), ("5", (5,)), ("4, 6-7", (4, 6, 7)), ([3, "5-6"], (3, 5, 6))],
)
def test_sizes(text: Any, sizes: tuple[int, ...]) -> None:
    assert parse_sizes(text) == sizes


@pytest.mark.parametrize("text", ["", "a", "6-3", "3-", "-3", "3--5", "1e3", "٣", "3-99999", True, None, 1.5])
def test_what_is_no_size(text: Any) -> None:
    with pytest.raises(FormatError, match="sizes must be numbers like 5 or ranges like 3-6"):
        parse_sizes(text)


CONFIG = """
seed: 7
format: parquet
image_size: 128
theme: default
splits: {train: 100, test: 20}
fractions: {train: 0.9, test: 0.1}
exclude: {ucsb-vsp: /data/vsp}
parts:
  - {task: FrozenLake, sizes: 3-5, options: {hole_probability: 0.3}}
  - {task: maze, sizes: [4, 6], difficulty: [easy, hard], share: 2}
"""


def test_a_config(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    file = tmp_path / "data.yaml"
    file.write_text(CONFIG)
    config = read_config(file)
    assert (config.format, config.exclude) == ("parquet", (("ucsb-vsp", "/data/vsp"),))
    parts = (
        Part("frozen_lake", (3, 4, 5), options=(("hole_probability", 0.3),)),
        Part("maze", (4, 6), ("easy", "hard"), 2),
    )
    shares = (Fraction(9, 10), Fraction(0), Fraction(1, 10))
    assert config.requests == tuple(
        Request(parts, count, split, 7, shares, "default", 128)
        for split, count in (("train", 100), ("test", 20))
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed: 7", "sed: 7", "unknown field of the file 'sed'.*Did you mean 'seed'"),
        ("seed: 7", "seed: x", "seed must be an integer, not 'x'"),
        ("splits: {train: 100, test: 20}", "", "parts and splits are needed"),
        ("train: 100, test", "train: 100, dev", "unknown field of splits 'dev'"),
        ("splits: {train: 100, test: 20}", "splits: {}", "splits is empty"),
        ("share: 2", "shares: 2", r"unknown field of parts\[1\] 'shares'"),
        ("sizes: 3-5", "sizes: 3-x", r"parts\[0\]: sizes must be numbers"),
        ("sizes: 3-5, ", "", r"parts\[0\] lacks sizes"),
        ("hard]", "harder]", r"parts\[1\]: unknown difficulty 'harder'"),
        ("hole_probability: 0.3", "holes: 0.3", r"parts\[0\]: unknown option"),
        ("exclude: {ucsb-vsp: /data/vsp}", "exclude: [x]", "exclude must name suites"),
        ("parts:", "parts: {}\nxs:", "unknown field|parts must be a list"),
        ("seed: 7", "seed: [", "this is no YAML"),
        ("seed: 7", "- 1", "this is no YAML|must have names"),
        ("seed: 7", "seed: !!python/object:os.system {}", "this is no YAML"),
        ("seed: 7", "images: 3", "images must be true or false"),
    ],
)
def test_a_wrong_config_names_file_and_field(tmp_path: Path, old: str, new: str, message: str) -> None:
    pytest.importorskip("yaml")
    file = tmp_path / "data.yaml"
    assert old in CONFIG
    file.write_text(CONFIG.replace(old, new))
    with pytest.raises(FormatError, match=rf"data\.yaml: .*({message})"):
        read_config(file)


@given(st.text() | st.binary())
def test_any_text_is_a_config_or_a_format_error(tmp_path_factory: pytest.TempPathFactory, text: Any) -> None:
    pytest.importorskip("yaml")
    file = tmp_path_factory.mktemp("config") / "x.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    with pytest.raises(FormatError):
        read_config(file)


def test_listed_capacities_add_up() -> None:
    for task, size in (("maze", 3), ("frozen_lake", 3), ("mini_behaviour", 5)):
        whole = capacity(task, size)
        assert whole.exact
        parts = [
            capacity(task, size, difficulty, split)
            for difficulty in ("easy", "medium", "hard")
            for split in SPLITS
        ]
        assert all(part.exact and part.count > 0 for part in parts)
        assert sum(part.count for part in parts) == whole.count


def test_known_numbers() -> None:
    uniform = {"algorithm": "uniform"}
    assert capacity("maze", 3, options=uniform).count == 192 * 9 * 8
    assert capacity("maze", 6, options=uniform) == capacity("maze", 6, options=uniform)
    known = capacity("maze", 6, options=uniform)
    assert known.count == count_spanning_trees(6) * 36 * 35
    assert "Kirchhoff" in str(known)
    assert capacity("mini_behaviour", 5).count == 12 * 19 * 18
    assert capacity("frozen_lake", 5, options={"hole_probability": 0}).count == 25 * 24


@pytest.mark.parametrize("difficulty", [None, "easy", "hard"])
def test_a_lower_bound_is_lower(difficulty: Any) -> None:
    generator = get_task("maze").generator
    exact = capacity("maze", 3, difficulty, "train").count
    for wanted in (None, 100, exact, 10 * exact):
        bound = birthday_bound("maze", generator, 3, difficulty, split_range("train"), wanted)
        assert not bound.exact
        assert bound.count <= exact
    assert bound.count >= exact / 4


def test_a_bound_is_as_high_as_wanted_where_there_are_many_boards() -> None:
    assert capacity("maze", 8, "hard", "test", wanted=5000).count >= 5000


def test_a_space_too_large_to_list() -> None:
    assert list_boards("maze", get_task("maze").generator, 4) is None
    assert list_boards("mini_behaviour", get_task("mini_behaviour").generator, 32) is None


def test_excluded_boards_do_not_count() -> None:
    generator = get_task("maze").generator
    listed = list_boards("maze", generator, 3) or ()
    everything = frozenset(board.orbit for board in listed)
    assert birthday_bound("maze", generator, 3, None, ALL, 100, everything).count == 0


def test_capacity_checks_its_arguments() -> None:
    with pytest.raises(UnknownNameError, match="unknown split 'dev'"):
        capacity("maze", 3, split="dev")
    with pytest.raises(UnknownNameError, match="unknown difficulty"):
        capacity("maze", 3, "x")  # type: ignore[arg-type]
    with pytest.raises(VSPGymError, match="wanted must be"):
        capacity("maze", 3, wanted=0)


def test_a_request_far_beyond_what_there_is_is_refused_after_few_draws() -> None:
    bound = birthday_bound("maze", MazeGenerator(), 4, None, split_range("train"), 10**12)
    drawn = int(re.search(r"among ([\d,]+) boards", bound.method).group(1).replace(",", ""))  # type: ignore[union-attr]
    assert bound.count < 10**9
    assert drawn < 50_000
