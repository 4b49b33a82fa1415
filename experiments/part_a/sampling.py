"""Pictures from nothing but noise, without guidance.

Shows: five pictures of "a high quality photo".
Needs: stage I.
Costs: seconds.
Expect: pictures of the model's world, some of them of nothing in particular.
"""

from __future__ import annotations

from darkroom.figures import Drawing, tiles
from darkroom.lab import Results, Run, Weights, experiment, weights


@experiment(device="gpu", minutes=1)
def sampling(
    run: Run,
    stage_1: Weights = weights("stage_1"),
    *,
    count: int = 5,
    prompt: str = "a high quality photo",
    seed: int = 180,
) -> dict[str, object]:
    """The loop from i_start = 0 on, from pure noise.

    Results: ``pictures`` uint8 (count, side, side, 3).
    """
    from experiments.cascade import Pipeline, seeds_of

    pipeline = Pipeline(run, stage_1, [prompt])
    return {"pictures": pipeline.sample(pipeline.denoiser(prompt, gamma=1), seeds_of(seed, count))}


@sampling.figure(
    caption="Five samples of “a high quality photo”, without guidance.",
    alt="Five small painted scenes: shapes by a rock, something under a tower, a waterfall, a white heap, a misty shore.",
)
def samples(results: Results) -> Drawing:
    """In a row."""
    return tiles([list(results["pictures"])], alt="Sample {column_number}.")
