"""How much noise the steps of sampling draw, before and after stage I learnt it from steps as long as those.

Shows: the noise of a step over the noise that fits, by time, of both; and what both draw from the same noise.
Needs: stage I before that run and after it, and the emoji sets.
Costs: about two minutes on two CPU cores.
Expect: before, too much noise at every time, and grain in every picture; after, about as much as fits.
"""

from __future__ import annotations

from pathlib import Path

from darkroom.figures import Drawing, Reference, Series, line_plot, tiles
from darkroom.lab import Dataset, Results, Run, asset, dataset, experiment, upstream
from experiments.pocket_if.stage_1 import stage_1_grown, stage_1_strided
from experiments.pocket_if.world import World

RUNS = ("before", "after")


@experiment(device="gpu", minutes=3)
def variance(
    run: Run,
    before: Results = upstream(stage_1_grown),
    after: Results = upstream(stage_1_strided),
    emoji: Dataset = dataset("emoji"),
    subjects: Path = asset("pocket_if/subjects.csv"),
    *,
    sets: tuple[str, ...] = ("noto", "twemoji", "fluent-emoji-flat"),
    pictures: int = 48,
    shown: tuple[str, ...] = (
        "a rocket ship",
        "a man wearing a hat",
        "an oil painting of a snowy mountain village",
        "a photo of an owl",
        "an emoji of a dog",
        "a silhouette of a duck",
    ),
    gamma: float = 2.5,
    seed: int = 999,
) -> dict[str, object]:
    """New pictures of the world, noised to each of the course's times and asked about, by each network.

    Results: ``times`` (33,); ``drawn`` and ``fitting`` (2, 33), the standard deviation of a step by what the network says
    (the geometric mean over pixels) and by the error of its estimates; ``before`` and ``after`` uint8
    (shown, side, side, 3).
    """
    from itertools import pairwise

    import numpy as np
    import torch

    from darkroom.diffusion.likelihood import fitting_variance
    from darkroom.diffusion.sample import log_variance
    from darkroom.lab import Weights
    from experiments.cascade import Pipeline, seeds_of
    from experiments.pocket_if.banks import draw

    pipelines = {
        name: Pipeline(run, Weights(str(model["pipeline"]))) for name, model in zip(RUNS, (before, after), strict=True)
    }
    side, times = pipelines["after"].side, pipelines["after"].times
    bank = draw(World(emoji, subjects, sets, mirrored=0.0), seed, pictures, side)
    x_0 = torch.from_numpy(bank.images).to(run.device).float() / 127.5 - 1
    drawn, fitting = np.zeros((2, len(times) - 1)), np.zeros((2, len(times) - 1))
    for row, pipeline in enumerate(pipelines.values()):
        schedule, denoiser = pipeline.stage.process, pipeline.denoiser(bank.captions, gamma=1)
        for column, (t, s) in enumerate(pairwise(times)):
            run.progress(row * len(times) + column, 2 * len(times), unit="times")
            with torch.inference_mode():
                found = denoiser(schedule.noised(x_0, t, pipeline.noise(seeds_of(seed, pictures)).draw()), t)
                said = log_variance(schedule, found.v, t, s).mean().item()
                mse = (found.x_0 - x_0).square().mean().item()
            drawn[row, column], fitting[row, column] = np.exp(said / 2), fitting_variance(schedule, t, s, mse) ** 0.5
    seeds = seeds_of(seed, len(shown))
    return {
        "times": np.array(times[:-1]),
        "drawn": drawn,
        "fitting": fitting,
        **{name: pipeline.sample(pipeline.denoiser(shown, gamma), seeds) for name, pipeline in pipelines.items()},
    }


@variance.metric
def excess(results: Results) -> dict[str, float]:
    """Noise drawn over noise that fits, at the time where that is most."""
    return dict(zip(RUNS, map(float, (results["drawn"] / results["fitting"]).max(1)), strict=True))


@variance.figure(
    caption="The standard deviation of the noise that a step draws, over the one that fits the network's error, by time.",
    alt="One curve lies above 1 and climbs steeply as t falls; the other runs along 1 and dips below it at the very last.",
)
def by_time(results: Results) -> Drawing:
    """A curve before, a curve after."""
    order = slice(None, None, -1)
    ratio = results["drawn"] / results["fitting"]
    series = [
        Series(name, results["times"][order], values[order])
        for name, values in zip(("before the run", "after it"), ratio, strict=True)
    ]
    return line_plot(series, x_label="t", y_label="noise drawn / noise that fits", references=[Reference("fits", 1.0)])


@variance.figure(
    caption="The same prompts and noise, before the run with strided steps and after it.",
    alt="Two rows of small pictures: grain all over those above, plain grounds below.",
)
def before_after(results: Results) -> Drawing:
    """A row before, a row after."""
    columns = list(results.parameters["shown"])
    return tiles([list(results[name]) for name in RUNS], rows=RUNS, columns=columns, alt="{column}, {row}.", scale=2)
