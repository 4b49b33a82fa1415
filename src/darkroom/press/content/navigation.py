"""The order of pages, and their navigation: one for the pages at the top, and one for each folder that has an index.

A folder with an ``index.md`` is a part of the site. The navigation of all pages has its index; the other pages of the
folder stand in a navigation of their own, which the index begins.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import PurePosixPath

import msgspec

from darkroom.press.content.outlines import Outline


class Link(msgspec.Struct, frozen=True):
    """A page in a navigation."""

    url: str
    name: str


class Part(msgspec.Struct, frozen=True):
    """A part of the site: its pages in order, its index first."""

    pages: tuple[Link, ...]


def heads_of(url: str, urls: Collection[str]) -> tuple[str, ...]:
    """The indexes of the folders that a page is in, those of outer folders first; *urls* are those of all pages.

    A page that is an index is its own folder's. The index of the whole site is none.
    """
    folders = [folder for folder in PurePosixPath(url).parents if folder.name]
    return tuple(each for each in (f"{folder}/index.html" for folder in reversed(folders)) if each in urls)


def in_order(outlines: Mapping[str, Outline]) -> list[Outline]:
    """All pages in reading order: by their place in the navigation, those of a part behind its index."""

    def place(url: str) -> tuple[float, str]:
        order = outlines[url].meta.order
        return (float("inf") if order is None else order, url)

    def path(url: str) -> list[tuple[float, str]]:
        return [place(each) for each in dict.fromkeys((*heads_of(url, outlines), url))]

    return [outlines[url] for url in sorted(outlines, key=path)]


def navigation_of(ordered: Sequence[Outline]) -> tuple[Link, ...]:
    """The pages that all pages lead to: those that have an order, and of each part its index."""
    urls = {outline.url for outline in ordered}
    return tuple(
        Link(outline.url, outline.name)
        for outline in ordered
        if outline.meta.order is not None and not set(heads_of(outline.url, urls)) - {outline.url}
    )


def parts_of(ordered: Iterable[Outline]) -> dict[str, Part]:
    """The parts of the site that have pages, by the address of their index."""
    pages = list(ordered)
    urls = {outline.url for outline in pages}
    found: dict[str, list[Outline]] = {}
    for outline in pages:
        heads = [head for head in heads_of(outline.url, urls) if head != outline.url]
        if heads and outline.meta.order is not None:
            found.setdefault(heads[-1], []).append(outline)
    names = {outline.url: outline.name for outline in pages}
    return {
        head: Part((Link(head, names[head]), *(Link(each.url, each.name) for each in inside)))
        for head, inside in found.items()
    }


def part_of(url: str, parts: Mapping[str, Part]) -> Part | None:
    """The part that a page is in, the innermost; that of an index is its own."""
    heads = heads_of(url, parts)
    return parts[heads[-1]] if heads else None


def report_of(ordered: Sequence[Outline]) -> list[Outline]:
    """The pages of the report itself: those of the navigation, without the parts beside them."""
    listed, parts = navigation_of(ordered), parts_of(ordered)
    urls = {link.url for link in listed} - set(parts)
    return [outline for outline in ordered if outline.url in urls]
