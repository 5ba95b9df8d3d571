"""What a model is to the runner: batches of requests in, replies or a `ModelError` out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from vsp_gym.core import Layout
from vsp_gym.envs.base import PlanningTask
from vsp_gym.errors import VSPGymError

Message = dict[str, Any]

MAX_REPLY = 1 << 20
"""Characters of a reply at most: many times what any plan with all its thoughts needs."""

Fault = Literal["busy", "failed", "rejected", "fatal"]


@dataclass(frozen=True)
class Sampling:
    """How replies are drawn. What is None is left to the model's own default."""

    temperature: float | None = 0.0
    """0.0 always takes the likeliest token."""
    top_p: float | None = None
    """Share of the probability mass that tokens are drawn from."""
    max_tokens: int | None = 4096
    """Longest reply, in the model's tokens."""
    seed: int | None = None
    """Seed of the first sample of a board; the next one gets the next seed."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the request, for servers that know more than OpenAI's."""

    def to_dict(self) -> dict[str, Any]:
        """The parameters as JSON types."""
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            "extra": dict(self.extra),
        }


@dataclass(frozen=True)
class Request:
    """One thing to be answered."""

    messages: list[Message]
    """Chat messages in OpenAI's form, pictures as data URLs; empty for who sees the board itself."""
    task: PlanningTask[Any, Any]
    """The rules, for built-in agents."""
    layout: Layout
    """The board, for built-in agents."""
    index: int = 0
    """Number of the board in the run, at least 0."""
    sample: int = 0
    """Number of the reply to the same messages, at least 0."""


@dataclass(frozen=True)
class Reply:
    """What a model answered."""

    text: str
    finish_reason: str | None = None
    """Why the reply ends, in the model's words: `"stop"`, `"length"`."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class ModelError(VSPGymError):
    """A request was not answered, and the model's ability is not to blame. The message is a clause.

    Args:
        reason: what happened; without keys, passwords or addresses with them.
        fault: `"busy"` (ask again later), `"failed"` (ask again, perhaps elsewhere), `"rejected"` (this
            request will not be answered) or `"fatal"` (no request will be).
        retry_after: seconds that the server asks to wait.
    """

    def __init__(self, reason: str, fault: Fault = "failed", retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.fault = fault
        self.retry_after = retry_after


class Model(Protocol):
    """Someone who answers requests."""

    @property
    def name(self) -> str:
        """What rows and reports call it."""
        ...

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Names of the places that answer, at least one; without credentials."""
        ...

    @property
    def batch_size(self) -> int:
        """How many requests one call takes at most."""
        ...

    @property
    def sees_state(self) -> bool:
        """Whether it is given the board itself in place of messages."""
        ...

    async def reply(self, requests: Sequence[Request], endpoint: int) -> list[Reply]:
        """The replies to at most `batch_size` requests, in order.

        Args:
            requests: what to answer.
            endpoint: position in `endpoints`.

        Raises:
            ModelError: if they were not answered.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and memory; the model is not used afterwards."""
        ...


def check_reply(text: object, source: str) -> str:
    """`text` if it is a reply that may be kept.

    Raises:
        ModelError: if it is no text, or longer than `MAX_REPLY`.
    """
    if not isinstance(text, str):
        raise ModelError(f"{source} gave {type(text).__name__} where a reply is text", "rejected")
    if len(text) > MAX_REPLY:
        raise ModelError(f"the reply has {len(text)} characters; allowed: {MAX_REPLY}", "rejected")
    return text
