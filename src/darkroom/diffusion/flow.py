"""Flow matching: the straight line from noise to data, and any denoiser read as a flow along it.

    x_t = t x_0 + (1 - t) eps,    u = d x_t / d t = x_0 - eps

with x_0 the data and t from 0 (noise) to 1 (data), as in Lipman et al. 2023 (eqs. 22 and 23 with sigma_min = 0) and Liu
et al. 2023 (eq. 1). Their x_1 is our x_0, and their x_0 our eps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from darkroom.diffusion.denoise import Denoiser, Predicting
from darkroom.diffusion.process import Process, as_times


@dataclass(frozen=True)
class StraightLine(Process):
    """The process of flow matching and rectified flow: alpha = t and sigma = scale (1 - t), for t in [0, 1].

    Args:
        scale: the standard deviation of the noise at t = 0; 1 except for networks trained with more, so that large
            pictures are covered by it too.
    """

    scale: float = 1.0
    noise_time = 0.0
    data_time = 1.0

    def alpha(self, t: Tensor | float) -> Tensor:
        """t."""
        return as_times(t).double()

    def sigma(self, t: Tensor | float) -> Tensor:
        """scale (1 - t)."""
        return self.scale * (1 - as_times(t).double())

    def slopes(self, t: Tensor | float) -> tuple[Tensor, Tensor]:
        """(1, -scale)."""
        ones = torch.ones_like(self.alpha(t))
        return ones, -self.scale * ones

    def clock(self, t: Tensor | float) -> Tensor:
        """t."""
        return self.alpha(t)

    def fraction(self, t: float) -> float:
        """t."""
        return t

    def times(self, steps: int | None = None) -> list[float]:
        """i / steps for i = 0, ..., steps; 50 steps where *steps* is None.

        Raises:
            ValueError: *steps* is not 1 or more.
        """
        count = 50 if steps is None else steps
        if count < 1:
            raise ValueError(f"steps must be 1 or more, not {count}")
        return [i / count for i in range(count + 1)]

    def time_of(self, ratio: float) -> float:
        """scale ratio / (1 + scale ratio)."""
        return 1.0 if math.isinf(ratio) else self.scale * ratio / (1 + self.scale * ratio)


@dataclass(frozen=True, eq=False)
class AsFlow(Denoiser):
    """A denoiser of another process, evaluated along the straight line; see :func:`as_flow`."""

    inner: Denoiser
    process = StraightLine()

    def predict(self, x_t: Tensor, t: float) -> Predicting:
        """That of the denoiser within, at the time where its process has as much noise for its data.

        eps is what its x_0 leaves of x_t: where there is no such time, that of the denoiser is of another picture.
        """
        matching = self.inner.process.time_of(t / (1 - t) if t < 1 else math.inf)
        scale = self.inner.process.alpha(matching) / t if t > 1 / 2 else self.inner.process.sigma(matching) / (1 - t)
        found = yield from self.inner.predict(scale.item() * x_t, matching)
        return replace(found, eps=self.process.noise_in(x_t, t, found.x_0))

    def rows(self, index: Sequence[int]) -> Denoiser:
        """The same around those rows of the denoiser within."""
        return AsFlow(self.inner.rows(index))


def as_flow(denoiser: Denoiser) -> Denoiser:
    """*denoiser*, of any process, as a denoiser of the straight line from noise of standard deviation 1.

    What a denoiser can infer from x_t depends only on the ratio of data to noise. So at time t it is evaluated at the
    time t' of its own process where alpha_t' / sigma_t' = t / (1 - t), on the picture brought to that scale,

        x_t' = sigma_t' / (1 - t) x_t

    (Kingma et al. 2021, section 5.1; Gao et al. 2024, "Diffusion meets flow matching"). Its x_0 is that of the flow,
    whose velocity is x_0 - eps, and an Euler step of the flow is a DDIM step of the process. Where a schedule has
    no such time, before its last or after its first, it is evaluated at that one.
    """
    return denoiser if denoiser.process == StraightLine() else AsFlow(denoiser)
