"""Short texts to HTML: captions, headings, numbers. Formulas become tokens, which stay until KaTeX has answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from darkroom.press.context import Use
from darkroom.press.lift import FIRST, TOKEN, Piece, lift
from darkroom.press.math import Equation
from darkroom.press.pages import plain_text
from darkroom.press.references import as_html, show
from darkroom.press.text import escape, typographic

FORMULA = 0x100000  # the first token of a formula
FORMULAS = re.compile(f"[{chr(FORMULA)}-{chr(0x10FFFD)}]")

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
        html = typographic(escape(lifted.body).replace("&quot;", '"').replace("&#x27;", "'"))
        return self._put_short_back(html, lifted.pieces)

    def heading(self, heading: object) -> str:
        """The heading of a row or column; one with formulas is told as text to those who hear it."""
        shown = self.inline(heading)
        if not FORMULAS.search(shown):
            return shown
        return f'<span class="unseen">{escape(plain_text(str(heading)))}</span><span aria-hidden="true">{shown}</span>'

    def rich(self, text: str) -> str:
        """A caption: Markdown with math, in one paragraph."""
        lifted = lift(text)
        if _MARKDOWN_MARKS.search(lifted.body):
            html = self._convert(lifted.body).removeprefix("<p>").removesuffix("</p>")
        else:
            html = lifted.body
        return self._put_short_back(typographic(html), lifted.pieces)

    def _put_short_back(self, html: str, pieces: Sequence[Piece]) -> str:
        return TOKEN.sub(lambda token: self._short_piece(pieces[ord(token[0]) - FIRST]), html) if pieces else html

    def _short_piece(self, piece: Piece) -> str:
        if piece.kind in {"math", "display"}:
            return self.formula(piece.source.strip(), piece.kind == "display")
        if piece.kind == "code":
            return code(piece.source)
        return escape(piece.source)


def code(source: str) -> str:
    """Code in a line of text: a space at each end only keeps backticks apart."""
    source = source.replace("\n", " ")
    if len(source) > 2 and source[0] == source[-1] == " " and source.strip():
        source = source[1:-1]
    return f"<code>{escape(source)}</code>"
