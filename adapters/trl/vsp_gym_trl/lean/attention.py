"""Attention of one new token of each row to a cache of which only some places are filled.

On a GPU a Triton kernel reads what is filled, once; elsewhere PyTorch computes the same.
"""

from __future__ import annotations

import math
import os
from typing import Any

import torch
from torch import Tensor

try:
    import triton  # type: ignore[import-untyped, import-not-found, unused-ignore]
    import triton.language as tl  # type: ignore[import-untyped, import-not-found, unused-ignore]
except ImportError:  # PyTorch for processors comes without it
    triton = None

_BLOCK = 64
"""Places that the kernel reads at a time."""


def attend(query: Tensor, key: Tensor, value: Tensor, keys: Tensor, values: Tensor, at: Tensor) -> Tensor:
    """Put a token of each row into the cache and let it attend to all up to itself.

    Args:
        query, key, value: of the tokens, `[rows, heads, head_size]`.
        keys, values: the cache, `[rows, heads, places, head_size]`; written to.
        at: `int64[rows]` the tokens' places.

    Returns:
        What the tokens gather, like `query`.
    """
    if triton is not None and (query.is_cuda or _interpreted()) and _is_power_of_two(query.shape[-1]):
        return _attend_by_kernel(query, key, value, keys, values, at)
    rows = torch.arange(len(at), device=at.device)
    keys[rows, :, at], values[rows, :, at] = key, value
    scores = (keys @ query[..., None])[..., 0].float() / math.sqrt(query.shape[-1])
    later = torch.arange(keys.shape[2], device=at.device) > at[:, None]
    shares = scores.masked_fill(later[:, None], -math.inf).softmax(-1)
    return (shares[:, :, None].to(values.dtype) @ values)[:, :, 0]


def _is_power_of_two(number: int) -> bool:
    return number & (number - 1) == 0


def _interpreted() -> bool:
    """Whether kernels run on the processor, for tests."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def _attend_by_kernel(
    query: Tensor, key: Tensor, value: Tensor, keys: Tensor, values: Tensor, at: Tensor
) -> Tensor:
    rows, heads, size = query.shape
    mixed = torch.empty_like(query, memory_format=torch.contiguous_format)
    fresh = (x.contiguous() for x in (query, key, value))
    kernel: Any = _kernel
    kernel[(rows * heads,)](
        *fresh,
        *(keys, values, at, mixed, keys.shape[2], 1 / math.sqrt(size)),
        heads=heads,
        size=size,
        block=_BLOCK,
    )
    return mixed


if triton is not None:

    @triton.jit  # type: ignore[untyped-decorator, unused-ignore]
    def _kernel(  # type: ignore[no-untyped-def]  # Triton reads annotations as its own
        query,
        key,
        value,
        keys,
        values,
        at,
        mixed,
        places,
        scale,
        heads: tl.constexpr,
        size: tl.constexpr,
        block: tl.constexpr,
    ):
        """One head of one row: an online softmax over the cache, which begins with the token itself."""
        head = tl.program_id(0)
        here = tl.load(at + head // heads)
        column = tl.arange(0, size)
        own = head * size + column
        q = tl.load(query + own).to(tl.float32) * scale
        k = tl.load(key + own)
        v = tl.load(value + own)
        cache = head.to(tl.int64) * places * size
        tl.store(keys + cache + here * size + column, k)
        tl.store(values + cache + here * size + column, v)
        top = tl.sum(q * k.to(tl.float32), 0)
        total = tl.full((), 1.0, tl.float32)
        gathered = v.to(tl.float32)
        for start in range(0, here, block):
            place = start + tl.arange(0, block)
            filled = place < here
            entry = cache + place[:, None] * size + column[None, :]
            known = tl.load(keys + entry, mask=filled[:, None], other=0.0).to(tl.float32)
            scores = tl.where(filled, tl.sum(known * q[None, :], 1), -float("inf"))
            higher = tl.maximum(top, tl.max(scores, 0))
            shrink = tl.exp(top - higher)
            shares = tl.exp(scores - higher)
            told = tl.load(values + entry, mask=filled[:, None], other=0.0).to(tl.float32)
            total = total * shrink + tl.sum(shares, 0)
            gathered = gathered * shrink + tl.sum(shares[:, None] * told, 0)
            top = higher
        tl.store(mixed + own, gathered / total)
