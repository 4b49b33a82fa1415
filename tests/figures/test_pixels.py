import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from darkroom.figures import FigureError, sheet
from darkroom.figures.pixels import as_pixels, png


def decoded(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def test_floats_are_rounded_to_the_nearest_of_256_levels():
    """0 and 1 are black and white, and a value between goes to the nearest level."""
    assert as_pixels([0.0, 0.5, 1 / 255 * 1.4, 1.0]).tolist() == [0, 128, 1, 255]
    assert as_pixels(np.array([False, True])).tolist() == [0, 255]


def test_uint8_passes_untouched():
    """uint8 comes back as it went in."""
    image = np.arange(256, dtype=np.uint8)
    assert as_pixels(image) is image


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.array([0.0, np.nan]), "1 of 2 values are NaN or infinite"),
        (np.array([0.0, np.inf]), "1 of 2 values are NaN or infinite"),
        (np.array([-0.5, 1.25]), r"values from -0.5 to 1.25; floats must be in \[0, 1\]"),
        (np.array([0, 300]), "dtype int64; pass uint8, or floats"),
        (np.array(["a"]), "pass uint8, or floats"),
        (np.array([1j]), "dtype complex128; pass uint8, or floats"),
    ],
)
def test_what_is_no_picture_is_refused_with_the_place_and_the_reason(image, message):
    """Wrong dtypes, ranges and NaN are named in one line that says where."""
    with pytest.raises(FigureError, match=message) as caught:
        as_pixels(image, "row 3")
    assert str(caught.value).startswith("row 3: ")
    assert "\n" not in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 7), st.integers(1, 4), st.integers(1, 5))),
    st.integers(1, 9),
    st.integers(0, 3),
    st.integers(0, 255),
)
def test_a_sheet_holds_every_picture_in_reading_order_and_background_elsewhere(images, columns, gap, background):
    """Picture k is at row k // C, column k % C of the sheet; every other pixel is background."""
    result = sheet(images, columns, gap=gap, background=background)
    count, height, width = images.shape
    across = min(columns, count)
    down = -(-count // across)
    assert result.dtype == np.uint8
    assert result.shape == (down * height + (down - 1) * gap, across * width + (across - 1) * gap)
    rest = np.ones(result.shape, bool)
    for k, image in enumerate(images):
        top, left = (k // across) * (height + gap), (k % across) * (width + gap)
        assert (result[top : top + height, left : left + width] == image).all()
        rest[top : top + height, left : left + width] = False
    assert (result[rest] == background).all()


def test_a_coloured_background_makes_a_grey_sheet_coloured():
    """Grey pictures on a coloured background give RGB."""
    result = sheet(np.zeros((2, 1, 1)), 2, gap=1, background=(1, 2, 3))
    assert result.tolist() == [[[0, 0, 0], [1, 2, 3], [0, 0, 0]]]


@pytest.mark.parametrize(
    ("images", "columns", "gap", "message"),
    [
        (np.zeros((3, 3)), 1, 1, r"shape \(3, 3\)"),
        (np.zeros((0, 3, 3)), 1, 1, r"shape \(0, 3, 3\)"),
        (np.zeros((2, 3, 3, 4)), 1, 1, r"shape \(2, 3, 3, 4\)"),
        (np.zeros((2, 3, 3)), 0, 1, "columns=0"),
        (np.zeros((2, 3, 3)), 1, -1, "gap=-1"),
    ],
)
def test_a_sheet_of_no_pictures_is_refused(images, columns, gap, message):
    """Shapes that are no stack of pictures, and impossible layouts, are refused."""
    with pytest.raises(FigureError, match=message):
        sheet(images, columns, gap=gap)


@settings(max_examples=60, deadline=None)
@given(st.one_of(
    arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9))),
    arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))),
    arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.sampled_from([0, 255])),
))  # fmt: skip
def test_png_is_lossless(picture):
    """The decoded pixels are the pixels."""
    expected = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    assert (decoded(png(picture)) == expected).all()


def test_png_takes_the_smallest_encoding_that_loses_nothing():
    """Grey RGB is stored as grey, few colours as a palette, many as RGB."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    grey = np.repeat(noise[..., :1], 3, axis=2)
    few = np.array([[9, 8, 7], [250, 0, 3]], np.uint8)[noise[..., 0] % 2]
    modes = [Image.open(io.BytesIO(png(picture))).mode for picture in (noise, grey, few)]
    assert modes == ["RGB", "L", "P"]
    assert (decoded(png(few)) == few).all()
    assert len(png(few)) < 40 * 40 / 8 + 150


@pytest.mark.parametrize("count", [255, 256, 257, 300])
def test_png_is_lossless_around_the_most_colours_that_a_palette_holds(count):
    """One colour more than 256 is not lost."""
    colours = np.stack([np.arange(count) % 256, np.arange(count) // 256, np.full(count, 7)], axis=-1).astype(np.uint8)
    picture = np.repeat(colours[None], 40, axis=0)
    assert (decoded(png(picture)) == picture).all()


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2), (2, 2, 4), (0, 2), (1, 2, 2, 3)])
def test_png_refuses_what_is_no_picture(shape):
    """A picture is (H, W) or (H, W, 3)."""
    with pytest.raises(FigureError, match=r"a picture is \(H, W\) or \(H, W, 3\)"):
        png(np.zeros(shape, np.uint8))


def test_a_shrunk_picture_is_its_averages():
    """Each pixel is the mean of those that it stands for; at its own size a picture stays as it is."""
    from darkroom.figures.pixels import shrunk

    picture = np.arange(64, dtype=np.uint8).reshape(8, 8) * 3
    means = picture.reshape(4, 2, 4, 2).mean((1, 3))
    assert np.abs(shrunk(picture, 4) - means).max() <= 1
    assert np.array_equal(shrunk(picture, 8), picture)


@pytest.mark.parametrize(("shape", "side"), [((8, 6), 4), ((8, 8), 9)])
def test_what_cannot_be_shrunk_is_refused(shape, side):
    """A picture that is not square, or too small, is named by its size."""
    from darkroom.figures.pixels import shrunk

    with pytest.raises(FigureError, match=f"a picture of {shape[0]} x {shape[1]}; it must be square"):
        shrunk(np.zeros(shape, np.uint8), side)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ([[1.0], [1.0, 0.5]], "left: cannot be made an array ("),
        (
            Image.new("P", (2, 2)),
            "left: a picture with a palette, whose values are no colours; convert it to RGB first",
        ),
        (np.ma.masked_equal([[0.0, 1.0]], 1.0), "left: some values are masked; fill them first"),
    ],
)
def test_what_is_no_array_of_numbers_is_told(image: object, said: str) -> None:
    """Ragged lists, palettes and masks, each in one line with the name of the picture."""
    with pytest.raises(FigureError) as caught:
        as_pixels(image, "left")
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [lambda x: x.requires_grad_(), lambda x: x.bfloat16(), lambda x: x.to_sparse()])
def test_tensors_that_are_no_arrays_are_told(change: Callable[[Any], Any]) -> None:
    """With gradients, in a format that NumPy lacks, or sparse."""
    torch = pytest.importorskip("torch")
    with pytest.raises(FigureError, match=r"^left: cannot be made an array \("):
        as_pixels(change(torch.ones(2, 2)), "left")
