"""How the class-conditioned flow network is trained at a constant rate, and how it is sampled to be compared.

Needs torch, so experiments import it where they compute.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from darkroom.diffusion.denoise import VelocityPredictor
from darkroom.diffusion.flow import StraightLine
from darkroom.diffusion.sample import euler
from darkroom.diffusion.train import FlowMatching, Recipe, Trainer
from darkroom.diffusion.unet import ClassUNet
from darkroom.lab import Dataset, Run
from experiments.part_b import digits, panels

LINE = StraightLine()


@dataclass(frozen=True)
class Sampling:
    """Samples of networks that are compared, all from the same noise.

    Args:
        scheduled: the parameters of ``flow_class``.
        shown_per_digit: how many samples to look at, guided and in as many steps as in ``flow_class``.
        judged_per_digit, judged_steps: how many samples are judged, unguided, and in how many steps they are drawn.
    """

    run: Run
    scheduled: dict[str, Any]
    shown_per_digit: int
    judged_per_digit: int
    judged_steps: int
    seed: int

    def shown(self, network: nn.Module) -> np.ndarray:
        """uint8 (10 * shown_per_digit, 28, 28), digit by digit."""
        return self._samples(network, self.shown_per_digit, self.scheduled["gamma"], self.scheduled["T"], self.seed)

    def judged(self, network: nn.Module) -> np.ndarray:
        """The bytes of a PNG with 10 * judged_per_digit samples, digit by digit."""
        return panels.as_png(self._samples(network, self.judged_per_digit, 1.0, self.judged_steps, self.seed + 1))

    def _samples(self, network: nn.Module, each: int, gamma: float, steps: int, seed: int) -> np.ndarray:
        device = self.run.device
        asked, call = digits.one_hot_digits(each, device), digits.quick(network, device)
        denoiser = digits.guided(call, LINE, asked, gamma, VelocityPredictor)
        return digits.samples(denoiser, digits.noise(len(asked), seed, device), euler, LINE.times(steps))


def train(
    mnist: Dataset, sampling: Sampling, rate: float, averaging: float | None, shown_epochs: Collection[int]
) -> dict[str, object]:
    """Train at a constant *rate*, from the weights and batches of ``flow_class``; the results of ``flow_constant``."""
    known = sampling.scheduled
    epochs = known["epochs"]
    recipe, objective = Recipe(epochs, known["batch"], rate, averaging=averaging), FlowMatching(known["drop"])

    def snapshot(epoch: int, trainer: Trainer) -> dict[str, np.ndarray]:
        """Samples of each form of the weights after *epoch*."""
        forms = {name: digits.as_stored(network) for name, network in _forms(trainer, averaging is not None).items()}
        shown = {f"samples_{name}_{epoch}": sampling.shown(network) for name, network in forms.items()}
        judged = {f"judged_{name}": sampling.judged(network) for name, network in forms.items()}
        return shown | (judged if epoch == epochs else {})

    loss, kept = digits.Trainings(sampling.run).train(
        lambda: digits.trainer(
            sampling.run, mnist, lambda: ClassUNet(known["width"]), objective, recipe, known["seed"]
        ),
        snapshot,
        {*shown_epochs, epochs},
    )
    return {"loss": loss, **kept, "epochs": epochs}


def _forms(trainer: Trainer, averaged: bool) -> dict[str, nn.Module]:
    if not averaged:
        return {"plain": trainer.network}
    return {
        "plain": trainer.network,
        "recalibrated": trainer.recalibrated(trainer.network),
        "averaged": trainer.averaged(),
    }
