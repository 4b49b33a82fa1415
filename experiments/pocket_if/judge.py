"""Who says what a picture shows: a small network that names the subjects of the world, in all styles.

Shows: how often it is right, by style, on new pictures and on drawings by people whose work it has never seen.
Needs: the emoji sets.
Costs: about fifteen minutes on two CPU cores, seconds on a data-centre GPU.
Expect: nearly always right on the sets that it knows, often on the one held out, least on silhouettes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from darkroom.figures import Bars, Drawing, bar_plot
from darkroom.lab import Dataset, Results, Run, asset, dataset, experiment
from experiments.pocket_if.world import SETS, STYLES, World


@experiment(device="gpu", minutes=15)
def judge(
    run: Run,
    emoji: Dataset = dataset("emoji"),
    subjects: Path = asset("pocket_if/subjects.csv"),
    *,
    pictures: int = 8000,
    centred_each: int = 4,
    tested_each: int = 5,
    epochs: int = 12,
    batch: int = 128,
    learning_rate: float = 2e-3,
    held_out: str = "emojione",
    seed: int = 32,
) -> dict[str, object]:
    """A classifier of subjects, whose features are the space that generated pictures are judged in.

    Trained without one set of drawings. Results: ``loss`` (steps,); ``weights``; ``subjects``, their names; ``centres``
    (subjects, 128), the mean direction of each over all styles in feature space; ``right`` (2, styles), the share of
    test pictures whose nearest centre is their own subject's: new pictures of the known sets, then of the one held out.
    """
    from darkroom.diffusion.train import Recipe, Trainer, seeded
    from experiments.pocket_if import judging
    from experiments.pocket_if.banks import smaller
    from experiments.pocket_if.training import drawn, followed

    known = World(emoji, subjects, tuple(name for name in SETS if name != held_out))
    bank = drawn(run, known, seed, pictures, judging.SIDE)
    names = known.subjects
    labels = np.array([names.index(subject) for subject in bank.subjects], np.int64)
    network = seeded(lambda: judging.Namer(len(names)), seed)
    recipe = Recipe(epochs, batch, learning_rate, cosine=True, warmup=100, weight_decay=0.01)
    trainer = Trainer(network, judging.Naming(), recipe, bank.images, labels, device=run.device, seed=seed)
    loss = followed(run, trainer)
    weights = {name: value.cpu().numpy().copy() for name, value in trainer.network.state_dict().items()}
    trained = judging.restored(weights, len(names))

    def pictured(world: World, style: str, each: int, draw_seed: int) -> tuple[np.ndarray, np.ndarray]:
        """New pictures of every subject that *world* can draw, as directions, and their subjects' numbers."""
        drawable = [name for name in names if world.drawings(name)]
        shown = [
            smaller(world.picture(draw_seed, 1000 * k + i, subject=name, style=style).pixels, judging.SIDE)
            for k, name in enumerate(drawable)
            for i in range(each)
        ]
        return judging.directions(trained, np.array(shown)), np.repeat([names.index(name) for name in drawable], each)

    of_styles = [pictured(known, style, centred_each, seed + 1) for style in STYLES]
    centres = judging.centres_of(
        np.concatenate([features for features, _ in of_styles]),
        np.concatenate([told for _, told in of_styles]),
        len(names),
    )
    shares = []
    for world in (known, World(emoji, subjects, (held_out,))):
        for style in STYLES:
            features, truth = pictured(world, style, tested_each, seed + 2)
            shares.append(float(((features @ centres.T).argmax(1) == truth).mean()))
    return {
        "loss": loss,
        "weights": weights,
        "subjects": list(names),
        "centres": centres.astype(np.float32),
        "right": np.array(shares).reshape(2, len(STYLES)),
    }


@judge.metric
def accuracy(results: Results) -> dict[str, float]:
    """The share of test pictures whose nearest subject is their own, over all styles."""
    known, unknown = results["right"].mean(1)
    return {"known sets": float(known), "held-out set": float(unknown)}


@judge.figure(
    caption="How often the judge names the subject of a new picture, by style: the five sets that it knows, and the sixth.",
    alt="Bars close to one for the known sets in every style, and lower ones for the held-out set, lowest for silhouettes.",
)
def by_style(results: Results) -> Drawing:
    """A group of bars a style."""
    known, unknown = results["right"]
    kinds = [Bars("sets it knows", known), Bars("the set held out", unknown)]
    return bar_plot(list(STYLES), kinds, y_label="pictures named rightly", format=".0%")
