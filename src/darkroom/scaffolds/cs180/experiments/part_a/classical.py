"""1.2 Classical denoising: the best Gaussian blur."""

from __future__ import annotations

from pathlib import Path

from darkroom.figures import Drawing, tiles
from darkroom.lab import Results, Run, asset, experiment


@experiment(device="gpu", minutes=1, results=("noisy", "blurred"))
def classical(
    run: Run,
    picture: Path = asset("images/test.png"),
    *,
    timesteps: tuple[int, ...] = (250, 500, 750),
    sigmas: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 3.0),
    seed: int = 180,
) -> dict[str, object]:
    """The Gaussian blur that comes nearest to the test image, for each of three noisy images.

    To return: ``noisy`` and ``blurred`` uint8 (timesteps, 64, 64, 3).
    """
    raise NotImplementedError


@classical.figure(
    caption="Three noisy images, and the best Gaussian blur of each.",
    alt="Three noisy images, and below each the same blurred.",
)
def pairs(results: Results) -> Drawing:
    """Noisy above, blurred below."""
    columns = [f"$t = {t}$" for t in results.parameters["timesteps"]]
    grid = [results["noisy"], results["blurred"]]
    return tiles(grid, rows=["noisy", "Gaussian blur"], columns=columns, alt="{row} at {column}.", scale=2)
