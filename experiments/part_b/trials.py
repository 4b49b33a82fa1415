"""Trainings of time-conditioned networks with the course's settings but for one change or more, and their scores.

Needs torch, so experiments import it where they compute.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
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
Changes = tuple[str, ...]


@dataclass(frozen=True)
class Trials(ABC):
    """Trainings that differ in *changes* alone.

    Args:
        course: the settings of all: the parameters of ``flow_time``.
        averaging: the share that a moving average of the weights keeps of itself at a step.
        judged, judged_steps: how many samples are judged, and by how many steps they are drawn.
        seed: of those samples.
    """

    run: Run
    mnist: Dataset
    course: Mapping[str, Any]
    averaging: float
    judged: int
    judged_steps: int
    seed: int

    @abstractmethod
    def trainer(self, changes: Changes, epochs: int) -> Trainer:
        """The course's training with these changes."""

    @abstractmethod
    def denoiser(self, changes: Changes, network: nn.Module) -> Denoiser:
        """A trained *network*, ready for inference, as a denoiser."""

    def scored(self, changes: Changes, network: nn.Module, judge: Judge) -> dict[str, float]:
        """``frechet`` and ``confidence`` of what the network draws, by Euler's method, or DDIM along a schedule."""
        asked = self.denoiser(changes, network)
        sampler, times = euler if asked.process is LINE else ddim, asked.process.times(self.judged_steps)
        samples = digits.samples(asked, digits.noise(self.judged, self.seed, self.run.device), sampler, times)
        return {"frechet": judge.distance(judge.read(samples)), "confidence": judge.confidence(samples)}

    def _trainer(self, build: Callable[[], nn.Module], objective: Objective, rate: float, epochs: int) -> Trainer:
        decay = self.course["final_rate"] ** (1 / epochs)
        recipe = Recipe(epochs, self.course["batch"], rate, decay=decay, averaging=self.averaging)
        return digits.trainer(self.run, self.mnist, build, objective, recipe, self.course["seed"])


@dataclass(frozen=True)
class FlowTrials(Trials):
    """Of flow matching; the changes are "sinusoids", "residual" and "spread".

    Args:
        sinusoids: how many features the time is told by.
        spread: of the logit-normal times.
    """

    sinusoids: int
    spread: float

    def trainer(self, changes: Changes, epochs: int) -> Trainer:
        """At the course's learning rate."""
        told, residual = self.sinusoids if "sinusoids" in changes else 0, "residual" in changes
        width, spread = self.course["width"], self.spread if "spread" in changes else None
        return self._trainer(
            lambda: ResidualTimeUNet(width, sinusoids=told, residual=residual),
            FlowMatching(spread=spread),
            self.course["learning_rate"],
            epochs,
        )

    def denoiser(self, changes: Changes, network: nn.Module) -> Denoiser:
        """Of velocities, along the straight line."""
        return VelocityPredictor(digits.quick(network, self.run.device), LINE)


@dataclass(frozen=True)
class ScheduleTrials(Trials):
    """Of the DDPM form; the one change is "noise", "velocity" or "zero_terminal".

    Args:
        T: times of the schedule.
        learning_rate: in place of the course's for flow matching.
    """

    T: int
    learning_rate: float

    def trainer(self, changes: Changes, epochs: int) -> Trainer:
        """Of the course's network with time added."""
        objective = NoisePrediction if changes == ("noise",) else VelocityPrediction
        width = self.course["width"]
        return self._trainer(lambda: TimeUNet(width), objective(self._schedule(changes)), self.learning_rate, epochs)

    def denoiser(self, changes: Changes, network: nn.Module) -> Denoiser:
        """Of noise or velocities, along the schedule."""
        kind = NoisePredictor if changes == ("noise",) else VelocityPredictor
        return kind(digits.quick(network, self.run.device), self._schedule(changes))

    def _schedule(self, changes: Changes) -> Schedule:
        linear = schedules.linear(self.T)
        return (schedules.zero_terminal(linear) if changes == ("zero_terminal",) else linear).to(self.run.device)


def compared(trials: Trials, tried: Mapping[str, Changes], epochs: int, judge: Judge) -> dict[str, object]:
    """Train each of *tried*, one after the other; the results of ``flow_trials``."""
    trainings, losses, scores = digits.Trainings(trials.run), [], []
    for name, changes in tried.items():
        loss, found = trainings.train(
            lambda changes=changes: trials.trainer(changes, epochs),
            lambda _, trainer, changes=changes: _both(trials, changes, trainer, judge),
            {epochs},
            name,
        )
        losses.append(loss.reshape(epochs, -1)[-1].mean())
        scores.append(found)
    return {
        "loss": np.array(losses),
        "frechet": np.stack([found["frechet"] for found in scores]),
        "confidence": np.stack([found["confidence"] for found in scores]),
        "floor": judge.floor,
    }


def _both(trials: Trials, changes: Changes, trainer: Trainer, judge: Judge) -> dict[str, np.ndarray]:
    """The scores, (2,) each, of the weights as they are and averaged, both with batch norms recalibrated."""
    networks = trainer.recalibrated(trainer.network), trainer.averaged()
    pair = [trials.scored(changes, for_inference(network), judge) for network in networks]
    return {score: np.array([each[score] for each in pair]) for score in pair[0]}
