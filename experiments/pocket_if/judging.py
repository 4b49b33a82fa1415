"""The judge of Pocket IF: a network that names the subject of a small picture, and the feature space that it gives.

Everything here needs torch; experiments import it where they compute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, normalize

from darkroom.diffusion.train import tensors
from darkroom.diffusion.unet import Conv, DownConv, for_inference

SIDE = 32
FEATURES = 128


class Namer(nn.Module):
    """(B, 3, 32, 32) in [0, 1] to logits (B, subjects), by way of 128 features."""

    def __init__(self, subjects: int, width: int = 32) -> None:
        super().__init__()
        self.body = nn.Sequential(
            Conv(3, width),
            DownConv(width, 2 * width),
            Conv(2 * width, 2 * width),
            DownConv(2 * width, 4 * width),
            Conv(4 * width, 4 * width),
            DownConv(4 * width, FEATURES),
            nn.Flatten(),
            nn.Linear(FEATURES * (SIDE // 8) ** 2, FEATURES),
            nn.GELU(),
        )
        self.head = nn.Linear(FEATURES, subjects)

    def features(self, pictures: Tensor) -> Tensor:
        """What the last layer sees, (B, 128)."""
        return self.body(pictures)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits."""
        return self.head(self.features(pictures))


@dataclass(frozen=True)
class Naming:
    """Learn the subject, from pictures with a little noise, so that nothing hangs on single pixels."""

    noise_sigma: float = 0.06
    smoothing: float = 0.1

    def draw(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Noisy pictures at the judge's size and their subjects."""
        small = interpolate(images, (SIDE, SIDE), mode="area")
        noise = torch.randn(small.shape, generator=generator, device=small.device)
        return small + self.noise_sigma * noise, labels.long()

    def loss(self, network: nn.Module, pictures: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy with label smoothing."""
        return cross_entropy(network(pictures).float(), labels, label_smoothing=self.smoothing)


@dataclass(frozen=True, eq=False)
class NearestCentroid:
    """The nearest-centroid classifier of subjects, in the feature space of a trained network.

    Args:
        network: a trained ``Namer``, ready for inference.
        centres: the mean direction of each subject's training pictures, (subjects, 128), of length 1.
        subjects: their names.
    """

    network: nn.Module
    centres: np.ndarray
    subjects: tuple[str, ...]

    @staticmethod
    def restored(results: Mapping[str, object]) -> NearestCentroid:
        """The judge that the experiment stored."""
        subjects = tuple(results["subjects"])  # type: ignore[arg-type]
        network = restored(results["weights"], len(subjects))  # type: ignore[arg-type]
        return NearestCentroid(network, np.asarray(results["centres"]), subjects)

    def directions(self, pictures: np.ndarray) -> np.ndarray:
        """Features of length 1, (B, 128), of uint8 pictures (B, H, W, 3)."""
        return directions(self.network, pictures)

    def nearest(self, pictures: np.ndarray) -> np.ndarray:
        """The number of the nearest subject for each picture, (B,)."""
        return (self.directions(pictures) @ self.centres.T).argmax(1)

    def likeness(self, pictures: np.ndarray, subject: str) -> np.ndarray:
        """The cosine between each picture and a subject's centre, (B,)."""
        return self.directions(pictures) @ self.centres[self.subjects.index(subject)]


def restored(weights: Mapping[str, np.ndarray], subjects: int) -> nn.Module:
    """A ``Namer`` with stored *weights*, ready for inference."""
    network = Namer(subjects)
    network.load_state_dict(tensors(dict(weights)))
    return for_inference(network)


@torch.inference_mode()
def directions(network: nn.Module, pictures: np.ndarray) -> np.ndarray:
    """What *network* sees of uint8 pictures (B, H, W, 3), as directions (B, 128)."""
    batches = torch.from_numpy(pictures.copy()).permute(0, 3, 1, 2).float().div(255).split(500)
    seen = [network.features(interpolate(batch, (SIDE, SIDE), mode="area")) for batch in batches]
    return normalize(torch.cat(seen), dim=1).numpy()


def centres_of(features: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """The mean direction of each label's features, of length 1: (count, F)."""
    means = np.stack([features[labels == label].mean(0) for label in range(count)])
    return means / np.linalg.norm(means, axis=1, keepdims=True)
