"""1.1 Forward process: the test image under more and more noise."""

from __future__ import annotations

from pathlib import Path

from darkroom.figures import Drawing, tiles
from darkroom.lab import Results, Run, asset, experiment


@experiment(device="gpu", minutes=5, results=("original", "noisy"))
def forward(
    run: Run,
    picture: Path = asset("images/test.png"),
    *,
    timesteps: tuple[int, ...] = (250, 500, 750),
    seed: int = 180,
) -> dict[str, object]:
    """x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps at three times.

    To return: ``original`` uint8 (64, 64, 3); ``noisy`` uint8 (timesteps, 64, 64, 3).
    """
    raise NotImplementedError


@forward.figure(
    caption="The test image, and what the forward process makes of it at three times.",
    alt="The test image, then three times the same under more noise.",
)
def noisy(results: Results) -> Drawing:
    """The image, then each time."""
    columns = ["the test image", *(f"$t = {t}$" for t in results.parameters["timesteps"])]
    return tiles([[results["original"], *results["noisy"]]], columns=columns, alt="{column}.", scale=2)
