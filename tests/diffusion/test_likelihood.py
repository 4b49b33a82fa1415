import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from darkroom.diffusion import schedules
from darkroom.diffusion.likelihood import fitting_variance, variational_terms

SCHEDULE = schedules.linear(50)


def drawn(t: int) -> tuple[torch.Tensor, ...]:
    """x_0 at one of 256 levels, eps, x_t and a prediction that is not quite eps, (4, 3, 2, 2)."""
    generator = torch.Generator().manual_seed(t)
    x_0 = torch.randint(1, 255, (4, 3, 2, 2), generator=generator) / 127.5 - 1
    eps = torch.randn(x_0.shape, generator=generator)
    return x_0, eps, SCHEDULE.noised(x_0, t, eps), eps + 0.1 * torch.randn(x_0.shape, generator=generator)


def gaussians(
    t: int, x_0: torch.Tensor, x_t: torch.Tensor, guess: torch.Tensor, v: float, stride: int = 1
) -> tuple[Normal, Normal]:
    """q(x_s | x_t, x_0) and p(x_s | x_t), s = t - stride, written out from the papers."""
    alpha_bar_t, alpha_bar_s = SCHEDULE.alpha_bar(t).item(), SCHEDULE.alpha_bar(t - stride).item()
    beta = 1 - alpha_bar_t / alpha_bar_s
    posterior = beta * (1 - alpha_bar_s) / (1 - alpha_bar_t)

    def mean(x: torch.Tensor) -> torch.Tensor:
        return (alpha_bar_s**0.5 * beta * x + (1 - beta) ** 0.5 * (1 - alpha_bar_s) * x_t) / (1 - alpha_bar_t)

    deviation = math.exp(0.5 * (v * math.log(beta) + (1 - v) * math.log(posterior)))
    return Normal(mean(x_0), posterior**0.5), Normal(mean(SCHEDULE.clean(x_t, t, guess)), deviation)


@pytest.mark.parametrize("t", [2, 10, 50])
@pytest.mark.parametrize("v", [0.0, 0.3, 1.0])
def test_a_term_is_the_divergence_of_the_two_steps(t, v):
    """For t > 1 it is torch's KL between the true posterior and the model's step, in bits a dimension."""
    x_0, _, x_t, guess = drawn(t)
    expected = kl_divergence(*gaussians(t, x_0, x_t, guess, v)).flatten(1).mean(1) / math.log(2)
    terms = variational_terms(SCHEDULE, x_0, x_t, torch.full((4,), t), guess, torch.full_like(x_0, v))
    torch.testing.assert_close(terms, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("t", "stride"), [(50, 10), (50, 49), (11, 10)])
def test_a_term_may_be_that_of_a_longer_step(t, stride):
    """The divergence of the steps from t to t - stride."""
    x_0, _, x_t, guess = drawn(t)
    expected = kl_divergence(*gaussians(t, x_0, x_t, guess, 0.3, stride)).flatten(1).mean(1) / math.log(2)
    times, v = torch.full((4,), t), torch.full_like(x_0, 0.3)
    terms = variational_terms(SCHEDULE, x_0, x_t, times, guess, v, stride=stride)
    torch.testing.assert_close(terms, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("t", [1, 5])
def test_no_step_ends_before_time_1(t):
    """Where the stride is longer than what is left, the step is to time 1; the first term stays the likelihood."""
    x_0, _, x_t, guess = drawn(t)
    times, v = torch.full((4,), t), torch.full_like(x_0, 0.3)
    long = variational_terms(SCHEDULE, x_0, x_t, times, guess, v, stride=30)
    torch.testing.assert_close(long, variational_terms(SCHEDULE, x_0, x_t, times, guess, v, stride=max(1, t - 1)))


def test_longer_steps_teach_v_more():
    """Over one step of many the two ends that v lies between are nearly the same, and it hardly matters."""
    x_0, _, x_t, guess = drawn(40)

    def slope(stride: int) -> float:
        v = torch.full_like(x_0, 0.5, requires_grad=True)
        variational_terms(SCHEDULE, x_0, x_t, torch.full((4,), 40), guess, v, stride=stride).sum().backward()
        return v.grad.abs().mean().item()

    assert slope(20) > 100 * slope(1)


def test_the_first_term_is_a_likelihood_of_levels():
    """At t = 1 the masses of all 256 levels sum to 1, whatever the prediction."""
    levels = (torch.arange(256) / 127.5 - 1)[:, None]
    x_t, guess, v = (torch.full_like(levels, value) for value in (0.3, 0.2, 0.4))
    bits = variational_terms(SCHEDULE, levels, x_t, torch.ones(256, dtype=torch.long), guess, v)
    assert (2**-bits).sum().item() == pytest.approx(1, abs=1e-3)


def test_a_perfect_prediction_costs_nothing():
    """With the true noise and v = 0 the steps are the same, and their divergence is 0."""
    x_0, eps, x_t, _ = drawn(20)
    terms = variational_terms(SCHEDULE, x_0, x_t, torch.full((4,), 20), eps, torch.zeros_like(x_0))
    torch.testing.assert_close(terms, torch.zeros(4), atol=1e-4, rtol=0)


def test_times_do_not_mix():
    """A batch of several times gives each sample the term of its own."""
    x_0, _, _, guess = drawn(3)
    t = torch.tensor([1, 2, 25, 50])
    x_t, v = SCHEDULE.noised(x_0, t, guess), torch.full_like(x_0, 0.5)
    together = variational_terms(SCHEDULE, x_0, x_t, t, guess, v)
    for row in range(4):
        one = (value[row : row + 1] for value in (x_0, x_t, t, guess, v))
        torch.testing.assert_close(together[row : row + 1], variational_terms(SCHEDULE, *one))


def test_the_best_v_is_the_one_that_fits_the_error():
    """Gradients on v point towards larger noise where the prediction is bad, smaller where it is good."""
    x_0, eps, x_t, _ = drawn(2)
    for guess, towards in ((eps, 1.0), (eps + 3.0, -1.0)):
        v = torch.full_like(x_0, 0.5, requires_grad=True)
        variational_terms(SCHEDULE, x_0, x_t, torch.full((4,), 2), guess, v).sum().backward()
        assert (v.grad.sign() == towards).all()


@pytest.mark.parametrize(("t", "s"), [(50, 40), (12, 2), (2, 1)])
def test_the_fitting_variance_makes_the_bound_least(t, s):
    """Of all v, the one whose variance fits the error of x_0 costs the fewest bits."""
    x_0, _, x_t, guess = drawn(t)
    mse = (SCHEDULE.clean(x_t, t, guess) - x_0).square().mean().item()
    fitting = math.log(fitting_variance(SCHEDULE, t, s, mse))
    ends = [2 * math.log(gaussians(t, x_0, x_t, guess, end, t - s)[1].stddev.flatten()[0].item()) for end in (0.0, 1.0)]
    best = (fitting - ends[0]) / (ends[1] - ends[0])

    def bits(v: float) -> float:
        terms = variational_terms(SCHEDULE, x_0, x_t, torch.full((4,), t), guess, torch.full_like(x_0, v), stride=t - s)
        return terms.mean().item()

    assert bits(best) < bits(best - 0.03) and bits(best) < bits(best + 0.03)
