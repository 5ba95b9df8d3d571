"""A tiny Qwen3-VL is evaluated through `transformers serve` and by transformers in process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vsp_gym.evaluation.journal import read_rows

HERE = Path(__file__).parent

BOARDS = 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the model is, in `tiny`."""
    folder = tmp_path_factory.mktemp("real")
    subprocess.run([sys.executable, HERE / "tiny_qwen3_vl.py", folder / "tiny"], check=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    """The base URL of `transformers serve`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(folder / "serve.log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, HERE / "serve.py", "serve", "./tiny", "--port", str(port), "--device", "cpu"],
            cwd=folder,
            stdout=log,
            stderr=log,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
    try:
        _wait(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 240
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the server did not start")


def _evaluate(folder: Path, out: str, *arguments: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-c", "from vsp_gym.cli import main; main()", "evaluate"]
    boards = (
        "--task",
        "maze,mini-behaviour",
        "--sizes",
        "3,5",
        "--boards",
        str(BOARDS),
        "--max-tokens",
        "12",
    )
    done = subprocess.run(
        [*command, *arguments, *boards, "--out", out],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted(
        read_rows(folder / out / "results.jsonl"), key=lambda row: str(row["index"]) + row["modality"]
    )


def test_server_and_process_answer_alike(folder: Path, server: str) -> None:
    modalities = ("--modality", "image,text,both")
    served = _evaluate(folder, "served", "--model", "openai:./tiny", "--base-url", server, *modalities)
    local = _evaluate(folder, "local", "--model", "hf:./tiny", "--batch-size", "4", *modalities)
    assert len(served) == len(local) == 3 * 3 * BOARDS
    for one, other in zip(served, local):
        assert (one["board"], one["modality"]) == (other["board"], other["modality"])
        assert one["error"] is None
        assert one["prompt_tokens"] == other["prompt_tokens"]  # pictures and words reached both
        assert one["reply"].strip() == other["reply"].strip()
        assert one["score"] == other["score"]
    by_modality = {row["modality"]: row["prompt_tokens"] for row in served if row["index"] == 0}
    assert by_modality["image"] != by_modality["text"] < by_modality["both"]


@pytest.mark.parametrize("mode", ["interactive", "perceive"])
def test_other_modes_end_to_end(folder: Path, server: str, mode: str) -> None:
    rows = _evaluate(
        folder,
        mode,
        "--model",
        "openai:./tiny",
        "--base-url",
        server,
        "--mode",
        mode,
        "--max-turns",
        "2",
        "--limit",
        "1",
    )
    assert rows
    assert all(row["error"] is None and (row["score"] or row["answer"]) for row in rows)
