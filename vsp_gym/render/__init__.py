"""Boards as pictures: arrays, PNG, GIF, terminal text and a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vsp_gym.render.ansi import render_ansi
    from vsp_gym.render.png import render_png
    from vsp_gym.render.rgb import check_render_size, render_batch, render_rgb
    from vsp_gym.render.themes import THEMES, Theme, get_theme, register_theme

__all__ = [
    "THEMES",
    "Theme",
    "check_render_size",
    "get_theme",
    "register_theme",
    "render_ansi",
    "render_batch",
    "render_png",
    "render_rgb",
]

_MODULES = {
    "THEMES": "themes",
    "Theme": "themes",
    "check_render_size": "rgb",
    "get_theme": "themes",
    "register_theme": "themes",
    "render_ansi": "ansi",
    "render_batch": "rgb",
    "render_png": "png",
    "render_rgb": "rgb",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: tasks import this package while they are defined."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
