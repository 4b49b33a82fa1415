"""How the experiments of Part B judge samples: by what a classifier reads in them, and by its features.

Needs torch, so experiments import it where they compute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from darkroom.diffusion.classifier import Classifier
from darkroom.diffusion.metrics import frechet_distance
from darkroom.lab import Dataset, Results, Run
from experiments.part_b import digits


@dataclass(frozen=True)
class Predictions:
    """What the classifier predicts of N samples.

    Args:
        digits: the most likely digits, uint8 (N,).
        features: float32 (N, F).
    """

    digits: np.ndarray
    features: np.ndarray


class Judge:
    """The classifier, and features of real digits to compare with.

    Args:
        trained: the results of ``digit_classifier``.
        each: samples of every class in a set that is compared.
        draws: how many sets of real digits a distance is averaged over.
    """

    def __init__(self, run: Run, trained: Results, mnist: Dataset, *, each: int, draws: int, seed: int) -> None:
        self.device = run.device
        self.network = digits.restored(Classifier(trained.parameters["width"]), trained["weights"])
        images, labels = digits.load(mnist, "train")
        _, features = digits.read(self.network, images, self.device)
        rng = np.random.default_rng(seed)
        self._pairs = [_two_sets(features, labels, each, rng) for _ in range(draws)]

    def read(self, samples: np.ndarray) -> Predictions:
        """What it predicts of uint8 *samples*, (N, 28, 28)."""
        return Predictions(*digits.read(self.network, samples, self.device))

    def confidence(self, samples: np.ndarray) -> float:
        """The mean probability of the digit that it holds most likely, of uint8 *samples*, (N, 28, 28)."""
        return float(digits.probabilities(self.network, samples, self.device).max(1).mean())

    def distance(self, predicted: Predictions) -> float:
        """The Frechet distance of samples to real digits, by their features."""
        return float(np.mean([frechet_distance(predicted.features, real) for real, _ in self._pairs]))

    @property
    def floor(self) -> np.ndarray:
        """The Frechet distances between two sets of real digits of the same size, (draws,)."""
        return np.array([frechet_distance(real, others) for real, others in self._pairs])


def _two_sets(features: np.ndarray, labels: np.ndarray, each: int, rng: np.random.Generator) -> np.ndarray:
    """Features of *each* real digits of every class, and of as many others: (2, 10 * each, F)."""
    rows = [rng.permutation(np.flatnonzero(labels == digit))[: 2 * each] for digit in range(10)]
    return features[np.array(rows).reshape(10, 2, each).swapaxes(0, 1).reshape(2, -1)]


def scores(judge: Judge, sets: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """``agreed`` (sets,), samples read as the digit asked for, digit by digit; and ``frechet`` (sets,)."""
    read = {name: judge.read(samples) for name, samples in sets.items()}
    asked = {name: np.repeat(np.arange(10), len(samples) // 10) for name, samples in sets.items()}
    return {
        "agreed": np.array([(reading.digits == asked[name]).sum() for name, reading in read.items()]),
        "frechet": np.array([judge.distance(reading) for reading in read.values()]),
    }
