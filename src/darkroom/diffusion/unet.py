"""The course's U-Nets for 1 x 28 x 28 digits, operation by operation, and their building blocks.

    a = ConvBlock(1, D)           28 x 28
    b = DownBlock(D, D)           14 x 14
    c = DownBlock(D, 2D)           7 x 7
    u = Unflatten(Flatten(c))      7 x 7        u <- c1 * u + t1
    v = UpBlock(4D, D)(u | c)     14 x 14       v <- c2 * v + t2
    w = UpBlock(2D, D)(v | b)     28 x 28
    y = Conv2d(ConvBlock(2D, D)(w | a))

where ``|`` joins channels. The unconditional network has no t1, t2, c1, c2; the time-conditioned one has the
shifts (or, for flow matching, t1 and t2 as factors); the class-conditioned one has both.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

CLASSES = 10


class Conv(nn.Sequential):
    """3 x 3 convolution that keeps the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, 3, 1, 1), nn.BatchNorm2d(outputs), nn.GELU())


class DownConv(nn.Sequential):
    """3 x 3 convolution that halves the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, 3, 2, 1), nn.BatchNorm2d(outputs), nn.GELU())


class UpConv(nn.Sequential):
    """4 x 4 transposed convolution that doubles the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.BatchNorm2d(outputs), nn.GELU())


class Flatten(nn.Sequential):
    """7 x 7 to 1 x 1, by the mean."""

    def __init__(self) -> None:
        super().__init__(nn.AvgPool2d(7), nn.GELU())


class Unflatten(nn.Sequential):
    """1 x 1 to 7 x 7."""

    def __init__(self, channels: int) -> None:
        super().__init__(nn.ConvTranspose2d(channels, channels, 7, 7, 0), nn.BatchNorm2d(channels), nn.GELU())


class ConvBlock(nn.Sequential):
    """Two convolutions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(Conv(inputs, outputs), Conv(outputs, outputs))


class DownBlock(nn.Sequential):
    """Halve the size, then two convolutions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(DownConv(inputs, outputs), ConvBlock(outputs, outputs))


class UpBlock(nn.Sequential):
    """Double the size, then two convolutions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(UpConv(inputs, outputs), ConvBlock(outputs, outputs))


class FCBlock(nn.Sequential):
    """Two linear layers; a conditioning vector becomes one value a channel."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Linear(inputs, outputs), nn.GELU(), nn.Linear(outputs, outputs))

    def forward(self, condition: Tensor) -> Tensor:
        """(B, inputs) to (B, outputs, 1, 1)."""
        return super().forward(condition)[:, :, None, None]


class UNet(nn.Module):
    """The unconditional network: (B, 1, 28, 28) to the same shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        D = width
        self.a = ConvBlock(1, D)
        self.b = DownBlock(D, D)
        self.c = DownBlock(D, 2 * D)
        self.flatten = Flatten()
        self.unflatten = Unflatten(2 * D)
        self.v = UpBlock(4 * D, D)
        self.w = UpBlock(2 * D, D)
        self.y = ConvBlock(2 * D, D)
        self.out = nn.Conv2d(D, 1, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The network's output for images *x*."""
        return self.decode(x)

    def decode(
        self,
        x: Tensor,
        scales: tuple[Tensor, Tensor] | None = None,
        shifts: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """The output for *x* with u and v scaled and shifted, channel by channel, where that is asked for."""
        a = self.a(x)
        b = self.b(a)
        c = self.c(b)
        u = _modulated(self.unflatten(self.flatten(c)), scales and scales[0], shifts and shifts[0])
        v = _modulated(self.v(torch.cat([u, c], 1)), scales and scales[1], shifts and shifts[1])
        w = self.w(torch.cat([v, b], 1))
        return self.out(self.y(torch.cat([w, a], 1)))


class TimeUNet(UNet):
    """The time-conditioned network."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.t1: nn.Module = FCBlock(1, 2 * width)
        self.t2: nn.Module = FCBlock(1, width)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:  # type: ignore[override]
        """The output for *x* at *time* = t / T, shape (B,), in [0, 1]."""
        time = time[:, None]
        return self.decode(x, shifts=(self.t1(time), self.t2(time)))


class TimeScaledUNet(TimeUNet):
    """The time-conditioned network of the course's flow matching: u <- t1 * u and v <- t2 * v, with t as it is."""

    def forward(self, x: Tensor, time: Tensor) -> Tensor:  # type: ignore[override]
        """The output for *x* at *time* t, shape (B,), in [0, 1]."""
        time = time[:, None]
        return self.decode(x, scales=(self.t1(time), self.t2(time)))


class ClassUNet(TimeUNet):
    """The class-conditioned network."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.c1 = FCBlock(CLASSES, 2 * width)
        self.c2 = FCBlock(CLASSES, width)

    def forward(self, x: Tensor, time: Tensor, condition: Tensor) -> Tensor:  # type: ignore[override]
        """The output for *x* at *time* given *condition*, (B, 10): a one-hot digit, or zeros for no digit."""
        time = time[:, None]
        scales = self.c1(condition), self.c2(condition)
        return self.decode(x, scales, shifts=(self.t1(time), self.t2(time)))


class Sinusoids(nn.Module):
    """A time in [0, 1] as sines and cosines of 1000 t at falling frequencies (Vaswani et al. 2017, section 3.5).

    Args:
        features: how many of them, an even number.
    """

    frequencies: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        half = features // 2
        self.register_buffer("frequencies", 1000 * 10_000 ** (-torch.arange(half) / half), persistent=False)

    def forward(self, time: Tensor) -> Tensor:
        """(B, 1) to (B, features)."""
        angles = time.float() * self.frequencies
        return torch.cat([angles.sin(), angles.cos()], 1)


class ResidualBlock(ConvBlock):
    """Two convolutions whose output is added to the input, taken to their width by a 1 x 1 convolution where it differs."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The same size, other channels."""
        return self[1](self[0](x)) + self.skip(x)


class ResidualTimeUNet(TimeScaledUNet):
    """The time-conditioned network with a finer encoding of time, residual blocks, or both.

    Args:
        width: D.
        sinusoids: how many features encode a time; 0 for the number alone, as in the course.
        residual: whether blocks of two convolutions add their input to their output.
    """

    def __init__(self, width: int, *, sinusoids: int = 0, residual: bool = False) -> None:
        super().__init__(width)
        if sinusoids:
            self.t1 = nn.Sequential(Sinusoids(sinusoids), FCBlock(sinusoids, 2 * width))
            self.t2 = nn.Sequential(Sinusoids(sinusoids), FCBlock(sinusoids, width))
        if residual:
            self.a = ResidualBlock(1, width)
            self.b[1], self.c[1] = ResidualBlock(width, width), ResidualBlock(2 * width, 2 * width)
            self.v[1], self.w[1] = ResidualBlock(width, width), ResidualBlock(width, width)
            self.y = ResidualBlock(2 * width, width)


def for_inference(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode with every batch norm folded into the convolution before it: same outputs, less work."""
    network = copy.deepcopy(network).eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.Sequential) and len(module) == 3 and isinstance(module[1], nn.BatchNorm2d):
            transposed = isinstance(module[0], nn.ConvTranspose2d)
            module[0] = fuse_conv_bn_eval(module[0], module[1], transpose=transposed)  # type: ignore[type-var]
            module[1] = nn.Identity()
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def parameter_count(network: nn.Module) -> int:
    """How many trainable numbers *network* has."""
    return sum(parameter.numel() for parameter in network.parameters())


def _modulated(x: Tensor, scale: Tensor | None, shift: Tensor | None) -> Tensor:
    x = x if scale is None else scale * x
    return x if shift is None else x + shift
