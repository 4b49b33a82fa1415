"""MNIST as arrays."""

from __future__ import annotations

import numpy as np

from darkroom.diffusion.data import read_idx
from darkroom.lab import Dataset


def load(mnist: Dataset, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, 28, 28) and labels uint8 (N,); *split* is "train" or "t10k"."""
    images, labels = (f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte")
    return read_idx(mnist[images], images), read_idx(mnist[labels], labels)
