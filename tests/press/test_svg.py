"""Plots in the page: one drawing for both themes, nothing inline that a policy forbids, ids of its own."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from darkroom.figures import Series, line_plot
from darkroom.press.svg import inline


@pytest.fixture(scope="module")
def plot() -> dict[str, str]:
    """A plot with text, a clipped line and a band, as the figures draw it."""
    steps = np.arange(1, 300)
    noisy = Series("training", steps, 1 / steps + 0.01 * np.sin(steps), style="noisy")
    drawing = line_plot([noisy], x_label="step", y_label="loss & more", log_y=False)
    return {name: content.decode() for name, content in drawing.files.items()}


def test_one_drawing_has_the_colours_of_both(plot: dict[str, str]) -> None:
    """Where the two differ the page's colour scheme chooses; every colour of each is still there."""
    made = inline(plot["light.svg"], plot["dark.svg"], "fig-a", "A curve.")
    pairs = re.findall(r"light-dark\((#[0-9a-f]{6}),(#[0-9a-f]{6})\)", made)
    assert {light for light, _ in pairs} <= set(re.findall(r"#[0-9a-f]{6}", plot["light.svg"]))
    assert {dark for _, dark in pairs} <= set(re.findall(r"#[0-9a-f]{6}", plot["dark.svg"]))
    assert len(pairs) == len(re.findall(r"#[0-9a-f]{6}", plot["light.svg"]))


def test_it_is_well_formed_and_named(plot: dict[str, str]) -> None:
    """It parses, keeps its size and its text, and says what it shows; there is no title to pop up."""
    made = inline(plot["light.svg"], plot["dark.svg"], "fig-a", 'A "curve" & more.')
    root = ElementTree.fromstring(made)
    assert root.get("aria-label") == 'A "curve" & more.' and root.get("role") == "img"
    assert (root.get("width"), root.get("viewBox").split()[2]) == (root.get("viewBox").split()[2], root.get("width"))
    texts = [element.text for element in root.iter("text")]
    assert "step" in texts and "loss & more" in texts
    assert not [element.tag for element in root.iter() if element.tag in {"title", "desc", "style"}]


def test_nothing_in_it_is_an_inline_style(plot: dict[str, str]) -> None:
    """Declarations are attributes of their own."""
    made = inline(plot["light.svg"], plot["dark.svg"], "fig-a", "A curve.")
    assert "style" not in made
    assert 'stroke-linecap="square"' in made and 'font-size="13px"' in made


def test_ids_are_the_figure_s_own(plot: dict[str, str]) -> None:
    """Two plots on a page share no id, and every reference leads to an id that is there."""
    made = inline(plot["light.svg"], plot["dark.svg"], "fig-a", "A curve.")
    ids = re.findall(r' id="([^"]*)"', made)
    referred = {one or other for one, other in re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', made)}
    assert ids and all(name.startswith("fig-a-") for name in ids) and set(ids) == referred


def test_two_drawings_are_not_merged(plot: dict[str, str]) -> None:
    """Where more than colours differ, nothing is given, and the page shows files."""
    assert inline(plot["light.svg"], plot["dark.svg"].replace("step", "steps"), "a", "b") == ""
    assert inline("no svg", "no svg", "a", "b") == ""
