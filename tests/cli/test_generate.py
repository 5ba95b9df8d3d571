"""`vsp-gym generate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from vsp_gym.cli import generate as module
from vsp_gym.cli import main
from vsp_gym.records import read_samples


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["generate", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result.exit_code, result.output


def test_a_data_set(tmp_path: Path) -> None:
    out = tmp_path / "data"
    options = ("--task", "frozen-lake", "--task", "Maze", "--sizes", "3-4", "--count", 40, "--seed", 3)
    more = ("--difficulty", "easy,hard", "--image-size", 64, "--theme", "default", "--set", "loops=0.2")
    assert run("--out", out, *options, *more) == (0, f"{out}: 40 boards of train written\n")
    assert run("--out", out, *options, *more) == (0, f"{out}: 40 boards of train is complete, and verified\n")
    samples = list(read_samples(out))
    assert {(s.task, s.size, s.difficulty, s.theme, s.seed) for s in samples} == {
        (task, size, difficulty, "default", 3)
        for task in ("frozen_lake", "maze")
        for size in (3, 4)
        for difficulty in ("easy", "hard")
    }
    parts = json.loads((out / "manifest.json").read_text())["splits"]["train"]["request"]["parts"]
    assert [part["options"] for part in parts] == [
        {"hole_probability": 0.2},
        {"algorithm": "depth-first", "loops": 0.2},
    ]


def test_words_only_in_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    assert (
        run(
            "--out", tmp_path, "--task", "mini-behaviour", "--count", 9, "--no-images", "--format", "parquet"
        )[0]
        == 0
    )
    samples = list(read_samples(tmp_path / "train.parquet"))
    assert [s.image for s in samples] == [None] * 9
    assert {s.size for s in samples} == {5, 6}


def test_a_shard(tmp_path: Path) -> None:
    assert run("--out", tmp_path, "--task", "maze", "--sizes", 3, "--count", 64, "--shard", "2/4")[0] == 0
    indices = [s.index for s in read_samples(tmp_path)]
    assert 0 < len(indices) < 40
    assert indices == list(range(indices[0], indices[0] + len(indices)))


def test_a_config_file(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    config = tmp_path / "data.yaml"
    config.write_text("splits: {train: 8, test: 4}\nimages: false\nparts:\n  - {task: maze, sizes: 3}\n")
    code, output = run("--config", config, "--out", tmp_path / "data")
    assert (code, output.count("written")) == (0, 2)
    assert [s.split for s in read_samples(tmp_path / "data")] == ["train"] * 8 + ["test"] * 4
    code, output = run("--config", config, "--out", tmp_path / "data", "--seed", 1)
    assert code == 2
    assert "--seed cannot be added" in output


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    code, output = run("--out", tmp_path / "x", "--task", "maze", "--sizes", 3, "--count", 5, "--dry-run")
    assert (code, output.partition(" (")[0]) == (0, "maze 3x3 any train: 5 asked for, exactly 5,176")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "--task and --count are needed"),
        (("--task", "maze"), 2, "--task and --count are needed"),
        (("--task", "mace", "--count", 5), 2, "Did you mean 'maze'"),
        (("--task", "maze", "--count", 0), 2, "--count"),
        (
            ("--task", "maze", "--count", 5, "--sizes", "x"),
            1,
            "sizes must be numbers like 5 or ranges like 3-6",
        ),
        (("--task", "maze", "--count", 5, "--difficulty", "hrad"), 1, "Did you mean 'hard'"),
        (("--task", "maze", "--count", 5, "--set", "loops"), 2, "is not NAME=VALUE"),
        (
            ("--task", "maze", "--count", 5, "--set", "hole_probability=1"),
            1,
            "unknown option of Maze's generator",
        ),
        (("--task", "maze", "--count", 5, "--shard", "5/4"), 2, "there are 1 to 16 shards"),
        (("--task", "maze", "--count", 5, "--shard", "x"), 2, "is not a shard like 1/4"),
        (("--task", "maze", "--count", 5, "--fractions", "1,1,1"), 1, "must add up to 1"),
        (("--task", "maze", "--count", 5, "--theme", "x"), 1, "unknown theme"),
        (("--task", "maze", "--count", 5, "--exclude-suite", "x=y"), 1, "unknown suite 'x'"),
        (("--task", "maze", "--count", 5, "--config", "missing.yaml"), 2, "cannot be added"),
        (("--config", "missing.yaml"), 1, "missing.yaml: the file is missing"),
        (("--task", "maze", "--sizes", 3, "--count", 9999), 1, "there are exactly 5,176"),
    ],
)
def test_errors(tmp_path: Path, arguments: tuple[Any, ...], code: int, message: str) -> None:
    if arguments[:1] == ("--config",):
        pytest.importorskip("yaml")
    found, output = run("--out", tmp_path / "out", *arguments)
    assert found == code
    assert message in " ".join(output.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


def test_an_interruption_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "generate", interrupt)
    code, output = run("--out", tmp_path, "--task", "maze", "--count", 5)
    assert code == 130
    assert "Interrupted. The same command goes on" in output


def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    code, output = run("--out", tmp_path / "file" / "data", "--task", "maze", "--sizes", 3, "--count", 5)
    assert code == 1
    assert "Error: " in output
