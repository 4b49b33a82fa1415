"""Flow matching: samplers of the probability-flow equation, and any denoiser read as a flow."""

import math

import numpy as np
import pytest
import torch

from darkroom.diffusion import schedules, views
from darkroom.diffusion.denoise import (
    DataPredictor,
    GaussianDenoiser,
    NoisePredictor,
    PosteriorMean,
    Refitted,
    Thresholded,
    VelocityPredictor,
)
from darkroom.diffusion.filters import gray_colour
from darkroom.diffusion.flow import StraightLine, as_flow
from darkroom.diffusion.guidance import Anagram, Factorized, Guided
from darkroom.diffusion.sample import Noise, ddim, ddpm, dpm_solver, euler, heun, inpaint, last, sdedit

LINE, LINEAR = StraightLine(), schedules.linear()
COSINE = schedules.from_betas(
    torch.tensor(
        [
            min(1 - math.cos((i + 1) / 1000 * math.pi / 2) ** 2 / math.cos(i / 1000 * math.pi / 2) ** 2, 0.999)
            for i in range(1000)
        ],
        dtype=torch.float64,
    )
)
NONE = Noise([0], (1,))


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gaussian(process=LINE, mean: float = 0.4, std: float = 0.3) -> GaussianDenoiser:
    return GaussianDenoiser(torch.tensor(mean, dtype=torch.float64), std, process)


class Told:
    """A network with an opinion about pictures, times and prompts, smooth in all; keeps what it was asked."""

    def __init__(self) -> None:
        self.seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def __call__(self, x: torch.Tensor, time: torch.Tensor, *prompt: torch.Tensor) -> torch.Tensor:
        self.seen.append((x, time))
        asked = sum((value[:, :, None, None] for value in prompt), torch.zeros(()))
        return (0.7 * x + asked + time[:, None, None, None]).tanh()


def carried(process, x_t: torch.Tensor, t: float, s: float) -> torch.Tensor:
    """Where the flow of Gaussian data carries x_t by time s: it only shifts and scales."""

    def spread(at: float) -> float:
        return (process.alpha(at).item() ** 2 * 0.3**2 + process.sigma(at).item() ** 2) ** 0.5

    return 0.4 * process.alpha(s) + spread(s) / spread(t) * (x_t - 0.4 * process.alpha(t))


@pytest.mark.parametrize("process", [LINE, LINEAR], ids=["straight line", "schedule"])
@pytest.mark.parametrize(("sampler", "order"), [(euler, 1), (ddim, 1), (heun, 2), (dpm_solver, 2)])
def test_samplers_have_their_orders(process, sampler, order):
    """With twice the steps the error against the exact flow of Gaussian data halves, or falls to a quarter."""
    x_t, errors = normal(200, seed=3), []
    for steps in (16, 32, 64, 128):
        times = [process.time_of(math.exp(2 * i / steps - 1)) for i in range(steps + 1)]
        end = last(sampler(gaussian(process), NONE, x_T=x_t, times=times)).x_t
        errors.append((end - carried(process, x_t, times[0], times[-1])).abs().mean().item())
    found = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert abs(found - order).max() < 0.25, found


@pytest.mark.parametrize("sampler", [euler, heun, dpm_solver, ddim, ddpm])
def test_every_sampler_draws_the_data_of_a_flow(sampler):
    """From noise, with the exact denoiser of N(0.4, 0.3^2), samples have that mean and deviation."""
    noise = Noise(range(200), (100,))
    end = last(sampler(GaussianDenoiser(torch.tensor(0.4), 0.3, LINE), noise, times=LINE.times(200))).x_t
    assert end.mean().item() == pytest.approx(0.4, abs=0.01)
    assert end.std().item() == pytest.approx(0.3, rel=0.03)


def test_euler_along_the_line_is_ddim():
    """x_t + (s - t)(x_0 - eps) and s x_0 + (1 - s) eps are the same, for any denoiser that is consistent."""
    denoiser, x_t = VelocityPredictor(Told(), LINE), normal(2, 3, 8, 8)
    for start in (0.0, 0.3):
        times = [start, start + 0.2, 0.8, 1.0]
        ours = [step.x_t for step in euler(denoiser, NONE, x_T=x_t, times=times)]
        theirs = [step.x_t for step in ddim(denoiser, NONE, x_T=x_t, times=times)]
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("process", [LINEAR, COSINE, StraightLine(2.0)], ids=["linear", "cosine", "line of scale 2"])
@pytest.mark.parametrize("made", ["network", "guided", "gaussian", "data set"])
def test_an_euler_step_of_a_flow_is_a_ddim_step(process, made):
    """At matching times t = alpha / (alpha + sigma), whatever the denoiser: x^flow = x / (alpha + sigma) all the way."""
    network, prompt = Told(), torch.ones(1, 1, dtype=torch.float64)
    asked, null = NoisePredictor(network, process, (prompt,)), NoisePredictor(network, process, (0 * prompt,))
    denoiser = {
        "network": asked,
        "guided": Guided(asked, null, 5.0),
        "gaussian": gaussian(process),
        "data set": PosteriorMean(normal(5, 3, 8, 8, seed=2), process),
    }[made]
    times = [t for t in process.times(10) if process.sigma(t) and process.alpha(t)]
    scales = [(process.alpha(t) + process.sigma(t)).item() for t in times]
    matching = [process.alpha(t).item() / scale for t, scale in zip(times, scales, strict=True)]
    x_T = normal(2, 3, 8, 8, seed=4)
    flow = [step.x_t for step in euler(as_flow(denoiser), NONE, x_T=x_T / scales[0], times=matching)]
    plain = [step.x_t for step in ddim(denoiser, NONE, x_T=x_T, times=times)]
    for ours, theirs, scale in zip(flow, plain, scales[1:], strict=True):
        torch.testing.assert_close(ours * scale, theirs, rtol=1e-6, atol=1e-8)


def test_a_flow_tells_the_network_the_matching_time():
    """At t = 1/2 data and noise weigh the same: the network is asked at the time where its schedule has as much of both."""
    network = Told()
    as_flow(NoisePredictor(network, LINEAR))(normal(1, 1, 2, 2), 0.5)
    ((x, time),) = network.seen
    at = time.item() * 300
    assert LINEAR.alpha_bar(at).item() == pytest.approx(0.5, abs=1e-6)
    torch.testing.assert_close(x, normal(1, 1, 2, 2) * 2**0.5, rtol=1e-6, atol=1e-8)


def test_an_exact_denoiser_as_a_flow_is_the_exact_denoiser_of_the_flow():
    """Gaussian data and a data set: the prediction is that of the same data along the straight line, at every time."""
    data, x_t = normal(5, 3, 4, 4, seed=2), normal(2, 3, 4, 4)
    for t in (0.31, 0.5, 0.77, 0.9):
        for through, direct in (
            (gaussian(LINEAR), gaussian(LINE)),
            (PosteriorMean(data, COSINE), PosteriorMean(data, LINE)),
        ):
            ours, theirs = as_flow(through)(x_t, t), direct(x_t, t)
            torch.testing.assert_close(ours.x_0, theirs.x_0, rtol=1e-6, atol=1e-8)
            torch.testing.assert_close(ours.eps, theirs.eps, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("sampler", [euler, ddim, heun, dpm_solver, ddpm])
def test_beyond_the_last_time_of_a_schedule_all_samplers_agree(sampler):
    """Begun in noise alone, where a linear schedule has no matching time, each draws N(0.4, 0.3^2) in any number of steps."""
    flow = as_flow(GaussianDenoiser(torch.tensor(0.4), 0.3, LINEAR))
    for steps in (50, 200):
        end = last(sampler(flow, Noise(range(100), (100,)), times=LINE.times(steps))).x_t
        assert end.mean().item() == pytest.approx(0.4, abs=0.02), steps
        assert end.std().item() == pytest.approx(0.3, rel=0.1), steps


@pytest.mark.parametrize("t", [0.01, 0.1, 0.3, 0.999])
def test_a_flow_s_prediction_is_of_the_picture_that_it_was_shown(t):
    """x_t is t x_0 + (1 - t) eps, whatever time the denoiser was asked at."""
    x_t = normal(2, 3, 8, 8)
    found = as_flow(NoisePredictor(Told(), LINEAR))(x_t, t)
    torch.testing.assert_close(t * found.x_0 + (1 - t) * found.eps, x_t)


def test_a_flow_is_defined_from_end_to_end():
    """At pure noise and beyond a schedule's ends the nearest of its times is asked, and nothing is infinite."""
    for process in (LINEAR, COSINE):
        flow = as_flow(Refitted(Thresholded(NoisePredictor(Told(), process))))
        end = last(euler(flow, NONE, x_T=normal(1, 3, 8, 8), times=LINE.times(400))).x_t
        assert end.isfinite().all()
        assert end.abs().max() <= 1.01


def test_a_flow_is_its_own_flow():
    """A denoiser of the straight line is left as it is."""
    denoiser = gaussian()
    assert as_flow(denoiser) is denoiser


@pytest.mark.parametrize("t", [0.0, 0.4])
@pytest.mark.parametrize("gamma", [0.0, 1.0, 7.0])
def test_guidance_of_velocities_is_the_course_s_formula(t, gamma):
    """u = u_unc + gamma (u_c - u_unc), also at t = 0, where x_t is noise alone and eps leaves x_0 open."""
    network, x_t = Told(), normal(2, 3, 8, 8)
    asked, null = (VelocityPredictor(network, LINE, (torch.full((1, 1), p, dtype=torch.float64),)) for p in (0.5, 0.0))
    found = Guided(asked, null, gamma)(x_t, t)
    time = torch.full((2,), t, dtype=torch.float64)
    u_c, u_u = (network(x_t, time, torch.full((2, 1), p, dtype=torch.float64)) for p in (0.5, 0.0))
    torch.testing.assert_close(LINE.velocity(found.x_0, t, found.eps), u_u + gamma * (u_c - u_u))


def test_anagrams_and_hybrids_of_velocities_are_sums_of_velocities():
    """At pure noise too: the velocity of an anagram is the mean of those seen, of a hybrid the sum of its components."""
    network, x_t = Told(), normal(1, 3, 8, 8)
    a, b = (VelocityPredictor(network, LINE, (torch.full((1, 1), p, dtype=torch.float64),)) for p in (0.5, -0.5))

    def u(denoiser, x, t):
        found = denoiser(x, t)
        return LINE.velocity(found.x_0, t, found.eps)

    for t in (0.0, 0.6):
        turned = views.half_turn
        mean = (u(a, x_t, t) + turned.inverse(u(b, turned(x_t), t))) / 2
        torch.testing.assert_close(u(Anagram(((a, views.identity), (b, turned))), x_t, t), mean)
        split = gray_colour()
        expected = split(u(a, x_t, t))[0] + split(u(b, x_t, t))[1]
        torch.testing.assert_close(u(Factorized((a, b), split), x_t, t), expected)


def test_a_network_of_the_data_and_one_of_the_velocity_agree():
    """Two readings of one estimate of x_0."""
    network, x_t, t = Told(), normal(2, 3, 8, 8), 0.3
    by_data = DataPredictor(network, LINE)(x_t, t)
    velocity = LINE.velocity(by_data.x_0, t, by_data.eps)
    by_velocity = VelocityPredictor(lambda x, time: velocity, LINE)(x_t, t)
    torch.testing.assert_close(by_velocity.x_0, by_data.x_0)
    torch.testing.assert_close(by_velocity.eps, by_data.eps)


def test_sdedit_of_a_flow_without_noise_is_euler_from_the_noised_picture():
    """Every level drawn together, joining at its own time, is what Euler's method gives alone."""
    denoiser, originals = VelocityPredictor(Told(), LINE), torch.ones(3, 3, 8, 8)
    times, starts = LINE.times(10), [0.5, 0.0, 0.8]
    noise = Noise([1, 2, 3], (3, 8, 8))
    together = last(sdedit(denoiser, noise, originals, starts, times=times, variance="none")).x_t
    for row, start in enumerate(starts):
        x_t = LINE.noised(originals[:1], start, Noise([row + 1], (3, 8, 8)).draw())
        alone = last(euler(denoiser, NONE, x_T=x_t, times=times[times.index(start) :])).x_t
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-4, atol=1e-5)


def test_inpainting_along_a_flow_keeps_what_is_outside_the_hole():
    """And fills a half that only one picture has with that picture."""
    data, mask = normal(6, 1, 4, 4, seed=9).float(), torch.zeros(4, 4)
    mask[:2] = 1
    denoiser, times = PosteriorMean(data, LINE), LINE.times(40)
    walk = inpaint(denoiser, Noise([7], (1, 4, 4)), data[2:3], mask, times=times, variance="small", repeats=5)
    x_0 = last(walk).x_t
    assert torch.equal(x_0[..., 2:, :], data[2:3][..., 2:, :])
    assert (x_0 - data[2]).abs().max() < 0.1


def test_euler_is_that_of_diffusers():
    """Steps along the line are those of FlowMatchEulerDiscreteScheduler, whose sigma is 1 - t and whose velocity is -u."""
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.FlowMatchEulerDiscreteScheduler()
    theirs.set_timesteps(sigmas=[1 - t for t in LINE.times(8)[:-1]])
    denoiser, x = VelocityPredictor(Told(), LINE), normal(2, 3, 8, 8).float()
    steps = list(euler(denoiser, NONE, x_T=x, times=LINE.times(8)))
    for step, timestep, t in zip(steps, theirs.timesteps, LINE.times(8), strict=False):
        found = denoiser(x, t)
        x = theirs.step(-LINE.velocity(found.x_0, t, found.eps), timestep, x).prev_sample
        torch.testing.assert_close(step.x_t, x, rtol=1e-5, atol=1e-5)


def test_heun_is_that_of_diffusers():
    """Steps along the line are those of FlowMatchHeunDiscreteScheduler, whose last step is Euler's too."""
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.FlowMatchHeunDiscreteScheduler()
    theirs.set_timesteps(6)
    sigmas = [theirs.sigmas[0].item(), *(sigma.item() for sigma in theirs.sigmas[1::2])]
    denoiser, x = VelocityPredictor(Told(), LINE), normal(2, 3, 8, 8).float()
    steps = list(heun(denoiser, NONE, x_T=x, times=[1 - sigma for sigma in sigmas]))
    after = []
    for timestep in theirs.timesteps:
        t = 1 - timestep.item() / 1000
        found = denoiser(x, t)
        x = theirs.step(-LINE.velocity(found.x_0, t, found.eps), timestep, x).prev_sample
        after.append(x)
    ours = [step.x_t for step in steps]
    for mine, their in zip(ours, [*after[1::2], after[-1]], strict=True):
        torch.testing.assert_close(mine, their, rtol=1e-4, atol=1e-4)


def test_dpm_solver_is_that_of_diffusers_along_a_flow():
    """DPM-Solver++(2M) with flow sigmas, from t > 0 on, where its first step is finite."""
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DPMSolverMultistepScheduler(
        use_flow_sigmas=True, prediction_type="flow_prediction", solver_order=2, final_sigmas_type="zero"
    )
    theirs.set_timesteps(12)
    times = [1 - sigma.item() for sigma in theirs.sigmas]
    denoiser, x = VelocityPredictor(Told(), LINE), normal(2, 3, 8, 8)
    steps = list(dpm_solver(denoiser, NONE, x_T=x, times=times))
    for step, timestep, t in zip(steps, theirs.timesteps, times, strict=False):
        found = denoiser(x, t)
        x = theirs.step(-LINE.velocity(found.x_0, t, found.eps), timestep, x).prev_sample
        torch.testing.assert_close(step.x_t, x.double(), rtol=1e-4, atol=1e-4)


def test_dpm_solver_is_that_of_diffusers_along_a_schedule():
    """DPM-Solver++(2M) over the same timesteps of a linear schedule."""
    diffusers = pytest.importorskip("diffusers")
    betas = (1 - LINEAR.alpha_bars[1:] / LINEAR.alpha_bars[:-1]).numpy()
    theirs = diffusers.DPMSolverMultistepScheduler(
        300, trained_betas=betas, solver_order=2, final_sigmas_type="zero", timestep_spacing="trailing"
    )
    theirs.set_timesteps(12)
    times = [int(timestep) + 1 for timestep in theirs.timesteps] + [0]
    denoiser, x = NoisePredictor(Told(), LINEAR), normal(2, 3, 8, 8)
    steps = list(dpm_solver(denoiser, NONE, x_T=x, times=times))
    for step, timestep, t in zip(steps, theirs.timesteps, times, strict=False):
        x = theirs.step(denoiser(x, t).eps, timestep, x).prev_sample
        torch.testing.assert_close(step.x_t, x.double(), rtol=1e-3, atol=1e-3)


def test_denoisers_of_different_processes_are_refused():
    """A flow beside a schedule would be asked at times that mean something else to each."""
    flow, schedule = gaussian(LINE), gaussian(LINEAR)
    for made in (
        lambda: Guided(flow, schedule, 2.0),
        lambda: Anagram(((flow, views.identity), (schedule, views.flip))),
        lambda: Factorized((flow, schedule), gray_colour()),
    ):
        with pytest.raises(ValueError, match="denoisers of different processes; read all of them as flows"):
            made()


def test_a_start_for_each_picture():
    """Fewer starts than pictures are refused."""
    with pytest.raises(ValueError, match="1 starts for 2 pictures; give one for each"):
        next(sdedit(gaussian(), NONE, torch.zeros(2, 1), [0.5], times=[0.5, 1.0]))


def test_what_a_network_raises_reaches_whoever_asked():
    """A prediction that has opened something is told, and closes it."""
    closed = []

    class Opening(NoisePredictor):
        def predict(self, x_t, t):
            try:
                return (yield from super().predict(x_t, t))
            finally:
                closed.append(True)

    def broken(x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        Opening(broken, LINEAR)(normal(1, 1, 2, 2), 5)
    assert closed
