"""The formulas of a build: found before pages are rendered, typeset meanwhile, and put into them with their style."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import pairwise

import msgspec

from darkroom.core.errors import Fault
from darkroom.press.content.addresses import root_of
from darkroom.press.content.calls import Unknown
from darkroom.press.content.mathtext import Rewritten, short_formula, starts_entity
from darkroom.press.content.outlines import Page
from darkroom.press.content.page_calls import number_figures, tex_of
from darkroom.press.content.references import Index
from darkroom.press.content.settings import SiteSettings
from darkroom.press.files import Places
from darkroom.press.inputs import Inputs
from darkroom.press.markdown.latex import of_math
from darkroom.press.markdown.syntax import read_line
from darkroom.press.rendering.context import MATH_POLICY, MATH_STYLE, Rendered, Use
from darkroom.press.rendering.layouts import policy_digest
from darkroom.press.rendering.texts import FORMULAS
from darkroom.press.typeset.equations import BadTeX, Equation, Typeset, plain
from darkroom.press.typeset.katex import Katex, Pending
from darkroom.press.typeset.katex_html import classes_of, largest_length, rules
from darkroom.press.typeset.katex_style import MathStyle, font_parts, not_whole, read_math_style

LARGEST_EM = 20  # of a formula in a text of somebody's outputs; a caption or heading that is read needs a few
_SHORT = 16  # characters of a formula that fits any line with the marks beside it
_OPENING, _CLOSING = frozenset("([“‘"), re.compile(r"[,.;:!?)\]”’]*")  # a browser would break the line behind or before


class Formulas:
    """What KaTeX makes of the formulas of the pages that are rendered."""

    def __init__(self, places: Places, inputs: Inputs, site: SiteSettings) -> None:
        self._places, self._inputs, self._site = places, inputs, site
        self._made: Typeset = {}
        self._asked: set[Equation] = set()
        self._begun: set[str] = set()
        self._pending: list[Pending] = []
        self._katex: Katex | None = None
        self._style: MathStyle | None = None

    def begin(self, pages: Iterable[Page], index: Index) -> None:
        """Have Node work on what is known of the formulas of *pages* before they are rendered, of each page once.

        Raises:
            UsageError: KaTeX is not installed and cannot be, or Node cannot be started.
        """
        new = [page for page in pages if page.outline.url not in self._begun]
        self._begun.update(page.outline.url for page in new)
        self.start(each for page in new for each in equations_of(page, index))

    def start(self, equations: Iterable[Equation]) -> None:
        """Have Node work on *equations* in the background, while something else is done.

        Raises:
            UsageError: KaTeX is not installed and cannot be, or Node cannot be started.
        """
        wanted = [each for each in dict.fromkeys(equations) if each not in self._made and each not in self._asked]
        if not wanted:
            return
        if self._katex is None:
            self._katex = Katex(self._places.theme, self._inputs, self._places.cache, self._site.macros)
            katex = self._places.theme.katex
            for name in ("package.json", "dist/katex.mjs"):  # a pipe there would be waited for by Node
                if not self._inputs.digest(katex / name):
                    raise not_whole(katex, katex / name)
        self._pending.append(self._katex.start(wanted))
        self._asked.update(wanted)

    def typeset(self, equations: Iterable[Equation] = ()) -> None:
        """Wait for all that has been started, and for *equations*.

        Raises:
            UsageError: KaTeX is not installed and cannot be, or Node fails.
        """
        self.start(equations)
        while self._pending:
            self._made |= self._pending[0].finish()
            del self._pending[0]

    def close(self) -> None:
        """End Node, if it still works on formulas that are not needed."""
        for pending in self._pending:
            pending.end()

    def damage(self, pages: Iterable[Rendered]) -> dict[str, str]:
        """What KaTeX refused in texts of manifests, or what is too large, by its figure or experiment."""
        found: dict[str, str] = {}
        for use in (use for page in pages for use in page.uses if use.owner):
            result = self._made[use.equation]
            problem = result.message if isinstance(result, BadTeX) else ""
            if isinstance(result, str) and largest_length(result) > LARGEST_EM:
                problem = f"something is larger, or moved further, than {LARGEST_EM} em"
            if problem:
                said = f"{problem} in {use.equation.tex[:80]!r}, a text from {use.path}:{use.line}"
                found.setdefault(use.owner, said)
        return found

    def faults(self, rendered: Rendered, page: Page) -> Iterator[Fault]:
        """What KaTeX refused, at its place in the page or in the experiment that a caption comes from."""
        for use in rendered.uses:
            result = self._made[use.equation]
            if isinstance(result, BadTeX) and not use.owner and not starts_entity(use.equation.tex, result.position):
                yield _bad_tex(use, result, page)

    def finished(self, page: Rendered) -> tuple[str, tuple[str, ...]]:
        """A page as published, its formulas and their style rules put in, and the font files that it needs."""
        if not page.uses:
            return page.html.replace(MATH_STYLE, "").replace(MATH_POLICY, ""), ()
        css, fonts = self._css(page)
        html = page.html.replace(MATH_POLICY, f" '{policy_digest(css)}'")
        html = html.replace(MATH_STYLE, f"<style>{css}</style>")
        return self._filled(page, html), tuple(fonts)

    def _filled(self, page: Rendered, html: str) -> str:
        """A page with its formulas, each kept together with the marks around it."""
        parts, at = [], 0
        for found in FORMULAS.finditer(html):
            start, behind = found.start(), _CLOSING.match(html, found.end())
            while start > at and html[start - 1] in _OPENING:
                start -= 1
            assert behind
            parts += [html[at:start], self._formula(page, html[start : found.start()], found[1], behind[0])]
            at = behind.end()
        return "".join([*parts, html[at:]])

    def _css(self, page: Rendered) -> tuple[str, list[str]]:
        classes = set[str]().union(*(classes_of(str(self._made[each])) for each in {u.equation for u in page.uses}))
        if self._style is None:
            self._style = self._read_style()
        active, fonts = self._style.needed(frozenset(classes))
        parts = {file: font_parts(file, self._places.theme.katex, self._inputs, self._places.cache) for file in fonts}
        return self._style.css(active, parts, root_of(page.url)) + rules(classes), fonts

    def _read_style(self) -> MathStyle:
        path = self._places.theme.katex / "dist/katex.min.css"
        try:
            style = read_math_style(self._inputs.text(path))
        except (OSError, UnicodeDecodeError):
            raise not_whole(self._places.theme.katex, path) from None
        if not style.faces or not style.selectors:
            raise not_whole(self._places.theme.katex, path)
        return style

    def _formula(self, page: Rendered, before: str, number: str, after: str) -> str:
        equation = page.uses[int(number)].equation
        html = self._made[equation]
        math = html if isinstance(html, str) else ""
        if equation.display:
            return f"{before}{math}{after}"
        several = math.count(_PIECE) > 1  # KaTeX lets a line end after any = or +
        if several and len(plain(equation.tex)) > _SHORT:
            return _long(before, math, after)
        return _together(before, math, after) if before or after or several else math


_PIECE, _OPEN, _CLOSE = (
    '<span class="katex-base">',
    '<span class="katex"><span class="katex-html" aria-hidden="true">',
    "</span>" * 2,
)


def _together(*parts: str) -> str:
    return f'<span class="together">{"".join(parts)}</span>'


def _long(before: str, math: str, after: str) -> str:
    """A formula that may go over lines: its first piece is kept with what stands before it, its last with what follows.

    Browsers break a line between a piece and a mark whatever holds both, so these pieces become formulas of their own.
    """
    begin = math.find(_PIECE)
    second, last = math.find(_PIECE, begin + 1), math.rfind(_PIECE)
    cuts = sorted({*([second] if before else []), *([last] if after else [])})
    if any(math.count("<span", begin, cut) != math.count("</span>", begin, cut) for cut in cuts):  # one within another
        return f"{before}{math}{after}"
    parts = [math[start:end] for start, end in pairwise([0, *cuts, len(math)])]
    parts = [*(f"{part}{_CLOSE}" for part in parts[:-1]), parts[-1]]
    parts = [parts[0], *(f"{_OPEN}{part}" for part in parts[1:])]
    if before:
        parts[0] = _together(before, parts[0])
    if after:
        parts[-1] = _together(parts[-1], after)
    return "".join(parts)


def equations_of(page: Page, index: Index) -> Iterator[Equation]:
    """The formulas of a page that are known before it is rendered, so that Node need not wait for that."""
    for prepared in page.formulas:
        with suppress(Unknown):  # a fault that has been found
            yield Equation(tex_of(prepared, index).tex, prepared.formula.display, prepared.macros)
    yield from _inline_equations(page.outline.meta.title)
    for name in number_figures(page.outline):
        found = index.catalogue.figure(name)
        figure = found[0].drawn(found[1]) if found else None
        if figure:
            for text in (figure.caption, *_texts(msgspec.to_builtins(figure.layout))):
                yield from _inline_equations(text)


def _inline_equations(text: str) -> Iterator[Equation]:
    if "$" in text or "\\" in text:
        for token in read_line(text).tokens:
            if token.type == "formula":
                formula = token.meta["formula"]
                yield Equation(short_formula(formula)[0], formula.display)


def _texts(layout: object) -> Iterator[str]:
    """Every text in a layout; one that is not prose costs nothing."""
    if isinstance(layout, str):
        yield layout
    elif isinstance(layout, dict):
        for name, value in layout.items():
            if name != "alt":
                yield from _texts(value)
    elif isinstance(layout, list):
        for value in layout:
            yield from _texts(value)


def _bad_tex(use: Use, bad: BadTeX, page: Page) -> Fault:
    if use.formula:
        source = Rewritten(use.equation.tex, use.pieces).source(bad.position or 0)
        return page.fault(use.formula.place(source), "math", of_math(bad.message))
    return Fault(use.path, use.line, 1, "math", f"{bad.message} in {use.equation.tex!r}")
