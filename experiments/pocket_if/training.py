"""Training a stage of Pocket IF: from a bank of pictures to a pipeline's folder, by way of checkpoints.

Everything here needs torch, diffusers and transformers; experiments import it where they compute.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from darkroom.diffusion.cascade import (
    Captions,
    Shape,
    TextToImage,
    TextToImageLoss,
    caption_rows,
    make_scheduler,
    make_text_encoder,
    make_tokenizer,
    make_unet,
    save_stage,
)
from darkroom.diffusion.growth import conditioned, grown
from darkroom.diffusion.pretrained import schedule_of
from darkroom.diffusion.train import Recipe, Trainer, seeded
from darkroom.lab import Run
from experiments.pocket_if.banks import SELDOM, Bank, draw
from experiments.pocket_if.world import World

SAVE_EVERY_S = 120.0
FOLDER = Path("pipeline")


@dataclass(frozen=True)
class TrainingSetup:
    """What is trained, on what size of picture, for how long.

    Args:
        side: of the pictures.
        recipe: of the trainer; an epoch is a pass over the bank.
        seed: of everything that is drawn.
        pooled: how many times smaller *side* is than the pictures that the stage will be for once it has grown.
        larger: stage II: how many times larger its pictures are than those of stage I; None for stage I.
        whole: the side of the pictures that the stage is for, where it learns from parts of them; by default *side*.
        cap: on the weight of an error of x_0, see :class:`~darkroom.diffusion.cascade.TextToImageLoss`.
        stride: of the steps that teach the network its variance; see the same.
    """

    side: int
    recipe: Recipe
    seed: int
    pooled: int = 1
    larger: int | None = None
    whole: int | None = None
    cap: float = 5.0
    stride: int = 1


def recipe(epochs: int, batch: int, learning_rate: float, warmup: int, weight_decay: float, averaging: float) -> Recipe:
    """What all stages have in common: AdamW, a rate that falls along a cosine, gradients cut to length 1, averaging."""
    return Recipe(
        epochs,
        batch,
        learning_rate,
        warmup=warmup,
        cosine=True,
        weight_decay=weight_decay,
        clip=1.0,
        averaging=averaging,
    )


def drawn(run: Run, world: World, seed: int, count: int, side: int, generic: Mapping[str, float] = SELDOM) -> Bank:
    """What :func:`~experiments.pocket_if.banks.draw` gives; progress is reported to the run."""

    def report(done: int) -> None:
        run.progress(done, count, unit="pictures")

    return draw(world, seed, count, side, report, generic)


def fresh_parts(shape: Shape, side: int, captions: list[str], seed: int) -> tuple[Any, nn.Module]:
    """A tokenizer of the words of *captions*, and networks with the initial weights that *seed* gives."""
    tokenizer = make_tokenizer(captions)

    def build() -> nn.Module:
        return TextToImage(make_unet(shape, side), make_text_encoder(shape, len(tokenizer)))

    return tokenizer, seeded(build, seed)


def saved_parts(folder: Path) -> tuple[Any, nn.Module]:
    """The tokenizer and the networks of a stage that was saved, in float32, to go on from."""
    from diffusers import UNet2DConditionModel
    from transformers import AutoTokenizer, T5EncoderModel

    unet = UNet2DConditionModel.from_pretrained(folder / "unet", use_safetensors=True).float()
    encoder = T5EncoderModel.from_pretrained(folder / "text_encoder", use_safetensors=True).float()
    return AutoTokenizer.from_pretrained(folder / "tokenizer"), TextToImage(unet, encoder)


def grown_parts(folder: Path, seed: int) -> tuple[Any, nn.Module]:
    """The parts of a stage that was saved, its U-Net grown to pictures of twice the side."""
    tokenizer, network = saved_parts(folder)
    return tokenizer, TextToImage(seeded(lambda: grown(network.unet), seed), network.text_encoder)


def train(run: Run, parts: tuple[Any, nn.Module], bank: Bank, setup: TrainingSetup) -> dict[str, object]:
    """Train to the end of the recipe, from the last checkpoint if there is one, and write the pipeline.

    Returns:
        ``loss`` (steps,), and ``pipeline``, the folder that stock diffusers loads, with the averaged weights.
    """
    tokenizer, network = parts
    distinct, rows = caption_rows(bank.captions)
    captions = Captions.of(tokenizer, distinct, run.device)
    loss, trained = _trained(run, network, captions, bank.images, rows, setup)
    save_stage(FOLDER, tokenizer, trained.text_encoder, trained.unet)
    return {"loss": loss, "pipeline": FOLDER}


def train_above(run: Run, below: Path, bank: Bank, setup: TrainingSetup) -> dict[str, object]:
    """Train the stage above the one in *below*: from its U-Net on, with its text encoder, which stays as it is.

    Returns:
        as :func:`train`.
    """
    tokenizer, first = saved_parts(below)
    unet = seeded(lambda: conditioned(first.unet, setup.whole or setup.side), setup.seed)
    return _train_beside(run, tokenizer, first.text_encoder, unet, bank, setup)


def train_on(run: Run, saved: Path, bank: Bank, setup: TrainingSetup) -> dict[str, object]:
    """Train the U-Net of the stage in *saved* further, with its text encoder, which stays as it is.

    Returns:
        as :func:`train`.
    """
    tokenizer, parts = saved_parts(saved)
    return _train_beside(run, tokenizer, parts.text_encoder, parts.unet, bank, setup)


def _train_beside(
    run: Run, tokenizer: Any, encoder: nn.Module, unet: nn.Module, bank: Bank, setup: TrainingSetup
) -> dict[str, object]:
    """Train *unet* on captions as *encoder* reads them."""
    distinct, rows = caption_rows(bank.captions)
    captions = _embedded(encoder, Captions.of(tokenizer, distinct, "cpu"), run.device)
    loss, trained = _trained(run, TextToImage(unet, None), captions, bank.images, rows, setup)
    save_stage(FOLDER, tokenizer, encoder, trained.unet)
    return {"loss": loss, "pipeline": FOLDER}


def _trained(
    run: Run, network: nn.Module, captions: Captions, images: np.ndarray, rows: np.ndarray, setup: TrainingSetup
) -> tuple[np.ndarray, Any]:
    """The loss of every step, and the averaged networks on the CPU in float32."""
    schedule = schedule_of(make_scheduler()).to(run.device)
    objective = TextToImageLoss(
        schedule,
        captions,
        cap=setup.cap,
        side=setup.side,
        pooled=setup.pooled,
        larger=setup.larger,
        stride=setup.stride,
    )
    trainer = Trainer(network, objective, setup.recipe, images, rows, device=run.device, seed=setup.seed)
    loss = followed(run, trainer)
    trained = trainer.average.cpu().float()
    trained.unet.register_to_config(sample_size=setup.whole or setup.side)
    return loss, trained


@torch.inference_mode()
def _embedded(encoder: nn.Module, tokens: Captions, device: str) -> Captions:
    """Captions as *encoder* reads them, for a network without a text encoder of its own."""
    parts = zip(tokens.ids.split(256), tokens.mask.split(256), strict=True)
    embedded = torch.cat([encoder(ids, attention_mask=mask)[0] for ids, mask in parts])
    return Captions(embedded.clone().to(device), tokens.mask.to(device))


def followed(run: Run, trainer: Trainer) -> np.ndarray:
    """Train to the end, from the last checkpoint if there is one, saving on the way; gives the loss of every step."""
    losses: list[np.ndarray] = []
    if state := run.load():
        trainer.restore(state["trainer"])
        losses = [state["losses"]]
    saved = time.monotonic()
    for report in trainer.run():
        losses.append(report.losses)
        run.progress(report.step, report.steps, unit="steps", epoch=report.epoch, loss=float(report.losses.mean()))
        if report.step == report.steps or time.monotonic() - saved > SAVE_EVERY_S:
            run.save({"trainer": trainer.state(), "losses": np.concatenate(losses)})
            saved = time.monotonic()
    return np.concatenate(losses)
