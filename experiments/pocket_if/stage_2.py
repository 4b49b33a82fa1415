"""Stage II of Pocket IF: from 64 x 64 to 128 x 128.

Shows: the loss.
Needs: stage I as it was when its text encoder was done, from whose networks it goes on, and the emoji sets.
Costs: about seventy minutes on two CPU cores, a few minutes on a data-centre GPU.
Expect: sharp outlines where enlarging alone is soft.
"""

from __future__ import annotations

from pathlib import Path

from darkroom.figures import Drawing
from darkroom.lab import Dataset, Results, Run, asset, dataset, experiment, upstream
from experiments.pocket_if import panels
from experiments.pocket_if.stage_1 import stage_1_grown


@experiment(device="gpu", minutes=70, gpu_minutes=3)
def stage_2(
    run: Run,
    below: Results = upstream(stage_1_grown),
    emoji: Dataset = dataset("emoji"),
    subjects: Path = asset("pocket_if/subjects.csv"),
    *,
    whole: int = 128,
    side: int = 64,
    larger: int = 2,
    sets: tuple[str, ...] = ("noto", "twemoji", "fluent-emoji-flat"),
    mirrored: float = 0.0,
    pictures: int = 3000,
    squares: int = 4,
    epochs: int = 5,
    batch: int = 32,
    learning_rate: float = 3e-4,
    warmup: int = 100,
    cap: float = 400.0,
    weight_decay: float = 0.01,
    averaging: float = 0.998,
    seed: int = 128,
) -> dict[str, object]:
    """A U-Net that takes noise out of a picture given the same at half the side, enlarged and noised.

    It begins as stage I's, which takes noise out of pictures of 64 x 64 already, and learns from squares of that side cut
    out of pictures of 128 x 128: what makes an outline sharp is local. It is used on whole ones.

    Results: ``loss`` (steps,); ``pipeline``, the folder that stock diffusers loads.
    """
    from experiments.pocket_if import banks, training
    from experiments.pocket_if.world import World

    recipe = training.recipe(epochs, batch, learning_rate, warmup, weight_decay, averaging)
    setup = training.TrainingSetup(side, recipe, seed, larger=larger, whole=whole, cap=cap)
    drawn = training.drawn(run, World(emoji, subjects, sets, mirrored), seed, pictures, whole)
    bank = banks.cropped(drawn, side, seed, squares)
    return training.train_above(run, below["pipeline"], bank, setup)


@stage_2.metric
def parameters(results: Results) -> int:
    """Of U-Net and text encoder together."""
    return panels.parameter_count(results["pipeline"])


@stage_2.figure(
    caption="The hybrid loss of stage II, step by step.",
    alt="A curve that falls to half within some hundred steps, and slowly from there on.",
)
def loss(results: Results) -> Drawing:
    """By step."""
    return panels.loss_curve(results)
