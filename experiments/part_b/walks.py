"""The samplers that ``flow_quality`` compares, on a flow network and a DDPM network from the same noise.

Needs torch, so the experiment imports it where it computes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import nn

from darkroom.diffusion import schedules
from darkroom.diffusion.denoise import Denoiser, NoisePredictor, Predictor, VelocityPredictor
from darkroom.diffusion.flow import StraightLine
from darkroom.diffusion.process import Process
from darkroom.diffusion.sample import ddim, ddpm, dpm_solver, euler, heun
from darkroom.diffusion.unet import ClassUNet, TimeScaledUNet, TimeUNet
from darkroom.lab import Results, Run
from experiments.part_b import digits

SAMPLERS: dict[str, digits.Sampler] = {
    "euler": euler,
    "heun": heun,
    "dpm_solver": dpm_solver,
    "ddim": ddim,
    "ancestral": ddpm,
    "ddpm_solver": dpm_solver,
}


class Walks:
    """Samples of two trained networks, either both told the digit or neither.

    Args:
        flow, ddpm: the results of their trainings.
        gamma: guidance, where they are told the digit.
        per_digit: how many samples of each digit, or a tenth of all.
    """

    def __init__(self, run: Run, flow: Results, ddpm: Results, gamma: float, per_digit: int, seed: int) -> None:
        self.run, self.gamma, self.per_digit, self.seed = run, gamma, per_digit, seed
        known = ddpm.parameters
        schedule = schedules.linear(known["T"], known["beta_1"], known["beta_T"]).to(run.device)
        self._flow = self._denoiser(flow, StraightLine(), VelocityPredictor, TimeScaledUNet)
        self._ddpm = self._denoiser(ddpm, schedule, NoisePredictor, TimeUNet)

    def samples(self, way: str, evaluations: int) -> np.ndarray:
        """uint8 (10 * per_digit, 28, 28), digit by digit, by a sampler that may ask the network *evaluations* times."""
        denoiser = self._flow if way in ("euler", "heun", "dpm_solver") else self._ddpm
        steps = (evaluations + 1) // 2 if way == "heun" else evaluations
        source = digits.noise(10 * self.per_digit, self.seed, self.run.device)
        return digits.samples(denoiser, source, SAMPLERS[way], self._times(denoiser.process, steps))

    def _times(self, process: Process, steps: int) -> Sequence[float]:
        whole = process.times()
        return process.times(min(steps, len(whole) - 1) if isinstance(process, schedules.Schedule) else steps)

    def _denoiser(self, trained: Results, process: Process, kind: type[Predictor], alone: type[nn.Module]) -> Denoiser:
        told = "drop" in trained.parameters
        network = digits.restored((ClassUNet if told else alone)(trained.parameters["width"]), trained["weights"])
        call = digits.quick(network, self.run.device)
        if not told:
            return kind(call, process)
        asked = digits.one_hot_digits(self.per_digit, self.run.device)
        return digits.guided(call, process, asked, self.gamma, kind)
