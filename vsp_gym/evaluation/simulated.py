"""Simulated models: what reports look like for models that misread boards or plan badly, without a model.

A simulated model is given the board itself. It *imitates* misreading by changing a cell in what it says of
the board, and bad planning by changing an action of a shortest plan; nothing it says about itself is
evidence about any real model. It knows a task only through its rules and its statements, so it plays every
task, a new one included.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from vsp_gym.core import Layout, Plan
from vsp_gym.envs.base import PlanningTask
from vsp_gym.perception import parse_statement, state_statement
from vsp_gym.planning import shortest_plan
from vsp_gym.plans import format_plan

TRIES = 40
"""Changes of a statement that are tried before a board is read rightly after all."""

_CELL = re.compile(r"\((\d+), (\d+)\)(, )?")


@dataclass(frozen=True)
class SimulatedModel:
    """Someone who imitates a model's faults at known rates."""

    name: str
    about: str
    """One sentence on what it imitates, for tables and reports."""
    misreads: Mapping[str, float]
    """For each modality, the chance of a misread cell for each row and column of the board."""
    slips: float
    """The chance of a wrong action for each action of the plan."""
    mumbles: float = 0.0
    """The chance of a reply without a plan, and again that of one without a statement."""

    def reply(
        self, task: PlanningTask[Any, Any], layout: Layout, modality: str, *, seed: int = 0, index: int = 0
    ) -> str:
        """The reply to a board.

        Args:
            task: the rules.
            layout: the board.
            modality: a key of `misreads`.
            seed: seed of the whole run, at least 0.
            index: the board's number in the run, at least 0.
        """
        stream = zlib.crc32(self.name.encode())
        # One stream a faculty and none a modality: what differs between modalities is misreading alone.
        eyes, mind = (np.random.default_rng([seed, stream, index, faculty]) for faculty in range(2))
        chance = 1 - (1 - self.misreads[modality]) ** (layout.rows + layout.cols)
        seen = misread(task, layout, eyes) if eyes.random() < chance else layout
        mumble = mind.random()
        plan = self._slip(task, shortest_plan(task, seen) or (), mind)
        statement = state_statement(task, seen)
        if mumble < self.mumbles:
            return f"{statement}\nI am not sure how to go on."
        if mumble < 2 * self.mumbles:
            statement = "I have had a good look."
        return f"{statement}\nSo this way leads to success.\n<answer>{format_plan(plan, task)}</answer>"

    def _slip(self, task: PlanningTask[Any, Any], plan: Plan, rng: np.random.Generator) -> Plan:
        """The plan with wrong actions in it."""
        return tuple(
            task.actions[(action + 1 + int(rng.random() * (len(task.actions) - 1))) % len(task.actions)]
            if rng.random() < self.slips
            else action
            for action in plan
        )


def misread(task: PlanningTask[Any, Any], layout: Layout, rng: np.random.Generator) -> Layout:
    """A solvable board whose statement differs in one cell, which is moved by a step or left out.

    The board itself where no such board is found.
    """
    lines = state_statement(task, layout).splitlines()
    candidates = [number for number, line in enumerate(lines) if _CELL.search(line)]
    for _ in range(TRIES):
        number = candidates[int(rng.random() * len(candidates))]
        changed = lines.copy()
        changed[number] = _change(lines[number], rng)
        seen = parse_statement(task, "\n".join(changed))
        if seen.layout in (None, layout) or seen.state != task.initial(seen.layout):
            continue
        if shortest_plan(task, seen.layout) is not None:
            return seen.layout
    return layout


def _change(line: str, rng: np.random.Generator) -> str:
    """A line with one of its cells moved by a step or, if others follow, left out."""
    cells = list(_CELL.finditer(line))
    cell = cells[int(rng.random() * len(cells))]
    if cell[3] and rng.random() < 0.5:
        return line[: cell.start()] + line[cell.end() :]
    row, col = int(cell[1]), int(cell[2])
    down, right = ((0, 1), (1, 0), (0, -1), (-1, 0))[int(rng.random() * 4)]
    moved = f"({max(0, row + down)}, {max(0, col + right)}){cell[3] or ''}"
    return line[: cell.start()] + moved + line[cell.end() :]


SIMULATED: Mapping[str, SimulatedModel] = MappingProxyType(
    {
        model.name: model
        for model in (
            SimulatedModel(
                "near-sighted",
                "Simulated: misreads pictures, hardly ever words, and plans well for what it saw.",
                {"image": 0.075, "text": 0.004},
                slips=0.004,
                mumbles=0.004,
            ),
            SimulatedModel(
                "hasty",
                "Simulated: sees well and plans carelessly.",
                {"image": 0.006, "text": 0.006},
                slips=0.085,
                mumbles=0.01,
            ),
            SimulatedModel(
                "beginner",
                "Simulated: misreads, slips, and now and then forgets the form of the reply.",
                {"image": 0.1, "text": 0.025},
                slips=0.06,
                mumbles=0.05,
            ),
        )
    }
)
"""Every simulated model by its name."""
