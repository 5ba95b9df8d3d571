"""Models: names, agents, functions, messages for transformers."""

from __future__ import annotations

import asyncio
import base64
import io
import sys
from pathlib import Path
from typing import Any

import pytest

from vsp_gym import get_task
from vsp_gym.envs.maze import MazeLayout
from vsp_gym.errors import UnknownNameError, VSPGymError
from vsp_gym.evaluation.conditions import Evaluation, draw_boards
from vsp_gym.evaluation.models import Model, ModelError, Reply, Request, Sampling, load_model
from vsp_gym.evaluation.models.local import to_hf


def _request(**fields: Any) -> Request:
    board = next(draw_boards([get_task("maze")], [3], 1, 0))
    messages = [{"role": "user", "content": "Plan."}]
    return Request(**{"messages": messages, "task": board.task, "layout": board.layout, **fields})


def _ask(model: Model, **fields: Any) -> Reply:
    async def ask() -> Reply:
        try:
            return (await model.reply([_request(**fields)], 0))[0]
        finally:
            await model.close()

    return asyncio.run(ask())


# -- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("gpt-4o", "unknown kind of model 'gpt-4o'"),
        ("opnai:x", "Did you mean 'openai'?"),
        ("openai:", "is named like openai:NAME"),
        ("openai", "is named like openai:NAME"),
        ("agent:oracl", "Did you mean 'oracle'?"),
        ("python:nothing", "given as python:module:function"),
        ("python:no_such_module:f", "cannot import 'no_such_module'"),
        ("python:json:dump_all", "unknown function of json 'dump_all'"),
    ],
)
def test_names_that_mean_nothing(spec: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(VSPGymError) as caught:
        load_model(spec)
    assert words in str(caught.value)


def test_base_urls_are_for_servers_only() -> None:
    with pytest.raises(VSPGymError, match="a base URL is for openai:NAME"):
        load_model("agent:oracle", base_urls=["http://localhost/v1"])


@pytest.mark.parametrize("kind", ["hf", "vllm"])
def test_missing_libraries_are_named(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(VSPGymError, match=rf"pip install 'vsp-gym\[{kind}\]'"):
        load_model(f"{kind}:somewhere")


def test_missing_client_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(VSPGymError, match=r"pip install 'vsp-gym\[openai\]'"):
        load_model("openai:x", base_urls=["http://localhost/v1"])


# -- agents and functions ------------------------------------------------------------------------


def test_agents_see_the_board_and_samples_differ() -> None:
    oracle = load_model("agent:oracle")
    assert oracle.sees_state
    assert "<answer>" in _ask(oracle).text
    replies = {_ask(load_model("agent:random", Sampling(seed=1)), sample=sample).text for sample in range(8)}
    assert len(replies) > 1
    assert _ask(load_model("agent:random"), sample=3) == _ask(load_model("agent:random"), sample=3)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "my_models.py").write_text(
        "def sync(messages): return f'{messages[0][\"role\"]} R'\n"
        "async def waits(messages): return 'D'\n"
        "def fails(messages): raise KeyError('no')\n"
        "def number(messages): return 3\n"
        "def long(messages): return 'R' * (1 << 21)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "my_models", raising=False)
    return "python:my_models"


def test_functions_sync_and_async(module: str) -> None:
    assert _ask(load_model(f"{module}:sync")).text == "user R"
    assert _ask(load_model(f"{module}:waits")).text == "D"


@pytest.mark.parametrize(
    ("name", "words"),
    [("fails", "raised KeyError: 'no'"), ("number", "gave int"), ("long", "2097152 characters")],
)
def test_functions_that_fail(module: str, name: str, words: str) -> None:
    with pytest.raises(ModelError) as caught:
        _ask(load_model(f"{module}:{name}"))
    assert words in str(caught.value)
    assert caught.value.fault == "rejected"


# -- models on this machine ----------------------------------------------------------------------


def test_messages_for_transformers_hold_the_picture() -> None:
    from PIL import Image

    board = next(draw_boards([get_task("maze")], [4], 1, 0))
    evaluation = Evaluation(modalities=("both",))
    messages = evaluation.messages(next(evaluation.cases(board)))
    converted = to_hf(messages)
    assert converted[0]["content"] == [{"type": "text", "text": messages[0]["content"]}]
    picture, text = converted[1]["content"]
    url = messages[1]["content"][0]["image_url"]["url"]
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as opened:
        assert picture["image"].tobytes() == opened.convert("RGB").tobytes()
    assert text == messages[1]["content"][1]


def test_every_model_is_asked_the_same_way() -> None:
    layout = MazeLayout.from_dict(_request().layout.to_dict())
    assert _request(layout=layout).layout == layout
    with pytest.raises(UnknownNameError):
        load_model("nobody:x")
