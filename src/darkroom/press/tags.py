"""The start tags of a page that was published, with their places, so that some of them can be changed."""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser
from typing import NamedTuple

from darkroom.core.patterns import lazy_pattern

_VERBATIM = frozenset({"script", "style"})


class Tag(NamedTuple):
    """A start tag: where it begins and ends, its name in lower case, its attributes, and the script or style behind it."""

    start: int
    stop: int
    name: str
    attributes: dict[str, str]
    content: str = ""


class _Reader(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=False)
        self.html = html
        self.lines = [0, *(found.end() for found in re.finditer("\n", html))]
        self.found: list[Tag] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take one in."""
        line, column = self.getpos()
        start = self.lines[line - 1] + column
        stop = start + len(self.get_starttag_text() or "")
        content = ""
        if tag in _VERBATIM:
            end = re.compile(rf"</{tag}", re.IGNORECASE).search(self.html, stop)
            content = self.html[stop : end.start() if end else len(self.html)]
        self.found.append(Tag(start, stop, tag, {name: value or "" for name, value in reversed(attrs)}, content))


def tags_of(html: str) -> list[Tag]:
    """Every start tag, in order."""
    return _Reader(html).found


_ATTRIBUTE = lazy_pattern(r"""\s+([^\s=>/"']+)(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'>]+))?""")


def with_attribute(text: str, name: str, value: str | None) -> str:
    """A start tag with another value of an attribute that it has, or without it if that is None."""
    new = "" if value is None else f' {name}="{escape(value)}"'
    for found in _ATTRIBUTE.finditer(text):
        if found[1].lower() == name:
            return text[: found.start()] + new + text[found.end() :]
    return text
