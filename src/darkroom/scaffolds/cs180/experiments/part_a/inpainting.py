"""1.7.2 Inpainting: new content in a hole."""

from __future__ import annotations

from pathlib import Path

from darkroom.figures import Drawing, tiles
from darkroom.lab import Results, Run, asset, experiment


@experiment(device="gpu", minutes=5, results=("originals", "masks", "holes", "filled"))
def inpainting(
    run: Run,
    picture: Path = asset("images/test.png"),
    first: Path = asset("images/own_1.png"),
    second: Path = asset("images/own_2.png"),
    *,
    gamma: float = 7.0,
    prompt: str = "a high quality photo",
    seed: int = 180,
) -> dict[str, object]:
    """x_t <- m x_t + (1 - m) forward(x_orig, t) after every step.

    To return: ``originals``, ``masks``, ``holes`` and ``filled`` uint8 (images, 64, 64, 3).
    """
    raise NotImplementedError


@inpainting.figure(
    caption="Three images with new content where the mask is.",
    alt="Rows of an image, its mask, the hole, and the image with the hole filled.",
)
def filled(results: Results) -> Drawing:
    """A row for each image."""
    kinds = ["originals", "masks", "holes", "filled"]
    rows = list(zip(*(results[kind] for kind in kinds), strict=True))
    return tiles(
        rows, columns=["image", "mask", "to be replaced", "result"], alt="Image {row_number}: {column}.", scale=2
    )
