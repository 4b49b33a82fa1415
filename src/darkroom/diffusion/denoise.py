"""Denoisers: from a noisy image and its time to the noise in it and the clean image behind it.

A denoiser is asked in two moves, so that however denoisers are nested, all that one step wants of a network goes
through it as one batch: :meth:`Denoiser.queries` says what to run, :meth:`Denoiser.combine` turns the answers into a
prediction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from darkroom.diffusion.schedules import Schedule, broadcast

Network = Callable[..., Tensor]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a denoiser says of x_t: the noise *eps* in it and the clean image *x_0*, each of x_t's shape.

    A network with learned variance also says *v*, of that shape: how large the noise of the next step should be, from
    0 (the posterior's own variance) to 1 (beta), by :func:`~darkroom.diffusion.sample.log_variance`.
    """

    eps: Tensor
    x_0: Tensor
    v: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Query:
    """One evaluation of a network: images (B, ...), times t / T (B,), and further conditions (B, ...)."""

    network: Network
    inputs: tuple[Tensor, ...]


class Denoiser(ABC):
    """Estimates x_0 and eps from x_t; composes with other denoisers of the same :class:`Schedule`."""

    schedule: Schedule

    @abstractmethod
    def queries(self, x_t: Tensor, t: int) -> list[Query]:
        """The evaluations that a prediction at time *t* needs."""

    @abstractmethod
    def combine(self, x_t: Tensor, t: int, outputs: Sequence[Tensor]) -> Prediction:
        """The prediction, from the outputs of :meth:`queries` in their order."""

    def __call__(self, x_t: Tensor, t: int) -> Prediction:
        """The prediction for *x_t*, (B, ...), all at time *t* in [1, T]."""
        return self.combine(x_t, t, evaluate(self.queries(x_t, t)))

    def rows(self, index: Sequence[int]) -> Denoiser:
        """The denoiser for these samples of the batch alone."""
        return self


def evaluate(queries: Sequence[Query]) -> list[Tensor]:
    """The output of each query; queries of the same network run as one batch."""
    outputs: list[Tensor | None] = [None] * len(queries)
    for network in {id(query.network): query.network for query in queries}.values():
        mine = [i for i, query in enumerate(queries) if query.network is network]
        joined = [torch.cat(parts) for parts in zip(*(queries[i].inputs for i in mine), strict=True)]
        sizes = [len(queries[i].inputs[0]) for i in mine]
        for i, output in zip(mine, network(*joined).split(sizes), strict=True):
            outputs[i] = output
    return [output for output in outputs if output is not None]


@dataclass(frozen=True, eq=False)
class NoisePredictor(Denoiser):
    """A network trained to predict eps, given x_t, t / T and *conditions* (Ho et al. 2020, eq. 11).

    Args:
        network: (B, C, H, W), (B,), *conditions -> (B, C, H, W).
        conditions: one row a sample, or one row for all.
    """

    network: Network
    schedule: Schedule
    conditions: tuple[Tensor, ...] = ()

    def queries(self, x_t: Tensor, t: int) -> list[Query]:
        """One evaluation."""
        time = x_t.new_full((len(x_t),), t / self.schedule.T)
        conditions = (condition.expand(len(x_t), *condition.shape[1:]) for condition in self.conditions)
        return [Query(self.network, (x_t, time, *conditions))]

    def combine(self, x_t: Tensor, t: int, outputs: Sequence[Tensor]) -> Prediction:
        """eps is the output; x_0 follows from it."""
        eps = outputs[0].to(x_t.dtype)
        return Prediction(eps, self.schedule.clean(x_t, t, eps))

    def rows(self, index: Sequence[int]) -> Denoiser:
        """The same network with the conditions of those samples."""
        chosen = (condition if len(condition) == 1 else condition[list(index)] for condition in self.conditions)
        return replace(self, conditions=tuple(chosen))


@dataclass(frozen=True, eq=False)
class LearnedRangePredictor(NoisePredictor):
    """A network that predicts eps and, in as many channels again, the size of the next step's noise.

    The second half of the output is read as 2 v - 1 (Nichol and Dhariwal 2021, eq. 15; in [-1, 1] as in their code and
    DeepFloyd IF).

    Args:
        network: (B, C, H, W), (B,), *conditions -> (B, 2 C, H, W).
    """

    def combine(self, x_t: Tensor, t: int, outputs: Sequence[Tensor]) -> Prediction:
        """eps and v are the halves of the output; x_0 follows from eps."""
        eps, raw = outputs[0].to(x_t.dtype).chunk(2, dim=1)
        return Prediction(eps, self.schedule.clean(x_t, t, eps), (raw + 1) / 2)


@dataclass(frozen=True, eq=False)
class Revised(Denoiser):
    """A denoiser that goes over what another one predicts."""

    inner: Denoiser

    @abstractmethod
    def revised(self, prediction: Prediction, x_t: Tensor, t: int) -> Prediction:
        """What becomes of the *prediction* that the denoiser within makes of *x_t* at time *t*."""

    @property
    def schedule(self) -> Schedule:  # type: ignore[override]
        """That of the denoiser within."""
        return self.inner.schedule

    def queries(self, x_t: Tensor, t: int) -> list[Query]:
        """Those of the denoiser within."""
        return self.inner.queries(x_t, t)

    def combine(self, x_t: Tensor, t: int, outputs: Sequence[Tensor]) -> Prediction:
        """The revised prediction of the denoiser within."""
        return self.revised(self.inner.combine(x_t, t, outputs), x_t, t)

    def rows(self, index: Sequence[int]) -> Denoiser:
        """The same around those rows of the denoiser within."""
        return replace(self, inner=self.inner.rows(index))


@dataclass(frozen=True, eq=False)
class Thresholded(Revised):
    """Dynamic thresholding (Saharia et al. 2022, section 2.3): no estimate of x_0 leaves [-1, 1].

    With s the *quantile* of an estimate's absolute values, held to [1, *limit*], the estimate is clipped to [-s, s]
    and divided by s. ``limit = 1`` is plain clipping. eps is left as it was predicted: see :class:`Refitted`.
    """

    quantile: float = 0.95
    limit: float = 1.5

    def revised(self, prediction: Prediction, x_t: Tensor, t: int) -> Prediction:
        """*prediction* with x_0 brought back into [-1, 1]."""
        s = prediction.x_0.abs().flatten(1).quantile(self.quantile, dim=1).clamp(1, self.limit)
        s = broadcast(s, prediction.x_0)
        return replace(prediction, x_0=prediction.x_0.clamp(-s, s) / s)


@dataclass(frozen=True, eq=False)
class Refitted(Revised):
    """A prediction whose eps is what its x_0 leaves of x_t, as a sampler needs that goes on with both.

        eps = (x_t - sqrt(alpha_bar_t) x_0) / sqrt(1 - alpha_bar_t)

    Where x_0 was brought back into range (:class:`Thresholded`), what was predicted no longer fits it, and DDIM with much
    guidance falls apart. Diffusers' DDIMScheduler calls this ``use_clipped_model_output``.
    """

    def revised(self, prediction: Prediction, x_t: Tensor, t: int) -> Prediction:
        """*prediction* with another eps."""
        signal, noise = self.schedule.coefficients(t, x_t)
        return replace(prediction, eps=(x_t - signal * prediction.x_0) / noise)


@dataclass(frozen=True, eq=False)
class PosteriorMean(Denoiser):
    """The exact denoiser of a finite data set: no network, and nothing better can be had in squared error.

    With data x^(1), ..., x^(N), each as likely as the next,

        E[x_0 | x_t] = sum_i w_i x^(i),    w = softmax_i( -|x_t - sqrt(abar_t) x^(i)|^2 / (2 (1 - abar_t)) )

    Args:
        data: shape (N, ...), of the type and on the device of the images that it will be asked about.
    """

    data: Tensor
    schedule: Schedule

    def queries(self, x_t: Tensor, t: int) -> list[Query]:
        """One evaluation, of this formula."""
        return [Query(self._posterior_mean, (x_t, torch.full((len(x_t),), t, device=x_t.device)))]

    def combine(self, x_t: Tensor, t: int, outputs: Sequence[Tensor]) -> Prediction:
        """x_0 is the output; eps follows from it."""
        signal, noise = self.schedule.coefficients(t, x_t)
        return Prediction((x_t - signal * outputs[0]) / noise, outputs[0])

    def _posterior_mean(self, x_t: Tensor, t: Tensor) -> Tensor:
        alpha_bar_t = broadcast(self.schedule.alpha_bar(t), x_t).to(x_t.dtype)
        sigma = ((1 - alpha_bar_t) / alpha_bar_t).sqrt()
        return posterior_mean(x_t / alpha_bar_t.sqrt(), sigma.flatten(), self.data)


@dataclass(frozen=True, eq=False)
class GaussianDenoiser(Denoiser):
    """The exact denoiser of data x_0 ~ N(mean, std^2 I): what samplers are tested with, since all of it is known.

    E[x_0 | x_t] = mean + sqrt(abar_t) std^2 (x_t - sqrt(abar_t) mean) / (abar_t std^2 + 1 - abar_t)
    """

    mean: Tensor
    std: float
    schedule: Schedule

    def queries(self, x_t: Tensor, t: int) -> list[Query]:
        """None: no network."""
        return []

    def combine(self, x_t: Tensor, t: int, outputs: Sequence[Tensor]) -> Prediction:
        """x_0 by the formula; eps follows from it."""
        signal, noise = self.schedule.coefficients(t, x_t)
        gain = signal * self.std**2 / (signal.square() * self.std**2 + noise.square())
        x_0 = self.mean + gain * (x_t - signal * self.mean)
        return Prediction((x_t - signal * x_0) / noise, x_0)


def posterior_mean(z: Tensor, sigma: Tensor, data: Tensor) -> Tensor:
    """E[x | z] for z = x + sigma eps with x drawn evenly from *data*.

    Args:
        z: noisy images, shape (B, ...).
        sigma: noise level of each, shape (B,), > 0.
        data: shape (N, ...).
    """
    flat, table = z.flatten(1), data.flatten(1)
    squared = flat.square().sum(1, keepdim=True) - 2 * flat @ table.T + table.square().sum(1)
    weights = torch.softmax(-squared / (2 * sigma.square()[:, None]), dim=1)
    return (weights @ table).reshape(z.shape)
