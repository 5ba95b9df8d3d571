"""Speed and memory of making data sets: picture and text of every board written to the disk, on one core."""

from __future__ import annotations

import importlib
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from benchmarks.harness import Measurement, publish, rates
from vsp_gym.envs import get_task
from vsp_gym.envs.base import DIFFICULTIES
from vsp_gym.errors import VSPGymError
from vsp_gym.generation import Part, Request, generate
from vsp_gym.generation.capacity import list_boards, listed_arena
from vsp_gym.generation.plan import choose_listed

BOARDS = {"frozen_lake": 3000, "maze": 9000, "mini_behaviour": 4500}
"""Boards that we make in one round. There are hardly more rooms of the paper's sizes and difficulties."""

THEIR_BOARDS = 12
"""Boards of each size that MGSD makes in one round."""

MGSD_FOLDERS = {"frozen_lake": "Frozenlake", "maze": "Maze", "mini_behaviour": "Minibehaviour"}

SHORT_RUN, LONG_RUN = 10_000, 100_000
"""Boards of the two runs whose memory is compared."""

_CHILD = """
import resource, sys
from vsp_gym.generation import Part, Request, generate
if __name__ == "__main__":
    generate(Request((Part("frozen_lake", (5,)),), int(sys.argv[1])), sys.argv[2])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def our_work(name: str, scratch: str) -> Callable[[], int]:
    """Data sets of a task in the paper's sizes and, where it has them, difficulties, in `scratch`.

    Each has a seed of its own: pictures of boards that were there before would be made faster.
    """
    task = get_task(name)
    buckets = (None,) if name == "frozen_lake" else DIFFICULTIES
    parts = (Part(name, task.paper_sizes, buckets),)
    seeds = itertools.count()

    def work() -> int:
        list_boards.cache_clear()  # what a new process has to do is measured every time
        listed_arena.cache_clear()
        choose_listed.cache_clear()
        generate(Request(parts, BOARDS[name], seed=next(seeds)), tempfile.mkdtemp(dir=scratch))
        return BOARDS[name]

    return work


def their_work(mgsd: Path, name: str, scratch: str) -> Callable[[], int]:
    """MGSD's generator at the same sizes, with its own defaults; boards with free starts and goals."""
    sys.path.insert(0, str(mgsd))
    try:
        module: Any = importlib.import_module(f"task_envs.{MGSD_FOLDERS[name]}.generator")
    finally:
        sys.path.remove(str(mgsd))
    more = {"randomize_start_goal": True} if name == "frozen_lake" else {}
    seeds = itertools.count(0, 1_000_000)

    def work() -> int:
        folder = tempfile.mkdtemp(dir=scratch)
        return sum(
            len(module.generate_level_dataset(folder, size, THEIR_BOARDS, base_seed=next(seeds), **more))
            for size in get_task(name).paper_sizes
        )

    return work


def with_cpu_time(work: Callable[[], int], speeds: list[float]) -> Callable[[], int]:
    """`work`, which notes in `speeds` how many items a second of the processor's time it makes.

    Other programs on the machine disturb this number less than the time on the clock.
    """

    def measured() -> int:
        began = time.process_time()
        items = work()
        speeds.append(items / (time.process_time() - began))
        return items

    return measured


def measure(name: str, mgsd: Path | None, rounds: int, scratch: str) -> Measurement:
    """Boards a second, ours and MGSD's."""
    contenders = {"ours": our_work(name, scratch)}
    note = ""
    if mgsd is not None:
        try:
            theirs = their_work(mgsd, name, scratch)
            theirs()
            contenders["MGSD"] = theirs
        except FileNotFoundError as error:
            note = f"MGSD fails: no {Path(error.filename).name} (its lakes need gymnasium<=1.3)"
        except ImportError as error:
            raise click.ClickException(f"{mgsd} is not MGSD's repository: {error}") from None
    speeds: dict[str, list[float]] = {name: [] for name in contenders}
    found = rates({name: with_cpu_time(work, speeds[name]) for name, work in contenders.items()}, rounds)
    if "MGSD" in contenders:
        note = f"{statistics.median(speeds['ours']) / statistics.median(speeds['MGSD']):.1f} by CPU time"
    return Measurement(get_task(name).title, "boards/s", found["ours"], found.get("MGSD"), "MGSD", note)


def peak_memory(boards: int) -> float:
    """Megabytes that a process needs at most to make so many boards."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "child.py")
        script.write_text(_CHILD, encoding="utf-8")
        output = subprocess.run(
            [sys.executable, script, str(boards), str(Path(folder, "data"))],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    return int(output) / 1024


@click.command()
@click.option(
    "--mgsd",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="MGSD's repository, to compare with.",
)
@click.option("--task", "tasks", multiple=True, type=click.Choice(list(BOARDS)), help="Only these tasks.")
@click.option(
    "--rounds", type=click.IntRange(1), default=3, show_default=True, help="Repetitions of everything."
)
@click.option(
    "--memory", is_flag=True, help=f"Compare the memory of {SHORT_RUN:,} and {LONG_RUN:,} boards too."
)
@click.option("--json", "json_path", type=click.Path(dir_okay=False), help="Write the numbers to this file.")
def command(
    mgsd: Path | None, tasks: tuple[str, ...], rounds: int, memory: bool, json_path: str | None
) -> None:
    """Make data sets of all tasks in the paper's sizes and difficulties, pictures of 256 pixels and text."""
    try:
        with tempfile.TemporaryDirectory() as scratch:
            found = [measure(name, mgsd, rounds, scratch) for name in tasks or BOARDS]
    except VSPGymError as error:
        raise click.ClickException(str(error)) from None
    if memory:
        found += [Measurement(f"memory, {n:,} boards", "MB", peak_memory(n)) for n in (SHORT_RUN, LONG_RUN)]
    publish("Making data sets, one process", found, json_path)
