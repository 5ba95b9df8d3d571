"""The window, on a display that does not exist."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest

from vsp_gym import VSPGymError
from vsp_gym.render.human import Window


def test_a_window_shows_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame = pytest.importorskip("pygame")
    window = Window("Maze", fps=1000)
    frame = np.zeros((40, 60, 3), np.uint8)
    frame[3, 5] = (10, 20, 30)
    window.show(frame)
    screen = pygame.display.get_surface()
    assert screen.get_size() == (60, 40)
    assert tuple(screen.get_at((5, 3)))[:3] == (10, 20, 30)
    window.show(np.zeros((20, 20, 3), np.uint8))
    assert pygame.display.get_surface().get_size() == (20, 20)
    window.close()
    window.close()
    assert not pygame.display.get_init()


def test_without_pygame_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def fail(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "pygame":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", fail)
    with pytest.raises(VSPGymError, match=r"vsp-gym\[human\]"):
        Window("Maze", fps=4)
