"""Models on this machine: transformers (`hf:PATH`) and vLLM's offline engine (`vllm:PATH`)."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Sequence
from typing import Any

from vsp_gym.errors import VSPGymError
from vsp_gym.evaluation.models.base import Message, ModelError, Reply, Request, Sampling, check_reply


class TransformersModel:
    """A vision-language model that transformers runs, many boards at a time.

    Args:
        path: a folder or a name on the Hub, for `AutoModelForImageTextToText`.
        sampling: how replies are drawn. With a temperature, they depend on which boards share a batch.
        batch_size: boards that share a batch at most.
        device: as torch calls it; a GPU if there is one, for None.

    Raises:
        VSPGymError: if torch or transformers are not installed, or there is no such model.
    """

    sees_state = False

    def __init__(
        self, path: str, sampling: Sampling, *, batch_size: int = 8, device: str | None = None
    ) -> None:
        try:
            import torch
            from transformers import AutoModelForImageTextToText
        except ImportError as error:
            raise VSPGymError(
                f"hf:... needs torch and transformers ({error}): pip install 'vsp-gym[hf]'"
            ) from None
        if sampling.extra:
            raise VSPGymError("hf:... has no further fields of requests")
        self.name, self.batch_size, self.endpoints = path, batch_size, (f"hf:{path}",)
        self._torch = torch
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            self._processor = _load_processor(path)
            self._model = AutoModelForImageTextToText.from_pretrained(path, dtype="auto").to(device).eval()
        except (OSError, ValueError, RuntimeError) as error:
            raise VSPGymError(f"hf:{path} cannot be loaded: {' '.join(str(error).split()):.300}") from error
        self._seed = sampling.seed
        self._options: dict[str, Any] = {"do_sample": bool(sampling.temperature)}
        if sampling.max_tokens is not None:
            self._options["max_new_tokens"] = sampling.max_tokens
        if sampling.temperature:
            self._options["temperature"] = sampling.temperature
        if sampling.temperature and sampling.top_p is not None:
            self._options["top_p"] = sampling.top_p

    async def reply(self, requests: Sequence[Request], endpoint: int) -> list[Reply]:
        """One batch through `generate`, in a thread."""
        try:
            return await asyncio.to_thread(self._generate, requests)
        except (RuntimeError, ValueError, IndexError) as error:
            if isinstance(error, ModelError):
                raise
            raise ModelError(f"{type(error).__name__}: {error!s:.200}", "rejected") from error

    def _generate(self, requests: Sequence[Request]) -> list[Reply]:
        """Replies in order; processors take either pictures for all of a batch or for none."""
        conversations = [to_hf(request.messages) for request in requests]
        pictures = [_pictures(conversation) for conversation in conversations]
        replies: dict[int, Reply] = {}
        for with_pictures in (True, False):
            places = [place for place, found in enumerate(pictures) if bool(found) is with_pictures]
            if places:
                if self._seed is not None:
                    self._torch.manual_seed(self._seed + requests[places[0]].sample)
                batch = self._generate_alike(
                    [conversations[place] for place in places],
                    [pictures[place] for place in places] if with_pictures else None,
                )
                replies.update(zip(places, batch))
        return [replies[place] for place in range(len(requests))]

    def _generate_alike(
        self, conversations: list[list[Message]], pictures: list[list[Any]] | None
    ) -> list[Reply]:
        texts = self._processor.apply_chat_template(conversations, add_generation_prompt=True, tokenize=False)
        inputs = self._processor(
            text=texts, images=pictures, padding=True, padding_side="left", return_tensors="pt"
        ).to(self._model.device)
        with self._torch.inference_mode():
            output = self._model.generate(**inputs, **self._options)
        start = inputs["input_ids"].shape[1]
        lengths = inputs["attention_mask"].sum(dim=1).tolist()
        return [self._read(tokens[start:].tolist(), length) for tokens, length in zip(output, lengths)]

    def _read(self, tokens: list[int], prompt_tokens: int) -> Reply:
        ends = self._model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        stop = next((place for place, token in enumerate(tokens) if token in ends), None)
        kept = tokens if stop is None else tokens[:stop]
        text = self._processor.decode(kept, skip_special_tokens=True)
        finish = "length" if stop is None else "stop"
        return Reply(check_reply(text, self.name), finish, int(prompt_tokens), len(kept))

    async def close(self) -> None:
        """Let go of the weights."""
        del self._model


def _load_processor(path: str) -> Any:
    """The model's processor; one for pictures alone where torchvision, which videos need, is missing."""
    from transformers import AutoConfig, AutoProcessor

    try:
        processor = AutoProcessor.from_pretrained(path)
    except ImportError:
        processor = None
    if hasattr(processor, "image_processor"):  # without torchvision it may be a mere tokenizer
        return processor
    if AutoConfig.from_pretrained(path).model_type == "qwen3_vl":
        return image_only_processor().from_pretrained(path)
    raise VSPGymError(
        f"hf:{path} has no processor for pictures; it may need torchvision: pip install torchvision"
    )


def image_only_processor() -> Any:
    """Qwen3-VL's processor without its video part, the only one that needs torchvision."""
    from transformers import Qwen3VLProcessor
    from transformers.processing_utils import ProcessorMixin

    class ImageOnlyQwen3VLProcessor(Qwen3VLProcessor):  # type: ignore[misc,unused-ignore]
        def __init__(
            self, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None, **kwargs: Any
        ) -> None:
            for role, token in (
                ("image", "<|image_pad|>"),
                ("video", "<|video_pad|>"),
                ("vision_start", "<|vision_start|>"),
                ("vision_end", "<|vision_end|>"),
            ):
                setattr(self, f"{role}_token", token)
                setattr(self, f"{role}_token_id", tokenizer.convert_tokens_to_ids(token))
            ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    return ImageOnlyQwen3VLProcessor


def to_hf(messages: Sequence[Message]) -> list[Message]:
    """Messages of OpenAI's form as `apply_chat_template` of transformers takes them, pictures opened."""
    return [{"role": message["role"], "content": _to_hf_parts(message["content"])} for message in messages]


def _to_hf_parts(content: str | Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    from PIL import Image

    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    parts = []
    for part in content:
        if part["type"] == "text":
            parts.append(dict(part))
            continue
        data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
        with Image.open(io.BytesIO(data)) as opened:
            parts.append({"type": "image", "image": opened.convert("RGB")})
    return parts


def _pictures(conversation: Sequence[Message]) -> list[Any]:
    return [part["image"] for message in conversation for part in message["content"] if "image" in part]


class VLLMModel:
    """A model in vLLM's offline engine, in this process.

    Args:
        path: a folder or a name on the Hub.
        sampling: how replies are drawn.
        batch_size: boards that are handed to the engine at a time; it schedules them itself.
        options: further arguments of `vllm.LLM`.

    Raises:
        VSPGymError: if vLLM is not installed.
    """

    sees_state = False

    def __init__(
        self,
        path: str,
        sampling: Sampling,
        *,
        batch_size: int = 256,
        options: dict[str, Any] | None = None,
    ) -> None:
        try:
            import vllm
        except ImportError as error:
            raise VSPGymError(f"vllm:... needs vLLM ({error}): pip install 'vsp-gym[vllm]'") from None
        self.name, self.batch_size, self.endpoints = path, batch_size, (f"vllm:{path}",)
        self._engine = vllm.LLM(model=path, **(options or {}))
        self._seed = sampling.seed
        self._new_params = vllm.SamplingParams
        self._options: dict[str, Any] = {
            name: value
            for name, value in (
                ("temperature", sampling.temperature),
                ("top_p", sampling.top_p),
                ("max_tokens", sampling.max_tokens),
            )
            if value is not None
        } | dict(sampling.extra)

    async def reply(self, requests: Sequence[Request], endpoint: int) -> list[Reply]:
        """One batch through `LLM.chat`, in a thread."""
        try:
            return await asyncio.to_thread(self._chat, requests)
        except (RuntimeError, ValueError) as error:
            if isinstance(error, ModelError):
                raise
            raise ModelError(f"{type(error).__name__}: {error!s:.200}", "rejected") from error

    def _chat(self, requests: Sequence[Request]) -> list[Reply]:
        params = [
            self._new_params(
                **self._options, **({} if self._seed is None else {"seed": self._seed + request.sample})
            )
            for request in requests
        ]
        outputs = self._engine.chat([request.messages for request in requests], params, use_tqdm=False)
        return [
            Reply(
                check_reply(output.outputs[0].text, self.name),
                output.outputs[0].finish_reason,
                len(output.prompt_token_ids or ()),
                len(output.outputs[0].token_ids),
            )
            for output in outputs
        ]

    async def close(self) -> None:
        """Let go of the engine."""
        del self._engine
