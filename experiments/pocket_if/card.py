"""How good Pocket IF is: every subject drawn and judged.

Shows: pictures of every subject, some subjects in every style, agreement by style, and how much seeds differ.
Needs: stage I, the judge, the emoji sets to compare variety with.
Costs: about a quarter of an hour on two CPU cores, seconds on a data-centre GPU.
Expect: nine of ten emoji are what was asked for, three of four over all styles.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from darkroom.diffusion.metrics import wilson_interval
from darkroom.figures import Bars, Drawing, Reference, bar_plot, table, tiles
from darkroom.lab import Dataset, Results, Run, asset, dataset, experiment, upstream
from experiments.pocket_if.judge import judge
from experiments.pocket_if.stage_1 import stage_1
from experiments.pocket_if.world import SCENES, STYLES, World


@experiment(device="gpu", minutes=20, gpu_minutes=2)
def card(
    run: Run,
    model: Results = upstream(stage_1),
    reader: Results = upstream(judge),
    emoji: Dataset = dataset("emoji"),
    subjects: Path = asset("pocket_if/subjects.csv"),
    *,
    sets: tuple[str, ...] = ("noto", "twemoji", "fluent-emoji-flat"),
    mirrored: float = 0.0,
    emoji_each: int = 4,
    styled_each: int = 1,
    styled: tuple[str, ...] = ("rocket", "dog", "owl", "castle", "house", "skull", "guitar", "old man"),
    gamma: float = 2.5,
    at_once: int = 24,
    seed: int = 1000,
) -> dict[str, object]:
    """Every subject in every style, several seeds each, with the plainest wording.

    Results: ``shown`` uint8 (subjects, 2, side, side, 3), as emoji; ``in_styles`` uint8 (styles, styled, side, side, 3);
    ``right`` and ``asked`` (styles, subjects): pictures whose nearest subject is the one asked for, of how many;
    ``spread`` and ``true_spread`` (subjects,): the mean distance, 1 - cosine, between emoji of one subject in the judge's
    features, for generated ones and for as many of the world's own; ``seconds``, that a picture took.
    """
    import time

    from darkroom.lab import Weights
    from experiments.cascade import Pipeline, batch, seeds_of
    from experiments.pocket_if.judging import NearestCentroid

    world, named = World(emoji, subjects, sets, mirrored), NearestCentroid.restored(reader)
    pipeline = Pipeline(run, Weights(str(model["pipeline"])))
    kept = dict(run.load() or {"seconds": 0.0})
    names = world.subjects

    def drawn(style: str, each: int) -> np.ndarray:
        caption = "an emoji of {}" if style == "emoji" else STYLES[style].captions[0]
        prompts = [caption.format(world.wordings[name][0]) for name in names for _ in range(each)]
        seeds = seeds_of(seed + list(STYLES).index(style), len(prompts))
        parts = []
        most = at_once if run.device == "cpu" else max(at_once, 256)  # a GPU is as quick with as many
        together = batch(pipeline.stage, run.device, most, 2)
        for first in range(0, len(prompts), together):
            rows = slice(first, first + together)
            parts.append(pipeline.sample(pipeline.denoiser(prompts[rows], gamma), seeds[rows]))
            run.progress(first, len(prompts), unit=f"{style} pictures")
        return np.concatenate(parts).reshape(len(names), each, pipeline.side, pipeline.side, 3)

    for style in STYLES:
        if f"right_{style}" in kept:
            continue
        each = emoji_each if style == "emoji" else styled_each
        began = time.monotonic()
        pictures = drawn(style, each)
        kept["seconds"] += time.monotonic() - began
        flat = pictures.reshape(-1, *pictures.shape[2:])
        hits = named.nearest(flat) == np.repeat(np.arange(len(names)), each)
        kept[f"right_{style}"] = hits.reshape(-1, each).sum(1)
        kept[f"styled_{style}"] = np.stack([pictures[names.index(name), 0] for name in styled])
        if style == "emoji":
            kept["shown"], kept["spread"] = pictures[:, :2], _spread(named.directions(flat), each)
        run.save(kept)
    own = [
        world.picture(seed, k, subject=name, style="emoji").pixels
        for k, name in enumerate(np.repeat(names, emoji_each))
    ]
    asked = [emoji_each if style == "emoji" else styled_each for style in STYLES]
    total = sum(asked) * len(names)
    return {
        "shown": kept["shown"],
        "in_styles": np.stack([kept[f"styled_{style}"] for style in STYLES]),
        "right": np.stack([kept[f"right_{style}"] for style in STYLES]),
        "asked": np.repeat(np.array(asked)[:, None], len(names), 1),
        "spread": kept["spread"],
        "true_spread": _spread(named.directions(np.stack(own)), emoji_each),
        "seconds": kept["seconds"] / total,
        "subjects": list(names),
        "scenes": sorted(SCENES),
    }


def _spread(directions: np.ndarray, each: int) -> np.ndarray:
    """The mean of 1 - cosine over pairs of one subject's pictures, (subjects,)."""
    groups = directions.reshape(-1, each, directions.shape[1])
    cosines = np.einsum("sif,sjf->sij", groups, groups)
    off = ~np.eye(each, dtype=bool)
    return (1 - cosines[:, off].mean(1)).astype(np.float32)


@card.metric
def agreement(results: Results) -> dict[str, float]:
    """The share of pictures whose nearest subject is the one asked for, by style and over all styles alike."""
    shares = results["right"].sum(1) / results["asked"].sum(1)
    return dict(zip(STYLES, map(float, shares), strict=True)) | {"all": float(shares.mean())}


@card.metric
def diversity(results: Results) -> float:
    """How much seeds of one prompt differ, as a share of how much the world's own pictures do."""
    return float(results["spread"].mean() / results["true_spread"].mean())


@card.metric
def seconds_a_picture(results: Results) -> float:
    """33 steps with guidance, drawn many at a time."""
    return float(results["seconds"])


@card.figure(
    caption="Every subject as an emoji, two seeds each.",
    alt="A large grid of small pictures, pairs of the same thing drawn differently.",
)
def every_subject(results: Results) -> Drawing:
    """Six subjects a row."""
    names, pictures = results["subjects"], results["shown"]
    across = 6
    rows = [range(first, min(first + across, len(names))) for first in range(0, len(names), across)]
    cells = [[picture for subject in row for picture in pictures[subject]] for row in rows]
    cells = [row + [None] * (2 * across - len(row)) for row in cells]

    def alt(r: int, c: int) -> str:
        return f"{names[r * across + c // 2]}, seed {c % 2 + 1}."

    return tiles(cells, alt=alt, scale=1)


@card.figure(
    caption="Some subjects in every style.",
    alt="A grid of small pictures, a row for each style, a column for each subject.",
)
def in_styles(results: Results) -> Drawing:
    """A row a style."""
    columns = list(results.parameters["styled"])
    return tiles(
        list(results["in_styles"]), rows=list(STYLES), columns=columns, alt="{column} in the style {row}.", scale=2
    )


@card.figure(
    caption="The share of pictures whose nearest subject, in the judge's features, is the one that was asked for.",
    alt="Bars by style, highest for emoji.",
)
def agreement_by_style(results: Results) -> Drawing:
    """Beside the aim for all styles."""
    shares = results["right"].sum(1) / results["asked"].sum(1)
    aim = Reference("aim for emoji", 0.9)
    return bar_plot(list(STYLES), [Bars("pictures", shares)], y_label="agreement", references=[aim], format=".0%")


@card.figure(
    caption="The subjects that come out least often, over all styles.",
    alt="A table of ten subjects with the share of their pictures that the judge names rightly.",
)
def hardest(results: Results) -> Drawing:
    """Ten of them."""
    right, asked = results["right"].sum(0), results["asked"].sum(0)
    order = np.argsort(right / asked, kind="stable")[:10]
    rows = [
        [results["subjects"][i], f"{right[i]} of {asked[i]}", _interval(int(right[i]), int(asked[i]))] for i in order
    ]
    return table(["subject", "right", "95% interval"], rows)


def _interval(right: int, asked: int) -> str:
    low, high = wilson_interval(right, asked)
    return f"{low:.0%} to {high:.0%}"
