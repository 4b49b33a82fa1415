"""A network that grows goes on where it was."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import avg_pool2d, interpolate

from darkroom.diffusion.cascade import Shape, make_unet
from darkroom.diffusion.growth import grown
from darkroom.diffusion.train import seeded

pytest.importorskip("diffusers")
SHAPE = Shape((16, 32), attention=1, head=16, text=32)


@pytest.fixture
def small() -> torch.nn.Module:
    return seeded(lambda: make_unet(SHAPE, 8), 1).eval()


def condition(count: int) -> dict[str, torch.Tensor]:
    words = torch.randn(count, 77, 32, generator=torch.Generator().manual_seed(2))
    return {"timestep": torch.tensor([10, 500, 980])[:count], "encoder_hidden_states": words}


@torch.no_grad()
def test_a_grown_network_says_of_pictures_what_the_small_one_says_of_their_averages(small):
    """Exactly, where the first and the last convolution look at one pixel: all else is passed on as it is."""
    for convolution in (small.conv_in, small.conv_out):
        middle = convolution.weight[:, :, 1, 1].clone()
        convolution.weight.zero_()
        convolution.weight[:, :, 1, 1] = middle
    x = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    larger = grown(small, x).eval()
    expected = interpolate(small(avg_pool2d(x, 2), **condition(3)).sample, scale_factor=2, mode="nearest")
    assert larger.config.sample_size == 16 and larger.config.block_out_channels == (16, 16, 32)
    close = 1e-5  # less than the eps of a norm would make, were the scale another
    assert torch.allclose(larger(x, **condition(3)).sample, expected, atol=close)


@torch.no_grad()
def test_with_all_its_pixels_the_first_convolution_is_as_near_as_it_can_be(small):
    """No small change of the fitted weights comes nearer to what the small network sees."""
    x = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    larger = grown(small, x)
    asked = small.conv_in(avg_pool2d(x, 2))

    def error() -> float:
        return float((avg_pool2d(larger.conv_in(x), 2) / 2 - asked).square().mean())

    least = error()
    for place in ((0, 0, 0, 0), (5, 1, 1, 1), (15, 2, 2, 0)):
        for change in (0.01, -0.01):
            larger.conv_in.weight[place] += change
            assert error() > least
            larger.conv_in.weight[place] -= change
    assert least < 0.6 * float(asked.var())


def test_every_new_weight_can_learn(small):
    """What is silent at first is not dead: after one step all the gradients of the new level differ from zero."""
    x = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(5))
    larger = grown(small, x)
    optimizer = torch.optim.SGD(larger.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        larger(x, **condition(3)).sample.square().mean().backward()
        optimizer.step()
    new = [*larger.down_blocks[0].named_parameters(), *larger.up_blocks[-1].named_parameters()]
    assert all(parameter.grad is not None and parameter.grad.abs().max() > 0 for _, parameter in new)
