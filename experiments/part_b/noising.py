"""What noise does to a digit.

Shows: test digits at seven noise levels.
Needs: MNIST.
Costs: seconds.
Expect: legible to the eye up to about sigma = 0.6.
"""

from __future__ import annotations

from darkroom.figures import Drawing, tiles
from darkroom.lab import Dataset, Results, dataset, experiment


@experiment(device="cpu", minutes=1)
def noising(
    mnist: Dataset = dataset("mnist"),
    *,
    sigmas: tuple[float, ...] = (0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0),
    digits_shown: tuple[int, ...] = (0, 1, 2, 3, 4),
    seed: int = 180,
) -> dict[str, object]:
    """Test digits with noise added at each level, the same noise at every level.

    Results: ``noisy``, uint8 (digit, sigma, 28, 28), clipped to [0, 1].
    """
    import torch

    from experiments.part_b import digits

    images, _ = digits.load(mnist, "t10k")
    x = torch.from_numpy(images[list(digits_shown)]).float()[:, None] / 255
    eps = digits.noise(len(x), seed, "cpu").draw()
    noisy = torch.cat([x + sigma * eps for sigma in sigmas], dim=1)
    return {"noisy": digits.to_bytes(noisy.numpy())}


@noising.figure(
    caption=r"Test digits $x$ with noise, $z = x + \sigma\epsilon$; each row has one $\epsilon$.",
    alt="Handwritten digits that drown in grain from left to right; at sigma 1 they are hard to make out.",
)
def levels(results: Results) -> Drawing:
    """A row a digit, a column a level."""
    headings = [rf"$\sigma = {sigma:g}$" for sigma in results.parameters["sigmas"]]
    return tiles(results["noisy"], columns=headings, alt="Digit {row_number} at {column}.", scale=3)
