"""Stage I of Pocket IF: the end of its training.

Shows: the loss; what the stage draws is on its card.
Needs: the networks as they are with a variance for strided steps, and the emoji sets.
Costs: about seventy minutes on two CPU cores without bfloat16, less with it or on a GPU.
Expect: things that a stranger names, the generic prompt's among them.
"""

from __future__ import annotations

from pathlib import Path

from darkroom.figures import Drawing
from darkroom.lab import Dataset, Results, Run, asset, dataset, experiment, upstream
from experiments.pocket_if import panels
from experiments.pocket_if.stage_1_strided import stage_1_strided


@experiment(device="gpu", minutes=70, gpu_minutes=3)
def stage_1(
    run: Run,
    before: Results = upstream(stage_1_strided),
    emoji: Dataset = dataset("emoji"),
    subjects: Path = asset("pocket_if/subjects.csv"),
    *,
    side: int = 64,
    sets: tuple[str, ...] = ("noto", "twemoji", "fluent-emoji-flat"),
    mirrored: float = 0.0,
    generic: tuple[str, ...] = (
        "church",
        "castle",
        "house",
        "tree",
        "sailboat",
        "rocket",
        "dog",
        "owl",
        "snowy mountain village",
        "amalfi coast",
        "waterfalls",
        "people around a campfire",
    ),
    generic_each: int = 32,
    hard: tuple[str, ...] = (
        "rocket",
        "sun",
        "cat",
        "rabbit",
        "banana",
        "grapes",
        "horse",
        "elephant",
        "whale",
        "octopus",
        "castle",
        "pencil",
    ),
    hard_each: int = 24,
    pictures: int = 2700,
    epochs: int = 14,
    batch: int = 32,
    learning_rate: float = 3e-4,
    warmup: int = 100,
    cap: float = 100.0,
    stride: int = 30,
    weight_decay: float = 0.01,
    averaging: float = 0.998,
    seed: int = 65,
) -> dict[str, object]:
    """The U-Net, trained on with the same pictures and some more; the text encoder stays as stage II knows it.

    "A high quality photo" is said of photos of a dozen things and of nothing else: a prompt that may mean any of
    sixty-four things gave a place with nothing in it. What the judge knew least often gets pictures of its own.

    Results: ``loss`` (steps,); ``pipeline``, the folder that stock diffusers loads.
    """
    from experiments.pocket_if import banks, training
    from experiments.pocket_if.world import GENERIC, World

    recipe = training.recipe(epochs, batch, learning_rate, warmup, weight_decay, averaging)
    world = World(emoji, subjects, sets, mirrored)
    bank = banks.together(
        banks.draw(world, seed, pictures, side, training.drawing(run, pictures), generic={}),
        banks.draw_each(world, seed + 1, generic, generic_each, side, style="photo", caption=GENERIC),
        banks.draw_each(world, seed + 2, hard, hard_each, side),
    )
    return training.train_on(run, before["pipeline"], bank, training.Plan(side, recipe, seed, cap=cap, stride=stride))


@stage_1.metric
def parameters(results: Results) -> int:
    """Of U-Net and text encoder together."""
    return panels.parameter_count(results["pipeline"])


@stage_1.figure(
    caption="The hybrid loss at $64 \\times 64$, step by step, to the end.",
    alt="A curve that falls a little further and flattens.",
)
def loss(results: Results) -> Drawing:
    """By step."""
    return panels.loss_curve(results)
