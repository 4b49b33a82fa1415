"""1.2.2 Out-of-distribution testing."""

from __future__ import annotations

from darkroom.figures import Drawing, tiles
from darkroom.lab import Dataset, Results, Run, dataset, experiment, upstream
from experiments.part_b.denoiser import denoiser


@experiment(device="gpu", minutes=1, results=("noisy", "denoised"))
def out_of_distribution(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    trained: Results = upstream(denoiser),
    *,
    sigmas: tuple[float, ...] = (0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0),
    seed: int = 180,
) -> dict[str, object]:
    """The denoiser at noise levels that it was not trained for.

    To return: ``noisy`` and ``denoised`` uint8 (sigmas, 28, 28).
    """
    raise NotImplementedError


@out_of_distribution.figure(
    caption="One test digit at all noise levels, and denoised.",
    alt="A digit under noise above, denoised below.",
)
def levels(results: Results) -> Drawing:
    """Noisy above, denoised below."""
    columns = [rf"$\sigma = {sigma:g}$" for sigma in results.parameters["sigmas"]]
    grid = [results["noisy"], results["denoised"]]
    return tiles(grid, rows=["noisy", "denoised"], columns=columns, alt="{row}, {column}.", scale=2)
