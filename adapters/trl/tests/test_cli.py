"""The commands, one after the other as the README has them, and what they say to bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import vsp_gym.cli
from vsp_gym_trl.cli import COMMANDS, main


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "lakes"
    for split, count in (("train", 24), ("test", 6), ("validation", 6)):
        options = ["--task", "frozen-lake", "--sizes", "3-4", "--count", str(count), "--split", split]
        found = CliRunner().invoke(vsp_gym.cli.main, ["generate", *options, "--out", str(folder / split)])
        assert found.exit_code == 0, found.output
    return folder


def test_the_commands_of_the_readme_follow_each_other(lakes: Path, tmp_path: Path) -> None:
    model, sft, opcd = tmp_path / "model", tmp_path / "sft", tmp_path / "opcd"
    short = ["--steps", "2", "--batch-size", "4", "--preset", "tiny", "--data", lakes / "train"]
    found = call("build-tiny", "--out", model, "--preset", "micro")
    assert found.exit_code == 0, found.output
    found = call("sft", "--task", "mixed", "--model", model, "--out", sft, *short)
    assert found.exit_code == 0, found.output
    assert "24 rows, 2 steps" in found.output
    quick = ["--set", "max_completion_length=8"]
    found = call("opcd", "--student", sft, "--teacher", sft, "--out", opcd, *short, *quick)
    assert found.exit_code == 0, found.output
    assert "24 boards, 2 steps" in found.output
    adapters = tmp_path / "adapters"
    found = call("opcd", "--student", sft, "--teacher-from-base", "--out", adapters, *short, *quick)
    assert found.exit_code == 0, found.output
    written = tmp_path / "scores.json"
    short = ["--data", lakes / "test", "--max-new-tokens", "8", "--json", written]
    found = call("evaluate", "--model", opcd, "--model", adapters, *short)
    assert found.exit_code == 0, found.output
    scores = json.loads(written.read_text())
    assert list(scores) == [str(opcd), str(adapters)]
    assert scores[str(opcd)]["image-plan"]["boards"] == 6
    assert set(scores[str(adapters)]) == {"image-plan", "text-plan", "perception"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sft", "--task", "perceive"], "perceive"),
        (["opcd", "--student", ".", "--data", ".", "--out", "x"], "--teacher"),
        (["train"], "No such command"),
        (
            ["sft", "--task", "plan", "--model", ".", "--data", ".", "--out", "x", "--set", "oops"],
            "NAME=VALUE",
        ),
        (
            ["sft", "--task", "plan", "--model", ".", "--data", ".", "--out", "x"],
            "no processor of a Qwen3-VL",
        ),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = call(*arguments)
    assert found.exit_code != 0
    assert words in found.output
    assert "Traceback" not in found.output
    assert found.exception is None or isinstance(found.exception, SystemExit)


def test_an_empty_split_and_an_unknown_setting_are_named(lakes: Path, micro: Path, tmp_path: Path) -> None:
    start = ["sft", "--task", "plan", "--model", micro, "--out", tmp_path / "x", "--preset", "tiny"]
    found = call(*start, "--data", lakes / "test")
    assert "has no boards" in found.output
    found = call(*start, "--data", lakes / "train", "--set", "learning_rat=1")
    assert "learning_rat" in found.output
    assert found.exit_code == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    found = call(command, "--help")
    assert found.exit_code == 0
    assert "Usage:" in found.output
