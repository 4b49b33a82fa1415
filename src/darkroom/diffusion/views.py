"""Views: ways of looking at a picture that keep noise noise (Geng et al. 2024, "Visual Anagrams", section 3).

A denoiser can be shown a view of x_t only if the view is orthogonal: then it is linear, has an inverse, and turns
standard normal noise into standard normal noise. Every view here moves whole pixels and may flip all signs,

    v(x)_i = s x_order(i),    s = 1 or -1,

which is orthogonal exactly if ``order`` is a permutation. A new view only needs its order; anything but a permutation
is refused.

Works on numpy arrays and torch tensors alike, (..., H, W) with H = W, channels and all; nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

Order = Callable[[int], np.ndarray]


@dataclass(frozen=True, eq=False)
class View:
    """One way of looking at square pictures.

    Args:
        name: what it does, in a few words.
        order: for side N, the N^2 positions (row by row) that the pixels of the view are taken from.
        sign: 1, or -1 for a view that also negates.

    Raises:
        ValueError: on first use at a size for which ``order`` is no permutation.
    """

    name: str
    order: Order
    sign: int = 1

    def __call__(self, picture: Any) -> Any:
        """The picture as this view shows it; its own noise when *picture* is noise."""
        return self.sign * self.moved(picture)

    def inverse(self, picture: Any) -> Any:
        """The picture that this view shows as *picture*."""
        return self.sign * self.moved_back(picture)

    def moved(self, values: Any) -> Any:
        """*values*, one at each pixel, moved as the pixels are, signs kept: variances, masks."""
        return _taken(values, _order(self, values)[0])

    def moved_back(self, values: Any) -> Any:
        """The inverse of :meth:`moved`."""
        return _taken(values, _order(self, values)[1])


def compose(*views: View) -> View:
    """The view that applies *views* from left to right."""

    def order(side: int) -> np.ndarray:
        positions = np.arange(side * side)
        for view in views:
            positions = positions[_checked(view)(side)[0]]
        return positions

    return View(", then ".join(view.name for view in views), order, int(np.prod([view.sign for view in views])))


def from_pixels(name: str, transform: Callable[[np.ndarray], np.ndarray], sign: int = 1) -> View:
    """The view that moves pixels as *transform* moves the entries of a square array, such as ``np.flipud``."""
    return View(name, lambda side: np.asarray(transform(_positions(side))).ravel(), sign)


def jigsaw(seed: int, pieces: int = 4) -> View:
    """A puzzle of *pieces* x *pieces* interlocking pieces, put together another way.

    The cut is the same after a quarter turn, so the four pieces that such turns carry into each other have one shape
    and fit in each other's places, turned; *seed* says which goes where.
    """

    def order(side: int) -> np.ndarray:
        labels = _jigsaw_labels(side, pieces)
        return _exchanged(labels, pieces, np.random.default_rng(seed))

    return View(f"jigsaw of {pieces} x {pieces} pieces", order)


def pixels(seed: int) -> View:
    """All pixels in another order."""
    return View("pixels in another order", lambda side: np.random.default_rng(seed).permutation(side * side))


def skewed(slope: float = 1.0) -> View:
    """Every column rolled down by *slope* pixels more than the one before it, the middle one staying."""

    def order(side: int) -> np.ndarray:
        shifts = np.rint(slope * (np.arange(side) - side // 2)).astype(int)
        rows = (np.arange(side)[:, None] - shifts) % side
        return _positions(side)[rows, np.arange(side)].ravel()

    return View("skew", order)


def inner_circle(share: float = 0.6, quarter_turns: int = 2) -> View:
    """The disc of *share* of the picture's width, turned within its frame by *quarter_turns*."""

    def order(side: int) -> np.ndarray:
        centred = np.arange(side) - (side - 1) / 2
        inside = centred[:, None] ** 2 + centred**2 < (share * side / 2) ** 2
        return np.where(inside, np.rot90(_positions(side), quarter_turns), _positions(side)).ravel()

    return View("inner circle turned", order)


def _positions(side: int) -> np.ndarray:
    return np.arange(side * side).reshape(side, side)


identity = from_pixels("as it is", np.asarray)
flip = from_pixels("upside down, mirrored", np.flipud)
mirror = from_pixels("mirrored", np.fliplr)
half_turn = from_pixels("a half turn", lambda positions: np.rot90(positions, 2))
quarter_turn = from_pixels("a quarter turn", np.rot90)
negative = from_pixels("negative", np.asarray, sign=-1)


@lru_cache(maxsize=64)
def _checked(view: View) -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    """For a side, the order of *view* and that of its inverse, made once."""
    if view.sign not in (1, -1):
        raise ValueError(f"view {view.name!r}: its sign is {view.sign}; only 1 and -1 keep the size of noise")

    @lru_cache(maxsize=8)
    def orders(side: int) -> tuple[np.ndarray, np.ndarray]:
        forward = np.asarray(view.order(side))
        counts = np.bincount(forward.ravel(), minlength=side * side) if _are_positions(forward, side) else None
        if counts is None:
            raise ValueError(
                f"view {view.name!r} is not orthogonal: for a picture of {side} x {side} it has to give {side * side} "
                f"positions from 0 to {side * side - 1}"
            )
        if (counts != 1).any():
            lost = int(np.flatnonzero(counts != 1)[0])
            raise ValueError(
                f"view {view.name!r} is not orthogonal: it takes pixel ({lost // side}, {lost % side}) of a picture of "
                f"{side} x {side} {counts[lost]} times; take each exactly once"
            )
        return forward, np.argsort(forward)

    return orders


def _order(view: View, values: Any) -> tuple[Any, Any]:
    """The order of *view* for *values* and that of its inverse, where the values are."""
    device = getattr(values, "device", "cpu")  # numpy's arrays have one too, since 2.0
    return _checked(view)(_side(values)) if str(device) == "cpu" else _placed(view, _side(values), device)


@lru_cache(maxsize=64)
def _placed(view: View, side: int, device: Any) -> tuple[Any, Any]:
    """Both orders on a device of torch, sent there once."""
    import torch

    forward, backward = (torch.from_numpy(order.copy()).to(device) for order in _checked(view)(side))
    return forward, backward


def _are_positions(order: np.ndarray, side: int) -> bool:
    whole = order.shape == (side * side,) and np.issubdtype(order.dtype, np.integer)
    return bool(whole and order.min() >= 0 and order.max() < side * side)


def _taken(values: Any, order: np.ndarray) -> Any:
    return values.reshape(*values.shape[:-2], -1)[..., order].reshape(values.shape)


def _side(values: Any) -> int:
    height, width = values.shape[-2:]
    if height != width:
        raise ValueError(f"views are for square pictures, not {height} x {width}")
    return int(height)


def _jigsaw_labels(side: int, pieces: int) -> np.ndarray:
    """The number of the piece that each pixel belongs to, (side, side); a quarter turn only renumbers it."""
    if pieces % 2 or side % pieces:
        raise ValueError(
            f"a picture of {side} x {side} cannot be cut into {pieces} x {pieces} pieces; both must be even"
        )
    places = np.arange(pieces * pieces).reshape(pieces, pieces)
    labels = places.repeat(side // pieces, 0).repeat(side // pieces, 1)
    half = range(pieces // 2)
    for row, column in [(row, column) for row in half for column in half]:
        labels = _with_tabs(labels, places, places[row, column], (row + 0.5, column + 1.08))
        if row < pieces // 2 - 1:  # the turns of the line before make the tabs across the middle
            labels = _with_tabs(labels, places, places[row, column], (row + 1.08, column + 0.5))
    return labels


def _with_tabs(labels: np.ndarray, places: np.ndarray, piece: int, centre: tuple[float, float]) -> np.ndarray:
    """*labels* with a round tab of *piece* around *centre*, in widths of a piece, and the same after each quarter turn."""
    along = (np.arange(len(labels)) + 0.5) * len(places) / len(labels)
    tab = (along[:, None] - centre[0]) ** 2 + (along - centre[1]) ** 2 < 0.18**2
    for turns in range(4):
        labels = np.where(np.rot90(tab, turns), places[np.rot90(places == piece, turns)][0], labels)
    return labels


def _exchanged(labels: np.ndarray, pieces: int, generator: np.random.Generator) -> np.ndarray:
    """Positions with the pieces of every four that turn into each other exchanged, each turned as it moves."""
    side = len(labels)
    positions = _positions(side)
    order = positions.copy()
    places = np.arange(pieces * pieces).reshape(pieces, pieces)
    turned = [np.rot90(positions, turns) for turns in range(4)]
    for row in range(pieces // 2):
        for column in range(pieces // 2):
            orbit = [int(places[np.rot90(places == places[row, column], turns)][0]) for turns in range(4)]
            for place, piece in enumerate(generator.permutation(4)):
                order = np.where(labels == orbit[place], turned[(place - piece) % 4], order)
    return order.ravel()
