"""Work that is the same every time, recorded once: one command to the GPU instead of thousands."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor

_WARM_UP = 2
"""Runs before a recording, in which everything is compiled and cached."""


class Recorder:
    """Runs functions of tensors, from CUDA graphs where there is a GPU.

    A function must do the same to tensors of the same shapes at every call, without looking at their values
    from the processor. Besides returning tensors it may add to `kept`.

    Args:
        device: where the tensors are.
        kept: tensors that a recording's first runs must leave as they were, such as gradients.
    """

    def __init__(self, device: torch.device, kept: Sequence[Tensor] = ()) -> None:
        self._on_gpu = device.type == "cuda"
        self._kept = kept
        self._recordings: dict[Hashable, _Recording] = {}
        self._pool: Any = None

    def run(self, key: Hashable, function: Callable[..., Sequence[Tensor]], *inputs: Tensor) -> list[Tensor]:
        """`function(*inputs)`.

        Args:
            key: what the function does; the shapes of inputs are added to it.
            function: is called on a GPU only at the first time with a key.
            inputs: its arguments.
        """
        if not self._on_gpu:
            return list(function(*inputs))
        whole = (key, *((tuple(x.shape), x.dtype) for x in inputs))
        if whole not in self._recordings:
            if self._pool is None:
                self._pool = torch.cuda.graph_pool_handle()
            saved = [tensor.clone() for tensor in self._kept]
            self._recordings[whole] = _Recording(function, inputs, self._pool)
            for tensor, value in zip(self._kept, saved):
                tensor.copy_(value)
        return self._recordings[whole](inputs)


class _Recording:
    """One CUDA graph, with the tensors that it reads and writes."""

    def __init__(
        self, function: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor], pool: Any
    ) -> None:
        self._function = function  # keeps alive what it reads
        self._inputs = [x.clone() for x in inputs]
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                function(*self._inputs)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool):
            self._outputs = list(function(*self._inputs))

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        for own, given in zip(self._inputs, inputs):
            own.copy_(given)
        self._graph.replay()
        return [x.clone() for x in self._outputs]
