"""Stage II on the best of this part.

Shows: the best anagrams, hybrids and logo, small and enlarged.
Needs: those, and stage II.
Costs: about a minute on two CPU cores.
Expect: edges where pixels were; what is between two readings stays between them.
"""

from __future__ import annotations

import numpy as np

from darkroom.figures import Drawing, compare, tiles
from darkroom.lab import Results, Run, Weights, experiment, upstream, weights
from experiments.part_a.anagrams import anagrams
from experiments.part_a.hybrids import hybrids
from experiments.part_a.logo import logo
from experiments.part_a.ranking import best_first


@experiment(device="gpu", minutes=2)
def upsampled(
    run: Run,
    stage_1: Weights = weights("stage_1"),
    stage_2: Weights = weights("stage_2"),
    turned: Results = upstream(anagrams),
    layered: Results = upstream(hybrids),
    painted: Results = upstream(logo),
    *,
    steps: int = 30,
    enlarging_gamma: float = 1.0,
    seed: int = 180,
) -> dict[str, object]:
    """The best seed of the first two anagrams, the first two hybrids, and the logo, each with its own prompt.

    Results: ``small`` uint8 (5, side, side, 3); ``large`` uint8 (5, 2 side, 2 side, 3); ``prompts``.
    """
    from experiments.cascade import Pipeline, SuperResolutionPipeline, seeds_of

    chosen = [
        (
            source["pictures"][number, best_first(source["scores"][number])[0]],
            source.parameters["pairs"][number][prompt],
        )
        for source, prompt in ((turned, 1), (layered, 2))
        for number in (0, 1)
    ]
    chosen.append((painted["pictures"][0, painted["scores"][0].argmax()], painted.parameters["prompt"]))
    small, prompts = np.stack([picture for picture, _ in chosen]), [prompt for _, prompt in chosen]
    upscaler = SuperResolutionPipeline(run, Pipeline(run, stage_1, prompts), stage_2)
    large = upscaler.upscale(small, prompts, seeds_of(seed, len(chosen)), enlarging_gamma, steps=steps)
    return {"small": small, "large": large, "prompts": prompts}


@upsampled.figure(
    caption="Enlarged pixel by pixel, and by stage II.",
    alt="Two rows of pictures: blocky above; below with smooth outlines.",
)
def both(results: Results) -> Drawing:
    """Small above, large below."""
    scale = results["large"].shape[1] // results["small"].shape[1]
    blocks = results["small"].repeat(scale, 1).repeat(scale, 2)
    prompts = results["prompts"]
    rows = ["stage I", "stage II"]
    return tiles(
        [list(blocks), list(results["large"])], rows=rows, alt=lambda r, c: f"{prompts[c]}, {rows[r]}.", scale=1
    )


@upsampled.figure(
    caption="The logo from near, before and after stage II: move the edge.",
    alt="A painted camera, blocky on one side of an edge, with smooth outlines on the other.",
)
def before_after(results: Results) -> Drawing:
    """The last of the pictures."""
    small, large = results["small"][-1], results["large"][-1]
    scale = len(large) // len(small)
    alts = ("The logo, its pixels enlarged.", "The logo, enlarged by stage II.")
    blocks = small.repeat(scale, 0).repeat(scale, 1)
    return compare(blocks, large, labels=("stage I", "stage II"), alt=alts, scale=2)
