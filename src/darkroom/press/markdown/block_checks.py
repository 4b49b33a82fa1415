r"""What is wrong with blocks: fences, indented code, headings, HTML and callouts that are not what they are meant to be."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from markdown_it.common.utils import unescapeAll
from markdown_it.token import Token

from darkroom.core.errors import nearest
from darkroom.core.patterns import lazy_pattern
from darkroom.press.content import listings
from darkroom.press.content.markup import pieces
from darkroom.press.markdown import dialects
from darkroom.press.markdown.raw_html import check_html
from darkroom.press.markdown.reading import Reading, make_formula

_FENCE_END = lazy_pattern(r"(?P<marks>`{3,}|~{3,})[ \t]*$")


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
    if marked := _MAGIC.search(token.content):
        message = f"{marked['words']} marks no lines here; write {{1,3-5}} after the language"
        reading.warn(place, "markdown", message)
    info = unescapeAll(token.info)
    message, certain = dialects.of_fence(info)
    if message:
        (reading.fault if certain else reading.warn)(place, "markdown", message)
    elif closed:
        _check_info(reading, info, token.content.count("\n"), place)


_MAGIC = lazy_pattern(r"^\s*(?://|#|<!--|/\*|--)\s*(?P<words>highlight-(?:next-line|start|end))\b", re.MULTILINE)


def _check_info(reading: Reading, info: str, count: int, place: int) -> None:
    """The language and the lines to mark that stand behind a fence of *count* lines."""
    language, marks = listings.language_and_marks(info)
    if wrong := listings.wrong_marks(marks, count):
        reading.fault(place, "code", wrong)
    if language and not listings.is_known(language):
        message = f"code is not coloured, since there is no language {language!r}{listings.nearest_language(language)}"
        reading.warn(place, "code", message)


_MEANT = lazy_pattern(
    r"\{\{\s*\w+\s*\(|\$\$|\\begin\{|^\s*</?[a-z][^<>]*>|^\s*(?:[-*+]|\d+[.)])\s|^\|.*\n[ \t]*\|?[ \t]*:?-+:?[ \t]*\|",
    re.MULTILINE,
)


def _check_indented(reading: Reading, token: Token) -> None:
    assert token.map
    first = reading.line(token.map[0])
    place = reading.lines[token.map[0]] + len(first) - len(first.lstrip())
    reading.kept.append((place, reading.lines[token.map[1] - 1] + len(reading.line(token.map[1] - 1))))
    if _MEANT.search(token.content):
        message = (
            "this is code, since it is indented by four spaces or more; indent it less if it is not, or use a fence"
        )
        reading.warn(place, "markdown", message)


def _check_heading(reading: Reading, token: Token) -> None:
    assert token.map
    line = reading.line(token.map[0])
    token.meta["at"] = reading.origin(reading.lines[token.map[0]] + len(line) - len(line.lstrip()))
    if token.tag == "h1":
        place = reading.lines[token.map[0]] + len(line) - len(line.lstrip())
        reading.fault(place, "heading", "the title is in the front matter; start sections with ##")
    elif token.markup == "-":
        _check_underlined(reading, token)
    elif not line.strip(" \t>#"):
        place = reading.lines[token.map[0]] + line.find("#")
        reading.fault(place, "heading", "this heading has no text; write it after the #, or remove the line")


_FRONT = lazy_pattern(r"[ \t]*[\w-]+:(?:[ \t]|$)")


def _check_underlined(reading: Reading, token: Token) -> None:
    """A line of dashes below text makes a heading of it, which may not be meant."""
    assert token.map
    first, last = token.map[0], token.map[1] - 1
    place = reading.lines[first] + len(reading.line(first)) - len(reading.line(first).lstrip())
    text = "\n".join(map(reading.line, range(first, last)))
    if first and reading.line(first - 1).strip() == "---" and _FRONT.match(text):
        reading.fault(place, "markdown", "front matter goes at the top of the file, between +++ lines")
    elif "\n" in text or text.rstrip().endswith((".", ";", ":", ",")):
        message = "this text is a heading, since --- is right below it; leave a blank line before --- for a rule"
        reading.warn(place, "markdown", message)


def _check_line(reading: Reading, token: Token) -> None:
    """A line across the page; Pandoc's simple tables have such lines."""
    assert token.map
    line = reading.line(token.map[0])
    if re.fullmatch(r"[ \t>]*-{2,}(?:[ \t]+-{2,})+[ \t]*", line):
        place = reading.lines[token.map[0]] + line.find("-")
        reading.fault(
            place,
            "markdown",
            "this is a Pandoc table; separate its cells with |, with a line |---|---| below its header",
        )


def _check_admonition(reading: Reading, token: Token) -> None:
    assert token.map
    first, kind = token.map[0], token.meta["tag"]
    line = reading.line(first)
    place = reading.lines[first] + len(line) - len(line.lstrip(" \t>"))
    if kind not in dialects.ADMONITIONS:
        near = nearest(kind, dialects.ADMONITIONS) or f"; known are {', '.join(dialects.CALLOUTS)}"
        reading.fault(place, "markdown", f"unknown kind of callout {kind!r}{near}")
    title = token.info.strip()[len(kind) :].strip()
    if title in {"inline", "end", "inline end"}:
        reading.fault(place, "markdown", f"{title!r} is MkDocs; remove it, or write a title in double quotes")
    elif title[:1] in ("'", '"') and not re.fullmatch(r'"[^"]*"', title):
        reading.fault(place, "markdown", f'{title} is not a title; write !!! {kind} "Title"')
    if token.map[1] <= first + 1:
        reading.fault(place, "markdown", "this callout has no text; indent its text by four spaces")


def _check_alert(reading: Reading, token: Token) -> None:
    assert token.map
    first, last = token.map
    if not any(reading.line(number).strip(" \t>") for number in range(first + 1, last)):
        message = "this callout has no text; write it on the next line, after >"
        reading.fault(_start(reading, token), "markdown", message)


def _check_quote(reading: Reading, token: Token) -> None:
    assert token.map
    line = reading.line(token.map[0])
    if line.lstrip().startswith(">>> "):
        place = reading.lines[token.map[0]] + len(line) - len(line.lstrip())
        reading.warn(place, "markdown", "this is a quote within quotes; put Python code into a fence of ```")


CHECKS: dict[str, Callable[[Reading, Token], None]] = {
    "fence": _check_fence,
    "code_block": _check_indented,
    "heading_open": _check_heading,
    "html_block": check_html,
    "blockquote_open": _check_quote,
    "admonition_open": _check_admonition,
    "hr": _check_line,
    "alert_open": _check_alert,
}


# Indentation ----------------------------------------------------------------------------------------------------------

_LEAD = lazy_pattern(
    r"(?P<quotes>(?: {0,3}> ?)*)(?P<space> *)(?:(?P<mark>[-+*:~]|\d{1,9}[.)]|\[\^[^\]]+\]:)(?P<gap> +|$))?"
)
_OPENS = frozenset({"bullet_list_open", "ordered_list_open"})
_ITEMS = frozenset({"list_item_open", "dd_open"})
_STARTS = frozenset(
    {"paragraph_open", "fence", "code_block", "formula_block", "call_block", "blockquote_open", "table_open", *_OPENS}
)


class _Lead(NamedTuple):
    """The columns of a line's first character and, where that begins an item, of its text, counted within quotes."""

    mark: int
    text: int


def _lead(line: str) -> _Lead:
    found = _LEAD.match(line.expandtabs(4))
    assert found
    mark = len(found["space"])
    gap = len(found["gap"] or "")
    return _Lead(mark, mark + len(found["mark"] or "") + (gap if 1 <= gap <= 4 else 1))


def check_indents(reading: Reading, tokens: Sequence[Token]) -> None:
    """Blocks that are indented, though not by enough to belong to the item or note above; code in definitions."""
    open_lists: list[list[_Lead]] = []
    reported_level = -1
    extra: list[tuple[int, int]] = []  # of definitions: level, and by how much more than needed they are indented
    for token, behind in pairwise([*tokens, Token("", "", 0)]):
        if token.type in _OPENS or token.type == "dl_open":
            open_lists.append([])
        elif token.type in _ITEMS and token.map:
            lead = _lead(reading.line(token.map[0]))
            if token.type == "dd_open":
                _check_term(reading, token.map[0], lead, bool(open_lists[-1]))
                extra.append((token.level, lead.text - lead.mark - 2))
            elif (
                open_lists[-1]
                and lead.mark > open_lists[-1][0].mark
                and lead.text > open_lists[-1][0].text
                and reported_level < 0
            ):
                reported_level = token.level
                instead = f"indent it by {open_lists[-1][0].text} spaces to nest it"
                message = f"this item is in the same list as the one above; {instead}"
                reading.warn(_start(reading, token), "markdown", message)
            open_lists[-1].append(lead)
        elif token.type == "dd_close":
            extra.pop()
        elif token.type in {"bullet_list_close", "ordered_list_close"}:
            items = open_lists.pop()
            reported_level = -1 if reported_level > token.level else reported_level
            _check_behind(reading, items[-1], behind, "list")
        elif token.type == "dl_close":
            open_lists.pop()
        elif token.type in {"footnote_reference_close", "admonition_close"}:
            _check_behind(reading, _Lead(0, 4), behind, "note" if token.type[0] == "f" else "callout")
        elif token.type == "code_block" and extra and extra[-1][1] > 0 and token.level == extra[-1][0] + 1:
            token.content = re.sub(rf"(?m)^ {{1,{extra[-1][1]}}}", "", token.content)


def check_paragraphs(reading: Reading, tokens: Sequence[Token]) -> None:
    """Blocks within ``<p>``, which a browser ends where the first begins; tags whose ``>`` begins a quote below them."""
    above: Token | None = None  # the text of the paragraph that has just ended
    for token, behind in pairwise(tokens):
        if token.type == "inline":
            above = token
        elif token.type == "paragraph_close" and behind.type == "blockquote_open" and above:
            _check_tag_above(reading, above, behind)
        if token.type == "html_block" and behind.type in _STARTS and _leaves_paragraph(token.content):
            message = (
                "a browser ends this <p> where the text below it starts; write <div> instead, or remove the blank line"
            )
            reading.warn(_start(reading, token), "html", message)


_UNENDED = lazy_pattern(
    r"""<(?P<name>[A-Za-z][A-Za-z0-9-]*)(?P<values>(?:\s+[A-Za-z_:][\w.:-]*(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'=<>`]+))?)*)\s*/?\Z"""
)


def _check_tag_above(reading: Reading, text: Token, quote: Token) -> None:
    """A tag whose last line is its ``>``, which begins a quote there."""
    found = _UNENDED.search(text.content) if text.map and quote.map and quote.map[0] == text.map[1] else None
    if not found or not (found["values"] or len(found["name"]) > 1):
        return
    reading.begin(text, False)
    message = (
        f"<{found['name']} is not closed, since > begins a quote on a line of its own; write it at the end of a line"
    )
    place = reading.at(found.start())
    reading.fault(place, "html", message)
    reading.warnings = [each for each in reading.warnings if each[0] != reading.origin(place)]


def _leaves_paragraph(content: str) -> bool:
    """Whether the last tag of a block of its own, in HTML, opens a paragraph that nothing in the block closes."""
    inside = False
    for piece in pieces(content):
        if piece.tag in _ENDS_PARAGRAPH:
            inside = piece.tag == "p" and not piece.closes
    return inside


_ENDS_PARAGRAPH = frozenset(  # HTML, 13.1.2.4
    (  # noqa: SIM905
        "address article aside blockquote center dd details dialog dir div dl dt fieldset figcaption figure footer form "
        "h1 h2 h3 h4 h5 h6 header hgroup hr li main menu nav ol p pre search section table tbody td tfoot th thead tr ul"
    ).split()
)


def _check_term(reading: Reading, number: int, lead: _Lead, follows: bool) -> None:
    """A line right above a definition that belongs to the definition before it, though it looks like a term."""
    above = reading.line(number - 1) if number else ""
    if follows and above.strip(" \t>") and not above.lstrip(" \t>").startswith(":") and _lead(above).mark <= lead.mark:
        place = reading.lines[number - 1] + len(above) - len(above.lstrip(" \t>"))
        message = "this line belongs to the definition above it; leave a blank line before a term"
        reading.warn(place, "markdown", message)


def _check_behind(reading: Reading, last: _Lead, token: Token, what: str) -> None:
    """What follows a list or note, which it would belong to, were it indented by more."""
    if token.type not in _STARTS or not token.map:
        return
    column = _lead(reading.line(token.map[0])).mark
    if last.mark < column < last.text:
        message = f"this is not part of the {what} above; indent it by {last.text} spaces if it should be"
        reading.warn(_start(reading, token), "markdown", message)


def _start(reading: Reading, token: Token) -> int:
    assert token.map
    line = reading.line(token.map[0])
    return reading.lines[token.map[0]] + len(line) - len(line.lstrip(" \t>"))
