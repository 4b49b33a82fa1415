from itertools import pairwise

import pytest
import torch

from darkroom.diffusion import schedules
from darkroom.diffusion.schedules import Schedule, strided

LINEAR = schedules.linear()


def test_the_linear_schedule_is_the_course_s():
    """beta runs from 1e-4 to 0.02 in 300 steps, and sqrt(alpha_bar_T) is 0.219."""
    betas = 1 - LINEAR.alpha_bars[1:] / LINEAR.alpha_bars[:-1]
    assert LINEAR.T == 300
    assert betas[0].item() == pytest.approx(1e-4)
    assert betas[-1].item() == pytest.approx(0.02)
    assert LINEAR.alpha_bar(300).sqrt().item() == pytest.approx(0.219, abs=5e-4)


def test_it_agrees_with_diffusers():
    """The table is that of diffusers' DDPMScheduler with the same betas, to its single precision."""
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDPMScheduler(300, beta_start=1e-4, beta_end=0.02, beta_schedule="linear").alphas_cumprod
    torch.testing.assert_close(LINEAR.alpha_bars[1:].float(), theirs, rtol=1e-5, atol=0)


def test_signal_and_noise_preserve_variance():
    """The squares of the two coefficients add up to 1 at every time."""
    t = torch.arange(LINEAR.T + 1)
    signal, noise = LINEAR.coefficients(t, torch.zeros(len(t), dtype=torch.float64))
    torch.testing.assert_close(signal**2 + noise**2, torch.ones_like(signal))


def test_clean_undoes_noised():
    """Solving for x_0 with the noise that was added gives the data back, each sample at its own time."""
    generator = torch.Generator().manual_seed(1)
    x_0, eps = torch.randn(2, 5, 1, 4, 4, generator=generator, dtype=torch.float64)
    t = torch.tensor([1, 50, 100, 200, 300])
    torch.testing.assert_close(LINEAR.clean(LINEAR.noised(x_0, t, eps), t, eps), x_0)


def test_a_velocity_is_the_turn_of_a_rotation():
    """x_t and the velocity are x_0 and eps, rotated: together as long as these, and eps follows from the two."""
    generator = torch.Generator().manual_seed(3)
    x_0, eps = torch.randn(2, 5, 1, 4, 4, generator=generator, dtype=torch.float64)
    t = torch.tensor([1, 50, 100, 200, 300])
    x_t, velocity = LINEAR.noised(x_0, t, eps), LINEAR.velocity(x_0, t, eps)
    torch.testing.assert_close(x_t**2 + velocity**2, x_0**2 + eps**2)
    torch.testing.assert_close(LINEAR.noise_of_velocity(x_t, t, velocity), eps)


def test_noised_has_the_moments_of_the_formula():
    """x_t has mean sqrt(alpha_bar_t) x_0 and variance 1 - alpha_bar_t, measured on 200,000 draws."""
    eps = torch.randn(200_000, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    x_t = LINEAR.noised(torch.full_like(eps, 0.7), 120, eps)
    alpha_bar = LINEAR.alpha_bar(120).item()
    assert x_t.mean().item() == pytest.approx(0.7 * alpha_bar**0.5, abs=0.005)
    assert x_t.var().item() == pytest.approx(1 - alpha_bar, rel=0.01)


@pytest.mark.parametrize("steps", [1, 7, 50, 299, 300])
def test_strided_times_fall_from_T_to_0(steps):
    """There is one more time than steps, they fall strictly, and their gaps differ by one at most."""
    times = strided(300, steps)
    gaps = [t - s for t, s in pairwise(times)]
    assert (times[0], times[-1], len(times)) == (300, 0, steps + 1)
    assert min(gaps) >= 1
    assert max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize("steps", [0, 301])
def test_strided_refuses_what_cannot_be(steps):
    """No steps, or more than there are times, is refused with the range."""
    with pytest.raises(ValueError, match="between 1 and T = 300"):
        strided(300, steps)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [([0.9, 0.5], "starts at alpha_bar_0 = 1"), ([1.0, 0.5, 0.5], "fall strictly"), ([1.0, -0.1], "below 0")],
)
def test_a_table_that_is_no_schedule_is_refused(table, complaint):
    """A table that does not start at 1, does not fall, or falls below 0, says so."""
    with pytest.raises(ValueError, match=complaint):
        Schedule(torch.tensor(table, dtype=torch.float64))
