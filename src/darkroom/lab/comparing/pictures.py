"""The difference of two pictures as a picture."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from PIL.Image import Image as Opened

MOST = 16_000_000  # pixels


class PictureDifference(msgspec.Struct, frozen=True):
    """Two pictures of the same size.

    Attributes:
        png: their absolute difference, scaled so that the largest value is white.
        largest: the largest difference of a channel.
        top: the largest value that there can be, 255 or 65535.
        share: of pixels that differ, from 0 to 1.
    """

    png: bytes
    largest: int
    top: int
    share: float


def difference(a: bytes, b: bytes) -> PictureDifference | None:
    """The difference of two pictures; None if they are films, of different sizes or depths, or too large.

    Transparency counts like a colour, and shows as grey. Both have to be known as valid.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(a)) as one, Image.open(io.BytesIO(b)) as other:
            warnings.simplefilter("ignore")
            width, height = one.size
            if one.size != other.size or width * height > MOST or _is_film(one) or _is_film(other):
                return None
            if _is_deep(one) != _is_deep(other):
                return None
            return _difference(one, other)
    except Exception:  # whatever a decoder stumbles over
        return None


def _difference(one: Opened, other: Opened) -> PictureDifference:
    import numpy as np
    from PIL import Image

    top, mode = (65535, "I") if _is_deep(one) else (255, "RGBA")
    a, b = (np.asarray(each.convert(mode), dtype=np.int32) for each in (one, other))
    apart = np.abs(a - b).reshape(*a.shape[:2], -1)
    if apart.shape[2] == 4:
        apart = np.maximum(apart[..., :3], apart[..., 3:])
    largest = int(apart.max())
    scaled = np.rint(apart * (255 / max(largest, 1))).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(scaled[..., 0] if scaled.shape[2] == 1 else scaled).save(file, format="PNG")
    return PictureDifference(file.getvalue(), largest, top, float(apart.any(axis=2).mean()))


def _is_film(picture: Opened) -> bool:
    return getattr(picture, "n_frames", 1) > 1


def _is_deep(picture: Opened) -> bool:
    """Whether a pixel is one number of sixteen bits."""
    return picture.mode.startswith("I")
