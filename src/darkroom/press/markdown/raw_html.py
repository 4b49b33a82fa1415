r"""HTML in pages: its tags are looked at, and formulas and calls are read in its texts."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from markdown_it.token import Token

from darkroom.core.patterns import lazy_pattern
from darkroom.press.content import mathtext
from darkroom.press.content.calls import CALLED, KINDS, Call, literal_call, tex_reference
from darkroom.press.content.markup import has_tags, pieces
from darkroom.press.markdown import dialects, latex
from darkroom.press.markdown.reading import Place, Reading, make_formula, within


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

    verbatim: list[str] = []  # the element within which all is text
    is_reported = False
    for piece in pieces(content, lambda at, tag: 0 if verbatim else _behind_formula(content, at, tag)):
        text = content[piece.start : piece.end]
        if piece.tag:
            token = Token("html_inline", "", 0, content=text)
            token.meta["at"] = reading.origin(place(piece.start))
            check_tag(reading, token, place(piece.start), verbatim == ["svg"])
            if piece.closes and [piece.tag] == verbatim:
                verbatim.clear()
            elif not piece.closes and not verbatim and piece.tag in _VERBATIM:
                verbatim.append(piece.tag)
            if piece.tag == "!--":
                _check_comment(reading, text, place(piece.start))
                reading.kept.append((place(piece.start), place(piece.end)))
            yield token
        elif verbatim:
            if verbatim == ["svg"] and (span := next(mathtext.spans(text), None)):
                reading.fault(place(piece.start + span.start), "math", IN_DRAWING)
            for begun in _BEGUN.finditer(text):
                reading.fault(place(piece.start + begun.start()), "html", _begins_no_tag(begun[0]))
            yield Token("html_text", "", 0, content=text)
        else:
            if not is_reported and (found := _MARKDOWN.search(text)):
                is_reported = True
                message = (
                    f"{found[0]!r} is printed as text, since Markdown is not read in HTML; leave a blank line before it"
                )
                reading.warn(place(piece.start + found.start()), "markdown", message)
            yield from _html_text(reading, text, lambda index, begin=piece.start: place(begin + index))  # type: ignore[misc]


IN_DRAWING = "formulas are not set in <svg>; write plain characters, or put the formula outside the drawing"
_VERBATIM = frozenset({"pre", "code", "samp", "tt", "script", "style", "textarea", "svg"})
_MARKDOWN = lazy_pattern(
    r"\*\*(?=\S)[^*\n]+(?<=\S)\*\*|(?<![*\w])\*(?=[^\s*])[^*\n]+(?<=[^\s*])\*(?![*\w])"
    r"|(?<!`)`[^`\n]+`(?!`)|!?\[[^\[\]\n]+\]\([^()\s]+\)"
    r"|^(?:#{2,6} |[ \t]*(?:[-*+]|\d+[.)])[ \t]+)\S.*|^```.*|^\|.*\|[ \t]*$",
    re.MULTILINE,
)
_BEGUN = lazy_pattern(r"</?[A-Za-z][^\s<>]{0,20}")


def _begins_no_tag(text: str) -> str:
    """What to say of what browsers take for a tag and its rules do not."""
    return f"{text} is not a valid tag; check its quotes and its >, or write &lt; for the character"


_OPEN = lazy_pattern(r"<(?:[?]|!\[CDATA\[|![A-Za-z])")


def _check_comment(reading: Reading, text: str, place: int) -> None:
    if text.startswith("<!--") and not text.endswith("-->") and text != "<!-->":
        reading.fault(place, "html", open_comment(reading.text, place))


def open_comment(text: str, at: int) -> str:
    """What to say of a comment that begins at *at* of a page and does not end where it would have to."""
    if "-->" in text[at:]:
        return "this comment ends with its paragraph, quote or HTML; start it on its own line"
    return "this comment is not closed; end it with -->, or write &lt;!-- for the characters"


def _behind_formula(content: str, start: int, tag: int) -> int:
    """Where the formula ends that begins from *start* on and holds what looks like a tag at *tag*, or 0."""
    for found in re.compile(r"[$\\]").finditer(content, start, tag):
        span = mathtext.span_at(content, found.start()) if found.start() >= start else None
        if span is not None:
            if span.end > tag and not has_tags(content[span.inner : span.inner_end]):
                return span.end
            start = span.end
    return 0


def _html_text(reading: Reading, text: str, place: Place) -> Iterator[Token]:
    at = 0
    ends = [found.end() for found in re.finditer("\n", text)]
    starts: list[tuple[int, int]] = []
    for found in re.finditer(r"\$|\\[(\[A-Za-z]|\{[{%:]|\[\^[^\]\s]+\]|<[?!/A-Za-z]|(?<=[\w.])~(?=[\w(])", text):
        begin = found.start()
        if begin < at:
            continue
        if found[0] == "~":
            reading.remark(place(begin), latex.of_tie(text, begin))
            continue
        if found[0][0] == "<" and (begun := _BEGUN.match(text, begin)):
            reading.fault(place(begin), "html", _begins_no_tag(begun[0]))
            continue
        if found[0].startswith("[") or (found[0][0] == "<" and _OPEN.match(text, begin)):
            note = f"{found[0]}: notes are not read in HTML; leave a blank line before the text, or move the note"
            message = note if found[0][0] == "[" else f"{found[0]} is not closed; write &lt; for the character"
            reading.fault(place(begin), "markdown" if found[0][0] == "[" else "html", message)
            continue
        if found[0][0] == "{" and (foreign := dialects.of_braces(text, begin)):
            reading.fault(place(begin), "markdown", foreign[0])
            reading.kept.append((place(begin), place(foreign[1])))
            continue
        span = mathtext.span_at(text, begin) if found[0] != "{{" else None
        opening = CALLED.match(text, begin) if found[0] == "{{" else None
        call = literal_call(text, opening.start("name")) if opening and opening["name"] in KINDS else None
        call = tex_reference(text, begin) if found[0][0] == "\\" and span is None else call
        if span is None and call is None:
            if found[0][0] == "\\":
                reading.remark(place(begin), latex.of_tex(text, begin))
            continue
        yield Token("html_text", "", 0, content=text[at:begin])
        if span:
            if boxed := mathtext.boxed_dollar(text, span):
                reading.fault(place(boxed[0]), "math", boxed[1])
            starts = starts or [(0, place(0)), *((end, place(end)) for end in ends)]
            lines = within(starts, span.inner, span.inner_end)
            token = Token("formula", "", 0)
            token.meta["formula"] = make_formula(reading, text[span.inner : span.inner_end], span.display, lines)
            at = span.end
        elif call:
            token = Token("call", "", 0)
            made = Call(call[0].name, call[0].arguments, call[0].options, reading.origin(place(call[0].offset)))
            token.meta["call"] = made
            reading.calls.append(made)
            at = call[1]
        reading.kept.append((place(begin), place(at)))
        yield token
    rest = text[at:]
    reading.prose.append((rest, reading.origin(place(at))))
    yield Token("html_text", "", 0, content=rest)


def check_tag(reading: Reading, token: Token, offset: int, in_drawing: bool = False) -> None:
    """What is wrong with a tag at *offset* of the text."""
    for at, message in dialects.of_tag(token.content, in_drawing):
        reading.fault(offset + at, "html", message)
    if heading := _HEADING.match(token.content):
        message = f"{heading[0]}> is in no contents and has no anchor; write {'#' * int(heading[1])} and its text"
        reading.warn(offset, "heading", message)


_HEADING = lazy_pattern(r"<h([2-6])(?=[\s>])", re.IGNORECASE)
