"""Every sampler with every denoiser, on a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from darkroom.diffusion import filters, schedules, views
from darkroom.diffusion.agreement import agreement
from darkroom.diffusion.denoise import (
    DataPredictor,
    Denoiser,
    GaussianDenoiser,
    NoisePredictor,
    PosteriorMean,
    Refitted,
    Thresholded,
    VelocityPredictor,
)
from darkroom.diffusion.flow import StraightLine, as_flow
from darkroom.diffusion.guidance import Anagram, Beside, Factorized, Guided
from darkroom.diffusion.process import Process
from darkroom.diffusion.sample import Noise, Step, ddim, ddpm, dpm_solver, euler, heun, inpaint, last, sdedit
from darkroom.diffusion.train import seeded
from darkroom.diffusion.unet import ClassUNet, for_inference

SHAPE = (3, 1, 28, 28)
VIEWS = views.flip, views.quarter_turn, views.negative, views.skewed(), views.inner_circle(), views.jigsaw(1)
SPLITS = filters.low_high(1.0, 9), filters.gray_colour(), filters.motion_residual()


def processes(device: str) -> dict[str, Process]:
    """A schedule whose table is on the device, one whose table is not, and the straight line."""
    schedule = schedules.linear(20)
    return {"schedule": schedule.to(device), "schedule on the CPU": schedule, "straight line": StraightLine()}


def denoisers(process: Process, device: str) -> Iterator[tuple[str, Denoiser]]:
    """Every kind of denoiser of *process*."""
    network = for_inference(seeded(lambda: ClassUNet(4), 1)).to(device)
    digits = torch.eye(10, device=device)
    rows = digits[:3], digits[4:7], 0 * digits[:1]
    one, other, nothing = (NoisePredictor(network, process, (row,)) for row in rows)
    data = torch.rand((5, *SHAPE[1:]), generator=torch.Generator().manual_seed(1)).to(device)
    guided = Guided(one, nothing, 3.0)
    yield "guided", guided
    yield "thresholded", Refitted(Thresholded(guided))
    yield "velocity", VelocityPredictor(network, process, (digits[:3],))
    yield "data", DataPredictor(network, process, (digits[:3],))
    yield "as a flow", as_flow(guided)
    yield "beside each other", Beside(((guided.rows([0]), 1), (other.rows([1, 2]), 2)))
    yield "posterior mean", PosteriorMean(data, process)
    yield "Gaussian", GaussianDenoiser(data[:1], 0.3, process)
    yield from ((f"anagram, {view.name}", Anagram(((one, views.identity), (other, view)))) for view in VIEWS)
    for split in SPLITS:
        parts = (one, other, guided)[: len(split.names)]
        yield f"factorized, {' and '.join(split.names)}", Factorized(parts, split)


def samplers(denoiser: Denoiser, device: str) -> Iterator[tuple[str, Callable[[Noise], Iterator[Step]]]]:
    """Every sampler of *denoiser*, over a few times."""
    process = denoiser.process
    times = (0.02, 0.5, 1.0) if isinstance(process, StraightLine) else (20, 7, 0)
    originals = torch.linspace(0, 1, 784).reshape(1, 1, 28, 28).expand(SHAPE).to(device)
    for solver in (ddim, euler, heun, dpm_solver):
        yield solver.__name__, lambda noise, solver=solver: solver(denoiser, noise, times=times)
    yield "ddpm", lambda noise: ddpm(denoiser, noise, times=times)
    yield "ddpm, small", lambda noise: ddpm(denoiser, noise, times=times, variance="small")
    yield "sdedit", lambda noise: sdedit(denoiser, noise, originals, [*times[:2], times[0]], times=times)
    hole = (originals[:1] > 0.5).float()
    yield "inpaint", lambda noise: inpaint(denoiser, noise, originals, hole, times=times, repeats=2)


def drawn(device: str) -> dict[tuple[str, ...], np.ndarray]:
    """What every sampler ends with, of the first denoiser of each process; of the others, what ancestral sampling does."""
    found = {}
    for of, process in processes(device).items():
        for number, (name, denoiser) in enumerate(denoisers(process, device)):
            for way, walk in samplers(denoiser, device):
                if number == 0 or way == "ddpm":
                    found[of, name, way] = _numbers(last(walk(_noise(device))).x_t)
        guided, pictures = next(denoisers(process, device))[1], torch.zeros(SHAPE, device=device)
        times = (0.2, 0.6) if isinstance(process, StraightLine) else (3, 9)
        asked = guided.conditional, guided.unconditional, pictures, _noise(device), times
        found[of, "agreement"] = _numbers(agreement(*asked))
    return found


def check_same_as_on_the_cpu(device: str, expected: dict[tuple[str, ...], np.ndarray], tolerance: float = 1e-4) -> None:
    """Every one is what it is on the CPU, up to the order of sums."""
    seen = drawn(device)
    assert seen.keys() == expected.keys()
    for name, picture in seen.items():
        np.testing.assert_allclose(picture, expected[name], atol=tolerance, rtol=tolerance, err_msg=", ".join(name))


def _noise(device: str) -> Noise:
    return Noise([1, 2, 3], SHAPE[1:], device)


def _numbers(values: Tensor) -> np.ndarray:
    return values.cpu().numpy()
