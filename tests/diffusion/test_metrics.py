import numpy as np
import pytest
import torch

from darkroom.diffusion.filters import gaussian_blur
from darkroom.diffusion.metrics import confusion, frechet_distance, mirror_symmetry, psnr, wilson_interval


def test_psnr_of_a_known_error():
    """An error of 0.1 everywhere is 20 dB; none at all is infinite."""
    truth = np.zeros((2, 1, 4, 4))
    images = truth.copy()
    images[0] += 0.1
    assert psnr(images, truth).tolist() == [pytest.approx(20.0), np.inf]


def test_frechet_distance_of_known_gaussians():
    """Between N(0, I) and N(m, s^2 I) in F dimensions it is |m|^2 + F (1 - s)^2, measured on large samples."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(200_000, 3)), rng.normal(size=(200_000, 3)) * 2 + np.array([1.0, 0, 2.0])
    assert frechet_distance(a, b) == pytest.approx(1 + 4 + 3, rel=0.02)


def test_frechet_distance_is_a_distance():
    """It is 0 from a set to itself and the same both ways."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(500, 8)), rng.uniform(size=(400, 8))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-8)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))


def test_confusion_counts_pairs():
    """Row i, column j counts how often i was asked for and j seen."""
    counts = confusion(np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 2, 2]), 3)
    assert counts.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 2]]


def test_mirror_symmetry_of_known_pictures():
    """Left for right: 1 for a picture that equals its mirror image, -1 for a ramp across, 1 for a ramp down, 0.5 between."""
    across = np.broadcast_to(np.linspace(0, 1, 8)[None, :, None], (8, 8, 3))
    down = across.transpose(1, 0, 2)
    rng = np.random.default_rng(2)
    half = rng.normal(size=(8, 4, 3))
    whole = np.concatenate([half, half[:, ::-1]], 1)
    flat = np.full((8, 8, 3), 7.0)
    found = mirror_symmetry(np.stack([across, down, down + across / np.sqrt(3), whole, flat]))
    assert found == pytest.approx([-1, 1, 0.5, 1, 1])


def test_wilson_interval_of_a_published_example():
    """81 of 263 gives 0.2553 to 0.3662 (Newcombe 1998, table I)."""
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)


def test_a_blur_keeps_constants_and_spreads_a_point():
    """A constant image stays, and a point becomes a Gaussian whose variance is sigma squared."""
    flat = torch.full((1, 2, 28, 28), 0.3, dtype=torch.float64)
    torch.testing.assert_close(gaussian_blur(flat, 1.5), flat)
    point = torch.zeros(1, 1, 41, 41, dtype=torch.float64)
    point[..., 20, 20] = 1
    blurred = gaussian_blur(point, 2.0)[0, 0]
    offsets = torch.arange(41, dtype=torch.float64) - 20
    assert blurred.sum().item() == pytest.approx(1)
    assert (blurred.sum(0) * offsets**2).sum().item() == pytest.approx(4, rel=0.01)
    assert gaussian_blur(point, 0) is point
