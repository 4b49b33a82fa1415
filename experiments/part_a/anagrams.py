"""Visual anagrams: one picture that is two things, depending on how it is turned.

Shows: the course's pair and others, each the best of several seeds, and all seeds of each.
Needs: stage I.
Costs: about two and a half minutes on two CPU cores.
Expect: pairs whose shapes can meet come out; the course's pair is shown whatever it gives.
"""

from __future__ import annotations

import numpy as np

from darkroom.figures import Drawing, Turning, tiles, turning
from darkroom.figures.interactive import TURNS
from darkroom.lab import Results, Run, Weights, experiment, weights
from experiments.part_a.ranking import best_first


@experiment(device="gpu", minutes=3)
def anagrams(
    run: Run,
    stage_1: Weights = weights("stage_1"),
    *,
    pairs: tuple[tuple[str, str, str], ...] = (
        ("flip", "an oil painting of an old man", "an oil painting of people around a campfire"),
        ("flip", "a lithograph of a skull", "a lithograph of a cup of coffee"),
        ("half-turn", "an oil painting of a lion", "an oil painting of an old man"),
        ("quarter-turn", "a silhouette of a rabbit", "a silhouette of a duck"),
        ("negative", "an oil painting of a skull", "an oil painting of the moon"),
    ),
    shares: tuple[float, ...] = (),
    seeds_each: int = 8,
    gamma: float = 2.5,
    seed: int = 180,
) -> dict[str, object]:
    """eps is the mean of what the model sees upright and, turned back, of what it sees in the view.

    In the mean the upright reading weighs the pair's share, half where no *shares* are given, so that a subject that wins
    too easily can be held back.

    A seed's score is the worse of two agreements: of the picture with its prompt, and of its view with the other one.

    Results: ``pictures`` and ``seen`` uint8 (pairs, seeds, side, side, 3), the latter through the view; ``scores`` (pairs,
    seeds, 2).
    """
    from darkroom.diffusion import views
    from darkroom.diffusion.guidance import Anagram
    from experiments.cascade import Pipeline, seeds_of
    from experiments.part_a.choosing import agreements

    ways = {
        "flip": views.flip,
        "mirror": views.mirror,
        "half-turn": views.half_turn,
        "quarter-turn": views.quarter_turn,
        "negative": views.negative,
        "skew": views.skewed(),
        "inner circle": views.inner_circle(),
        "jigsaw": views.jigsaw(seed),
    }
    pipeline = Pipeline(run, stage_1, [text for _, *texts in pairs for text in texts])
    seeds = seeds_of(seed, seeds_each)
    denoisers, seen, scores = [], [], []
    if shares and len(shares) != len(pairs):
        raise ValueError(f"shares: {len(shares)} for {len(pairs)} pairs; give one for each, or none for half and half")
    for (way, prompt, other), share in zip(pairs, shares or [0.5] * len(pairs), strict=True):
        if way not in ways:
            raise ValueError(f"pairs: unknown view {way!r}; choose from {', '.join(ways)}")
        parts = (pipeline.denoiser(prompt, gamma), views.identity), (pipeline.denoiser(other, gamma), ways[way])
        denoisers.append(Anagram(parts, (share, 1 - share)))
    pictures = pipeline.sample_each(denoisers, seeds)
    for drawn, (way, prompt, other) in zip(pictures, pairs, strict=True):
        turned = ways[way].moved(drawn.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
        seen.append(255 - turned if ways[way].sign < 0 else turned)
        readings = ((drawn, prompt), (seen[-1], other))
        scores.append(np.stack([agreements(pipeline, shown, text, seeds) for shown, text in readings], 1))
    return {"pictures": pictures, "seen": np.stack(seen), "scores": np.stack(scores)}


@anagrams.metric
def best_score(results: Results) -> dict[str, float]:
    """The best score of each pair."""
    names = [f"{prompt} / {other}" for _, prompt, other in results.parameters["pairs"]]
    return dict(zip(names, map(float, results["scores"].min(2).max(1)), strict=True))


@anagrams.figure(
    caption="Anagrams, each the best of its seeds by score. They turn by their true view: a flip is a mirror, no rotation.",
    alt="Small pictures that turn, each from one thing into another.",
)
def best(results: Results) -> Drawing:
    """One of each pair."""
    panels = []
    for number, (way, prompt, other) in enumerate(results.parameters["pairs"]):
        chosen = int(best_first(results["scores"][number])[0])
        picture, seen = results["pictures"][number, chosen], results["seen"][number, chosen]
        view = way if way in TURNS else ""
        panels.append(Turning(f"{way}: {prompt} / {other}", picture, seen, view, f"{prompt}.", f"{other}."))
    return turning(panels, scale=3)


@anagrams.figure(
    caption="All seeds of each pair, best first, upright and through the view.",
    alt="Rows of small pictures, two rows for each pair.",
)
def all_seeds(results: Results) -> Drawing:
    """Two rows a pair."""
    rows, names = [], []
    for number, (_, prompt, other) in enumerate(results.parameters["pairs"]):
        order = best_first(results["scores"][number])
        rows += [list(results["pictures"][number, order]), list(results["seen"][number, order])]
        names += [prompt, other]
    return tiles(rows, rows=names, alt="{row}, number {column_number} by score.", scale=1)
