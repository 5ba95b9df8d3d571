"""Boards as pictures: arrays, PNG, GIF, terminal text and a window.

Names are imported when they are first used: tasks import this package while they are being defined.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vsp_gym.render.animation import render_frames, render_gif
    from vsp_gym.render.ansi import render_ansi
    from vsp_gym.render.perturbations import PERTURBATIONS, perturb
    from vsp_gym.render.png import encode_png, render_png, render_pngs
    from vsp_gym.render.rgb import check_render_size, legend, render_batch, render_rgb
    from vsp_gym.render.shapes import SHAPES
    from vsp_gym.render.themefile import load_theme
    from vsp_gym.render.themes import ROLES, THEMES, Look, Theme, get_theme, register_theme

__all__ = [
    "PERTURBATIONS",
    "ROLES",
    "SHAPES",
    "THEMES",
    "Look",
    "Theme",
    "check_render_size",
    "encode_png",
    "get_theme",
    "legend",
    "load_theme",
    "perturb",
    "register_theme",
    "render_ansi",
    "render_batch",
    "render_frames",
    "render_gif",
    "render_png",
    "render_pngs",
    "render_rgb",
]

_NAMES = {
    "animation": ("render_frames", "render_gif"),
    "ansi": ("render_ansi",),
    "perturbations": ("PERTURBATIONS", "perturb"),
    "png": ("encode_png", "render_png", "render_pngs"),
    "rgb": ("check_render_size", "legend", "render_batch", "render_rgb"),
    "shapes": ("SHAPES",),
    "themefile": ("load_theme",),
    "themes": ("ROLES", "THEMES", "Look", "Theme", "get_theme", "register_theme"),
}


def __getattr__(name: str) -> Any:
    for module, names in _NAMES.items():
        if name in names:
            value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
