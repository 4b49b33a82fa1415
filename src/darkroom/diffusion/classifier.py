"""A small convolutional classifier of digits, which judges samples of the diffusion models."""

from __future__ import annotations

from torch import Tensor, nn

from darkroom.diffusion.unet import CLASSES, Conv


class Classifier(nn.Module):
    """(B, 1, 28, 28) in [0, 1] to logits (B, 10), by way of 64 features.

    Args:
        width: channels at 28 x 28; twice as many at 14 x 14 and at 7 x 7.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.body = nn.Sequential(
            Conv(1, width),
            Conv(width, width),
            nn.MaxPool2d(2),
            Conv(width, 2 * width),
            Conv(2 * width, 2 * width),
            nn.MaxPool2d(2),
            Conv(2 * width, 2 * width),
            nn.Flatten(),
            nn.Linear(49 * 2 * width, 64),
            nn.GELU(),
        )
        self.head = nn.Linear(64, CLASSES)

    def features(self, images: Tensor) -> Tensor:
        """The input of the last layer, shape (B, 64): the features for Frechet distances."""
        return self.body(images)

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        return self.head(self.features(images))
