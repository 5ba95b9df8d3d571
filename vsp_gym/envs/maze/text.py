"""Maze in words."""

from __future__ import annotations

from vsp_gym.envs.base import TextView
from vsp_gym.core import Cell
from vsp_gym.envs.maze.rules import MazeLayout


class MazeText(TextView[MazeLayout, Cell]):
    """Placeholder until written."""
