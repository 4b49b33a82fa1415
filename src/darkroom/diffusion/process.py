"""Processes: how data turns into noise, defined once for all samplers, denoisers and objectives.

With x_0 the data and eps standard normal noise, a process is two coefficients of time,

    x_t = alpha_t x_0 + sigma_t eps

(Kingma et al. 2021, "Variational Diffusion Models", eq. 1), and the direction in which sampling goes: from
:attr:`Process.noise_time`, where only noise is left, or nearly so, to :attr:`Process.data_time`, where
alpha = 1 and sigma = 0. The schedules of DDPM (:mod:`~darkroom.diffusion.schedules`) and the straight line of flow
matching (:mod:`~darkroom.diffusion.flow`) are two of them.

Throughout the library x_0 is the data. In papers about flow matching the data are x_1, and x_0 is noise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Posterior:
    """q(x_s | x_t, x_0) of a step from t to s, nearer to the data: a Gaussian with mean ``of_x_0 x_0 + of_x_t x_t``.

    Args:
        of_x_0, of_x_t: the weights of its mean, float64, of the shape of the times.
        variance: its own, the least that the noise of a step can have ("small" in Ho et al. 2020, section 3.2).
        forward: the variance of q(x_t | x_s).
        large: the same at the scale of x_s, which is right for data of variance 1 ("large" there); both are beta of the
            step where variance is preserved.
    """

    of_x_0: Tensor
    of_x_t: Tensor
    variance: Tensor
    forward: Tensor
    large: Tensor

    def mean(self, x_0: Tensor, x_t: Tensor) -> Tensor:
        """The mean for one step of a batch, (B, ...); the times were one number each."""
        return self.of_x_0.item() * x_0 + self.of_x_t.item() * x_t


class Process(ABC):
    """A Gaussian process x_t = alpha_t x_0 + sigma_t eps.

    Times are numbers, or tensors with one for each of the batch. What depends on them alone is float64, and becomes of
    the images' type before it is moved to them.
    """

    noise_time: float
    data_time: float

    @abstractmethod
    def alpha(self, t: Tensor | float) -> Tensor:
        """How much of the data is in x_t: float64, of the shape of *t*."""

    @abstractmethod
    def sigma(self, t: Tensor | float) -> Tensor:
        """How much noise is in x_t: float64, of the shape of *t*."""

    def spread(self, t: Tensor | float) -> Tensor:
        """alpha_t^2 + sigma_t^2, the variance of x_t for data of variance 1: float64, of the shape of *t*."""
        return self.alpha(t).square() + self.sigma(t).square()

    @abstractmethod
    def slopes(self, t: Tensor | float) -> tuple[Tensor, Tensor]:
        """The derivatives of alpha and sigma by :meth:`clock`, float64, of the shape of *t*."""

    @abstractmethod
    def clock(self, t: Tensor | float) -> Tensor:
        """What velocities are derivatives by, float64: the time itself, or the angle of a rotation."""

    @abstractmethod
    def fraction(self, t: float) -> float:
        """The time as networks take it, in [0, 1]."""

    @abstractmethod
    def times(self, steps: int | None = None) -> Sequence[float]:
        """*steps* + 1 times from noise to data, as evenly spaced as the process allows; its usual number where None."""

    @abstractmethod
    def time_of(self, ratio: float) -> float:
        """The time at which alpha / sigma is *ratio*, in [0, inf]; the nearest end where the process has no such time."""

    def noised(self, x_0: Tensor, t: Tensor | float, eps: Tensor) -> Tensor:
        """x_t for data *x_0* and noise *eps*, both (B, ...)."""
        signal, noise = self.coefficients(t, x_0)
        return signal * x_0 + noise * eps

    def clean(self, x_t: Tensor, t: Tensor | float, eps: Tensor) -> Tensor:
        """The x_0 that noise *eps* has turned into *x_t*; there is none where alpha is 0."""
        signal, noise = self.coefficients(t, x_t)
        return (x_t - noise * eps) / signal

    def noise_in(self, x_t: Tensor, t: Tensor | float, x_0: Tensor) -> Tensor:
        """The eps that has turned *x_0* into *x_t*; there is none where sigma is 0."""
        signal, noise = self.coefficients(t, x_t)
        return (x_t - signal * x_0) / noise

    def velocity(self, x_0: Tensor, t: Tensor | float, eps: Tensor) -> Tensor:
        """d x_t / d clock for data *x_0* and noise *eps*, which some networks predict.

        x_0 - eps on a straight line (Lipman et al. 2023, eq. 23 with sigma_min = 0); alpha eps - sigma x_0 where variance
        is preserved (Salimans and Ho 2022, section 4).
        """
        of_x_0, of_eps = self._ready(self.slopes(t), x_0)
        return of_x_0 * x_0 + of_eps * eps

    def clean_of_velocity(self, x_t: Tensor, t: Tensor | float, velocity: Tensor) -> Tensor:
        """The x_0 in *x_t* whose :meth:`velocity` this is; defined at every time."""
        (_, d_sigma), turn = self.slopes(t), self._turn(t)
        of_x_t, of_velocity = self._ready((d_sigma / turn, self.sigma(t) / turn), x_t)
        return of_x_t * x_t - of_velocity * velocity

    def noise_of_velocity(self, x_t: Tensor, t: Tensor | float, velocity: Tensor) -> Tensor:
        """The eps in *x_t* whose :meth:`velocity` this is; defined at every time."""
        (d_alpha, _), turn = self.slopes(t), self._turn(t)
        of_velocity, of_x_t = self._ready((self.alpha(t) / turn, d_alpha / turn), x_t)
        return of_velocity * velocity - of_x_t * x_t

    def coefficients(self, t: Tensor | float, like: Tensor) -> tuple[Tensor, Tensor]:
        """alpha_t and sigma_t, in the type of *like*, ready to multiply a batch of its shape."""
        return self._ready((self.alpha(t), self.sigma(t)), like)

    def posterior(self, t: Tensor | float, s: Tensor | float) -> Posterior:
        """q(x_s | x_t, x_0) for s nearer to the data than t (Kingma et al. 2021, appendix A.2).

        With r = (alpha_t / sigma_t)^2 / (alpha_s / sigma_s)^2, the share of what is known at s that is known at t,

            mean = alpha_s (1 - r) x_0 + r alpha_s / alpha_t x_t,    variance = sigma_s^2 (1 - r)

        and sigma_t^2 (1 - r) is the variance of q(x_t | x_s), which has the scale of x_t: brought to that of x_s it is
        multiplied by :meth:`spread` there over that at t. Where variance is preserved, with
        beta = 1 - (alpha_t / alpha_s)^2, these are eqs. 6 and 7 of Ho et al. 2020, for any stride.
        """
        alpha_t, sigma_t, alpha_s, sigma_s = self.alpha(t), self.sigma(t), self.alpha(s), self.sigma(s)
        rest = 1 - (alpha_t * sigma_s / (alpha_s * sigma_t)).square()
        return Posterior(
            of_x_0=alpha_s * rest,
            of_x_t=alpha_t * sigma_s.square() / (alpha_s * sigma_t.square()),
            variance=sigma_s.square() * rest,
            forward=sigma_t.square() * rest,
            large=sigma_t.square() * rest * (self.spread(s) / self.spread(t)),
        )

    def checked(self, times: Sequence[float] | None) -> Sequence[float]:
        """*times*, or the usual ones of the process where that is None.

        Raises:
            ValueError: fewer than two, not strictly from noise towards data, or outside of the process.
        """
        if times is None:
            return self.times()
        first, last = self.noise_time, self.data_time
        sign = 1 if last > first else -1
        rising = all(sign * t < sign * s for t, s in pairwise(times))
        if len(times) < 2 or not rising or sign * times[0] < sign * first or sign * times[-1] > sign * last:
            way = "rise" if sign > 0 else "fall"
            raise ValueError(f"times must {way} strictly, from {first:g} to {last:g} at the most, not {list(times)}")
        return times

    def _turn(self, t: Tensor | float) -> Tensor:
        """alpha sigma' - alpha' sigma, what solving for x_0 and eps divides by."""
        d_alpha, d_sigma = self.slopes(t)
        return self.alpha(t) * d_sigma - d_alpha * self.sigma(t)

    @staticmethod
    def _ready(values: tuple[Tensor, Tensor], like: Tensor) -> tuple[Tensor, Tensor]:
        first, second = (broadcast(value.to(like.dtype), like) for value in values)
        return first, second


def as_times(t: Tensor | float, device: torch.device | None = None) -> Tensor:
    """*t* as a tensor on *device*: int64 for a whole number, float64 for another; a tensor stays as precise as it is.

    Where no device is named a tensor stays where it is, but for Apple's GPU, which has no float64: it comes to the CPU.
    """
    if isinstance(t, Tensor) and device is None and t.device.type == "mps":
        device = torch.device("cpu")
    kind = t.dtype if isinstance(t, Tensor) else torch.int64 if isinstance(t, Integral) else torch.float64
    return torch.as_tensor(t, dtype=kind, device=device)


def broadcast(values: Tensor, like: Tensor) -> Tensor:
    """*values*, () or (B,), with trailing axes of length 1 so that they multiply *like*, (B, ...).

    One number stays on the CPU, where it may: it multiplies tensors of any device, and is not sent to one at every step.
    """
    if not values.ndim:
        return values
    return values.to(like.device).reshape(values.shape + (1,) * (like.ndim - values.ndim))
