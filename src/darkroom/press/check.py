"""What a site must hold to: links lead somewhere, pictures and pages are light, nothing comes from elsewhere."""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from darkroom.lab.errors import Fault, nearest
from darkroom.press.lift import place

if TYPE_CHECKING:
    from darkroom.press.pages import Page
    from darkroom.press.publish import Report, SiteRequest

IMAGE_LIMIT = 800_000
PAGE_LIMIT = 1_500_000

_ANCHOR = re.compile(r'\sid="([^"]*)"')
_LINK = re.compile(r'<([a-z]+)\b[^>]*?\s(href|src)="([^"]*)"')
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)
_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".avif"})


class LinkUse(NamedTuple):
    """A link: the element that has it, and where it leads."""

    element: str
    target: str


@dataclass(frozen=True)
class PageFacts:
    """What is checked of a page: its source, size, anchors and links, and the bytes that load along with it."""

    path: str
    bytes: int
    anchors: tuple[str, ...]
    links: tuple[LinkUse, ...]
    eager_bytes: int


def scan(content: str) -> tuple[tuple[str, ...], tuple[LinkUse, ...]]:
    """The anchors and the distinct links in the HTML of a page."""
    links = {LinkUse(element, html.unescape(target)) for element, _, target in _LINK.findall(content)}
    return tuple(_ANCHOR.findall(content)), tuple(sorted(links))


def place_of(link: LinkUse, page: Page) -> tuple[int, int]:
    """Line and column where the page's author wrote a link; those that templates add are put at its top."""
    written = link.target.replace(".html", ".md", 1)
    for needle in (f"({link.target}", f'"{link.target}', f"({written}", link.target):
        offset = page.text.find(needle)
        if offset >= 0:
            return place(page.text, offset + (needle[0] in '("'))
    return 1, 1


def faults_of(pages: Mapping[str, PageFacts], files: Iterable[str], source: Callable[[str], Page]) -> list[Fault]:
    """Every fault of the pages of a site that holds *files*: links, anchors, other hosts, weight.

    *source* gives the page at an address, as read, to find a link in.
    """
    known = set(files)
    anchors = {url: frozenset(page.anchors) for url, page in pages.items()}
    faults: list[Fault] = []
    for url, page in pages.items():
        faults += _doubles(page)
        faults += _weight(page)
        beside = known if "/" not in url else frozenset[str]()  # of most links nothing else need be asked
        for link in page.links:
            if link.target in beside:
                continue
            message = _broken(link, url, known, anchors)
            if message:
                faults.append(Fault(page.path, *place_of(link, source(url)), "link", message))
    return faults


def _doubles(page: PageFacts) -> Iterator[Fault]:
    if len(set(page.anchors)) != len(page.anchors):
        for anchor in sorted({anchor for anchor in page.anchors if page.anchors.count(anchor) > 1}):
            yield Fault(page.path, 1, 1, "anchor", f"the anchor {anchor!r} is there twice; name one heading {{#...}}")


def _weight(page: PageFacts) -> Iterator[Fault]:
    total = page.bytes + page.eager_bytes
    if total > PAGE_LIMIT:
        message = f"the page weighs {total / 1e6:.2f} MB before lazy images; the limit is {PAGE_LIMIT / 1e6:.1f} MB"
        yield Fault(page.path, 1, 1, "size", message)


def _broken(link: LinkUse, url: str, files: set[str], anchors: Mapping[str, frozenset[str]]) -> str:
    """What is wrong with a link, or ""."""
    if _ELSEWHERE.match(link.target):
        if link.element in {"a", "link"} or link.target.startswith("data:"):
            return ""
        return f"{link.target} is loaded from elsewhere; keep it in templates/static"
    if link.target.startswith("/"):
        return f"{link.target} is not relative; the site may stand under any path"
    return _lost(link, url, files, anchors)


def _lost(link: LinkUse, url: str, files: set[str], anchors: Mapping[str, frozenset[str]]) -> str:
    path, _, anchor = link.target.partition("#")
    target = posixpath.normpath(posixpath.join(posixpath.dirname(url), path)) if path else url
    target = "index.html" if target == "." else target
    if target not in files and link.element == "img":
        return f"no picture {link.target!r} in templates/static"
    if target not in files:
        return f"{link.target} leads nowhere{nearest(target, files)}"
    if anchor and target in anchors and anchor not in anchors[target]:
        return f"no anchor {'#' + anchor!r} on {target}{nearest(anchor, anchors[target])}"
    return ""


def picture_faults(files: Iterable[tuple[str, int]], folder: str) -> list[Fault]:
    """A fault for each picture among *files*, (path in *folder*, bytes), that is too heavy."""
    heavy = {path: count for path, count in files if count > IMAGE_LIMIT and PurePosixPath(path).suffix in _PICTURES}
    return [
        Fault(f"{folder}/{path}", 1, 1, "size", f"the picture weighs {count / 1e6:.2f} MB; the limit is 0.8 MB")
        for path, count in sorted(heavy.items())
    ]


def check(request: SiteRequest) -> Report:
    """Check what is built, and change nothing: sources as in a build, and the site against what they give.

    Raises:
        ContentError: with every fault, among them a file of the site that is missing, altered or out of date.
    """
    from darkroom.press.publish import compare

    return compare(request)
