"""Guidance: denoisers around denoisers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from darkroom.diffusion.denoise import Denoiser, Prediction, Query
from darkroom.diffusion.schedules import Schedule


@dataclass(frozen=True, eq=False)
class Guided(Denoiser):
    """Classifier-free guidance (Ho and Salimans 2022).

        eps = eps_u + gamma (eps_c - eps_u)

    gamma = 0 is the unconditional prediction, 1 the conditional one, and more than 1 goes beyond it. (The paper's w is
    gamma - 1.) This is the one place where the convention is stated; everything else refers to it.
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
        eps_c = self.conditional.combine(x_t, t, outputs[:split]).eps
        eps_u = self.unconditional.combine(x_t, t, outputs[split:]).eps
        eps = eps_u + self.gamma * (eps_c - eps_u)
        return Prediction(eps, self.schedule.clean(x_t, t, eps))

    def _branches(self) -> list[Denoiser]:
        alone = {0.0: self.unconditional, 1.0: self.conditional}
        return [alone[self.gamma]] if self.gamma in alone else [self.conditional, self.unconditional]
