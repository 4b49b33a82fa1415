import pytest
import torch
from torch import nn

from darkroom.diffusion.unet import ClassUNet, TimeUNet, UNet, for_inference, parameter_count


@pytest.mark.parametrize(
    ("network", "width", "count"),
    [
        (UNet, 64, 1_975_361),
        (TimeUNet, 64, 1_996_417),
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
