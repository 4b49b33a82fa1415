"""Denoising in one step: what stage I makes of a noisy picture at once.

Shows: original, noisy picture and estimate at three times.
Needs: stage I, the test picture, the best blurs to compare with.
Costs: seconds.
Expect: good at t = 250, a different chapel at 500, a guess at 750.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from darkroom.diffusion.metrics import psnr
from darkroom.figures import Bars, Drawing, bar_plot, tiles
from darkroom.lab import Results, Run, Weights, asset, experiment, upstream, weights
from experiments.part_a.classical import classical


@experiment(device="gpu", minutes=1)
def one_step(
    run: Run,
    stage_1: Weights = weights("stage_1"),
    picture: Path = asset("images/chapel.png"),
    blurs: Results = upstream(classical),
    *,
    prompt: str = "a high quality photo",
    seed: int = 180,
) -> dict[str, object]:
    """The estimate of x_0 that follows from the noise which the network sees in x_t.

    Results: ``original`` uint8 (side, side, 3); ``noisy`` and ``estimates`` uint8 (timesteps, side, side, 3); ``psnr`` and
    ``blur_psnr`` (timesteps,) in decibels.
    """
    import torch

    from experiments.cascade import Pipeline, noised, to_bytes

    pipeline = Pipeline(run, stage_1, [prompt])
    original = pipeline.load_picture(picture)
    timesteps = blurs.parameters["timesteps"]
    noisy = [noised(pipeline, original, timestep, seed) for timestep in timesteps]
    asked = pipeline.stage.finished(pipeline.denoiser(prompt, gamma=1))
    estimates = [asked(x_t, timestep + 1).x_0 for x_t, timestep in zip(noisy, timesteps, strict=True)]
    shown = to_bytes(torch.cat(estimates))
    truth = to_bytes(original)
    return {
        "original": truth[0],
        "noisy": to_bytes(torch.cat(noisy)),
        "estimates": shown,
        "psnr": psnr(shown / 255, np.broadcast_to(truth / 255, shown.shape)),
        "blur_psnr": blurs["psnr"].max(1),
        "timesteps": list(timesteps),
    }


@one_step.metric
def psnr_by_t(results: Results) -> dict[str, float]:
    """Of the estimate, in decibels, by t."""
    return dict(zip(map(str, results["timesteps"]), map(float, results["psnr"]), strict=True))


@one_step.figure(
    caption="Original, noisy picture, and the estimate of one step.",
    alt="Three rows of a chapel: as it is, under noise, and as the network guesses it; the guesses grow vaguer.",
)
def estimates(results: Results) -> Drawing:
    """A column for each time."""
    times = results["timesteps"]
    rows = [[results["original"]] * len(times), list(results["noisy"]), list(results["estimates"])]
    names = ["original", "noisy", "estimate"]
    return tiles(rows, rows=names, columns=[rf"$t = {t}$" for t in times], alt="The chapel, {row}, at {column}.")


@one_step.figure(
    caption="How near the original each comes, in decibels: the best blur, and one step of the network.",
    alt="Bars at three times; the network's are higher, most of all where there is little noise.",
)
def against_blur(results: Results) -> Drawing:
    """A group of bars a time."""
    kinds = [Bars("best blur", results["blur_psnr"]), Bars("one step", results["psnr"])]
    groups = [f"t = {t}" for t in results["timesteps"]]
    return bar_plot(groups, kinds, y_label="PSNR (dB)", format=".1f")
