import numpy as np
import pytest
import torch

from darkroom.diffusion import schedules
from darkroom.diffusion.denoise import (
    Denoiser,
    GaussianDenoiser,
    NoisePredictor,
    PosteriorMean,
    Prediction,
    posterior_mean,
)
from darkroom.diffusion.guidance import Guided
from darkroom.diffusion.sample import Noise, ddim, ddpm, last, posterior_sample
from darkroom.diffusion.schedules import strided

SCHEDULE = schedules.linear()


def gaussian(mean: float = 0.4, std: float = 0.3, schedule: schedules.Schedule = SCHEDULE) -> GaussianDenoiser:
    return GaussianDenoiser(torch.tensor(mean, dtype=torch.float64), std, schedule)


def draws(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Scalars(Noise):
    """Noise of float64 from one generator, quick for many scalar samples."""

    def __init__(self, count: int, seed: int) -> None:
        self.generator, self.count = torch.Generator().manual_seed(seed), count

    def draw(self) -> torch.Tensor:
        return torch.randn(self.count, generator=self.generator, dtype=torch.float64)


@pytest.mark.parametrize(("variance", "expected"), [("large", "fixed_large"), ("small", "fixed_small")])
@pytest.mark.parametrize("steps", [300, 50])
def test_a_step_equals_that_of_diffusers(variance, expected, steps):
    """Every ancestral step, all times or a stride of them, is that of diffusers' DDPMScheduler with the same noise."""
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDPMScheduler(
        300, 1e-4, 0.02, variance_type=expected, clip_sample=False, timestep_spacing="trailing"
    )
    theirs.set_timesteps(steps)
    times = [int(t) + 1 for t in theirs.timesteps] + [0]
    assert times == strided(300, steps)
    x_t, eps = torch.randn(2, 4, 1, 8, 8, generator=torch.Generator().manual_seed(5))
    chosen = [0, 1, steps // 2, steps - 2, steps - 1]
    if variance == "large" and steps < 300:
        chosen.pop()  # diffusers leaves out the last noise only where the last timestep is its 0
    for t, s in [(times[i], times[i + 1]) for i in chosen]:
        generator = torch.Generator().manual_seed(t)
        z = torch.randn(x_t.shape, generator=torch.Generator().manual_seed(t)) if s else None
        ours = posterior_sample(SCHEDULE, x_t, SCHEDULE.clean(x_t, t, eps), t, s, z, variance)
        step = theirs.step(eps, t - 1, x_t, generator=generator).prev_sample
        torch.testing.assert_close(ours, step, rtol=2e-4, atol=2e-5)


def test_the_step_is_the_course_s_formula():
    """x_{t-1} = (x_t - beta_t / sqrt(1 - abar_t) eps) / sqrt(alpha_t) + sqrt(beta_t) z, term by term."""
    x_t, eps, z = torch.randn(3, 6, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    t = 170
    alpha_bar, before = SCHEDULE.alpha_bar(t), SCHEDULE.alpha_bar(t - 1)
    alpha = alpha_bar / before
    expected = (x_t - (1 - alpha) / (1 - alpha_bar).sqrt() * eps) / alpha.sqrt() + (1 - alpha).sqrt() * z
    torch.testing.assert_close(posterior_sample(SCHEDULE, x_t, SCHEDULE.clean(x_t, t, eps), t, t - 1, z), expected)


@pytest.mark.parametrize("sampler", [ddpm, ddim])
def test_an_exact_denoiser_gives_the_data_s_distribution(sampler):
    """Started from the true x_T, sampling with the exact denoiser of N(0.4, 0.3^2) gives that mean and deviation."""
    count = 40_000
    x_T = SCHEDULE.noised(0.4 + 0.3 * draws(count, 1), 300, draws(count, 2))
    x_0 = last(sampler(gaussian(), Scalars(count, 3), x_T=x_T)).x_t
    assert x_0.mean().item() == pytest.approx(0.4, abs=0.01)
    assert x_0.std().item() == pytest.approx(0.3, rel=0.02)


def test_ddim_is_of_first_order():
    """With twice the steps the error against the exact flow halves: for Gaussian data the flow only shifts and scales."""
    fine = schedules.linear(4096, 1e-4 * 300 / 4096, 0.02 * 300 / 4096)
    denoiser, x_T = gaussian(schedule=fine), draws(100, 7)
    alpha_bar_T = fine.alpha_bar(fine.T).item()
    marginal_std = (alpha_bar_T * 0.3**2 + 1 - alpha_bar_T) ** 0.5
    exact = 0.4 + 0.3 * (x_T - alpha_bar_T**0.5 * 0.4) / marginal_std
    errors = []
    for steps in (32, 64, 128, 256):
        x_0 = last(ddim(denoiser, Scalars(100, 0), x_T=x_T, times=strided(fine.T, steps))).x_t
        errors.append((x_0 - exact).abs().mean().item())
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert (orders > 0.85).all() and (orders < 1.15).all(), orders


def test_a_sample_does_not_depend_on_its_batch():
    """Sample k is the same drawn alone and among others, because it has a generator of its own."""
    exact = PosteriorMean(torch.randn(6, 1, 4, 4, generator=torch.Generator().manual_seed(8)), SCHEDULE)
    together = last(ddpm(exact, Noise([10, 11, 12], (1, 4, 4)))).x_t
    alone = last(ddpm(exact, Noise([11], (1, 4, 4)))).x_t
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-4)


def test_sampling_with_the_posterior_mean_draws_the_data():
    """The exact denoiser of a data set leads every sample to one of its points."""
    data = torch.randn(6, 1, 4, 4, generator=torch.Generator().manual_seed(9))
    x_0 = last(ddpm(PosteriorMean(data, SCHEDULE), Noise(range(8), (1, 4, 4)))).x_t
    nearest = torch.cdist(x_0.flatten(1), data.flatten(1)).min(1).values
    assert nearest.max() < 0.05


def test_the_posterior_mean_is_bayes_rule():
    """Its weights are the normalised likelihoods of the data points, computed here one by one."""
    data = torch.randn(5, 3, generator=torch.Generator().manual_seed(10), dtype=torch.float64)
    z, sigma = data[:2] + 0.5, torch.tensor([0.7, 1.3], dtype=torch.float64)
    for row in range(2):
        likelihood = torch.stack([torch.exp(-((z[row] - point) ** 2).sum() / (2 * sigma[row] ** 2)) for point in data])
        expected = (likelihood[:, None] * data).sum(0) / likelihood.sum()
        torch.testing.assert_close(posterior_mean(z, sigma, data)[row], expected)


@pytest.mark.parametrize(
    ("times", "complaint"),
    [([300, 300, 0], "fall strictly"), ([301, 0], "T = 300"), ([300, 10], "to 0"), ([0], "to 0")],
)
def test_times_that_make_no_sense_are_refused(times, complaint):
    """Times that do not fall, start beyond T or do not end at the data are refused."""
    with pytest.raises(ValueError, match=complaint):
        next(ddpm(gaussian(), Scalars(1, 0), times=times))


class Counting:
    """A network that says -x and counts how often it is run, and on how many images."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, x: torch.Tensor, time: torch.Tensor, digit: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(x))
        return -x * (1 + digit.sum(1))[:, None]


def branches(network: Counting) -> tuple[NoisePredictor, NoisePredictor]:
    digit = torch.eye(10)[:4]
    return NoisePredictor(network, SCHEDULE, (digit,)), NoisePredictor(network, SCHEDULE, (torch.zeros(1, 10),))


@pytest.mark.parametrize(("gamma", "batches"), [(0.0, [4]), (1.0, [4]), (5.0, [8])])
def test_both_branches_of_guidance_are_one_batch(gamma, batches):
    """Guidance runs the network once a step, and with one branch alone where gamma silences the other."""
    network = Counting()
    Guided(*branches(network), gamma)(torch.ones(4, 3), 100)
    assert network.batches == batches


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.5, 5.0])
def test_guidance_is_the_stated_formula(gamma):
    """eps = eps_u + gamma (eps_c - eps_u), and x_0 is what follows from that eps."""
    x_t, network = torch.ones(4, 3), Counting()
    conditional, unconditional = branches(network)
    prediction = Guided(conditional, unconditional, gamma)(x_t, 100)
    eps_c, eps_u = conditional(x_t, 100).eps, unconditional(x_t, 100).eps
    torch.testing.assert_close(prediction.eps, eps_u + gamma * (eps_c - eps_u))
    torch.testing.assert_close(prediction.x_0, SCHEDULE.clean(x_t, 100, prediction.eps))


def test_guidance_nests():
    """A guided denoiser is a denoiser: guiding it again is the formula applied twice, still in one batch."""
    network = Counting()
    conditional, unconditional = branches(network)
    inner = Guided(conditional, unconditional, 3.0)
    outer: Denoiser = Guided(inner, unconditional, 2.0)
    x_t = torch.ones(4, 3)
    eps_c, eps_u = conditional(x_t, 9).eps, unconditional(x_t, 9).eps
    network.batches.clear()
    prediction: Prediction = outer(x_t, 9)
    torch.testing.assert_close(prediction.eps, eps_u + 2 * (3 * (eps_c - eps_u)))
    assert network.batches == [12]
