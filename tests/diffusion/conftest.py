"""A few dozen real digits, in the files that MNIST comes in."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from darkroom.diffusion.data import read_idx

DIGITS = Path(__file__).parent.parent / "data" / "mnist"


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Networks this small lose by more."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """48 training digits, (48, 28, 28), and their labels."""
    names = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
    images, labels = (read_idx(gzip.decompress((DIGITS / f"{name}.gz").read_bytes()), name) for name in names)
    return images, labels
