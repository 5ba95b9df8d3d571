"""One token's attention to a cache: PyTorch's own, and the kernel's, which a processor can only interpret."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from vsp_gym_trl.lean.attention import attend

HEADS, SIZE, PLACES = 2, 32, 150
AT = [0, 1, 63, 64, 65, 149]


def inputs() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    rows = len(AT)
    tokens = [torch.randn(rows, HEADS, SIZE, generator=generator) for _ in range(3)]
    cache = [torch.randn(rows, HEADS, PLACES, SIZE, generator=generator) for _ in range(2)]
    return [*tokens, *cache]


def test_a_token_attends_to_all_up_to_itself() -> None:
    query, key, value, keys, values = inputs()
    before = keys.clone()
    mixed = attend(query, key, value, keys, values, torch.tensor(AT))
    for row, at in enumerate(AT):
        assert torch.equal(keys[row, :, at], key[row])
        assert torch.equal(values[row, :, at], value[row])
        assert torch.equal(keys[row, :, at + 1 :], before[row, :, at + 1 :])
        for head in range(HEADS):
            scores = keys[row, head, : at + 1].double() @ query[row, head].double() / SIZE**0.5
            expected = scores.softmax(0) @ values[row, head, : at + 1].double()
            torch.testing.assert_close(mixed[row, head].double(), expected, atol=1e-5, rtol=1e-4)


_CHECK = """
import torch
from test_attention import AT, inputs
from vsp_gym_trl.lean import attention
given, others = inputs(), inputs()
found = attention.attend(*given, torch.tensor(AT))
attention.triton = None
expected = attention.attend(*others, torch.tensor(AT))
torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
assert all(torch.equal(a, b) for a, b in zip(given, others))
print("same")
"""


def test_the_kernel_computes_the_same() -> None:
    pytest.importorskip("triton")
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": os.path.dirname(__file__)}
    done = subprocess.run(
        [sys.executable, "-c", _CHECK], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "same\n", done.stderr
