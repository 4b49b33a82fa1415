"""The network of flow matching, told which digit to draw.

Shows: the loss, four of each digit after epochs 1, 5 and 10, and films of them coming out of noise.
Needs: MNIST.
Costs: 10 epochs; about an hour on two CPU cores with bfloat16, under a minute on a data-centre GPU.
Expect: a final training loss of 0.080 to 0.092, and every digit recognisable from epoch 5 on.
"""

from __future__ import annotations

import numpy as np

from darkroom.figures import Drawing
from darkroom.lab import Dataset, Results, Run, dataset, experiment
from experiments.part_b import panels


@experiment(device="gpu", minutes=60, gpu_minutes=4)
def flow_class(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    *,
    width: int = 64,
    epochs: int = 10,
    batch: int = 64,
    learning_rate: float = 1e-2,
    final_rate: float = 0.1,
    T: int = 300,
    drop: float = 0.1,
    gamma: float = 5.0,
    shown_epochs: tuple[int, ...] = (1, 5, 10),
    shown_per_digit: int = 4,
    seed: int = 180,
) -> dict[str, object]:
    """Class-conditioned U-Net trained by flow matching, with classifier-free guidance in mind.

    Results: ``loss`` (steps,); after each shown epoch e, ``samples_e`` (10 * shown_per_digit, 28, 28) by T steps of Euler's
    method and ``frames_e`` (F, 10 * shown_per_digit, 28, 14) of the same with two pixels a byte, uint8, digit by digit;
    ``weights``.
    """
    from darkroom.diffusion.denoise import VelocityPredictor
    from darkroom.diffusion.flow import StraightLine
    from darkroom.diffusion.sample import euler
    from darkroom.diffusion.train import FlowMatching, Recipe
    from darkroom.diffusion.unet import ClassUNet
    from experiments.part_b import digits

    line, kept = StraightLine(), panels.flow_frame_times(T)
    recipe = Recipe(epochs, batch, learning_rate, decay=final_rate ** (1 / epochs))
    trainer = digits.trainer(run, mnist, lambda: ClassUNet(width), FlowMatching(drop), recipe, seed)

    def snapshot(epoch: int, network: object) -> dict[str, np.ndarray]:
        """Samples of the network as it is after *epoch*."""
        asked, call = digits.one_hot_digits(shown_per_digit, run.device), digits.quick(network, run.device)
        denoiser = digits.guided(call, line, asked, gamma, VelocityPredictor)
        source = digits.noise(len(asked), seed, run.device)
        samples, frames = digits.trajectory(denoiser, source, euler, line.times(T), kept)
        return {f"samples_{epoch}": samples, f"frames_{epoch}": frames}

    loss, snapshots = digits.trained(run, trainer, snapshot, shown_epochs)
    return {"loss": loss, **snapshots, "weights": digits.half_precision(trainer.network)}


@flow_class.metric
def train_loss(results: Results) -> dict[str, float]:
    """The mean of the batch losses of each epoch."""
    return panels.by_epoch(results["loss"], results.parameters["epochs"])


@flow_class.figure(
    caption="Flow-matching loss of the class-conditioned network, step by step: the mean squared error of the velocity.",
    alt="A curve that falls steeply at first and then ever more slowly, in a band of batch-to-batch scatter.",
)
def loss(results: Results) -> Drawing:
    """Loss by step."""
    return panels.loss_curve(results["loss"])


@flow_class.figure(
    caption=r"Four of each digit after epochs 1, 5 and 10, with $\gamma = 5$ and 300 steps, all from the same noise.",
    alt="Rows of handwritten digits, a column for each of 0 to 9; clean from epoch 5 on.",
)
def samples(results: Results) -> Drawing:
    """One sheet an epoch, a column a digit."""
    return panels.sample_sheets(results, columns=10, arranged=panels.a_column_a_digit)


@flow_class.figure(
    caption=r"Sampling with $\gamma = 5$, from noise at $t = 0$ to digits at $t = 1$, with the network after each epoch.",
    alt="Grids of noise out of which four each of the digits 0 to 9 appear, a column for each digit.",
)
def films(results: Results) -> Drawing:
    """One film an epoch, a column a digit."""
    return panels.flow_films(results, columns=10, arranged=panels.a_column_a_digit)
