"""A network that predicts the velocity of the straight line from noise to digits, told the time.

Shows: the loss, twenty samples after epochs 1, 5 and 10, and films of them coming out of noise.
Needs: MNIST.
Costs: 10 epochs; about an hour on two CPU cores with bfloat16, under a minute on a data-centre GPU.
Expect: a final training loss of 0.085 to 0.100; strokes like handwriting, but many that are no digit.
"""

from __future__ import annotations

import numpy as np

from darkroom.figures import Drawing
from darkroom.lab import Dataset, Results, Run, dataset, experiment
from experiments.part_b import panels


@experiment(device="gpu", minutes=60, gpu_minutes=4)
def flow_time(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    *,
    width: int = 64,
    epochs: int = 10,
    batch: int = 64,
    learning_rate: float = 1e-2,
    final_rate: float = 0.1,
    T: int = 50,
    shown_epochs: tuple[int, ...] = (1, 5, 10),
    shown: int = 20,
    seed: int = 180,
) -> dict[str, object]:
    """Time-conditioned U-Net trained by flow matching; time multiplies the features.

    Results: ``loss`` (steps,); after each shown epoch e, ``samples_e`` (shown, 28, 28) by T steps of Euler's method and
    ``frames_e`` (F, shown, 28, 14) of the same with two pixels a byte, uint8; ``weights``.
    """
    from darkroom.diffusion.denoise import VelocityPredictor
    from darkroom.diffusion.flow import StraightLine
    from darkroom.diffusion.sample import euler
    from darkroom.diffusion.train import FlowMatching, Recipe
    from darkroom.diffusion.unet import TimeScaledUNet
    from experiments.part_b import digits

    line, kept = StraightLine(), panels.flow_frame_times(T)
    recipe = Recipe(epochs, batch, learning_rate, decay=final_rate ** (1 / epochs))
    trainer = digits.trainer(run, mnist, lambda: TimeScaledUNet(width), FlowMatching(), recipe, seed)

    def snapshot(epoch: int, network: object) -> dict[str, np.ndarray]:
        """Samples of the network as it is after *epoch*."""
        denoiser = VelocityPredictor(digits.quick(network, run.device), line)
        source = digits.noise(shown, seed, run.device)
        samples, frames = digits.trajectory(denoiser, source, euler, line.times(T), kept)
        return {f"samples_{epoch}": samples, f"frames_{epoch}": frames}

    loss, snapshots = digits.trained(run, trainer, snapshot, shown_epochs)
    return {"loss": loss, **snapshots, "weights": digits.half_precision(trainer.network)}


@flow_time.metric
def train_loss(results: Results) -> dict[str, float]:
    """The mean of the batch losses of each epoch."""
    return panels.by_epoch(results["loss"], results.parameters["epochs"])


@flow_time.figure(
    caption="Flow-matching loss of the time-conditioned network, step by step: the mean squared error of the velocity.",
    alt="A curve that falls steeply at first and then ever more slowly, in a band of batch-to-batch scatter.",
)
def loss(results: Results) -> Drawing:
    """Loss by step."""
    return panels.loss_curve(results["loss"])


@flow_time.figure(
    caption="Samples after epochs 1, 5 and 10, by 50 steps of Euler's method, all from the same noise.",
    alt="Rows of handwritten shapes; the first is blotchy, later ones have clean strokes, several of which form digits.",
)
def samples(results: Results) -> Drawing:
    """One sheet an epoch."""
    return panels.sample_sheets(results, columns=10)


@flow_time.figure(
    caption="Sampling, from noise at $t = 0$ to digits at $t = 1$, with the network as it is after each epoch.",
    alt="Grids of noise in which strokes appear and settle into digit-like shapes.",
)
def films(results: Results) -> Drawing:
    """One film an epoch."""
    return panels.flow_films(results, columns=5)
