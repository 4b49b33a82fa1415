"""Denoisers: from a noisy image and its time to the noise in it and the clean image behind it.

A prediction is a coroutine: :meth:`Denoiser.predict` yields queries to networks and is sent their outputs.
So however denoisers are nested, all queries of one step to a network go through it as one batch: :func:`together` runs
predictions side by side, and :func:`evaluate` joins their queries.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from darkroom.diffusion.process import Process, broadcast

Network = Callable[..., Tensor]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Prediction:
    """A denoiser's prediction for x_t: the noise *eps* in it and the clean image *x_0*, each of x_t's shape.

    A network with learned variance also says *v*, of that shape: how large the noise of the next step should be, from
    0 (the posterior's own variance) to 1 (beta), by :func:`~darkroom.diffusion.sample.log_variance`.
    """

    eps: Tensor
    x_0: Tensor
    v: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Query:
    """One evaluation of a network: images (B, ...), times as networks take them (B,), further conditions (B, ...)."""

    network: Network
    inputs: tuple[Tensor, ...]


Predicting = Generator[list[Query], list[Tensor], Prediction]


class Denoiser(ABC):
    """Estimates x_0 and eps from x_t; composes with other denoisers of the same :class:`Process`."""

    process: Process

    @abstractmethod
    def predict(self, x_t: Tensor, t: float) -> Predicting:
        """The prediction for *x_t*, (B, ...), all at time *t*: yields queries, is sent their outputs, returns it."""

    def __call__(self, x_t: Tensor, t: float) -> Prediction:
        """The prediction for *x_t*, (B, ...), all at time *t* of the process, the data's own time excepted."""
        return answered(self.predict(x_t, t))

    def rows(self, index: Sequence[int]) -> Denoiser:
        """The denoiser for these samples of the batch alone."""
        return self


def answered(predicting: Generator[list[Query], list[Tensor], T]) -> T:
    """What *predicting* returns once its networks have been run."""
    try:
        queries = next(predicting)
        while True:
            try:
                outputs = evaluate(queries)
            except Exception as error:
                queries = predicting.throw(error)  # raised inside, so that contexts opened there are closed
            else:
                queries = predicting.send(outputs)
    except StopIteration as finished:
        result: T = finished.value
        return result


def together(*predictions: Predicting) -> Generator[list[Query], list[Tensor], list[Prediction]]:
    """Run all *predictions* together: queries that they make at the same time go through networks as one batch."""
    results: dict[int, Prediction] = {}
    answers: dict[int, list[Tensor] | None] = dict.fromkeys(range(len(predictions)))
    while True:
        asked: dict[int, list[Query]] = {}
        for number, answer in answers.items():
            try:
                asked[number] = predictions[number].send(answer)  # type: ignore[arg-type]
            except StopIteration as finished:
                results[number] = finished.value
        if not asked:
            return [results[number] for number in range(len(predictions))]
        outputs = iter((yield [query for queries in asked.values() for query in queries]))
        answers = {number: [next(outputs) for _ in queries] for number, queries in asked.items()}


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


def combined(
    process: Process,
    x_t: Tensor,
    t: float,
    parts: Sequence[Prediction],
    combine: Callable[..., Tensor],
    v: Tensor | None = None,
) -> Prediction:
    """The prediction whose eps is ``combine(*)``, a linear combination whose weights sum to 1, of the *parts*' eps.

    x_0 follows from eps, unless x_t is noise alone: there it is the same combination of the parts' x_0.
    """
    eps = combine(*(part.eps for part in parts))
    if process.alpha(t) == 0:
        return Prediction(eps, combine(*(part.x_0 for part in parts)), v)
    return Prediction(eps, process.clean(x_t, t, eps), v)


@dataclass(frozen=True, eq=False)
class Predictor(Denoiser):
    """A network of x_t, the time and *conditions*, whose output is read as a prediction.

    Args:
        network: (B, C, H, W), (B,), *conditions -> (B, C, H, W).
        conditions: one row a sample, or one row for all.
    """

    network: Network
    process: Process
    conditions: tuple[Tensor, ...] = ()

    @abstractmethod
    def read(self, output: Tensor, x_t: Tensor, t: float) -> Prediction:
        """The prediction that the network's *output* for *x_t* amounts to."""

    def predict(self, x_t: Tensor, t: float) -> Predicting:
        """One evaluation."""
        time = x_t.new_full((len(x_t),), self.process.fraction(t))
        conditions = (condition.expand(len(x_t), *condition.shape[1:]) for condition in self.conditions)
        (output,) = yield [Query(self.network, (x_t, time, *conditions))]
        return self.read(output.to(x_t.dtype), x_t, t)

    def rows(self, index: Sequence[int]) -> Denoiser:
        """The same network with the conditions of those samples."""
        chosen = (condition if len(condition) == 1 else condition[list(index)] for condition in self.conditions)
        return replace(self, conditions=tuple(chosen))


class NoisePredictor(Predictor):
    """A network trained to predict eps, such as that of Ho et al. 2020 (eq. 11)."""

    def read(self, output: Tensor, x_t: Tensor, t: float) -> Prediction:
        """eps is the output; x_0 follows from it."""
        return Prediction(output, self.process.clean(x_t, t, output))


class LearnedRangePredictor(Predictor):
    """A network that predicts eps and, in as many channels again, the size of the next step's noise.

    The second half of the output is read as 2 v - 1 (Nichol and Dhariwal 2021, eq. 15; in [-1, 1] as in their code and
    DeepFloyd IF): (B, 2 C, H, W).
    """

    def read(self, output: Tensor, x_t: Tensor, t: float) -> Prediction:
        """eps and v are the halves of the output; x_0 follows from eps."""
        eps, raw = output.chunk(2, dim=1)
        return Prediction(eps, self.process.clean(x_t, t, eps), (raw + 1) / 2)


class VelocityPredictor(Predictor):
    """A network trained to predict the velocity, as :meth:`Process.velocity` defines it (flow matching; v-prediction)."""

    def read(self, output: Tensor, x_t: Tensor, t: float) -> Prediction:
        """eps and x_0 both follow from x_t and the output, at every time."""
        eps = self.process.noise_of_velocity(x_t, t, output)
        return Prediction(eps, self.process.clean_of_velocity(x_t, t, output))


class DataPredictor(Predictor):
    """A network trained to predict x_0 itself."""

    def read(self, output: Tensor, x_t: Tensor, t: float) -> Prediction:
        """x_0 is the output; eps follows from it."""
        return Prediction(self.process.noise_in(x_t, t, output), output)


@dataclass(frozen=True, eq=False)
class Revised(Denoiser):
    """A denoiser that revises the predictions of another one."""

    inner: Denoiser

    @abstractmethod
    def revised(self, prediction: Prediction, x_t: Tensor, t: float) -> Prediction:
        """What the *prediction* that the denoiser within makes of *x_t* at time *t* is replaced by."""

    @property
    def process(self) -> Process:  # type: ignore[override]
        """That of the denoiser within."""
        return self.inner.process

    def predict(self, x_t: Tensor, t: float) -> Predicting:
        """The revised prediction of the denoiser within."""
        return self.revised((yield from self.inner.predict(x_t, t)), x_t, t)

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

    def revised(self, prediction: Prediction, x_t: Tensor, t: float) -> Prediction:
        """*prediction* with x_0 brought back into [-1, 1]."""
        s = prediction.x_0.abs().flatten(1).quantile(self.quantile, dim=1).clamp(1, self.limit)
        s = broadcast(s, prediction.x_0)
        return replace(prediction, x_0=prediction.x_0.clamp(-s, s) / s)


@dataclass(frozen=True, eq=False)
class Refitted(Revised):
    """A prediction whose eps is what its x_0 leaves of x_t, as a sampler needs that goes on with both.

        eps = (x_t - alpha_t x_0) / sigma_t

    Where x_0 was brought back into range (:class:`Thresholded`), what was predicted no longer fits it, and DDIM with much
    guidance falls apart. Diffusers' DDIMScheduler calls this ``use_clipped_model_output``.
    """

    def revised(self, prediction: Prediction, x_t: Tensor, t: float) -> Prediction:
        """*prediction* with another eps."""
        return replace(prediction, eps=self.process.noise_in(x_t, t, prediction.x_0))


@dataclass(frozen=True, eq=False)
class PosteriorMean(Denoiser):
    """The exact denoiser of a finite data set, without a network: the optimum in squared error.

    With data x^(1), ..., x^(N), each as likely as the next,

        E[x_0 | x_t] = sum_i w_i x^(i),    w = softmax_i( -|x_t - alpha_t x^(i)|^2 / (2 sigma_t^2) )

    Args:
        data: shape (N, ...), of the type and on the device of the images that it will be given.
    """

    data: Tensor
    process: Process

    def predict(self, x_t: Tensor, t: float) -> Predicting:
        """x_0 by the formula; eps follows from it."""
        yield from ()
        signal, noise = self.process.coefficients(t, x_t)
        if signal == 0:
            x_0 = self.data.mean(0).expand_as(x_t)
        else:
            x_0 = posterior_mean(x_t / signal, (noise / signal).to(x_t.device).expand(len(x_t)), self.data)
        return Prediction(self.process.noise_in(x_t, t, x_0), x_0)


@dataclass(frozen=True, eq=False)
class GaussianDenoiser(Denoiser):
    """The exact denoiser of data x_0 ~ N(mean, std^2 I): used to test samplers, since its exact solution is known.

    E[x_0 | x_t] = mean + alpha_t std^2 (x_t - alpha_t mean) / (alpha_t^2 std^2 + sigma_t^2)
    """

    mean: Tensor
    std: float
    process: Process

    def predict(self, x_t: Tensor, t: float) -> Predicting:
        """x_0 by the formula; eps follows from it."""
        yield from ()
        signal, noise = self.process.coefficients(t, x_t)
        gain = signal * self.std**2 / (signal.square() * self.std**2 + noise.square())
        x_0 = self.mean + gain * (x_t - signal * self.mean)
        return Prediction(self.process.noise_in(x_t, t, x_0), x_0)


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
