"""A network that removes noise in one step.

Shows: the loss; test digits, noisy and denoised, after the first and the last epoch.
Needs: MNIST.
Costs: 5 epochs of a network of 7.9 million parameters; about two hours on two CPU cores, under a minute on a GPU.
Expect: a test MSE of at most 0.0083.
"""

from __future__ import annotations

import numpy as np

from darkroom.figures import Drawing, tiles
from darkroom.lab import Dataset, Results, Run, dataset, experiment
from experiments.part_b import panels


@experiment(device="gpu", minutes=120, gpu_minutes=8)
def denoiser(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    *,
    width: int = 128,
    epochs: int = 5,
    batch: int = 256,
    learning_rate: float = 1e-4,
    sigma: float = 0.5,
    shown_epochs: tuple[int, ...] = (1, 5),
    shown: int = 8,
    seed: int = 180,
) -> dict[str, object]:
    """Unconditional U-Net that maps a digit with noise of sigma 0.5 to the digit.

    Results: ``loss`` (steps,); ``clean`` and ``noisy`` test digits, uint8 (shown, 28, 28); after each shown epoch e,
    ``denoised_e`` of the same shape; after every epoch, ``test_mse_e`` (1,) over all 10,000 test digits with noise that
    is the same each time; ``weights``.
    """
    import torch

    from darkroom.diffusion.train import Denoising, Recipe, Trainer, seeded
    from darkroom.diffusion.unet import UNet
    from experiments.part_b import digits

    images, labels = digits.load(mnist, "train")
    trainer = Trainer(
        seeded(lambda: UNet(width), seed),
        Denoising(sigma),
        Recipe(epochs, batch, learning_rate),
        images,
        labels,
        device=run.device,
        seed=seed,
    )
    x = torch.from_numpy(digits.load(mnist, "t10k")[0].copy()).float()[:, None] / 255
    eps = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
    z = x + sigma * eps

    def snapshot(epoch: int, network: object) -> dict[str, np.ndarray]:
        """Test error and denoised digits of the network as it is after *epoch*."""
        estimate = digits.quick(network, run.device)(z.to(run.device)).cpu()
        error = torch.nn.functional.mse_loss(estimate, x).numpy()[None]
        denoised = {f"denoised_{epoch}": digits.pixels(estimate[:shown])} if epoch in shown_epochs else {}
        return {f"test_mse_{epoch}": error} | denoised

    loss, kept = digits.trained(run, trainer, snapshot, range(1, epochs + 1))
    examples = {"clean": digits.pixels(x[:shown]), "noisy": digits.pixels(z[:shown])}
    return {"loss": loss, **kept, **examples, "weights": digits.half_precision(trainer.network)}


@denoiser.metric
def train_mse(results: Results) -> dict[str, float]:
    """The mean of the batch losses of each epoch."""
    return panels.by_epoch(results["loss"], results.parameters["epochs"])


@denoiser.metric
def test_mse(results: Results) -> dict[str, float]:
    """The error over the test set after each epoch."""
    return _test_mse(results)


@denoiser.figure(
    caption="Loss of the denoiser: training by step, test by epoch.",
    alt="The training loss falls steeply in the first hundred steps and flattens; the test points lie on it.",
)
def loss(results: Results) -> Drawing:
    """Training loss by step with test loss by epoch."""
    return panels.loss_curve(results["loss"], _test_mse(results))


@denoiser.figure(
    caption=r"Test digits: clean, with noise of $\sigma = 0.5$, and denoised in one step after epochs 1 and 5.",
    alt="Rows of eight digits: clean, grainy, denoised with soft edges after epoch 1, and nearly clean after epoch 5.",
)
def before_and_after(results: Results) -> Drawing:
    """A row for clean, noisy, and each shown epoch."""
    epochs = results.parameters["shown_epochs"]
    rows = [results["clean"], results["noisy"], *(results[f"denoised_{epoch}"] for epoch in epochs)]
    headings = ["clean", "noisy", *(f"epoch {epoch}" for epoch in epochs)]
    return tiles(rows, rows=headings, alt="Test digit {column_number}: {row}.", scale=3)


def _test_mse(results: Results) -> dict[str, float]:
    return {str(e): float(results[f"test_mse_{e}"][0]) for e in range(1, results.parameters["epochs"] + 1)}
