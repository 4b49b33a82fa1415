"""A cascade made and trained here is one that diffusers loads and draws with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

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
from darkroom.diffusion.guidance import Guided
from darkroom.diffusion.pretrained import Prompts, Source, load_stage, schedule_of
from darkroom.diffusion.sample import Noise, ddpm, last
from darkroom.diffusion.train import Recipe, Trainer, seeded

pytest.importorskip("diffusers")

CAPTIONS = ["a red picture", "a blue picture", "an oil painting of a blue picture"]
SHAPE = Shape((16, 32), attention=1, head=16, text=32)


def network(tokenizer, *, stage_two: bool = False, side: int = 8) -> TextToImage:
    return TextToImage(make_unet(SHAPE, side, stage_two=stage_two), make_text_encoder(SHAPE, len(tokenizer)))


def coloured(side: int) -> tuple[np.ndarray, np.ndarray]:
    """48 plain pictures, red or blue, and the rows of their captions."""
    images = np.full((48, 3, side, side), 40, np.uint8)
    images[:24, 0], images[24:, 2] = 220, 220
    distinct, rows = caption_rows([CAPTIONS[0]] * 24 + CAPTIONS[1:] * 12)
    assert distinct == CAPTIONS
    return images, rows


def trained(*, stage_two: bool = False, epochs: int = 1, rate: float = 3e-3) -> tuple[Trainer, object, np.ndarray]:
    tokenizer, side = make_tokenizer(CAPTIONS), 16 if stage_two else 8
    loss = TextToImageLoss(
        schedule_of(make_scheduler()),
        Captions.of(tokenizer, CAPTIONS, "cpu"),
        side=side,
        larger=2 if stage_two else None,
    )
    made = seeded(lambda: network(tokenizer, stage_two=stage_two, side=side), 1)
    recipe = Recipe(epochs, 16, rate, warmup=5, cosine=True, clip=1.0, averaging=0.9)
    trainer = Trainer(made, loss, recipe, *coloured(16), device="cpu", seed=1)
    return trainer, tokenizer, np.concatenate([report.losses for report in trainer.run()])


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A stage I trained for some seconds, saved; and its losses."""
    trainer, tokenizer, losses = trained(epochs=24, rate=4e-3)
    folder = tmp_path_factory.mktemp("trained") / "stage_1"
    save_stage(folder, tokenizer, trainer.average.text_encoder, trainer.average.unet)
    return folder, losses


def test_it_learns(saved):
    """On two plain colours the hybrid loss falls to a fraction of where it began."""
    _, losses = saved
    assert losses[-20:].mean() < 0.4 * losses[:5].mean()


def test_what_it_draws_is_what_was_asked_for(saved, tmp_path):
    """Saved, loaded and sampled with guidance, a red picture is red and a blue one blue."""
    stage, prompts = load_stage(Source(str(saved[0])), dtype=torch.float32), Prompts(Source(str(saved[0])), tmp_path)
    asked = stage.denoiser(prompts(["a red picture", "a blue picture"]))
    denoiser = stage.finished(Guided(asked, stage.denoiser(prompts([""])), 5.0))
    noise = Noise([1, 2], (3, 8, 8))
    red, blue = last(ddpm(denoiser, noise, times=stage.times(20), variance=stage.variance)).x_t.mean((2, 3))
    assert red[0] - red[2] > 0.4 and blue[2] - blue[0] > 0.4


def test_diffusers_loads_and_draws_it(saved):
    """The stock IFPipeline takes the folder without a word and draws what it was asked for."""
    from diffusers import IFPipeline

    pipeline = IFPipeline.from_pretrained(saved[0], safety_checker=None, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    picture = pipeline("a red picture", num_inference_steps=10, guidance_scale=2.0, clean_caption=False).images[0]
    assert picture.size == (8, 8)
    red, _, blue = np.asarray(picture).mean((0, 1))
    assert red > blue + 50
    assert all(path.suffix != ".bin" for path in saved[0].rglob("*"))


def test_stage_two_trains_saves_and_loads(tmp_path):
    """Stage II learns from the noised smaller picture, and comes back as a stage that enlarges."""
    trainer, tokenizer, losses = trained(stage_two=True, epochs=12)
    assert losses[-6:].mean() < 0.7 * losses[:3].mean()
    save_stage(tmp_path / "stage_2", tokenizer, trainer.average.text_encoder, trainer.average.unet)
    stage = load_stage(Source(str(tmp_path / "stage_2")))
    prompts = Prompts(Source(str(tmp_path / "stage_2")), tmp_path)
    noise, small = Noise([3], (3, 16, 16)), torch.full((1, 3, 8, 8), -0.7)
    x_T = noise.draw()
    denoiser = stage.finished(stage.denoiser(prompts(["a red picture"]), *stage.enlarged(small, noise, 100)))
    larger = last(ddpm(denoiser, noise, x_T=x_T, times=stage.times(5), variance=stage.variance)).x_t
    assert larger.shape == (1, 3, 16, 16) and larger.abs().max() <= 1.0


def test_every_part_learns():
    """Gradients reach the U-Net, the words and, through v alone, nothing of the mean."""
    trainer, _, _ = trained()
    drawn = trainer.objective.draw(
        trainer.images[:8].float() / 255, trainer.labels[:8], torch.Generator().manual_seed(1)
    )
    trainer.network.zero_grad()
    trainer.objective.loss(trainer.network, *drawn).backward()
    without = [name for name, parameter in trainer.network.named_parameters() if parameter.grad is None]
    assert without == []
    assert trainer.network.text_encoder.shared.weight.grad.abs().sum() > 0


def test_an_error_of_the_picture_counts_by_its_noise():
    """A network that is wrong by delta in every pixel of x_0 is told so with min(SNR + 1, cap), whatever the time."""
    schedule, tokenizer = schedule_of(make_scheduler()), make_tokenizer(CAPTIONS)
    loss = TextToImageLoss(schedule, Captions.of(tokenizer, CAPTIONS, "cpu"), cap=5.0, side=8)
    x_0, eps = torch.randn(2, 6, 3, 8, 8, generator=torch.Generator().manual_seed(5)).clamp(-1, 1)
    delta = torch.tensor(0.1, requires_grad=True)
    for t, expected in ((990, 1.0), (500, 2.0), (20, 5.0)):

        class Off(torch.nn.Module):
            def forward(self, x_t, times):
                signal, noise = schedule.coefficients(times, x_t)
                return torch.cat([(signal * x_t - (x_0 + delta)) / noise, torch.zeros_like(x_t)], 1)

        told = loss.loss(Off(), x_0, eps, torch.full((6,), t))
        (slope,) = torch.autograd.grad(told, delta)
        assert slope.item() == pytest.approx(2 * 0.1 * expected, rel=0.03), t


def test_captions_are_dropped_and_shared():
    """A tenth become the null prompt; each caption of a batch is encoded once, and rows lead every picture to its own."""
    tokenizer = make_tokenizer(CAPTIONS)
    captions = Captions.of(tokenizer, CAPTIONS, "cpu")
    loss = TextToImageLoss(schedule_of(make_scheduler()), captions, drop=0.1, side=8)
    images, rows = coloured(8)
    pictures, labels = torch.from_numpy(images).repeat(40, 1, 1, 1).float() / 255, torch.from_numpy(rows).repeat(40)
    *_, ids, mask, where = loss.draw(pictures, labels, torch.Generator().manual_seed(0))
    assert ids.shape == mask.shape == (4, 77)
    dropped = (ids[where] == captions.ids[0]).all(1)
    assert dropped.float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert torch.equal(ids[where][~dropped], captions.ids[labels][~dropped])


def test_words_are_whole_and_strangers_are_spelt():
    """A word of the captions is one token; another one is letters, not the unknown token."""
    tokenizer = make_tokenizer(CAPTIONS)
    known, strange = (tokenizer(text).input_ids[:-1] for text in ("an oil painting", "zebra"))
    assert len(known) == 3
    assert len(strange) == 6 and tokenizer.unk_token_id not in strange
    assert tokenizer.decode(known) == "an oil painting"


def test_pooled_pictures_are_noised_as_averages_of_larger_ones_are():
    """Noise of four pixels' mean, noisy times more often than quiet ones, and nothing learnt of the variance."""
    schedule, tokenizer = schedule_of(make_scheduler()), make_tokenizer(CAPTIONS)
    loss = TextToImageLoss(schedule, Captions.of(tokenizer, CAPTIONS, "cpu"), side=8, pooled=2)
    images, rows = coloured(16)
    pictures, labels = torch.from_numpy(images).repeat(40, 1, 1, 1).float() / 255, torch.from_numpy(rows).repeat(40)
    x_0, eps, t, *_ = loss.draw(pictures, labels, torch.Generator().manual_seed(0))
    whole = torch.nn.functional.avg_pool2d(torch.randn(4000, 3, 16, 16, generator=torch.Generator().manual_seed(1)), 2)
    assert x_0.shape == eps.shape == (1920, 3, 8, 8)
    assert eps.std().item() == pytest.approx(whole.std().item(), rel=0.01)
    assert (t > 500).float().mean().item() == pytest.approx(0.75, abs=0.03)

    raw = torch.zeros(1920, 3, 8, 8, requires_grad=True)
    loss.loss(lambda x_t, times: torch.cat([x_t, raw], 1), x_0, eps, t).backward()
    assert raw.grad is None or not raw.grad.any()
