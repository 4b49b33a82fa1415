"""The first half of stage I's training, for as long again: the same network, on other pictures of the same world.

Shows: the loss; what the stage draws is on its card.
Needs: what was learnt so far, and the emoji sets.
Costs: about an hour and a half on two CPU cores without bfloat16, an hour with it, a few minutes on a data-centre GPU.
Expect: things that one names at once; at 32 x 32 they cannot be sharp.
"""

from __future__ import annotations

from pathlib import Path

from darkroom.figures import Drawing
from darkroom.lab import Dataset, Results, Run, asset, dataset, experiment, upstream
from experiments.pocket_if import panels
from experiments.pocket_if.stage_1_small import stage_1_small


@experiment(device="gpu", minutes=85, gpu_minutes=3)
def stage_1_longer(
    run: Run,
    small: Results = upstream(stage_1_small),
    emoji: Dataset = dataset("emoji"),
    subjects: Path = asset("pocket_if/subjects.csv"),
    *,
    side: int = 32,
    pooled: int = 2,
    sets: tuple[str, ...] = ("noto", "twemoji", "fluent-emoji-flat"),
    pictures: int = 3000,
    epochs: int = 40,
    batch: int = 32,
    learning_rate: float = 5e-4,
    warmup: int = 200,
    weight_decay: float = 0.01,
    averaging: float = 0.999,
    seed: int = 65,
) -> dict[str, object]:
    """The networks of the first run, trained on; the learning rate rises and falls once more.

    Results: ``loss`` (steps,); ``pipeline``, the folder that stock diffusers loads.
    """
    from experiments.pocket_if import training
    from experiments.pocket_if.banks import draw
    from experiments.pocket_if.world import World

    recipe = training.recipe(epochs, batch, learning_rate, warmup, weight_decay, averaging)
    bank = draw(World(emoji, subjects, sets), seed, pictures, side, training.drawing(run, pictures))
    parts = training.saved_parts(small["pipeline"])
    return training.train(run, parts, bank, training.Plan(side, recipe, seed, pooled=pooled))


@stage_1_longer.figure(
    caption="The loss at $32 \\times 32$, step by step, as it went on.",
    alt="A curve that rises a little, with the learning rate, and then falls further than before.",
)
def loss(results: Results) -> Drawing:
    """By step."""
    return panels.loss_curve(results)
