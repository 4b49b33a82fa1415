import struct

import numpy as np
import pytest

from darkroom.diffusion.data import read_idx, to_bytes


def test_real_digits_are_read(digits):
    """The fixture's first training digit is MNIST's: a five of 28 x 28 with its strokes inside."""
    images, labels = digits
    assert images.shape == (48, 28, 28)
    assert labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert images[0].max() == 255
    assert images[:, 0].max() == 0


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "magic number None"),
        (struct.pack(">I", 2050) + bytes(20), "magic number 2050"),
        (struct.pack(">IIII", 2051, 2, 3, 3) + bytes(17), r"33 bytes do not hold an array of shape \(2, 3, 3\)"),
        (struct.pack(">II", 2049, 4) + bytes(5), "do not hold"),
        (struct.pack(">I", 2051) + bytes(3), "truncated"),
    ],
)
def test_what_is_no_idx_file_is_refused(content, complaint):
    """A wrong magic number, and too few or too many bytes, are named with the file."""
    with pytest.raises(ValueError, match=f"digits: .*{complaint}"):
        read_idx(content, "digits")


def test_pixels_are_clipped_and_rounded():
    """Values outside [0, 1] are clipped, others go to the nearest level."""
    assert to_bytes(np.array([-1.0, 0.0, 0.5, 1.0, 7.0, 100.4 / 255])).tolist() == [0, 0, 128, 255, 255, 100]
