"""Replies of many boards at once, with a static key-value cache and, on a GPU, a CUDA graph for each token."""

from __future__ import annotations

import torch
from torch import Tensor

from vsp_gym_trl.lean.boards import Ragged
from vsp_gym_trl.lean.network import Network
from vsp_gym_trl.lean.weights import Views

_LOOK = 8
"""Tokens between two looks at whether all replies have ended."""


class Sampler:
    """Samples replies from a network for a fixed number of boards.

    Args:
        network: the architecture.
        views: the weights; the network's own may be trained between calls.
        boards: rows of every batch.
        places: longest prompt and reply together.
        end: the token that ends a reply.
    """

    def __init__(self, network: Network, views: Views, boards: int, places: int, end: int) -> None:
        self.boards, self.places = boards, places
        self._network, self._views, self._end = network, views, end
        device, dtype = network.device, network.dtype
        shape = (network.layers, boards, network.heads, places, network.head_size)
        self._keys = torch.zeros(shape, device=device, dtype=dtype)
        self._values = torch.zeros_like(self._keys)
        self._cos = torch.zeros(places, network.head_size, device=device, dtype=dtype)
        self._sin = torch.zeros_like(self._cos)
        self._token = torch.zeros(boards, dtype=torch.int64, device=device)
        self._at = torch.zeros_like(self._token)
        self._done = torch.zeros(boards, dtype=torch.bool, device=device)
        self._temperature = torch.zeros((), device=device)
        self._graph: torch.cuda.CUDAGraph | None = None

    @torch.no_grad()
    def run(
        self,
        prompts: Ragged,
        longest: int,
        *,
        patches: Tensor | None = None,
        picture_at: int | None = None,
        temperature: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Replies to `boards` prompts, of at most `longest` tokens.

        Args:
            prompts: one for each board.
            longest: where replies are cut.
            patches, picture_at: the pictures, as for `Network.hidden`.
            temperature: 0 for the likeliest token every time.

        Returns:
            Tokens `int64[boards, tokens]`, 0 after the end, and the replies' lengths `int64[boards]`, which
            count the token that ends them.
        """
        network = self._network
        ids = prompts.ids.long()
        width = ids.shape[1]
        longest = min(longest, self.places - width)
        cache: list[tuple[Tensor, Tensor]] = []
        hidden = network.hidden(self._views, ids, patches, picture_at, cache)
        for layer, (keys, values) in enumerate(cache):
            self._keys[layer, :, :, :width] = keys
            self._values[layer, :, :, :width] = values
        for table, source in zip((self._cos, self._sin), network.rope(self.places, picture_at)):
            table.copy_(source)
        self._temperature.fill_(temperature)
        lengths = prompts.lengths.to(network.device)
        rows = torch.arange(self.boards, device=network.device)
        self._done.zero_()
        self._at.copy_(lengths)
        self._choose(network.logits(self._views, hidden[rows, lengths - 1]))
        replies = [self._token.clone()]
        for number in range(1, longest):
            if number % _LOOK == 0 and bool(self._done.all()):
                break
            self._advance()
            replies.append(self._token.clone())
        tokens = torch.stack(replies, 1)
        ended = (tokens == self._end).cumsum(1) - (tokens == self._end).long()
        counts = (ended == 0).sum(1)
        return tokens, counts

    def _choose(self, logits: Tensor) -> None:
        """Take the next token of every reply; Gumbel noise makes the largest logit a sample."""
        noise = -torch.log(-torch.log(torch.rand_like(logits).clamp(1e-9, 1 - 1e-7)))
        token = torch.where(self._done, 0, (logits + self._temperature * noise).argmax(1))
        self._token.copy_(token)
        self._done.logical_or_(token == self._end)

    def _step(self) -> None:
        cos, sin = self._cos[self._at], self._sin[self._at]
        logits = self._network.decode(self._views, self._token, cos, sin, self._at, self._keys, self._values)
        self._choose(logits)
        self._at.add_(1)

    def _advance(self) -> None:
        if not self._token.is_cuda:
            self._step()
            return
        if self._graph is None:
            self._capture()
        assert self._graph is not None  # noqa: S101  for the type checker
        self._graph.replay()

    def _capture(self) -> None:
        """Record the step; warming up computes nonsense, so the state is put back."""
        state = (self._token, self._at, self._done)
        saved = [tensor.clone() for tensor in state]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                self._step()
                self._at.copy_(saved[1])
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._step()
        for tensor, value in zip(state, saved):
            tensor.copy_(value)
