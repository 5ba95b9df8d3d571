"""Maze in pictures and numbers."""

from __future__ import annotations

from vsp_gym.core import Cell
from vsp_gym.envs.base import PictureView
from vsp_gym.envs.maze.rules import MazeLayout


class MazePicture(PictureView[MazeLayout, Cell]):
    """Placeholder until written."""
