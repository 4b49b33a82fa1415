import numpy as np
import pytest
import torch

from darkroom.diffusion import schedules
from darkroom.diffusion.denoise import (
    Denoiser,
    GaussianDenoiser,
    NoisePredictor,
    PosteriorMean,
    Predicting,
    Prediction,
    posterior_mean,
)
from darkroom.diffusion.guidance import Guided
from darkroom.diffusion.sample import Noise, ddim, ddpm, inpaint, last, noised_back, sdedit, step_sample
from darkroom.diffusion.schedules import strided

SCHEDULE = schedules.linear()


def gaussian(mean: float = 0.4, std: float = 0.3, schedule: schedules.Schedule = SCHEDULE) -> GaussianDenoiser:
    return GaussianDenoiser(torch.tensor(mean, dtype=torch.float64), std, schedule)


def predicted(x_t: torch.Tensor, t: int, eps: torch.Tensor) -> Prediction:
    return Prediction(eps, SCHEDULE.clean(x_t, t, eps))


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
        ours = step_sample(SCHEDULE, x_t, predicted(x_t, t, eps), t, s, z, variance)
        step = theirs.step(eps, t - 1, x_t, generator=generator).prev_sample
        torch.testing.assert_close(ours, step, rtol=2e-4, atol=2e-5)


def test_the_step_is_the_course_s_formula():
    """x_{t-1} = (x_t - beta_t / sqrt(1 - abar_t) eps) / sqrt(alpha_t) + sqrt(beta_t) z, term by term."""
    x_t, eps, z = torch.randn(3, 6, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    t = 170
    alpha_bar, before = SCHEDULE.alpha_bar(t), SCHEDULE.alpha_bar(t - 1)
    alpha = alpha_bar / before
    expected = (x_t - (1 - alpha) / (1 - alpha_bar).sqrt() * eps) / alpha.sqrt() + (1 - alpha).sqrt() * z
    torch.testing.assert_close(step_sample(SCHEDULE, x_t, predicted(x_t, t, eps), t, t - 1, z), expected)


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
    [([300, 300, 0], "fall strictly"), ([301, 0], "from 300"), ([300, -1], "to 0 at"), ([0], "fall strictly")],
)
def test_times_that_make_no_sense_are_refused(times, complaint):
    """Times that do not fall, leave the schedule or make no step are refused."""
    with pytest.raises(ValueError, match=complaint):
        next(ddpm(gaussian(), Scalars(1, 0), times=times))


def test_sdedit_at_every_level_is_sdedit_alone():
    """Levels drawn together, each joining at its own time, are what each gives by itself."""
    exact = PosteriorMean(torch.randn(6, 1, 4, 4, generator=torch.Generator().manual_seed(9)), SCHEDULE)
    originals, times = torch.ones(3, 1, 4, 4), strided(300, 10)
    starts = [120, 300, 30]
    together = last(sdedit(exact, Noise([1, 2, 3], (1, 4, 4)), originals, starts, times=times)).x_t
    for row, start in enumerate(starts):
        noise = Noise([row + 1], (1, 4, 4))
        x_T = SCHEDULE.noised(originals[row : row + 1], start, noise.draw())
        alone = last(ddpm(exact, noise, x_T=x_T, times=times[times.index(start) :])).x_t
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-4, atol=1e-4)


def test_sdedit_runs_only_what_has_begun():
    """The network sees a sample from its own time on, with its own condition, and all that have begun as one batch."""
    network = Counting()
    denoiser = NoisePredictor(network, SCHEDULE, (torch.eye(10)[:3],))
    steps = list(sdedit(denoiser, Noise([1, 2, 3], (3,)), torch.ones(3, 3), [100, 300, 200], times=[300, 200, 100, 0]))
    assert network.batches == [1, 2, 3]
    torch.testing.assert_close(steps[0].x_0[0], torch.ones(3))


def test_a_start_between_the_times_is_refused():
    """A level that is none of the sampler's times is named, with the times that there are."""
    with pytest.raises(ValueError, match=r"starts \[150\] are not among the times \[300, 200, 100\]"):
        next(sdedit(gaussian(), Noise([1], (3,)), torch.ones(1, 3), [150], times=[300, 200, 100, 0]))


@pytest.mark.parametrize("times", [[300, 200, 100, 0], [300, 200, 1]])
def test_inpainting_keeps_what_is_outside_the_hole(times):
    """Outside the hole the result is the original, bit for bit, wherever the times end; inside it is something else."""
    data = torch.randn(6, 1, 4, 4, generator=torch.Generator().manual_seed(9))
    original, mask = torch.full((2, 1, 4, 4), 9.0), torch.zeros(4, 4)
    mask[:2] = 1
    x_0 = last(inpaint(PosteriorMean(data, SCHEDULE), Noise([4, 5], (1, 4, 4)), original, mask, times=times)).x_t
    assert torch.equal(x_0[..., 2:, :], original[..., 2:, :])
    assert not torch.isclose(x_0[..., :2, :], original[..., :2, :]).any()


def test_inpainting_shows_the_network_the_original_at_the_same_time():
    """What the network sees outside the hole has the mean and the deviation of the original noised to that t."""
    seen: dict[int, torch.Tensor] = {}

    class Watching(Counting):
        def __call__(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
            seen[round(time[0].item() * 300)] = x
            return x

    original, mask = torch.full((1, 1, 64, 64), 0.8), torch.zeros(64, 64)
    last(
        inpaint(NoisePredictor(Watching(), SCHEDULE), Noise([4], (1, 64, 64)), original, mask, times=[300, 100, 20, 0])
    )
    for t, x_t in seen.items():
        alpha_bar = SCHEDULE.alpha_bar(t).item()
        assert x_t.mean().item() == pytest.approx(alpha_bar**0.5 * 0.8, abs=0.06)
        assert x_t.std().item() == pytest.approx((1 - alpha_bar) ** 0.5, rel=0.05)


def test_inpainting_fills_the_hole_with_what_fits():
    """With the exact denoiser of a data set, a half that only one picture has is completed to that picture."""
    data = torch.randn(6, 1, 4, 4, generator=torch.Generator().manual_seed(9))
    mask = torch.zeros(4, 4)
    mask[:2] = 1
    x_0 = last(inpaint(PosteriorMean(data, SCHEDULE), Noise([7], (1, 4, 4)), data[2:3], mask)).x_t
    assert (x_0 - data[2]).abs().max() < 0.05


@pytest.mark.parametrize(("s", "t"), [(0, 300), (50, 51), (100, 250)])
def test_noising_back_is_noising_further(s, t):
    """From x_s on, the signal is that of x_t, and the noise of both draws together has its variance."""
    x_0, eps, z = torch.randn(3, 100_000, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    x_t = noised_back(SCHEDULE, SCHEDULE.noised(x_0, s, eps), s, t, z)
    signal, noise = SCHEDULE.coefficients(t, x_0)
    rest = x_t - signal * x_0
    assert rest.var().item() == pytest.approx(noise.item() ** 2, rel=0.02)
    assert (rest * x_0).mean().item() == pytest.approx(0, abs=0.02)


class Pairs(Denoiser):
    """The exact denoiser of Gaussian pairs whose two values correlate by rho."""

    process = SCHEDULE

    def __init__(self, rho: float) -> None:
        self.covariance = torch.tensor([[1.0, rho], [rho, 1.0]])

    def predict(self, x_t: torch.Tensor, t: float) -> Predicting:
        yield from ()
        alpha_bar = SCHEDULE.alpha_bar(t).float()
        gain = (
            alpha_bar.sqrt()
            * self.covariance
            @ torch.inverse(alpha_bar * self.covariance + (1 - alpha_bar) * torch.eye(2))
        )
        x_0 = x_t @ gain.T
        return Prediction((x_t - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt(), x_0)


def test_repeated_steps_bring_the_hole_into_agreement_with_the_rest():
    """Of pairs that correlate by 0.9, given one value the other is on average 0.9 of it: nearer, the more repeats."""
    known, mask = torch.full((150, 1, 10, 2), 1.0), torch.tensor([1.0, 0.0]).expand(10, 2)
    times = [300, 250, 200, 150, 100, 50, 20, 0]

    def mean_of_the_hole(repeats: int) -> float:
        noise = Noise(range(150), (1, 10, 2))
        return last(inpaint(Pairs(0.9), noise, known, mask, times=times, repeats=repeats)).x_t[..., 0].mean().item()

    once, twice, often = map(mean_of_the_hole, (1, 2, 12))
    assert once < twice < often
    assert often == pytest.approx(0.9, abs=0.05)
    assert once < 0.75


def test_no_repeats_are_refused():
    """Nothing would be drawn."""
    with pytest.raises(ValueError, match="repeats must be 1 or more, not 0"):
        next(inpaint(gaussian(), Noise([7], (1, 4, 4)), torch.zeros(1, 1, 4, 4), torch.ones(4, 4), repeats=0))


def test_a_mask_of_another_size_is_refused():
    """Both sizes are named."""
    with pytest.raises(ValueError, match=r"the mask is 3 x 3 and the picture 4 x 4"):
        next(inpaint(gaussian(), Noise([7], (1, 4, 4)), torch.zeros(1, 1, 4, 4), torch.ones(3, 3)))


def test_learned_variance_needs_a_network_that_has_one():
    """Asking a denoiser without v for learned variance says what to ask for instead."""
    with pytest.raises(ValueError, match='use "large" or "small"'):
        last(ddpm(gaussian(), Scalars(1, 0), variance="learned"))


@pytest.mark.parametrize(("v", "variance"), [(1.0, "large"), (0.0, "small")])
def test_learned_variance_lies_between_the_fixed_ones(v, variance):
    """v = 1 is beta, v = 0 the posterior's own variance, both of the stride."""
    x_t, eps, z = torch.randn(3, 6, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    fixed = predicted(x_t, 200, eps)
    learned = Prediction(fixed.eps, fixed.x_0, torch.full_like(x_t, v))
    torch.testing.assert_close(
        step_sample(SCHEDULE, x_t, learned, 200, 150, z, "learned"),
        step_sample(SCHEDULE, x_t, fixed, 200, 150, z, variance),
    )


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
