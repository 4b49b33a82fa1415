"""Digits: the IDX format, and how images travel between bytes and networks."""

from __future__ import annotations

import math
import struct

import numpy as np

IMAGES, LABELS = 2051, 2049


def read_idx(content: bytes, name: str = "IDX data") -> np.ndarray:
    """The array in an IDX file of unsigned bytes, such as MNIST's: (N, 28, 28) for images, (N,) for labels.

    Args:
        content: the file, decompressed: big-endian magic number, one count an axis, then the bytes row by row.
        name: for the message.

    Raises:
        ValueError: another magic number, or more or fewer bytes than the counts say.
    """
    magic = struct.unpack_from(">I", content)[0] if len(content) >= 4 else None
    if magic not in (IMAGES, LABELS):
        raise ValueError(f"{name}: magic number {magic}, but IDX images begin with {IMAGES} and labels with {LABELS}")
    axes = magic & 0xFF
    start = 4 + 4 * axes
    shape = struct.unpack_from(f">{axes}I", content, 4) if len(content) >= start else ()
    if not shape or len(content) - start != math.prod(shape):
        raise ValueError(f"{name}: {len(content)} bytes do not hold an array of shape {shape}; the file is truncated")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def to_bytes(images: np.ndarray) -> np.ndarray:
    """Images in [0, 1] as uint8, values outside clipped, rounded to the nearest of 256 levels."""
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
