"""What the experiments that begin with a picture share: SDEdit at the course's six levels, and how it is shown.

Needs torch only in :func:`edited`; experiments import that where they compute.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from darkroom.figures import Drawing, tiles
from darkroom.lab import Results

if TYPE_CHECKING:
    from experiments.cascade import Pipeline


def edited(
    pipeline: Pipeline, pictures: Sequence[Path], prompts: Sequence[str], levels: Sequence[int], gamma: float, seed: int
) -> dict[str, np.ndarray]:
    """Each picture noised to each level and sampled from there, all in one batch.

    Args:
        pictures: files.
        prompts: one for each.
        levels: i_start, indices of the course's 34 times.

    Returns:
        ``originals`` uint8 (pictures, side, side, 3); ``edits`` uint8 (pictures, levels, side, side, 3); ``distance``
        (pictures, levels), the root mean squared difference from the original, of pixels in [0, 1].

    Raises:
        ValueError: a level that is none of the 33 steps.
    """
    import torch

    from darkroom.diffusion.sample import last, sdedit
    from experiments.cascade import seeds_of, to_bytes

    if strange := [level for level in levels if not 0 <= level < len(pipeline.times) - 1]:
        raise ValueError(f"i_start {strange[0]} is out of range; choose from 0 to {len(pipeline.times) - 2}")
    originals = torch.cat([pipeline.load_picture(path) for path in pictures])
    asked = [prompt for prompt in prompts for _ in levels]
    denoiser = pipeline.stage.finished(pipeline.denoiser(asked, gamma))
    seeds = [each for each in seeds_of(seed, len(pictures)) for _ in levels]
    walk = sdedit(
        denoiser,
        pipeline.noise(seeds),
        originals.repeat_interleave(len(levels), 0),
        [pipeline.times[level] for level in levels] * len(pictures),
        times=pipeline.times[min(levels) :],
        variance=pipeline.stage.variance,
    )
    end = last(pipeline.reported(walk, len(pipeline.times) - 1 - min(levels)))
    shown = to_bytes(originals)
    edits = to_bytes(end.x_t).reshape(len(pictures), len(levels), *shown.shape[1:])
    differences = (edits.astype(np.float64) - shown[:, None]) / 255
    return {"originals": shown, "edits": edits, "distance": np.sqrt((differences**2).mean((2, 3, 4)))}


def by_level(results: Results, names: Sequence[str]) -> Drawing:
    """A row for each picture: every level, then the original."""
    levels = results.parameters["levels"]
    rows = [[*edits, original] for edits, original in zip(results["edits"], results["originals"], strict=True)]
    columns = [*(f"$i_\\mathrm{{start}} = {level}$" for level in levels), "original"]
    return tiles(rows, rows=list(names), columns=columns, alt="{row}, {column}.", scale=2)


def mean_distance(results: Results) -> dict[str, float]:
    """The distance from the original by level, over all pictures."""
    levels = map(str, results.parameters["levels"])
    return dict(zip(levels, map(float, results["distance"].mean(0)), strict=True))
