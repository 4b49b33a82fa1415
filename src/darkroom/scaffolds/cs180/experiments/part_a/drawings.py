"""1.7.1 Hand-drawn and web images."""

from __future__ import annotations

from pathlib import Path

from darkroom.figures import Drawing, tiles
from darkroom.lab import Results, Run, asset, experiment


@experiment(device="gpu", minutes=5, results=("originals", "edits"))
def drawings(
    run: Run,
    web: Path = asset("images/web.png"),
    first: Path = asset("images/drawing_1.png"),
    second: Path = asset("images/drawing_2.png"),
    *,
    starts: tuple[int, ...] = (1, 3, 5, 7, 10, 20),
    gamma: float = 7.0,
    prompt: str = "a high quality photo",
    seed: int = 180,
) -> dict[str, object]:
    """The same from an image of the web and two drawings.

    To return: ``originals`` uint8 (images, 64, 64, 3); ``edits`` uint8 (images, starts, 64, 64, 3).
    """
    raise NotImplementedError


@drawings.figure(
    caption="A web image and two drawings from six noise levels, the originals on the right.",
    alt="Three rows of images that come closer to a drawing.",
)
def edits(results: Results) -> Drawing:
    """A row for each image."""
    columns = [f"start {start}" for start in results.parameters["starts"]]
    rows = [[*edits, original] for edits, original in zip(results["edits"], results["originals"], strict=True)]
    return tiles(rows, columns=[*columns, "original"], alt="Image {row_number}, {column}.", scale=1)
