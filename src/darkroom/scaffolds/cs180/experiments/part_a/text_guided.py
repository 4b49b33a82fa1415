"""1.7.3 Text-conditional image-to-image translation."""

from __future__ import annotations

from pathlib import Path

from darkroom.figures import Drawing, tiles
from darkroom.lab import Results, Run, asset, experiment


@experiment(device="gpu", minutes=5, results=("originals", "edits"))
def text_guided(
    run: Run,
    picture: Path = asset("images/test.png"),
    first: Path = asset("images/own_1.png"),
    second: Path = asset("images/own_2.png"),
    *,
    starts: tuple[int, ...] = (1, 3, 5, 7, 10, 20),
    gamma: float = 7.0,
    prompts: tuple[str, ...] = ("a rocket ship", "a pencil", "a photo of a dog"),
    seed: int = 180,
) -> dict[str, object]:
    """The edits of 1.7, with a prompt of one's own.

    To return: ``originals`` uint8 (images, 64, 64, 3); ``edits`` uint8 (images, starts, 64, 64, 3).
    """
    raise NotImplementedError


@text_guided.figure(
    caption="Edits towards a prompt, the originals on the right.",
    alt="Three rows of images that go over from the prompt to the original.",
)
def edits(results: Results) -> Drawing:
    """A row for each image."""
    columns = [f"start {start}" for start in results.parameters["starts"]]
    rows = [[*edits, original] for edits, original in zip(results["edits"], results["originals"], strict=True)]
    return tiles(
        rows, rows=results.parameters["prompts"], columns=[*columns, "original"], alt="{row}, {column}.", scale=1
    )
