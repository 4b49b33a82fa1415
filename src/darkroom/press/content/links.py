"""Links in HTML: the anchors of a page, the links of its elements, and the same elements with other addresses."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from darkroom.core.patterns import lazy_pattern
from darkroom.press.content.markup import attributes

_TAG = lazy_pattern(
    r"""<!--.*?-->|<(?:script|style)\b[^>]*>.*?</|<([A-Za-z][^\s/>]*)[\s/](?:[^<>"']++|"[^"]*"|'[^']*')*+>""", re.DOTALL
)
_TELLING = lazy_pattern(r"\s(?:id|name|href|src|srcset|poster)\s*=", re.IGNORECASE)
_USUAL = lazy_pattern(r'<[a-z][a-z0-9]*+(?:\s++[a-z][a-z0-9:_-]*+(?:="[^"]*+")?)*+\s*/?>')
_ATTRIBUTE = lazy_pattern(r'\s([a-z][a-z0-9:_-]*)="([^"]*)"')


class LinkUse(NamedTuple):
    """A link: the element that has it, where it leads, and where in the page's file it is written (-1: in a template)."""

    element: str
    target: str
    offset: int = -1


def _attributes(tag: str) -> dict[str, str]:
    """The attributes of a tag; most tags have them in small letters and double quotes, which are read in less time."""
    if not _USUAL.fullmatch(tag):
        return attributes(tag)
    pairs = reversed(_ATTRIBUTE.findall(tag))  # of two of one name the first counts
    return {name: html.unescape(value) if "&" in value else value for name, value in pairs}


def scan(content: str) -> tuple[tuple[str, ...], tuple[LinkUse, ...]]:
    """The anchors and the distinct links in the HTML of a page, formulas not yet in it."""
    anchors: list[str] = []
    links: set[LinkUse] = set()
    for found in _TAG.finditer(content):
        tag = found[0]
        if tag.endswith("</"):
            tag = tag.partition(">")[0] + ">"
        if not _TELLING.search(tag) or tag.startswith("<!--"):
            continue
        element, known = (found[1] or "script").lower(), _attributes(tag)
        anchor, name = known.get("id"), known.get("name") if element == "a" else None
        if anchor:
            anchors.append(anchor)
        if name and name != anchor:
            anchors.append(name)
        if element in _LINKS:
            links |= {LinkUse(element, target) for target in targets(element, known)}
    return tuple(anchors), tuple(sorted(links))


_LINKS = {
    "a": ("href",), "area": ("href",), "link": ("href",), "img": ("src", "srcset"), "source": ("src", "srcset"),
    "video": ("src", "poster"), "audio": ("src",), "track": ("src",), "script": ("src",), "iframe": ("src",),
    "embed": ("src",), "input": ("src",), "image": ("href",), "use": ("href",),
}  # fmt: skip
_CANDIDATE = lazy_pattern(r"([^\s,]\S*[^\s,]|[^\s,])(\s+[\d.]+[wx])?\s*(?:,|$)")


def targets(element: str, known: Mapping[str, str]) -> Iterator[str]:
    """Where the attributes of an element lead."""
    for name in _LINKS.get(element, ()):
        if name in known:
            yield from (found[1] for found in _CANDIDATE.finditer(known[name])) if name == "srcset" else (known[name],)


def retargeted(element: str, known: Mapping[str, str], new: Callable[[str, str], str]) -> dict[str, str]:
    """The attributes of an element that lead somewhere, led to what *new* makes of their names and where they lead."""
    made = {}
    for name in _LINKS.get(element, ()):
        if name == "srcset" and name in known:
            made[name] = ", ".join(
                f"{new(name, found[1])}{found[2] or ''}" for found in _CANDIDATE.finditer(known[name])
            )
        elif name in known:
            made[name] = new(name, known[name])
    return {name: value for name, value in made.items() if value != known[name]}
