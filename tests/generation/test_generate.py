"""Data sets: the same bytes whatever happens, no duplicates, no leaks."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import types
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsp_gym import TASKS, VSPGymError, get_task
from vsp_gym.envs.maze import Maze, MazeGenerator
from vsp_gym.errors import FormatError
from vsp_gym.generation import (
    Capacity,
    InfeasibleError,
    Part,
    Request,
    capacity,
    generate,
    plan,
    pool,
    run,
    units,
    verify_set,
)
from vsp_gym.generation.plan import allocate, make_plan
from vsp_gym.generation.request import SLICES, split_range
from vsp_gym.prompts import example_solution
from vsp_gym.records import read_samples
from vsp_gym.records.sample import SPLITS
from vsp_gym.symmetry import images, orbit_key, orbit_position

MIXED = Request(
    (
        Part("maze", (3, 4), ("easy", "hard"), 2, (("algorithm", "uniform"),)),
        Part("maze", (4,), ("easy",)),
        Part("frozen_lake", (3, 5)),
        Part("mini_behaviour", (5,), ("medium",)),
    ),
    count=150,
    image_size=64,
)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    generate(MIXED, folder)
    return folder


def test_every_record_is_right(whole: Path) -> None:
    samples = list(read_samples(whole))
    assert [sample.index for sample in samples] == list(range(150))
    assert len({sample.key for sample in samples}) == 150
    assert len({sample.id for sample in samples}) == 150
    assert {sample.split for sample in samples} == {"train"}
    low, high = split_range("train")
    assert all(low <= orbit_position(sample.orbit) < high for sample in samples)
    assert all(sample.image is not None and sample.image_size == 64 for sample in samples)


def test_quotas_are_kept(whole: Path) -> None:
    entry = verify_set(whole)["splits"]["train"]
    assert sum(row["count"] for row in entry["counts"]) == entry["count"] == 150
    counts = Counter((s.task, s.size, s.difficulty) for s in read_samples(whole, images=False))
    assert counts["maze", 3, "easy"] == counts["maze", 3, "hard"] == 15
    assert counts["maze", 4, "easy"] == 15 + 30
    assert counts["mini_behaviour", 5, "medium"] == 30


def test_nothing_hidden_is_left(whole: Path) -> None:
    assert sorted(os.listdir(whole)) == ["README.md", "images", "manifest.json", "train.jsonl"]


def test_the_bytes_do_not_depend_on_the_number_of_workers(whole: Path, tmp_path: Path) -> None:
    generate(MIXED, tmp_path, workers=3)
    assert tree(tmp_path) == tree(whole)


@pytest.mark.parametrize("shards", [2, 5, SLICES])
def test_the_union_of_shards_is_the_set(whole: Path, tmp_path: Path, shards: int) -> None:
    parts = []
    for number in range(1, shards + 1):
        generate(MIXED, tmp_path / str(number), shard=(number, shards))
        parts.append(tree(tmp_path / str(number)))
    assert b"".join(part["train.jsonl"] for part in parts) == tree(whole)["train.jsonl"]
    pictures = {name: data for part in parts for name, data in part.items() if name.startswith("images/")}
    assert pictures == {name: data for name, data in tree(whole).items() if name.startswith("images/")}


class Stop(BaseException):
    """Stands for whatever may end a run."""


@settings(max_examples=5)
@given(st.integers(0, 149))
def test_an_interrupted_run_ends_with_the_same_bytes(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, after: int
) -> None:
    folder = tmp_path_factory.mktemp("interrupted")
    real = units.LaneFile.add
    added = 0

    def add(self: units.LaneFile, record: Any) -> None:
        nonlocal added
        if added == after:
            raise Stop
        added += 1
        real(self, record)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(units.LaneFile, "add", add)
        with pytest.raises(Stop):
            generate(MIXED, folder)
    assert not (folder / "train.jsonl").exists()
    generate(MIXED, folder)
    assert tree(folder) == tree(whole)


@pytest.mark.parametrize("step", ["publish", "write_whole"])
def test_an_interrupted_assembly_ends_with_the_same_bytes(
    whole: Path, tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(run, step)
    calls: Iterator[int] = iter(range(10))

    def fail(*arguments: Any) -> None:
        real(*arguments)
        if next(calls) == (0 if step == "publish" else 1):  # the second file is the card
            raise Stop

    monkeypatch.setattr(run, step, fail)
    with pytest.raises(Stop):
        generate(MIXED, tmp_path)
    monkeypatch.undo()
    generate(MIXED, tmp_path)
    assert tree(tmp_path) == tree(whole)


def test_a_damaged_part_is_made_again(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "publish", lambda *_: (_ for _ in ()).throw(Stop))
    with pytest.raises(Stop):
        generate(MIXED, tmp_path)
    monkeypatch.undo()
    lanes = sorted((tmp_path / ".vsp-gym").rglob("*.lane"))
    lanes[0].write_bytes(lanes[0].read_bytes()[:-1])
    data = bytearray(lanes[1].read_bytes())
    data[20] ^= 1
    lanes[1].write_bytes(data)
    lanes[2].unlink()
    generate(MIXED, tmp_path)
    assert tree(tmp_path) == tree(whole)


SCRIPT = """
from vsp_gym.generation import Part, Request, generate
if __name__ == "__main__":
    generate(Request((Part("maze", (5, 6)),), 1500, image_size=64), {out!r}, workers=2)
"""


def test_a_killed_run_leaves_no_worker_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    script = tmp_path / "make.py"
    script.write_text(SCRIPT.format(out=str(tmp_path / "killed")))
    process = subprocess.Popen([sys.executable, script])
    lanes = tmp_path / "killed" / ".vsp-gym" / "train" / "lanes"
    deadline = time.monotonic() + 60
    while not list(lanes.glob("maze*.lane")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    finished = len(list(lanes.glob("maze*.lane")))
    assert finished
    time.sleep(0.5)
    still = len(list(lanes.glob("maze*.lane")))
    time.sleep(0.5)
    assert len(list(lanes.glob("maze*.lane"))) == still < 32
    subprocess.run([sys.executable, script], check=True)
    request = Request((Part("maze", (5, 6)),), 1500, image_size=64)
    generate(request, tmp_path / "whole")
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")


def test_ctrl_c_stops_the_workers(tmp_path: Path) -> None:
    script = tmp_path / "make.py"
    script.write_text(SCRIPT.format(out=str(tmp_path / "out")).replace("1500", "100000"))
    process = subprocess.Popen([sys.executable, script], stderr=subprocess.PIPE, start_new_session=True)
    lanes = tmp_path / "out" / ".vsp-gym" / "train" / "lanes"
    deadline = time.monotonic() + 60
    while not list(lanes.glob(".maze*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode != 0
    assert errors.count(b"Traceback") == 1, errors.decode()
    assert b"KeyboardInterrupt" in errors


def test_a_finished_set_is_verified(whole: Path, tmp_path: Path) -> None:
    made = generate(MIXED, tmp_path)
    again = generate(MIXED, tmp_path)
    assert (made["verified"], again["verified"]) == (False, True)
    picture = next((tmp_path / "images").rglob("*.png"))
    picture.write_bytes(picture.read_bytes() + b"x")
    with pytest.raises(FormatError, match=f"{picture.parent.name} is not as manifest.json says"):
        generate(MIXED, tmp_path)
    picture.unlink()
    with pytest.raises(FormatError, match=r"is not as manifest\.json says"):
        verify_set(tmp_path)
    (tmp_path / "train.jsonl").unlink()
    with pytest.raises(FormatError, match=r"train\.jsonl: No such file"):
        verify_set(tmp_path)


SMALL = Request((Part("maze", (3,)),), 5, image_size=None)


def other(**values: Any) -> Request:
    return Request(**{**{name: getattr(SMALL, name) for name in SMALL.__dataclass_fields__}, **values})


def test_another_set_is_refused(tmp_path: Path) -> None:
    generate(SMALL, tmp_path)
    with pytest.raises(
        VSPGymError, match=r"holds a train set made from other parameters \(seed is 0, not 1\)"
    ):
        generate(other(seed=1), tmp_path)
    with pytest.raises(VSPGymError, match="holds a train set in the format jsonl"):
        generate(other(split="test"), tmp_path, format="mgsd")


def test_another_unfinished_set_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "run_units", lambda *_: (_ for _ in ()).throw(Stop))
    with pytest.raises(Stop):
        generate(SMALL, tmp_path)
    with pytest.raises(VSPGymError, match=r"has begun a train set .*count is 5, not 6"):
        generate(other(count=6), tmp_path)


def test_splits_share_a_folder_and_no_board(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        generate(other(split=split, count=60), tmp_path)
    samples = list(read_samples(tmp_path))
    assert [s.split for s in samples] == ["train"] * 60 + ["validation"] * 60 + ["test"] * 60
    task = get_task("maze")
    by_orbit: dict[str, set[str]] = {}
    for sample in samples:
        for image in images(task.generator.form, task.generator.form.encode(sample.board())):
            by_orbit.setdefault(orbit_key("maze", task.generator.form, image), set()).add(sample.split)
    assert all(len(splits) == 1 for splits in by_orbit.values())
    assert list(json.loads((tmp_path / "manifest.json").read_text())["splits"]) == [
        "test",
        "train",
        "validation",
    ]
    card = (tmp_path / "README.md").read_text()
    assert "  - split: validation\n    path: validation.jsonl\n" in card


def test_two_runs_at_once_refuse_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile(*_: Any) -> None:
        with pytest.raises(VSPGymError, match="is being written by another run"):
            generate(other(split="test"), tmp_path)
        raise Stop

    monkeypatch.setattr(run, "run_units", meanwhile)
    with pytest.raises(Stop):
        generate(SMALL, tmp_path)
    monkeypatch.undo()
    assert generate(SMALL, tmp_path)["count"] == 5


def test_a_full_disk_is_said_and_harmless(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", "a.png")

    for target, name in ((units.LaneFile, "add"), (run, "publish")):
        with monkeypatch.context() as patch:
            patch.setattr(target, name, full)
            with pytest.raises(
                VSPGymError, match=r"a\.png: No space left on device; what is finished is kept"
            ):
                generate(MIXED, tmp_path)
    generate(MIXED, tmp_path)
    assert tree(tmp_path) == tree(whole)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(VSPGymError, match="file"):
        generate(SMALL, tmp_path / "file" / "data")


def test_more_boards_than_there_are_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    known = capacity("maze", 3, "easy", "train")
    assert known.exact
    part = Part("maze", (3,), ("easy",))
    with pytest.raises(InfeasibleError, match=f"there are exactly {known.count:,}"):
        generate(Request((part,), known.count + 1), tmp_path / "data")
    assert not (tmp_path / "data").exists()
    generate(Request((part,), known.count, image_size=None), tmp_path / "data")
    assert len({s.key for s in read_samples(tmp_path / "data")}) == known.count


@pytest.mark.parametrize("name", ["maze", "frozen_lake"])
def test_worked_examples_of_prompts_and_their_images_stay_out(name: str) -> None:
    task = get_task(name)
    form, layout = task.generator.form, example_solution(task).layout
    orbit = orbit_key(name, form, form.encode(layout))
    requests = [Request((Part(name, (layout.rows,)),), 1, split) for split in SPLITS]
    there = [plan.choose_listed(request, name, layout.rows)[0].available.count for request in requests]
    listed = capacity(name, layout.rows).count
    assert sum(there) == listed - len(set(images(form, form.encode(layout))))
    for request, count in zip(requests, there):
        everything = dataclasses.replace(request, count=count)
        chosen = plan.choose_listed(everything, name, layout.rows)[0]
        assert orbit not in {board.orbit for boards in chosen.slices for board in boards}


def test_drawn_worked_examples_stay_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def orbits() -> list[str]:
        request = Request((Part("maze", (4,)),), 40, image_size=None)
        made = [units.make_unit(request, unit) for unit in make_plan(request).units]
        return [json.loads(record.line)["orbit"] for unit in made for _, record in unit]

    before = orbits()
    monkeypatch.setattr("vsp_gym.generation.request.example_orbit", lambda task: before[0])
    after = orbits()
    assert len(after) == len(before)
    assert before[0] not in after


def test_excluded_boards_and_their_images_stay_out(tmp_path: Path) -> None:
    known = capacity("maze", 3, "easy", "train")
    request = Request((Part("maze", (3, 4), ("easy",)),), 100, image_size=None)
    generate(request, tmp_path / "first")
    orbits = frozenset(s.orbit for s in read_samples(tmp_path / "first"))
    generate(Request(request.parts, 100, image_size=None, exclude=orbits), tmp_path / "second")
    assert not orbits & {s.orbit for s in read_samples(tmp_path / "second")}
    with pytest.raises(InfeasibleError, match="excluded"):
        generate(Request((Part("maze", (3,), ("easy",)),), known.count, exclude=orbits), tmp_path / "third")


class Narrow(MazeGenerator):
    """Draws one maze only."""

    def ground(self, rng: np.random.Generator, size: int) -> bytes:
        return MazeGenerator().ground(np.random.default_rng(0), size)


def test_a_space_that_is_smaller_than_it_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(get_task("maze")), "generator", Narrow())
    request = Request((Part("maze", (4,)),), 400, image_size=None)
    with pytest.raises(InfeasibleError, match=r"known to exist are at least \d+ \(birthday test"):
        generate(request, tmp_path)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(plan, "birthday_bounds", lambda *_: {None: Capacity(1000, False, "a wrong guess")})
    plan._known_to_exist.cache_clear()
    monkeypatch.setattr(units, "STALL", 50)
    with pytest.raises(VSPGymError, match=r"gave \d+ boards and then no new one in 50 tries|in 100000 tries"):
        generate(request, tmp_path)


@pytest.mark.parametrize(
    ("shard", "message"), [((0, 2), "the shard"), ((3, 2), "the shard"), ((1, 17), "shards")]
)
def test_wrong_shards(tmp_path: Path, shard: tuple[int, int], message: str) -> None:
    with pytest.raises(VSPGymError, match=message):
        generate(SMALL, tmp_path, shard=shard)


@given(st.integers(0, 1000), st.lists(st.integers(0, 50), min_size=1, max_size=20))
def test_allocation(total: int, weights: list[int]) -> None:
    shares = allocate(total, weights)
    if not sum(weights):
        assert shares == [0] * len(weights)
        return
    assert sum(shares) == total
    assert all(abs(share - Fraction(total * w, sum(weights))) < 1 for share, w in zip(shares, weights))
    if total <= sum(weights):
        assert all(share <= w for share, w in zip(shares, weights))


def test_indices_follow_from_the_plan() -> None:
    whole_plan = make_plan(MIXED)
    found = [
        unit.index(lane, n) for unit in whole_plan.units for lane in unit.lanes for n in range(lane.quota)
    ]
    assert sorted(found) == list(range(150))


def test_progress_is_reported(tmp_path: Path) -> None:
    reports: list[tuple[int, int]] = []
    generate(MIXED, tmp_path, progress=lambda done, total: reports.append((done, total)))
    assert reports[0] == (0, 150)
    assert reports[-1] == (150, 150)
    assert reports == sorted(reports)


def test_a_dead_worker_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_begin", os._exit)
    with pytest.raises(VSPGymError, match="a worker process died"):
        generate(MIXED, tmp_path, workers=2)


_REGISTERED = """
import sys
from vsp_gym.envs import register
from vsp_gym.envs.maze import Maze
from vsp_gym.generation import Part, Request, generate
from vsp_gym.render.themes import Theme, get_theme, register_theme

class Labyrinth(Maze):
    name = "labyrinth"
    title = "Labyrinth"

if __name__ == "__main__":
    register(Labyrinth())
    register_theme(Theme("dusk", {}, base=get_theme("inverted")))
    request = Request((Part("labyrinth", (5,)),), 40, theme="dusk", image_size=64)
    generate(request, sys.argv[1], workers=int(sys.argv[2]))
"""


def test_workers_know_what_was_registered(tmp_path: Path) -> None:
    script = tmp_path / "labyrinth.py"
    script.write_text(_REGISTERED, encoding="utf-8")
    for workers in ("1", "2"):
        subprocess.run([sys.executable, script, str(tmp_path / workers), workers], check=True, timeout=120)
    assert tree(tmp_path / "1") == tree(tmp_path / "2")


def test_a_task_that_workers_cannot_load_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labyrinth = type("Labyrinth", (Maze,), {"name": "labyrinth", "__module__": "nowhere"})
    monkeypatch.setitem(TASKS, "labyrinth", labyrinth())
    request = Request((Part("labyrinth", (5,)),), 40, image_size=None)
    with pytest.raises(VSPGymError, match="a task or theme cannot be sent to other processes .*nowhere"):
        generate(request, tmp_path, workers=2)
    module = types.ModuleType("nowhere")
    module.Labyrinth = labyrinth  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nowhere", module)
    with pytest.raises(VSPGymError, match="a worker process cannot load a task or theme .*nowhere"):
        generate(request, tmp_path, workers=2)


def test_more_boards_than_can_be_checked_are_refused_at_once() -> None:
    with pytest.raises(VSPGymError, match="count must be 1 to 1073741824, not 1000000000000"):
        Request((Part("frozen_lake", (64,)),), 10**12)
