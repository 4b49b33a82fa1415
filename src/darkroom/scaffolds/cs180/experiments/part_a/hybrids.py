"""1.9 Hybrid images: one from afar, one from nearby."""

from __future__ import annotations

from darkroom.figures import Drawing, tiles
from darkroom.lab import Results, Run, experiment


@experiment(device="gpu", minutes=5, results=("images",))
def hybrids(
    run: Run,
    *,
    gamma: float = 7.0,
    kernel: int = 33,
    sigma: float = 2.0,
    far: tuple[str, ...] = ("a lithograph of a skull", "", ""),
    near: tuple[str, ...] = ("a lithograph of waterfalls", "", ""),
    seed: int = 180,
) -> dict[str, object]:
    """eps = lowpass(eps_1) + highpass(eps_2).

    To return: ``images`` uint8 (pairs, 64, 64, 3).
    """
    raise NotImplementedError


@hybrids.figure(
    caption="Hybrid images: look at them from afar, then from nearby.",
    alt="Three images.",
)
def images(results: Results) -> Drawing:
    """One row."""
    return tiles([results["images"]], alt="Hybrid image {column_number}.", scale=2)
