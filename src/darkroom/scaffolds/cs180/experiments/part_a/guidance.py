"""1.6 Classifier-free guidance."""

from __future__ import annotations

from darkroom.figures import Drawing, tiles
from darkroom.lab import Results, Run, experiment


@experiment(device="gpu", minutes=5, results=("samples",))
def guidance(
    run: Run,
    *,
    count: int = 5,
    gamma: float = 7.0,
    prompt: str = "a high quality photo",
    seed: int = 180,
) -> dict[str, object]:
    """Sampling with eps = eps_u + gamma (eps_c - eps_u).

    To return: ``samples`` uint8 (count, 64, 64, 3).
    """
    raise NotImplementedError


@guidance.figure(
    caption="The same with guidance.",
    alt="Five images that show more than those without guidance.",
)
def samples(results: Results) -> Drawing:
    """One row."""
    return tiles([results["samples"]], alt="Sample {column_number}.", scale=2)
