"""Who answers: any model, named by one word.

| name | who answers | needs |
|---|---|---|
| `openai:NAME` | a model of OpenAI-compatible servers | `vsp-gym[openai]` |
| `hf:PATH` | transformers, in batches | `vsp-gym[hf]` |
| `vllm:PATH` | vLLM's offline engine | `vsp-gym[vllm]` |
| `agent:NAME` | a built-in agent, which sees the board itself | |
| `python:MODULE:FUNCTION` | `function(messages) -> str`, sync or async | |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vsp_gym.errors import UnknownNameError, VSPGymError
from vsp_gym.evaluation.models.base import (
    MAX_REPLY,
    Fault,
    Message,
    Model,
    ModelError,
    Reply,
    Request,
    Sampling,
)

__all__ = [
    "KINDS",
    "MAX_REPLY",
    "Fault",
    "Message",
    "Model",
    "ModelError",
    "Reply",
    "Request",
    "Sampling",
    "load_model",
]

KINDS = ("openai", "hf", "vllm", "agent", "python")
"""What may stand before the first colon of a model's name."""


def load_model(
    spec: str,
    sampling: Sampling | None = None,
    *,
    base_urls: Sequence[str] = (),
    key_variable: str = "OPENAI_API_KEY",
    timeout: float = 600.0,
    max_tokens_field: str = "max_tokens",
    connections: int = 64,
    batch_size: int | None = None,
) -> Model:
    """The model of that name, ready to answer; heavy libraries are imported only here.

    Args:
        spec: a name as in the table of the module.
        sampling: how replies are drawn.
        base_urls: for `openai:`, the servers.
        key_variable: for `openai:`, the environment variable that holds the key.
        timeout: for `openai:`, seconds that a request may take.
        max_tokens_field: for `openai:`, what the servers call the longest reply.
        connections: for `openai:`, connections to each server at most.
        batch_size: for `hf:` and `vllm:`, boards that share a batch.

    Raises:
        UnknownNameError: for another kind of model, or an unknown agent or function.
        VSPGymError: if a library is missing, or the model cannot be loaded.
    """
    sampling = sampling or Sampling()
    kind, separator, name = spec.partition(":")
    if kind not in KINDS:
        raise UnknownNameError("kind of model", kind, KINDS)
    if not separator or not name:
        raise VSPGymError(f"a model is named like {kind}:NAME, not {spec!r:.80}")
    if base_urls and kind != "openai":
        raise VSPGymError(f"a base URL is for openai:NAME, not for {spec!r:.80}")
    batch: dict[str, Any] = {} if batch_size is None else {"batch_size": batch_size}
    if kind == "openai":
        from vsp_gym.evaluation.models.openai_server import OpenAIModel

        return OpenAIModel(
            name,
            sampling,
            base_urls,
            key_variable=key_variable,
            timeout=timeout,
            max_tokens_field=max_tokens_field,
            connections=connections,
        )
    if kind in ("hf", "vllm"):
        from vsp_gym.evaluation.models.local import TransformersModel, VLLMModel

        return (TransformersModel if kind == "hf" else VLLMModel)(name, sampling, **batch)
    from vsp_gym.evaluation.models.functions import AgentModel, FunctionModel

    return AgentModel(name, sampling) if kind == "agent" else FunctionModel(name)
