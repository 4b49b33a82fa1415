"""A logo for the course, from a sketch: text-guided image to image.

Shows: the sketch, the best of several seeds at two levels, and all seeds.
Needs: stage I, the sketch.
Costs: about a minute on two CPU cores.
Expect: the sketch's composition in paint.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from darkroom.figures import Drawing, tiles
from darkroom.lab import Results, Run, Weights, asset, experiment, weights


@experiment(device="gpu", minutes=2)
def logo(
    run: Run,
    stage_1: Weights = weights("stage_1"),
    sketch: Path = asset("images/drawing_camera.png"),
    *,
    prompt: str = "an oil painting of a camera",
    levels: tuple[int, ...] = (7, 12),
    seeds_each: int = 8,
    gamma: float = 2.5,
    seed: int = 180,
) -> dict[str, object]:
    """The sketch noised to each level and sampled from there with the prompt; chosen by agreement with the prompt.

    Results: ``sketch`` uint8 (side, side, 3); ``pictures`` uint8 (levels, seeds, side, side, 3); ``scores`` (levels, seeds).
    """
    import torch

    from darkroom.diffusion.sample import last, sdedit
    from experiments.cascade import Pipeline, seeds_of, to_bytes
    from experiments.part_a.choosing import agreements

    pipeline = Pipeline(run, stage_1, [prompt])
    original = pipeline.load_picture(sketch)
    seeds = seeds_of(seed, seeds_each)
    denoiser = pipeline.stage.finished(pipeline.denoiser(prompt, gamma))
    walk = sdedit(
        denoiser,
        pipeline.noise(seeds * len(levels)),
        torch.cat([original] * (len(levels) * seeds_each)),
        [pipeline.times[level] for level in levels for _ in seeds],
        times=pipeline.times[min(levels) :],
        variance=pipeline.stage.variance,
    )
    drawn = to_bytes(last(pipeline.reported(walk, len(pipeline.times) - 1 - min(levels))).x_t)
    scores = agreements(pipeline, drawn, prompt, seeds * len(levels))
    return {
        "sketch": to_bytes(original)[0],
        "pictures": drawn.reshape(len(levels), seeds_each, *drawn.shape[1:]),
        "scores": scores.reshape(len(levels), seeds_each),
    }


@logo.figure(
    caption="The sketch, and the best seed at each level, by agreement with the prompt.",
    alt="A sketched camera, and the same as two small paintings.",
)
def best(results: Results) -> Drawing:
    """The sketch first."""
    chosen = [row[int(scores.argmax())] for row, scores in zip(results["pictures"], results["scores"], strict=True)]
    levels = [rf"$i_\mathrm{{start}} = {level}$" for level in results.parameters["levels"]]
    return tiles([[results["sketch"], *chosen]], columns=["sketch", *levels], alt="The camera: {column}.", scale=3)


@logo.figure(
    caption="All seeds, best first.",
    alt="Two rows of small painted cameras.",
)
def all_seeds(results: Results) -> Drawing:
    """A row a level."""
    rows = [
        list(row[np.argsort(-scores, kind="stable")])
        for row, scores in zip(results["pictures"], results["scores"], strict=True)
    ]
    names = [rf"$i_\mathrm{{start}} = {level}$" for level in results.parameters["levels"]]
    return tiles(rows, rows=names, alt="A camera, {row}, number {column_number} by score.", scale=1)
