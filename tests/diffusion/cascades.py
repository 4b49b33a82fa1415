"""Tiny cascades of DeepFloyd IF's kind, randomly initialised and saved by diffusers itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

WORDS = ["a", "an", "oil", "painting", "of", "snowy", "mountain", "village", "rocket", "ship"]


SETTINGS: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 6,
    "layers_per_block": 1,
    "block_out_channels": (8, 16),
    "down_block_types": ("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
    "up_block_types": ("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
    "time_embedding_act_fn": "gelu",
    "resnet_skip_time_act": True,
    "resnet_out_scale_factor": 1.4142,
    "mid_block_scale_factor": 1.4142,
}


PARTS: dict[str, dict[str, Any]] = {
    "stage_1": {
        "_class_name": "IFPipeline",
        "tokenizer": ["transformers", "T5Tokenizer"],
        "text_encoder": ["transformers", "T5EncoderModel"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "scheduler": ["diffusers", "DDPMScheduler"],
    }
}
PARTS["stage_2"] = PARTS["stage_1"] | {
    "_class_name": "IFSuperResolutionPipeline",
    "image_noising_scheduler": ["diffusers", "DDPMScheduler"],
}


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


def save_as_published(folder: Path) -> tuple[Path, Path]:
    """Stages I (16 x 16) and II (32 x 32) with the settings and the files of IF-I-XL and IF-II-L, at another size.

    Halves alone, as fp16 variants; the text encoder in shards; the tokenizer a ``spiece.model``.
    """
    from diffusers import DDPMScheduler

    levels = {"layers_per_block": (1, 1, 2, 2), "block_out_channels": (8, 16, 16, 24)}
    larger = {"layers_per_block": (1, 1, 2, 3, 3), "block_out_channels": (4, 8, 8, 16, 16), "in_channels": 6}
    plain = {"resnet_skip_time_act": False, "resnet_out_scale_factor": 1.0, "mid_block_scale_factor": 1.0}
    first = unet(16, **blocks(1, 3), **levels, **plain, time_embedding_act_fn=None)
    second = unet(32, **blocks(3, 2), **larger, class_embed_type="timestep")
    for name, network, limit in (("stage_1", first, 1.5), ("stage_2", second, 1.0)):
        stage = folder / name
        DDPMScheduler(
            1000,
            beta_schedule="squaredcos_cap_v2",
            variance_type="learned_range",
            thresholding=True,
            dynamic_thresholding_ratio=0.95,
            sample_max_value=limit,
        ).save_pretrained(stage / "scheduler")
        network.half().save_pretrained(stage / "unet", variant="fp16")
        text_encoder().half().save_pretrained(stage / "text_encoder", variant="fp16", max_shard_size="1KB")
        save_sentencepiece(stage / "tokenizer")
        (stage / "model_index.json").write_text(json.dumps(PARTS[name]))
    DDPMScheduler(1000, beta_schedule="squaredcos_cap_v2").save_pretrained(folder / "stage_2/image_noising_scheduler")
    return folder / "stage_1", folder / "stage_2"


def save_sentencepiece(folder: Path) -> None:
    """A tokenizer as DeepFloyd's is published: a ``spiece.model``, and no ``tokenizer.json``."""
    import sentencepiece

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "spiece.model").open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["a rocket ship", "an oil painting of a snowy mountain village"] * 20),
            model_writer=file,
            vocab_size=40,
            model_type="unigram",
            hard_vocab_limit=False,
            pad_id=0,
            eos_id=1,
            unk_id=2,
            bos_id=-1,
            minloglevel=2,
        )
    config = {
        "tokenizer_class": "T5Tokenizer",
        "extra_ids": 100,
        "additional_special_tokens": [f"<extra_id_{number}>" for number in range(100)],
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def blocks(plain: int, attention: int) -> dict[str, tuple[str, ...]]:
    """The kinds of a U-Net's blocks: *plain* ones outside, those that look at words within."""
    down = ("ResnetDownsampleBlock2D",) * plain + ("SimpleCrossAttnDownBlock2D",) * attention
    up = ("SimpleCrossAttnUpBlock2D",) * attention + ("ResnetUpsampleBlock2D",) * plain
    return {"down_block_types": down, "up_block_types": up}


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
        **SETTINGS | more,
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        act_fn="gelu",
        norm_num_groups=4,
        cross_attention_dim=32,
        cross_attention_norm="group_norm",
        encoder_hid_dim=16,
        attention_head_dim=8,
        addition_embed_type="text",
        addition_embed_type_num_heads=2,
        resnet_time_scale_shift="scale_shift",
    ).eval()
