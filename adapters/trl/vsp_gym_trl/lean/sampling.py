"""Replies to many boards at once, with a static key-value cache and, on a GPU, a CUDA graph for a token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from vsp_gym_trl.lean.boards import Ragged, concatenate
from vsp_gym_trl.lean.graphs import Recorder
from vsp_gym_trl.lean.network import Network, cells_a_side
from vsp_gym_trl.lean.weights import Views

_LOOK = 8
"""Tokens between two looks at whether all replies have ended."""


class Prompted(NamedTuple):
    """Boards of one task and size that replies are wanted to."""

    prompts: Ragged
    drafts: Ragged | None = None
    """What the replies are expected to begin with."""
    patches: Tensor | None = None
    """Their pictures, as for `Network.hidden`."""
    picture_at: int | None = None
    """Where the pictures' tokens begin, if there are any."""


class Sampler:
    """Samples replies from a network for a fixed number of boards, those of several groups together.

    Args:
        network: the architecture.
        views: the weights; the network's own may be trained between calls.
        groups: how many groups every batch has, each of boards of one task and size.
        boards: boards of each group.
        places: longest prompt and reply together.
        end: the token that ends a reply.
    """

    def __init__(
        self, network: Network, views: Views, groups: int, boards: int, places: int, end: int
    ) -> None:
        self.boards, self.places = boards, places
        self._network, self._views, self._end = network, views, end
        device, dtype = network.device, network.dtype
        rows = groups * boards
        shape = (network.layers, rows, network.heads, places, network.head_size)
        self._keys = torch.zeros(shape, device=device, dtype=dtype)
        self._values = torch.zeros_like(self._keys)
        self._cos = torch.zeros(groups, places, network.head_size, device=device, dtype=dtype)
        self._sin = torch.zeros_like(self._cos)
        self._group = torch.arange(groups, device=device).repeat_interleave(boards)
        self._token = torch.zeros(rows, dtype=torch.int64, device=device)
        self._at = torch.zeros_like(self._token)
        self._done = torch.zeros(rows, dtype=torch.bool, device=device)
        self._temperature = torch.zeros((), device=device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._recorder = Recorder(device)

    @torch.no_grad()
    def run(
        self, groups: Sequence[Prompted], longest: int, temperature: float = 1.0, *, recorded: bool = True
    ) -> list[Ragged]:
        """Replies to the boards of every group, of at most `longest` tokens besides their drafts.

        A draft costs one forward pass and changes no token, as each of its tokens is drawn anew. But a reply
        that departs from its draft is cut there, after the token that was drawn instead.

        Args:
            groups: as many as the sampler was made for, each with its number of boards.
            longest: where replies are cut.
            temperature: 0 for the likeliest token every time.
            recorded: whether prompts are read by a recording, which pays where the same shapes come again.

        Returns:
            For every group the replies, `int64[boards, tokens]`, with the tokens that end them.
        """
        self._temperature.fill_(temperature)
        begun = [self._read(number, group, recorded) for number, group in enumerate(groups)]
        longest = min(longest, self.places - max(_length(group) for group in groups))
        replies = [self._token.clone()]
        for number in range(1, longest):
            if number % _LOOK == 0 and bool(self._done.all()):
                break
            self._advance()
            replies.append(self._token.clone())
        tokens = torch.stack(replies, 1)
        ends = tokens == self._end
        lengths = (ends.cumsum(1) - ends.long() == 0).sum(1)
        found = []
        for number, (group, (accepted, cut)) in enumerate(zip(groups, begun)):
            rows = self._rows(number)
            ids, counts = tokens[rows], torch.where(cut, 1, lengths[rows]).cpu()
            told = Ragged(ids[:, : int(counts.max())], counts)
            drafted = [Ragged(group.drafts.ids, accepted.cpu())] if group.drafts else []
            found.append(concatenate([*drafted, told]))
        return found

    def _rows(self, number: int) -> slice:
        """The rows of a group."""
        return slice(number * self.boards, (number + 1) * self.boards)

    def _read(self, number: int, group: Prompted, recorded: bool) -> tuple[Tensor, Tensor]:
        """Put a group's prompts and drafts into the cache, and draw the token after each.

        Returns:
            With how many tokens of its draft every reply begins, `int64[boards]`, and whether it departs.
        """
        network, at, rows = self._network, group.picture_at, self._rows(number)
        drafts = group.drafts or Ragged(group.prompts.ids[:, :0], torch.zeros(self.boards, dtype=torch.int64))
        whole = concatenate([group.prompts, drafts], _length(group)).ids.long()

        def work(
            ids: Tensor, lengths: Tensor, draft: Tensor, expected: Tensor, patches: Tensor | None = None
        ) -> list[Tensor]:
            cache: list[tuple[Tensor, Tensor]] = []
            places = torch.arange(draft.shape[1] + 1, device=network.device)
            last = (lengths[:, None] - 1 + places).clamp(max=ids.shape[1] - 1)
            ends = network.hidden(self._views, ids, last, patches, at, cache)
            drawn = self._draw(network.logits(self._views, ends))
            agrees = (drawn[:, :-1] == draft) & (places[:-1] < expected[:, None])
            accepted = agrees.long().cumprod(1).sum(1)
            keys, values = (torch.stack(layers) for layers in zip(*cache))
            return [drawn.gather(1, accepted[:, None])[:, 0], accepted, keys, values]

        side = cells_a_side(group.patches)
        for table, source in zip((self._cos, self._sin), network.rope(self.places, at, side)):
            table[number].copy_(source)
        prompted, expected = (ragged.lengths.to(network.device) for ragged in (group.prompts, drafts))
        seen = () if group.patches is None else (group.patches,)
        given = (whole, prompted, drafts.ids.long(), expected, *seen)
        token, accepted, keys, values = self._recorder.run(at, work, *given) if recorded else work(*given)
        self._keys[:, rows, :, : whole.shape[1]] = keys
        self._values[:, rows, :, : whole.shape[1]] = values
        cut = accepted < expected
        self._token[rows] = token
        self._done[rows] = cut | (token == self._end)
        self._at[rows] = prompted + accepted
        return accepted, cut

    def _draw(self, logits: Tensor) -> Tensor:
        """Tokens by their probabilities: Gumbel noise makes the largest logit a sample."""
        noise = -torch.log(-torch.log(torch.rand_like(logits).clamp(1e-9, 1 - 1e-7)))
        return (logits + self._temperature * noise).argmax(-1)

    def _choose(self, logits: Tensor) -> None:
        """Take the next token of every reply."""
        token = torch.where(self._done, 0, self._draw(logits))
        self._token.copy_(token)
        self._done.logical_or_(token == self._end)

    def _step(self) -> None:
        cos, sin = self._cos[self._group, self._at], self._sin[self._group, self._at]
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
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
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


def _length(group: Prompted) -> int:
    """Tokens of the longest prompt and the longest draft."""
    return group.prompts.ids.shape[1] + (group.drafts.ids.shape[1] if group.drafts else 0)
