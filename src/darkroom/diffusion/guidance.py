"""Denoisers around denoisers: guidance, anagrams, hybrids. Each is a denoiser again, so they nest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import torch
from torch import Tensor

from darkroom.diffusion.denoise import Denoiser, Predicting, Prediction, combined, together
from darkroom.diffusion.filters import Split
from darkroom.diffusion.process import Process
from darkroom.diffusion.views import View


@dataclass(frozen=True, eq=False)
class Guided(Denoiser):
    """Classifier-free guidance (Ho and Salimans 2022).

        eps = eps_u + gamma (eps_c - eps_u)

    gamma = 0 is the unconditional prediction, 1 the conditional one, and more than 1 goes beyond it. (The paper's w is
    gamma - 1.) This is the one place where the convention is stated; everything else refers to it. Where variances are
    predicted, v is that of the conditional branch; at gamma = 0, where that is not evaluated, of the other.

    Raises:
        ValueError: branches of different processes.
    """

    conditional: Denoiser
    unconditional: Denoiser
    gamma: float

    def __post_init__(self) -> None:
        _check_processes(self.conditional, self.unconditional)

    @property
    def process(self) -> Process:  # type: ignore[override]
        """That of the conditional branch."""
        return self.conditional.process

    def predict(self, x_t: Tensor, t: float) -> Predicting:
        """Both branches in one batch; one alone where gamma leaves the other without weight."""
        alone = {0.0: self.unconditional, 1.0: self.conditional}.get(self.gamma)
        if alone is not None:
            return (yield from alone.predict(x_t, t))
        branches = yield from together(self.conditional.predict(x_t, t), self.unconditional.predict(x_t, t))
        return combined(self.process, x_t, t, branches, lambda c, u: u + self.gamma * (c - u), branches[0].v)

    def rows(self, index: Sequence[int]) -> Denoiser:
        """The same of those rows of both branches."""
        return replace(self, conditional=self.conditional.rows(index), unconditional=self.unconditional.rows(index))


@dataclass(frozen=True, eq=False)
class Anagram(Denoiser):
    """One picture that several denoisers see in several views (Geng et al. 2024, "Visual Anagrams", eq. 3).

        eps = sum_i w_i v_i^-1(eps_i(v_i(x_t), t))

    v is the same mean with signs kept: a negative has negative noise and no negative variance.

    Args:
        parts: a denoiser and its view each.
        weights: w_i, which sum to 1; by default all alike. A larger weight favours a view where they conflict.

    Raises:
        ValueError: weights that are not one a part, or do not sum to 1; denoisers of different processes.
    """

    parts: tuple[tuple[Denoiser, View], ...]
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        weights = self.weights or (1 / len(self.parts),) * len(self.parts)
        if len(weights) != len(self.parts) or not math.isclose(sum(weights), 1, abs_tol=1e-6):
            raise ValueError(f"weights {list(weights)} of {len(self.parts)} views: give one a view, summing to 1")
        _check_processes(*(denoiser for denoiser, _ in self.parts))
        object.__setattr__(self, "weights", weights)

    @property
    def process(self) -> Process:  # type: ignore[override]
        """That of the first denoiser."""
        return self.parts[0][0].process

    def predict(self, x_t: Tensor, t: float) -> Predicting:
        """Every denoiser on its view, in one batch; the mean of their predictions, turned back."""
        views = [view for _, view in self.parts]
        seen = yield from together(*(denoiser.predict(view(x_t), t) for denoiser, view in self.parts))

        def mean(*values: Tensor) -> Tensor:
            turned = (view.inverse(value) for view, value in zip(views, values, strict=True))
            return _sum([weight * value for weight, value in zip(self.weights, turned, strict=True)])

        v = [w * view.moved_back(p.v) for w, view, p in zip(self.weights, views, seen, strict=True) if p.v is not None]
        return combined(self.process, x_t, t, seen, mean, _sum(v) if len(v) == len(seen) else None)

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
        ValueError: more or fewer denoisers than components; denoisers of different processes.
    """

    parts: tuple[Denoiser, ...]
    split: Split

    def __post_init__(self) -> None:
        if len(self.parts) != len(self.split.names):
            components = ", ".join(self.split.names)
            raise ValueError(f"{len(self.parts)} denoisers for the components {components}: give one for each")
        _check_processes(*self.parts)

    @property
    def process(self) -> Process:  # type: ignore[override]
        """That of the first denoiser."""
        return self.parts[0].process

    def predict(self, x_t: Tensor, t: float) -> Predicting:
        """Every denoiser, in one batch; of each its component, and their sum."""
        seen = yield from together(*(denoiser.predict(x_t, t) for denoiser in self.parts))

        def summed(*values: Tensor) -> Tensor:
            return _sum([self.split(value)[number] for number, value in enumerate(values)])

        variances = [prediction.v for prediction in seen if prediction.v is not None]
        v = torch.stack(variances).mean(0) if len(variances) == len(seen) else None
        return combined(self.process, x_t, t, seen, summed, v)

    def rows(self, index: Sequence[int]) -> Denoiser:
        """The same of those rows of every denoiser."""
        return replace(self, parts=tuple(denoiser.rows(index) for denoiser in self.parts))


@dataclass(frozen=True, eq=False)
class Beside(Denoiser):
    """Several denoisers, each for rows of its own of one batch, so that a step of all of them evaluates networks once.

    Args:
        parts: denoisers in the order of the batch, and how many rows each has.

    Raises:
        ValueError: no parts; denoisers of different processes; a batch of another size than theirs together.
    """

    parts: tuple[tuple[Denoiser, int], ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("no denoisers; give one or more")
        _check_processes(*(denoiser for denoiser, _ in self.parts))

    @property
    def process(self) -> Process:  # type: ignore[override]
        """That of the first denoiser."""
        return self.parts[0][0].process

    def predict(self, x_t: Tensor, t: float) -> Predicting:
        """Every denoiser on its rows, in one batch."""
        counts = [count for _, count in self.parts]
        if sum(counts) != len(x_t):
            raise ValueError(f"{len(x_t)} rows for denoisers of {' + '.join(map(str, counts))}")
        rows = x_t.split(counts)
        seen = yield from together(*(part.predict(own, t) for (part, _), own in zip(self.parts, rows, strict=True)))
        v = [prediction.v for prediction in seen if prediction.v is not None]
        return Prediction(
            torch.cat([prediction.eps for prediction in seen]),
            torch.cat([prediction.x_0 for prediction in seen]),
            torch.cat(v) if len(v) == len(seen) else None,
        )

    def rows(self, index: Sequence[int]) -> Denoiser:
        """The same of those rows of the batch."""
        places = [(part, row) for part, (_, count) in enumerate(self.parts) for row in range(count)]
        runs = [(part, list(of)) for part, of in groupby((places[each] for each in index), key=lambda place: place[0])]
        chosen = [(self.parts[part][0].rows([row for _, row in of]), len(of)) for part, of in runs]
        return Beside(tuple(chosen))


def _check_processes(*denoisers: Denoiser) -> None:
    if any(denoiser.process != denoisers[0].process for denoiser in denoisers):
        raise ValueError("denoisers of different processes; read all of them as flows, by as_flow, or none")


def _sum(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(values)).sum(0)
