"""`vsp-gym verify`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from suites.published import LAKE, OTHER_LAKE, WRITERS, sentences, table, write, write_ucsb

from vsp_gym.cli import main
from vsp_gym.cli.verify import MAX_LISTED, printable
from vsp_gym.suites import SUITES


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, ["verify", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.mark.parametrize("name", SUITES)
def test_a_sound_folder(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path)
    result = run("--suite", name, tmp_path)
    assert result.exit_code == 0, result.output
    assert "Everything agrees." in result.output
    assert f"{name}: {tmp_path}" in result.output


def test_the_table_counts_each_level(tmp_path: Path) -> None:
    WRITERS["visualplanning"](tmp_path)
    rows = [line.split() for line in run("--suite", "visualplanning", tmp_path).output.splitlines()]
    assert ["part", "level", "boards", "answers", "valid", "optimal", "facts", "wrong", "broken"] in rows
    assert ["minibehaviour", "5", "1", "1", "1", "1", "5", "0", "0"] in rows
    assert ["total", "4", "4", "4", "4", "15", "0", "0"] in rows


def test_whatever_is_wrong_is_listed(tmp_path: Path) -> None:
    maze = write_ucsb(tmp_path)
    wrong = write(maze / "task1/maps/level3/answer/0.txt", "N")
    broken = write(maze / "task-main/maps/level4/pure_text/0.txt", b"\xff\xfe")
    report = tmp_path / "report.json"
    result = run("--suite", "ucsb-vsp", tmp_path, "--json", report)
    assert result.exit_code == 1
    assert (
        f"1 disagreement:\n  {wrong}: board 0: 'Is there a hole in row 2, column 1?' is answered no"
        in result.output
    )
    assert f"1 broken file:\n  {broken}: byte 0 (0xff) is not UTF-8" in result.output
    assert "Everything agrees" not in result.output
    data = json.loads(report.read_text())
    assert data["ok"] is False
    assert data["root"] == str(maze)
    assert data["disagreements"][0]["path"] == "task1/maps/level3/answer/0.txt"
    assert data["errors"][0]["path"] == "task-main/maps/level4/pure_text/0.txt"
    assert data["total"]["boards"] == 6


def test_a_line_of_a_file_is_named(tmp_path: Path) -> None:
    WRITERS["visualplanning"](tmp_path)
    path = tmp_path / "dataset/maze/tokenized_dataset/SFT/test_dataset.jsonl"
    path.write_text(path.read_text() + "\n{}\n")
    assert f"{path}:2: the line lacks 'meta'" in run("--suite", "visualplanning", tmp_path).output


def test_long_lists_are_cut_unless_all_is_asked_for(tmp_path: Path) -> None:
    level = write_ucsb(tmp_path) / "task-main/maps/level3"
    for number in range(10, 10 + MAX_LISTED + 3):
        write(level / f"table/{number}.txt", table(LAKE))
        write(level / f"pure_text/{number}.txt", sentences(OTHER_LAKE))
    short = run("--suite", "ucsb-vsp", tmp_path)
    assert f"{MAX_LISTED + 3} disagreements:" in short.output
    assert short.output.count("states another board") == MAX_LISTED
    assert "... and 3 more; --all lists them" in short.output
    assert (
        run("--suite", "ucsb-vsp", tmp_path, "--all").output.count("states another board") == MAX_LISTED + 3
    )
    assert run("--suite", "ucsb-vsp", tmp_path, "--limit", "2").exit_code == 0


def test_wrong_usage(tmp_path: Path) -> None:
    for arguments, message in (
        (("--suite", "ucsb", tmp_path), "'ucsb-vsp'"),
        (("--suite", "ucsb-vsp", tmp_path / "missing"), "does not exist"),
        (("--suite", "ucsb-vsp", tmp_path), "none of task-main/maps, task1/maps, task3/maps, task4/maps"),
        (("--suite", "mgsd", tmp_path), "no folder level{n}/text"),
        ((tmp_path,), "Missing option '--suite'"),
        (("--suite", "ucsb-vsp", tmp_path, "--limit", "0"), "0 is not in the range"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2
        assert message in " ".join(result.output.split())


def test_a_report_that_cannot_be_written(tmp_path: Path) -> None:
    write_ucsb(tmp_path)
    result = run("--suite", "ucsb-vsp", tmp_path, "--json", tmp_path / "no/such/folder.json")
    assert result.exit_code == 2
    assert "cannot be written" in result.output


def test_help_has_examples() -> None:
    output = run("--help").output
    assert "vsp-gym verify --suite ucsb-vsp Visual-Spatial-Planning" in output
    for name in SUITES:
        assert name in output


def test_boards_are_counted_on_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # makes rich take the captured stream for a terminal
    write_ucsb(tmp_path)
    main(["verify", "--suite", "ucsb-vsp", str(tmp_path)], standalone_mode=False)
    captured = capsys.readouterr()
    assert "boards checked" in captured.err
    assert "boards checked" not in captured.out


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    level = write_ucsb(tmp_path) / "task-main/maps/level3"
    for folder in ("table", "pure_text"):
        (level / folder / os.fsdecode(b"\x1b[31m\xff[bold].txt")).write_text("x")
    result = run("--suite", "ucsb-vsp", tmp_path, "--json", tmp_path / "report.json")
    assert result.exit_code == 1
    assert "\\x1b[31m\\udcff[bold].txt: a table begins" in result.output
    assert "\x1b" not in result.output
    assert json.loads((tmp_path / "report.json").read_text())["total"]["broken"] == 2


def test_printable_keeps_text_as_it_is() -> None:
    assert printable("levél 3: 'a'\n\t\u202e") == "levél 3: 'a'\\n\\t\\u202e"
