"""Samplers: generators that walk from noise to data and yield every step.

A sampler never prints, draws or keeps what it has yielded. Randomness comes from a :class:`Noise`, which holds one
generator a sample: image k is the same whatever batch it is drawn in (up to the arithmetic of the network).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from darkroom.diffusion.denoise import Denoiser, Prediction
from darkroom.diffusion.schedules import Schedule, strided

Variance = Literal["large", "small", "learned"]


@dataclass(frozen=True, eq=False)
class Step:
    """Where a sampler stands: *x_t* at time *t*, and the estimate *x_0* that led there (each of the batch's shape)."""

    t: int
    x_t: Tensor
    x_0: Tensor


class Noise:
    """Standard normal noise from one generator a sample, drawn on the CPU so that every device sees the same.

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
    times: Sequence[int] | None = None,
    variance: Variance = "large",
) -> Iterator[Step]:
    """Ancestral sampling (Ho et al. 2020, algorithm 2), over all times or any falling subsequence of them.

    From t to the next time s < t, with alpha = alpha_bar_t / alpha_bar_s and beta = 1 - alpha,

        x_s = sqrt(alpha_bar_s) beta / (1 - alpha_bar_t) x_0 + sqrt(alpha) (1 - alpha_bar_s) / (1 - alpha_bar_t) x_t + sigma z

    where sigma^2 is beta ("large", Part B of the course), beta (1 - alpha_bar_s) / (1 - alpha_bar_t) ("small", the
    posterior's own), or what the network says between the two ("learned", :func:`log_variance`). All of it is of the
    strided schedule: beta above is that of the stride. z = 0 in the step to t = 0.

    Args:
        x_T: where to start, (B, ...); by default the first draw of *noise*.
        times: from the time of *x_T* down to where to stop; by default T, T - 1, ..., 0.
    """
    x_t = noise.draw() if x_T is None else x_T
    for t, s in pairwise(_checked(times, denoiser.schedule)):
        prediction = denoiser(x_t, t)
        x_t = posterior_sample(denoiser.schedule, x_t, prediction, t, s, noise.draw() if s else None, variance)
        yield Step(s, x_t, prediction.x_0)


def sdedit(
    denoiser: Denoiser,
    noise: Noise,
    originals: Tensor,
    starts: Sequence[int],
    *,
    times: Sequence[int],
    variance: Variance = "large",
) -> Iterator[Step]:
    """SDEdit (Meng et al. 2022): noise a picture up to a time, then sample from there as :func:`ddpm` does.

    All levels go through the network as one batch: sample k joins it at its own time, and until then stays as it was
    noised, with the original as its estimate of x_0.

    Args:
        originals: shape (B, ...), one for each sample.
        starts: the time of *times* at which each sample starts; higher keeps less of the original.

    Raises:
        ValueError: a start that is none of *times*.
    """
    times = _checked(times, denoiser.schedule)
    if strange := [start for start in starts if start not in times[:-1]]:
        raise ValueError(f"starts {strange} are not among the times {list(times[:-1])}")
    x_t = denoiser.schedule.noised(originals, torch.tensor(starts), noise.draw())
    x_0 = originals.clone()
    for t, s in pairwise(times):
        begun = [row for row, start in enumerate(starts) if start >= t]
        if not begun:
            continue
        prediction = denoiser.rows(begun)(x_t[begun], t)
        z = noise.draw(begun) if s else None
        x_t, x_0 = x_t.clone(), x_0.clone()
        x_t[begun] = posterior_sample(denoiser.schedule, x_t[begun], prediction, t, s, z, variance)
        x_0[begun] = prediction.x_0
        yield Step(s, x_t, x_0)


def inpaint(
    denoiser: Denoiser,
    noise: Noise,
    originals: Tensor,
    mask: Tensor,
    *,
    times: Sequence[int] | None = None,
    variance: Variance = "large",
    repeats: int = 1,
) -> Iterator[Step]:
    """Fill the hole of a picture and keep the rest (Lugmayr et al. 2022, algorithm 1).

    Before the network sees x_t, everything outside the hole is replaced by the original, noised to that same t,

        x_t <- m x_t + (1 - m) (sqrt(alpha_bar_t) x_orig + sqrt(1 - alpha_bar_t) eps)

    and at the end by the original itself, so that nothing outside has changed. What is put in knows nothing of the hole
    as it is; only after another step, from x_s noised back to t, do the two agree. So each step is done *repeats* times.

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
    schedule, hole = denoiser.schedule, mask.bool()
    x_t = noise.draw()
    times = _checked(times, schedule)
    for t, s in pairwise(times):
        for repeat in range(repeats):
            if repeat:
                x_t = noised_back(schedule, x_t, s, t, noise.draw())
            x_t = torch.where(hole, x_t, schedule.noised(originals, t, noise.draw()))
            prediction = denoiser(x_t, t)
            x_t = posterior_sample(schedule, x_t, prediction, t, s, noise.draw() if s else None, variance)
        yield Step(s, torch.where(hole, x_t, originals) if s == times[-1] else x_t, prediction.x_0)


def noised_back(schedule: Schedule, x_s: Tensor, s: int, t: int, z: Tensor) -> Tensor:
    """A draw of x_t given x_s, s < t: sqrt(alpha) x_s + sqrt(1 - alpha) z with alpha = alpha_bar_t / alpha_bar_s."""
    alpha = schedule.alpha_bar(t).item() / schedule.alpha_bar(s).item()
    return alpha**0.5 * x_s + (1 - alpha) ** 0.5 * z


def posterior_sample(
    schedule: Schedule,
    x_t: Tensor,
    prediction: Prediction,
    t: int,
    s: int,
    z: Tensor | None,
    variance: Variance = "large",
) -> Tensor:
    """A draw of x_s given x_t and the prediction of x_0 (the formula of :func:`ddpm`); its mean where *z* is None."""
    alpha_bar_t, alpha_bar_s = schedule.alpha_bar(t).item(), schedule.alpha_bar(s).item()
    alpha = alpha_bar_t / alpha_bar_s
    beta = 1 - alpha
    shrink = (1 - alpha_bar_s) / (1 - alpha_bar_t)
    mean = alpha_bar_s**0.5 * beta / (1 - alpha_bar_t) * prediction.x_0 + alpha**0.5 * shrink * x_t
    if z is None:
        return mean
    if variance == "learned":
        return mean + (0.5 * log_variance(schedule, prediction.v, t, s)).exp() * z
    return mean + (beta if variance == "large" else beta * shrink) ** 0.5 * z


def log_variance(schedule: Schedule, v: Tensor | None, t: int, s: int) -> Tensor:
    """v log(beta) + (1 - v) log(beta (1 - alpha_bar_s) / (1 - alpha_bar_t)), with the beta of the step from t to s > 0.

    (Nichol and Dhariwal 2021, eq. 15.)

    Raises:
        ValueError: the denoiser predicts no variance.
    """
    if v is None:
        raise ValueError('variance="learned" needs a denoiser that predicts it; use "large" or "small" with this one')
    alpha_bar_t, alpha_bar_s = schedule.alpha_bar(t).item(), schedule.alpha_bar(s).item()
    log_beta = math.log(1 - alpha_bar_t / alpha_bar_s)
    return log_beta + (1 - v) * math.log((1 - alpha_bar_s) / (1 - alpha_bar_t))


def ddim(
    denoiser: Denoiser, noise: Noise, *, x_T: Tensor | None = None, times: Sequence[int] | None = None
) -> Iterator[Step]:
    """The deterministic sampler (Song et al. 2021, eq. 12 with sigma = 0).

        x_s = sqrt(alpha_bar_s) x_0 + sqrt(1 - alpha_bar_s) eps

    Arguments are those of :func:`ddpm`; *noise* is drawn from once, for x_T, and not at all where *x_T* is given.
    """
    x_t = noise.draw() if x_T is None else x_T
    for t, s in pairwise(_checked(times, denoiser.schedule)):
        prediction = denoiser(x_t, t)
        x_t = denoiser.schedule.noised(prediction.x_0, s, prediction.eps)
        yield Step(s, x_t, prediction.x_0)


def last(steps: Iterator[Step]) -> Step:
    """The last step of a sampler, the others let go as they come."""
    step = next(steps)
    for step in steps:  # noqa: B007
        pass
    return step


def _checked(times: Sequence[int] | None, schedule: Schedule) -> Sequence[int]:
    if times is None:
        return strided(schedule.T, schedule.T)
    falling = all(s < t for t, s in pairwise(times))
    if len(times) < 2 or not falling or times[0] > schedule.T or times[-1] < 0:
        raise ValueError(f"times must fall strictly within T = {schedule.T} and 0, not {list(times)}")
    return times
