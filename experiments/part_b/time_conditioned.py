"""A network that predicts noise, told the time.

Shows: the loss, twenty samples after epochs 1, 5, 10, 15 and 20, and films of them coming out of noise.
Needs: MNIST.
Costs: 20 epochs; about two hours on two CPU cores, under a minute on a data-centre GPU.
Expect: a final training MSE of at most 0.029; strokes like handwriting, but many that are no digit.
"""

from __future__ import annotations

import numpy as np

from darkroom.figures import Drawing
from darkroom.lab import Dataset, Results, Run, dataset, experiment
from experiments.part_b import panels


@experiment(device="gpu", minutes=120, gpu_minutes=8)
def time_conditioned(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    *,
    width: int = 64,
    epochs: int = 20,
    batch: int = 128,
    learning_rate: float = 1e-3,
    final_rate: float = 0.1,
    T: int = 300,
    beta_1: float = 1e-4,
    beta_T: float = 0.02,
    shown_epochs: tuple[int, ...] = (1, 5, 10, 15, 20),
    shown: int = 20,
    seed: int = 180,
) -> dict[str, object]:
    """Time-conditioned U-Net that predicts noise.

    Results: ``loss`` (steps,); after each shown epoch e, ``samples_e`` (shown, 28, 28) by ancestral sampling over all T
    steps and ``frames_e`` (F, shown, 28, 14) of the same with two pixels a byte, uint8; ``weights``.
    """
    from darkroom.diffusion import schedules
    from darkroom.diffusion.denoise import NoisePredictor
    from darkroom.diffusion.train import NoisePrediction, Recipe
    from darkroom.diffusion.unet import TimeUNet
    from experiments.part_b import digits

    schedule = schedules.linear(T, beta_1, beta_T).to(run.device)
    recipe = Recipe(epochs, batch, learning_rate, decay=final_rate ** (1 / epochs))
    trainer = digits.trainer(run, mnist, lambda: TimeUNet(width), NoisePrediction(schedule), recipe, seed)

    def snapshot(epoch: int, network: object) -> dict[str, np.ndarray]:
        """Samples of the network as it is after *epoch*."""
        denoiser = NoisePredictor(digits.quick(network, run.device), schedule)
        samples, frames = digits.trajectory(denoiser, digits.noise(shown, seed, run.device))
        return {f"samples_{epoch}": samples, f"frames_{epoch}": frames}

    loss, kept = digits.trained(run, trainer, snapshot, shown_epochs)
    return {"loss": loss, **kept, "weights": digits.half_precision(trainer.network)}


@time_conditioned.metric
def train_mse(results: Results) -> dict[str, float]:
    """The mean of the batch losses of each epoch."""
    return panels.by_epoch(results["loss"], results.parameters["epochs"])


@time_conditioned.figure(
    caption="Training loss of the time-conditioned network, step by step: the mean squared error of the predicted noise.",
    alt="A curve that falls steeply in the first epoch and then ever more slowly, in a band of batch-to-batch scatter.",
)
def loss(results: Results) -> Drawing:
    """Loss by step."""
    return panels.loss_curve(results["loss"])


@time_conditioned.figure(
    caption="Samples after epochs 1, 5, 10, 15 and 20, all from the same noise.",
    alt="Rows of handwritten shapes; the first row is blotchy, later rows have clean strokes, several of which form digits.",
)
def samples(results: Results) -> Drawing:
    """One sheet an epoch."""
    return panels.sample_sheets(results, columns=10)


@time_conditioned.figure(
    caption="Sampling, from $x_{300}$ at the start to $x_0$, with the network as it is after each epoch.",
    alt="Grids of noise in which strokes appear and settle into digit-like shapes.",
)
def films(results: Results) -> Drawing:
    """One film an epoch."""
    return panels.sampling_films(results, columns=5)
