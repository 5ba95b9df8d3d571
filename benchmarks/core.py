"""Speed of the core: one environment, many environments, pictures, the oracle, the import."""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import gymnasium as gym
import numpy as np
from PIL import Image

from benchmarks.harness import Measurement, publish, rates
from vsp_gym import TASKS, FrozenLakeLayout, PlanningEnv, VectorPlanningEnv, render_batch
from vsp_gym.envs.maze import MazeLayout
from vsp_gym.planning import Solution

STEPS = 20_000
BOARDS = 4096
VECTOR_STEPS = 200
FRAMES = 256
FRAME_SIZE = 256
PICTURES = (
    ("frozen_lake", 4),
    ("frozen_lake", 8),
    ("maze", 3),
    ("maze", 6),
    ("mini_behaviour", 5),
    ("mini_behaviour", 6),
)
"""Task and size of the boards that are drawn."""


def lake_8x8() -> FrozenLakeLayout:
    """Gymnasium's own 8x8 map, which EnvPool plays as well."""
    env: Any = gym.make("FrozenLake-v1", map_name="8x8").unwrapped
    return FrozenLakeLayout.from_rows(["".join(letter.decode() for letter in row) for row in env.desc])


def _walk(env: Any) -> Callable[[], int]:
    actions = np.random.default_rng(0).integers(0, 4, STEPS).tolist()
    env.reset(seed=0)

    def work() -> int:
        step, reset = env.step, env.reset
        for action in actions:
            _, _, terminated, truncated, _ = step(action)
            if terminated or truncated:
                reset()
        return STEPS

    return work


def single_environment() -> Iterator[Measurement]:
    """One environment on Gymnasium's 8x8 lake: random actions, resets included, no wrappers."""
    result = rates(
        {
            "ours": _walk(PlanningEnv("frozen_lake", layout=lake_8x8(), observation="state")),
            "gymnasium": _walk(gym.make("FrozenLake-v1", map_name="8x8", is_slippery=False).unwrapped),
        }
    )
    yield Measurement(
        "one environment, state observation",
        "steps/s",
        result["ours"],
        result["gymnasium"],
        "Gymnasium FrozenLake-v1 8x8",
    )


def _steps(env: Any, actions: Any) -> Callable[[], int]:
    env.reset()

    def work() -> int:
        for batch in actions:
            env.step(batch)
        return int(actions.size)

    return work


def _envpool(actions: Any) -> dict[str, Callable[[], int]]:
    """EnvPool on the same actions with as many threads as it takes by default, and with one as we have."""
    try:
        import envpool
    except ImportError:
        return {}
    return {
        f"EnvPool FrozenLake8x8-v1, {threads}": _steps(
            envpool.make("FrozenLake8x8-v1", env_type="gymnasium", num_envs=BOARDS, num_threads=number),
            actions.astype(np.int32),
        )
        for threads, number in (("default threads", 0), ("one thread", 1))
    }


def many_environments() -> Iterator[Measurement]:
    """4,096 boards with automatic reset: one fixed lake, a pool of lakes, fresh lakes."""
    actions = np.random.default_rng(0).integers(0, 4, (VECTOR_STEPS, BOARDS))
    lake: dict[str, Any] = {"task": "frozen_lake", "observation": "state"}
    ours = {
        "fixed 8x8 lake": _steps(VectorPlanningEnv(BOARDS, layout=lake_8x8(), **lake), actions),
        "pool of 1,024 8x8 lakes": _steps(VectorPlanningEnv(BOARDS, size=8, pool=1024, **lake), actions),
    }
    theirs = _envpool(actions)
    result = rates({**ours, **theirs})
    note = "" if theirs else "EnvPool is not installed (extra bench)"
    for than in theirs or [""]:
        for what in ours:
            yield Measurement(
                f"{BOARDS} boards, {what}", "steps/s", result[what], result.get(than), than, note
            )
    few = _steps(VectorPlanningEnv(BOARDS, size=8, **lake), actions[:4])
    fresh = rates({"fresh": few}, rounds=2)["fresh"]
    yield Measurement(
        f"{BOARDS} boards, a fresh 8x8 lake at every reset",
        "steps/s",
        fresh,
        None,
        "",
        "drawing boards dominates",
    )


def _mgsd_renderers(folder: Path) -> tuple[ModuleType, ModuleType, ModuleType]:
    """MGSD's renderers from a checkout that the user names."""
    sys.path.insert(0, str(folder))
    try:
        import importlib

        return tuple(
            importlib.import_module(f"task_envs.{name}.renderer")
            for name in ("Frozenlake", "Maze", "Minibehaviour")
        )  # type: ignore[return-value]
    except ImportError as error:
        raise click.ClickException(f"--mgsd {folder} holds no MGSD checkout: {error}") from error
    finally:
        sys.path.remove(str(folder))


def _mgsd_draw(folder: Path, name: str, layouts: list[Any]) -> Callable[[], int]:
    """MGSD's way to draw the same boards as arrays (its lakes are drawn larger and then reduced)."""
    lake, maze, mini = _mgsd_renderers(folder)
    rows = [layout.to_rows() for layout in layouts] if name == "frozen_lake" else []
    grids = [_mgsd_grid(layout) for layout in layouts] if name == "maze" else []
    draws: dict[str, Callable[[], list[Any]]] = {
        "frozen_lake": lambda: [
            lake.render_desc_to_image(desc, cell_size=min(64, 512 // len(desc))).resize(
                (FRAME_SIZE, FRAME_SIZE), resample=Image.Resampling.LANCZOS
            )
            for desc in rows
        ],
        "maze": lambda: [
            maze.render_maze(grid, layout.start, layout.goal, FRAME_SIZE)
            for grid, layout in zip(grids, layouts)
        ],
        "mini_behaviour": lambda: [
            mini.render_minibehaviour(x.rows, x.start, x.printer, x.table_cells, FRAME_SIZE) for x in layouts
        ],
    }
    draw = draws[name]
    return lambda: len([np.asarray(image.convert("RGB")) for image in draw()])


def _mgsd_grid(layout: MazeLayout) -> list[list[dict[str, bool]]]:
    return [
        [{side: bool(mask & bit) for side, bit in (("N", 1), ("S", 2), ("W", 4), ("E", 8))} for mask in row]
        for row in layout.walls
    ]


def pictures(mgsd: Path | None) -> Iterator[Measurement]:
    """A batch of 256 different boards as 256-pixel pictures, against MGSD's renderers."""
    rng = np.random.default_rng(0)
    out = np.empty((FRAMES, FRAME_SIZE, FRAME_SIZE, 3), np.uint8)
    for name, size in PICTURES:
        task = TASKS[name]
        boards = [task.generator.sample(rng, size) for _ in range(FRAMES)]

        def ours(task: Any = task, boards: Any = boards) -> int:
            return len(render_batch(task, boards, size=FRAME_SIZE, out=out))

        contenders: dict[str, Callable[[], int]] = {"ours": ours}
        note = "" if mgsd else "name MGSD's folder with --mgsd to compare"
        if mgsd:
            draw = _mgsd_draw(mgsd, name, boards)
            try:
                draw()
            except OSError:
                note = "MGSD's lake cannot be drawn with Gymnasium 1.4 or newer: its sprites are gone"
            else:
                contenders["mgsd"] = draw
        result = rates(contenders, rounds=3)
        what = f"{FRAMES} pictures of {FRAME_SIZE} px, {task.title} {size}x{size}"
        yield Measurement(what, "frames/s", result["ours"], result.get("mgsd"), "MGSD", note)
    source = np.zeros_like(out)

    def copy() -> int:
        np.copyto(out, source)
        return FRAMES

    yield Measurement("the limit: copying as many bytes", "frames/s", rates({"copy": copy})["copy"])


def oracle() -> Iterator[Measurement]:
    """Solving boards: distances of all states, optimal actions, numbers of shortest plans."""
    rng = np.random.default_rng(0)
    for name, size, count in (
        ("frozen_lake", 8, 50),
        ("maze", 6, 50),
        ("mini_behaviour", 6, 50),
        ("frozen_lake", 64, 2),
        ("maze", 64, 2),
    ):
        task = TASKS[name]
        boards = [task.generator.sample(rng, size) for _ in range(count)]

        def work(task: Any = task, boards: Any = boards) -> int:
            for board in boards:
                Solution(task, board).count()
            return len(boards)

        yield Measurement(
            f"oracle, {task.title} {size}x{size}", "boards/s", rates({"ours": work}, rounds=3)["ours"]
        )


def imports(repeats: int = 9) -> Iterator[Measurement]:
    """Time to import the package in a fresh interpreter, against importing Gymnasium alone."""
    seconds: dict[str, list[float]] = {"gymnasium": [], "vsp_gym": []}
    for name in itertools.islice(itertools.cycle(seconds), 2 * repeats):
        code = f"import time; t = time.perf_counter(); import {name}; print(time.perf_counter() - t)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        seconds[name].append(float(done.stdout))
    ours, theirs = (statistics.median(seconds[name]) for name in ("vsp_gym", "gymnasium"))
    note = f"{ours * 1000:.0f} ms against {theirs * 1000:.0f} ms: {ours / theirs:.2f} times as long"
    yield Measurement("import vsp_gym", "imports/s", 1 / ours, 1 / theirs, "import gymnasium", note)


@click.command()
@click.option(
    "--mgsd",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A checkout of MGSD to compare with.",
)
@click.option("--json", "json_path", type=click.Path(dir_okay=False), help="Write the numbers to this file.")
def command(mgsd: Path | None, json_path: str | None) -> None:
    """Speed of the core, as ratios to alternatives measured in the same run."""
    measurements = [*single_environment(), *many_environments(), *pictures(mgsd), *oracle(), *imports()]
    publish("VSP-Gym core", measurements, json_path)
