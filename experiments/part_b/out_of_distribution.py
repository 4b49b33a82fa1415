"""The denoiser at noise levels that it was not trained for.

Shows: the same test digits at seven noise levels, denoised; PSNR by level beside a Gaussian blur and beside the exact
posterior mean of the training set.
Needs: the denoiser, MNIST.
Costs: about three minutes on two CPU cores.
Expect: clean digits up to sigma = 0.6; above that, grains that become strokes.
"""

from __future__ import annotations

import numpy as np

from darkroom.figures import Drawing, Series, line_plot, tiles
from darkroom.lab import Dataset, Results, Run, dataset, experiment, upstream
from experiments.part_b.denoiser import denoiser


@experiment(device="gpu", minutes=3)
def out_of_distribution(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    trained: Results = upstream(denoiser),
    *,
    sigmas: tuple[float, ...] = (0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0),
    blurs: tuple[float, ...] = (0.0, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.4, 2.8),
    measured: int = 1000,
    shown: int = 4,
    seed: int = 180,
) -> dict[str, object]:
    """Test digits at each noise level through the denoiser, a Gaussian blur and the exact posterior mean.

    Results: ``noisy`` and ``denoised``, uint8 (shown, sigma, 28, 28); mean PSNR in dB over the measured digits at each
    sigma > 0: ``psnr_noisy``, ``psnr_network``, ``psnr_blur`` (best of ``blurs``, which ``best_blur`` names) and
    ``psnr_posterior`` (the training set's posterior mean), each (sigmas > 0,).
    """
    import torch

    from darkroom.diffusion.denoise import posterior_mean
    from darkroom.diffusion.filters import gaussian_blur
    from darkroom.diffusion.metrics import psnr
    from darkroom.diffusion.unet import UNet
    from experiments.part_b import digits

    test, train = (torch.from_numpy(digits.load(mnist, split)[0].copy()) for split in ("t10k", "train"))
    x, data = test[:measured].float()[:, None] / 255, train.float()[:, None] / 255
    eps = digits.noise(measured, seed, "cpu").draw()
    network = digits.restored(UNet(trained.parameters["width"]), trained["weights"])
    denoise = digits.quick(network, run.device)

    def quality(images: torch.Tensor) -> float:
        """Mean PSNR against the clean digits, values clipped to the range of pixels."""
        return float(psnr(images.clamp(0, 1).numpy(), x.numpy()).mean())

    noisy, denoised, rows = [], [], []
    for done, sigma in enumerate(sigmas, 1):
        z = x + sigma * eps
        estimate = denoise(z.to(run.device)).cpu()
        noisy.append(digits.pixels(z[:shown]))
        denoised.append(digits.pixels(estimate[:shown]))
        if sigma:
            blurred = [quality(gaussian_blur(z, blur)) for blur in blurs]
            exact = torch.cat([posterior_mean(part, part.new_full((len(part),), sigma), data) for part in z.split(100)])
            best = int(np.argmax(blurred))
            rows.append((quality(z), quality(estimate), blurred[best], quality(exact), blurs[best]))
        run.progress(done, len(sigmas), unit="levels")
    names = ("psnr_noisy", "psnr_network", "psnr_blur", "psnr_posterior", "best_blur")
    columns = {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    return {"noisy": np.stack(noisy, 1), "denoised": np.stack(denoised, 1), **columns}


@out_of_distribution.metric
def psnr_network(results: Results) -> dict[str, float]:
    """Mean PSNR in dB of the denoiser, by sigma."""
    return _by_sigma(results, "psnr_network")


@out_of_distribution.metric
def psnr_blur(results: Results) -> dict[str, float]:
    """Mean PSNR in dB of the best Gaussian blur, by sigma."""
    return _by_sigma(results, "psnr_blur")


@out_of_distribution.metric
def psnr_posterior(results: Results) -> dict[str, float]:
    """Mean PSNR in dB of the training set's posterior mean, by sigma."""
    return _by_sigma(results, "psnr_posterior")


@out_of_distribution.figure(
    caption=r"The denoiser, trained at $\sigma = 0.5$ alone, on the same test digits at other levels; above, its input.",
    alt="Pairs of rows of one digit at seven noise levels: clean results up to 0.6, smeared strokes and specks at 0.8 and 1.",
)
def levels(results: Results) -> Drawing:
    """Two rows a digit: noisy and denoised; a column a level."""
    pairs = zip(results["noisy"], results["denoised"], strict=True)
    rows = [row for pair in pairs for row in pair]
    headings = ["noisy", "denoised"] * results.parameters["shown"]
    columns = [rf"$\sigma = {sigma:g}$" for sigma in results.parameters["sigmas"]]
    return tiles(rows, rows=headings, columns=columns, alt="A test digit at {column}, {row}.", scale=3)


@out_of_distribution.figure(
    caption="Mean PSNR over 1,000 test digits by noise level. The blur is the best of twelve widths at every level.",
    alt="Four falling curves. The denoiser is highest up to sigma 0.8, where it meets the posterior mean of the training set,"
    " which hardly falls at all; the best blur lies below the denoiser everywhere, the noisy input far below that.",
)
def psnr_by_level(results: Results) -> Drawing:
    """PSNR by sigma of all four."""
    sigmas = [sigma for sigma in results.parameters["sigmas"] if sigma]
    labels = {
        "psnr_network": "denoiser",
        "psnr_posterior": "posterior mean",
        "psnr_blur": "best blur",
        "psnr_noisy": "noisy input",
    }
    curves = [Series(label, sigmas, results[name]) for name, label in labels.items()]
    return line_plot(curves, x_label="noise level σ", y_label="PSNR in dB", x_ticks=sigmas, format=".2f")


def _by_sigma(results: Results, name: str) -> dict[str, float]:
    sigmas = [sigma for sigma in results.parameters["sigmas"] if sigma]
    return {f"{sigma:g}": float(value) for sigma, value in zip(sigmas, results[name], strict=True)}
