"""Agreement with a prompt: positive where a condition explains a picture, and what the formula says it is."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from darkroom.diffusion import schedules  # noqa: E402
from darkroom.diffusion.agreement import agreement  # noqa: E402
from darkroom.diffusion.denoise import GaussianDenoiser  # noqa: E402
from darkroom.diffusion.sample import Noise  # noqa: E402

SCHEDULE = schedules.linear(100, 1e-4, 0.02)
TIMES = (10, 40, 80)


def known(mean: float, std: float) -> GaussianDenoiser:
    """The exact denoiser of pictures around *mean*."""
    return GaussianDenoiser(torch.tensor(mean), std, SCHEDULE)


def measured(picture: float) -> float:
    """How well a picture of that brightness agrees with "bright", beside anything at all."""
    pictures = torch.full((1, 3, 8, 8), picture)
    return float(agreement(known(0.8, 0.1), known(0.0, 0.6), pictures, Noise([3], (3, 8, 8)), TIMES))


def test_a_condition_that_fits_explains_the_noise():
    """A bright picture agrees with "bright"; a dark one agrees less than with nothing."""
    assert measured(0.8) > 0 > measured(-0.8)
    assert measured(0.8) > measured(0.4)


def test_the_same_denoiser_twice_explains_nothing():
    """Without a difference there is no agreement, exactly."""
    pictures = torch.rand(2, 3, 8, 8)
    same = known(0.2, 0.5)
    assert agreement(same, same, pictures, Noise([1, 2], (3, 8, 8)), TIMES).tolist() == [0.0, 0.0]


def test_a_picture_s_agreement_is_its_own_whatever_the_batch():
    """Each picture has its own noise, so that the others change nothing."""
    pictures = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    pair = known(0.8, 0.1), known(0.0, 0.6)
    together = agreement(*pair, pictures, Noise([1, 2, 3], (3, 8, 8)), TIMES)
    alone = agreement(*pair, pictures[1:2], Noise([2], (3, 8, 8)), TIMES)
    torch.testing.assert_close(together[1:2], alone)
