"""Reading SVG back: what a drawing says, where, and in which colours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np

from darkroom.figures import Drawing
from darkroom.figures.palette import text_width

NS = "{http://www.w3.org/2000/svg}"
COLOUR = re.compile(r"light-dark\((#[0-9a-f]{6}),(#[0-9a-f]{6})\)|(#[0-9a-f]{6})\b")


@dataclass(frozen=True)
class Text:
    """One text with its estimated box, y downward, and its colour."""

    text: str
    left: float
    right: float
    baseline: float
    size: float
    colour: str

    def overlaps(self, other: Text) -> bool:
        across = min(self.right, other.right) - max(self.left, other.left)
        return across > 1 and abs(self.baseline - other.baseline) < 0.8 * min(self.size, other.size)


def content(drawing: Drawing) -> str:
    """The SVG as text."""
    return drawing.files["plot.svg"].decode()


def root(drawing: Drawing) -> ElementTree.Element:
    return ElementTree.fromstring(content(drawing))


def texts(drawing: Drawing, page: str = "light") -> list[Text]:
    return [_text(element, page) for element in root(drawing).iter(f"{NS}text")]


def _text(element: ElementTree.Element, page: str) -> Text:
    look = element.attrib
    size = float(look["font-size"].removesuffix("px"))
    width = text_width(element.text or "", size)
    start = {"middle": width / 2, "end": width}.get(look.get("text-anchor", "start"), 0.0)
    left = float(look["x"]) - start
    return Text(element.text or "", left, left + width, float(look["y"]), size, _on(page, look["fill"]))


def words(drawing: Drawing) -> list[str]:
    return [text.text for text in texts(drawing)]


def colours(drawing: Drawing, page: str) -> set[str]:
    """Every colour that it has on a page."""
    return {_on(page, found[0]) for found in COLOUR.finditer(content(drawing))}


def _on(page: str, colour: str) -> str:
    """A colour as it is on a page."""
    light, dark, same = COLOUR.fullmatch(colour).groups()
    return same or (light if page == "light" else dark)


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


def paths(drawing: Drawing) -> list[list[tuple[str, float, float]]]:
    """The corners of every path."""
    return [points(element.get("d")) for element in root(drawing).iter(f"{NS}path")]
