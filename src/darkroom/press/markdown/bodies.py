"""What the text between two headings holds: words, pictures, films, blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from markdown_it.token import Token

from darkroom.core.patterns import lazy_pattern
from darkroom.press.content.outlines import Body
from darkroom.press.typeset.films import MOVING

_WORD = lazy_pattern(r"[A-Za-z0-9]+(?:['-][A-Za-z0-9]+)*")
# A letter of a script that is written without spaces counts as a word.
_WORD_OF_ANY = lazy_pattern(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_]+(?:['\u2019-][^\W_]+)*")
_SHOWN = lazy_pattern(r"<(img|video)\b", re.IGNORECASE)
_SOURCE = lazy_pattern(r"""\bsrc\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)


def bodies_of(tokens: Sequence[Token]) -> tuple[Body, ...]:
    """What stands before the first heading of a page, and below each; its notes count nowhere."""
    counts = [_Count()]
    is_heading = False
    for token in tokens:
        if token.level == 0 and token.type == "footnote_block_open":
            break
        if token.level == 0 and token.type in {"heading_open", "heading_close"}:
            is_heading = token.type == "heading_open"
            if is_heading:
                counts.append(_Count())
        elif not is_heading:
            counts[-1].add(token)
    return tuple(count.body for count in counts)


class _Count:
    """A body as it is counted."""

    def __init__(self) -> None:
        self.words = self.pictures = self.films = self.blocks = 0

    @property
    def body(self) -> Body:
        return Body(self.words, self.pictures, self.films, self.blocks)

    def add(self, token: Token) -> None:
        if token.level == 0 and token.nesting >= 0 and not _is_comment(token):
            self.blocks += 1
        for leaf in _leaves(token):
            if leaf.type in {"text", "html_text"}:
                self.words += len((_WORD if leaf.content.isascii() else _WORD_OF_ANY).findall(leaf.content))
            elif leaf.type == "image":
                self._show(str(leaf.attrs.get("src", "")))
            elif shown := leaf.type == "html_inline" and _SHOWN.match(leaf.content):
                source = _SOURCE.search(leaf.content)
                self._show(source[1] if source else "film.mp4" if shown[1].lower() == "video" else "")

    def _show(self, source: str) -> None:
        if PurePosixPath(source).suffix.lower() in MOVING:
            self.films += 1
        else:
            self.pictures += 1


def _leaves(token: Token) -> Iterator[Token]:
    """A token, or those in it; the alt text of a picture is part of that."""
    if token.children and token.type != "image":
        for child in token.children:
            yield from _leaves(child)
    else:
        yield token


def _is_comment(token: Token) -> bool:
    children = token.children or ()
    return token.type == "html_block" and all(
        child.content.startswith("<!--") or not child.content.strip() for child in children
    )
