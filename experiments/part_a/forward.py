"""The forward process: a picture under more and more noise.

Shows: the test picture at t = 250, 500 and 750.
Needs: the noise schedule of stage I.
Costs: seconds.
Expect: at 250 all is seen, at 750 hardly anything.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from darkroom.figures import Drawing, tiles
from darkroom.lab import Results, Run, Weights, asset, experiment, weights


@experiment(device="gpu", minutes=1)
def forward(
    run: Run,
    stage_1: Weights = weights("stage_1"),
    picture: Path = asset("images/chapel.png"),
    *,
    timesteps: tuple[int, ...] = (250, 500, 750),
    seed: int = 180,
) -> dict[str, object]:
    """x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps with one eps for all t.

    Results: ``original`` uint8 (side, side, 3); ``noisy`` uint8 (timesteps, side, side, 3); ``signal`` (timesteps,), the
    share sqrt(abar_t) of the picture that is left.
    """
    from experiments.cascade import Pipeline, noised, to_bytes

    pipeline = Pipeline(run, stage_1)
    original = pipeline.load_picture(picture)
    noisy = [noised(pipeline, original, timestep, seed) for timestep in timesteps]
    left = [float(pipeline.stage.process.alpha_bar(timestep + 1)) ** 0.5 for timestep in timesteps]
    return {
        "original": to_bytes(original)[0],
        "noisy": np.concatenate([to_bytes(each) for each in noisy]),
        "signal": np.array(left),
    }


@forward.metric
def signal(results: Results) -> dict[str, float]:
    """sqrt(abar_t) by t."""
    return dict(zip(map(str, results.parameters["timesteps"]), map(float, results["signal"]), strict=True))


@forward.figure(
    caption=r"The test picture $x_0$ and what the forward process makes of it at three times.",
    alt="A chapel in the snow, then the same under noise: plain, hard to see, all but gone.",
)
def levels(results: Results) -> Drawing:
    """The picture, then each time."""
    named = [rf"$t = {t}$" for t in results.parameters["timesteps"]]
    alt = ["The chapel.", *(f"The chapel under the noise of t = {t}." for t in results.parameters["timesteps"])]
    return tiles([[results["original"], *results["noisy"]]], columns=["$x_0$", *named], alt=[alt], scale=2)
