"""1.3 One-step denoising: what the network takes the original to be."""

from __future__ import annotations

from pathlib import Path

from darkroom.figures import Drawing, tiles
from darkroom.lab import Results, Run, asset, experiment


@experiment(device="gpu", minutes=5, results=("original", "noisy", "estimate"))
def one_step(
    run: Run,
    picture: Path = asset("images/test.png"),
    *,
    timesteps: tuple[int, ...] = (250, 500, 750),
    prompt: str = "a high quality photo",
    seed: int = 180,
) -> dict[str, object]:
    """The estimate of x_0 from a single call of the network, for each of three noisy images.

    To return: ``original`` uint8 (64, 64, 3); ``noisy`` and ``estimate`` uint8 (timesteps, 64, 64, 3).
    """
    raise NotImplementedError


@one_step.figure(
    caption="The original, the noisy images, and the estimate from each in one step.",
    alt="The test image beside three noisy images and three estimates.",
)
def estimates(results: Results) -> Drawing:
    """Noisy above, the estimate below."""
    columns = ["original", *(f"$t = {t}$" for t in results.parameters["timesteps"])]
    grid = [[results["original"], *results["noisy"]], [None, *results["estimate"]]]
    return tiles(grid, rows=["noisy", "one step"], columns=columns, alt="{row}, {column}.", scale=2)
