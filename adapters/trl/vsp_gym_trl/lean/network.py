"""Qwen3-VL's forward pass over batches of equal shape: the same weights, the same logits, less around it.

Transformers' model finds positions row by row in Python and packs pictures into one sequence. Here every
picture is a canvas of `side x side` cells with the board in its top left corner, every row of a batch has its
picture at the same place, and rows are padded on the right, so no mask is needed: the causal mask hides the
padding from all that counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from vsp_gym.errors import VSPGymError
from vsp_gym_trl.lean.attention import attend
from vsp_gym_trl.lean.weights import Views, Weights

SIDE = 8
"""Cells on each side of the canvas, if not told otherwise: the largest lake of the paper."""

EPSILON = 1e-6

_VARIANTS = 64
"""Compiled variants of a layer that are kept, instead of falling back to slow code after a few."""

_TEXT = "model.language_model."
_VISION = "model.visual."
_TEXT_LAYER = (
    *("input_layernorm.weight", "self_attn.q_proj.weight", "self_attn.k_proj.weight"),
    *("self_attn.v_proj.weight", "self_attn.q_norm.weight", "self_attn.k_norm.weight"),
    *("self_attn.o_proj.weight", "post_attention_layernorm.weight", "mlp.gate_proj.weight"),
    *("mlp.up_proj.weight", "mlp.down_proj.weight"),
)
_BEFORE_ATTENTION = 6
"""How many of these come before attention."""

_VISION_LAYER = tuple(
    f"{part}.{kind}"
    for part in ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.linear_fc1", "mlp.linear_fc2")
    for kind in ("weight", "bias")
)


class Network:
    """A Qwen3-VL for pictures of one size, with its weights in `weights`.

    A cell of a picture is 2 x 2 patches, which Qwen3-VL merges into one visual token.

    Args:
        model: a `Qwen3VLForConditionalGeneration` with as many key-value heads as heads and tied embeddings.
        device, dtype: where and in which type it computes.
        side: cells on each side of the canvas.
        compiled: whether layers are compiled by `torch.compile` when first used.

    Raises:
        VSPGymError: if the model has another architecture.
    """

    def __init__(
        self,
        model: Any,
        device: torch.device | str,
        dtype: torch.dtype = torch.float32,
        *,
        side: int = SIDE,
        compiled: bool = False,
    ) -> None:
        text, vision = model.config.text_config, model.config.vision_config
        _check(text, vision, tied=model.config.tie_word_embeddings)
        self.device, self.dtype = torch.device(device), dtype
        self.side, self.cells = side, side * side
        self.weights = Weights(model, device, dtype)
        self.vocabulary: int = text.vocab_size
        self.layers: int = text.num_hidden_layers
        self.heads: int = text.num_attention_heads
        self.head_size: int = text.head_dim
        self.width: int = text.hidden_size
        self._vision_layers: int = vision.depth
        self._vision_heads: int = vision.num_heads
        self._deepstack: list[int] = list(vision.deepstack_visual_indexes)
        self._frequencies = _frequencies(self.head_size, text.rope_parameters["rope_theta"])
        self._sections: list[int] = text.rope_parameters["mrope_section"]
        self._vision_rope = self._axial_rope(vision.hidden_size // vision.num_heads)
        self._grid = self._position_weights(math.isqrt(vision.num_position_embeddings))
        self.text_layer = _compiled(text_layer, compiled)
        self.vision_layer = _compiled(vision_layer, compiled)
        self.decode_start = _compiled(decode_start, compiled)
        self.decode_end = _compiled(decode_end, compiled)

    # ---- positions ----------------------------------------------------------------------------------------

    def _axial_rope(self, size: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines of all patches, `[4 * cells, 1, size]` each."""
        y, x = _patch_positions(self.side)
        frequencies = _frequencies(size // 2, 10000.0)
        angles = torch.cat([y[:, None] * frequencies, x[:, None] * frequencies], 1)
        angles = torch.cat([angles, angles], 1)[:, None]
        return angles.cos().to(self.device, self.dtype), angles.sin().to(self.device, self.dtype)

    def _position_weights(self, learned: int) -> Tensor:
        """How patches mix the learned positions, `[4 * cells, learned**2]`: bilinear, edge on edge."""
        y, x = _patch_positions(self.side)
        grid = torch.zeros(len(y), learned * learned)
        scale = (learned - 1) / (2 * self.side - 1)
        rows = torch.arange(len(y))
        for row, row_share in _neighbours(y * scale, learned):
            for col, col_share in _neighbours(x * scale, learned):
                grid[rows, row * learned + col] += row_share * col_share
        return grid.to(self.device, self.dtype)

    @cache  # noqa: B019  recorded graphs read these for as long as there are networks
    def rope(self, length: int, picture_at: int | None) -> tuple[Tensor, Tensor]:
        """Cosines and sines of the positions of a row, `[length, head_size]` each.

        Args:
            length: tokens of the row.
            picture_at: where the picture's tokens begin, or None.
        """
        positions = torch.arange(length).expand(3, -1)
        if picture_at is not None:
            cell, side = torch.arange(self.cells), self.side
            picture = torch.stack([torch.zeros_like(cell), cell // side, cell % side]) + picture_at
            after = torch.arange(picture_at + side, picture_at + side + length).expand(3, -1)
            positions = torch.cat([positions[:, :picture_at], picture, after], 1)[:, :length]
        angles = positions[..., None].float() * self._frequencies
        mixed = angles[0].clone()
        for axis in (1, 2):
            chosen = slice(axis, self._sections[axis] * 3, 3)
            mixed[:, chosen] = angles[axis][:, chosen]
        mixed = torch.cat([mixed, mixed], -1)
        return mixed.cos().to(self.device, self.dtype), mixed.sin().to(self.device, self.dtype)

    # ---- forward ------------------------------------------------------------------------------------------

    def see(self, views: Views, patches: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What the vision tower makes of pictures.

        Args:
            views: the weights.
            patches: `[boards, 4 * cells, 3 * 16 * 16]`, the four patches of a cell one after the other.

        Returns:
            The visual tokens `[boards, cells, width]`, and the same for each deepstack level.
        """
        kernel = (
            views[f"{_VISION}patch_embed.proj.weight"].sum(2).flatten(1)
        )  # both frames are the same picture
        x = functional.linear(patches, kernel, views[f"{_VISION}patch_embed.proj.bias"])
        x = x + self._grid @ views[f"{_VISION}pos_embed.weight"]
        levels = []
        cos, sin = self._vision_rope
        for layer in range(self._vision_layers):
            names = (f"{_VISION}blocks.{layer}.{name}" for name in _VISION_LAYER)
            x = self.vision_layer(x, cos, sin, self._vision_heads, *(views[name] for name in names))
            if layer in self._deepstack:
                name = f"{_VISION}deepstack_merger_list.{self._deepstack.index(layer)}."
                levels.append(_merge(views, name, x, after_shuffle=True))
        return _merge(views, f"{_VISION}merger.", x, after_shuffle=False), levels

    def hidden(
        self,
        views: Views,
        ids: Tensor,
        patches: Tensor | None = None,
        picture_at: int | None = None,
        cache: list[tuple[Tensor, Tensor]] | None = None,
    ) -> Tensor:
        """The last hidden states `[boards, length, width]` of rows of tokens.

        Args:
            views: the weights.
            ids: `int64[boards, length]`, padded on the right.
            patches: the pictures, as for `see`, if there are any.
            picture_at: where the pictures' tokens begin.
            cache: keys and values of every layer are appended, `[boards, heads, length, head_size]` each.
        """
        x = functional.embedding(ids, views[f"{_TEXT}embed_tokens.weight"])
        levels: list[Tensor] = []
        start, stop = picture_at or 0, (picture_at or 0) + self.cells
        if patches is not None:
            tokens, levels = self.see(views, patches)
            x = torch.cat([x[:, :start], tokens, x[:, stop:]], 1)
        cos, sin = self.rope(ids.shape[1], picture_at)
        for layer in range(self.layers):
            x, keys, values = self.text_layer(
                x, cos[:, None], sin[:, None], self.head_size, *self._of(views, layer)
            )
            if cache is not None:
                cache.append((keys, values))
            if layer < len(levels):
                x = torch.cat([x[:, :start], x[:, start:stop] + levels[layer], x[:, stop:]], 1)
        return functional.rms_norm(x, (self.width,), views[f"{_TEXT}norm.weight"], EPSILON)

    def logits(self, views: Views, hidden: Tensor) -> Tensor:
        """Logits `float32[..., vocabulary]` of hidden states."""
        return functional.linear(hidden, views[f"{_TEXT}embed_tokens.weight"]).float()

    def decode(
        self, views: Views, ids: Tensor, cos: Tensor, sin: Tensor, at: Tensor, keys: Tensor, values: Tensor
    ) -> Tensor:
        """Logits `[boards, vocabulary]` after one more token of each row.

        Args:
            views: the weights.
            ids: `int64[boards]` the tokens.
            cos, sin: of their positions, `[boards, head_size]`.
            at: `int64[boards]` their places in the cache.
            keys, values: the cache, `[layers, boards, heads, places, head_size]`; written to.
        """
        x = functional.embedding(ids, views[f"{_TEXT}embed_tokens.weight"])
        for layer in range(self.layers):
            weights = self._of(views, layer)
            before, after = weights[:_BEFORE_ATTENTION], weights[_BEFORE_ATTENTION:]
            query, key, value = self.decode_start(x, cos[:, None], sin[:, None], self.head_size, *before)
            x = self.decode_end(x, attend(query, key, value, keys[layer], values[layer], at), *after)
        return self.logits(
            views, functional.rms_norm(x, (self.width,), views[f"{_TEXT}norm.weight"], EPSILON)
        )

    def _of(self, views: Views, layer: int) -> list[Tensor]:
        return [views[f"{_TEXT}layers.{layer}.{name}"] for name in _TEXT_LAYER]


def _check(text: Any, vision: Any, *, tied: bool) -> None:
    if text.num_key_value_heads != text.num_attention_heads or not tied:
        raise VSPGymError(
            "the lean loop takes models with as many key-value heads as heads and tied embeddings"
        )
    if (vision.patch_size, vision.spatial_merge_size, vision.in_channels) != (16, 2, 3):
        raise VSPGymError(
            "the lean loop takes models with patches of 16 pixels, merged 2 x 2, in three colours"
        )


def _compiled(function: Callable[..., Any], compiled: bool) -> Callable[..., Any]:
    """The function, or a compiled one: for each way of calling it once, and then for any batch and length."""
    if not compiled:
        return function
    dynamo: Any = torch._dynamo
    dynamo.config.recompile_limit = max(dynamo.config.recompile_limit, _VARIANTS)
    return torch.compile(function)


def _frequencies(size: int, base: float) -> Tensor:
    return 1.0 / base ** (torch.arange(0, size, 2).float() / size)


def _patch_positions(side: int) -> tuple[Tensor, Tensor]:
    """Row and column of every patch, `[4 * side * side]`: cell by cell, the four of a cell together."""
    cell, part = torch.arange(side * side)[:, None], torch.arange(4)[None]
    y, x = 2 * (cell // side) + part // 2, 2 * (cell % side) + part % 2
    return y.reshape(-1), x.reshape(-1)


def _neighbours(positions: Tensor, side: int) -> list[tuple[Tensor, Tensor]]:
    """The two grid lines around positions, and the share of each."""
    low = positions.floor().long().clamp(max=side - 1)
    high = (low + 1).clamp(max=side - 1)
    share = positions - low
    return [(low, 1 - share), (high, share)]


def _merge(views: Views, name: str, x: Tensor, *, after_shuffle: bool) -> Tensor:
    """The four patches of each cell as one visual token."""
    weight, bias = views[f"{name}norm.weight"], views[f"{name}norm.bias"]
    boards, patches, width = x.shape
    merged = (boards, patches // 4, 4 * width)
    if after_shuffle:
        x = x.reshape(merged)
    x = functional.layer_norm(x, (x.shape[-1],), weight, bias, EPSILON).reshape(merged)
    x = functional.gelu(
        functional.linear(x, views[f"{name}linear_fc1.weight"], views[f"{name}linear_fc1.bias"])
    )
    return functional.linear(x, views[f"{name}linear_fc2.weight"], views[f"{name}linear_fc2.bias"])


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), -1) * sin


def _normed(x: Tensor, weight: Tensor) -> Tensor:
    return functional.rms_norm(x, (x.shape[-1],), weight, EPSILON)


def _feed_forward(x: Tensor, norm: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    h = _normed(x, norm)
    return x + functional.linear(functional.silu(functional.linear(h, gate)) * functional.linear(h, up), down)


def _attention(query: Tensor, key: Tensor, value: Tensor, *, causal: bool = False) -> Tensor:
    """Attention of `[rows, heads, length, head_size]`."""
    if query.device.type != "cpu":
        return functional.scaled_dot_product_attention(query, key, value, is_causal=causal)
    scores = query @ key.mT / math.sqrt(query.shape[-1])  # for rows as short as these, faster than that
    if causal:
        length = query.shape[-2]
        scores = scores + torch.full((length, length), -math.inf, dtype=scores.dtype).triu(1)
    return scores.softmax(-1) @ value


def text_layer(
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    head_size: int,
    norm: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_norm: Tensor,
    key_norm: Tensor,
    out: Tensor,
    *feed_forward: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """A decoder layer over whole rows; also returns its keys and values."""
    rows, length, _ = x.shape
    h = _normed(x, norm)
    shape = (rows, length, -1, head_size)
    q = _rotate(_normed(functional.linear(h, query).view(shape), query_norm), cos, sin).transpose(1, 2)
    k = _rotate(_normed(functional.linear(h, key).view(shape), key_norm), cos, sin).transpose(1, 2)
    v = functional.linear(h, value).view(shape).transpose(1, 2)
    mixed = _attention(q, k, v, causal=True).transpose(1, 2).reshape(rows, length, -1)
    return _feed_forward(x + functional.linear(mixed, out), *feed_forward), k, v


def decode_start(
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    head_size: int,
    norm: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_norm: Tensor,
    key_norm: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """A decoder layer for one new token of each row, up to its query, key and value."""
    h = _normed(x, norm)
    shape = (len(x), -1, head_size)
    q = _rotate(_normed(functional.linear(h, query).view(shape), query_norm), cos, sin)
    k = _rotate(_normed(functional.linear(h, key).view(shape), key_norm), cos, sin)
    return q, k, functional.linear(h, value).view(shape)


def decode_end(x: Tensor, mixed: Tensor, out: Tensor, *feed_forward: Tensor) -> Tensor:
    """What is left of the layer when the tokens have attended."""
    return _feed_forward(x + functional.linear(mixed.flatten(1), out), *feed_forward)


def vision_layer(
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    heads: int,
    norm1: Tensor,
    norm1_bias: Tensor,
    qkv: Tensor,
    qkv_bias: Tensor,
    out: Tensor,
    out_bias: Tensor,
    norm2: Tensor,
    norm2_bias: Tensor,
    up: Tensor,
    up_bias: Tensor,
    down: Tensor,
    down_bias: Tensor,
) -> Tensor:
    """A layer of the vision tower over all patches of each picture."""
    rows, length, width = x.shape
    h = functional.layer_norm(x, (width,), norm1, norm1_bias, EPSILON)
    q, k, v = functional.linear(h, qkv, qkv_bias).view(rows, length, 3, heads, -1).unbind(2)
    q, k = _rotate(q, cos, sin).transpose(1, 2), _rotate(k, cos, sin).transpose(1, 2)
    mixed = _attention(q, k, v.transpose(1, 2)).transpose(1, 2).reshape(rows, length, width)
    x = x + functional.linear(mixed, out, out_bias)
    h = functional.linear(functional.layer_norm(x, (width,), norm2, norm2_bias, EPSILON), up, up_bias)
    return x + functional.linear(functional.gelu(h, approximate="tanh"), down, down_bias)
