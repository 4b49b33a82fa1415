"""A text-to-image cascade as experiments use it: its two stages, the course's times, pictures as bytes.

Stage I draws pictures of prompts (:class:`Pipeline`), stage II makes them larger (:class:`SuperResolutionPipeline`), be
they Pocket IF's, DeepFloyd's or those of a folder.

Everything here needs torch, so experiments import it where they compute, not at the top.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import platformdirs
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from darkroom.diffusion.arithmetic import fitting
from darkroom.diffusion.denoise import Denoiser
from darkroom.diffusion.guidance import Beside, Guided
from darkroom.diffusion.pretrained import Convention, Prompts, Source, Stage, load_flow, load_stage
from darkroom.diffusion.sample import Noise, Step, ddpm, last
from darkroom.lab import Run, Weights

GENERIC = "a high quality photo"
NULL = ""
TIMESTEPS = tuple(range(990, -1, -30))  # the course's 34, as diffusers counts them: from 0, where our time 1 is
TIMES = tuple(timestep + 1 for timestep in TIMESTEPS)


class Pipeline:
    """Stage I of the chosen model with its prompts: denoisers of them, and pictures sampled with these.

    Args:
        run: the run, which knows the device; progress is reported to it.
        weights: the stage's folder, or its name on the hub.
        prompts: all that will be used. Those that have not been encoded before are encoded together, and the text
            encoder is let go before the network is loaded: DeepFloyd's is larger than the network.
        times: that sampling goes along, descending; by default the course's.
        cache: where embeddings of prompts are kept; by default the user's cache.
    """

    def __init__(
        self,
        run: Run,
        weights: Weights,
        prompts: Sequence[str] = (),
        *,
        times: Sequence[int] = TIMES,
        cache: Path | None = None,
    ) -> None:
        source = Source(weights.name, weights.revision or None)
        kept = cache or Path(platformdirs.user_cache_dir("darkroom")) / "embeddings"
        convention = _convention(weights)
        self.run, self.device, self.times = run, run.device, tuple(times)
        self._source, self._convention = source, convention
        reader = weights.text or weights
        encoder = Source(reader.name, reader.revision or None)
        self.prompts = Prompts(encoder, kept, run.device, convention=convention, given=weights.embeddings)
        self.null = weights.network.null if weights.network else NULL
        if prompts:
            self.prompts([*(prompt or self.null for prompt in prompts), self.null])

    @cached_property
    def stage(self) -> Stage:
        """Its network, loaded when it is first asked for."""
        if self._convention:
            return load_flow(self._source, self._convention, self.device)
        return load_stage(self._source, self.device)

    @property
    def side(self) -> int:
        """The side of its pictures, in pixels."""
        return self.stage.side

    def denoiser(self, prompts: str | Sequence[str], gamma: float = 7.0) -> Denoiser:
        """The denoiser of a prompt for all samples, or of one for each, with classifier-free guidance.

        Its estimates are not thresholded: compose it as you like, then sample with :meth:`sample`.

        Args:
            prompts: one text, or B of them; an empty one is the null prompt.
            gamma: eps_null + gamma (eps_prompt - eps_null): 0 is unconditional, 1 the prompt alone.
        """
        texts = [prompts] if isinstance(prompts, str) else list(prompts)
        conditional = self.stage.denoiser(*self.prompts.conditions([prompt or self.null for prompt in texts]))
        if gamma == 1:
            return conditional
        return Guided(conditional, self.stage.denoiser(*self.prompts.conditions([self.null])), gamma)

    def noise(self, seeds: Sequence[int]) -> Noise:
        """Noise of the stage's size, sample k from its own seed."""
        return Noise(list(seeds), (3, self.side, self.side), self.device)

    def steps(self, denoiser: Denoiser, seeds: Sequence[int], times: Sequence[int] = ()) -> Iterator[Step]:
        """Ancestral sampling from pure noise with the stage's own variance; progress is reported.

        It goes along *times*, by default the pipeline's.
        """
        finished, times = self.stage.finished(denoiser), times or self.times
        return self.reported(
            ddpm(finished, self.noise(seeds), times=times, variance=self.stage.variance), len(times) - 1
        )

    def sample(self, denoiser: Denoiser, seeds: Sequence[int], times: Sequence[int] = ()) -> np.ndarray:
        """What :meth:`steps` ends with, uint8 (B, side, side, 3)."""
        return to_bytes(last(self.steps(denoiser, seeds, times)).x_t)

    def sample_each(self, denoisers: Sequence[Denoiser], seeds: Sequence[int]) -> np.ndarray:
        """What :meth:`sample` gives of each of *denoisers* from the same seeds, uint8 (denoisers, seeds, side, side, 3).

        On a GPU all of them go through the network as one batch, as far as its memory allows, which takes it no longer than
        one of them.
        """
        if self.device == "cpu":
            return np.stack([self.sample(denoiser, seeds) for denoiser in denoisers])
        side_by_side = batch(self.stage, self.device, len(denoisers), 4 * len(seeds))  # two prompts, each guided
        parts = [denoisers[first : first + side_by_side] for first in range(0, len(denoisers), side_by_side)]
        drawn = [
            self.sample(Beside(tuple((denoiser, len(seeds)) for denoiser in part)), [*seeds] * len(part))
            for part in parts
        ]
        return np.concatenate(drawn).reshape(len(denoisers), len(seeds), *drawn[0].shape[1:])

    def reported(self, steps: Iterator[Step], count: int) -> Iterator[Step]:
        """*steps* as they come, each of *count* reported to the run."""
        for number, step in enumerate(steps, 1):
            self.run.progress(number, count, unit="steps")
            yield step

    def load_picture(self, path: Path) -> Tensor:
        """A picture at the stage's size, (1, 3, side, side) in [-1, 1], on the device."""
        return to_tensor(read_picture(path, self.side)[None]).to(self.device)

    def load_mask(self, path: Path) -> Tensor:
        """A mask at the stage's size, (1, 1, side, side): 1 where it is white, which is the hole."""
        picture = read_picture(path, self.side)
        return torch.from_numpy((picture.mean(2) > 127).astype(np.float32))[None, None].to(self.device)


class SuperResolutionPipeline:
    """Stage II of the chosen model: from stage I's pictures to its own size.

    Args:
        run: the run, which knows the device; progress is reported to it.
        pipeline: stage I, whose embedded prompts it shares.
        weights: stage II's folder, or its name on the hub.
    """

    def __init__(self, run: Run, pipeline: Pipeline, weights: Weights) -> None:
        self.run, self.pipeline = run, pipeline
        self.stage = load_stage(Source(weights.name, weights.revision or None), run.device)

    def upscale(
        self,
        pictures: np.ndarray,
        prompts: Sequence[str],
        seeds: Sequence[int],
        gamma: float,
        *,
        steps: int = 20,
        level: int = 250,
        at_once: int = 6,
    ) -> np.ndarray:
        """Pictures at the size of stage II, uint8 (B, larger, larger, 3).

        Args:
            pictures: uint8 (B, side, side, 3).
            prompts: one for each.
            seeds: one for each.
            gamma: as in :meth:`Pipeline.denoiser`.
            steps: of ancestral sampling.
            level: how far enlarged pictures are noised before the network sees them, in [0, T) of its own schedule.
            at_once: how many pictures are a batch, at most.
        """
        at_once = batch(self.stage, self.run.device, at_once, 2)
        groups = [range(first, min(first + at_once, len(pictures))) for first in range(0, len(pictures), at_once)]
        drawn = []
        for number, rows in enumerate(groups):
            noise = Noise([seeds[row] for row in rows], (3, self.stage.side, self.stage.side), self.run.device)
            small = to_tensor(pictures[list(rows)]).to(self.run.device)
            condition = self.stage.enlarged(small, noise, level)
            denoiser = self.stage.denoiser(self.pipeline.prompts([prompts[row] for row in rows]), *condition)
            if gamma != 1:
                denoiser = Guided(denoiser, self.stage.denoiser(self.pipeline.prompts([NULL]), *condition), gamma)
            walk = ddpm(
                self.stage.finished(denoiser), noise, times=self.stage.times(steps), variance=self.stage.variance
            )
            for done, step in enumerate(walk, 1):
                self.run.progress(number * steps + done, len(groups) * steps, unit="steps")
                large = step.x_t
            drawn.append(to_bytes(large))
        return np.concatenate(drawn)


def batch(stage: Stage, device: str, most: int, rows: int) -> int:
    """How many pictures are drawn at once, if the network of *stage* is asked about *rows* for each: *most*, if they fit."""
    return fitting(device, most, rows * max(stage.bytes_each, 1))


def _convention(weights: Weights) -> Convention | None:
    """How a network of flow matching is asked; None for a cascade."""
    if weights.network is None:
        return None
    fields = {field.name: getattr(weights.network, field.name) for field in dataclasses.fields(Convention)}
    return Convention(**fields | {"code": weights.code})


def noised(pipeline: Pipeline, original: Tensor, timestep: int, seed: int) -> Tensor:
    """A picture at one of diffusers' timesteps; the same noise whatever the timestep."""
    eps = pipeline.noise([seed]).draw()
    return pipeline.stage.process.noised(original, timestep + 1, eps)


def read_picture(path: Path, side: int) -> np.ndarray:
    """A picture file as RGB, uint8 (side, side, 3): its middle square, made smaller by averaging; clear parts are white.

    Raises:
        ValueError: it cannot be read, or is smaller than *side*.
    """
    try:
        with Image.open(path) as file:
            whole = file.convert("RGBA")
    except (OSError, UnidentifiedImageError) as error:
        raise ValueError(
            f"{path.name}: no picture that Pillow can read ({type(error).__name__}); use PNG or JPEG"
        ) from None
    square = min(whole.size)
    if square < side:
        raise ValueError(f"{path.name} is {whole.width} x {whole.height}; the model needs {side} x {side} or more")
    left, top = (whole.width - square) // 2, (whole.height - square) // 2
    paper = Image.new("RGBA", whole.size, "white")
    flat = Image.alpha_composite(paper, whole).convert("RGB").crop((left, top, left + square, top + square))
    return np.asarray(flat.resize((side, side), Image.Resampling.BOX))


def to_tensor(pictures: np.ndarray) -> Tensor:
    """uint8 (B, H, W, 3) as (B, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(pictures.copy()).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_bytes(pictures: Tensor) -> np.ndarray:
    """(B, 3, H, W) in [-1, 1], values outside clipped, as uint8 (B, H, W, 3)."""
    return ((pictures.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def seeds_of(seed: int, count: int) -> list[int]:
    """*count* seeds far from each other, the first ones the same whatever the count."""
    return [int(value) for value in np.random.SeedSequence(seed).generate_state(count, np.uint64) >> np.uint64(1)]
