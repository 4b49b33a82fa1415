"""Short texts to HTML: captions, headings, numbers. A formula is a comment with its number until KaTeX has answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from markdown_it.token import Token

from darkroom.core.errors import Fault
from darkroom.core.patterns import lazy_pattern
from darkroom.press.content.calls import Call
from darkroom.press.content.listings import highlighted
from darkroom.press.content.mathtext import Formula, short_formula
from darkroom.press.content.numbers import as_html, show
from darkroom.press.content.outlines import Document
from darkroom.press.markdown.convert import Converter
from darkroom.press.markdown.pages import plain_text
from darkroom.press.markdown.syntax import read_label, read_line
from darkroom.press.rendering.context import Use
from darkroom.press.typeset.equations import Equation
from darkroom.press.typeset.typography import escape, typographic

FORMULAS = lazy_pattern(r"<!--(\d+)-->")  # no page has comments once it is rendered, so nothing else looks like this

_LABEL_MARKS = lazy_pattern(r"[$\\`]")
_MARKDOWN_MARKS = lazy_pattern(r"[$\\`*_~\[\]<>&!{^:=]|\n")


class OwnedText(str):
    """A text of a manifest with its owner, wherever a layout uses it."""

    owner: str
    where: tuple[str, int]

    def __new__(cls, text: str, owner: str, where: tuple[str, int]) -> OwnedText:
        made = super().__new__(cls, text)
        made.owner, made.where = owner, where
        return made


class Texts:
    """The texts of one page.

    Attributes:
        uses: the formulas so far; a formula is marked by its index here.
        where: the file and line that a short text is taken to stand at.
        owner: the figure or the experiment whose manifest the text comes from, or "".
        faults: what is wrong with short texts.
        warnings: the same of texts of manifests, which may come from someone else and are published as they are.
    """

    def __init__(self, converter: Converter, path: str) -> None:
        self.uses: list[Use] = []
        self.where = (path, 1)
        self.owner = ""
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []
        self._converter = converter
        self._known: dict[Use, int] = {}

    @contextmanager
    def of(self, owner: str, where: tuple[str, int]) -> Iterator[None]:
        """Begin with texts of a manifest: those of a figure or an experiment, which is declared at a line of a file."""
        before = self.where, self.owner
        self.where, self.owner = where, owner
        try:
            yield
        finally:
            self.where, self.owner = before

    def mark(self, use: Use) -> str:
        """The mark of a formula, one for each place."""
        if use not in self._known:
            self._known[use] = len(self.uses)
            self.uses.append(use)
        return f"<!--{self._known[use]}-->"

    def formula(self, formula: Formula, token: Token, block: bool) -> str:
        """A formula of a short text."""
        tex, wrong = short_formula(formula)
        if not self.owner:
            self.faults += [Fault(*self.where, 1, "math", f"{message} (in {formula.tex!r})") for message in wrong]
        mark = self.mark(Use(Equation(tex, formula.display), *self.where, owner=self.owner))
        return f'<span class="equation">{mark}</span>' if formula.display else mark

    def call(self, call: Call, block: bool, caption: Sequence[Token] = ()) -> str:
        """Short texts have none: they come from experiments, which know their numbers."""
        return ""

    def code(self, source: str, info: str) -> str:
        """A block of code."""
        return highlighted(source, info)

    def inline(self, text: object) -> str:
        """A short text with inline math as HTML; nothing else in it is markup."""
        if isinstance(text, int | float) and not isinstance(text, bool):
            return as_html(show(text))
        if isinstance(text, OwnedText) and not self.owner:
            with self.of(text.owner, text.where):
                return self.inline(text)
        content = str(text)
        if not _LABEL_MARKS.search(content):
            return escape_text(typographic(content)[0])
        return self._document(read_label(content))

    def heading(self, heading: object) -> str:
        """The heading of a row or column; screen readers get one with formulas as plain text."""
        shown = self.inline(heading)
        if not FORMULAS.search(shown):
            return shown
        return f'<span class="unseen">{escape(plain_text(str(heading)))}</span><span aria-hidden="true">{shown}</span>'

    def rich(self, text: str) -> str:
        """A caption: text in one line with Markdown's emphasis, links and code, and formulas; HTML in it is text as well.

        It may come from someone else. A link that leads to anything but pages and mail is text, and so is a picture.
        """
        if isinstance(text, OwnedText) and not self.owner:
            with self.of(text.owner, text.where):
                return self.rich(text)
        text = " ".join(text.split())
        if not _MARKDOWN_MARKS.search(text):
            return escape_text(typographic(text)[0])
        return self._document(read_line(text))

    def _document(self, document: Document) -> str:
        found = self.warnings if self.owner else self.faults
        found += [Fault(*self.where, 1, rule, message) for _, rule, message in document.faults]
        return self._converter.document(document, self)


def escape_text(text: str) -> str:
    """*text* as HTML, fit for an element."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
