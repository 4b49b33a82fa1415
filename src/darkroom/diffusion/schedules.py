"""Noise schedules of DDPM: processes in discrete time that preserve variance.

A schedule is the table ``alpha_bar``: with x_0 the data and eps standard normal noise,

    x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps            (Ho et al. 2020, eq. 4)

Times are the paper's: t = 0 is the data (alpha_bar_0 = 1), t = 1, ..., T are noise levels. Between them the table is
read by the angle phi with cos phi = sqrt(alpha_bar): :func:`~darkroom.diffusion.flow.as_flow` uses such times.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from darkroom.diffusion.process import Process, as_times


@dataclass(frozen=True, eq=False)
class Schedule(Process):
    """A discrete variance-preserving schedule.

    Args:
        alpha_bars: shape (T + 1,), float64, from exactly 1 strictly down to 0 or more. Where the last is 0 ("zero terminal
            SNR", Lin et al. 2024), x_T is noise alone, and a prediction of eps does not determine x_0 there.

    Raises:
        ValueError: the table does not start at 1, does not fall, or leaves [0, 1].
    """

    alpha_bars: Tensor

    def __post_init__(self) -> None:
        table = self.alpha_bars
        if table.ndim != 1 or len(table) < 2 or table[0] != 1:
            raise ValueError("alpha_bars must be one row of two or more values that starts at alpha_bar_0 = 1")
        if not (table[1:] < table[:-1]).all() or not table[-1] >= 0:
            raise ValueError("alpha_bars must fall strictly and not below 0")

    @property
    def T(self) -> int:
        """The last time, at which sampling starts."""
        return len(self.alpha_bars) - 1

    @property
    def noise_time(self) -> int:  # type: ignore[override]
        """T."""
        return self.T

    data_time = 0

    def alpha_bar(self, t: Tensor | float) -> Tensor:
        """alpha_bar_t, float64, of the shape of *t*, in [0, T]."""
        table = self._table(t)
        at = as_times(t, table.device)
        if not at.is_floating_point():
            return table[at]
        return torch.where(at == at.floor(), table[at.floor().long()], self.clock(t).cos().square())

    def alpha(self, t: Tensor | float) -> Tensor:
        """sqrt(alpha_bar_t)."""
        return self.alpha_bar(t).sqrt()

    def sigma(self, t: Tensor | float) -> Tensor:
        """sqrt(1 - alpha_bar_t)."""
        return (1 - self.alpha_bar(t)).sqrt()

    def slopes(self, t: Tensor | float) -> tuple[Tensor, Tensor]:
        """(-sigma, alpha): x_t turns from x_0 towards eps."""
        return -self.sigma(t), self.alpha(t)

    def spread(self, t: Tensor | float) -> Tensor:
        """1: variance is preserved."""
        return torch.ones_like(self.alpha_bar(t))

    def clock(self, t: Tensor | float) -> Tensor:
        """The angle phi with alpha = cos phi and sigma = sin phi; in proportion between whole times."""
        angles = self._angles if isinstance(t, Tensor) else self._near._angles
        at = as_times(t, angles.device)
        if not at.is_floating_point():
            return angles[at]
        before = at.floor().long().clamp(0, self.T - 1)
        return torch.lerp(angles[before], angles[before + 1], at.double() - before)

    def fraction(self, t: float) -> float:
        """t / T."""
        return t / self.T

    def times(self, steps: int | None = None) -> list[int]:
        """:func:`strided` times; all of them where *steps* is None."""
        return strided(self.T, self.T if steps is None else steps)

    def time_of(self, ratio: float) -> float:
        """The time, whole or not, at which alpha / sigma is *ratio*, in [1, T]: networks are not trained at others."""
        angle = torch.atan2(torch.ones((), dtype=torch.float64), torch.tensor(ratio, dtype=torch.float64))
        angles = self._near._angles
        after = int(torch.searchsorted(angles, angle).clamp(1, self.T))
        share = (angle - angles[after - 1]) / (angles[after] - angles[after - 1])
        return min(max(after - 1 + share.item(), 1.0), float(self.T))

    def to(self, device: torch.device | str) -> Schedule:
        """The same schedule with its table on *device*; on the CPU for Apple's GPU, which has no float64."""
        return Schedule(self.alpha_bars.to("cpu" if torch.device(device).type == "mps" else device))

    def _table(self, t: Tensor | float) -> Tensor:
        """The table that *t* is looked up in: on the CPU for a number, so that there is no wait for a device."""
        return self.alpha_bars if isinstance(t, Tensor) else self._near.alpha_bars

    @cached_property
    def _near(self) -> Schedule:
        """The same schedule with its table on the CPU."""
        return self if self.alpha_bars.device.type == "cpu" else Schedule(self.alpha_bars.cpu())

    @cached_property
    def _angles(self) -> Tensor:
        return torch.atan2((1 - self.alpha_bars).sqrt(), self.alpha_bars.sqrt())

    def _turn(self, t: Tensor | float) -> Tensor:
        """cos^2 + sin^2."""
        return self.spread(t)


def from_betas(betas: Tensor) -> Schedule:
    """The schedule with alpha_bar_t = prod_{s <= t} (1 - beta_s); *betas* has shape (T,), in (0, 1]."""
    alphas = 1 - betas.double()
    return Schedule(torch.cat([alphas.new_ones(1), alphas.cumprod(0)]))


def linear(T: int = 300, beta_1: float = 1e-4, beta_T: float = 0.02) -> Schedule:
    """beta rises evenly from *beta_1* to *beta_T* in T steps (Ho et al. 2020, section 4)."""
    return from_betas(torch.linspace(beta_1, beta_T, T, dtype=torch.float64))


def zero_terminal(schedule: Schedule) -> Schedule:
    """*schedule* with its signal shifted to end at 0 and scaled to begin where it did (Lin et al. 2024, algorithm 1)."""
    signal = schedule.alpha_bars.sqrt()
    rest = signal[1:] - signal[-1]
    return Schedule(torch.cat([signal[:1], rest * (signal[1] / rest[0])]).square())


def strided(T: int, steps: int) -> list[int]:
    """*steps* + 1 times from T down to 0, as evenly spaced as integers allow.

    Raises:
        ValueError: *steps* is not in [1, T].
    """
    if not 1 <= steps <= T:
        raise ValueError(f"steps must be between 1 and T = {T}, not {steps}")
    return [round(T * (steps - i) / steps) for i in range(steps + 1)]
