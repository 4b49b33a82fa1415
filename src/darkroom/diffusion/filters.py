"""Linear filters on images, and splits of images into components that sum to them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

Filter = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Split:
    """Images as a sum of components, each a linear function of them; the last is what the others leave.

    Args:
        names: of the components, in their order.
        filters: all but the last.
    """

    names: tuple[str, ...]
    filters: tuple[Filter, ...]

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """The components of *images*, (B, C, H, W), each of that shape."""
        components = [apply(images) for apply in self.filters]
        return (*components, images - torch.stack(components).sum(0))


def low_high(sigma: float = 2.0, kernel: int = 33) -> Split:
    """Low frequencies, by a Gaussian of *sigma* pixels, and high ones: visible from far away and from close up."""
    return Split(("low", "high"), (lambda images: gaussian_blur(images, sigma, kernel),))


def gray_colour() -> Split:
    """The mean of the channels, in each of them, and the colour that is left."""
    return Split(("gray", "colour"), (lambda images: images.mean(1, keepdim=True).expand_as(images),))


def motion_residual(length: int = 9) -> Split:
    """What a camera swept over *length* pixels, from left to right, would see, and what it would miss."""

    def swept(images: Tensor) -> Tensor:
        kernel = images.new_full((images.shape[1], 1, 1, length), 1 / length)
        room = (length - 1) // 2, length // 2
        return conv2d(pad(images, (*room, 0, 0), mode="reflect"), kernel, groups=images.shape[1])

    return Split(("motion", "residual"), (swept,))


def gaussian_blur(images: Tensor, sigma: float, kernel: int | None = None) -> Tensor:
    """Images (B, C, H, W) convolved with a Gaussian of *sigma* pixels, edges mirrored.

    Args:
        sigma: 0 gives the images back.
        kernel: how many pixels wide, an odd number; by default it is cut off at 4 sigma.
    """
    if sigma == 0:
        return images
    wanted = math.ceil(4 * sigma) if kernel is None else kernel // 2
    radius = min(wanted, min(images.shape[-2:]) - 1)
    offsets = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    weights = torch.exp(-offsets.square() / (2 * sigma**2))
    weights = (weights / weights.sum()).expand(images.shape[1], 1, 1, -1)
    mirrored = pad(images, (radius,) * 4, mode="reflect")
    rows = conv2d(mirrored, weights, groups=images.shape[1])
    return conv2d(rows, weights.transpose(2, 3), groups=images.shape[1])
