"""Arrays as 8-bit pictures, contact sheets of them, and PNG files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from darkroom.figures.drawing import FigureError

if TYPE_CHECKING:
    import numpy.typing as npt
    from PIL.Image import Image as Picture

    Pixels = npt.NDArray[np.uint8]


def as_pixels(image: npt.ArrayLike, where: str = "image") -> Pixels:
    """*image* as uint8, of the same shape: uint8 as it is, bool as 0 and 255, floats in [0, 1] times 255, rounded.

    Raises:
        FigureError: what is no array, another dtype, a value that is not finite or is masked, or a float outside [0, 1];
            *where* is for the message.
    """
    array = _as_array(image, where)
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if not np.issubdtype(array.dtype, np.floating):
        raise FigureError(f"{where}: dtype {array.dtype}; pass uint8, or floats in [0, 1]")
    _check_range(array, where)
    return np.rint(array.astype(np.float64) * 255).astype(np.uint8)


def _as_array(image: npt.ArrayLike, where: str) -> npt.NDArray[Any]:
    if getattr(image, "mode", None) in {"P", "PA"}:
        raise FigureError(f"{where}: a picture with a palette, whose values are no colours; convert it to RGB first")
    if np.ma.isMaskedArray(image) and np.ma.is_masked(image):
        raise FigureError(f"{where}: some values are masked; fill them first")
    try:
        return np.asarray(image)
    except (
        TypeError,
        ValueError,
        RuntimeError,
    ) as error:  # ragged lists; tensors with gradients, on a GPU, in bfloat16
        reason = " ".join(str(error).split())[:120]
        raise FigureError(f"{where}: cannot be made an array ({reason}); pass an array of numbers") from None


def _check_range(array: npt.NDArray[Any], where: str) -> None:
    if not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise FigureError(
            f"{where}: {bad} of {array.size} values are NaN or infinite; find out where they come from first"
        )
    if array.size and (array.min() < 0 or array.max() > 1):
        low, high = float(array.min()), float(array.max())
        raise FigureError(
            f"{where}: values from {low:.4g} to {high:.4g}; floats must be in [0, 1]: clip or rescale them"
        )


def as_picture(image: npt.ArrayLike, where: str = "image") -> Pixels:
    """*image* as one picture: uint8, shape (H, W) or (H, W, 3).

    Raises:
        FigureError: as :func:`as_pixels`, or another shape.
    """
    pixels = as_pixels(image, where)
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)) or 0 in pixels.shape:
        raise FigureError(f"{where}: shape {pixels.shape}; a picture is (H, W) or (H, W, 3)")
    return pixels


def sheet(images: npt.ArrayLike, columns: int, *, gap: int = 1, background: int | tuple[int, int, int] = 64) -> Pixels:
    """A contact sheet: equal pictures in rows of *columns*, *gap* pixels of *background* between them (none around).

    Args:
        images: uint8 or floats in [0, 1], shape (N, H, W) or (N, H, W, 3); filled row by row.
        columns: pictures in a row; the last row may be shorter.
        gap: pixels between neighbours, >= 0.
        background: grey level or RGB, 0 to 255.

    Returns:
        uint8, shape (R H + (R - 1) gap, C W + (C - 1) gap[, 3]), where C = min(columns, N) and R = ceil(N / C).

    Raises:
        FigureError: another shape, dtype or range.
    """
    pixels = as_pixels(images, "sheet")
    if not (pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[3] == 3)) or 0 in pixels.shape:
        raise FigureError(f"sheet: shape {pixels.shape}; equal pictures are (N, H, W) or (N, H, W, 3), N >= 1")
    if columns < 1 or gap < 0:
        raise FigureError(f"sheet: columns={columns}, gap={gap}; columns must be >= 1 and gap >= 0")
    if pixels.ndim == 3 and not isinstance(background, int):
        pixels = np.repeat(pixels[..., None], 3, axis=3)
    return _lay_out(pixels, min(columns, len(pixels)), gap, background)


def _lay_out(pixels: Pixels, columns: int, gap: int, background: int | tuple[int, int, int]) -> Pixels:
    count, height, width = pixels.shape[:3]
    rows = -(-count // columns)
    padded = np.empty((rows * columns, height + gap, width + gap, *pixels.shape[3:]), np.uint8)
    padded[...] = background
    padded[:count, :height, :width] = pixels
    grid = padded.reshape(rows, columns, *padded.shape[1:]).swapaxes(1, 2)
    whole = grid.reshape(rows * (height + gap), columns * (width + gap), *pixels.shape[3:])
    return np.ascontiguousarray(whole[: whole.shape[0] - gap, : whole.shape[1] - gap])


def shrunk(picture: npt.ArrayLike, side: int) -> Pixels:
    """*picture*, square, made smaller to *side* by averaging, uint8.

    Raises:
        FigureError: as :func:`as_picture`, or it is not square, or smaller than *side*.
    """
    from PIL import Image

    pixels = as_picture(picture, "shrunk")
    height, width = pixels.shape[:2]
    if height != width or side > width:
        raise FigureError(f"shrunk: a picture of {height} x {width}; it must be square, with a side of {side} or more")
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX))


def is_grey(pixels: Pixels) -> bool:
    """Whether an RGB array, channels last, holds no colour."""
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all())


def png(picture: npt.ArrayLike, where: str = "image") -> bytes:
    """*picture* as a PNG file: lossless, in the smallest of grey, palette and RGB that holds it.

    The bytes depend on the picture and on the host's zlib, on nothing else.

    Raises:
        FigureError: as :func:`as_picture`.
    """
    from PIL import Image

    pixels = as_picture(picture, where)
    if pixels.ndim == 3 and is_grey(pixels):
        pixels = pixels[..., 0]
    candidates = [Image.fromarray(np.ascontiguousarray(pixels))]
    indexed = _indexed(pixels)
    if indexed is not None:
        candidates.append(indexed)
    return min((_encoded(image) for image in candidates), key=len)


def _indexed(pixels: Pixels) -> Picture | None:
    """*pixels* as a Pillow palette image with as few entries as it has colours, or None where it has more than 256."""
    from PIL import Image

    shades = (
        pixels.astype(np.uint32) * 0x010101 if pixels.ndim == 2 else pixels @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    )
    colours, index = np.unique(shades, return_inverse=True)
    if len(colours) > 256:
        return None
    image = Image.fromarray(index.reshape(pixels.shape[:2]).astype(np.uint8))
    image.putpalette(colours.astype(">u4").view(np.uint8).reshape(-1, 4)[:, 1:].tobytes())
    return image


def _encoded(image: Picture) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
