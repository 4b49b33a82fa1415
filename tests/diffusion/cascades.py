"""Tiny cascades of DeepFloyd IF's kind, randomly initialised and saved by diffusers itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

WORDS = ["a", "an", "oil", "painting", "of", "snowy", "mountain", "village", "rocket", "ship"]


def save_cascade(folder: Path) -> tuple[Path, Path]:
    """The folders of stage I (16 x 16) and stage II (32 x 32), in *folder*."""
    from diffusers import DDPMScheduler, IFPipeline, IFSuperResolutionPipeline

    absent = {"safety_checker": None, "feature_extractor": None, "watermarker": None, "requires_safety_checker": False}
    scheduler = DDPMScheduler(
        1000,
        beta_schedule="squaredcos_cap_v2",
        variance_type="learned_range",
        thresholding=True,
        dynamic_thresholding_ratio=0.95,
        sample_max_value=1.5,
    )
    text = {"tokenizer": tokenizer(), "text_encoder": text_encoder()}
    first = IFPipeline(**text, unet=unet(16), scheduler=scheduler, **absent)
    second = IFSuperResolutionPipeline(
        **text,
        unet=unet(32, in_channels=6, class_embed_type="timestep"),
        scheduler=scheduler,
        image_noising_scheduler=DDPMScheduler(1000, beta_schedule="squaredcos_cap_v2"),
        **absent,
    )
    first.save_pretrained(folder / "stage_1")
    second.save_pretrained(folder / "stage_2")
    return folder / "stage_1", folder / "stage_2"


def tokenizer() -> Any:
    """One token a word."""
    from transformers import T5Tokenizer

    pieces = ["<pad>", "</s>", "<unk>", "▁", *(f"▁{word}" for word in WORDS), *"abcdefghijklmnopqrstuvwxyz"]
    return T5Tokenizer(vocab=[(piece, -float(i)) for i, piece in enumerate(pieces)], extra_ids=0)


def text_encoder() -> Any:
    """A T5 of one layer."""
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(1)
    return T5EncoderModel(
        T5Config(vocab_size=64, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, feed_forward_proj="gated-gelu")
    ).eval()


def unet(side: int, **more: Any) -> Any:
    """DeepFloyd's blocks at a size that a test can afford, randomly initialised."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(2)
    return UNet2DConditionModel(
        sample_size=side,
        **{"in_channels": 3, "out_channels": 6} | more,
        layers_per_block=1,
        block_out_channels=(8, 16),
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        act_fn="gelu",
        norm_num_groups=4,
        cross_attention_dim=32,
        cross_attention_norm="group_norm",
        encoder_hid_dim=16,
        attention_head_dim=8,
        addition_embed_type="text",
        addition_embed_type_num_heads=2,
        resnet_time_scale_shift="scale_shift",
        time_embedding_act_fn="gelu",
        resnet_skip_time_act=True,
        resnet_out_scale_factor=1.4142,
        mid_block_scale_factor=1.4142,
    ).eval()
