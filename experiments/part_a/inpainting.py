"""Inpainting: a hole in a picture, filled so that it fits.

Shows: picture, mask, hole and fillings, for three pictures: the course's loop with a prompt that says nothing, and one
that names what is missing and does each step several times.
Needs: stage I, the pictures and their masks.
Costs: about a minute on two CPU cores.
Expect: fillings that go on where the picture stops; outside the hole, the picture itself, to the pixel.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from darkroom.figures import Drawing, compare, tiles
from darkroom.lab import Results, Run, Weights, asset, experiment, weights

ROWS = ("chapel", "sailboat", "tree")


@experiment(device="gpu", minutes=2)
def inpainting(
    run: Run,
    stage_1: Weights = weights("stage_1"),
    chapel: Path = asset("images/chapel.png"),
    door: Path = asset("images/mask_door.png"),
    sailboat: Path = asset("images/drawing_sailboat.png"),
    sails: Path = asset("images/mask_sails.png"),
    tree: Path = asset("images/drawing_tree.png"),
    crown: Path = asset("images/mask_crown.png"),
    *,
    each: int = 2,
    prompt: str = "a high quality photo",
    names: tuple[str, ...] = ("a church", "a sailboat", "a tree"),
    repeats: int = 5,
    gamma: float = 2.5,
    seed: int = 180,
) -> dict[str, object]:
    """The hole is sampled; everywhere else the original, noised to the same t, is put back before each step.

    Once with *prompt*, as in the course; once with the *names* of what is missing, each step done *repeats* times.

    Results: ``originals`` and ``masks`` uint8 (3, side, side, 3); ``filled`` and ``named`` uint8 (3, each, side, side, 3).
    """
    import torch

    from darkroom.diffusion.sample import inpaint, last
    from experiments.cascade import Pipeline, seeds_of, to_bytes

    pipeline = Pipeline(run, stage_1, [prompt, *names])
    originals = torch.cat([pipeline.load_picture(path) for path in (chapel, sailboat, tree)])
    masks = torch.cat([pipeline.load_mask(path) for path in (door, sails, crown)])

    def fill(prompts: list[str], repeats: int) -> np.ndarray:
        walk = inpaint(
            pipeline.stage.finished(pipeline.denoiser([text for text in prompts for _ in range(each)], gamma)),
            pipeline.noise(seeds_of(seed, len(originals) * each)),
            originals.repeat_interleave(each, 0),
            masks.repeat_interleave(each, 0),
            times=pipeline.times,
            variance=pipeline.stage.variance,
            repeats=repeats,
        )
        filled = to_bytes(last(pipeline.reported(walk, len(pipeline.times) - 1)).x_t)
        return filled.reshape(len(originals), each, *filled.shape[1:])

    return {
        "originals": to_bytes(originals),
        "masks": to_bytes(2 * masks.expand(-1, 3, -1, -1) - 1),
        "filled": fill([prompt] * len(originals), 1),
        "named": fill(list(names), repeats),
    }


def _holes(results: Results) -> np.ndarray:
    return np.where(results["masks"] > 127, np.uint8(255), results["originals"])


@inpainting.figure(
    caption="Three pictures, their masks, the holes, and fillings with the generic prompt.",
    alt="Rows for chapel, sailboat and tree: picture, white patch, picture with a gap, two with something else in the gap.",
)
def fillings(results: Results) -> Drawing:
    """A row a picture."""
    parts = zip(results["originals"], results["masks"], _holes(results), results["filled"], strict=True)
    rows = [[*given, *filled] for *given, filled in parts]
    columns = ["picture", "mask", "hole", *(f"filled, {k + 1}" for k in range(results["filled"].shape[1]))]
    return tiles(rows, rows=ROWS, columns=columns, alt="{row}: {column}.", scale=2)


@inpainting.figure(
    caption="The same holes, filled with a name for what is missing, each step done several times.",
    alt="Rows for chapel, sailboat and tree: a picture with a gap; two with a dark doorway in it, with orange sails, with a "
    "round green crown.",
)
def named(results: Results) -> Drawing:
    """A row a picture."""
    rows = [[hole, *filled] for hole, filled in zip(_holes(results), results["named"], strict=True)]
    columns = ["hole", *(f"filled, {k + 1}" for k in range(results["named"].shape[1]))]
    return tiles(rows, rows=ROWS, columns=columns, alt="{row}: {column}.", scale=2)


@inpainting.figure(
    caption="The boat without its sails, and its first filling with a name: move the edge.",
    alt="A hull without sails; the same with sails of orange and gray.",
)
def before_after(results: Results) -> Drawing:
    """One over the other."""
    hole = _holes(results)[1]
    alts = ("The boat with a hole.", "The boat with its hole filled.")
    return compare(hole, results["named"][1, 0], labels=("hole", "filled"), alt=alts, scale=4)
