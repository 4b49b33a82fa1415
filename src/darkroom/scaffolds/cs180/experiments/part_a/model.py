"""DeepFloyd IF by diffusers. Accept its licence on the hub, then log in with ``hf auth login``.

The prompts are read once, on a machine with enough memory for the text encoder, and kept in a file: the course's
``prompt_embeds_dict.pth``, beside ``build.py``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

STAGES = ("DeepFloyd/IF-I-L-v1.0", "DeepFloyd/IF-II-L-v1.0")
UNUSED: dict[str, Any] = {
    **dict.fromkeys(("text_encoder", "safety_checker", "feature_extractor", "watermarker")),  # not downloaded either
    "requires_safety_checker": False,
}
EMBEDDINGS = Path(__file__).parents[2] / "prompt_embeds_dict.pth"


@cache
def stage(number: int, device: str) -> Any:
    """The pipeline of stage 1 or 2, without its text encoder: ``unet`` and ``scheduler`` are what loops need."""
    import torch
    from diffusers import DiffusionPipeline

    name, dtype = STAGES[number - 1], torch.float32 if device == "cpu" else torch.float16
    pipeline = DiffusionPipeline.from_pretrained(
        name, variant="fp16", torch_dtype=dtype, use_safetensors=True, **UNUSED
    )
    return pipeline.to(device)


@cache
def embeddings(device: str) -> dict[str, Any]:
    """The embedding (1, 77, 4096) of every prompt, "" being the null prompt, in the type of the networks."""
    import torch

    known = torch.load(EMBEDDINGS, map_location=device, weights_only=True)
    return {prompt: value.to(torch.float32 if device == "cpu" else torch.float16) for prompt, value in known.items()}
