"""Pictures to handle: what the page needs to show them, and that a turn is the true one."""

import numpy as np
import pytest

from darkroom.figures import FigureError, Turning, compare, distances, slides, turning
from darkroom.figures.interactive import TURNS

PICTURE = np.random.default_rng(1).integers(0, 255, (8, 8, 3)).astype(np.uint8)


def turned(view: str, seen: np.ndarray) -> Turning:
    return Turning("a $b$", PICTURE, seen, view, "A castle.", "A fish.")


def test_slides_have_a_label_each_and_start_at_the_last():
    """One file a slide, its text with its label, and the place to begin."""
    drawing = slides([PICTURE, PICTURE[::-1]], labels=["t = 2", "t = 0"], alt="The picture at {label}.", scale=3)
    assert drawing.kind == "slides" and drawing.layout["start"] == 1
    assert [(each["label"], each["alt"], each["width"]) for each in drawing.layout["slides"]] == [
        ("t = 2", "The picture at t = 2.", 24),
        ("t = 0", "The picture at t = 0.", 24),
    ]
    assert sorted(drawing.files) == ["slide_1.png", "slide_2.png"]


def test_a_comparison_has_two_sides_of_one_size():
    """Both sides in their order; another size is refused."""
    drawing = compare(PICTURE, PICTURE[::-1], labels=("before", "after"), alt=("A cat.", "A rocket."))
    assert [(side["label"], side["alt"], side["file"]) for side in drawing.layout["sides"]] == [
        ("before", "A cat.", "before.png"),
        ("after", "A rocket.", "after.png"),
    ]
    with pytest.raises(FigureError, match=r"pictures of \(8, 8\) and \(4, 8\); make them the same size"):
        compare(PICTURE, PICTURE[:4], labels=("a", "b"), alt=("c", "d"))


@pytest.mark.parametrize("view", TURNS)
def test_a_turn_that_is_true_is_drawn(view):
    """The page turns the picture by its view, which gives what is said to be seen."""
    (panel,) = turning([turned(view, TURNS[view](PICTURE))]).layout["panels"]
    assert panel["view"] == view and panel["seen"]["alt"] == "A fish." and panel["picture"]["alt"] == "A castle."


def test_a_turn_that_is_another_is_refused():
    """A flip shown as a half turn would be another picture; a view without a name of its own fades."""
    with pytest.raises(FigureError, match="half-turn does not turn it into what is said to be seen"):
        turning([turned("half-turn", PICTURE[::-1])])
    with pytest.raises(FigureError, match="view 'spin'; one of flip, mirror"):
        turning([turned("spin", PICTURE[::-1])])
    assert turning([turned("", PICTURE[::-1])]).layout["panels"][0]["view"] == ""


def test_distances_show_each_hybrid():
    """One panel a picture, with its heading and its text."""
    drawing = distances([PICTURE, PICTURE], headings=["a", "b"], alts=["A skull far, falls near.", "x"], scale=2)
    assert [(panel["heading"], panel["width"]) for panel in drawing.layout["panels"]] == [("a", 16), ("b", 16)]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: slides([], labels=[], alt="x"), "0 labels for 0 pictures"),
        (lambda: slides([PICTURE], labels=["a", "b"], alt="x"), "2 labels for 1 pictures"),
        (lambda: slides([PICTURE], labels=["a"], alt=" "), "slide_1: no alternative text"),
        (lambda: distances([PICTURE], headings=["a"], alts=[]), "1 pictures, 1 headings, 0 texts"),
        (lambda: turning([]), "no pictures"),
    ],
)
def test_what_is_missing_is_told(draw, message):
    """Labels, headings and texts are one a picture, and there is at least one."""
    with pytest.raises(FigureError, match=message):
        draw()
