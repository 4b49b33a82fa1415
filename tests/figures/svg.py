"""Reading SVG back: what a drawing says, where, and in which colours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree

from darkroom.figures import Drawing
from darkroom.figures.palette import text_width

NS = "{http://www.w3.org/2000/svg}"
COLOUR = re.compile(r"#[0-9a-f]{6}\b")


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


def root(drawing: Drawing, page: str = "light") -> ElementTree.Element:
    return ElementTree.fromstring(drawing.files[f"{page}.svg"])


def texts(drawing: Drawing, page: str = "light") -> list[Text]:
    return [_text(element) for element in root(drawing, page).iter(f"{NS}text")]


def _text(element: ElementTree.Element) -> Text:
    style = dict(part.split(": ", 1) for part in element.get("style", "").split("; ") if part)
    look = {**element.attrib, **style}
    size = float(look["font-size"].removesuffix("px"))
    width = text_width(element.text or "", size)
    start = {"middle": width / 2, "end": width}.get(look.get("text-anchor", "start"), 0.0)
    left = float(look["x"]) - start
    return Text(element.text or "", left, left + width, float(look["y"]), size, look["fill"])


def words(drawing: Drawing) -> list[str]:
    return [text.text for text in texts(drawing)]


def colours(drawing: Drawing, page: str) -> set[str]:
    return set(COLOUR.findall(drawing.files[f"{page}.svg"].decode()))


def without_colours(drawing: Drawing, page: str) -> str:
    return COLOUR.sub("#", drawing.files[f"{page}.svg"].decode())
