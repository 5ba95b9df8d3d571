"""The floor: what the best trivial baseline reaches on the boards of some runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vsp_gym.envs import get_task
from vsp_gym.evaluation.agents import AGENTS
from vsp_gym.evaluation.summary import Floor
from vsp_gym.evaluation.table import Table
from vsp_gym.planning import Solution
from vsp_gym.scoring import score_reply


def floors_of(table: Table) -> list[Floor]:
    """What the best trivial baseline of each task reaches, and the mean over tasks."""
    convention, mode = (names[0] if names else None for names in (table.conventions, table.modes))
    floors = []
    for number, task in enumerate(table.tasks):
        sizes = sorted(size for name, size in table.floor_boards if name == task)
        played = {
            size: _play_floor(table, task, size, convention or "strict", mode or "lenient") for size in sizes
        }
        names = [agent.name for agent in AGENTS.values() if agent.is_trivial]
        means = np.mean([played[size].mean(axis=1) for size in sizes], axis=0)  # [agents, 2]
        best = int(np.lexsort((-means[:, 1], -means[:, 0]))[0])
        floors.append(
            Floor(
                task,
                names[best],
                float(means[best, 0]),
                float(means[best, 1]),
                {size: float(played[size][best, :, 0].mean()) for size in sizes},
                sum(played[size].shape[1] for size in sizes),
                int((table.boards.task == number).sum()),
            )
        )
    if len(floors) > 1:
        success, optimal = (
            float(np.mean([getattr(f, name) for f in floors])) for name in ("success", "optimal")
        )
        played_boards, all_boards = sum(f.boards for f in floors), sum(f.of for f in floors)
        floors.append(Floor(None, None, success, optimal, {}, played_boards, all_boards))
    return floors


def _play_floor(table: Table, name: str, size: int, convention: str, mode: Any) -> npt.NDArray[np.bool_]:
    """`[agents, boards, 2]` success and optimal success of every trivial baseline."""
    task = get_task(name)
    verdicts = []
    for digest, layout in table.floor_boards[name, size]:
        solution = Solution(task, layout)
        scores = [
            score_reply(
                task,
                layout,
                agent.reply(task, layout, index=digest),
                convention,
                mode=mode,
                solution=solution,
            )
            for agent in AGENTS.values()
            if agent.is_trivial
        ]
        verdicts.append([(score.success, score.optimal) for score in scores])
    played: npt.NDArray[np.bool_] = np.array(verdicts, dtype=bool).swapaxes(0, 1)
    return played
