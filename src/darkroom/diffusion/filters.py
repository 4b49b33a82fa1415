"""Linear filters on images."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """Images (B, C, H, W) convolved with a Gaussian of *sigma* pixels, cut off at 4 sigma, edges mirrored.

    ``sigma = 0`` gives the images back.
    """
    if sigma == 0:
        return images
    radius = min(math.ceil(4 * sigma), min(images.shape[-2:]) - 1)
    offsets = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-offsets.square() / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, 1, -1)
    mirrored = pad(images, (radius,) * 4, mode="reflect")
    rows = conv2d(mirrored, kernel, groups=images.shape[1])
    return conv2d(rows, kernel.transpose(2, 3), groups=images.shape[1])
