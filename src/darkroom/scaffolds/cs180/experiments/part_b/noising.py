"""1.2 Noising: what noise does to a digit."""

from __future__ import annotations

from darkroom.figures import Drawing, tiles
from darkroom.lab import Dataset, Results, dataset, experiment


@experiment(device="cpu", minutes=1, results=("noisy",))
def noising(
    mnist: Dataset = dataset("mnist"),
    *,
    sigmas: tuple[float, ...] = (0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0),
    digits: int = 5,
    seed: int = 180,
) -> dict[str, object]:
    """z = x + sigma eps for test digits.

    To return: ``noisy`` uint8 (digits, sigmas, 28, 28).
    """
    raise NotImplementedError


@noising.figure(
    caption="Test digits under more and more noise.",
    alt="Rows of digits that disappear in noise from left to right.",
)
def levels(results: Results) -> Drawing:
    """A row for each digit."""
    columns = [rf"$\sigma = {sigma:g}$" for sigma in results.parameters["sigmas"]]
    return tiles(results["noisy"], columns=columns, alt="Digit {row_number}, {column}.", scale=2)
