"""What a process has registered, and another one that makes the same boards must know too."""

from __future__ import annotations

import pickle
from functools import lru_cache

from vsp_gym.envs import get_task, register
from vsp_gym.errors import VSPGymError
from vsp_gym.generation.request import Request
from vsp_gym.render.themes import get_theme, register_theme


def pack_registered(request: Request) -> bytes:
    """The tasks and the theme of a request, for other processes.

    Raises:
        VSPGymError: if they cannot be sent there.
    """
    tasks = [get_task(name) for name in dict.fromkeys(part.task for part in request.parts)]
    theme = None if request.image_size is None else get_theme(request.theme)
    try:
        return pickle.dumps((tasks, theme))
    except Exception as error:  # noqa: BLE001 (whatever a task of someone else's raises)
        raise VSPGymError(
            f"a task or theme cannot be sent to other processes ({error!s:.200}); use one worker"
        ) from None


@lru_cache(maxsize=1)
def unpack_registered(data: bytes) -> None:
    """Register what `pack_registered` packed, once; whoever calls this must trust the sender.

    Raises:
        VSPGymError: if this process cannot import a task's class.
    """
    try:
        tasks, theme = pickle.loads(data)  # noqa: S301 (made by our own process)
    except Exception as error:  # noqa: BLE001 (as above)
        raise VSPGymError(
            f"a worker process cannot load a task or theme ({error!s:.200}); "
            "define it in a module that it can import, or use one worker"
        ) from None
    for task in tasks:
        register(task)
    if theme is not None:
        register_theme(theme)
