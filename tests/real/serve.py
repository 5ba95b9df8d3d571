"""`transformers serve` for Qwen3-VL without torchvision: the arguments are those of `transformers`."""

from __future__ import annotations

from transformers import AutoProcessor, Qwen3VLConfig
from transformers.cli.transformers import main

from vsp_gym.evaluation.models.local import image_only_processor

if __name__ == "__main__":
    AutoProcessor.register(Qwen3VLConfig, image_only_processor(), exist_ok=True)
    main()
