"""SVG as short as it can be: the same corners in fewer letters, no inline style, nothing that says nothing."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.figures.tidy import short_path, tidied
from tests.figures.svg import points

NUMBERS = st.decimals(-400, 900, places=2).map(float)
LINES = st.sampled_from(["M", "L", "C", "Q"]).flatmap(
    lambda letter: st.lists(NUMBERS, min_size=(n := 2 * {"C": 3, "Q": 2}.get(letter, 1)), max_size=n).map(
        lambda numbers: " ".join([letter, *map(str, numbers)])
    )
)
DRAWN = """<defs>
 <style type="text/css">*{stroke-linejoin: round}</style>
</defs>
<g id="figure_1">
 <g id="line">
  <path d="M 0 0 L 10 0" clip-path="url(#p1)" style="fill: none; stroke: #123456; stroke-width: 2"/>
  <path d="M 0 0 L 9 9" style="fill: none"/>
 </g>
 <g clip-path="url(#p1)"><use xlink:href="#m1" x="3"/></g>
</g>
<defs>
 <clipPath id="p1"><rect x="1"/></clipPath>
 <path id="m1" d="M 1 1 L 2 3"/>
</defs>
"""


@settings(deadline=None)
@given(st.tuples(NUMBERS, NUMBERS), st.lists(LINES | st.just("z"), max_size=30))
def test_a_short_path_is_the_same_path(first: tuple[float, float], lines: list[str]) -> None:
    """Every corner and handle is where it was, to half of a tenth of a pixel, however long the path."""
    long = " ".join([f"M {first[0]} {first[1]}", *lines])
    short = short_path(long)
    assert [kind for kind, *_ in points(short)] == [kind for kind, *_ in points(long)]
    away = np.array([at for _, *at in points(short)]) - np.array([at for _, *at in points(long)])
    assert np.abs(away).max() <= 0.0501


def test_a_long_path_takes_half_of_its_letters() -> None:
    """Steps are shorter than places."""
    x = np.linspace(0, 600, 300)
    long = "M " + " L ".join(f"{a:.2f} {b:.2f}" for a, b in zip(x, 100 + 50 * np.sin(x), strict=True))
    assert len(short_path(long)) < len(long) / 2


def test_other_paths_are_left_alone() -> None:
    """Arcs, and commands that go by steps already."""
    for path in ("M 0 0 A 5 5 0 0 1 10 10", "M 0 0 l 5 5", "M 0 0 L 5"):
        assert short_path(path) == path


def test_what_says_nothing_is_gone() -> None:
    """Style sheets, bare groups, ids that nothing refers to, paths that nobody sees; the rest is there, a line each."""
    assert tidied(DRAWN).splitlines() == [
        '<path d="M0 0h10" clip-path="url(#p1)" fill="none" stroke="#123456" stroke-width="2"/>',
        '<g clip-path="url(#p1)"><use href="#m1" x="3"/></g>',
        "<defs>",
        '<clipPath id="p1"><rect x="1"/></clipPath>',
        '<path id="m1" d="M1 1l1 2"/>',
        "</defs>",
    ]
    assert not re.search(r"style|xlink", tidied(DRAWN))
