"""Plots in the page: one drawing for both themes, nothing inline that a policy forbids, ids of its own."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.figures import Series, line_plot
from darkroom.press.typeset.svg import _short, inline, standing_alone


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


def test_standing_alone_it_is_a_document(plot: dict[str, str]) -> None:
    """With the namespace that a file needs, and what can be read off it."""
    readings = [{"name": "<a> & 'b'", "points": [[1, 2, "3", "4"]]}]
    made = standing_alone(inline(plot["light.svg"], plot["dark.svg"], "fig-a", "A curve."), readings)
    root = ElementTree.fromstring(made)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert json.loads(root.attrib["data-readings"]) == readings
    assert standing_alone("") == ""


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


def points(path: str) -> list[tuple[str, float, float]]:
    """Where the corners and handles of a path are, each with its kind of line."""
    found, at, start, letter = [], np.zeros(2), np.zeros(2), ""
    tokens = re.findall(r"[A-Za-z]|-?(?:\d+\.?\d*|\.\d+)", path)
    while tokens:
        letter = tokens.pop(0) if tokens[0].isalpha() else letter
        if letter == "z":
            at = start
            found.append(("z", *at))
            continue
        here = at
        for _ in range({"C": 3, "Q": 2}.get(letter.upper(), 1)):
            x = float(tokens.pop(0)) if letter != "v" else 0.0
            y = float(tokens.pop(0)) if letter != "h" else 0.0
            at = (here if letter.islower() else 0) + np.array([x, y])
            found.append(("L" if letter in "hv" else letter.upper(), *at))
        start = at if letter == "M" else start
    return found


NUMBERS = st.decimals(-400, 900, places=2).map(float)
LINES = st.sampled_from(["M", "L", "C", "Q"]).flatmap(
    lambda letter: st.lists(NUMBERS, min_size=(n := 2 * {"C": 3, "Q": 2}.get(letter, 1)), max_size=n).map(
        lambda numbers: " ".join([letter, *map(str, numbers)])
    )
)


@given(st.tuples(NUMBERS, NUMBERS), st.lists(LINES | st.just("z"), max_size=30))
def test_a_short_path_is_the_same_path(first: tuple[float, float], lines: list[str]) -> None:
    """Every corner and handle is where it was, to half of a tenth of a pixel, however long the path."""
    long = " ".join([f"M {first[0]} {first[1]}", *lines])
    short = _short(long)
    assert [kind for kind, *_ in points(short)] == [kind for kind, *_ in points(long)]
    away = np.array([at for _, *at in points(short)]) - np.array([at for _, *at in points(long)])
    assert np.abs(away).max() <= 0.0501


def test_a_plot_is_short(plot: dict[str, str]) -> None:
    """What its paths take is less than half of what they took."""
    made = inline(plot["light.svg"], plot["dark.svg"], "fig-a", "A curve.")
    before, after = (sum(map(len, re.findall(r' d="([^"]*)"', svg))) for svg in (plot["light.svg"], made))
    assert after < before / 2


def test_other_paths_are_left_alone() -> None:
    """Arcs, and commands that go by steps already."""
    for path in ("M 0 0 A 5 5 0 0 1 10 10", "M 0 0 l 5 5", "M 0 0 L 5"):
        assert _short(path) == path


def test_groups_that_say_nothing_are_gone(plot: dict[str, str]) -> None:
    """Those that clip stay, every tag is closed, and a path that nobody sees is not there."""
    assert plot["light.svg"].count("<g") > 20
    made = inline(plot["light.svg"], plot["dark.svg"], "fig-a", "A curve.")
    root = ElementTree.fromstring(made)
    assert all(group.attrib for group in root.iter("g"))
    assert made.count("clip-path=") == len(re.findall(r"clip-path[=:]", plot["light.svg"]))
    assert all(path.get("fill") != "none" or path.get("stroke") for path in root.iter("path"))
