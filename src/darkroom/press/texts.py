"""Short texts to HTML: captions, headings, numbers. Formulas become tokens, which stay until KaTeX has answered."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence

from darkroom.press.context import Use
from darkroom.press.lift import FIRST, LAST, TOKEN, Piece, lift
from darkroom.press.math import Equation
from darkroom.press.pages import plain_text
from darkroom.press.references import as_html, show
from darkroom.press.text import escape, typographic

FORMULA = 0x100000  # the first token of a formula
FORMULAS = re.compile(f"[{chr(FORMULA)}-{chr(0x10FFFD)}]")

_NO_BLOCK = chr(LAST)  # before a text that is no heading, list or table, however it begins
_TAG = re.compile(r"<(/?)([a-z0-9]+)([^<>]*)>")
_HREF = re.compile(r'href="([^"]*)"')

_MARKDOWN_MARKS = re.compile(r"[*_`\[\]<>&!#\\]|^[ \t]*(?:[-+]|\d+\.)[ \t]|\n")


class Texts:
    """The texts of one page.

    Attributes:
        uses: the formulas so far, in the order of their tokens.
        where: the place that a formula is taken to stand at: an offset of the page or -1, a path, and a line.
    """

    def __init__(self, convert: Callable[[str], str], path: str) -> None:
        self.uses: list[Use] = []
        self.where = (-1, path, 1)
        self._convert = convert
        self._tokens: dict[tuple[Equation, int], int] = {}

    def formula(self, tex: str, display: bool) -> str:
        """The token of a formula, one for each place."""
        use = Use(Equation(tex, display), *self.where)
        key = (use.equation, use.offset)
        if key not in self._tokens:
            self._tokens[key] = FORMULA + len(self.uses)
            self.uses.append(use)
        token = chr(self._tokens[key])
        return f'<span class="equation">{token}</span>' if display else token

    def inline(self, text: object) -> str:
        """A short text with inline math as HTML; nothing else in it is markup."""
        if isinstance(text, int | float) and not isinstance(text, bool):
            return as_html(show(text))
        lifted = lift(str(text))
        shown = typographic(escape(lifted.body).replace("&quot;", '"').replace("&#x27;", "'"))
        return self._put_short_back(shown, lifted.pieces)

    def heading(self, heading: object) -> str:
        """The heading of a row or column; one with formulas is told as text to those who hear it."""
        shown = self.inline(heading)
        if not FORMULAS.search(shown):
            return shown
        return f'<span class="unseen">{escape(plain_text(str(heading)))}</span><span aria-hidden="true">{shown}</span>'

    def rich(self, text: str) -> str:
        """A caption: text in one line with Markdown's emphasis, links and code, and formulas; HTML in it is text as well.

        It comes with somebody's outputs. A link that leads to anything but pages and mail is text, and so is a picture.
        """
        lifted = lift(text)
        shown = escape(" ".join(lifted.body.split())).replace("&quot;", '"').replace("&#x27;", "'")
        if _MARKDOWN_MARKS.search(shown):
            shown = self._convert(f"{_NO_BLOCK}{shown}").replace(_NO_BLOCK, "", 1)
            shown = _TAG.sub(_inline_tag, shown.replace("\n", " "))
        return self._put_short_back(typographic(shown), lifted.pieces)

    def _put_short_back(self, shown: str, pieces: Sequence[Piece]) -> str:
        return TOKEN.sub(lambda token: self._short_piece(pieces[ord(token[0]) - FIRST]), shown) if pieces else shown

    def _short_piece(self, piece: Piece) -> str:
        if piece.kind in {"math", "display"}:
            return self.formula(piece.source.strip(), piece.kind == "display")
        if piece.kind == "code":
            return code(piece.source)
        return escape(piece.source)


def _inline_tag(tag: re.Match[str]) -> str:
    """A tag that Markdown has made, if a line of text may have it."""
    closing, name, attributes = tag.groups()
    if name in {"em", "strong"} or (name == "a" and closing):
        return f"<{closing}{name}>"
    if name == "a":
        found = _HREF.search(attributes)
        address = found[1] if found and leads_to_pages(html.unescape(found[1])) else ""
        return f'<a href="{address}">' if address else "<a>"
    return ""


def leads_to_pages(address: str) -> bool:
    """Whether a link's address is one of a page, of this site or another, or of mail, whatever a browser leaves out of it."""
    plain = "".join(each for each in address if each > " " and each != "\x7f").lower()
    scheme = _SCHEME.match(plain)
    return scheme[1] in {"http", "https", "mailto"} if scheme else not plain.startswith(("//", "/\\", "\\"))


_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):")


def code(source: str) -> str:
    """Code in a line of text: a space at each end only keeps backticks apart."""
    source = source.replace("\n", " ")
    if len(source) > 2 and source[0] == source[-1] == " " and source.strip():
        source = source[1:-1]
    return f"<code>{escape(source)}</code>"
