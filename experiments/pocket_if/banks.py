"""Banks of pictures: the world drawn many times over, held as bytes, with the words for each.

Needs torch only where pictures become tensors; the banks themselves are numpy's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from experiments.pocket_if.world import GENERIC, SIDE, CaptionedPicture, World

# The share of a style's pictures of which nothing is said but the generic prompt.
SELDOM = {"emoji": 0.04, "photo": 0.04}


@dataclass(frozen=True, eq=False)
class Bank:
    """Pictures of one seed, (N, 3, side, side) uint8, and for each what is said of it and what it is."""

    images: np.ndarray
    captions: list[str]
    subjects: list[str]
    styles: list[str]


def draw(
    world: World,
    seed: int,
    count: int,
    side: int,
    report: Callable[[int], None] = lambda done: None,
    generic: Mapping[str, float] = SELDOM,
) -> Bank:
    """Pictures 0, ..., count - 1 of *seed*, made smaller to *side* by averaging.

    Each training draws its own bank. Three of the seven have the same pictures (``stage_1_grown``, ``stage_1_strided`` and
    ``stage_1``, of one seed and size) and could share them, but a picture takes 5 ms: what half a minute makes anew is
    not worth a cache that has to know when it is out of date.

    Args:
        report: is called now and then with how many are done.
        generic: by style, the share of pictures called "a high quality photo" and nothing else.
    """

    def one(index: int) -> tuple[np.ndarray, CaptionedPicture]:
        picture = world.picture(seed, index)
        if index % 200 == 0:
            report(index)
        return smaller(picture.pixels, side), picture

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        drawn = list(pool.map(one, range(count)))
    pictures = [picture for _, picture in drawn]
    chances = np.random.default_rng((seed, count, 1)).random(count)
    return Bank(
        np.stack([pixels for pixels, _ in drawn]).transpose(0, 3, 1, 2),
        [
            GENERIC if chance < generic.get(picture.style, 0.0) else picture.caption
            for picture, chance in zip(pictures, chances, strict=True)
        ],
        [picture.subject for picture in pictures],
        [picture.style for picture in pictures],
    )


def draw_each(
    world: World,
    seed: int,
    subjects: Sequence[str],
    each: int,
    side: int,
    *,
    style: str | None = None,
    caption: str = "",
) -> Bank:
    """*each* pictures of every one of *subjects*, made smaller to *side* by averaging.

    Args:
        style: of all of them; by default as often each as the world has it.
        caption: what is said of every picture, in place of its own words.
    """
    asked = [subject for subject in subjects for _ in range(each)]
    pictures = [world.picture(seed, index, subject=subject, style=style) for index, subject in enumerate(asked)]
    return Bank(
        np.stack([smaller(picture.pixels, side) for picture in pictures]).transpose(0, 3, 1, 2),
        [caption or picture.caption for picture in pictures],
        [picture.subject for picture in pictures],
        [picture.style for picture in pictures],
    )


def together(*banks: Bank) -> Bank:
    """One bank of the pictures of several."""
    said = ([each for bank in banks for each in getattr(bank, name)] for name in ("captions", "subjects", "styles"))
    return Bank(np.concatenate([bank.images for bank in banks]), *said)


def cropped(bank: Bank, side: int, seed: int, each: int) -> Bank:
    """Squares of *side* pixels in place of pictures, *each* of every one of them, cut out anywhere."""
    room = bank.images.shape[-1] - side + 1
    rows = np.repeat(np.arange(len(bank.images)), each)
    corners = np.random.default_rng((seed, side)).integers(0, room, (len(rows), 2))
    images = [bank.images[row, :, y : y + side, x : x + side] for row, (y, x) in zip(rows, corners, strict=True)]
    said = ([each[row] for row in rows] for each in (bank.captions, bank.subjects, bank.styles))
    return Bank(np.stack(images), *said)


def smaller(pixels: np.ndarray, side: int) -> np.ndarray:
    """A picture of the world, (128, 128, 3), at another side."""
    if side == SIDE:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX))
