"""Laws of processes, each for DDPM's schedules and for the straight line of flow matching."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from darkroom.diffusion import schedules
from darkroom.diffusion.flow import StraightLine
from darkroom.diffusion.process import Process

LINEAR, LINE = schedules.linear(), StraightLine()
ZERO = schedules.zero_terminal(LINEAR)
PROCESSES = {
    "linear": (LINEAR, 250, 100),
    "zero terminal SNR": (ZERO, 250, 100),
    "straight line": (LINE, 0.2, 0.7),
    "line of scale 2": (StraightLine(2.0), 0.2, 0.7),
}
EACH = pytest.mark.parametrize(("process", "t", "s"), PROCESSES.values(), ids=PROCESSES)


def pair(seed: int = 1, size: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    x_0, eps = torch.randn(2, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x_0, eps


@EACH
def test_data_and_noise_follow_from_each_other(process: Process, t, s):
    """Given x_t, each of x_0 and eps gives the other back."""
    x_0, eps = pair()
    x_t = process.noised(x_0, t, eps)
    torch.testing.assert_close(process.clean(x_t, t, eps), x_0)
    torch.testing.assert_close(process.noise_in(x_t, t, x_0), eps)


@EACH
def test_both_follow_from_the_velocity(process: Process, t, s):
    """Given x_t, the velocity gives x_0 and eps back, at every time, also where one of them is all that x_t holds."""
    x_0, eps = pair()
    for at in (t, s, process.noise_time, process.data_time):
        x_t, velocity = process.noised(x_0, at, eps), process.velocity(x_0, at, eps)
        torch.testing.assert_close(process.clean_of_velocity(x_t, at, velocity), x_0)
        torch.testing.assert_close(process.noise_of_velocity(x_t, at, velocity), eps)


@EACH
def test_the_velocity_is_the_derivative_by_the_clock(process: Process, t, s):
    """A central difference of x_t, over the clock's, for times between the whole ones too."""
    x_0, eps = pair()
    h = 1e-4 * abs(process.noise_time - process.data_time)
    at = t + h / 3
    rise = process.noised(x_0, at + h, eps) - process.noised(x_0, at - h, eps)
    run = process.clock(at + h) - process.clock(at - h)
    torch.testing.assert_close(rise / run, process.velocity(x_0, at, eps), rtol=1e-6, atol=1e-7)


@EACH
def test_one_time_for_each_of_the_batch(process: Process, t, s):
    """Times as a tensor give what each gives alone."""
    x_0, eps = (value[:2, None] for value in pair())
    together = process.noised(x_0, torch.tensor([t, s]), eps)
    torch.testing.assert_close(together[:1], process.noised(x_0[:1], t, eps[:1]), rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(together[1:], process.noised(x_0[1:], s, eps[1:]), rtol=1e-6, atol=1e-7)


@EACH
def test_the_posterior_is_bayes_rule(process: Process, t, s):
    """It is q(x_t | x_s) q(x_s | x_0), normalised: mean and variance on a grid of x_s, for numbers."""
    x_0, x_t = 0.7, -0.4
    step = process.posterior(t, s)
    alpha_t, alpha_s, sigma_s = (value.item() for value in (process.alpha(t), process.alpha(s), process.sigma(s)))
    grid = torch.linspace(-6, 6, 200_001, dtype=torch.float64)
    forward = -((x_t - alpha_t / alpha_s * grid) ** 2) / (2 * step.forward.item())
    prior = -((grid - alpha_s * x_0) ** 2) / (2 * sigma_s**2)
    weights = torch.softmax(forward + prior, 0)
    mean = (weights * grid).sum().item()
    assert step.mean(torch.tensor(x_0), torch.tensor(x_t)).item() == pytest.approx(mean, abs=1e-6)
    assert step.variance.item() == pytest.approx((weights * (grid - mean) ** 2).sum().item(), rel=1e-6)


@EACH
def test_two_steps_of_the_forward_process_are_one(process: Process, t, s):
    """From x_0 to x_s and on to x_t: signal and variance are those of going to x_t at once."""
    step = process.posterior(t, s)
    share = process.alpha(t) / process.alpha(s)
    torch.testing.assert_close(share.square() * process.sigma(s).square() + step.forward, process.sigma(t).square())


def test_the_posterior_of_a_schedule_is_ho_s():
    """Eqs. 6 and 7 of Ho et al. 2020, from the betas, at every single step."""
    alpha_bar = LINEAR.alpha_bars
    for t in (2, 57, 300):
        beta, step = 1 - alpha_bar[t] / alpha_bar[t - 1], LINEAR.posterior(t, t - 1)
        torch.testing.assert_close(step.of_x_0, alpha_bar[t - 1].sqrt() * beta / (1 - alpha_bar[t]))
        torch.testing.assert_close(step.of_x_t, (1 - beta).sqrt() * (1 - alpha_bar[t - 1]) / (1 - alpha_bar[t]))
        torch.testing.assert_close(step.variance, beta * (1 - alpha_bar[t - 1]) / (1 - alpha_bar[t]))
        torch.testing.assert_close(step.forward, beta)


@EACH
def test_the_step_to_the_data_is_certain(process: Process, t, s):
    """Its posterior is x_0, without variance; from noise alone the posterior knows x_0 only."""
    end = process.posterior(t, process.data_time)
    assert (end.of_x_0.item(), end.of_x_t.item(), end.variance.item()) == (1, 0, 0)
    if process.alpha(process.noise_time) == 0:
        start = process.posterior(process.noise_time, s)
        assert start.of_x_t.item() == 0
        torch.testing.assert_close(start.of_x_0, process.alpha(s))
        torch.testing.assert_close(start.variance, process.sigma(s).square())


@EACH
def test_a_time_is_found_by_its_ratio_of_data_to_noise(process: Process, t, s):
    """``time_of`` undoes alpha / sigma, at whole times and between them, and keeps to the process."""
    for at in (t, s, t + 0.37 * (s - t)):
        ratio = (process.alpha(float(at)) / process.sigma(float(at))).item()
        assert process.time_of(ratio) == pytest.approx(at, rel=1e-9)
    assert process.time_of(0) == process.noise_time
    assert process.time_of(float("inf")) == (1 if isinstance(process, schedules.Schedule) else process.data_time)


@EACH
def test_times_go_from_noise_to_data(process: Process, t, s):
    """As many steps as asked for, in the direction of sampling, from end to end."""
    times = process.times(7)
    assert (len(times), times[0], times[-1]) == (8, process.noise_time, process.data_time)
    assert process.checked(times) == times
    clocks = [process.clock(at).item() for at in times]
    assert all(a != b for a, b in pairwise(clocks))


@pytest.mark.parametrize("t", [300, 300.0, np.int64(300), np.float64(300), torch.tensor(300), torch.tensor(300.0)])
def test_a_whole_time_is_the_table_s_whatever_it_is_written_as(t):
    """Exactly: at the end of zero terminal SNR nothing of the data is left."""
    assert ZERO.alpha(t) == 0 and ZERO.sigma(t) == 1
    assert LINEAR.alpha_bar(t) == LINEAR.alpha_bars[300]


@EACH
def test_large_noise_keeps_the_variance_of_standard_data(process: Process, t, s):
    """For data of variance 1 that is known to nobody, a step with the "large" variance gives x_s its own variance."""
    step = process.posterior(t, s)
    signal, noise = process.alpha(t), process.sigma(t)
    gain = signal / (signal.square() + noise.square())  # of the best estimate of x_0 given x_t
    mean = (step.of_x_0 * gain + step.of_x_t).square() * process.spread(t)
    torch.testing.assert_close(mean + step.large, process.spread(s))


def test_no_steps_along_a_schedule_are_refused():
    """Not taken for all of them."""
    with pytest.raises(ValueError, match="between 1 and T = 300, not 0"):
        LINEAR.times(0)


def test_a_fractional_time_lies_between_its_neighbours():
    """alpha_bar falls from each whole time to the next, and at whole times it is the table's."""
    times = torch.arange(0, 300.01, 0.25, dtype=torch.float64)
    values = LINEAR.alpha_bar(times)
    assert (values[1:] < values[:-1]).all()
    torch.testing.assert_close(values[::4], LINEAR.alpha_bars)


def test_zero_terminal_snr_is_that_of_diffusers():
    """The signal at the end is exactly 0, the first step is kept, and the betas are those of diffusers."""
    pytest.importorskip("diffusers")
    from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr

    betas = 1 - LINEAR.alpha_bars[1:] / LINEAR.alpha_bars[:-1]
    theirs = rescale_zero_terminal_snr(betas)
    torch.testing.assert_close(1 - ZERO.alpha_bars[1:] / ZERO.alpha_bars[:-1], theirs)
    assert ZERO.alpha_bar(300) == 0
    torch.testing.assert_close(ZERO.alpha_bar(1), LINEAR.alpha_bar(1))


@pytest.mark.parametrize(
    ("times", "complaint"),
    [
        ([0.0, 0.0], "rise strictly"),
        ([0.5, 0.2], "rise strictly"),
        ([0.5, 1.1], "from 0 to 1"),
        ([0.5], "rise strictly"),
    ],
)
def test_times_of_a_flow_that_make_no_sense_are_refused(times, complaint):
    """They must rise within 0 and 1."""
    with pytest.raises(ValueError, match=complaint):
        LINE.checked(times)


def test_no_steps_are_refused():
    """The number is named."""
    with pytest.raises(ValueError, match="steps must be 1 or more, not 0"):
        LINE.times(0)
