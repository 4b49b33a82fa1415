"""Hybrid images: one thing from afar, another from near; or one in its light and dark, another in its colours.

Shows: the course's skull of waterfalls and others, each the best of several seeds, and all seeds of each.
Needs: stage I.
Costs: about two minutes on two CPU cores.
Expect: the coarse shape of the first prompt, filled with the detail of the second.
"""

from __future__ import annotations

import numpy as np

from darkroom.figures import Drawing, distances, tiles
from darkroom.figures.pixels import shrunk
from darkroom.lab import Results, Run, Weights, experiment, weights
from experiments.part_a.ranking import best_first


@experiment(device="gpu", minutes=3)
def hybrids(
    run: Run,
    stage_1: Weights = weights("stage_1"),
    *,
    pairs: tuple[tuple[str, str, str], ...] = (
        ("low, high", "a lithograph of a skull", "a lithograph of waterfalls"),
        ("low, high", "an oil painting of a heart", "an oil painting of a strawberry"),
        ("low, high", "an oil painting of an old man", "an oil painting of a pineapple"),
        ("gray, colour", "an oil painting of a panda", "an oil painting of a rainbow"),
    ),
    sigma: float = 2.0,
    kernel: int = 33,
    seeds_each: int = 8,
    gamma: float = 2.5,
    seed: int = 180,
) -> dict[str, object]:
    """eps is made of components of two: low frequencies of the first prompt's and high ones of the second's.

    A seed's score is the worse of two agreements: of what is left of the picture from afar with the first prompt, and of
    the picture with the second.

    Results: ``pictures`` and ``afar`` uint8 (pairs, seeds, side, side, 3), the latter the first component alone;
    ``scores`` (pairs, seeds, 2).
    """
    from darkroom.diffusion import filters
    from darkroom.diffusion.guidance import Factorized
    from experiments.cascade import Pipeline, seeds_of, to_bytes, to_tensor
    from experiments.part_a.choosing import agreements

    splits = {
        "low, high": filters.low_high(sigma, kernel),
        "gray, colour": filters.gray_colour(),
        "motion, residual": filters.motion_residual(),
    }
    pipeline = Pipeline(run, stage_1, [text for _, *texts in pairs for text in texts])
    seeds = seeds_of(seed, seeds_each)
    denoisers, afar, scores = [], [], []
    for kind, first, second in pairs:
        if kind not in splits:
            raise ValueError(f"pairs: unknown split {kind!r}; choose from {', '.join(repr(name) for name in splits)}")
        denoisers.append(Factorized((pipeline.denoiser(first, gamma), pipeline.denoiser(second, gamma)), splits[kind]))
    pictures = pipeline.sample_each(denoisers, seeds)
    for drawn, (kind, first, second) in zip(pictures, pairs, strict=True):
        afar.append(to_bytes(splits[kind](to_tensor(drawn))[0]))
        readings = ((afar[-1], first), (drawn, second))
        scores.append(np.stack([agreements(pipeline, shown, text, seeds) for shown, text in readings], 1))
    return {"pictures": pictures, "afar": np.stack(afar), "scores": np.stack(scores)}


@hybrids.metric
def best_score(results: Results) -> dict[str, float]:
    """The best score of each pair."""
    names = [f"{first} / {second}" for _, first, second in results.parameters["pairs"]]
    return dict(zip(names, map(float, results["scores"].min(2).max(1)), strict=True))


@hybrids.figure(
    caption="Hybrids, each the best of its seeds by score. Step back: the slider makes them smaller.",
    alt="A skull of falling lines, a heart with seeds, a pineapple gray at its sides, a panda in the colours of a rainbow.",
)
def best(results: Results) -> Drawing:
    """One of each pair."""
    pairs = results.parameters["pairs"]
    chosen = [results["pictures"][number, best_first(results["scores"][number])[0]] for number in range(len(pairs))]
    headings = [f"{first} / {second}" for _, first, second in pairs]
    said = {"low, high": "From afar {}, from near {}.", "gray, colour": "In light and dark {}, in colour {}."}
    alts = [said.get(kind, "{} and {} in one.").format(first, second) for kind, first, second in pairs]
    return distances(chosen, headings=headings, alts=alts, scale=3)


@hybrids.figure(
    caption="The same at the model's own size, at half and at a quarter of it, pixel for pixel.",
    alt="Each hybrid three times, ever smaller: what is seen from near gives way to what is seen from afar.",
)
def sizes(results: Results) -> Drawing:
    """A column a pair, a row a size."""
    pairs = results.parameters["pairs"]
    chosen = [results["pictures"][number, best_first(results["scores"][number])[0]] for number in range(len(pairs))]
    side = chosen[0].shape[0]
    rows = [[shrunk(picture, size) for picture in chosen] for size in (side, side // 2, side // 4)]
    headings = [f"{size} px" for size in (side, side // 2, side // 4)]
    alt = [[f"{first} / {second}, {heading}." for _, first, second in pairs] for heading in headings]
    return tiles(rows, rows=headings, alt=alt, scale=1)


@hybrids.figure(
    caption="All seeds of each pair, best first, and below each what is left of it from afar.",
    alt="Rows of small pictures, two rows for each pair.",
)
def all_seeds(results: Results) -> Drawing:
    """Two rows a pair."""
    rows, names = [], []
    for number, (_, first, second) in enumerate(results.parameters["pairs"]):
        order = best_first(results["scores"][number])
        rows += [list(results["pictures"][number, order]), list(results["afar"][number, order])]
        names += [second, first]
    return tiles(rows, rows=names, alt="{row}, number {column_number} by score.", scale=1)
