r"""HTML in pages: its tags are looked at, and formulas and calls are read in its texts."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from markdown_it.token import Token

from darkroom.press import dialects, mathtext
from darkroom.press.calls import CALLS, Call, literal_call
from darkroom.press.markup import pieces
from darkroom.press.reading import CALLEE, Place, Reading, make_formula, within


def check_html(reading: Reading, token: Token) -> None:
    assert token.map
    starts, at = [], 0
    for number, line in enumerate(token.content.split("\n"), token.map[0]):
        if number < len(reading.lines):
            whole = reading.line(number)
            starts.append((at, reading.lines[number] + (len(whole) - len(line) if whole.endswith(line) else 0)))
        at += len(line) + 1
    token.children = list(_html(reading, token.content, starts))


def _html(reading: Reading, content: str, starts: list[tuple[int, int]]) -> Iterator[Token]:
    """The tags and texts of a piece of HTML; formulas and calls are read in its texts, Markdown is not."""

    def place(index: int) -> int:
        start, offset = starts[max(bisect_right(starts, (index, 1 << 60)) - 1, 0)]
        return offset + index - start

    verbatim = ""
    for piece in pieces(content):
        text = content[piece.start : piece.end]
        if piece.tag:
            token = Token("html_inline", "", 0, content=text)
            token.meta["at"] = reading.origin(place(piece.start))
            check_tag(reading, token, place(piece.start))
            verbatim = "" if piece.closes and piece.tag == verbatim else verbatim
            if not piece.closes and piece.tag in {"pre", "code", "script", "style", "textarea"}:
                verbatim = verbatim or piece.tag
            reading.kept.append((place(piece.start), place(piece.end))) if piece.tag == "!--" else None
            yield token
        elif verbatim:
            yield Token("html_text", "", 0, content=text)
        else:
            yield from _html_text(reading, text, lambda index, begin=piece.start: place(begin + index))  # type: ignore[misc]


def _html_text(reading: Reading, text: str, place: Place) -> Iterator[Token]:
    at = 0
    for found in re.finditer(r"\$|\\[(\[b]|\{[{%:]", text):
        if found.start() < at:
            continue
        if found[0][0] == "{" and (foreign := dialects.of_braces(text, found.start())):
            reading.fault(place(found.start()), "markdown", foreign[0])
            reading.kept.append((place(found.start()), place(foreign[1])))
            continue
        span = mathtext.span_at(text, found.start()) if found[0] != "{{" else None
        opening = CALLEE.match(text, found.start()) if found[0] == "{{" else None
        call = literal_call(text, opening.start("name")) if opening and opening["name"] in CALLS else None
        if span is None and call is None:
            continue
        yield Token("html_text", "", 0, content=text[at : found.start()])
        if span:
            starts = [(index.end(), place(index.end())) for index in re.finditer("\n", text)]
            lines = within([(0, place(0)), *starts], span.inner, span.inner_end)
            token = Token("formula", "", 0)
            token.meta["formula"] = make_formula(reading, text[span.inner : span.inner_end], span.display, lines)
            at = span.end
        elif call:
            token = Token("call", "", 0)
            made = Call(call[0].name, call[0].arguments, call[0].options, reading.origin(place(call[0].offset)))
            token.meta["call"] = made
            reading.calls.append(made)
            at = call[1]
        reading.kept.append((place(found.start()), place(at)))
        yield token
    rest = text[at:]
    reading.prose.append((rest, reading.origin(place(at))))
    yield Token("html_text", "", 0, content=rest)


def check_tag(reading: Reading, token: Token, offset: int) -> None:
    for at, message in dialects.of_tag(token.content):
        reading.fault(offset + at, "html", message)
