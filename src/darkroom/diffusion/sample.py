"""Samplers: generators that go from noise to data and yield every step.

They only use the denoiser's :class:`~darkroom.diffusion.process.Process`, so each of them samples along a DDPM
schedule and along the straight line of flow matching. A sampler never prints, plots or stores what it yields.
Randomness comes from a :class:`Noise`, which holds one generator a sample: image k is the same whatever batch it is
drawn in (up to the arithmetic of the network).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from darkroom.diffusion.denoise import Denoiser, Prediction
from darkroom.diffusion.process import Process

Variance = Literal["large", "small", "learned", "none"]


@dataclass(frozen=True, eq=False)
class Step:
    """Where a sampler stands: *x_t* at time *t*, and the estimate *x_0* that led there (each of the batch's shape)."""

    t: float
    x_t: Tensor
    x_0: Tensor


class Noise:
    """Standard normal noise from one generator a sample, drawn on the CPU so that it is the same for every device.

    Args:
        seeds: one for each sample of the batch.
        shape: of one sample, such as (1, 28, 28).
        device: where the draws are delivered.
    """

    def __init__(self, seeds: Sequence[int], shape: Sequence[int], device: torch.device | str = "cpu") -> None:
        self.shape = tuple(shape)
        self.device = device
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def draw(self, rows: Sequence[int] | None = None) -> Tensor:
        """The next noise of every sample, or of those in *rows* alone: shape (B, *shape), float32."""
        drawing = self.generators if rows is None else [self.generators[row] for row in rows]
        drawn = [torch.randn(self.shape, generator=generator) for generator in drawing]
        return torch.stack(drawn).to(self.device)


def ddpm(
    denoiser: Denoiser,
    noise: Noise,
    *,
    x_T: Tensor | None = None,
    times: Sequence[float] | None = None,
    variance: Variance = "large",
) -> Iterator[Step]:
    """Ancestral sampling (Ho et al. 2020, algorithm 2), over all times or any subsequence of them.

    From t to the next time s, nearer to the data, x_s is drawn from the posterior q(x_s | x_t, x_0) with the estimate
    of x_0 in x_0's place (:meth:`~darkroom.diffusion.process.Process.posterior`), and with one of these variances:

    - "large": that of q(x_t | x_s) at the scale of x_s, which is beta in Part B of the course;
    - "small": the posterior's own;
    - "learned": what the network predicts between the two (:func:`log_variance`);
    - "none": no noise at all, and the mean of :func:`ddim`.

    All of it is of the strided process: beta is that of the stride. The step that reaches the data adds no noise.

    Args:
        x_T: where to start, (B, ...); by default the first draw of *noise*.
        times: from the time of *x_T* to where to stop; by default the process's own, noise to data.
    """
    process = denoiser.process
    x_t = noise.draw() if x_T is None else x_T
    for t, s in pairwise(process.checked(times)):
        prediction = denoiser(x_t, t)
        z = noise.draw() if _draws(process, s, variance) else None
        x_t = step_sample(process, x_t, prediction, t, s, z, variance)
        yield Step(s, x_t, prediction.x_0)


def ddim(
    denoiser: Denoiser, noise: Noise, *, x_T: Tensor | None = None, times: Sequence[float] | None = None
) -> Iterator[Step]:
    """The deterministic sampler (Song et al. 2021, eq. 12 with sigma = 0).

        x_s = alpha_s x_0 + sigma_s eps

    Along the straight line this is Euler's method for the flow. Arguments are those of :func:`ddpm`; *noise* is drawn
    from once, for x_T, and not at all where *x_T* is given.
    """
    return ddpm(denoiser, noise, x_T=x_T, times=times, variance="none")


def euler(
    denoiser: Denoiser, noise: Noise, *, x_T: Tensor | None = None, times: Sequence[float] | None = None
) -> Iterator[Step]:
    """Euler's method for the probability-flow equation d x / d clock = velocity (Song et al. 2021b, eq. 13).

        x_s = x_t + (clock_s - clock_t) velocity(x_t)

    Of first order. For flow matching, whose clock is t, this is the course's sampling loop. Arguments are those of
    :func:`ddim`.
    """
    process = denoiser.process
    x_t = noise.draw() if x_T is None else x_T
    for t, s in pairwise(process.checked(times)):
        prediction = denoiser(x_t, t)
        x_t = x_t + _clock_step(process, t, s) * process.velocity(prediction.x_0, t, prediction.eps)
        yield Step(s, x_t, prediction.x_0)


def heun(
    denoiser: Denoiser, noise: Noise, *, x_T: Tensor | None = None, times: Sequence[float] | None = None
) -> Iterator[Step]:
    """Heun's method: an Euler step, then the same step with the mean of the velocities at its two ends.

    Of second order, at two evaluations a step; the step that reaches the data is Euler's, since denoisers are not
    defined there (Karras et al. 2022, algorithm 1). Arguments are those of :func:`ddim`.
    """
    process = denoiser.process
    x_t = noise.draw() if x_T is None else x_T
    for t, s in pairwise(process.checked(times)):
        prediction = denoiser(x_t, t)
        step, slope = _clock_step(process, t, s), process.velocity(prediction.x_0, t, prediction.eps)
        if s != process.data_time:
            there = denoiser(x_t + step * slope, s)
            slope = (slope + process.velocity(there.x_0, s, there.eps)) / 2
        x_t = x_t + step * slope
        yield Step(s, x_t, prediction.x_0)


def dpm_solver(
    denoiser: Denoiser, noise: Noise, *, x_T: Tensor | None = None, times: Sequence[float] | None = None
) -> Iterator[Step]:
    """DPM-Solver++(2M) (Lu et al. 2022b, algorithm 2): second order at one evaluation a step.

        x_s = sigma_s / sigma_t x_t + alpha_s (1 - e^-h) D,    D = x_0 + h / (2 h') (x_0 - x_0')

    with h the step in log(alpha / sigma), and h' and x_0' those of the step before. Of first order, with D = x_0, are
    the first step, which has none before it, the one after it where that began with noise alone (h' is infinite), and
    the one that reaches the data (h is). Arguments are those of :func:`ddim`.
    """
    process = denoiser.process
    x_t = noise.draw() if x_T is None else x_T
    before: tuple[Tensor, float] | None = None
    for t, s in pairwise(process.checked(times)):
        x_0 = denoiser(x_t, t).x_0
        h = _log_ratio(process, s) - _log_ratio(process, t)
        correction = 0.0 if before is None or math.isinf(h) else h / (2 * before[1])
        D = x_0 if before is None or not correction else x_0 + correction * (x_0 - before[0])
        shrink = process.sigma(s).item() / process.sigma(t).item()
        x_t = shrink * x_t + process.alpha(s).item() * -math.expm1(-h) * D
        before = x_0, h
        yield Step(s, x_t, x_0)


def sdedit(
    denoiser: Denoiser,
    noise: Noise,
    originals: Tensor,
    starts: Sequence[float],
    *,
    times: Sequence[float],
    variance: Variance = "large",
) -> Iterator[Step]:
    """SDEdit (Meng et al. 2022): noise a picture up to a time, then sample from there as :func:`ddpm` does.

    All levels go through the network as one batch: sample k joins it at its own time, and until then stays as it was
    noised, with the original as its estimate of x_0.

    Args:
        originals: shape (B, ...), one for each sample.
        starts: the time of *times* at which each sample starts; nearer to noise keeps less of the original.

    Raises:
        ValueError: a start that is none of *times*, or not one for each picture.
    """
    process = denoiser.process
    times = process.checked(times)
    if len(starts) != len(originals):
        raise ValueError(f"{len(starts)} starts for {len(originals)} pictures; give one for each")
    if strange := [start for start in starts if start not in times[:-1]]:
        raise ValueError(f"starts {strange} are not among the times {list(times[:-1])}")
    first = [list(times).index(start) for start in starts]
    x_t = process.noised(originals, torch.from_numpy(np.array(starts)), noise.draw())
    x_0 = originals.clone()
    for number, (t, s) in enumerate(pairwise(times)):
        begun = [row for row, position in enumerate(first) if position <= number]
        if not begun:
            continue
        prediction = denoiser.rows(begun)(x_t[begun], t)
        z = noise.draw(begun) if _draws(process, s, variance) else None
        x_t, x_0 = x_t.clone(), x_0.clone()
        x_t[begun] = step_sample(process, x_t[begun], prediction, t, s, z, variance)
        x_0[begun] = prediction.x_0
        yield Step(s, x_t, x_0)


def inpaint(
    denoiser: Denoiser,
    noise: Noise,
    originals: Tensor,
    mask: Tensor,
    *,
    times: Sequence[float] | None = None,
    variance: Variance = "large",
    repeats: int = 1,
) -> Iterator[Step]:
    """Fill the hole of a picture and keep the rest (Lugmayr et al. 2022, algorithm 1).

    Before x_t goes through the network, everything outside the hole is replaced by the original, noised to that same t,

        x_t <- m x_t + (1 - m) (alpha_t x_orig + sigma_t eps)

    and at the end by the original itself, so that nothing outside has changed. What is put in does not depend on the
    content of the hole; only after another step, from x_s noised back to t, do the two agree. So each step is done
    *repeats* times.

    Args:
        originals: shape (B, C, H, W).
        mask: 1 in the hole, 0 where the original stays; broadcasts to the batch.
        repeats: how many times each step is done; 1 is the course's loop.

    Raises:
        ValueError: a mask of another size than the pictures, or no repeats.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be 1 or more, not {repeats}")
    if mask.shape[-2:] != originals.shape[-2:]:
        sizes = (" x ".join(str(length) for length in value.shape[-2:]) for value in (mask, originals))
        raise ValueError("the mask is {} and the picture {}; make them the same size".format(*sizes))
    process, hole = denoiser.process, mask.bool()
    x_t = noise.draw()
    times = process.checked(times)
    for t, s in pairwise(times):
        for repeat in range(repeats):
            if repeat:
                x_t = noised_back(process, x_t, s, t, noise.draw())
            x_t = torch.where(hole, x_t, process.noised(originals, t, noise.draw()))
            prediction = denoiser(x_t, t)
            z = noise.draw() if _draws(process, s, variance) else None
            x_t = step_sample(process, x_t, prediction, t, s, z, variance)
        yield Step(s, torch.where(hole, x_t, originals) if s == times[-1] else x_t, prediction.x_0)


def noised_back(process: Process, x_s: Tensor, s: float, t: float, z: Tensor) -> Tensor:
    """A draw of x_t given x_s, for t nearer to noise than s: alpha_t / alpha_s x_s, and noise of what variance lacks."""
    share = process.alpha(t).item() / process.alpha(s).item()
    return share * x_s + process.posterior(t, s).forward.item() ** 0.5 * z


def step_sample(
    process: Process,
    x_t: Tensor,
    prediction: Prediction,
    t: float,
    s: float,
    z: Tensor | None,
    variance: Variance = "large",
) -> Tensor:
    """x_s given x_t and its prediction, by the formulas of :func:`ddpm`; the posterior's mean where *z* is None."""
    if variance == "none":
        return process.noised(prediction.x_0, s, prediction.eps)
    step = process.posterior(t, s)
    mean = step.mean(prediction.x_0, x_t)
    if z is None:
        return mean
    if variance == "learned":
        return mean + (0.5 * log_variance(process, prediction.v, t, s)).exp() * z
    return mean + (step.large if variance == "large" else step.variance).item() ** 0.5 * z


def log_variance(process: Process, v: Tensor | None, t: float, s: float) -> Tensor:
    """v log(large) + (1 - v) log(small), between the two variances of the step from t to s.

    (Nichol and Dhariwal 2021, eq. 15.)

    Raises:
        ValueError: the denoiser predicts no variance.
    """
    if v is None:
        raise ValueError('variance="learned" needs a denoiser that predicts it; use "large" or "small" with this one')
    step = process.posterior(t, s)
    large = math.log(step.large.item())
    return large + (1 - v) * math.log(step.variance.item() / step.large.item())


def last(steps: Iterator[Step]) -> Step:
    """The last step of a sampler; the others are discarded."""
    step = next(steps)
    for step in steps:  # noqa: B007
        pass
    return step


def _draws(process: Process, s: float, variance: Variance) -> bool:
    """Whether the step to *s* adds noise."""
    return variance != "none" and s != process.data_time


def _clock_step(process: Process, t: float, s: float) -> float:
    return (process.clock(s) - process.clock(t)).item()


def _log_ratio(process: Process, t: float) -> float:
    """log(alpha_t / sigma_t), infinite at the ends."""
    return (process.alpha(t).log() - process.sigma(t).log()).item()
