"""Summing up a run: rows a second on one core, and the memory that it takes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.harness import Measurement, publish
from vsp_gym.envs import TASKS
from vsp_gym.evaluation.attribution import attribute
from vsp_gym.evaluation.simulated import SIMULATED
from vsp_gym.planning import Solution
from vsp_gym.plans import parse_plan
from vsp_gym.scoring import score_reply

PROBE = r"""
import re, sys, time
from pathlib import Path
from vsp_gym.evaluation.metrics import summarise
from vsp_gym.evaluation.report import render_report
from vsp_gym.evaluation.results import open_run
from vsp_gym.evaluation.table import read_table
def peak():
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
before, began = peak(), time.process_time()
table = read_table([open_run(Path(sys.argv[1]))])
summary = summarise(table)
summed, most = time.process_time(), peak()
page = render_report(table, summary, title="benchmark")
print(summary.rows, summed - began, most - before, time.process_time() - summed, len(page) / 2**20)
"""


@click.command()
@click.option("--rows", default=100_000, show_default=True, help="Rows of the larger run.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False), help="Write the numbers to this file.")
def command(rows: int, json_path: str | None) -> None:
    """Summaries of a small and a large run of simulated models, and the page of the large one."""
    measurements = []
    with tempfile.TemporaryDirectory() as folder:
        for number in (max(1, rows // 10), rows):
            path = Path(folder, f"{number}.jsonl")
            write_run(path, number)
            found, seconds, memory, page, size = measure(path)
            measurements += [
                Measurement(f"summary of {found:,} rows", "rows/s", found / seconds, note=f"{seconds:.1f} s"),
                Measurement(f"memory of {found:,} rows", "MiB", memory, note="above the imports"),
                Measurement(f"page of {found:,} rows", "s", page, note=f"{size:.1f} MiB"),
            ]
    publish("Summaries", measurements, json_path)


def measure(path: Path) -> tuple[int, float, float, float, float]:
    """Rows, seconds to sum them up, MiB above the imports, seconds and MiB of the page, in a new process.

    Seconds are those of the processor: other work on the machine does not count. Memory is read from Linux.
    """
    done = subprocess.run(
        (sys.executable, "-c", PROBE, str(path)), stdout=subprocess.PIPE, text=True, check=True
    )
    rows, *numbers = done.stdout.split()
    seconds, memory, page, size = map(float, numbers)
    return int(rows), seconds, memory, page, size


def write_run(path: Path, rows: int) -> None:
    """Write rows as `vsp-gym evaluate` does: fresh boards, each as a picture and as words."""
    with open(path, "w", encoding="utf-8") as file:
        for number, row in enumerate(_rows()):
            if number == rows:
                return
            file.write(json.dumps(row, separators=(",", ":")) + "\n")


def _rows() -> Iterator[dict[str, Any]]:
    kinds = [(task, size) for task in TASKS.values() for size in task.paper_sizes]
    model = SIMULATED["beginner"]
    index = 0
    while True:
        for task, size in kinds:
            solution: Solution[Any, Any] = task.generator.draw(np.random.default_rng([7, index]), size)
            for modality in model.misreads:
                reply = model.reply(task, solution.layout, modality, index=index)
                score = score_reply(task, solution.layout, reply, solution=solution)
                actions = parse_plan(reply, task).actions
                yield {
                    "version": 1,
                    "key": f"{index:016x}",
                    "index": index,
                    "board": f"{task.name}-{size}-{index}",
                    "task": task.name,
                    "size": size,
                    "difficulty": task.generator.difficulty(size, solution.distance() or 0),
                    "modality": modality,
                    "agent": "model",
                    "protocol": "plan",
                    "theme": "classic" if modality == "image" else None,
                    "sample": 0,
                    "convention": "strict",
                    "mode": "lenient",
                    "layout": solution.layout.to_dict(),
                    "reply": reply,
                    "actions": None if actions is None else [int(action) for action in actions],
                    "score": score.to_dict(),
                    "answer": None,
                    "error": None,
                    "attribution": attribute(
                        task, solution.layout, reply, score, modality=modality
                    ).to_dict(),
                    "finish_reason": "stop",
                    "prompt_tokens": 500 + size,
                    "completion_tokens": len(reply) // 3,
                    "latency": round(0.5 + (index % 97) / 50, 4),
                    "attempts": 1,
                    "endpoint": "http://127.0.0.1:8000/v1",
                }
            index += 1
