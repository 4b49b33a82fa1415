"""A page as it has been read, and its outline: what other pages may refer to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from darkroom.core.errors import Fault
from darkroom.press.content.calls import KINDS, Call, PageCall
from darkroom.press.content.mathtext import Prepared, Target
from darkroom.press.faults import fault

if TYPE_CHECKING:
    from markdown_it.token import Token

Complaint = tuple[int, str, str]  # offset in the file, rule, message


class Document(msgspec.Struct, frozen=True):
    """A text that has been read: markdown-it's tokens, the calls in order, and what is wrong, at offsets of the file.

    ``kept`` are ranges of the text that Jinja may not touch, ``prose`` is its words with their offsets.
    """

    tokens: tuple[Token, ...]
    calls: tuple[Call, ...]
    faults: tuple[Complaint, ...]
    warnings: tuple[Complaint, ...]
    kept: tuple[tuple[int, int], ...]
    prose: tuple[tuple[str, int], ...]


class Meta(msgspec.Struct, frozen=True):
    """The front matter.

    ``order`` is the place in the navigation (None: not in it) and ``nav`` the name there; ``numbered`` numbers sections
    and ``toc`` shows the contents; ``lede`` is an opening paragraph under the title; ``layout`` names a file in
    ``layouts``; a ``draft`` is read and not published; ``macros`` are TeX macros of this page. ``authors`` wrote it, where
    they are others than the site's, on the day ``date``.
    """

    title: str
    description: str
    lede: str = ""
    order: int | None = None
    nav: str = ""
    numbered: bool = False
    toc: bool = True
    layout: str = "page"
    draft: bool = False
    macros: Mapping[str, str] = {}
    date: str = ""
    authors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Heading:
    """A section's heading: level 2 to 6, anchor, number such as "2.1" ("" where unnumbered), and plain text.

    ``offset`` is where it stands in the file; two headings that differ in it alone are the same to other pages.
    """

    level: int
    anchor: str
    number: str
    text: str
    offset: int = field(default=0, compare=False, repr=False)


class Body(msgspec.Struct, frozen=True):
    """What stands between two headings: words, pictures and films of the text itself, and blocks of any kind.

    Only ``blocks`` has calls as well.
    """

    words: int = 0
    pictures: int = 0
    films: int = 0
    blocks: int = 0


class Outline(msgspec.Struct, frozen=True, dict=True):
    """What other pages may refer to in a page: *path* from the project's root, *url* from the site's, *calls* in order.

    ``equations`` are the formulas that have a name and a number. The first of ``bodies`` stands before all headings, and
    then there is one for each.
    """

    path: str
    url: str
    meta: Meta
    headings: tuple[Heading, ...]
    calls: tuple[Call, ...]
    equations: tuple[Target, ...] = ()
    bodies: tuple[Body, ...] = ()

    @cached_property
    def kinds(self) -> tuple[PageCall, ...]:
        """What each call is, in order."""
        return tuple(KINDS[call.name](call) for call in self.calls)

    @property
    def name(self) -> str:
        """What navigation and references call the page."""
        return self.meta.nav or self.meta.title


class Page(msgspec.Struct, frozen=True):
    """A page as read: its file's text, its parts, its formulas in order, and what is wrong with it or doubtful.

    ``lede`` is the opening paragraph that the front matter has.
    """

    outline: Outline
    text: str
    document: Document
    lede: Document
    formulas: tuple[Prepared, ...]
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]

    @property
    def url(self) -> str:
        """The page's address, from the site's root."""
        return self.outline.url

    def fault(self, offset: int, rule: str, message: str) -> Fault:
        """A fault at *offset* of the page's file."""
        return fault(self.text, self.outline.path, offset, rule, message)

    def find(self, needle: str) -> int:
        """The offset of *needle* in the file, or 0."""
        return max(self.text.find(needle), 0)
