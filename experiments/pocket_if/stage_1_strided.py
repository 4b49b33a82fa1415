"""Stage I of Pocket IF, trained on: the variance for steps as long as those of sampling.

Shows: the loss.
Needs: the networks as they were grown to 64 x 64, and the emoji sets.
Costs: seventy minutes on two CPU cores without bfloat16, less with it or on a GPU.
Expect: no grain any more, and fainter errors than before.
"""

from __future__ import annotations

from pathlib import Path

from darkroom.figures import Drawing
from darkroom.lab import Dataset, Results, Run, asset, dataset, experiment, upstream
from experiments.pocket_if import panels
from experiments.pocket_if.stage_1_grown import stage_1_grown


@experiment(device="gpu", minutes=70, gpu_minutes=3)
def stage_1_strided(
    run: Run,
    grown: Results = upstream(stage_1_grown),
    emoji: Dataset = dataset("emoji"),
    subjects: Path = asset("pocket_if/subjects.csv"),
    *,
    side: int = 64,
    sets: tuple[str, ...] = ("noto", "twemoji", "fluent-emoji-flat"),
    mirrored: float = 0.0,
    generic_photos: float = 0.4,
    pictures: int = 3000,
    epochs: int = 16,
    batch: int = 32,
    learning_rate: float = 3e-4,
    warmup: int = 100,
    cap: float = 100.0,
    stride: int = 30,
    weight_decay: float = 0.01,
    averaging: float = 0.998,
    seed: int = 65,
) -> dict[str, object]:
    """The U-Net, trained on with the same pictures; the text encoder stays as it is, since stage II knows it so.

    Four in ten photos are called "a high quality photo" and nothing else, and no other picture is: the generic prompt
    gets a meaning of its own, which guidance can go towards.

    Results: ``loss`` (steps,); ``pipeline``, the folder that stock diffusers loads.
    """
    from experiments.pocket_if import banks, training
    from experiments.pocket_if.world import World

    recipe = training.recipe(epochs, batch, learning_rate, warmup, weight_decay, averaging)
    world, generic = World(emoji, subjects, sets, mirrored), {"photo": generic_photos}
    bank = banks.draw(world, seed, pictures, side, training.drawing(run, pictures), generic)
    return training.train_on(run, grown["pipeline"], bank, training.Plan(side, recipe, seed, cap=cap, stride=stride))


@stage_1_strided.metric
def parameters(results: Results) -> int:
    """Of U-Net and text encoder together."""
    return panels.parameter_count(results["pipeline"])


@stage_1_strided.figure(
    caption="The hybrid loss at $64 \\times 64$, step by step, of strided steps.",
    alt="A curve that falls a little further and flattens.",
)
def loss(results: Results) -> Drawing:
    """By step."""
    return panels.loss_curve(results)
