import subprocess
import sys

import numpy as np
import pytest
import torch

from darkroom.diffusion import views
from darkroom.diffusion.views import View

EVERY = [
    views.identity,
    views.flip,
    views.mirror,
    views.half_turn,
    views.quarter_turn,
    views.negative,
    views.jigsaw(1),
    views.jigsaw(2, pieces=2),
    views.pixels(4),
    views.skewed(),
    views.skewed(0.4),
    views.inner_circle(),
    views.inner_circle(0.8, quarter_turns=1),
    views.compose(views.flip, views.negative, views.jigsaw(5)),
]


def picture(side: int) -> np.ndarray:
    return np.random.default_rng(side).normal(size=(2, 3, side, side))


@pytest.mark.parametrize("side", [32, 64, 128, 256])
@pytest.mark.parametrize("view", EVERY, ids=lambda view: view.name)
def test_a_view_is_orthogonal(view, side):
    """It is undone by its inverse from either side, keeps inner products, and is linear, at every size in use."""
    x, y = picture(side), picture(side)[::-1]
    assert np.array_equal(view.inverse(view(x)), x)
    assert np.array_equal(view(view.inverse(x)), x)
    assert np.vdot(view(x), view(y)) == pytest.approx(np.vdot(x, y))
    np.testing.assert_allclose(view(2 * x - y), 2 * view(x) - view(y))


@pytest.mark.parametrize("view", EVERY, ids=lambda view: view.name)
def test_tensors_are_seen_as_arrays_are(view):
    """A tensor and an array of the same numbers have the same view and the same inverse."""
    x = picture(64)
    assert np.array_equal(view(torch.from_numpy(x)).numpy(), view(x))
    assert np.array_equal(view.inverse(torch.from_numpy(x)).numpy(), view.inverse(x))


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (views.flip, lambda x: x[..., ::-1, :]),
        (views.mirror, lambda x: x[..., ::-1]),
        (views.half_turn, lambda x: x[..., ::-1, ::-1]),
        (views.quarter_turn, lambda x: np.rot90(x, axes=(-2, -1))),
        (views.negative, lambda x: -x),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_view_is_what_its_name_says(view, expected):
    """A flip is a mirror at the horizontal, not a half turn; a negative changes signs and moves nothing."""
    x = picture(8)
    assert np.array_equal(view(x), expected(x))


def test_a_negative_has_positive_variances():
    """Values that are no noise are moved and keep their signs."""
    x = picture(8)
    assert np.array_equal(views.negative.moved(x), x)
    assert np.array_equal(views.compose(views.negative, views.flip).moved_back(x), x[..., ::-1, :])


def test_a_composition_applies_from_left_to_right():
    """flip, then quarter turn, is not quarter turn, then flip."""
    x = picture(8)
    assert np.array_equal(views.compose(views.flip, views.quarter_turn)(x), views.quarter_turn(views.flip(x)))
    assert not np.array_equal(views.compose(views.quarter_turn, views.flip)(x), views.quarter_turn(views.flip(x)))


@pytest.mark.parametrize("side", [64, 128])
def test_jigsaw_pieces_move_whole(side):
    """Every piece turns up elsewhere as it was cut: all its pixels land in one place, and every place is filled by one."""
    labels = views._jigsaw_labels(side, 4)
    seen = views.jigsaw(1)(labels)
    for place in range(16):
        assert len(np.unique(seen[labels == place])) == 1
    assert len(np.unique(seen[:1, :1])) == 1 and (seen != labels).any()
    assert len(np.unique(labels)) == 16 and all(np.sum(labels == piece) > 0.7 * side**2 / 16 for piece in range(16))


def test_jigsaw_pieces_interlock():
    """A piece is no square: neighbours reach into each other."""
    labels, square = views._jigsaw_labels(64, 4), np.arange(16).reshape(4, 4).repeat(16, 0).repeat(16, 1)
    assert all(
        (labels[square == piece] != piece).any() or (square[labels == piece] != piece).any() for piece in range(16)
    )


def test_a_skew_rolls_columns():
    """Each column is the old one, rolled one pixel further down than its left neighbour; the middle one stays."""
    x = picture(8)
    assert np.array_equal(views.skewed()(x)[..., 4], x[..., 4])
    assert np.array_equal(views.skewed()(x)[..., 6], np.roll(x[..., 6], 2, axis=-1))


def test_the_inner_circle_leaves_its_frame():
    """Corners stay; the middle is turned upside down."""
    x = picture(64)
    seen = views.inner_circle(0.5)(x)
    assert np.array_equal(seen[..., :8, :8], x[..., :8, :8])
    assert np.array_equal(seen[..., 28:36, 28:36], x[..., 28:36, 28:36][..., ::-1, ::-1])


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (
            View("shrunk", lambda side: np.arange(side * side) // 2),
            r"'shrunk' is not orthogonal: it takes pixel \(0, 0\)",
        ),
        (
            View("cut", np.arange),
            "'cut' is not orthogonal: for a picture of 8 x 8 it has to give 64",
        ),
        (View("outside", lambda side: np.arange(side * side) + 1), "positions from 0 to 63"),
        (View("half", lambda side: np.arange(side * side) / 2), "'half' is not orthogonal"),
        (View("loud", lambda side: np.arange(side * side), sign=2), "its sign is 2"),
        (views.jigsaw(0, pieces=3), "both must be even"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_is_not_orthogonal_is_refused(view, message):
    """A view that loses, doubles or scales pixels is refused with the reason, before anything is drawn with it."""
    with pytest.raises(ValueError, match=message):
        view(picture(8))


def test_only_squares_can_be_viewed():
    """A picture that is no square is refused with its size."""
    with pytest.raises(ValueError, match="not 4 x 8"):
        views.flip(np.zeros((4, 8)))


def test_views_need_no_torch():
    """Figures turn anagrams on machines without torch."""
    code = "import sys, darkroom.diffusion.views; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
