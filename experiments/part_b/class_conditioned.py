"""The same network, told which digit to draw.

Shows: the loss, four of each digit after epochs 1, 5, 10, 15 and 20, and films of them coming out of noise.
Needs: MNIST.
Costs: 20 epochs; about two hours on two CPU cores, under a minute on a data-centre GPU.
Expect: a final training MSE of at most 0.028, and every digit recognisable from epoch 5 on.
"""

from __future__ import annotations

import numpy as np

from darkroom.lab import Dataset, Results, Run, dataset, experiment


@experiment(device="gpu", minutes=120)
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
    from darkroom.diffusion.train import NoisePrediction, Recipe, Trainer, seeded
    from darkroom.diffusion.unet import ClassUNet
    from experiments.part_b import digits

    schedule = schedules.linear(T, beta_1, beta_T).to(run.device)
    recipe = Recipe(epochs, batch, learning_rate, decay=final_rate ** (1 / epochs))
    images, labels = digits.load(mnist, "train")
    trainer = Trainer(
        seeded(lambda: ClassUNet(width), seed),
        NoisePrediction(schedule, drop),
        recipe,
        images,
        labels,
        device=run.device,
        seed=seed,
    )

    def snapshot(epoch: int, network: object) -> dict[str, np.ndarray]:
        """Samples of the network as it is after *epoch*."""
        call = digits.in_bfloat16(network, run.device)
        shown = digits.guided(call, schedule, digits.one_hot_digits(shown_per_digit, run.device), gamma)
        samples, frames = digits.trajectory(shown, digits.noise(10 * shown_per_digit, seed, run.device))
        judged = digits.guided(call, schedule, digits.one_hot_digits(judged_per_digit, run.device), gamma)
        source = digits.noise(10 * judged_per_digit, seed + 1, run.device)
        final = last(ddim(judged, source, times=schedules.strided(T, judged_steps)))
        return {f"samples_{epoch}": samples, f"frames_{epoch}": frames, f"judged_{epoch}": digits.pixels(final.x_t)}

    loss, kept = digits.trained(run, trainer, snapshot, shown_epochs)
    return {"loss": loss, **kept, "weights": digits.half_precision(trainer.network)}
