"""A Qwen3-VL small enough to train from random weights on two processor cores.

Architecture, file layout and processor are those of Qwen3-VL-4B; only the sizes differ, and the tokenizer,
which is built from the suite's own prompts (`vsp_gym_trl.vocabulary`). Nothing is downloaded.

A picture of `n` cells a side drawn at `32 * n` pixels has one visual token for every cell, because a visual
token covers 2 x 2 patches of 16 pixels.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from transformers import AddedToken, GenerationConfig, Qwen2Tokenizer, Qwen3VLConfig
from transformers import Qwen3VLForConditionalGeneration as Qwen3VL
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from vsp_gym.core import check_int
from vsp_gym.errors import UnknownNameError, VSPGymError
from vsp_gym_trl.data import CELL
from vsp_gym_trl.processing import ImageProcessor
from vsp_gym_trl.vocabulary import MAX_SIZE, suite_vocabulary

PATCH = 16
"""Side of a patch in pixels, as in Qwen3-VL."""

MERGE = 2
"""Patches on each side of a visual token, as in Qwen3-VL."""

SPECIAL_TOKENS = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>"),
    *("<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>"),
    *("<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
)
"""Qwen's special tokens, in Qwen's order."""

ROLE_TOKENS = ("system\n", "user\n", "assistant\n")

CHAT_TEMPLATE = """\
{%- macro text(content) -%}
    {%- if content is string -%}{{- content -}}
    {%- else -%}
        {%- for part in content -%}
            {%- if part.type == 'image' or 'image' in part or 'image_url' in part -%}
                {{- '<|vision_start|><|image_pad|><|vision_end|>' -}}
            {%- elif 'text' in part -%}{{- part.text -}}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
{%- for message in messages -%}
    {{- '<|im_start|>' + message.role + '\\n' -}}
    {%- if message.role == 'assistant' -%}
        {%- generation -%}{{- text(message.content) + '<|im_end|>' -}}{%- endgeneration -%}{{- '\\n' -}}
    {%- else -%}{{- text(message.content) + '<|im_end|>\\n' -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""
"""Qwen's chat format for pictures and text; an assistant's words are marked as what is learned."""


@dataclass(frozen=True)
class Preset:
    """Sizes of a tiny model."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vision_hidden: int
    vision_layers: int
    vision_heads: int
    vision_feed_forward: int
    about: str


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "micro": Preset(64, 2, 2, 128, 32, 1, 1, 64, "for tests: steps in milliseconds, learns little"),
        "small": Preset(128, 4, 2, 384, 64, 2, 2, 192, "for two processor cores: lakes of 3 and 4 cells"),
        "base": Preset(384, 8, 6, 1024, 256, 4, 4, 768, "for one GPU: every task at the sizes of the paper"),
    }
)
"""The sizes that `build_tiny` knows."""


def get_preset(preset: str | Preset) -> Preset:
    """The preset of that name; raises `UnknownNameError` for any other."""
    if isinstance(preset, Preset):
        return preset
    try:
        return PRESETS[preset]
    except (KeyError, TypeError):
        raise UnknownNameError("preset", preset, PRESETS) from None


def build_tokenizer(theme: str = "classic") -> Qwen2Tokenizer:
    """A byte-level `Qwen2Tokenizer` in which what the suite says is few tokens."""
    tokenizer = Qwen2Tokenizer(
        vocab={symbol: index for index, symbol in enumerate(_byte_alphabet())},
        merges=[],
        eos_token=SPECIAL_TOKENS[2],
        pad_token=SPECIAL_TOKENS[0],
        model_max_length=4096,
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIAL_TOKENS)})
    phrases = (*ROLE_TOKENS, *suite_vocabulary(theme=theme))
    tokenizer.add_tokens([AddedToken(phrase, normalized=False, special=False) for phrase in phrases])
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.padding_side = "left"
    return tokenizer


def _byte_alphabet() -> list[str]:
    """The characters that stand for the 256 bytes in a byte-level vocabulary, by byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    symbols = {byte: chr(byte) for byte in printable}
    symbols.update({byte: chr(256 + index) for index, byte in enumerate(others)})
    return [symbols[byte] for byte in range(256)]


def build_processor(tokenizer: Qwen2Tokenizer, max_size: int = MAX_SIZE) -> ImageProcessor:
    """The processor for pictures of boards up to `max_size` cells a side; larger ones are scaled down."""
    image_processor = Qwen2VLImageProcessorPil(
        patch_size=PATCH,
        temporal_patch_size=2,
        merge_size=MERGE,
        size={"shortest_edge": CELL**2, "longest_edge": (CELL * max_size) ** 2},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    processor = ImageProcessor(
        image_processor=image_processor, tokenizer=tokenizer, chat_template=CHAT_TEMPLATE
    )
    processor.video_config = _VIDEO_CONFIG
    return processor


def build_model(tokenizer: Qwen2Tokenizer, preset: str | Preset = "small", *, seed: int = 0) -> Qwen3VL:
    """A Qwen3-VL with random weights for a tokenizer; the same weights for the same seed."""
    sizes = get_preset(preset)
    check_int(seed, "seed", 0, (1 << 63) - 1, VSPGymError)
    token = tokenizer.convert_tokens_to_ids
    head = sizes.hidden // sizes.heads
    side = head // 2 // 3
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": -(-len(tokenizer) // 64) * 64,
            "hidden_size": sizes.hidden,
            "intermediate_size": sizes.feed_forward,
            "num_hidden_layers": sizes.layers,
            "num_attention_heads": sizes.heads,
            "num_key_value_heads": sizes.heads,
            "head_dim": head,
            "max_position_embeddings": 4096,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_interleaved": True,
                "mrope_section": [head // 2 - 2 * side, side, side],
            },
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": sizes.vision_layers,
            "hidden_size": sizes.vision_hidden,
            "intermediate_size": sizes.vision_feed_forward,
            "num_heads": sizes.vision_heads,
            "in_channels": 3,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
            "out_hidden_size": sizes.hidden,
            "num_position_embeddings": 256,
            "deepstack_visual_indexes": [sizes.vision_layers // 2] if sizes.vision_layers > 1 else [],
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    model = Qwen3VL(config)
    _initialise(model, sizes, seed)
    model.generation_config = GenerationConfig(
        eos_token_id=[tokenizer.eos_token_id, tokenizer.pad_token_id],
        pad_token_id=tokenizer.pad_token_id,
        do_sample=False,
    )
    return model


def _initialise(model: Qwen3VL, sizes: Preset, seed: int) -> None:
    """Weights with the variance of one over their inputs, less where they add to the residual stream.

    Qwen's own 0.02 is meant for widths of thousands; at these widths it delays learning severalfold.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        if weight.dim() < 2:
            continue
        std = 1 / math.sqrt(weight[0].numel())
        if "embed" in name and "patch" not in name:
            std = 0.05
        elif "o_proj" in name or "down_proj" in name:
            std /= math.sqrt(2 * sizes.layers)
        elif "attn.proj" in name or ("blocks" in name and "linear_fc2" in name):
            std /= math.sqrt(2 * sizes.vision_layers)
        with torch.no_grad():
            weight.copy_(torch.randn(weight.shape, generator=generator) * std)


def build_tiny(
    out: str | Path, preset: str | Preset = "small", *, seed: int = 0, theme: str = "classic"
) -> int:
    """Write a tiny Qwen3-VL to a folder, laid out as Qwen3-VL-4B is.

    Args:
        out: the folder; made if it does not exist, which must be empty otherwise.
        preset: a name from `PRESETS`, or sizes.
        seed: seed of the weights.
        theme: the look whose legend is in the vocabulary.

    Returns:
        The number of weights.

    Raises:
        UnknownNameError: for an unknown preset or theme.
        VSPGymError: if the folder has files in it or cannot be written.
    """
    folder = Path(out)
    get_preset(preset)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise VSPGymError(f"{folder} is not empty; name a new folder")
        tokenizer = build_tokenizer(theme)
        model = build_model(tokenizer, preset, seed=seed)
        model.save_pretrained(folder)
        build_processor(tokenizer).save_pretrained(folder)
    except OSError as error:
        raise VSPGymError(f"{folder} cannot be written: {error.strerror or error}") from None
    return sum(weight.numel() for weight in model.parameters())


_VIDEO_CONFIG = json.dumps(
    {
        "video_processor_type": "Qwen3VLVideoProcessor",
        "patch_size": PATCH,
        "merge_size": MERGE,
        "temporal_patch_size": 2,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    },
    indent=2,
)
"""Programs that ask every Qwen3-VL for its video processor, as vLLM does, find one."""
