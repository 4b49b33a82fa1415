"""Making a text-to-image cascade of DeepFloyd IF's shape from nothing: its parts, what they learn, how they are saved.

The parts are diffusers' and transformers' own classes with DeepFloyd's settings at another size, so models trained
here load there: ``IFPipeline.from_pretrained``. With :mod:`~darkroom.diffusion.pretrained`, the only importer of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, mse_loss

from darkroom.diffusion.likelihood import variational_terms
from darkroom.diffusion.pretrained import TOKENS
from darkroom.diffusion.schedules import Schedule

T = 1000
ABSENT = {"safety_checker": None, "feature_extractor": None, "watermarker": None, "requires_safety_checker": False}


@dataclass(frozen=True)
class Shape:
    """How large the networks are.

    Args:
        widths: channels of the U-Net at each size, halving from one to the next.
        attention: at how many of the smallest sizes the U-Net attends to the words.
        head: channels of an attention head.
        text: width of the text encoder; it has two layers.
    """

    widths: tuple[int, ...]
    attention: int = 2
    head: int = 32
    text: int = 128


class TextToImage(nn.Module):
    """A U-Net and the text encoder that learns with it.

    Args:
        unet: diffusers' ``UNet2DConditionModel``.
        text_encoder: transformers' ``T5EncoderModel``; None where embeddings are given in place of tokens.
    """

    def __init__(self, unet: nn.Module, text_encoder: nn.Module | None) -> None:
        super().__init__()
        self.unet, self.text_encoder = unet, text_encoder

    def forward(self, x_t: Tensor, t: Tensor, words: Tensor, mask: Tensor, *larger: Tensor) -> Tensor:
        """The velocity and 2 v - 1, (B, 6, N, N), for x_t at times t in [1, T].

        Args:
            words: token ids (W, 77), each caption of the batch once; or embeddings (W, 77, D).
            mask: which tokens are there, (W, 77), and in column 77 on, nothing else.
            larger: for stage II, the noised enlarged picture and its level; last of all, always, the row of *words*
                that belongs to each sample, (B,).
        """
        *condition, rows = larger
        embedded = words if self.text_encoder is None else self.text_encoder(words, attention_mask=mask)[0]
        seen, level = (torch.cat([x_t, condition[0]], 1), condition[1]) if condition else (x_t, None)
        output: Tensor = self.unet(
            seen, t - 1, encoder_hidden_states=embedded[rows], class_labels=level, return_dict=False
        )[0]
        return output


def make_tokenizer(captions: Sequence[str]) -> Any:
    """A T5 tokenizer whose words are those of *captions*; other words are split into letters."""
    from transformers import T5Tokenizer

    words = sorted({word for caption in captions for word in caption.lower().split()})
    letters = [*"abcdefghijklmnopqrstuvwxyz0123456789-',."]
    pieces = ["<pad>", "</s>", "<unk>", "▁", *(f"▁{word}" for word in words), *letters]
    scores = [0.0, 0.0, 0.0, -8.0, *[-2.0] * len(words), *[-12.0] * len(letters)]
    return T5Tokenizer(vocab=list(zip(pieces, scores, strict=True)), extra_ids=0)


def make_text_encoder(shape: Shape, vocabulary: int) -> nn.Module:
    """A T5 encoder of two layers."""
    from transformers import T5Config, T5EncoderModel

    config = T5Config(
        vocab_size=-(-vocabulary // 64) * 64,
        d_model=shape.text,
        d_kv=32,
        d_ff=2 * shape.text,
        num_layers=2,
        num_heads=shape.text // 32,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
    )
    return T5EncoderModel(config)


def make_unet(shape: Shape, side: int, *, stage_two: bool = False) -> nn.Module:
    """DeepFloyd's U-Net at another size; for stage II with the enlarged picture and its noise level as inputs."""
    from diffusers import UNet2DConditionModel

    plain = len(shape.widths) - shape.attention
    condition = {"in_channels": 6, "class_embed_type": "timestep"} if stage_two else {"in_channels": 3}
    return UNet2DConditionModel(  # type: ignore[return-value]
        sample_size=side,
        **condition,
        out_channels=6,
        layers_per_block=1,
        block_out_channels=shape.widths,
        down_block_types=("ResnetDownsampleBlock2D",) * plain + ("SimpleCrossAttnDownBlock2D",) * shape.attention,
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D",) * shape.attention + ("ResnetUpsampleBlock2D",) * plain,
        act_fn="gelu",
        norm_num_groups=8,
        cross_attention_dim=shape.text,
        cross_attention_norm="group_norm",
        encoder_hid_dim=shape.text,
        attention_head_dim=shape.head,
        addition_embed_type="text",
        addition_embed_type_num_heads=shape.text // 32,
        resnet_time_scale_shift="scale_shift",
        time_embedding_act_fn="gelu",
        resnet_skip_time_act=True,
        resnet_out_scale_factor=2**0.5,
        mid_block_scale_factor=2**0.5,
    )


def make_scheduler() -> Any:
    """DeepFloyd's scheduler: squared cosine, learned range, dynamic thresholding; but of velocities, not of noise."""
    from diffusers import DDPMScheduler

    return DDPMScheduler(
        T,
        beta_schedule="squaredcos_cap_v2",
        variance_type="learned_range",
        prediction_type="v_prediction",
        thresholding=True,
        dynamic_thresholding_ratio=0.95,
        sample_max_value=1.5,
    )


def save_stage(folder: Path, tokenizer: Any, text_encoder: nn.Module, unet: nn.Module) -> None:
    """A pipeline's folder, the U-Net in half precision; a stage II where it takes six channels.

    The text encoder keeps its type: transformers loads what it finds, and diffusers float32 by default.
    """
    from diffusers import IFPipeline, IFSuperResolutionPipeline

    parts = {"tokenizer": tokenizer, "text_encoder": text_encoder, "unet": unet.half()}
    if unet.config.in_channels == 6:  # type: ignore[union-attr]
        pipeline = IFSuperResolutionPipeline(
            **parts, scheduler=make_scheduler(), image_noising_scheduler=make_scheduler(), **ABSENT
        )
    else:
        pipeline = IFPipeline(**parts, scheduler=make_scheduler(), **ABSENT)  # type: ignore[assignment]
    pipeline.save_pretrained(folder)  # type: ignore[attr-defined]


@dataclass(frozen=True, eq=False)
class Captions:
    """Captions as tokens, on the device that trains.

    Args:
        ids, mask: shape (C, 77); row 0 is the null prompt.
    """

    ids: Tensor
    mask: Tensor

    @staticmethod
    def of(tokenizer: Any, captions: Sequence[str], device: str) -> Captions:
        """*captions*, after the null prompt: caption k is row k + 1."""
        tokens = tokenizer(
            ["", *captions], padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt"
        ).to(device)
        return Captions(tokens.input_ids, tokens.attention_mask)


@dataclass(frozen=True, eq=False)
class TextToImageLoss:
    """The hybrid loss (Nichol and Dhariwal 2021, eq. 16) of a network that predicts the velocity, with capped weights.

        L = min(SNR + 1, cap) / (SNR + 1) |velocity - prediction|^2 + N / 1000 L_vb,    SNR = alpha_bar / (1 -
        alpha_bar)

    with L_vb a term of the variational bound, which has N = T / stride of them.

    Velocity and weights (Salimans and Ho 2022, section 4; capped in the manner of Hang et al. 2023) make an error of
    x_0 count as min(SNR + 1, cap). An error of eps at the noisiest times would count for next to nothing, though it is
    all that colours and layout depend on: small networks that predict eps give them at random.

    Args:
        schedule: t is drawn evenly from 1, ..., T.
        captions: labels are rows of it, from 1; 0 is the null prompt.
        drop: the share of captions that is dropped.
        cap: on the weight of an error of x_0.
        side: pictures are made smaller to this side by averaging.
        pooled: how many times smaller that is than the pictures that the process is of. Averaging takes noise down by
            the same factor, so what is learnt at a time is what that time of the larger process needs. Small pictures
            are there for what is decided while there is much noise: times are drawn with a density that grows with t,
            and the bound, which belongs to the larger process, is left out.
        larger: stage II: pictures of ``side`` are learnt given themselves at side // *larger*, enlarged and noised.
        stride: of the bound's steps, see :func:`~darkroom.diffusion.likelihood.variational_terms`.
    """

    schedule: Schedule
    captions: Captions
    drop: float = 0.1
    cap: float = 5.0
    side: int = 64
    pooled: int = 1
    larger: int | None = None
    stride: int = 1

    def draw(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """x_0, eps, t, words, mask, (the enlarged picture and its level,) and the words' row of each sample."""
        size, device = len(images), images.device
        x_0 = interpolate(2 * images - 1, (self.side, self.side), mode="area")
        draws = 1 if self.pooled == 1 else 2
        t = torch.randint(1, self.schedule.T + 1, (draws, size), generator=generator, device=device).amax(0)
        eps = torch.randn(x_0.shape, generator=generator, device=device) / self.pooled
        kept = torch.rand(size, generator=generator, device=device) >= self.drop
        used, rows = _each_once(torch.where(kept, labels, 0))
        condition = () if self.larger is None else self._condition(x_0, generator)
        return x_0, eps, t, self.captions.ids[used], self.captions.mask[used], *condition, rows

    def loss(self, network: nn.Module, x_0: Tensor, eps: Tensor, t: Tensor, *words: Tensor) -> Tensor:
        """The hybrid loss, a scalar in float32; for pooled pictures its first term."""
        x_t = self.schedule.noised(x_0, t, eps)
        guess, raw = network(x_t, t, *words).float().chunk(2, dim=1)
        weight = (self.cap * (1 - self.schedule.alpha_bar(t))).clamp(max=1).float().to(x_t.device)
        simple = mse_loss(guess, self.schedule.velocity(x_0, t, eps), reduction="none").flatten(1).mean(1)
        if self.pooled > 1:
            return (weight * simple).mean()
        eps_hat = self.schedule.noise_of_velocity(x_t, t, guess.detach())
        bound = variational_terms(self.schedule, x_0, x_t, t, eps_hat, (raw + 1) / 2, stride=self.stride)
        return (weight * simple + self.schedule.T / self.stride / 1000 * bound).mean()

    def _condition(self, x_0: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Roughly the output of stage I: the picture made smaller, enlarged again, and noised."""
        small = interpolate(x_0, (self.side // self.larger,) * 2, mode="area")  # type: ignore[operator]
        enlarged = interpolate(small, (self.side, self.side), mode="bilinear", align_corners=True)
        levels = torch.randint(0, self.schedule.T // 2, (len(x_0),), generator=generator, device=x_0.device)
        noise = torch.randn(x_0.shape, generator=generator, device=x_0.device)
        return self.schedule.noised(enlarged, levels + 1, noise), levels


def _each_once(asked: Tensor) -> tuple[Tensor, Tensor]:
    """The rows that are *asked* for, each once, and where each sample's is; on CUDA, whose graphs want one size, as is."""
    if asked.is_cuda:
        return asked, torch.arange(len(asked), device=asked.device)
    used, places = asked.unique(return_inverse=True)
    return used, places


def caption_rows(captions: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Each caption once, and for every picture the row of its caption in :class:`Captions`."""
    distinct = list(dict.fromkeys(captions))
    row = {caption: number for number, caption in enumerate(distinct, 1)}
    return distinct, np.array([row[caption] for caption in captions], np.int64)
