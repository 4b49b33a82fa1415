"""Samplers: generators that walk from noise to data and yield every step.

A sampler never prints, draws or keeps what it has yielded. Randomness comes from a :class:`Noise`, which holds one
generator a sample: image k is the same whatever batch it is drawn in (up to the arithmetic of the network).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from darkroom.diffusion.denoise import Denoiser
from darkroom.diffusion.schedules import Schedule, strided

Variance = Literal["large", "small"]


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

    def draw(self) -> Tensor:
        """The next noise of every sample, shape (B, *shape), float32."""
        rows = [torch.randn(self.shape, generator=generator) for generator in self.generators]
        return torch.stack(rows).to(self.device)


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

    where sigma^2 is beta ("large", the course's choice) or beta (1 - alpha_bar_s) / (1 - alpha_bar_t) ("small", the
    posterior's own). z = 0 in the step to t = 0.

    Args:
        x_T: where to start, (B, ...); by default the first draw of *noise*.
        times: from the time of *x_T* down to 0; by default T, T - 1, ..., 0.
    """
    x_t = noise.draw() if x_T is None else x_T
    for t, s in pairwise(_checked(times, denoiser.schedule)):
        x_0 = denoiser(x_t, t).x_0
        x_t = posterior_sample(denoiser.schedule, x_t, x_0, t, s, noise.draw() if s else None, variance)
        yield Step(s, x_t, x_0)


def posterior_sample(
    schedule: Schedule, x_t: Tensor, x_0: Tensor, t: int, s: int, z: Tensor | None, variance: Variance = "large"
) -> Tensor:
    """A draw of x_s given x_t and x_0 (the formula of :func:`ddpm`); its mean where *z* is None."""
    alpha_bar_t, alpha_bar_s = schedule.alpha_bar(t).item(), schedule.alpha_bar(s).item()
    alpha = alpha_bar_t / alpha_bar_s
    beta = 1 - alpha
    shrink = (1 - alpha_bar_s) / (1 - alpha_bar_t)
    mean = alpha_bar_s**0.5 * beta / (1 - alpha_bar_t) * x_0 + alpha**0.5 * shrink * x_t
    if z is None:
        return mean
    return mean + (beta if variance == "large" else beta * shrink) ** 0.5 * z


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
    if len(times) < 2 or not falling or times[0] > schedule.T or times[-1] != 0:
        raise ValueError(f"times must fall strictly from at most T = {schedule.T} to 0, not {list(times)}")
    return times
