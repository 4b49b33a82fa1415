"""The variational bound, step by step, which teaches a network the size of its noise (Nichol and Dhariwal 2021)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from darkroom.diffusion.process import broadcast
from darkroom.diffusion.schedules import Schedule

BITS = 1 / math.log(2)


def variational_terms(
    schedule: Schedule, x_0: Tensor, x_t: Tensor, t: Tensor, eps: Tensor, v: Tensor, *, stride: int = 1
) -> Tensor:
    """One term of the variational bound for each sample, in bits a dimension, shape (B,).

        L_t = KL( q(x_s | x_t, x_0) || p(x_s | x_t) )  for t > 1, with s = t - 1,    L_1 = -log p(x_0 | x_1)

    with p's mean from *eps* and its variance from *v* (Nichol and Dhariwal 2021, eqs. 4-7 and 15). Their hybrid loss
    lets no gradient through the mean: pass ``eps.detach()``.

    Args:
        x_0: pictures in [-1, 1] at 256 levels, shape (B, ...).
        x_t: the same at times *t*, (B,), in [1, T].
        eps: the noise that the network predicts, of x_0's shape.
        v: between the posterior's variance (0) and beta (1), of x_0's shape.
        stride: of a process with fewer steps, s = max(t - stride, 1). Where steps are short the two ends that *v* lies
            between are nearly the same, and it is hardly taught; where they are as long as those of sampling, it is.
    """
    s = torch.where(t > 1, (t - stride).clamp(min=1), 0)
    step = schedule.posterior(t, s)
    of_x_0, of_x_t = (broadcast(value.float(), x_t) for value in (step.of_x_0, step.of_x_t))
    low, high = (broadcast(value.log().float(), x_t) for value in (_posterior_variance(schedule, t, s), step.forward))
    log_variance = low + v * (high - low)
    truth = of_x_0 * x_0 + of_x_t * x_t
    guess = of_x_0 * schedule.clean(x_t, t, eps) + of_x_t * x_t
    divergence = _divergence(truth, low, guess, log_variance)
    first = -_discretised_log_likelihood(x_0, guess, 0.5 * log_variance)
    return BITS * torch.where(broadcast(t, x_t) == 1, first, divergence).flatten(1).mean(1)


def fitting_variance(schedule: Schedule, t: int, s: int, mse: float) -> float:
    """The variance of the step from t to s that makes the bound least, for estimates of x_0 that are wrong by *mse*.

    The posterior's own variance, and what the error of x_0 comes to in x_s: with w the weight of x_0 in the posterior's
    mean, variance + w^2 mse (Bao et al. 2022, theorem 1, for the mean over pixels).
    """
    step = schedule.posterior(t, s)
    return step.variance.item() + step.of_x_0.item() ** 2 * mse


def _posterior_variance(schedule: Schedule, t: Tensor, s: Tensor) -> Tensor:
    """That of the step from t to s; at t = 1, where it is 0, its value at 2, as the authors do."""
    return schedule.posterior(t.clamp(min=2), s.clamp(min=1)).variance


def _divergence(mean: Tensor, log_variance: Tensor, other: Tensor, other_log_variance: Tensor) -> Tensor:
    """KL between Gaussians, in nats, element by element."""
    ratio = (log_variance - other_log_variance).exp()
    return 0.5 * (other_log_variance - log_variance + ratio + (mean - other) ** 2 * (-other_log_variance).exp() - 1)


def _discretised_log_likelihood(x_0: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """log of a Gaussian's mass within half a level of x_0 (Ho et al. 2020, eq. 13)."""
    upper = torch.special.ndtr((x_0 - mean + 1 / 255) * (-log_std).exp())
    lower = torch.special.ndtr((x_0 - mean - 1 / 255) * (-log_std).exp())
    upper = torch.where(x_0 > 0.999, torch.ones_like(upper), upper)
    lower = torch.where(x_0 < -0.999, torch.zeros_like(lower), lower)
    return (upper - lower).clamp(min=1e-12).log()
