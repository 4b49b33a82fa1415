"""The first half of stage I's training, its end: the same network, on drawings that all face one way.

Shows: the loss; what the stage draws is on its card.
Needs: what was learnt so far, and the emoji sets.
Costs: about half an hour on two CPU cores without bfloat16, less with it, a minute or two on a data-centre GPU.
Expect: rockets that fly one way. While half of all drawings were mirrored, what faces to a side was drawn both ways at once.
"""

from __future__ import annotations

from pathlib import Path

from darkroom.figures import Drawing
from darkroom.lab import Dataset, Results, Run, asset, dataset, experiment, upstream
from experiments.pocket_if import panels
from experiments.pocket_if.stage_1_longer import stage_1_longer


@experiment(device="gpu", minutes=30, gpu_minutes=2)
def stage_1_unmirrored(
    run: Run,
    small: Results = upstream(stage_1_longer),
    emoji: Dataset = dataset("emoji"),
    subjects: Path = asset("pocket_if/subjects.csv"),
    *,
    side: int = 32,
    pooled: int = 2,
    sets: tuple[str, ...] = ("noto", "twemoji", "fluent-emoji-flat"),
    mirrored: float = 0.0,
    pictures: int = 3000,
    epochs: int = 14,
    batch: int = 32,
    learning_rate: float = 4e-4,
    warmup: int = 100,
    weight_decay: float = 0.01,
    averaging: float = 0.999,
    seed: int = 66,
) -> dict[str, object]:
    """The networks of the second run, trained on with drawings of which none is mirrored.

    Results: ``loss`` (steps,); ``pipeline``, the folder that stock diffusers loads.
    """
    from experiments.pocket_if import training
    from experiments.pocket_if.banks import draw
    from experiments.pocket_if.world import World

    recipe = training.recipe(epochs, batch, learning_rate, warmup, weight_decay, averaging)
    bank = draw(World(emoji, subjects, sets, mirrored), seed, pictures, side, training.drawing(run, pictures))
    parts = training.saved_parts(small["pipeline"])
    return training.train(run, parts, bank, training.Plan(side, recipe, seed, pooled=pooled))


@stage_1_unmirrored.figure(
    caption="The loss at $32 \\times 32$, step by step, on drawings that are not mirrored.",
    alt="A curve that rises a little, with the learning rate, and then falls a little further than before.",
)
def loss(results: Results) -> Drawing:
    """By step."""
    return panels.loss_curve(results)
