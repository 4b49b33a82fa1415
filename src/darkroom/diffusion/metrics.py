"""Metrics of pictures, in numpy: arrays in, numbers out."""

from __future__ import annotations

import math

import numpy as np


def psnr(images: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio of each image, in decibels: -10 log10 of its mean squared error.

    Args:
        images, truth: shape (B, ...), the range of the truth being [0, 1].

    Returns:
        shape (B,); infinite where an image equals its truth.
    """
    errors = np.square(images.astype(np.float64) - truth).reshape(len(images), -1).mean(1)
    with np.errstate(divide="ignore"):
        return -10 * np.log10(errors)


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Frechet distance between Gaussians fitted to two sets of features (Heusel et al. 2017, eq. 6).

        d^2 = |mu_a - mu_b|^2 + tr(A + B - 2 (A B)^(1/2))

    Args:
        a, b: features, shapes (N, F) and (M, F), with N, M > F for covariances of full rank.

    Returns:
        d^2, at least 0. It is biased upwards for small N, so compare it with the distance between real sets of that
        size.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    A, B = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = _square_root(A)
    cross = np.linalg.eigvalsh(root @ B @ root)
    shift = np.square(a.mean(0) - b.mean(0)).sum()
    return float(max(shift + np.trace(A) + np.trace(B) - 2 * np.sqrt(np.clip(cross, 0, None)).sum(), 0.0))


def mirror_symmetry(images: np.ndarray) -> np.ndarray:
    """The correlation of each image with its mirror image, left for right.

    Args:
        images: shape (B, H, W, C).

    Returns:
        shape (B,), in [-1, 1]: 1 where they are equal, -1 where one is the negative of the other about the mean; 1 for
        an image of one colour.
    """
    away = images.astype(np.float64)
    away -= away.mean((1, 2), keepdims=True)
    power = np.square(away).sum((1, 2, 3))
    shared = (away * away[:, :, ::-1]).sum((1, 2, 3))
    return np.divide(shared, power, out=np.ones(len(images)), where=power > 0)


def confusion(asked: np.ndarray, seen: np.ndarray, classes: int) -> np.ndarray:
    """How often class i was asked for and class j seen: shape (classes, classes), whole numbers."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (asked, seen), 1)
    return counts


def wilson_interval(hits: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """The 95% interval of a share (Wilson 1927), which behaves near 0 and 1, where shares of interest lie."""
    share = hits / trials
    centre = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return (centre - spread) / scale, (centre + spread) / scale


def _square_root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
