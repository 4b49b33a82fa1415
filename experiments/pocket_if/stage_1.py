"""Stage I of Pocket IF, from random weights to the end of its training, in six phases.

Shows: the loss of each phase; what the stage draws is on its card.
Needs: the emoji sets, and of each phase but the first what the one before it learnt.
Costs: the minutes below on two CPU cores without bfloat16, less with it; two or three a phase on a data-centre GPU.
Expect: things that one can name, coarse at 32 x 32; at 64 x 64, things that a stranger names.

    phase               side  starts from         epochs  minutes  teaches
    stage_1_small         32  random weights          40       85  things that one can name, and styles
    stage_1_longer        32  stage_1_small           40       85  the same, by other pictures
    stage_1_unmirrored    32  stage_1_longer          14       30  which way things face: no drawing is mirrored any more
    stage_1_grown         64  stage_1_unmirrored      16       60  twice the side; the text encoder is done after it
    stage_1_strided       64  stage_1_grown           16       70  the variance, for steps as long as those of sampling
    stage_1               64  stage_1_strided         14       70  the generic prompt, and what the judge knew least often

A step at 32 x 32 costs half of one at 64 x 64. Stage II goes on from ``stage_1_grown`` too.

Results of each: ``loss`` (steps,); ``pipeline``, the folder that stock diffusers loads. That of ``stage_1_small`` serves
the next phase alone, and is temporary.
"""

from __future__ import annotations

from pathlib import Path

from darkroom.figures import Drawing
from darkroom.lab import Dataset, Results, Run, asset, dataset, experiment, upstream
from experiments.pocket_if import banks, panels
from experiments.pocket_if.world import GENERIC, World


@experiment(device="gpu", minutes=85, gpu_minutes=3, temporary=("pipeline",))
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
    """DeepFloyd's U-Net at a few million parameters with a T5 encoder that learns along, from random weights."""
    from darkroom.diffusion.cascade import Shape
    from experiments.pocket_if import training

    recipe = training.recipe(epochs, batch, learning_rate, warmup, weight_decay, averaging)
    setup = training.TrainingSetup(side, recipe, seed, pooled=pooled)
    bank = training.drawn(run, World(emoji, subjects, sets), seed, pictures, side)
    parts = training.fresh_parts(Shape(widths, attention, text=text), side, bank.captions, seed)
    return training.train(run, parts, bank, setup)


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
    """The networks of the first run, trained on; the learning rate rises and falls once more."""
    from experiments.pocket_if import training

    recipe = training.recipe(epochs, batch, learning_rate, warmup, weight_decay, averaging)
    setup = training.TrainingSetup(side, recipe, seed, pooled=pooled)
    bank = training.drawn(run, World(emoji, subjects, sets), seed, pictures, side)
    return training.train(run, training.saved_parts(small["pipeline"]), bank, setup)


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

    While half of all drawings were mirrored, what faces to a side was drawn both ways at once.
    """
    from experiments.pocket_if import training

    recipe = training.recipe(epochs, batch, learning_rate, warmup, weight_decay, averaging)
    setup = training.TrainingSetup(side, recipe, seed, pooled=pooled)
    bank = training.drawn(run, World(emoji, subjects, sets, mirrored), seed, pictures, side)
    return training.train(run, training.saved_parts(small["pipeline"]), bank, setup)


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
    """The networks of the first part, grown by a level and trained on with pictures of twice the side."""
    from experiments.pocket_if import training

    recipe = training.recipe(epochs, batch, learning_rate, warmup, weight_decay, averaging)
    setup = training.TrainingSetup(side, recipe, seed, cap=cap)
    bank = training.drawn(run, World(emoji, subjects, sets, mirrored), seed, pictures, side)
    return training.train(run, training.grown_parts(small["pipeline"], seed), bank, setup)


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
    """
    from experiments.pocket_if import training

    recipe = training.recipe(epochs, batch, learning_rate, warmup, weight_decay, averaging)
    setup = training.TrainingSetup(side, recipe, seed, cap=cap, stride=stride)
    world = World(emoji, subjects, sets, mirrored)
    bank = training.drawn(run, world, seed, pictures, side, generic={"photo": generic_photos})
    return training.train_on(run, grown["pipeline"], bank, setup)


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
    """
    from experiments.pocket_if import training

    recipe = training.recipe(epochs, batch, learning_rate, warmup, weight_decay, averaging)
    setup = training.TrainingSetup(side, recipe, seed, cap=cap, stride=stride)
    world = World(emoji, subjects, sets, mirrored)
    bank = banks.together(
        training.drawn(run, world, seed, pictures, side, generic={}),
        banks.draw_each(world, seed + 1, generic, generic_each, side, style="photo", caption=GENERIC),
        banks.draw_each(world, seed + 2, hard, hard_each, side),
    )
    return training.train_on(run, before["pipeline"], bank, setup)


@stage_1_small.metric
@stage_1_strided.metric
@stage_1.metric
def parameters(results: Results) -> int:
    """Of U-Net and text encoder together."""
    return panels.parameter_count(results["pipeline"])


@stage_1_small.figure(
    caption="The loss at $32 \\times 32$, step by step.",
    alt="A curve that falls steeply at first and then slowly to the end.",
)
@stage_1_longer.figure(
    caption="The loss at $32 \\times 32$, step by step, as it went on.",
    alt="A curve that rises a little, with the learning rate, and then falls further than before.",
)
@stage_1_unmirrored.figure(
    caption="The loss at $32 \\times 32$, step by step, on drawings that are not mirrored.",
    alt="A curve that rises a little, with the learning rate, and then falls a little further than before.",
)
@stage_1_grown.figure(
    caption="The hybrid loss at $64 \\times 64$, step by step.",
    alt="A curve that falls a little further and flattens.",
)
@stage_1_strided.figure(
    caption="The hybrid loss at $64 \\times 64$, step by step, of strided steps.",
    alt="A curve that falls a little further and flattens.",
)
@stage_1.figure(
    caption="The hybrid loss at $64 \\times 64$, step by step, to the end.",
    alt="A curve that falls a little further and flattens.",
)
def loss(results: Results) -> Drawing:
    """By step."""
    return panels.loss_curve(results)
