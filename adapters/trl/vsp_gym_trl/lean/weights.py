"""All weights of a model in one buffer, and optimisers that update it in a few kernels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Tensor, nn

from vsp_gym.errors import VSPGymError
from vsp_gym_trl.lean.graphs import Recorder

Views = Mapping[str, Tensor]
"""Weights by the names that the transformers model gives them."""


@lru_cache
def native_dtype(device: str) -> torch.dtype:
    """The type that a kind of device multiplies fastest: bfloat16 if it can, else float32.

    Args:
        device: `"cuda"`, or `"cpu"`, of which newer PyTorch tells what it can.
    """
    tell: Any = getattr(torch.cpu, "get_capabilities", dict)
    known = tell() if device == "cpu" else {}
    fast = device == "cuda" or any(known.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return torch.bfloat16 if fast else torch.float32


@dataclass(frozen=True)
class _Block:
    """Matrices of one shape, which lie one after the other in the buffer."""

    start: int
    count: int
    rows: int
    cols: int

    @property
    def stop(self) -> int:
        return self.start + self.count * self.rows * self.cols

    def of(self, flat: Tensor) -> Tensor:
        """The matrices of a buffer, `[count, rows, cols]`."""
        return flat[self.start : self.stop].view(self.count, self.rows, self.cols)


class Weights:
    """The weights of a model: a float32 buffer that is trained, and a copy in the type of computation.

    Args:
        model: where names, shapes and values come from; it is not kept.
        device: where the buffers are.
        dtype: type of computation; gradients have it as well.
        joined: names of matrices that are also seen as one, whose rows are all their rows. They must have one
            shape and follow each other in the model, among all matrices of that shape.
    """

    def __init__(
        self,
        model: nn.Module,
        device: torch.device | str,
        dtype: torch.dtype,
        joined: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        named = sorted(
            model.named_parameters(), key=lambda item: (not _is_matrix(*item), tuple(item[1].shape))
        )
        self._shapes = {name: weight.shape for name, weight in named}
        self._joined = joined
        self.flat = torch.cat([weight.detach().float().reshape(-1) for _, weight in named]).to(device)
        """What is trained, `float32[weights]`."""
        self.used = self.flat.to(dtype, copy=True)
        """What the network computes with."""
        self.gradient = torch.zeros_like(self.used)
        self.views = self._views(self.used, trainable=True)
        self.blocks = _blocks([(name, weight) for name, weight in named if _is_matrix(name, weight)])
        """The matrices that are neither embeddings nor convolutions, by shape."""

    def __len__(self) -> int:
        return self.flat.numel()

    def _views(self, buffer: Tensor, *, trainable: bool = False) -> dict[str, Tensor]:
        spans, start = {}, 0
        for name, shape in self._shapes.items():
            spans[name] = (start, shape)
            start += math.prod(shape)
        for name, parts in self._joined.items():
            start, shape = spans[parts[0]]
            size = math.prod(shape)
            if [spans[part] for part in parts] != [(start + i * size, shape) for i in range(len(parts))]:
                raise VSPGymError(f"{', '.join(parts)} do not follow each other, or differ in their shapes")
            spans[name] = (start, torch.Size((len(parts) * shape[0], *shape[1:])))
        views = {}
        for name, (start, shape) in spans.items():
            span = slice(start, start + math.prod(shape))
            view = buffer[span].view(shape)
            if trainable:
                view = view.detach().requires_grad_()
                view.grad = self.gradient[span].view(shape)
            views[name] = view
        return views

    def frozen(self) -> dict[str, Tensor]:
        """A copy of the weights as they are, for a teacher; never trained, and read without gradients."""
        views = self._views(self.used.clone())  # below: as those are that code is compiled for
        return {name: view.requires_grad_() for name, view in views.items()}

    def load(self, flat: Tensor) -> None:
        """Take the values of a buffer like `flat`."""
        self.flat.copy_(flat)
        self.used.data.copy_(self.flat)

    def export(self, model: nn.Module) -> None:
        """Write the weights into a model with the same parameters."""
        values = self._views(self.flat)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                weight.copy_(values[name])


def _is_matrix(name: str, weight: Tensor) -> bool:
    return weight.dim() == 2 and "embed" not in name


def _blocks(matrices: list[tuple[str, Tensor]]) -> list[_Block]:
    blocks: list[_Block] = []
    start = 0
    for _, weight in matrices:
        rows, cols = weight.shape
        if blocks and (blocks[-1].rows, blocks[-1].cols) == (rows, cols):
            last = blocks.pop()
            blocks.append(_Block(last.start, last.count + 1, rows, cols))
        else:
            blocks.append(_Block(start, 1, rows, cols))
        start += weight.numel()
    return blocks


class Optimizer:
    """Muon for matrices, AdamW for everything else (or for all), over the flat buffer.

    Muon orthogonalises each matrix's momentum (K. Jordan, 2024); its updates are scaled to the size of
    AdamW's (arXiv 2502.16982), so one learning rate serves both.

    Args:
        weights: what is trained.
        rate: the learning rate at its highest.
        muon: whether matrices are trained by Muon.
        clip: the gradient's norm is limited to this.
    """

    momentum = 0.95
    update_size = 0.2

    def __init__(self, weights: Weights, rate: float, *, muon: bool = True, clip: float = 1.0) -> None:
        self._weights, self._rate, self._clip = weights, rate, clip
        self._blocks = weights.blocks if muon else []
        start = self._blocks[-1].stop if self._blocks else 0
        self._rest = slice(start, None)
        self._other = nn.Parameter(weights.flat[start:])
        self._adam = torch.optim.AdamW(
            [self._other],
            lr=rate,
            betas=(0.9, 0.98),
            eps=1e-9,
            weight_decay=0.0,
            fused=weights.flat.is_cuda,
        )
        self._averages = torch.zeros_like(weights.flat[:start])
        self._recorder = Recorder(weights.flat.device, [weights.flat, self._averages])

    @torch.no_grad()
    def step(self, factor: float) -> Tensor:
        """Update the weights at `factor` times the learning rate; returns the gradient's norm."""
        weights, rate = self._weights, self._rate * factor
        gradient = weights.gradient.float()
        norm = gradient.norm()
        gradient.mul_((self._clip / (norm + 1e-6)).clamp(max=1.0))
        if self._blocks:
            device_rate = torch.tensor(rate).to(gradient.device, non_blocking=True)
            self._recorder.run("matrices", self._update_matrices, gradient, device_rate)
        self._other.grad = gradient[self._rest]
        self._adam.param_groups[0]["lr"] = rate
        self._adam.step()
        weights.used.copy_(weights.flat)
        weights.gradient.zero_()
        return cast("Tensor", norm)

    @torch.no_grad()
    def _update_matrices(self, gradient: Tensor, rate: Tensor) -> list[Tensor]:
        self._averages.mul_(self.momentum).add_(gradient[: len(self._averages)])
        for block in self._blocks:
            ahead = block.of(gradient).add(block.of(self._averages), alpha=self.momentum)
            size = self.update_size * math.sqrt(max(block.rows, block.cols))
            block.of(self._weights.flat).sub_(orthogonalize(ahead) * (rate * size))
        return []


def orthogonalize(matrices: Tensor, steps: int = 5) -> Tensor:
    """About the nearest matrices with singular values of one, `[count, rows, cols]`.

    A Newton-Schulz iteration whose coefficients (those of Muon) bring singular values near one.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    flipped = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if flipped else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    x = x.to(native_dtype(x.device.type))
    for _ in range(steps):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return cast("Tensor", (x.mT if flipped else x).to(matrices.dtype))


def schedule(progress: float, warmup: float = 0.03) -> float:
    """The share of the learning rate at a `progress` of 0 to 1: a linear rise, then a cosine to 2%."""
    return min(1.0, progress / warmup) * (0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * min(1.0, progress))))
