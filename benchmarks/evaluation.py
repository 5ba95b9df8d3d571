"""Speed and memory of evaluation itself: the whole process against a server that answers at once."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from benchmarks.harness import Measurement, publish
from vsp_gym.core import Action
from vsp_gym.envs import get_task
from vsp_gym.evaluation.conditions import Board, draw_boards

SIZES = (3, 4, 5, 6)
"""Sizes of the mazes."""

WORKERS = 32
"""Requests in flight: MGSD's default, and ours."""


@contextlib.contextmanager
def stub_server(folder: Path) -> Iterator[str]:
    """The base URL of a stub in a process of its own."""
    port_file = folder / "port"
    server = subprocess.Popen([sys.executable, Path(__file__).with_name("stub_server.py"), port_file])
    try:
        while not (port_file.exists() and port_file.read_text(encoding="ascii")):
            if server.poll() is not None:
                raise click.ClickException("the stub server did not start")
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port_file.read_text(encoding='ascii')}/v1"
    finally:
        server.terminate()
        server.wait()


def _mgsd_record(board: Board) -> dict[str, Any]:
    """A maze as the published data set has it."""
    layout: Any = board.layout
    size = board.size
    open_sides = {"north": Action.UP, "south": Action.DOWN, "east": Action.RIGHT, "west": Action.LEFT}
    rules = board.task
    cells = [
        [
            {
                side: rules.transition(layout, type(layout.start)(row, col), action).violation is not None
                for side, action in open_sides.items()
            }
            for col in range(size)
        ]
        for row in range(size)
    ]
    states = [layout.start.row * size + layout.start.col]
    for action in board.solution.plan() or ():
        cell = type(layout.start)(*divmod(states[-1], size))
        after = rules.transition(layout, cell, action).state
        states.append(after.row * size + after.col)
    meta = {"level": size, "layout": cells, "start_pos": states[0], "target_pos": states[-1]}
    return {"meta": meta, "input_state": states}


def _write_mgsd(folder: Path, boards: int) -> None:
    path = folder / "maze/tokenized_dataset/SFT/test_dataset.jsonl"
    path.parent.mkdir(parents=True)
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(
            json.dumps(_mgsd_record(board)) + "\n"
            for board in draw_boards([get_task("maze")], SIZES, boards, 0)
        )


def _run(command: list[Any], url: str, folder: Path) -> float:
    """Seconds that a process takes, with compiled modules kept between runs."""
    environment = {
        **os.environ,
        "PYTHONPYCACHEPREFIX": str(folder / "pycache"),
        "OPENAI_API_KEY": "stub",
        "OPENAI_BASE_URL": url,
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.perf_counter()
    done = subprocess.run([*map(str, command)], capture_output=True, env=environment, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"{command[:4]} failed:\n{done.stderr[-2000:]}")
    return time.perf_counter() - began


def _ours(url: str, boards: int, folder: Path) -> Callable[[int], float]:
    def work(number: int) -> float:
        out = folder / f"ours-{number}"
        return _run(
            [
                *(sys.executable, "-c", _EVALUATE, "evaluate", "--model", "openai:stub", "--base-url", url),
                *("--task", "maze", "--sizes", ",".join(map(str, SIZES)), "--boards", boards, "--out", out),
                *("--concurrency", WORKERS),
            ],
            url,
            folder,
        )

    return work


def _theirs(mgsd: Path, url: str, folder: Path, name: str, *options: str) -> Callable[[int], float]:
    def work(number: int) -> float:
        # Pictures go to a fresh folder: drawing them is part of the work, as it is for us.
        out, cache = folder / f"{name}-{number}.jsonl", folder / f"{name}-{number}"
        return _run(
            [
                *(sys.executable, mgsd / "evaluate/api_eval/evaluate_api_models.py", "--base-url", url),
                *("--models", "stub", "--no-fetch-model-list", "--dataset-root", folder / "data"),
                *("--tasks", "maze", "--samples-per-task", 0, "--workers", WORKERS),
                *("--output", out, "--image-cache", cache, *options),
            ],
            url,
            folder,
        )

    return work


def speed(mgsd: Path | None, boards: int, rounds: int) -> Iterator[Measurement]:
    """Picture requests a second, from starting the process to its end."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        count = boards * len(SIZES)
        with stub_server(folder) as url:
            contenders = {"ours": _ours(url, boards, folder)}
            if mgsd is not None:
                _write_mgsd(folder / "data", boards)
                contenders["mgsd"] = _theirs(mgsd, url, folder, "mgsd")
                # By default each of its requests reads all certificates anew; this option spares it that.
                contenders["spared"] = _theirs(mgsd, url, folder, "spared", "--use-system-proxy")
            times: dict[str, list[float]] = {name: [] for name in contenders}
            for number in range(rounds + 1):
                for name, work in contenders.items():
                    seconds = work(number)
                    if number:  # the first round fills the caches
                        times[name].append(seconds)
    rates = {name: count / statistics.median(seconds) for name, seconds in times.items()}
    for name, note in (("mgsd", "as it comes"), ("spared", "its fastest: --use-system-proxy")):
        if name in rates or name == "mgsd":
            yield Measurement(
                f"{count:,} mazes as pictures, whole process",
                "requests/s",
                rates["ours"],
                rates.get(name),
                "MGSD's evaluate_api_models.py",
                note if name in rates else "",
            )


_EVALUATE = "from vsp_gym.cli import main; main()"

_MEMORY = """
import sys
from pathlib import Path
from vsp_gym.envs import get_task
from vsp_gym.evaluation.conditions import Evaluation, draw_boards
from vsp_gym.evaluation.models import load_model
from vsp_gym.evaluation.runner import run

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

def watch(tally):
    if tally.asked in (total // 10, total):
        print(resident())

total = int(sys.argv[3])
boards = draw_boards([get_task("maze")], [3, 4, 5, 6], total // 4, 0)
model = load_model("openai:stub", base_urls=[sys.argv[1]])
run(Evaluation(), boards, model, Path(sys.argv[2]), progress=watch)
"""


def memory(boards: int) -> Iterator[Measurement]:
    """Growth of the process between a tenth of the boards and all of them."""
    with tempfile.TemporaryDirectory() as scratch, stub_server(Path(scratch)) as url:
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", _MEMORY, url, str(Path(scratch, "run")), str(boards)],
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - began
    if done.returncode:
        raise click.ClickException(done.stderr[-2000:])
    early, late = map(float, done.stdout.split())
    yield Measurement(
        f"memory after {boards:,} boards",
        "MiB",
        late,
        note=f"{early:.0f} MiB after a tenth of them; {boards / seconds:,.0f} boards/s",
    )


@click.command()
@click.option(
    "--mgsd",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A checkout of MGSD, to measure its evaluator in the same run.",
)
@click.option("--boards", type=click.IntRange(1), default=500, show_default=True, help="Mazes of each size.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Timed runs of each.")
@click.option("--memory-boards", type=click.IntRange(40), help="Also watch memory over so many boards.")
@click.option("--json", "json_path", metavar="FILE", help="Write the numbers there.")
def command(
    mgsd: Path | None, boards: int, rounds: int, memory_boards: int | None, json_path: str | None
) -> None:
    """Measure evaluation against a server that answers at once."""
    measurements = list(speed(mgsd, boards, rounds))
    if memory_boards is not None:
        measurements += memory(memory_boards)
    publish("Evaluation", measurements, json_path)
