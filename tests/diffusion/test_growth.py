"""A network that grows, or becomes a stage II, goes on where it was."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import avg_pool2d, interpolate

from darkroom.diffusion.cascade import Shape, make_unet
from darkroom.diffusion.growth import conditioned, grown
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
    """Everywhere, the edges included, whatever the noise."""
    x = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    larger = grown(small).eval()
    expected = interpolate(small(avg_pool2d(x, 2), **condition(3)).sample, scale_factor=2, mode="nearest")
    assert larger.config.sample_size == 16 and larger.config.block_out_channels == (16, 16, 32)
    close = 1e-5  # less than the eps of a norm would make, were the scale another
    assert torch.allclose(larger(x, **condition(3)).sample, expected, atol=close)


def test_every_new_weight_can_learn(small):
    """What is silent at first is not dead: after one step all the gradients of the new level differ from zero."""
    x = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(5))
    larger = grown(small)
    optimizer = torch.optim.SGD(larger.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        larger(x, **condition(3)).sample.square().mean().backward()
        optimizer.step()
    new = [*larger.down_blocks[0].named_parameters(), *larger.up_blocks[-1].named_parameters()]
    assert all(parameter.grad is not None and parameter.grad.abs().max() > 0 for _, parameter in new)


@torch.no_grad()
def test_a_conditioned_network_says_at_first_what_stage_one_says(small):
    """To the bit, at another side than stage I's, whatever the picture that it is given."""
    generator = torch.Generator().manual_seed(7)
    x, given = torch.randn(2, 3, 3, 16, 16, generator=generator)
    second = conditioned(small, 16).eval()
    said = second(torch.cat([x, given], 1), class_labels=torch.tensor([0, 250, 499]), **condition(3)).sample
    assert second.config.sample_size == 16 and second.config.in_channels == 6
    assert torch.equal(said, small(x, **condition(3)).sample)


def test_a_conditioned_network_learns_to_use_what_it_is_given(small):
    """The picture's channels and both layers of its level: after a step all their gradients differ from zero."""
    x = torch.randn(3, 6, 16, 16, generator=torch.Generator().manual_seed(8))
    second = conditioned(small, 16)
    optimizer = torch.optim.SGD(second.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        second(x, class_labels=torch.tensor([0, 250, 499]), **condition(3)).sample.square().mean().backward()
        optimizer.step()
    new = [second.conv_in.weight, *second.class_embedding.parameters()]
    assert all(parameter.grad is not None and parameter.grad.abs().max() > 0 for parameter in new)
    assert second.conv_in.weight.grad[:, 3:].abs().max() > 0
