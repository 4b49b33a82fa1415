"""Plots in the page: nothing inline that a policy forbids, and ids of their own."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from darkroom.figures import Series, line_plot
from darkroom.press.typeset.svg import inline, standing_alone
from darkroom.press.typeset.vetting import is_plain


@pytest.fixture(scope="module")
def plot() -> str:
    """A plot with text, a clipped line and a band, as the figures draw it."""
    steps = np.arange(1, 300)
    noisy = Series("training", steps, 1 / steps + 0.01 * np.sin(steps), style="noisy")
    return line_plot([noisy], x_label="step", y_label="loss & more", log_y=False).files["plot.svg"].decode()


def elements(drawing: str) -> list[str]:
    """What is drawn, without ids."""
    return re.sub(r"(#|id=\")(fig-a-)?", r"\1", drawing).replace("\n", "").partition("</title>")[2].split("<")


def test_a_plot_is_set_into_the_page_as_it_is_stored(plot: str) -> None:
    """Every element in its colours; only ids are others."""
    assert is_plain(plot)
    made = inline(plot, "fig-a", "A curve.")
    assert "light-dark(#" in made
    assert elements("<title></title>" + made.partition(">")[2]) == elements(plot)


def test_it_is_well_formed_and_named(plot: str) -> None:
    """It parses, keeps its size, its look and its text, and says what it shows; there is no title to pop up."""
    made = inline(plot, "fig-a", 'A "curve" & more.')
    root = ElementTree.fromstring(made)
    assert root.attrib == {
        "width": "640",
        "height": "360",
        "viewBox": "0 0 640 360",
        "role": "img",
        "aria-label": 'A "curve" & more.',
        "stroke-linejoin": "round",
    }
    texts = [element.text for element in root.iter("text")]
    assert "step" in texts and "loss & more" in texts
    assert not [element.tag for element in root.iter() if element.tag in {"title", "desc", "style"}]


def test_a_drawing_of_another_program_keeps_how_its_root_looks() -> None:
    """What its elements inherit; neither its typeface nor anything else of it."""
    given = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" id="a" class="b" fill="none" stroke="#123456" '
        'stroke-width="2" font-family="serif" style="color: red" data-readings="[]"><path d="M1 1h4"/></svg>'
    )
    assert inline(given, "fig-a", "A line.") == (
        '<svg viewBox="0 0 9 9" role="img" aria-label="A line." fill="none" stroke="#123456" stroke-width="2">'
        '<path d="M1 1h4"/></svg>'
    )


def test_standing_alone_it_is_a_document(plot: str) -> None:
    """With the namespace that a file needs, and what can be read off it."""
    readings = [{"name": "<a> & 'b'", "points": [[1, 2, "3", "4"]]}]
    made = standing_alone(inline(plot, "fig-a", "A curve."), readings)
    root = ElementTree.fromstring(made)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert json.loads(root.attrib["data-readings"]) == readings
    assert standing_alone("") == inline("no svg", "a", "b") == ""


def test_nothing_in_it_is_an_inline_style(plot: str) -> None:
    """Declarations are attributes of their own."""
    made = inline(plot, "fig-a", "A curve.")
    assert "style" not in made
    assert 'stroke-linecap="square"' in made and 'font-size="13px"' in made


def test_ids_are_the_figure_s_own(plot: str) -> None:
    """Two plots on a page share no id, and every reference leads to an id that is there."""
    made = inline(plot, "fig-a", "A curve.")
    ids = re.findall(r' id="([^"]*)"', made)
    referred = {one or other for one, other in re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', made)}
    assert ids and all(name.startswith("fig-a-") for name in ids) and set(ids) == referred


def test_a_plot_has_no_group_or_path_that_says_nothing(plot: str) -> None:
    """Groups that clip stay, and every path is filled or stroked."""
    root = ElementTree.fromstring(inline(plot, "fig-a", "A curve."))
    assert all(group.attrib for group in root.iter("g"))
    assert all(path.get("fill") != "none" or path.get("stroke") for path in root.iter("path"))
