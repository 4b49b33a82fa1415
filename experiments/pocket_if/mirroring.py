"""What mirrored drawings did to stage I: the same prompts and the same noise before and after the run without them.

Shows: things that have a front, and things that are their own mirror image, as both runs draw them.
Needs: the two runs at 32 x 32, and the emoji sets to compare with.
Costs: about two minutes on two CPU cores.
Expect: before, a front on either side; after, one that faces somewhere. Apples are alike.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from darkroom.diffusion.metrics import mirror_symmetry
from darkroom.figures import Drawing, tiles
from darkroom.lab import Dataset, Results, Run, asset, dataset, experiment, upstream
from experiments.pocket_if.stage_1 import stage_1_longer, stage_1_unmirrored
from experiments.pocket_if.world import World


@experiment(device="gpu", minutes=3)
def mirroring(
    run: Run,
    before: Results = upstream(stage_1_longer),
    after: Results = upstream(stage_1_unmirrored),
    emoji: Dataset = dataset("emoji"),
    subjects: Path = asset("pocket_if/subjects.csv"),
    *,
    sets: tuple[str, ...] = ("noto", "twemoji", "fluent-emoji-flat"),
    shown: tuple[str, ...] = ("rocket", "dog", "horse", "airplane", "whale", "guitar", "apple", "panda"),
    gamma: float = 3.0,
    seed: int = 32,
) -> dict[str, object]:
    """Every subject once as an emoji, by each run, from the same noise, without any further noise on the way.

    These runs take away noise of half the strength, so that is what they begin with.

    Results: ``before``, ``after`` and ``own`` uint8 (subjects, side, side, 3), the last being pictures of the world in
    which nothing is mirrored, at the same size; ``subjects``, their names.
    """
    from darkroom.diffusion.denoise import Refitted
    from darkroom.diffusion.sample import ddim, last
    from darkroom.lab import Weights
    from experiments.cascade import Pipeline, seeds_of, to_bytes
    from experiments.pocket_if.banks import smaller

    world = World(emoji, subjects, sets, mirrored=0.0)
    prompts = [f"an emoji of {world.wordings[name][0]}" for name in world.subjects]
    seeds = seeds_of(seed, len(prompts))
    drawn = {}
    for name, model in (("before", before), ("after", after)):
        pipeline = Pipeline(run, Weights(str(model["pipeline"])))
        denoiser, noise = Refitted(pipeline.stage.finished(pipeline.denoiser(prompts, gamma))), pipeline.noise(seeds)
        walk = ddim(denoiser, noise, x_T=noise.draw() / 2, times=(*pipeline.times, 0))
        drawn[name] = to_bytes(last(pipeline.reported(walk, len(pipeline.times))).x_t)
    own = [world.picture(seed, k, subject=name, style="emoji").pixels for k, name in enumerate(world.subjects)]
    return {
        **drawn,
        "own": np.stack([smaller(picture, pipeline.side) for picture in own]),
        "subjects": list(world.subjects),
    }


@mirroring.metric
def symmetry(results: Results) -> dict[str, float]:
    """How much a picture resembles its mirror image, the mean over all subjects: 1 for one that equals it."""
    return {name: float(mirror_symmetry(results[name]).mean()) for name in ("before", "after", "own")}


@mirroring.figure(
    caption="The same prompts and noise, while half of all drawings were mirrored, and after a run in which none was.",
    alt="Three rows of small pictures: above, a dog and a horse with a head at either end; in the middle they face one way, "
    "as they do below. Apples and pandas are alike in all rows.",
)
def before_after(results: Results) -> Drawing:
    """A row before, a row after, and the world's own."""
    chosen = [results["subjects"].index(name) for name in results.parameters["shown"]]
    return tiles(
        [list(results[name][chosen]) for name in ("before", "after", "own")],
        rows=["half mirrored", "none mirrored", "of the world"],
        columns=list(results.parameters["shown"]),
        alt="{column}, {row}.",
        scale=2,
    )
