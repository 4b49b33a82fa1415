"""Denoisers around denoisers: guidance, anagrams, hybrids. Each is a denoiser again, so they nest."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from darkroom.diffusion.denoise import Denoiser, Prediction, Query
from darkroom.diffusion.filters import Split
from darkroom.diffusion.schedules import Schedule
from darkroom.diffusion.views import View


@dataclass(frozen=True, eq=False)
class Guided(Denoiser):
    """Classifier-free guidance (Ho and Salimans 2022).

        eps = eps_u + gamma (eps_c - eps_u)

    gamma = 0 is the unconditional prediction, 1 the conditional one, and more than 1 goes beyond it. (The paper's w is
    gamma - 1.) This is the one place where the convention is stated; everything else refers to it. Where variances are
    predicted, v is that of the conditional branch.
    """

    conditional: Denoiser
    unconditional: Denoiser
    gamma: float

    @property
    def schedule(self) -> Schedule:  # type: ignore[override]
        """The schedule of the conditional branch."""
        return self.conditional.schedule

    def queries(self, x_t: Tensor, t: int) -> list[Query]:
        """Those of both branches; of one alone where gamma silences the other."""
        return [query for branch in self._branches() for query in branch.queries(x_t, t)]

    def combine(self, x_t: Tensor, t: int, outputs: Sequence[Tensor]) -> Prediction:
        """The guided eps, and the x_0 that follows from it."""
        branches = self._branches()
        if len(branches) == 1:
            return branches[0].combine(x_t, t, outputs)
        split = len(self.conditional.queries(x_t, t))
        conditional = self.conditional.combine(x_t, t, outputs[:split])
        eps_u = self.unconditional.combine(x_t, t, outputs[split:]).eps
        eps = eps_u + self.gamma * (conditional.eps - eps_u)
        return Prediction(eps, self.schedule.clean(x_t, t, eps), conditional.v)

    def rows(self, index: Sequence[int]) -> Denoiser:
        """The same of those rows of both branches."""
        return replace(self, conditional=self.conditional.rows(index), unconditional=self.unconditional.rows(index))

    def _branches(self) -> list[Denoiser]:
        alone = {0.0: self.unconditional, 1.0: self.conditional}
        return [alone[self.gamma]] if self.gamma in alone else [self.conditional, self.unconditional]


@dataclass(frozen=True, eq=False)
class Anagram(Denoiser):
    """One picture that several denoisers see in several views (Geng et al. 2024, "Visual Anagrams", eq. 3).

        eps = sum_i w_i v_i^-1(eps_i(v_i(x_t), t))

    v is the same mean with signs kept: a negative has negative noise and no negative variance.

    Args:
        parts: for each view, who looks and how.
        weights: w_i, which sum to 1; by default all alike. More for one view makes it win where they quarrel.

    Raises:
        ValueError: weights that are not one a part, or do not sum to 1.
    """

    parts: tuple[tuple[Denoiser, View], ...]
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        weights = self.weights or (1 / len(self.parts),) * len(self.parts)
        if len(weights) != len(self.parts) or not math.isclose(sum(weights), 1, abs_tol=1e-6):
            raise ValueError(f"weights {list(weights)} of {len(self.parts)} views: give one a view, summing to 1")
        object.__setattr__(self, "weights", weights)

    @property
    def schedule(self) -> Schedule:  # type: ignore[override]
        """The schedule of the first denoiser."""
        return self.parts[0][0].schedule

    def queries(self, x_t: Tensor, t: int) -> list[Query]:
        """Those of every denoiser, about its view."""
        return [query for denoiser, view in self.parts for query in denoiser.queries(view(x_t), t)]

    def combine(self, x_t: Tensor, t: int, outputs: Sequence[Tensor]) -> Prediction:
        """The mean eps, and the x_0 that follows from it."""
        seen = list(_answers([(denoiser, view(x_t)) for denoiser, view in self.parts], t, outputs))
        weighted = list(zip(seen, self.parts, self.weights, strict=True))
        eps = _sum(weight * view.inverse(prediction.eps) for prediction, (_, view), weight in weighted)
        variances = [weight * view.moved_back(p.v) for p, (_, view), weight in weighted if p.v is not None]
        v = _sum(variances) if len(variances) == len(seen) else None
        return Prediction(eps, self.schedule.clean(x_t, t, eps), v)

    def rows(self, index: Sequence[int]) -> Denoiser:
        """The same of those rows of every denoiser."""
        return replace(self, parts=tuple((denoiser.rows(index), view) for denoiser, view in self.parts))


@dataclass(frozen=True, eq=False)
class Factorized(Denoiser):
    """One picture whose components belong to different denoisers (Geng et al. 2024, "Factorized Diffusion", eq. 4).

        eps = sum_i f_i(eps_i(x_t, t)),    sum_i f_i = identity

    With low and high frequencies this is a hybrid image. v is the mean of the denoisers' v.

    Args:
        parts: one denoiser for each component.
        split: the components f_i.

    Raises:
        ValueError: more or fewer denoisers than components.
    """

    parts: tuple[Denoiser, ...]
    split: Split

    def __post_init__(self) -> None:
        if len(self.parts) != len(self.split.names):
            components = ", ".join(self.split.names)
            raise ValueError(f"{len(self.parts)} denoisers for the components {components}: give one for each")

    @property
    def schedule(self) -> Schedule:  # type: ignore[override]
        """The schedule of the first denoiser."""
        return self.parts[0].schedule

    def queries(self, x_t: Tensor, t: int) -> list[Query]:
        """Those of every denoiser."""
        return [query for denoiser in self.parts for query in denoiser.queries(x_t, t)]

    def combine(self, x_t: Tensor, t: int, outputs: Sequence[Tensor]) -> Prediction:
        """The sum of the components, and the x_0 that follows from it."""
        seen = list(_answers([(denoiser, x_t) for denoiser in self.parts], t, outputs))
        components = (self.split(prediction.eps)[i] for i, prediction in enumerate(seen))
        eps = _sum(components)
        variances = [prediction.v for prediction in seen if prediction.v is not None]
        v = torch.stack(variances).mean(0) if len(variances) == len(seen) else None
        return Prediction(eps, self.schedule.clean(x_t, t, eps), v)

    def rows(self, index: Sequence[int]) -> Denoiser:
        """The same of those rows of every denoiser."""
        return replace(self, parts=tuple(denoiser.rows(index) for denoiser in self.parts))


def _answers(asked: Sequence[tuple[Denoiser, Tensor]], t: int, outputs: Sequence[Tensor]) -> Iterator[Prediction]:
    """What each denoiser makes of its share of *outputs*."""
    start = 0
    for denoiser, x_t in asked:
        end = start + len(denoiser.queries(x_t, t))
        yield denoiser.combine(x_t, t, outputs[start:end])
        start = end


def _sum(values: Sequence[Tensor] | Iterator[Tensor]) -> Tensor:
    return torch.stack(list(values)).sum(0)
