"""Noise schedules: how much of the data is left at each time.

A schedule is the table ``alpha_bar``: with x_0 the data and eps standard normal noise,

    x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps            (Ho et al. 2020, eq. 4)

Times are the paper's: t = 0 is the data (alpha_bar_0 = 1), t = 1, ..., T are noise levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Schedule:
    """A discrete variance-preserving schedule.

    Args:
        alpha_bars: shape (T + 1,), float64, from exactly 1 strictly down to more than 0.

    Raises:
        ValueError: the table does not start at 1, does not fall, or leaves (0, 1].
    """

    alpha_bars: Tensor

    def __post_init__(self) -> None:
        table = self.alpha_bars
        if table.ndim != 1 or len(table) < 2 or table[0] != 1:
            raise ValueError("alpha_bars must be one row of two or more values that starts at alpha_bar_0 = 1")
        if not (table[1:] < table[:-1]).all() or not table[-1] > 0:
            raise ValueError("alpha_bars must fall strictly and stay above 0")

    @property
    def T(self) -> int:
        """The last time, at which sampling starts."""
        return len(self.alpha_bars) - 1

    def alpha_bar(self, t: Tensor | int) -> Tensor:
        """alpha_bar_t, float64, of the shape of *t* (integers in [0, T])."""
        return self.alpha_bars[t]

    def noised(self, x_0: Tensor, t: Tensor | int, eps: Tensor) -> Tensor:
        """x_t for data *x_0* and noise *eps*, both (B, ...); *t* is one time, or one for each of the batch."""
        signal, noise = self.coefficients(t, x_0)
        return signal * x_0 + noise * eps

    def clean(self, x_t: Tensor, t: Tensor | int, eps: Tensor) -> Tensor:
        """The x_0 that noise *eps* has turned into *x_t*: :meth:`noised` solved for x_0."""
        signal, noise = self.coefficients(t, x_t)
        return (x_t - noise * eps) / signal

    def coefficients(self, t: Tensor | int, like: Tensor) -> tuple[Tensor, Tensor]:
        """sqrt(alpha_bar_t) and sqrt(1 - alpha_bar_t), in the type of *like*, ready to multiply a batch of its shape."""
        alpha_bar_t = broadcast(self.alpha_bar(t), like)
        return alpha_bar_t.sqrt().to(like.dtype), (1 - alpha_bar_t).sqrt().to(like.dtype)

    def to(self, device: torch.device | str) -> Schedule:
        """The same schedule with its table on *device*."""
        return Schedule(self.alpha_bars.to(device))


def from_betas(betas: Tensor) -> Schedule:
    """The schedule with alpha_bar_t = prod_{s <= t} (1 - beta_s); *betas* has shape (T,), in (0, 1)."""
    alphas = 1 - betas.double()
    return Schedule(torch.cat([alphas.new_ones(1), alphas.cumprod(0)]))


def linear(T: int = 300, beta_1: float = 1e-4, beta_T: float = 0.02) -> Schedule:
    """beta rises evenly from *beta_1* to *beta_T* in T steps (Ho et al. 2020, section 4)."""
    return from_betas(torch.linspace(beta_1, beta_T, T, dtype=torch.float64))


def strided(T: int, steps: int) -> list[int]:
    """*steps* + 1 times from T down to 0, as evenly spaced as integers allow.

    Raises:
        ValueError: *steps* is not in [1, T].
    """
    if not 1 <= steps <= T:
        raise ValueError(f"steps must be between 1 and T = {T}, not {steps}")
    return [round(T * (steps - i) / steps) for i in range(steps + 1)]


def velocity(schedule: Schedule, x_0: Tensor, t: Tensor | int, eps: Tensor) -> Tensor:
    """sqrt(alpha_bar_t) eps - sqrt(1 - alpha_bar_t) x_0, which some networks predict (Salimans and Ho 2022, section 4).

    All are of x_0's shape, (B, ...); *t* is one time, or one for each of the batch.
    """
    signal, noise = schedule.coefficients(t, x_0)
    return signal * eps - noise * x_0


def noise_of_velocity(schedule: Schedule, x_t: Tensor, t: Tensor | int, predicted: Tensor) -> Tensor:
    """The eps in *x_t* whose :func:`velocity` is *predicted*."""
    signal, noise = schedule.coefficients(t, x_t)
    return signal * predicted + noise * x_t


def broadcast(values: Tensor, like: Tensor) -> Tensor:
    """*values*, () or (B,), with trailing axes of length 1 so that they multiply *like*, (B, ...)."""
    values = values.to(like.device)
    return values.reshape(values.shape + (1,) * (like.ndim - values.ndim)) if values.ndim else values
