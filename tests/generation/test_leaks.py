"""Overlaps of data sets and benchmarks."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from vsp_gym import FrozenLakeLayout, get_task
from vsp_gym.cli import main
from vsp_gym.errors import FormatError, UnknownNameError
from vsp_gym.generation import Part, Request, find_leaks, generate, suite_orbits
from vsp_gym.planning import Solution
from vsp_gym.records import Sample, make_sample, read_samples, write_samples

ROWS = ["SFFF", "FHFF", "FFFG", "HFFF"]
MIRRORED = [row[::-1] for row in ROWS]
OTHER = ["SFFF", "FHFF", "FFFF", "HFFG"]


def lake(name: str, rows: list[str]) -> Sample:
    task = get_task("frozen_lake")
    solution = Solution(task, FrozenLakeLayout.from_rows(rows))
    return make_sample(task, solution, id=name, split="train", seed=0, index=0)


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    write_samples([lake("a", ROWS), lake("b", OTHER)], tmp_path / "one")
    write_samples([lake("c", ROWS)], tmp_path / "same", format="mgsd")
    write_samples([lake("d", MIRRORED)], tmp_path / "mirrored")
    write_samples([lake("e", OTHER[::-1])], tmp_path / "suite", format="mgsd")
    return tmp_path


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["leaks", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.exit_code, result.output


def test_exact_and_mirrored_boards_are_found(sets: Path) -> None:
    overlaps = find_leaks([sets / "one", sets / "same", sets / "mirrored"])
    found = {(Path(o.first).name, Path(o.second).name): (o.exact, o.mirrored) for o in overlaps}
    assert found == {
        ("one", "one"): (0, 0),
        ("same", "same"): (0, 0),
        ("mirrored", "mirrored"): (0, 0),
        ("one", "same"): (1, 0),
        ("one", "mirrored"): (0, 1),
        ("same", "mirrored"): (0, 1),
    }
    assert [o.is_leak for o in overlaps] == [False] * 3 + [True] * 3
    assert overlaps[4].examples == (("a", "d"),)


def test_a_suite_is_a_source(sets: Path) -> None:
    (overlap,) = [o for o in find_leaks([sets / "one", f"mgsd={sets / 'suite'}"]) if o.is_leak]
    assert (overlap.exact, overlap.mirrored) == (0, 1)
    assert suite_orbits("mgsd", sets / "suite") == {lake("x", OTHER).orbit}


def test_boards_of_a_suite_are_kept_out(tmp_path: Path) -> None:
    task = get_task("maze")
    boards = [task.generator.draw(np.random.default_rng(i), 3) for i in range(40)]
    published = [
        make_sample(task, board, id=str(i), split="test", seed=0, index=i) for i, board in enumerate(boards)
    ]
    write_samples(published, tmp_path / "suite", format="mgsd")
    orbits = suite_orbits("mgsd", tmp_path / "suite")
    request = Request((Part("maze", (3,)),), 3000, image_size=None, exclude=orbits, excluded=("mgsd",))
    generate(request, tmp_path / "data")
    assert not any(o.is_leak for o in find_leaks([tmp_path / "data", f"mgsd={tmp_path / 'suite'}"]))
    generate(dataclasses.replace(request, exclude=frozenset(), excluded=()), tmp_path / "all")
    assert any(o.is_leak for o in find_leaks([tmp_path / "all", f"mgsd={tmp_path / 'suite'}"]))


def test_the_command_exits_with_1_for_a_leak(sets: Path) -> None:
    code, output = run(sets / "one", sets / "mirrored")
    assert code == 1
    assert "1 of 1 pairs of sources leak." in output
    assert "a is" in output
    write_samples([lake("z", ["SFG", "FFF", "FFF"])], sets / "far")
    assert run(sets / "one", sets / "far")[0] == 0


def test_duplicates_within_a_set_are_listed_and_no_leak(tmp_path: Path) -> None:
    write_samples([lake("a", ROWS), lake("b", ROWS), lake("c", MIRRORED)], tmp_path)
    (alone,) = find_leaks([tmp_path])
    assert (alone.exact, alone.mirrored, alone.is_leak) == (1, 1, False)
    assert run(tmp_path)[0] == 0


def test_splits_of_one_folder_are_compared(tmp_path: Path) -> None:
    write_samples([lake("a", ROWS), dataclasses.replace(lake("b", MIRRORED), split="test")], tmp_path)
    assert run(tmp_path)[0] == 1


def test_a_false_key_hides_nothing(tmp_path: Path) -> None:
    write_samples([lake("a", ROWS)], tmp_path / "one")
    record = {**lake("b", ROWS).to_dict(), "key": "0" * 32, "orbit": "0" * 32}
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "train.jsonl").write_text(json.dumps(record) + "\n")
    assert run(tmp_path / "one", tmp_path / "two")[0] == 1


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown suite 'nope'"):
        find_leaks([f"nope={tmp_path}"])
    with pytest.raises(FormatError, match="is no file or folder"):
        find_leaks([tmp_path / "missing"])
    (tmp_path / "x.jsonl").write_text("{}\n")
    code, output = run(tmp_path / "x.jsonl")
    assert code == 1
    assert "line 1: schema must be 1" in output
    assert "Traceback" not in output


def test_read_samples_gives_what_leaks_compares(sets: Path) -> None:
    assert [s.id for s in read_samples(sets / "one")] == ["a", "b"]


def test_a_source_given_twice_is_refused(sets: Path) -> None:
    with pytest.raises(FormatError, match="is given twice"):
        find_leaks([sets / "one", f"{sets / 'one'}/"])
