"""What a blur can do about noise.

Shows: the test picture under noise, and the best Gaussian blur of each.
Needs: the noise schedule of stage I.
Costs: seconds.
Expect: noise and detail go together.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from darkroom.diffusion.metrics import psnr
from darkroom.figures import Drawing, tiles
from darkroom.lab import Results, Run, Weights, asset, experiment, weights


@experiment(device="gpu", minutes=1)
def classical(
    run: Run,
    stage_1: Weights = weights("stage_1"),
    picture: Path = asset("images/chapel.png"),
    *,
    timesteps: tuple[int, ...] = (250, 500, 750),
    sigmas: tuple[float, ...] = (0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0),
    seed: int = 180,
) -> dict[str, object]:
    """Gaussian blurs of x_t / sqrt(abar_t), of which the one nearest to the original in PSNR is kept.

    Results: ``noisy`` and ``blurred`` uint8 (timesteps, side, side, 3); ``sigma`` (timesteps,), the best width in pixels;
    ``psnr`` (timesteps, sigmas) in decibels.
    """
    from darkroom.diffusion.filters import gaussian_blur
    from experiments.cascade import Pipeline, noised, to_bytes

    pipeline = Pipeline(run, stage_1)
    original = pipeline.load_picture(picture)
    truth = np.broadcast_to(to_bytes(original) / 255, (len(sigmas), pipeline.side, pipeline.side, 3))
    noisy, blurred, scores = [], [], []
    for timestep in timesteps:
        x_t = noised(pipeline, original, timestep, seed)
        brought = x_t / pipeline.stage.process.alpha_bar(timestep + 1).sqrt().item()
        blurs = np.concatenate([to_bytes(gaussian_blur(brought, sigma)) for sigma in sigmas])
        scores.append(psnr(blurs / 255, truth))
        noisy.append(to_bytes(x_t)[0])
        blurred.append(blurs[scores[-1].argmax()])
    return {
        "noisy": np.stack(noisy),
        "blurred": np.stack(blurred),
        "sigma": np.array(sigmas)[np.stack(scores).argmax(1)],
        "psnr": np.stack(scores),
    }


@classical.metric
def best_sigma(results: Results) -> dict[str, float]:
    """The best width, in pixels, by t."""
    return dict(zip(map(str, results.parameters["timesteps"]), map(float, results["sigma"]), strict=True))


@classical.metric
def best_psnr(results: Results) -> dict[str, float]:
    """What the best blur reaches, in decibels, by t."""
    return dict(zip(map(str, results.parameters["timesteps"]), map(float, results["psnr"].max(1)), strict=True))


@classical.figure(
    caption=r"The noisy pictures, and the Gaussian blur of each that is nearest to the original (its width chosen by PSNR).",
    alt="Two rows: a chapel under growing noise, and below it soft patches in which a chapel can at first be made out.",
)
def best_blur(results: Results) -> Drawing:
    """Noisy above, blurred below."""
    named = [rf"$t = {t}$" for t in results.parameters["timesteps"]]
    widths = [f"blurred over {sigma:g} pixels" for sigma in results["sigma"]]
    alt = [
        [f"The chapel at t = {t}." for t in results.parameters["timesteps"]],
        [f"The same {width}." for width in widths],
    ]
    return tiles([list(results["noisy"]), list(results["blurred"])], rows=["noisy", "blurred"], columns=named, alt=alt)
