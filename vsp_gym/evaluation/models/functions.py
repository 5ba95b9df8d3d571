"""Models that are Python: the built-in agents, and any function."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from vsp_gym.errors import UnknownNameError, VSPGymError
from vsp_gym.evaluation.agents import get_agent
from vsp_gym.evaluation.models.base import ModelError, Reply, Request, Sampling, check_reply


class AgentModel:
    """A built-in agent. It is given the board itself and writes a whole plan."""

    batch_size = 1
    sees_state = True

    def __init__(self, name: str, sampling: Sampling) -> None:
        self._agent = get_agent(name)
        self._seed = sampling.seed or 0
        self.name = name
        self.endpoints = (f"agent:{name}",)

    async def reply(self, requests: Sequence[Request], endpoint: int) -> list[Reply]:
        """The agent's replies; a board's further samples have seeds of their own."""
        return [
            Reply(
                self._agent.reply(
                    request.task, request.layout, seed=self._seed + request.sample, index=request.index
                ),
                "stop",
            )
            for request in requests
        ]

    async def close(self) -> None:
        """Nothing to let go of."""


class FunctionModel:
    """`function(messages) -> str`, sync or async, of any module that can be imported.

    Messages are those of OpenAI's chat API. A sync function runs in a thread, several calls at a time.
    """

    batch_size = 1
    sees_state = False

    def __init__(self, path: str) -> None:
        self._function = load_function(path)
        self.name = path
        self.endpoints = (f"python:{path}",)

    async def reply(self, requests: Sequence[Request], endpoint: int) -> list[Reply]:
        """The function's replies; whatever it raises is a `ModelError`."""
        return [Reply(await self._call(request)) for request in requests]

    async def _call(self, request: Request) -> str:
        try:
            if inspect.iscoroutinefunction(self._function):
                text = await self._function(request.messages)
            else:
                text = await asyncio.to_thread(self._function, request.messages)
        except Exception as error:
            raise ModelError(
                f"{self.name} raised {type(error).__name__}: {error!s:.200}", "rejected"
            ) from error
        return check_reply(text, self.name)

    async def close(self) -> None:
        """Nothing to let go of."""


def load_function(path: str) -> Callable[[list[dict[str, Any]]], Any]:
    """The function that `module:function` names; modules of the working directory are found too.

    Raises:
        VSPGymError: if there is no such module or it cannot be imported.
        UnknownNameError: if the module has no such function.
    """
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise VSPGymError(f"a function is given as python:module:function, not {'python:' + path!r:.80}")
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise VSPGymError(
            f"cannot import {module_name!r:.80}: {type(error).__name__}: {error!s:.200}"
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        raise UnknownNameError(
            f"function of {module_name}",
            name,
            sorted(n for n, v in vars(module).items() if inspect.isfunction(v)),
        )
    return function  # type: ignore[no-any-return]
