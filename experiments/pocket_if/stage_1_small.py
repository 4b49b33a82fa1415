"""The first half of stage I's training, at 32 x 32, where a step costs half.

Shows: the loss; what the stage draws is on its card.
Needs: the emoji sets.
Costs: about an hour and a half on two CPU cores without bfloat16, an hour with it, a few minutes on a data-centre GPU.
Expect: things one can name, still coarse; styles that one can tell apart.
"""

from __future__ import annotations

from pathlib import Path

from darkroom.figures import Drawing
from darkroom.lab import Dataset, Results, Run, asset, dataset, experiment
from experiments.pocket_if import panels


@experiment(device="gpu", minutes=85, gpu_minutes=3)
def stage_1_small(
    run: Run,
    emoji: Dataset = dataset("emoji"),
    subjects: Path = asset("pocket_if/subjects.csv"),
    *,
    side: int = 32,
    pooled: int = 2,
    sets: tuple[str, ...] = ("noto", "twemoji", "fluent-emoji-flat"),
    pictures: int = 3000,
    epochs: int = 40,
    batch: int = 32,
    learning_rate: float = 6e-4,
    warmup: int = 300,
    weight_decay: float = 0.01,
    averaging: float = 0.999,
    widths: tuple[int, ...] = (32, 64, 96, 160),
    attention: int = 2,
    text: int = 128,
    seed: int = 64,
) -> dict[str, object]:
    """DeepFloyd's U-Net at a few million parameters with a T5 encoder that learns along, from random weights.

    Results: ``loss`` (steps,); ``pipeline``, the folder that stock diffusers loads.
    """
    from darkroom.diffusion.cascade import Shape
    from experiments.pocket_if import training
    from experiments.pocket_if.banks import draw
    from experiments.pocket_if.world import World

    recipe = training.recipe(epochs, batch, learning_rate, warmup, weight_decay, averaging)
    bank = draw(World(emoji, subjects, sets), seed, pictures, side, training.drawing(run, pictures))
    shape = Shape(widths, attention, text=text)
    parts = training.fresh_parts(shape, side, bank.captions, seed)
    return training.train(run, parts, bank, training.Plan(side, recipe, seed, pooled=pooled))


@stage_1_small.metric
def parameters(results: Results) -> int:
    """Of U-Net and text encoder together."""
    return panels.parameter_count(results["pipeline"])


@stage_1_small.figure(
    caption="The loss at $32 \\times 32$, step by step.",
    alt="A curve that falls steeply at first and then slowly to the end.",
)
def loss(results: Results) -> Drawing:
    """By step."""
    return panels.loss_curve(results)
