"""Rules for a site: links lead somewhere, pictures and pages are small, nothing is loaded from other hosts."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

import msgspec

from darkroom.core.errors import Fault, nearest
from darkroom.core.patterns import lazy_pattern
from darkroom.press.content.addresses import parts_of
from darkroom.press.content.links import LinkUse
from darkroom.press.content.markup import leads_to_pages
from darkroom.press.faults import place
from darkroom.press.typeset.pictures import is_picture

if TYPE_CHECKING:
    from darkroom.press.content.outlines import Page

IMAGE_LIMIT = 800_000
PAGE_LIMIT = 1_500_000

_ELSEWHERE = lazy_pattern(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)


class PageFacts(msgspec.Struct, frozen=True):
    """What is checked of a page: its source, size, anchors and links, and the bytes that load along with it."""

    path: str
    bytes: int
    anchors: tuple[str, ...]
    links: tuple[LinkUse, ...]
    eager_bytes: int


def faults_of(pages: Mapping[str, PageFacts], files: Iterable[str], source: Callable[[str], Page]) -> list[Fault]:
    """Every fault of the pages of a site that holds *files*: links, anchors, other hosts, weight.

    *source* gives the page at an address, as read, to find a link in.
    """
    known = set(files)
    anchors = {url: frozenset(page.anchors) for url, page in pages.items()}
    faults: list[Fault] = []
    for url, page in pages.items():
        faults += _doubles(page, url, source)
        faults += _weight(page)
        beside = known if "/" not in url else frozenset[str]()  # most links need no other check
        for link in page.links:
            if link.target in beside or (link.target[:1] == "#" and link.target[1:] in anchors[url]):
                continue
            if found := broken(link, url, known, anchors):
                at = place(source(url).text, link.offset) if link.offset >= 0 else (1, 1)
                faults.append(Fault(page.path, *at, "link", found.message))
    return faults


def _doubles(page: PageFacts, url: str, source: Callable[[str], Page]) -> Iterator[Fault]:
    if len(set(page.anchors)) == len(page.anchors):
        return
    text, headings = source(url).text, source(url).outline.headings
    for anchor in sorted({anchor for anchor in page.anchors if page.anchors.count(anchor) > 1}):
        given = re.finditer(rf"\b(?:id|name)\s*=\s*[\"']?{re.escape(anchor)}(?=[\"'\s>])", text, re.IGNORECASE)
        places = sorted(
            {heading.offset for heading in headings if heading.anchor == anchor} | {m.start() for m in given}
        )
        at = place(text, places[-1]) if places else (1, 1)
        first = f", on line {place(text, places[0])[0]} first" if len(places) > 1 else ""
        message = f"the anchor {anchor!r} is used twice{first}; name one heading with {{#...}}, or change an id"
        yield Fault(page.path, *at, "anchor", message)


def _weight(page: PageFacts) -> Iterator[Fault]:
    total = page.bytes + page.eager_bytes
    if total > PAGE_LIMIT:
        message = f"the page loads {total / 1e6:.2f} MB without lazy images; the limit is {PAGE_LIMIT / 1e6:.1f} MB"
        yield Fault(page.path, 1, 1, "size", message)


class BrokenLink(NamedTuple):
    """What is wrong with a link; ``is_lost`` says that no file of the site is at its address."""

    message: str
    is_lost: bool = False


_NOWHERE = lazy_pattern(r"https?:(?!//[^/?#])", re.IGNORECASE)


def broken(link: LinkUse, url: str, files: set[str], anchors: Mapping[str, frozenset[str]]) -> BrokenLink | None:
    """What is wrong with a link of the page at *url* of a site that holds *files* and pages with *anchors*, or None."""
    if _NOWHERE.match(link.target):
        return BrokenLink(f"{link.target[:80]!r} names no host; write https://example.com/...")
    if _ELSEWHERE.match(link.target):
        if link.element in {"a", "area"}:
            message = f"{link.target[:80]!r} is not a link that is allowed; use https:, http:, mailto: or tel:"
            return None if leads_to_pages(link.target) else BrokenLink(message)
        if link.element == "link" or link.target.startswith("data:"):
            return None
        return BrokenLink(f"{link.target} is loaded from another host; put it in templates/static")
    if link.target.startswith("/"):
        message = f"{link.target} is not relative; write a relative address, since the site may be under any path"
        return BrokenLink(message)
    return _lost(link, url, files, anchors)


def _lost(link: LinkUse, url: str, files: set[str], anchors: Mapping[str, frozenset[str]]) -> BrokenLink | None:
    path, _, anchor = parts_of(link.target)
    anchor = unquote(anchor.removeprefix("#"))
    target = posixpath.normpath(posixpath.join(posixpath.dirname(url), path)) if path else url
    target = "index.html" if target == "." else target
    if target not in files and link.element in {"img", "source", "video", "audio", "track"}:
        kind = "picture" if link.element == "img" else "file"
        offer = nearest(posixpath.basename(path), _as_written(files, True))
        return BrokenLink(f"no {kind} {path!r} in templates/static{offer}", is_lost=True)
    if target not in files:
        offer = _elsewhere(link.target) or _nearest_page(target, files)
        return BrokenLink(f"{link.target} leads nowhere{offer}", is_lost=True)
    if anchor and target in anchors and anchor not in anchors[target]:
        return BrokenLink(f"no anchor {'#' + anchor!r} on {target}{nearest(anchor, anchors[target])}")
    return None


_PUBLISHED = lazy_pattern(r"assets/(?P<stem>.+)\.[0-9a-f]{10}(?P<suffix>\.\w+)")


def _as_written(files: Iterable[str], static: bool = False) -> Iterator[str]:
    """The files of a site as pages name them, or those of ``static`` alone: without what publishing adds."""
    for file in files:
        found = _PUBLISHED.fullmatch(file)
        if found:
            yield f"{found['stem']}{found['suffix']}"
        elif not static:
            yield file


def _nearest_page(target: str, files: Iterable[str]) -> str:
    known = {*_as_written(files)}
    name = posixpath.basename(target)
    return f"; did you mean {name!r}?" if name in known and name != target else nearest(target, known)


def _elsewhere(target: str) -> str:
    """A clause with the address that was meant by one without a scheme, or ""."""
    if re.fullmatch(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", target):
        return f"; write mailto:{target}"
    return f"; write https://{target}" if re.match(r"www\.[\w-]+\.", target) else ""


def picture_faults(files: Iterable[tuple[str, int]], folder: str) -> list[Fault]:
    """A fault for each picture among *files*, (path in *folder*, bytes), that is too heavy."""
    heavy = {path: count for path, count in files if count > IMAGE_LIMIT and is_picture(path)}
    return [
        Fault(f"{folder}/{path}", 1, 1, "size", f"the picture has {count / 1e6:.2f} MB; the limit is 0.8 MB")
        for path, count in sorted(heavy.items())
    ]
