"""A window that shows pictures, with pygame (`pip install 'vsp-gym[human]'`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vsp_gym.errors import VSPGymError


class Window:
    """A window for frames; it opens with the first one.

    Args:
        title: the window's title.
        fps: frames a second that `show` lets pass at most.

    Raises:
        VSPGymError: if pygame is not installed.
    """

    def __init__(self, title: str, fps: int) -> None:
        try:
            import pygame
        except ImportError:
            raise VSPGymError("a window needs pygame: pip install 'vsp-gym[human]'") from None
        self._pygame: Any = pygame
        self._title, self._fps = title, fps
        self._screen: Any = None
        self._clock: Any = None

    def show(self, frame: npt.NDArray[np.uint8]) -> None:
        """Show `uint8[height, width, 3]`; the window takes its size."""
        pygame, size = self._pygame, (frame.shape[1], frame.shape[0])
        if self._screen is None:
            pygame.display.init()
            pygame.display.set_caption(self._title)
            self._clock = pygame.time.Clock()
        if self._screen is None or self._screen.get_size() != size:
            self._screen = pygame.display.set_mode(size)
        pygame.surfarray.blit_array(self._screen, frame.transpose(1, 0, 2))
        pygame.event.pump()
        pygame.display.flip()
        self._clock.tick(self._fps)

    def close(self) -> None:
        """Close the window; a later `show` opens it again."""
        if self._screen is not None:
            self._pygame.display.quit()
            self._screen = None
