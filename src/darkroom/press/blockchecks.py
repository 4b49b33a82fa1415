r"""What is wrong with blocks: fences, indented code, headings, HTML and callouts that are not what they are meant to be."""

from __future__ import annotations

import re
from collections.abc import Callable

from markdown_it.common.utils import unescapeAll
from markdown_it.token import Token

from darkroom.lab.errors import nearest
from darkroom.press import dialects, listing
from darkroom.press.rawhtml import check_html
from darkroom.press.reading import Reading, make_formula

_FENCE_END = re.compile(r"(?P<marks>`{3,}|~{3,})[ \t]*$")


def _check_fence(reading: Reading, token: Token) -> None:
    assert token.map
    first, last = token.map[0], token.map[1] - 1
    end = _FENCE_END.search(reading.line(last))
    place = reading.lines[first] + reading.line(first).find(token.markup)
    closed = last > first and end and end["marks"][0] == token.markup[0] and len(end["marks"]) >= len(token.markup)
    reading.kept.append((place, reading.lines[last] + len(reading.line(last))))
    token.meta["at"] = reading.origin(place)
    if not closed:
        reading.fault(place, "code", f"this fence is not closed; end it with {token.markup}")
    elif token.info.strip() == "math":
        offset = reading.lines[first + 1]
        starts, at = [], 0
        for number, line in enumerate(token.content.split("\n")[:-1], first + 1):
            column = max(reading.line(number).find(line.strip()), 0) - (len(line) - len(line.lstrip()))
            starts.append((at, reading.lines[number] + column))
            at += len(line) + 1
        token.type = "formula_block"
        token.meta["formula"] = make_formula(reading, token.content, True, tuple(starts) or ((0, offset),))
        return
    info = unescapeAll(token.info)
    message, certain = dialects.of_fence(info)
    if message:
        (reading.fault if certain else reading.warn)(place, "markdown", message)
    elif closed:
        _check_info(reading, info, token.content.count("\n"), place)


def _check_info(reading: Reading, info: str, count: int, place: int) -> None:
    """The language and the lines to mark that stand behind a fence of *count* lines."""
    language, marks = listing.language_and_marks(info)
    if wrong := listing.wrong_marks(marks, count):
        reading.fault(place, "code", wrong)
    if language and not listing.is_known(language):
        message = f"code is not coloured, since no language is called {language!r}{listing.nearest_language(language)}"
        reading.warn(place, "code", message)


_MEANT = re.compile(r"\{\{\s*\w+\s*\(|\$\$|\\begin\{|^\s*</?[a-z][^<>]*>|^\s*(?:[-*+]|\d+[.)])\s", re.MULTILINE)


def _check_indented(reading: Reading, token: Token) -> None:
    assert token.map
    first = reading.line(token.map[0])
    place = reading.lines[token.map[0]] + len(first) - len(first.lstrip())
    reading.kept.append((place, reading.lines[token.map[1] - 1] + len(reading.line(token.map[1] - 1))))
    if _MEANT.search(token.content):
        message = "this is code, since four spaces or more stand before it; indent it less if it is not, or use a fence"
        reading.warn(place, "markdown", message)


def _check_heading(reading: Reading, token: Token) -> None:
    assert token.map
    line = reading.line(token.map[0])
    token.meta["at"] = reading.origin(reading.lines[token.map[0]] + len(line) - len(line.lstrip()))
    if token.tag == "h1":
        place = reading.lines[token.map[0]] + len(line) - len(line.lstrip())
        reading.fault(place, "heading", "the title stands in the front matter; begin sections with ##")


def _check_admonition(reading: Reading, token: Token) -> None:
    assert token.map
    first, kind = token.map[0], token.meta["tag"]
    line = reading.line(first)
    place = reading.lines[first] + len(line) - len(line.lstrip(" \t>"))
    if kind not in dialects.ADMONITIONS:
        near = nearest(kind, dialects.ADMONITIONS) or f"; it may be {', '.join(dialects.CALLOUTS)}"
        reading.fault(place, "markdown", f"unknown kind of callout {kind!r}{near}")
    if token.map[1] <= first + 1:
        reading.fault(place, "markdown", "this callout has no text; indent its text by four spaces")


def _check_quote(reading: Reading, token: Token) -> None:
    assert token.map
    line = reading.line(token.map[0])
    if line.lstrip().startswith(">>> "):
        place = reading.lines[token.map[0]] + len(line) - len(line.lstrip())
        reading.warn(place, "markdown", "this is a quote within quotes; code of Python's goes into a fence of ```")


CHECKS: dict[str, Callable[[Reading, Token], None]] = {
    "fence": _check_fence,
    "code_block": _check_indented,
    "heading_open": _check_heading,
    "html_block": check_html,
    "blockquote_open": _check_quote,
    "admonition_open": _check_admonition,
}
