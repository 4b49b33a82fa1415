"""The order of seeds: by rule, and the same for figures and for what is enlarged. numpy alone."""

from __future__ import annotations

import numpy as np


def best_first(scores: np.ndarray) -> np.ndarray:
    """Seeds by the worse of their readings, best first: scores (seeds, readings)."""
    return np.argsort(-scores.min(1), kind="stable")
