"""1.7 Image-to-image translation by SDEdit."""

from __future__ import annotations

from pathlib import Path

from darkroom.figures import Drawing, tiles
from darkroom.lab import Results, Run, asset, experiment


@experiment(device="gpu", minutes=5, results=("originals", "edits"))
def sdedit(
    run: Run,
    picture: Path = asset("images/test.png"),
    first: Path = asset("images/own_1.png"),
    second: Path = asset("images/own_2.png"),
    *,
    starts: tuple[int, ...] = (1, 3, 5, 7, 10, 20),
    gamma: float = 7.0,
    prompt: str = "a high quality photo",
    seed: int = 180,
) -> dict[str, object]:
    """Images under noise of several levels, denoised again.

    To return: ``originals`` uint8 (images, 64, 64, 3); ``edits`` uint8 (images, starts, 64, 64, 3).
    """
    raise NotImplementedError


@sdedit.figure(
    caption="Edits of three images from six noise levels, the originals on the right.",
    alt="Three rows of images that come closer to their originals.",
)
def edits(results: Results) -> Drawing:
    """A row for each image."""
    columns = [f"start {start}" for start in results.parameters["starts"]]
    rows = [[*edits, original] for edits, original in zip(results["edits"], results["originals"], strict=True)]
    return tiles(rows, columns=[*columns, "original"], alt="Image {row_number}, {column}.", scale=1)
