"""What is wrong with the parts of lines taken together: links within links."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from markdown_it.common.utils import normalizeReference
from markdown_it.token import Token

from darkroom.core.patterns import lazy_pattern
from darkroom.press.content.markup import attributes, pieces
from darkroom.press.markdown.reading import Reading

_LEFT = lazy_pattern(r"(?<!\S)(\*\*|~~)(?:[ \t]+\S[^*~\n]*?|\S[^*~\n]*?[ \t])\1(?!\w)")


def signs_left(reading: Reading, token: Token) -> None:
    """Signs that would have made text bold or struck it out, were there no space within them."""
    if "*" not in token.content and "~~" not in token.content:
        return
    left = "".join(
        _SHOWN.get(child.type, "x") if child.type != "text" else child.content for child in token.children or ()
    )
    if "*" not in left and "~~" not in left:
        return
    spaced = [*_LEFT.finditer(token.content)]
    for found in spaced:
        message = f"{found[1]} is not markup here, since there is a space inside it; write {found[1]}word{found[1]}"
        reading.warn(reading.at(found.start()), "markdown", message)
    if spaced or "*" not in left:
        return
    at, pairs = 0, [*_PAIR.finditer(left)]
    for found in pairs or _SINGLE.finditer(left):
        at = max(token.content.find(found[0], at), token.content.find(found["mark"], at), 0)
        reading.warn(
            reading.at(at),
            "markdown",
            f"{found['mark']} is not markup here, {_BESIDE[found['mark']] if pairs else _UNCLOSED}",
        )
        at += len(found[0])


_SHOWN = {"softbreak": "\n", "strong_open": "\n", "strong_close": "\n", "em_open": "", "em_close": ""}
_PAIR = lazy_pattern(
    r"(?P<mark>\*\*(?=\S[^*\n]*(?<=\S)\*\*)|(?<![\w*\\])\*(?=[^\s*][^*\n]*(?<=[^\s\w*(\[])\*\w))[^*\n]+\*{1,2}"
)
_SINGLE = lazy_pattern(r"(?<![\w*(\[=,])(?P<mark>\*\*)(?=[^\W\d])[^*\n]*")
_BESIDE = {
    mark: f"since it is between punctuation and a letter; write <{tag}>...</{tag}>"
    for mark, tag in (("**", "b"), ("*", "i"))
}
_UNCLOSED = "since it is not closed; write \\*\\* for the characters"


_SECOND = lazy_pattern(
    r"\((?:(?:https?://|mailto:|www\.|\.{1,2}/|#)[^\s()]*|[^\s()]+\.(?:md|html?|pdf|png|jpe?g|svg|gif|webp)(?:#[\w-]+)?)\)"
)


def behind_links(reading: Reading, token: Token) -> None:
    """Addresses in brackets right behind a link, which has one: they are printed."""
    at = 0
    for child, behind in pairwise(token.children or ()):
        second = _SECOND.match(behind.content) if child.type == "link_close" and behind.type == "text" else None
        if second and (at := token.content.find(second[0], at)) >= 0:
            message = f"{second[0]} is printed, since the link before it has an address; leave a space before it"
            reading.warn(reading.at(at), "link", message)
            at += len(second[0])


def definitions(reading: Reading, env: Mapping[str, Any]) -> None:
    """Addresses that are defined by ``[name]: address`` and that nothing refers to: they are not shown."""
    known = env.get("references", {})
    if not known:
        return
    used = {normalizeReference(found[1]) for found in _LABEL.finditer(reading.text)}
    for name, each in known.items():
        if name not in used and each.get("map"):
            message = f"nothing refers to [{name.lower()}], so this line is not shown; write &#91; if it is text"
            reading.warn(_start_of(reading, each["map"][0]), "link", message)
    for each in env.get("duplicate_refs", ()):
        message = f"[{each['label'].lower()}] is defined above; the address here is not used"
        reading.warn(_start_of(reading, each["map"][0]), "link", message)


_LABEL = lazy_pattern(r"\[((?:[^\[\]\\]|\\.)+)\](?!:)")


def _start_of(reading: Reading, number: int) -> int:
    line = reading.line(number)
    return reading.lines[number] + len(line) - len(line.lstrip(" \t>"))


_LINKS = {"ref": "ref(...)", "cite": "cite(...)"}


def links_in_links(reading: Reading, tokens: Iterable[Token]) -> None:
    """Links, references, citations and notes within the text of a link: a browser would end the outer one there."""
    raw, is_reported = 0, False  # links of HTML, which may hold blocks
    for token in tokens:
        inside = 0
        if not token.children or not (raw or any(map(_may_open, token.children))):
            continue
        for child in token.children:
            opens, closes = _of_html(child) if child.type == "html_inline" else (False, False)
            name = _name(child) or ("<a>" if opens else "")
            if name and (inside or (raw and not is_reported)):
                is_reported = raw > 0
                at = child.meta["call"].offset if child.type == "call" else child.meta.get("at", 0)
                message = f"{name} is a link within a link; move it after the link, or remove the outer one"
                reading.faults.append((at, "link", message))
            inside += (child.type == "link_open") - (child.type == "link_close")
            raw = max(raw + opens - closes, 0)
            is_reported = is_reported and raw > 0


def _may_open(token: Token) -> bool:
    return token.type == "link_open" or (token.type == "html_inline" and token.content[:2] in {"<a", "<A"})


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
