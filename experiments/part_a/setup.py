"""The model, asked plainly: three prompts, several numbers of steps, both stages.

Shows: the course's three prompts with 5 to 100 steps, and what stage II makes of them.
Needs: both stages.
Costs: about two and a half minutes on two CPU cores.
Expect: more steps help up to a point; stage II adds edges and invents what is between the pixels.
"""

from __future__ import annotations

import numpy as np

from darkroom.figures import Drawing, tiles
from darkroom.lab import Results, Run, Weights, experiment, weights


@experiment(device="gpu", minutes=3)
def setup(
    run: Run,
    stage_1: Weights = weights("stage_1"),
    stage_2: Weights = weights("stage_2"),
    *,
    prompts: tuple[str, ...] = (
        "an oil painting of a snowy mountain village",
        "a man wearing a hat",
        "a rocket ship",
    ),
    steps: tuple[int, ...] = (5, 10, 20, 40, 100),
    enlarged_from: int = 40,
    enlarging_steps: tuple[int, ...] = (10, 30),
    gamma: float = 2.5,
    enlarging_gamma: float = 1.0,
    seed: int = 180,
) -> dict[str, object]:
    """Every prompt from one noise; stage II enlarges those of ``enlarged_from`` steps.

    Results: ``small`` uint8 (prompts, steps, side, side, 3); ``large`` uint8 (prompts, enlarging_steps, 2 side, 2 side, 3);
    ``seconds`` (steps,), that one picture of stage I took.
    """
    import time

    from experiments.cascade import Pipeline, SuperResolutionPipeline, seeds_of

    pipeline = Pipeline(run, stage_1, prompts)
    seeds = seeds_of(seed, len(prompts))
    asked = pipeline.denoiser(prompts, gamma)
    pipeline.sample(
        asked, seeds, pipeline.stage.times(1)
    )  # the first call of a process takes longer, on a GPU by seconds
    small, seconds = [], []
    for count in steps:
        began = time.monotonic()
        small.append(pipeline.sample(asked, seeds, pipeline.stage.times(count)))
        seconds.append((time.monotonic() - began) / len(prompts))
    upscaler = SuperResolutionPipeline(run, pipeline, stage_2)
    source = small[list(steps).index(enlarged_from)]
    large = [upscaler.upscale(source, prompts, seeds, enlarging_gamma, steps=count) for count in enlarging_steps]
    return {"small": np.stack(small, 1), "large": np.stack(large, 1), "seconds": np.array(seconds)}


@setup.metric
def seconds_a_picture(results: Results) -> dict[str, float]:
    """Of stage I, by steps."""
    return dict(zip(map(str, results.parameters["steps"]), map(float, results["seconds"]), strict=True))


@setup.figure(
    caption="Three prompts at several numbers of steps, stage I.",
    alt="Rows for a snowy village, a man with a hat and a rocket; grained with five steps, clear from twenty on.",
)
def stage_one(results: Results) -> Drawing:
    """A row a prompt."""
    columns = [f"{count} steps" for count in results.parameters["steps"]]
    prompts = results.parameters["prompts"]
    return tiles(list(results["small"]), rows=prompts, columns=columns, alt="{row}, {column}.", scale=2)


@setup.figure(
    caption="What stage II makes of them, with two numbers of steps.",
    alt="A snowy village, a man in a hat and a rocket, twice as large, with smooth outlines; thirty steps look as ten do.",
)
def stage_two(results: Results) -> Drawing:
    """A row a prompt."""
    columns = [f"{count} steps" for count in results.parameters["enlarging_steps"]]
    prompts = results.parameters["prompts"]
    return tiles(list(results["large"]), rows=prompts, columns=columns, alt="{row}, enlarged in {column}.", scale=1)
