"""What ``better_time`` tries: trainings of time-conditioned networks with one change or more, and how they are scored.

Needs torch, so the experiment imports it where it computes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from darkroom.diffusion import schedules
from darkroom.diffusion.denoise import Denoiser, NoisePredictor, VelocityPredictor
from darkroom.diffusion.flow import StraightLine
from darkroom.diffusion.sample import ddim, euler
from darkroom.diffusion.schedules import Schedule
from darkroom.diffusion.train import FlowMatching, NoisePrediction, Objective, Recipe, Trainer, VelocityPrediction
from darkroom.diffusion.unet import ResidualTimeUNet, TimeUNet, for_inference
from darkroom.lab import Dataset, Run
from experiments.part_b import digits
from experiments.part_b.judging import Judge

LINE = StraightLine()
SCHEDULES = ("noise", "velocity", "zero_terminal")


@dataclass(frozen=True)
class Trials:
    """Trainings with the course's settings for flow matching, but for what each changes.

    Args:
        course: those settings: the parameters of ``flow_time``.
        sinusoids, spread: of the changes with these names.
        averaging: the share that a moving average of the weights keeps of itself at a step.
        schedule_rate, schedule_steps: learning rate and T of the DDPM form.
        judge: of the trials; what is chosen by them is judged by another.
        judged, judged_steps: how many samples are judged, and by how many steps they are drawn.
    """

    run: Run
    mnist: Dataset
    judge: Judge
    course: dict[str, Any]
    sinusoids: int
    spread: float
    averaging: float
    schedule_rate: float
    schedule_steps: int
    judged: int
    judged_steps: int
    seed: int

    def flow_trainer(self, changes: tuple[str, ...], epochs: int) -> Trainer:
        """The course's training with these *changes*: "sinusoids", "residual", "spread"."""
        told, residual = self.sinusoids if "sinusoids" in changes else 0, "residual" in changes
        width = self.course["width"]
        return self._trainer(
            lambda: ResidualTimeUNet(width, sinusoids=told, residual=residual),
            FlowMatching(spread=self.spread if "spread" in changes else None),
            self.course["learning_rate"],
            epochs,
        )

    def trial_trainer(self, name: str, epochs: int) -> Trainer:
        """That of the trial *name*: a change, "course" for none, or one of the DDPM form (``SCHEDULES``)."""
        if name not in SCHEDULES:
            return self.flow_trainer((name,), epochs)
        objective = NoisePrediction if name == "noise" else VelocityPrediction
        width = self.course["width"]
        return self._trainer(lambda: TimeUNet(width), objective(self._schedule(name)), self.schedule_rate, epochs)

    def denoiser(self, name: str, network: nn.Module) -> Denoiser:
        """A trained *network*, ready for inference, as a denoiser."""
        call = digits.quick(network, self.run.device)
        if name == "noise":
            return NoisePredictor(call, self._schedule(name))
        return VelocityPredictor(call, self._schedule(name) if name in SCHEDULES else LINE)

    def scored(self, name: str, network: nn.Module, judge: Judge, seed: int) -> dict[str, float]:
        """``frechet`` and ``confidence`` of what the network draws, by Euler's method, or DDIM along a schedule."""
        asked = self.denoiser(name, network)
        sampler, times = euler if asked.process is LINE else ddim, asked.process.times(self.judged_steps)
        samples = digits.samples(asked, digits.noise(self.judged, seed, self.run.device), sampler, times)
        return {"frechet": judge.distance(judge.read(samples)), "confidence": judge.confidence(samples)}

    def both(self, name: str, trainer: Trainer) -> dict[str, np.ndarray]:
        """The scores, (2,) each, of the weights as they are and averaged, both with batch norms measured anew."""
        networks = trainer.recalibrated(trainer.network), trainer.averaged()
        pair = [self.scored(name, for_inference(network), self.judge, self.seed + 1) for network in networks]
        return {score: np.array([each[score] for each in pair]) for score in pair[0]}

    def _trainer(self, build: Callable[[], nn.Module], objective: Objective, rate: float, epochs: int) -> Trainer:
        decay = self.course["final_rate"] ** (1 / epochs)
        recipe = Recipe(epochs, self.course["batch"], rate, decay=decay, averaging=self.averaging)
        return digits.trainer(self.run, self.mnist, build, objective, recipe, self.course["seed"])

    def _schedule(self, name: str) -> Schedule:
        linear = schedules.linear(self.schedule_steps)
        return (schedules.zero_terminal(linear) if name == "zero_terminal" else linear).to(self.run.device)
