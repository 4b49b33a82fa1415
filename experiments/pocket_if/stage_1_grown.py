"""Stage I of Pocket IF: the second part of its training, at 64 x 64.

Shows: the loss. The text encoder is done after it, and stage II goes on from here too.
Needs: what was learnt at 32 x 32, around which the network grows, and the emoji sets.
Costs: about an hour on two CPU cores without bfloat16, half of that with it, a few minutes on a data-centre GPU.
Expect: things that a stranger names.
"""

from __future__ import annotations

from pathlib import Path

from darkroom.figures import Drawing
from darkroom.lab import Dataset, Results, Run, asset, dataset, experiment, upstream
from experiments.pocket_if import panels
from experiments.pocket_if.stage_1_unmirrored import stage_1_unmirrored


@experiment(device="gpu", minutes=60, gpu_minutes=3)
def stage_1_grown(
    run: Run,
    small: Results = upstream(stage_1_unmirrored),
    emoji: Dataset = dataset("emoji"),
    subjects: Path = asset("pocket_if/subjects.csv"),
    *,
    side: int = 64,
    sets: tuple[str, ...] = ("noto", "twemoji", "fluent-emoji-flat"),
    mirrored: float = 0.0,
    pictures: int = 3000,
    epochs: int = 16,
    batch: int = 32,
    learning_rate: float = 3e-4,
    warmup: int = 100,
    cap: float = 100.0,
    weight_decay: float = 0.01,
    averaging: float = 0.998,
    seed: int = 65,
) -> dict[str, object]:
    """The networks of the first part, grown by a level and trained on with pictures of twice the side.

    Results: ``loss`` (steps,); ``pipeline``, the folder that stock diffusers loads.
    """
    from experiments.pocket_if import training
    from experiments.pocket_if.banks import draw
    from experiments.pocket_if.world import World

    recipe = training.recipe(epochs, batch, learning_rate, warmup, weight_decay, averaging)
    bank = draw(World(emoji, subjects, sets, mirrored), seed, pictures, side, training.drawing(run, pictures))
    parts = training.grown_parts(small["pipeline"], seed)
    return training.train(run, parts, bank, training.Plan(side, recipe, seed, cap=cap))


@stage_1_grown.figure(
    caption="The hybrid loss at $64 \\times 64$, step by step.",
    alt="A curve that falls a little further and flattens.",
)
def loss(results: Results) -> Drawing:
    """By step."""
    return panels.loss_curve(results)
