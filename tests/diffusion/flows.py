"""Tiny pixel-space transformers of flow matching, randomly initialised and saved by diffusers' own pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

WORDS = ["a", "an", "oil", "painting", "of", "snowy", "mountain", "village", "rocket", "ship"]
SIDE, TOKENS = 16, 12


def save_flow(folder: Path) -> Path:
    """A pipeline's folder: transformer, Qwen3 text encoder, tokenizer and scheduler."""
    from diffusers import FlowMatchEulerDiscreteScheduler, PRXPixelPipeline

    pipeline = PRXPixelPipeline(
        transformer=transformer(),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        text_encoder=text_encoder(),
        tokenizer=tokenizer(),
        default_sample_size=SIDE,
        prompt_max_tokens=TOKENS,
        noise_scale=2.0,
    )
    pipeline.save_pretrained(folder)
    return folder


def transformer() -> Any:
    """Patches of 4 x 4 pixels, two blocks; weights that the class leaves at zero are drawn too, so that it says something."""
    from diffusers import PRXTransformer2DModel

    torch.manual_seed(3)
    network = PRXTransformer2DModel(
        in_channels=3,
        patch_size=4,
        context_in_dim=16,
        hidden_size=32,
        mlp_ratio=2.0,
        num_heads=2,
        depth=2,
        axes_dim=[8, 8],
        bottleneck_size=8,
        resolution_embeds=True,
    )
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(std=0.05)
    return network.eval()


def text_encoder() -> Any:
    """A Qwen3 of one layer."""
    from transformers import Qwen3Config, Qwen3Model

    torch.manual_seed(4)
    config = Qwen3Config(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
    )
    return Qwen3Model(config).eval()


def tokenizer() -> Any:
    """One token a word."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate(["[pad]", "[unk]", *WORDS])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[unk]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[pad]", unk_token="[unk]")
