"""The demonstration from its first step to its last, with a model too small to learn anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vsp_gym.errors import UnknownNameError, VSPGymError
from vsp_gym_trl.demo import CLOSED, GAP, START, run_demo
from vsp_gym_trl.evaluation import VIEWS, Generator, evaluate
from vsp_gym_trl.processing import load_processor
from vsp_gym_trl.training import load_model


def test_the_demo_leaves_a_model_its_numbers_and_the_story(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    said: list[str] = []
    demo = run_demo(out, "quick", threads=1, say=said.append)
    assert any("SFT: step" in line for line in said)
    assert any("OPCD: step" in line for line in said)
    numbers = json.loads((out / "scores.json").read_text())
    assert list(numbers["scores"]) == [START, GAP, CLOSED]
    assert numbers["scores"][CLOSED]["perception"]["boards"] == len(demo.boards) == 8
    page = (out / "report.html").read_text()
    assert page.count("<article>") == 6
    assert "modality gap" in page
    assert "OPCD: losses" in page
    assert ">divergence<" in page
    processor = load_processor(out / "model")
    generate = Generator(load_model(out / "model"), processor, batch_size=100, max_new_tokens=40)
    again = evaluate(generate, demo.boards, VIEWS)
    assert {view: score.macro for view, score in again.items()} == {
        view: score.macro for view, score in demo.scores[CLOSED].items()
    }


def test_held_out_boards_are_not_among_those_learned(tmp_path: Path) -> None:
    demo = run_demo(tmp_path / "demo", "quick", threads=1, say=lambda _: None)
    for data in demo.trainer.data.values():
        size = data.boards.size
        learned = {tuple(tiles) for tiles in data.boards.tiles.tolist()}
        for board in (board for board in demo.boards if board.layout.rows == size):
            tiles = board.task.picture.batch_tiles([board.layout], [board.task.initial(board.layout)])[0]
            assert tuple((tiles.reshape(-1).astype(int) + 1).tolist()) not in learned


def test_a_used_folder_and_an_unknown_preset_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'quick'"):
        run_demo(tmp_path / "new", "quik")
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(VSPGymError, match="not empty"):
        run_demo(tmp_path, "quick")
