"""1.5 Sampling: images from pure noise."""

from __future__ import annotations

from darkroom.figures import Drawing, tiles
from darkroom.lab import Results, Run, experiment


@experiment(device="gpu", minutes=5, results=("samples",))
def sampling(
    run: Run,
    *,
    count: int = 5,
    prompt: str = "a high quality photo",
    seed: int = 180,
) -> dict[str, object]:
    """Iterative denoising that starts from pure noise.

    To return: ``samples`` uint8 (count, 64, 64, 3).
    """
    raise NotImplementedError


@sampling.figure(
    caption="Images from pure noise.",
    alt="Five images.",
)
def samples(results: Results) -> Drawing:
    """One row."""
    return tiles([results["samples"]], alt="Sample {column_number}.", scale=2)
