"""Processors of Qwen3-VL for pictures and text, loaded from ordinary model folders.

`transformers` needs torchvision for Qwen3-VL's videos alone. Boards are pictures, so the processor here has
no video part and works with or without torchvision; it reads the same folders and does the same to pictures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
from transformers.processing_utils import ProcessorMixin

from vsp_gym.errors import FormatError
from vsp_gym.evaluation.results import parse_json

VIDEO_FILE = "video_preprocessor_config.json"


class ImageProcessor(Qwen3VLProcessor):  # type: ignore[misc]
    """A `Qwen3VLProcessor` without videos."""

    def __init__(self, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None) -> None:
        for name in ("image", "video", "vision_start", "vision_end"):
            token = f"<|{name}_pad|>" if name in ("image", "video") else f"<|{name}|>"
            setattr(self, f"{name}_token", token)
            setattr(self, f"{name}_token_id", tokenizer.convert_tokens_to_ids(token))
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    video_config: str | None = None
    """Text of the video processor's file, which others ask every Qwen3-VL for; kept as it was."""

    def save_pretrained(self, save_directory: str | Path, **kwargs: Any) -> Any:
        """Write the processor's files, that of the video processor included."""
        written = super().save_pretrained(save_directory, **kwargs)
        if self.video_config is not None:
            (Path(save_directory) / VIDEO_FILE).write_text(self.video_config, encoding="utf-8")
        return written

    def to_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The configuration, under the name that `AutoProcessor` knows."""
        return {**super().to_dict(*args, **kwargs), "processor_class": Qwen3VLProcessor.__name__}


def load_processor(folder: str | Path) -> ImageProcessor:
    """The processor of a Qwen3-VL model folder; pads on the left, as generation needs.

    Raises:
        FormatError: if the folder has no tokenizer, image processor or chat template of a Qwen3-VL.
    """
    folder = Path(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        image_processor = Qwen2VLImageProcessorPil.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().split("\n")[0]
        raise FormatError(f"{folder} has no processor of a Qwen3-VL: {reason}") from None
    if tokenizer.convert_tokens_to_ids("<|image_pad|>") in (None, tokenizer.unk_token_id):
        raise FormatError(
            f"{folder}: the tokenizer has no token <|image_pad|>, so the model sees no pictures"
        )
    template = _chat_template(folder, tokenizer)
    tokenizer.padding_side = "left"
    processor = ImageProcessor(image_processor=image_processor, tokenizer=tokenizer, chat_template=template)
    video = folder / VIDEO_FILE
    processor.video_config = video.read_text(encoding="utf-8") if video.is_file() else None
    return processor


def _chat_template(folder: Path, tokenizer: Any) -> str:
    """The chat template: a file of its own, one in JSON as older folders have it, or the tokenizer's."""
    plain, wrapped = folder / "chat_template.jinja", folder / "chat_template.json"
    if plain.is_file():
        return plain.read_text(encoding="utf-8")
    if wrapped.is_file():
        data = parse_json(wrapped.read_bytes())
        template = data.get("chat_template") if isinstance(data, dict) else None
    else:
        template = tokenizer.chat_template
    if not isinstance(template, str):
        raise FormatError(f"{folder} has no chat template")
    return template
