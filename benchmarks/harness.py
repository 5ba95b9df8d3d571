"""Timing, tables and result files shared by the benchmarks."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Measurement:
    """One line of a benchmark: a rate of ours, and the same of an alternative in the same run."""

    what: str
    unit: str
    ours: float
    theirs: float | None = None
    than: str = ""
    """What the alternative is."""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times faster ours is."""
        return None if not self.theirs else self.ours / self.theirs


def rates(contenders: dict[str, Callable[[], int]], rounds: int = 5) -> dict[str, float]:
    """Median rate of each contender in items a second.

    A contender does a fixed amount of work and returns how many items it was. Contenders take turns,
    so that whatever else the machine does hits all of them alike.
    """
    for work in contenders.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, work in contenders.items():
            began = time.perf_counter()
            items = work()
            times[name].append(items / (time.perf_counter() - began))
    return {name: statistics.median(values) for name, values in times.items()}


def machine() -> dict[str, Any]:
    """The machine and the versions that a result depends on."""
    from importlib import metadata

    versions = {}
    for name in ("vsp-gym", "gymnasium", "numpy", "pillow", "envpool", "pyarrow"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def publish(title: str, measurements: Sequence[Measurement], json_path: str | None) -> None:
    """Print the measurements as a table and write them to `json_path`, if one is given."""
    table = Table(title=title, title_justify="left")
    for heading in ("what", "VSP-Gym", "alternative", "times faster", "note"):
        table.add_column(heading, justify="left" if heading in ("what", "note") else "right")
    for m in measurements:
        theirs = "" if m.theirs is None else f"{m.theirs:,.0f} {m.unit} ({m.than})"
        ratio = "" if m.ratio is None else f"{m.ratio:.1f}"
        table.add_row(
            m.what,
            f"{m.ours:,.4g} {m.unit}" if m.ours < 100 else f"{m.ours:,.0f} {m.unit}",
            theirs,
            ratio,
            m.note,
        )
    about = machine()
    console = Console(width=None if sys.stdout.isatty() else 150)
    console.print(table)
    console.print(
        f"{about['processor']}, {about['cores']} cores, {about['system']}, Python {about['python']}",
        about["versions"],
    )
    if json_path:
        rows = [{**asdict(m), "ratio": m.ratio} for m in measurements]
        Path(json_path).write_text(
            json.dumps({"title": title, "machine": about, "results": rows}, indent=2) + "\n", encoding="utf-8"
        )
        console.print(f"written to {json_path}")
