"""Qwen3-VL's forward pass over batches of equal shape: the same weights, the same logits, less around it.

Transformers' model finds positions row by row in Python and packs pictures into one sequence. Here all
pictures of a batch have the same number of cells, every row has its picture at the same place, and rows are
padded on the right, so no mask is needed: the causal mask hides the padding from all that counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from vsp_gym.errors import VSPGymError
from vsp_gym_trl.lean.attention import attend
from vsp_gym_trl.lean.weights import Views, Weights

EPSILON = 1e-6

_VARIANTS = 64
"""Compiled variants of a layer that are kept, instead of falling back to slow code after a few."""

_TEXT = "model.language_model."
_VISION = "model.visual."
_QUERY_KEY_VALUE, _GATE_UP = "self_attn.qkv", "mlp.gate_up"
_JOINED = {
    _QUERY_KEY_VALUE: tuple(f"self_attn.{part}_proj.weight" for part in "qkv"),
    _GATE_UP: tuple(f"mlp.{part}_proj.weight" for part in ("gate", "up")),
}
"""Matrices of a layer that are multiplied as one, which is faster."""

_TEXT_LAYER = (
    *("input_layernorm.weight", _QUERY_KEY_VALUE, "self_attn.q_norm.weight", "self_attn.k_norm.weight"),
    *("self_attn.o_proj.weight", "post_attention_layernorm.weight", _GATE_UP, "mlp.down_proj.weight"),
)
_BEFORE_ATTENTION = 4
"""How many of these come before attention."""

_VISION_LAYER = tuple(
    f"{part}.{kind}"
    for part in ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.linear_fc1", "mlp.linear_fc2")
    for kind in ("weight", "bias")
)


class Network:
    """A Qwen3-VL for square pictures of boards, with its weights in `weights`.

    A cell of a picture is 2 x 2 patches, which Qwen3-VL merges into one visual token.

    Args:
        model: a `Qwen3VLForConditionalGeneration` with as many key-value heads as heads and tied embeddings.
        device, dtype: where and in which type it computes.
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
        compiled: bool = False,
    ) -> None:
        text, vision = model.config.text_config, model.config.vision_config
        _check(text, vision, tied=model.config.tie_word_embeddings)
        self.device, self.dtype = torch.device(device), dtype
        self.layers: int = text.num_hidden_layers
        joined = {
            f"{_TEXT}layers.{layer}.{name}": [f"{_TEXT}layers.{layer}.{part}" for part in parts]
            for layer in range(self.layers)
            for name, parts in _JOINED.items()
        }
        self.weights = Weights(model, device, dtype, joined)
        self.vocabulary: int = text.vocab_size
        self.heads: int = text.num_attention_heads
        self.head_size: int = text.head_dim
        self.width: int = text.hidden_size
        self._vision_layers: int = vision.depth
        self._vision_heads: int = vision.num_heads
        self._deepstack: list[int] = list(vision.deepstack_visual_indexes)
        self._frequencies = _frequencies(self.head_size, text.rope_parameters["rope_theta"])
        self._sections: list[int] = text.rope_parameters["mrope_section"]
        self._vision_head_size: int = vision.hidden_size // vision.num_heads
        self._learned_positions = math.isqrt(vision.num_position_embeddings)
        rows, places = (0,), (0, 1)
        self.text_layer = _compiled(text_layer, compiled, [places, rows, rows])
        self.last_text_layer = _compiled(last_text_layer, compiled, [places, places, rows, rows])
        self.vision_layer = _compiled(vision_layer, compiled, [places, rows, rows])
        self.decode_start = _compiled(decode_start, compiled, [rows, rows, rows])
        self.decode_end = _compiled(decode_end, compiled, [rows, rows])

    # ---- positions ----------------------------------------------------------------------------------------

    @cache  # noqa: B019  recorded graphs read these for as long as there are networks
    def _axial_rope(self, side: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines of all patches of a picture, `[4 * side**2, 1, head size]` each."""
        y, x = _patch_positions(side)
        frequencies = _frequencies(self._vision_head_size // 2, 10000.0)
        angles = torch.cat([y[:, None] * frequencies, x[:, None] * frequencies], 1)
        angles = torch.cat([angles, angles], 1)[:, None]
        return angles.cos().to(self.device, self.dtype), angles.sin().to(self.device, self.dtype)

    @cache  # noqa: B019  as above
    def _position_weights(self, side: int) -> Tensor:
        """How patches mix the learned positions, `[4 * side**2, learned**2]`: bilinear, edge on edge."""
        y, x = _patch_positions(side)
        learned = self._learned_positions
        grid = torch.zeros(len(y), learned * learned)
        scale = (learned - 1) / (2 * side - 1)
        rows = torch.arange(len(y))
        for row, row_share in _neighbours(y * scale, learned):
            for col, col_share in _neighbours(x * scale, learned):
                grid[rows, row * learned + col] += row_share * col_share
        return grid.to(self.device, self.dtype)

    @cache  # noqa: B019  as above
    def rope(self, length: int, picture_at: int | None, side: int = 0) -> tuple[Tensor, Tensor]:
        """Cosines and sines of the positions of a row, `[length, head_size]` each.

        Args:
            length: tokens of the row.
            picture_at: where the picture's tokens begin, or None.
            side: cells on each side of the picture.
        """
        positions = torch.arange(length).expand(3, -1)
        if picture_at is not None:
            cell = torch.arange(side * side)
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
            patches: `[boards, 4 * cells, 3 * 16 * 16]`, the four patches of a cell one after the other; cells
                row by row.

        Returns:
            The visual tokens `[boards, cells, width]`, and the same for each deepstack level.
        """
        kernel = (
            views[f"{_VISION}patch_embed.proj.weight"].sum(2).flatten(1)
        )  # both frames are the same picture
        x = functional.linear(patches, kernel, views[f"{_VISION}patch_embed.proj.bias"])
        side = cells_a_side(patches)
        x = x + self._position_weights(side) @ views[f"{_VISION}pos_embed.weight"]
        levels = []
        cos, sin = self._axial_rope(side)
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
        places: Tensor,
        patches: Tensor | None = None,
        picture_at: int | None = None,
        cache: list[tuple[Tensor, Tensor]] | None = None,
        states: list[Tensor] | None = None,
    ) -> Tensor:
        """The last hidden states `[boards, places, width]` at some places of rows of tokens.

        Args:
            views: the weights.
            ids: `int64[boards, length]`, padded on the right.
            places: `int64[boards, places]`; nothing else is computed that they do not need.
            patches: the pictures, as for `see`, if there are any.
            picture_at: where the pictures' tokens begin.
            cache: keys and values of every layer are appended, `[boards, heads, length, head_size]` each.
            states: what every layer gives at these places is appended, `[boards, places, width]` each.
        """
        x = functional.embedding(ids, views[f"{_TEXT}embed_tokens.weight"])
        levels: list[Tensor] = []
        start, side = picture_at or 0, cells_a_side(patches)
        stop = start + side**2
        if patches is not None:
            tokens, levels = self.see(views, patches)
            x = torch.cat([x[:, :start], tokens, x[:, stop:]], 1)
        cos, sin = self.rope(ids.shape[1], picture_at, side)
        for layer in range(self.layers):
            told = (cos[:, None], sin[:, None], self.head_size, *self._of(views, layer))
            if layer < self.layers - 1:
                x, keys, values = self.text_layer(x, *told)
            else:
                x, keys, values = self.last_text_layer(x, places, *told)
            if cache is not None:
                cache.append((keys, values))
            if states is not None:
                last = layer == self.layers - 1
                states.append(x if last else x.gather(1, places[..., None].expand(-1, -1, self.width)))
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


def cells_a_side(patches: Tensor | None) -> int:
    """Of square pictures given as patches; 0 where there are none."""
    return 0 if patches is None else math.isqrt(patches.shape[1] // 4)


def _check(text: Any, vision: Any, *, tied: bool) -> None:
    if text.num_key_value_heads != text.num_attention_heads or not tied:
        raise VSPGymError(
            "the lean loop takes models with as many key-value heads as heads and tied embeddings"
        )
    if (vision.patch_size, vision.spatial_merge_size, vision.in_channels) != (16, 2, 3):
        raise VSPGymError(
            "the lean loop takes models with patches of 16 pixels, merged 2 x 2, in three colours"
        )


def _compiled(
    function: Callable[..., Any], compiled: bool, varying: Sequence[Sequence[int]]
) -> Callable[..., Any]:
    """The function, or a compiled one: with and without gradients once, and not for every batch and length.

    Args:
        function: to be compiled.
        compiled: whether it is.
        varying: which dimensions of its first arguments change from call to call.
    """
    if not compiled:
        return function
    dynamo: Any = torch._dynamo
    dynamo.config.recompile_limit = max(dynamo.config.recompile_limit, _VARIANTS)
    fast = torch.compile(function)

    def call(*given: Any) -> Any:
        for tensor, dimensions in zip(given, varying):
            for dimension in dimensions:
                dynamo.maybe_mark_dynamic(tensor, dimension)
        return fast(*given)

    return call


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


def _feed_forward(x: Tensor, norm: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    gate, up = functional.linear(_normed(x, norm), gate_up).chunk(2, -1)
    return x + functional.linear(functional.silu(gate) * up, down)


def _heads(x: Tensor, parts: int, head_size: int) -> tuple[Tensor, ...]:
    """What lies in one row of numbers, part by part, `[..., heads, head_size]` each."""
    return x.view(*x.shape[:-1], parts, -1, head_size).unbind(-3)


def _query_key_value(
    h: Tensor, cos: Tensor, sin: Tensor, head_size: int, weight: Tensor, query_norm: Tensor, key_norm: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries and keys, normed and rotated, and values, `[..., heads, head_size]` each."""
    q, k, v = _heads(functional.linear(h, weight), 3, head_size)
    return _rotate(_normed(q, query_norm), cos, sin), _rotate(_normed(k, key_norm), cos, sin), v


def _attention(
    query: Tensor, key: Tensor, value: Tensor, *, causal: bool = False, seen: Tensor | None = None
) -> Tensor:
    """Attention of `[rows, heads, length, head_size]`; `seen` says which keys each query sees."""
    if query.device.type != "cpu":
        return functional.scaled_dot_product_attention(query, key, value, seen, is_causal=causal)
    scores = query @ key.mT / math.sqrt(query.shape[-1])  # for rows as short as these, faster than that
    if causal:
        length = query.shape[-2]
        seen = torch.ones(length, length, dtype=torch.bool).tril()
    if seen is not None:
        scores = scores.masked_fill(~seen, -math.inf)
    return scores.softmax(-1) @ value


def text_layer(
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    head_size: int,
    norm: Tensor,
    query_key_value: Tensor,
    query_norm: Tensor,
    key_norm: Tensor,
    out: Tensor,
    *feed_forward: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """A decoder layer over whole rows; also returns its keys and values."""
    told = _query_key_value(_normed(x, norm), cos, sin, head_size, query_key_value, query_norm, key_norm)
    q, k, v = (part.transpose(1, 2) for part in told)
    mixed = _attention(q, k, v, causal=True).transpose(1, 2).flatten(2)
    return _feed_forward(x + functional.linear(mixed, out), *feed_forward), k, v


def last_text_layer(
    x: Tensor,
    places: Tensor,
    cos: Tensor,
    sin: Tensor,
    head_size: int,
    norm: Tensor,
    query_key_value: Tensor,
    query_norm: Tensor,
    key_norm: Tensor,
    out: Tensor,
    *feed_forward: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """A decoder layer of which only some places `[rows, places]` are wanted; keys and values of all."""
    width = len(query_key_value) // 3
    keys_values = functional.linear(_normed(x, norm), query_key_value[width:])
    k, v = _heads(keys_values, 2, head_size)
    k, v = _rotate(_normed(k, key_norm), cos, sin).transpose(1, 2), v.transpose(1, 2)
    x = x.gather(1, places[..., None].expand(-1, -1, x.shape[-1]))
    (q,) = _heads(functional.linear(_normed(x, norm), query_key_value[:width]), 1, head_size)
    q = _rotate(_normed(q, query_norm), cos[places], sin[places]).transpose(1, 2)
    seen = torch.arange(k.shape[2], device=x.device) <= places[:, None, :, None]
    mixed = _attention(q, k, v, seen=seen).transpose(1, 2).flatten(2)
    return _feed_forward(x + functional.linear(mixed, out), *feed_forward), k, v


def decode_start(
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    head_size: int,
    norm: Tensor,
    *weights: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """A decoder layer for one new token of each row, up to its query, key and value."""
    return _query_key_value(_normed(x, norm), cos, sin, head_size, *weights)


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
