"""Inpainting: a hole in a picture, filled so that it fits.

Shows: picture, mask, hole and three fillings, for three pictures.
Needs: stage I, the pictures and their masks.
Costs: about half a minute on two CPU cores.
Expect: fillings that go on where the picture stops; outside the hole, the picture itself, to the pixel.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from darkroom.figures import Drawing, compare, tiles
from darkroom.lab import Results, Run, Weights, asset, experiment, weights


@experiment(device="gpu", minutes=2)
def inpainting(
    run: Run,
    stage_1: Weights = weights("stage_1"),
    chapel: Path = asset("images/chapel.png"),
    spire: Path = asset("images/mask_spire.png"),
    rocket: Path = asset("images/photo_rocket.jpg"),
    body: Path = asset("images/mask_rocket.png"),
    coffee: Path = asset("images/photo_coffee.jpg"),
    cup: Path = asset("images/mask_cup.png"),
    *,
    each: int = 3,
    prompt: str = "a high quality photo",
    gamma: float = 2.5,
    seed: int = 180,
) -> dict[str, object]:
    """The hole is sampled; everywhere else the original, noised to the same t, is put back before each step.

    Results: ``originals`` and ``masks`` uint8 (3, side, side, 3); ``filled`` uint8 (3, each, side, side, 3).
    """
    import torch

    from darkroom.diffusion.sample import inpaint, last
    from experiments.part_a.painter import TIMES, Painter, seeds_of, to_bytes

    painter = Painter(run, stage_1)
    originals = torch.cat([painter.load(path) for path in (chapel, rocket, coffee)])
    masks = torch.cat([painter.load_mask(path) for path in (spire, body, cup)])
    walk = inpaint(
        painter.stage.finished(painter.ask(prompt, gamma)),
        painter.noise(seeds_of(seed, len(originals) * each)),
        originals.repeat_interleave(each, 0),
        masks.repeat_interleave(each, 0),
        times=TIMES,
        variance=painter.stage.variance,
    )
    filled = to_bytes(last(painter.told(walk, len(TIMES) - 1)).x_t)
    return {
        "originals": to_bytes(originals),
        "masks": to_bytes(2 * masks.expand(-1, 3, -1, -1) - 1),
        "filled": filled.reshape(len(originals), each, *filled.shape[1:]),
    }


@inpainting.figure(
    caption="Three pictures, their masks, the holes, and three fillings of each.",
    alt="Rows for chapel, rocket and cup: picture, white patch, picture with a gap, and three with something else in it.",
)
def fillings(results: Results) -> Drawing:
    """A row a picture."""
    originals, masks = results["originals"], results["masks"]
    holes = np.where(masks > 127, np.uint8(255), originals)
    rows = [[*parts, *filled] for *parts, filled in zip(originals, masks, holes, results["filled"], strict=True)]
    columns = ["picture", "mask", "hole", *(f"filling {k + 1}" for k in range(results["filled"].shape[1]))]
    return tiles(rows, rows=("chapel", "rocket", "coffee"), columns=columns, alt="{row}: {column}.", scale=2)


@inpainting.figure(
    caption="The hole in the chapel, and its first filling: move the edge.",
    alt="A chapel with a white patch where its spire was; the same with a dark tuft in its place.",
)
def before_after(results: Results) -> Drawing:
    """One over the other."""
    hole = np.where(results["masks"][0] > 127, np.uint8(255), results["originals"][0])
    alts = ("The chapel with a hole.", "The chapel with its hole filled.")
    return compare(hole, results["filled"][0, 0], labels=("hole", "filled"), alt=alts, scale=4)
