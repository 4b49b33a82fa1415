"""The same network, told which digit to draw.

Shows: the loss, four of each digit after epochs 1, 5, 10, 15 and 20, and films of them coming out of noise.
Needs: MNIST.
Costs: 20 epochs; about two hours on two CPU cores, under a minute on a data-centre GPU.
Expect: a final training MSE of at most 0.028, and every digit recognisable from epoch 5 on.
"""

from __future__ import annotations

import numpy as np

from darkroom.figures import Drawing
from darkroom.lab import Dataset, Results, Run, dataset, experiment
from experiments.part_b import panels


@experiment(device="gpu", minutes=120, gpu_minutes=8)
def class_conditioned(
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
    drop: float = 0.1,
    gamma: float = 5.0,
    shown_epochs: tuple[int, ...] = (1, 5, 10, 15, 20),
    shown_per_digit: int = 4,
    judged_per_digit: int = 100,
    judged_steps: int = 50,
    seed: int = 180,
) -> dict[str, object]:
    """Class-conditioned U-Net that predicts noise, trained with classifier-free guidance in mind.

    Results: ``loss`` (steps,); after each shown epoch e, ``samples_e`` (10 * shown_per_digit, 28, 28) by ancestral
    sampling over all T steps, ``frames_e`` (F, 10 * shown_per_digit, 28, 14) of the same with two pixels a byte, and
    ``judged_e`` (10 * judged_per_digit, 28, 28) by DDIM in ``judged_steps`` steps, all uint8, digit by digit;
    ``weights``.
    """
    from darkroom.diffusion import schedules
    from darkroom.diffusion.sample import ddim, last
    from darkroom.diffusion.train import NoisePrediction, Recipe
    from darkroom.diffusion.unet import ClassUNet
    from experiments.part_b import digits

    schedule = schedules.linear(T, beta_1, beta_T).to(run.device)
    recipe = Recipe(epochs, batch, learning_rate, decay=final_rate ** (1 / epochs))
    trainer = digits.trainer(run, mnist, lambda: ClassUNet(width), NoisePrediction(schedule, drop), recipe, seed)

    def snapshot(epoch: int, network: object) -> dict[str, np.ndarray]:
        """Samples of the network as it is after *epoch*."""
        call = digits.quick(network, run.device)
        shown = digits.guided(call, schedule, digits.one_hot_digits(shown_per_digit, run.device), gamma)
        samples, frames = digits.trajectory(shown, digits.noise(10 * shown_per_digit, seed, run.device))
        judged = digits.guided(call, schedule, digits.one_hot_digits(judged_per_digit, run.device), gamma)
        source = digits.noise(10 * judged_per_digit, seed + 1, run.device)
        final = last(ddim(judged, source, times=schedules.strided(T, judged_steps)))
        return {f"samples_{epoch}": samples, f"frames_{epoch}": frames, f"judged_{epoch}": digits.pixels(final.x_t)}

    loss, kept = digits.trained(run, trainer, snapshot, shown_epochs)
    return {"loss": loss, **kept, "weights": digits.half_precision(trainer.network)}


@class_conditioned.metric
def train_mse(results: Results) -> dict[str, float]:
    """The mean of the batch losses of each epoch."""
    return panels.by_epoch(results["loss"], results.parameters["epochs"])


@class_conditioned.figure(
    caption="Training loss of the class-conditioned network, step by step: the mean squared error of the predicted noise.",
    alt="A curve that falls steeply in the first epoch and then ever more slowly, in a band of batch-to-batch scatter.",
)
def loss(results: Results) -> Drawing:
    """Loss by step."""
    return panels.loss_curve(results["loss"])


@class_conditioned.figure(
    caption=r"Four of each digit after epochs 1, 5, 10, 15 and 20, with $\gamma = 5$, all from the same noise.",
    alt="Rows of handwritten digits, a column for each of 0 to 9; half formed after epoch 1 and clean from epoch 5 on.",
)
def samples(results: Results) -> Drawing:
    """One sheet an epoch, a column a digit."""
    return panels.sample_sheets(results, columns=10, arranged=panels.a_column_a_digit)


@class_conditioned.figure(
    caption=r"Sampling, from $x_{300}$ at the start to $x_0$, with $\gamma = 5$ and the network as it is after each epoch.",
    alt="Grids of noise out of which four each of the digits 0 to 9 appear, a column for each digit.",
)
def films(results: Results) -> Drawing:
    """One film an epoch, a column a digit."""
    return panels.sampling_films(results, columns=10, arranged=panels.a_column_a_digit)
