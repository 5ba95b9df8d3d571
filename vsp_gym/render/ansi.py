"""Boards in a terminal."""

from __future__ import annotations

from typing import Any

from vsp_gym.envs.base import PlanningTask


def render_ansi(task: PlanningTask[Any, Any], layout: Any, state: Any) -> str:
    """The board's description."""
    return task.text.describe(layout, state)
