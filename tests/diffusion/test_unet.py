import pytest
import torch
from torch import nn

from darkroom.diffusion.unet import (
    ClassUNet,
    ResidualBlock,
    ResidualTimeUNet,
    Sinusoids,
    TimeScaledUNet,
    TimeUNet,
    UNet,
    for_inference,
    parameter_count,
)


@pytest.mark.parametrize(
    ("network", "width", "count"),
    [
        (UNet, 64, 1_975_361),
        (TimeUNet, 64, 1_996_417),
        (TimeScaledUNet, 64, 1_996_417),
        (ClassUNet, 64, 2_019_201),
        (UNet, 128, 7_891_073),
        (TimeUNet, 128, 7_974_145),
        (ClassUNet, 128, 8_060_673),
    ],
)
def test_parameter_counts_are_the_course_s(network, width, count):
    """Each network has exactly as many parameters as its specification."""
    assert parameter_count(network(width)) == count


def lived_in(network: nn.Module) -> nn.Module:
    """*network* with batch norms that are not as they were made."""
    generator = torch.Generator().manual_seed(3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            nn.init.uniform_(module.weight, 0.5, 2, generator=generator)
    return network.eval()


def inputs(batch: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    return (
        torch.randn(batch, 1, 28, 28, generator=generator),
        torch.rand(batch, generator=generator),
        torch.eye(10)[:batch],
    )


def test_folding_batch_norms_changes_nothing():
    """The network for inference gives the outputs of the network that it was made from, and leaves that as it was."""
    network = lived_in(ClassUNet(8))
    folded = for_inference(network)
    torch.testing.assert_close(folded(*inputs()), network(*inputs()), atol=1e-5, rtol=1e-5)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def test_time_multiplies_in_the_flow_s_network():
    """u becomes t1 * u and v becomes t2 * v, with t as it is given."""
    network = lived_in(TimeScaledUNet(8))
    x, time, _ = inputs()
    scales = network.t1(time[:, None]), network.t2(time[:, None])
    torch.testing.assert_close(network(x, time), network.decode(x, scales=scales))
    assert not torch.allclose(network(x, time), network.decode(x, shifts=scales))


def test_without_changes_the_residual_network_is_the_course_s():
    """The same names and shapes: the weights of the one fit the other, and give the same output."""
    course, plain = lived_in(TimeScaledUNet(8)), lived_in(ResidualTimeUNet(8))
    plain.load_state_dict(course.state_dict())
    x, time, _ = inputs()
    torch.testing.assert_close(plain(x, time), course(x, time))


def test_a_residual_block_adds_its_input():
    """With convolutions that give nothing, a block of equal widths is the identity, and another a linear map."""
    x = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(1))
    for outputs in (4, 6):
        block = ResidualBlock(4, outputs).eval()
        nn.init.zeros_(block[1][1].weight)
        expected = x if outputs == 4 else block.skip(x)
        torch.testing.assert_close(block(x), expected)


def test_residual_networks_are_folded_too():
    """For inference their batch norms go into the convolutions, and the skips stay."""
    network = lived_in(ResidualTimeUNet(8, sinusoids=6, residual=True))
    x, time, _ = inputs()
    torch.testing.assert_close(for_inference(network)(x, time), network(x, time), atol=1e-5, rtol=1e-5)


def test_sinusoids_tell_times_apart():
    """Sines and cosines of 1000 t, the fastest first; no two of a thousand times look alike."""
    features = Sinusoids(8)(torch.linspace(0, 1, 1000)[:, None])
    torch.testing.assert_close(features[:, 0], torch.linspace(0, 1000, 1000).sin(), atol=1e-3, rtol=0)
    apart = torch.cdist(features, features) + 10 * torch.eye(1000)
    assert apart.min() > 1e-3


def test_conditions_enter_as_the_course_says():
    """u becomes c1 * u + t1 and v becomes c2 * v + t2: seen from outside, by replacing the four blocks."""
    network = lived_in(ClassUNet(8))
    x, time, digit = inputs()
    scales = torch.rand(3, 16, 1, 1), torch.rand(3, 8, 1, 1)
    shifts = torch.rand(3, 16, 1, 1), torch.rand(3, 8, 1, 1)
    expected = network.decode(x, scales, shifts)
    for name, value in zip(("c1", "c2", "t1", "t2"), (*scales, *shifts), strict=True):
        setattr(network, name, Constant(value))
    torch.testing.assert_close(network(x, time, digit), expected)
    a = network.a(x)
    b = network.b(a)
    c = network.c(b)
    u = scales[0] * network.unflatten(network.flatten(c)) + shifts[0]
    v = scales[1] * network.v(torch.cat([u, c], 1)) + shifts[1]
    w = network.w(torch.cat([v, b], 1))
    torch.testing.assert_close(network.out(network.y(torch.cat([w, a], 1))), expected)


class Constant(nn.Module):
    """A block that gives the same value whatever it is asked."""

    def __init__(self, value: torch.Tensor) -> None:
        super().__init__()
        self.value = value

    def forward(self, condition: torch.Tensor) -> torch.Tensor:
        return self.value


def test_samples_of_a_batch_do_not_touch_each_other():
    """In evaluation mode an image's output is the same alone and in company."""
    network = lived_in(TimeUNet(8))
    x, time, _ = inputs()
    torch.testing.assert_close(network(x, time)[1:2], network(x[1:2], time[1:2]), atol=1e-5, rtol=1e-5)
