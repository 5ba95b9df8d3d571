"""Records: written and read back, and whatever is wrong named."""

from __future__ import annotations

import dataclasses
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsp_gym import TASKS, get_task
from vsp_gym.core import Action
from vsp_gym.errors import FormatError, UnknownNameError, VSPGymError
from vsp_gym.planning import Solution
from vsp_gym.records import Sample, make_sample, read_samples, write_samples
from vsp_gym.records.sample import FIELDS, count_turns
from vsp_gym.render import render_png
from vsp_gym.testing import layouts

SIZE = 64


def solvable(name: str) -> st.SearchStrategy[Solution[Any, Any]]:
    solutions = layouts(name, 4, 6).map(lambda layout: Solution(get_task(name), layout))
    return solutions.filter(lambda solution: solution.distance() is not None)


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    name = draw(st.sampled_from(sorted(TASKS)))
    solution = draw(solvable(name))
    with_image = draw(st.booleans())
    number = draw(st.integers(0, 10**6))
    return make_sample(
        get_task(name),
        solution,
        id=f"{name}-{number}",
        split=draw(st.sampled_from(["train", "validation", "test"])),
        seed=draw(st.integers(0, 2**63 - 1)),
        index=number,
        theme="classic" if with_image else None,
        image_size=SIZE if with_image else None,
        image_path=f"images/{name}/{number}.png" if with_image else None,
        image=render_png(get_task(name), solution.layout, size=SIZE) if with_image else None,
    )


def sample(number: int = 0, **values: Any) -> Sample:
    task = get_task("frozen_lake")
    layout = task.layout_type.from_rows(["SFF", "HFF", "FFG"])
    image = render_png(task, layout, size=SIZE)
    made = make_sample(
        task,
        Solution(task, layout),
        id=f"lake-{number}",
        split="train",
        seed=0,
        index=number,
        theme="classic",
        image_size=SIZE,
        image_path=f"images/{number}.png",
        image=image,
    )
    return dataclasses.replace(made, **values)


@settings(max_examples=30)
@given(
    st.lists(samples(), min_size=1, max_size=4, unique_by=lambda s: s.id),
    st.sampled_from(["jsonl", "parquet"]),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, written: list[Sample], name: str
) -> None:
    if name == "parquet":
        pytest.importorskip("pyarrow")
    folder = tmp_path_factory.mktemp("data")
    files = write_samples(written, folder, format=name)
    assert all(file.exists() for file in files)
    assert sorted(read_samples(folder), key=str) == sorted(written, key=str)
    assert not [entry for entry in os.listdir(folder) if entry.startswith(".")]


def test_mgsd_folders_are_read_back(tmp_path: Path) -> None:
    written = []
    for name in TASKS:
        task = get_task(name)
        for number in range(4):
            solution = task.generator.draw(np.random.default_rng(number), 5)
            image = render_png(task, solution.layout, size=SIZE)
            written.append(
                make_sample(
                    task,
                    solution,
                    id=f"{name}-{number}",
                    split="test",
                    seed=3,
                    index=number,
                    image_size=SIZE,
                    image=image,
                    image_path=f"images/{name}/{number}.png",
                )
            )
    write_samples(written, tmp_path, format="mgsd")
    again = list(read_samples(tmp_path))
    facts = (
        "task",
        "split",
        "layout",
        "text",
        "plan",
        "optimal_length",
        "optimal_plans",
        "key",
        "image",
        "image_size",
    )
    assert len(again) == len(written)
    by_key = {s.key: s for s in written}
    for found in again:
        assert all(getattr(found, fact) == getattr(by_key[found.key], fact) for fact in facts)
    assert (tmp_path / "test" / "MiniBehaviour" / "level5" / "image" / "0003.png").exists()


def test_a_task_that_mgsd_does_not_have(tmp_path: Path) -> None:
    strange = sample()
    with pytest.raises(UnknownNameError, match="unknown task of MGSD 'key_door'"):
        write_samples([dataclasses.replace(strange, task="key_door")], tmp_path, format="mgsd")
    assert not list(tmp_path.iterdir())


def test_the_facts_of_a_board() -> None:
    found = sample()
    assert (found.size, found.plan, found.optimal_length, found.optimal_plans) == (3, "RDDR", 4, 3)
    assert (found.difficulty, found.turns, found.detour) == ("hard", 2, 1.0)


def test_turns_ignore_what_is_no_move() -> None:
    left, down, pick = Action.LEFT, Action.DOWN, Action.PICK
    assert count_turns((left, left, pick, left, down, left)) == 2
    assert count_turns(()) == 0


def change(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda record: record.update(values)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda r: r.pop("plan"), "plan is missing"),
        (change(extra=1), "extra is no field"),
        (change(schema=2), "schema must be 1, not 2"),
        (change(size="3"), "size must be of type int, not '3'"),
        (change(size=True), "size must be of type int, not True"),
        (change(index=-1), "index must be a number of at least 0"),
        (change(detour=float("inf")), "detour must be a number of at least 0|no JSON"),
        (change(id="../x"), "id must be letters"),
        (change(split="dev"), "split must be one of train, validation, test, not 'dev'"),
        (change(difficulty="easy"), "difficulty is 'easy', but the board has 'hard'"),
        (change(key="0" * 32), "key is '0000"),
        (change(orbit="xyz"), "orbit must be 32 hexadecimal digits"),
        (change(task="lake"), "task: unknown task 'lake'"),
        (change(task="FrozenLake"), "task must be 'frozen_lake'"),
        (change(layout={"rows": 3}), "layout: a FrozenLake layout lacks cols"),
        (change(plan="RRDD"), "plan is 'RRDD', but the board has"),
        (change(text="A lake"), "text is 'A lake'"),
        (change(optimal_length=5), "optimal_length is 5, but the board has 4"),
        (change(optimal_plans=10**30), "optimal_plans is 1000"),
        (change(image_path="../0.png"), "image_path must not have empty parts"),
        (change(image_path="/etc/passwd"), "image_path must be relative"),
        (change(image_path="images\\0.png"), "image_path must be relative"),
        (change(image_path="images/../../0.png"), "image_path must not have"),
        (change(image_path="images"), "is no regular file"),
        (change(image_path="images/9.png"), "cannot be read: No such file"),
        (change(image_path="link/0.png"), "leads out of the data set's folder"),
        (change(image_path="\0"), "image_path"),
        (change(image_size=32), "image_size is 32, but the picture is 64x64"),
        (change(image_size=128), "image_size is 128, but the picture is 64x64"),
        (change(image_size=1 << 40), "image_path 'images/1.png': image_size is 1099511627776, but"),
        (change(seed=1 << 63), "seed must be at most 9223372036854775807"),
        (change(image_path="train.jsonl"), "image_path 'train.jsonl': the picture is no PNG"),
    ],
)
def test_a_wrong_record_is_named(tmp_path: Path, damage: Callable[[Any], None], message: str) -> None:
    outside = tmp_path / "outside"
    write_samples([sample()], outside)
    folder = tmp_path / "data"
    write_samples([sample(0), sample(1)], folder)
    (folder / "link").symlink_to(outside / "images")
    lines = (folder / "train.jsonl").read_text().splitlines()
    record = json.loads(lines[1])
    damage(record)
    (folder / "train.jsonl").write_text(f"{lines[0]}\n{json.dumps(record)}\n")
    found = read_samples(folder)
    assert next(found).id == "lake-0"
    with pytest.raises(FormatError, match=rf"train\.jsonl, line 2: .*({message})"):
        next(found)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change(task="lake"), "task: unknown task 'lake'"),
        (change(layout={"rows": 3}), "layout: a FrozenLake layout lacks cols"),
        (change(image_path="../0.png"), "image_path must not have"),
    ],
)
def test_no_board_or_a_path_that_escapes_is_named_without_verification(
    tmp_path: Path, damage: Callable[[Any], None], message: str
) -> None:
    record = sample().to_dict()
    damage(record)
    (tmp_path / "train.jsonl").write_text(json.dumps(record))
    with pytest.raises(FormatError, match=rf"train\.jsonl, line 1: {message}"):
        next(read_samples(tmp_path, images=False, verify=False))


def test_a_large_picture_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    write_samples([sample()], tmp_path)
    picture = tmp_path / "images" / "0.png"
    whole = picture.read_bytes()
    picture.write_bytes(whole[:16] + (60000).to_bytes(4, "big") * 2 + whole[24:])
    with pytest.raises(FormatError, match="the picture is 60000x60000"):
        list(read_samples(tmp_path))
    picture.write_bytes(whole + bytes(1 << 20))
    with pytest.raises(FormatError, match="64x64 has a file of"):
        list(read_samples(tmp_path))
    picture.write_bytes(b"GIF89a")
    with pytest.raises(FormatError, match="the picture is no PNG"):
        list(read_samples(tmp_path))
    assert len(list(read_samples(tmp_path, images=False))) == 1


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    write_samples([sample()], tmp_path)
    picture = tmp_path / "images" / "0.png"
    picture.unlink()
    os.mkfifo(picture)
    with pytest.raises(FormatError, match="no regular file"):
        list(read_samples(tmp_path))


def test_without_verification_only_types_are_checked(tmp_path: Path) -> None:
    wrong = dataclasses.replace(sample(), plan="UUU")
    write_samples([wrong], tmp_path)
    assert list(read_samples(tmp_path, verify=False)) == [wrong]
    with pytest.raises(FormatError, match="line 1: plan is 'UUU'"):
        list(read_samples(tmp_path))


def test_parquet_errors_name_the_row(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    write_samples([sample(0), dataclasses.replace(sample(1), turns=9)], tmp_path, format="parquet")
    with pytest.raises(FormatError, match=r"train\.parquet, row 1: turns is 9, but the board has"):
        list(read_samples(tmp_path))


@pytest.mark.parametrize(("format_", "row"), [("jsonl", "line 3"), ("parquet", "row 2")])
def test_an_id_that_is_there_twice_is_named(tmp_path: Path, format_: str, row: str) -> None:
    if format_ == "parquet":
        pytest.importorskip("pyarrow")
    write_samples([sample(0), sample(1), sample(0)], tmp_path, format=format_)
    found = read_samples(tmp_path)
    assert [next(found), next(found)] == [sample(0), sample(1)]
    with pytest.raises(
        FormatError, match=rf"train\.{format_}, {row}: id '{sample(0).id}' is that of a record"
    ):
        next(found)


def test_an_id_of_another_split_is_not_free(tmp_path: Path) -> None:
    write_samples([sample(0), dataclasses.replace(sample(0), split="test")], tmp_path)
    with pytest.raises(FormatError, match=r"test\.jsonl, line 1: id .* is that of a record before"):
        list(read_samples(tmp_path))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("image_path", "../../0.png", "image_path must not have empty parts"),
        ("layout", "{", "layout: this is no JSON"),
        ("image", {"bytes": b"GIF89a", "path": None}, "image: the picture is no PNG"),
    ],
)
def test_parquet_errors_name_the_field(tmp_path: Path, name: str, value: object, message: str) -> None:
    parquet, arrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    write_samples([sample()], tmp_path, format="parquet")
    rows = parquet.read_table(tmp_path / "train.parquet").to_pylist()
    parquet.write_table(arrow.Table.from_pylist([{**rows[0], name: value}]), tmp_path / "train.parquet")
    with pytest.raises(FormatError, match=rf"train\.parquet, row 0: {message}"):
        list(read_samples(tmp_path, verify=False))


def test_parquet_holds_numbers_beyond_64_bits(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    many = dataclasses.replace(sample(), optimal_plans=10**40)
    write_samples([many], tmp_path, format="parquet")
    assert list(read_samples(tmp_path, verify=False)) == [many]


@pytest.mark.parametrize("name", ["jsonl", "parquet"])
def test_damage_of_any_kind_is_a_format_error(tmp_path: Path, name: str) -> None:
    if name == "parquet":
        pytest.importorskip("pyarrow")
    write_samples([sample(0), sample(1)], tmp_path, format=name)
    file = tmp_path / f"train.{name}"
    whole = file.read_bytes()
    rng = random.Random(0)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(rng.choice([1, 1, 2, 20])):
            where = rng.randrange(len(data))
            kind = rng.randrange(4)
            if kind == 0:
                data[where] = rng.randrange(256)
            elif kind == 1:
                del data[where : where + rng.randrange(1, 50)]
            elif kind == 2:
                data[where:where] = bytes(rng.randrange(256) for _ in range(rng.randrange(9)))
            else:
                del data[where:]
            if not data:
                break
        file.write_bytes(data)
        try:
            list(read_samples(tmp_path))
        except FormatError as error:
            assert str(file) in str(error) or "no data set" in str(error)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing", "is no file or folder"),
        ("", "holds no data set"),
        ("note.txt", "ends with .jsonl or .parquet"),
    ],
)
def test_what_is_no_data_set(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "note.txt").write_text("x")
    with pytest.raises(FormatError, match=message):
        list(read_samples(tmp_path / path))


def test_writing_refuses_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown format 'csv'"):
        write_samples([], tmp_path, format="csv")
    with pytest.raises(VSPGymError, match="its picture 'images/0.png' is not in memory"):
        write_samples([dataclasses.replace(sample(), image=None)], tmp_path)
    with pytest.raises(FormatError, match="image_path"):
        write_samples([dataclasses.replace(sample(), image_path="../0.png")], tmp_path)
    with pytest.raises(UnknownNameError, match="unknown split 'dev'"):
        write_samples([dataclasses.replace(sample(), split="dev")], tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_picture_without_a_path_gets_one(tmp_path: Path) -> None:
    write_samples([dataclasses.replace(sample(), image_path=None)], tmp_path)
    assert [s.image_path for s in read_samples(tmp_path)] == ["images/train/lake-0.png"]


def test_the_record_documents_every_field() -> None:
    assert [f.name for f in dataclasses.fields(Sample)] == [*FIELDS, "image"]


def test_parquet_tells_datasets_about_the_picture(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_samples([sample()], tmp_path, format="parquet")
    schema = parquet.read_schema(tmp_path / "train.parquet")
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert list(features) == schema.names
