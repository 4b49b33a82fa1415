"""Denoisers around denoisers: anagrams, hybrids, and how they nest. Guidance itself is in test_sample.py."""

import pytest
import torch

from darkroom.diffusion import filters, schedules, views
from darkroom.diffusion.denoise import (
    Denoiser,
    LearnedRangePredictor,
    NoisePredictor,
    Prediction,
    Refitted,
    Thresholded,
)
from darkroom.diffusion.guidance import Anagram, Beside, Factorized, Guided
from darkroom.diffusion.sample import Noise, ddim

SCHEDULE = schedules.linear(100)


class Prompted:
    """A network with an opinion on every pixel and prompt; counts its batches."""

    def __init__(self, channels: int = 3) -> None:
        self.batches: list[int] = []
        self.opinion = torch.randn(channels, 16, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def __call__(self, x: torch.Tensor, time: torch.Tensor, prompt: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(x))
        doubled = x if x.shape[1] == len(self.opinion) else torch.cat([x, x.tanh()], 1)
        return doubled * prompt[:, :, None, None] + self.opinion


def noisy(batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 3, 16, 16, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def asked(network: Prompted, prompt: float, learned: bool = False) -> Denoiser:
    kind = LearnedRangePredictor if learned else NoisePredictor
    return kind(network, SCHEDULE, (torch.tensor([[prompt]], dtype=torch.float64),))


def same(a: Prediction, b: Prediction) -> None:
    torch.testing.assert_close(a.eps, b.eps)
    torch.testing.assert_close(a.x_0, b.x_0)
    assert (a.v is None) == (b.v is None)
    if a.v is not None:
        torch.testing.assert_close(a.v, b.v)


def test_an_anagram_is_the_course_s_formula():
    """eps = (eps_1 + flip(eps_2(flip(x_t)))) / 2, and x_0 is what follows from it."""
    network, x_t = Prompted(), noisy()
    first, second = asked(network, 0.3), asked(network, 0.7)
    eps = (first(x_t, 40).eps + second(x_t.flip(-2), 40).eps.flip(-2)) / 2
    same(
        Anagram(((first, views.identity), (second, views.flip)))(x_t, 40), Prediction(eps, SCHEDULE.clean(x_t, 40, eps))
    )


def test_an_anagram_of_one_denoiser_that_minds_no_view_is_that_denoiser():
    """Where the network treats all pixels alike, any views and weights change nothing."""
    network, x_t = Prompted(), noisy()
    network.opinion = torch.zeros(3, 1, 1, dtype=torch.float64)
    one = asked(network, 0.4)
    every = (views.identity, views.half_turn, views.negative, views.jigsaw(1), views.pixels(2))
    same(Anagram(tuple((one, view) for view in every), (0.1, 0.2, 0.3, 0.15, 0.25))(x_t, 40), one(x_t, 40))


def test_a_negative_view_does_not_negate_variance():
    """The noise of a negative changes sign on its way back; v does not, and is moved as pixels are."""
    network, x_t = Prompted(channels=6), noisy()
    one = asked(network, 0.4, learned=True)
    seen = one(-x_t.flip(-2), 40)
    prediction = Anagram(((one, views.compose(views.flip, views.negative)),))(x_t, 40)
    torch.testing.assert_close(prediction.eps, -seen.eps.flip(-2))
    torch.testing.assert_close(prediction.v, seen.v.flip(-2))


def test_all_views_prompts_and_branches_are_one_batch():
    """An anagram of guided denoisers runs the network once a step, on every view and both branches together."""
    network = Prompted()
    null = asked(network, 0.0)
    parts = tuple(
        (Guided(asked(network, p), null, 7.0), view) for p, view in [(0.3, views.identity), (0.7, views.flip)]
    )
    Anagram(parts)(noisy(), 40)
    assert network.batches == [8]


def test_weights_favour_a_view():
    """With all weight on one view the other is not heard."""
    network, x_t = Prompted(), noisy()
    first, second = asked(network, 0.3), asked(network, 0.7)
    same(Anagram(((first, views.identity), (second, views.flip)), (1.0, 0.0))(x_t, 40), first(x_t, 40))


@pytest.mark.parametrize("weights", [(0.5, 0.4), (1.0,), (0.5, 0.25, 0.25)])
def test_weights_that_are_no_mean_are_refused(weights):
    """Weights must be one a view and sum to 1, else noise would grow or shrink."""
    one = asked(Prompted(), 0.4)
    with pytest.raises(ValueError, match="give one a view, summing to 1"):
        Anagram(((one, views.identity), (one, views.flip)), weights)


def blurred(sigma):
    return lambda images: filters.gaussian_blur(images, sigma, 33)


THREE_BANDS = filters.Split(("low", "middle", "high"), (blurred(2.0), lambda x: blurred(1.0)(x) - blurred(2.0)(x)))
SPLITS = {
    "low and high": filters.low_high(),
    "three bands": THREE_BANDS,
    "gray and colour": filters.gray_colour(),
    "motion and residual": filters.motion_residual(5),
}


@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
def test_components_sum_to_the_picture(split):
    """A split loses nothing, gives one component a name, and is linear."""
    x, y = noisy(), noisy().flip(0)
    assert len(split(x)) == len(split.names)
    torch.testing.assert_close(sum(split(x)), x)
    for of_sum, of_x, of_y in zip(split(2 * x - y), split(x), split(y), strict=True):
        torch.testing.assert_close(of_sum, 2 * of_x - of_y)


@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
def test_a_hybrid_of_one_denoiser_is_that_denoiser(split):
    """Components of the same prediction put it together again."""
    one, x_t = asked(Prompted(channels=6), 0.4, learned=True), noisy()
    same(Factorized((one,) * len(split.names), split)(x_t, 40), one(x_t, 40))


def test_a_hybrid_is_the_course_s_formula():
    """eps = lowpass(eps_1) + highpass(eps_2), with a Gaussian of 33 pixels and sigma 2, edges mirrored."""
    network, x_t = Prompted(), noisy()
    network.opinion = torch.randn(3, 40, 40, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    x_t = torch.nn.functional.pad(x_t, (12, 12, 12, 12))
    far, near = asked(network, 0.3), asked(network, 0.7)
    kernel = torch.exp(-torch.arange(-16, 17, dtype=torch.float64).square() / 8)
    kernel = torch.outer(kernel, kernel)[None, None] / kernel.sum() ** 2

    def lowpass(x: torch.Tensor) -> torch.Tensor:
        mirrored = torch.nn.functional.pad(x, (16,) * 4, mode="reflect")
        return torch.nn.functional.conv2d(mirrored, kernel.expand(3, 1, 33, 33), groups=3)

    eps_1, eps_2 = far(x_t, 40).eps, near(x_t, 40).eps
    torch.testing.assert_close(
        Factorized((far, near), filters.low_high())(x_t, 40).eps, lowpass(eps_1) + eps_2 - lowpass(eps_2)
    )


def test_a_hybrid_needs_one_denoiser_for_each_component():
    """Their number and the components are named."""
    one = asked(Prompted(), 0.4)
    with pytest.raises(ValueError, match="2 denoisers for the components low, middle, high"):
        Factorized((one, one), THREE_BANDS)


def test_denoisers_nest_freely():
    """A hybrid of an anagram and a guided denoiser is that formula, in one batch."""
    network, x_t = Prompted(), noisy(1)
    a, b, null = asked(network, 0.2), asked(network, 0.5), asked(network, 0.0)
    anagram, guided = Anagram(((a, views.identity), (b, views.half_turn))), Guided(b, null, 3.0)
    low, high = filters.gray_colour()(anagram(x_t, 40).eps)[0], filters.gray_colour()(guided(x_t, 40).eps)[1]
    network.batches.clear()
    prediction = Factorized((anagram, guided), filters.gray_colour())(x_t, 40)
    torch.testing.assert_close(prediction.eps, low + high)
    assert network.batches == [4]


def test_guidance_takes_the_variance_of_the_conditional_branch():
    """v is not extrapolated."""
    network, x_t = Prompted(channels=6), noisy()
    conditional, null = asked(network, 0.4, learned=True), asked(network, 0.0, learned=True)
    torch.testing.assert_close(Guided(conditional, null, 7.0)(x_t, 40).v, conditional(x_t, 40).v)


def test_rows_of_a_nest_are_its_prediction_s_rows():
    """Choosing samples of the batch reaches every condition within, whether of one row or of many."""
    network, x_t = Prompted(), noisy(3)
    prompts = torch.tensor([[0.1], [0.2], [0.3]], dtype=torch.float64)
    many = NoisePredictor(network, SCHEDULE, (prompts,))
    guided = Guided(many, asked(network, 0.0), 2.0)
    nest = Thresholded(Factorized((guided, Anagram(((many, views.flip),))), filters.gray_colour()))
    whole = nest(x_t, 40)
    part = nest.rows([2, 0])(x_t[[2, 0]], 40)
    same(part, Prediction(whole.eps[[2, 0]], whole.x_0[[2, 0]]))


def nests(network: Prompted, learned: bool) -> tuple[Denoiser, ...]:
    """An anagram, guidance, and a network alone."""
    one, other = (asked(network, prompt, learned) for prompt in (0.3, 0.7))
    return Anagram(((one, views.identity), (other, views.flip))), Guided(one, other, 3.0), other


@pytest.mark.parametrize("learned", [False, True])
def test_denoisers_beside_each_other_are_what_each_is_alone(learned):
    """Each of its own rows, all of them asked at once; also of some of the rows, in any order."""
    network, x_t = Prompted(6 if learned else 3), noisy(6)
    parts = tuple(zip(nests(network, learned), (1, 3, 2), strict=True))
    beside = Beside(parts)
    alone = [denoiser(rows, 40) for (denoiser, _), rows in zip(parts, x_t.split([1, 3, 2]), strict=True)]
    network.batches.clear()
    together = beside(x_t, 40)
    assert network.batches == [2 * 1 + 2 * 3 + 2]
    expected = [torch.cat([getattr(each, name) for each in alone]) for name in ("eps", "x_0")]
    v = torch.cat([each.v for each in alone]) if learned else None
    same(together, Prediction(*expected, v))
    order = [5, 0, 2, 3, 4]
    some = beside.rows(order)(x_t[order], 40)
    same(some, Prediction(expected[0][order], expected[1][order], None if v is None else v[order]))


def test_denoisers_beside_each_other_fit_their_batch():
    network = Prompted()
    with pytest.raises(ValueError, match=r"5 rows for denoisers of 1 \+ 3"):
        Beside(((asked(network, 0.3), 1), (asked(network, 0.7), 3)))(noisy(5), 40)
    with pytest.raises(ValueError, match="no denoisers; give one or more"):
        Beside(())


def test_thresholding_is_that_of_diffusers():
    """Estimates are brought into [-1, 1] as by DDPMScheduler with the same quantile and limit."""
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDPMScheduler(thresholding=True, dynamic_thresholding_ratio=0.9, sample_max_value=1.7)
    one, x_t = asked(Prompted(), 0.4), noisy() * torch.tensor([0.1, 1.5], dtype=torch.float64)[:, None, None, None]
    inner = one(x_t, 90)
    ours = Thresholded(one, 0.9, 1.7)(x_t, 90)
    torch.testing.assert_close(ours.x_0, theirs._threshold_sample(inner.x_0))
    torch.testing.assert_close(ours.eps, inner.eps)
    assert ours.x_0.abs().max() <= 1 < inner.x_0.abs().max()


def test_a_refitted_thresholded_step_is_that_of_diffusers():
    """DDIM with dynamic thresholding goes on as DDIMScheduler does with ``use_clipped_model_output``."""
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDIMScheduler(
        SCHEDULE.T,
        trained_betas=(1 - SCHEDULE.alpha_bars[1:] / SCHEDULE.alpha_bars[:-1]).numpy(),
        thresholding=True,
        dynamic_thresholding_ratio=0.9,
        sample_max_value=1.7,
    )
    theirs.set_timesteps(SCHEDULE.T // 10)
    one, x_t, t = asked(Prompted(), 0.4), noisy(), 91
    expected = theirs.step(one(x_t, t).eps, t - 1, x_t, use_clipped_model_output=True)
    clipped = Thresholded(one, 0.9, 1.7)
    step = next(ddim(Refitted(clipped), Noise([0], (1,)), x_T=x_t, times=(t, t - 10)))
    torch.testing.assert_close(step.x_0, expected.pred_original_sample, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(step.x_t, expected.prev_sample, rtol=1e-4, atol=1e-5)
    plain = next(ddim(clipped, Noise([0], (1,)), x_T=x_t, times=(t, t - 10)))
    assert (plain.x_t - step.x_t).abs().max() > 0.01
