import io

import msgspec
import numpy as np
import pytest
from PIL import Image

from darkroom.figures import Drawing, FigureError, tiles
from darkroom.figures.grids import plain

BLACK, WHITE = np.zeros((2, 3)), np.ones((2, 3))


def test_the_layout_has_headings_sizes_and_a_file_for_each_picture():
    """Rows and cells stand as given, empty cells are null, and sizes are those of the pictures."""
    drawing = tiles(
        [[BLACK, None], [WHITE, BLACK]], rows=["a", "$b$"], columns=["1", ""], alt="{row} {column}", scale=4
    )
    assert drawing.kind == "tiles"
    assert msgspec.to_builtins(drawing.layout) == {
        "columns": ["1", ""],
        "rows": [
            {"heading": "a", "cells": [{"file": "r1_c1.png", "alt": "a 1", "width": 3, "height": 2}, None]},
            {
                "heading": "$b$",
                "cells": [
                    {"file": "r2_c1.png", "alt": "b 1", "width": 3, "height": 2},
                    {"file": "r1_c1.png", "alt": "b", "width": 3, "height": 2},
                ],
            },
        ],
        "scale": 4,
    }


def test_identical_pictures_share_a_file():
    """Equal pixels are stored once, whatever their dtype, and every file is used."""
    drawing = tiles([[BLACK, WHITE, BLACK.astype(np.uint8)]], alt="{column_number}")
    assert sorted(drawing.files) == ["r1_c1.png", "r1_c2.png"]
    assert [cell["file"] for cell in drawing.layout["rows"][0]["cells"]] == ["r1_c1.png", "r1_c2.png", "r1_c1.png"]


def test_the_stored_pixels_are_those_of_the_picture():
    """What is decoded is what was passed, rounded to 256 levels."""
    picture = np.random.default_rng(1).random((5, 4, 3))
    drawing = tiles(picture[None, None], alt="noise")
    stored = np.asarray(Image.open(io.BytesIO(drawing.files["r1_c1.png"])))
    assert (stored == np.rint(picture * 255)).all()


def test_alternative_text_comes_from_a_function_a_nest_or_a_template():
    """All three ways say the same where they are asked to."""
    grid = [[BLACK, BLACK], [BLACK, BLACK]]
    ways = (
        lambda row, column: f"picture {row + 1}.{column + 1}",
        [["picture 1.1", "picture 1.2"], ["picture 2.1", "picture 2.2"]],
        "picture {row_number}.{column_number}",
    )
    shown = [[[c["alt"] for c in r["cells"]] for r in tiles(grid, alt=way).layout["rows"]] for way in ways]
    assert shown[0] == shown[1] == shown[2]


@pytest.mark.parametrize(
    ("tex", "text"),
    [
        (r"$\sigma = 0.5$", "σ = 0.5"),
        (r"after $\gamma=5$, epoch 3", "after γ=5, epoch 3"),
        (r"$\bar\alpha_t$", "α_t"),
        (r"$\mathcal{N}(0, I)$", "N(0, I)"),
        ("no math", "no math"),
    ],
)
def test_math_in_headings_is_read_out_in_alternative_text(tex, text):
    """A screen reader hears symbols, not TeX."""
    assert plain(tex) == text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": [], "alt": "x"}, "no pictures"),
        ({"images": [[BLACK], [BLACK, BLACK]], "alt": "x"}, "row 2 has 2 pictures, row 1 has 1"),
        ({"images": [[BLACK]], "rows": ["a", "b"], "alt": "x"}, "2 row headings for 1 rows"),
        ({"images": [[BLACK]], "columns": ["a", "b"], "alt": "x"}, "2 column headings for 1 columns"),
        ({"images": [[BLACK]], "alt": " "}, "row 1, column 1: no alternative text"),
        ({"images": [[BLACK, BLACK]], "alt": [["x"]]}, "no alternative text for row 1, column 2"),
        ({"images": [[BLACK]], "alt": "{colour}"}, r"alt template '\{colour\}'"),
        ({"images": [[BLACK]], "alt": "x", "scale": 0}, "scale=0"),
        ({"images": [[BLACK, BLACK * np.nan]], "alt": "x"}, "row 1, column 2: 6 of 6 values are NaN"),
        ({"images": [[np.zeros(3)]], "alt": "x"}, r"row 1, column 1: shape \(3,\)"),
    ],
)
def test_what_cannot_be_a_grid_is_refused_with_its_place(arguments, message):
    """Each mistake is one line that says which cell or argument."""
    with pytest.raises(FigureError, match=message) as caught:
        tiles(arguments.pop("images"), **arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Tiles", {}, {}), "kind 'Tiles'"),
        (("tiles", {}, {"A.png": b""}), "file name 'A.png'"),
        (("tiles", {}, {"../a": b""}), "file name '../a'"),
        (("tiles", {}, {"a b": b""}), "file name 'a b'"),
        (("tiles", {}, {".hidden": b""}), "file name '.hidden'"),
        (("tiles", {}, {"a.png": "text"}), "the content is str, not bytes"),
        (("tiles", {"x": float("nan")}, {}), "layout of a 'tiles'"),
        (("tiles", {"x": np.zeros(2)}, {}), "layout of a 'tiles'"),
    ],
)
def test_a_drawing_that_could_not_be_stored_is_refused(arguments, message):
    """Names that are no file names, contents that are no bytes, layouts that are no JSON."""
    with pytest.raises(FigureError, match=message):
        Drawing(*arguments)
