"""What is wrong with the parts of lines taken together: links within links."""

from __future__ import annotations

from collections.abc import Iterable

from markdown_it.token import Token

from darkroom.press.markup import attributes, pieces
from darkroom.press.reading import Reading

_LINKS = {"ref": "ref(...)", "cite": "cite(...)"}


def links_in_links(reading: Reading, tokens: Iterable[Token]) -> None:
    """Links, references, citations and notes within the text of a link: a browser would end the outer one there."""
    raw, told = 0, False  # links of HTML, which may hold blocks
    for token in tokens:
        inside = 0
        for child in token.children or ():
            opens, closes = _of_html(child) if child.type == "html_inline" else (False, False)
            name = _name(child) or ("<a>" if opens else "")
            if name and (inside or (raw and not told)):
                told = raw > 0
                at = child.meta["call"].offset if child.type == "call" else child.meta.get("at", 0)
                message = f"{name} is a link within a link; write it behind the link, or leave the outer one out"
                reading.faults.append((at, "link", message))
            inside += (child.type == "link_open") - (child.type == "link_close")
            raw = max(raw + opens - closes, 0)
            told = told and raw > 0


def _name(token: Token) -> str:
    """What a token is called that becomes a link, or ""."""
    if token.type == "call":
        return _LINKS.get(token.meta["call"].name, "")
    return {"link_open": "this", "footnote_ref": "a note's number"}.get(token.type, "")


def _of_html(token: Token) -> tuple[bool, bool]:
    """Whether a tag opens, or closes, a link."""
    piece = next(iter(pieces(token.content)), None)
    if piece is None or piece.tag != "a":
        return False, False
    return not piece.closes and "href" in attributes(token.content), piece.closes
