"""Denoising step by step, along the course's 34 times.

Shows: a noisy picture as it becomes clean, every fifth step, and all of them as a film; and what it ends with beside one step
and a blur.
Needs: stage I, the test picture.
Costs: seconds.
Expect: a sharp chapel, not quite the one that it was.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from darkroom.diffusion.metrics import psnr
from darkroom.figures import Drawing, Panel, animation, tiles
from darkroom.lab import Results, Run, Weights, asset, experiment, weights

SHOWN = (690, 540, 390, 240, 90)


@experiment(device="gpu", minutes=1)
def iterative(
    run: Run,
    stage_1: Weights = weights("stage_1"),
    picture: Path = asset("images/chapel.png"),
    *,
    i_start: int = 10,
    prompt: str = "a high quality photo",
    sigmas: tuple[float, ...] = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0),
    seed: int = 180,
) -> dict[str, object]:
    """Ancestral sampling from a noised picture on, with the variance of the strided schedule that the model predicts.

    Results: ``original``, ``final``, ``one_step`` and ``blurred`` uint8 (side, side, 3); ``steps`` uint8
    (steps + 1, side, side, 3), from the noised picture to the last, at ``timesteps``; ``psnr`` (3,) in decibels, of the
    iterated, the one-step and the blurred picture.
    """
    from darkroom.diffusion.filters import gaussian_blur
    from darkroom.diffusion.sample import ddpm
    from experiments.cascade import Pipeline, noised, to_bytes

    pipeline = Pipeline(run, stage_1, [prompt])
    original = pipeline.load_picture(picture)
    times = pipeline.times[i_start:]
    x_t = noised(pipeline, original, times[0] - 1, seed)
    asked = pipeline.stage.finished(pipeline.denoiser(prompt, gamma=1))
    walk = ddpm(asked, pipeline.noise([seed + 1]), x_T=x_t, times=times, variance=pipeline.stage.variance)
    steps = [to_bytes(x_t)[0], *(to_bytes(step.x_t)[0] for step in pipeline.reported(walk, len(times) - 1))]
    truth = to_bytes(original)[0]
    brought = x_t / pipeline.stage.process.alpha_bar(times[0]).sqrt().item()
    blurs = np.concatenate([to_bytes(gaussian_blur(brought, sigma)) for sigma in sigmas])
    blurred = blurs[psnr(blurs / 255, np.broadcast_to(truth / 255, blurs.shape)).argmax()]
    once = to_bytes(asked(x_t, times[0]).x_0)[0]
    ends = np.stack([steps[-1], once, blurred])
    return {
        "original": truth,
        "final": steps[-1],
        "one_step": once,
        "blurred": blurred,
        "steps": np.stack(steps),
        "timesteps": [time - 1 for time in times],
        "psnr": psnr(ends / 255, np.broadcast_to(truth / 255, ends.shape)),
    }


@iterative.metric
def nearness(results: Results) -> dict[str, float]:
    """PSNR in decibels by method."""
    return dict(zip(("iterated", "one step", "blurred"), map(float, results["psnr"]), strict=True))


@iterative.figure(
    caption="Every fifth step of the loop.",
    alt="A chapel comes out of noise in five pictures, ever clearer.",
)
def loop(results: Results) -> Drawing:
    """At the course's times."""
    timesteps = list(results["timesteps"])
    shown = [t for t in SHOWN if t in timesteps]
    pictures = [results["steps"][timesteps.index(t)] for t in shown]
    return tiles([pictures], columns=[rf"$t = {t}$" for t in shown], alt="The chapel at {column}.")


@iterative.figure(
    caption="The whole loop, all steps. Play it, or move the slider.",
    alt="A chapel comes out of noise.",
)
def trajectory(results: Results) -> Drawing:
    """As a film."""
    labels = [f"t = {t}" for t in results["timesteps"]]
    panel = Panel("", "Noise turns into a chapel.", results["steps"])
    return animation([panel], fps=8, hold_last_s=2.0, scale=4, labels=labels)


@iterative.figure(
    caption="What the loop ends with, beside one step and the best blur of the same noisy picture.",
    alt="Four chapels: the original, one of brush strokes with clear edges and no windows, a soft one, and a coloured fog.",
)
def ends(results: Results) -> Drawing:
    """Beside the original."""
    names = ["original", "iterated", "one step", "Gaussian blur"]
    pictures = [results[name] for name in ("original", "final", "one_step", "blurred")]
    return tiles([pictures], columns=names, alt="The chapel: {column}.")
