"""1.8 Visual anagrams: one image, two readings."""

from __future__ import annotations

from darkroom.figures import Drawing, tiles
from darkroom.lab import Results, Run, experiment


@experiment(device="gpu", minutes=5, results=("images",))
def anagrams(
    run: Run,
    *,
    gamma: float = 7.0,
    upright: tuple[str, ...] = ("an oil painting of people around a campfire", "", ""),
    flipped: tuple[str, ...] = ("an oil painting of an old man", "", ""),
    seed: int = 180,
) -> dict[str, object]:
    """eps = (UNet(x_t, t, p_1) + flip(UNet(flip(x_t), t, p_2))) / 2.

    To return: ``images`` uint8 (pairs, 64, 64, 3).
    """
    raise NotImplementedError


@anagrams.figure(
    caption="Each image, and the same upside down.",
    alt="Pairs of images that show something else when turned upside down.",
)
def both(results: Results) -> Drawing:
    """Upright and flipped."""
    rows = [[image, image[::-1]] for image in results["images"]]
    return tiles(rows, columns=["upright", "upside down"], alt="Image {row_number}, {column}.", scale=2)
