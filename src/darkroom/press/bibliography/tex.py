r"""TeX in a bibliography to plain text: accents, ligatures, quotes, fonts. Formulas stay TeX, between dollars.

pylatexenc reads it. What it would drop in silence, a macro that it does not know, is a fault here. HTML that Crossref
and Zotero leave in titles (``&amp;``, ``<i>``, ``<sub>``) is read as the TeX that means the same.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from typing import Any

from darkroom.core.patterns import lazy_pattern

_LETTERS = lazy_pattern(r"(?:[^\\$%~`'&{}^_<>-]|-(?!-)|'(?!'))*+")  # characters without a meaning in TeX
_BRACES = lazy_pattern(r"(?:[^\\$%~`'&^_<>-]|-(?!-)|'(?!'))*+")
_ADDRESS = lazy_pattern(r"\\(?:url|path|nolinkurl)\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
_ESCAPED = lazy_pattern(
    r"\\([_%&#~$^{}])|\\textunderscore(?:\{\}|\s|\b)|\{?\\textasciitilde(?:\{\}|\s|\b)\}?|\{?\$?\\sim\$?\}?"
)
_CONTROL = lazy_pattern(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202d\u202e\ufeff]")
_DBLP = lazy_pattern(r"\{\\textdollar\}(.+?)\{\\textdollar\}")  # how dblp writes a formula
_PERCENT = lazy_pattern(r"(?<!\\)%")
_SPECIAL = lazy_pattern(r"([_%&#${}])|([~^])|\\")
_SWITCHES = (
    "em", "it", "bf", "sc", "sl", "tt", "rm", "sf", "itshape", "bfseries", "scshape", "slshape", "upshape", "ttfamily",
    "sffamily", "rmfamily", "normalfont", "normalsize", "small", "footnotesize", "large", "selectfont", "relax", "protect",
    "/", "@", "-", "unskip", "ignorespaces", "nobreak", "allowbreak", "sloppy",
)  # fmt: skip
_WRAPPERS = (
    "texttt", "textup", "textmd", "textsf", "textnormal", "textlatin", "mbox", "hbox",
    "uppercase", "lowercase", "MakeUppercase", "MakeLowercase", "enquote", "textquote", "mkbibquote", "mkbibemph",
)  # fmt: skip
_DROPPED = (
    "footnote", "thanks", "noopsort", "NoopSort", "noop", "SortNoop", "fontencoding", "fontfamily", "fontsize", "phantom",
)  # fmt: skip
_SIGNS = {
    "S": "§", "P": "¶", "copyright": "©", "pounds": "£", "euro": "€", "EUR": "€", "dag": "†", "ddag": "‡", "slash": "/",
    "textgreater": ">", "textless": "<", "textbar": "|", "textunderscore": "_", "textdollar": r"\$", "textbraceleft": "{",
    "textbraceright": "}", "textquotesingle": "'", "textquotedbl": '"', "LaTeX": "LaTeX", "TeX": "TeX", "BibTeX": "BibTeX",
    "LaTeXe": "LaTeX2e", "glqq": "„", "grqq": "“", "glq": "‚", "grq": "‘", "flqq": "«", "frqq": "»", "lq": "‘", "rq": "’",
    "cprime": "ʹ", "cdprime": "ʺ", "Dbar": "Đ", "dbar": "đ", "i": "ı", "j": "ȷ", "&": "&", "textasciigrave": "`",
    "textcopyleft": "🄯", "textminus": "−", "thinspace": " ", "nobreakspace": " ", "newline": " ", "par": " ",
    "hyp": "-", "textperiodcentered": "·", "textvisiblespace": "␣", "textnumero": "№", "ordfeminine": "ª", "SS": "ẞ",
}  # fmt: skip
_FOREIGN = frozenset({"today", "input", "include", "title", "author", "date", "maketitle", "item", "original", "image"})
_TIE = "\u0361"
_RAISED = str.maketrans("0123456789+-−–=()ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻⁼⁽⁾ⁿⁱ")
_LOWERED = str.maketrans("0123456789+-−–=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₋₌₍₎")
_ORDINALS = frozenset({"st", "nd", "rd", "th", "er", "re", "e", "me", "ème", "ère", "o", "a", "®", "™", "©"})
_ENTITY = lazy_pattern(r"(?:\{\\&\}|\\?&)((?:amp(?:;|\$\\mathsemicolon\$))*#?\w+)(?:;|\$\\mathsemicolon\$)", re.ASCII)
_ANGLE = lazy_pattern(r"\$\\(less|greater)\$|\{\\text(less|greater)\}|\\text(less|greater)(?:\{\}|(?![A-Za-z])\s?)")
_ELEMENT = lazy_pattern(
    r"(?<!\\)\$[^$]*\$|\\\(.*?\\\)"  # not within formulas, where < is a relation
    r"|<(?P<close>/?)(?:jats:)?(?P<name>i|em|italic|b|strong|bold|u|tt|sc|scp|span|sub|inf|sup)(?:\s[^<>]*)?>",
    re.DOTALL | re.IGNORECASE,
)
_BREAK = lazy_pattern(r"<br\s*/?>", re.IGNORECASE)
_MATHML = lazy_pattern(r"<(?:mml:)?math\b", re.IGNORECASE)
_MEANS = {"sub": r"\textsubscript{", "inf": r"\textsubscript{", "sup": r"\textsuperscript{"}

Report = Callable[[str, int], None]


def as_text(tex: str, report: Report, formulas: bool = True) -> str:
    r"""*tex* as plain text, white space as single spaces.

    Args:
        tex: as it stands in a bibliography; a ``%`` in it is a percent sign, for entries know no comments.
        report: called with each thing that cannot be made text, and where in *tex* it is.
        formulas: leave formulas as ``$...$``, with ``\$`` for a dollar of the text; otherwise they become text too.
    """
    for found in _CONTROL.finditer(tex):
        report(f"a control character, U+{ord(found[0]):04X}; remove it", found.start())
    if _LETTERS.fullmatch(tex):
        return _spaced(tex)
    plain = _ACCENT.sub(lambda found: _accented(found[0]), tex) if "\\" in tex else tex
    if _BRACES.fullmatch(plain) and _balanced(plain):
        return _spaced(plain.replace("{", "").replace("}", ""))
    text, problems = whole_text(tex, formulas)
    for what, at in problems:
        report(what, at)
    return text


_ACCENT = lazy_pattern(  # those that mean the same wherever they stand
    r"""\{\\['`^"~=.][A-Za-z]\}|\{\\[cvuHkr]\{[A-Za-z]\}\}|\{\\(?:ss|o|O|l|L|ae|AE|oe|OE|aa|AA|i|j)\}"""
    r"""|\\['`^"~=.](?:\{[A-Za-z]\}|[A-Za-z])|\\[cvuHkr]\{[A-Za-z]\}"""
)


@cache
def _accented(tex: str) -> str:
    """The letter that an accent in TeX gives, or the TeX itself where it gives none."""
    text, problems = whole_text(tex, True)
    return tex if problems or not text.isalpha() else text


@lru_cache(maxsize=4096)
def whole_text(tex: str, formulas: bool) -> tuple[str, tuple[tuple[str, int], ...]]:
    """A text that has TeX or HTML in it, and what cannot be made text, each with its place in *tex*.

    It is remembered, since venues and names come again and again.
    """
    problems: list[tuple[str, int]] = []

    def report(what: str, at: int) -> None:
        problems.append((what, at))

    shown = _Rewritten(tex).sub(_ADDRESS, lambda found: _as_tex("".join(address(found[1]).split())))
    shown = _without_html(shown.sub(_DBLP, _formula_of_dblp)).sub(_PERCENT, lambda _: r"\%")
    if mathml := _MATHML.search(shown.text):
        report("MathML is not supported; write the formula between dollars", shown.origin(mathml.start()))
    text = _converted(shown.text, lambda what, at: report(what, shown.origin(at)), formulas)
    return _spaced(text), tuple(problems)


def without_html(tex: str) -> str:
    """*tex* with the letters and the TeX that stand for the HTML in it."""
    return _without_html(_Rewritten(tex)).text if "&" in tex or "<" in tex or "\\text" in tex else tex


def address(tex: str) -> str:
    r"""A plain address from one that was written for TeX: without braces, ``\_`` as ``_``, the first ``\url`` alone.

    ``&amp;`` is ``&``; blanks within, which no address has, are left.
    """
    found = _ADDRESS.search(tex)
    plain = _ESCAPED.sub(lambda mark: mark[1] or ("_" if "underscore" in mark[0] else "~"), found[1] if found else tex)
    return re.sub(r"[{}]+", "", plain).replace("&amp;", "&").strip()


def is_address(tex: str) -> bool:
    r"""Whether it is nothing but an address, plain or in ``\url{...}``."""
    return bool(_ADDRESS.fullmatch(tex.strip()) or re.fullmatch(r"https?://\S+", tex.strip()))


def _balanced(tex: str) -> bool:
    depth = 0
    for letter in tex:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if depth < 0:
            return False
    return depth == 0


def _spaced(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


class _Rewritten:
    """A text that is rewritten step by step, and where each of its characters came from."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts, self._origins = [0], [0]  # from each start on, characters came from the origin on

    def sub(self, pattern: re.Pattern[str], new: Callable[[re.Match[str]], str]) -> _Rewritten:
        """The same with every match replaced; what is new came from where its match began."""
        found = list(pattern.finditer(self.text))
        if not found:
            return self
        made = _Rewritten("")
        pieces, at, length = [], 0, 0
        for match in found:
            piece = new(match)
            if piece == match[0]:
                continue
            pieces += [self.text[at : match.start()], piece]
            length += match.start() - at
            made._starts += [length, length + len(piece)]
            made._origins += [match.start(), match.end()]
            length, at = length + len(piece), match.end()
        made.text = "".join([*pieces, self.text[at:]])
        made._outer = self
        return made

    _outer: _Rewritten | None = None

    def origin(self, index: int) -> int:
        """Where the character at *index* stood at first."""
        part = bisect_right(self._starts, index) - 1
        start, origin = self._starts[part], self._origins[part]
        within = origin if part % 2 else origin + index - start  # odd parts are what was put in
        return self._outer.origin(within) if self._outer else within


def _without_html(shown: _Rewritten) -> _Rewritten:
    shown = shown.sub(_ENTITY, _letter).sub(_ANGLE, lambda found: "<" if "less" in found[0] else ">")
    shown = shown.sub(_BREAK, lambda _: " ")
    tags = [found for found in _ELEMENT.finditer(shown.text) if found["name"]]
    paired = _paired(tags)
    return shown.sub(_ELEMENT, lambda found: paired.get(found.start(), found[0])) if paired else shown


def _letter(found: re.Match[str]) -> str:
    """The letter of a reference to a character, as TeX; what is none stays."""
    name = re.sub(r"^(?:amp(?:;|\$\\mathsemicolon\$))+", "", found[1])
    letter = html.unescape(f"&{name};")
    return found[0] if letter.startswith("&") and len(letter) > 1 else _as_tex(letter)


def _paired(tags: Iterable[re.Match[str]]) -> dict[int, str]:
    """What stands for tags of elements that are both opened and closed, by where the tags begin."""
    open_tags: list[re.Match[str]] = []
    means: dict[int, str] = {}
    for tag in tags:
        name = tag["name"].lower()
        if not tag["close"]:
            open_tags.append(tag)
        elif any(each["name"].lower() == name for each in open_tags):
            while (opening := open_tags.pop())["name"].lower() != name:
                pass
            means |= {opening.start(): _MEANS.get(name, "{"), tag.start(): "}"}
    return means


def _formula_of_dblp(found: re.Match[str]) -> str:
    inner = re.sub(r"\{\\([_%&#~^])(?:\{\})?\}", r"\1", found[1].replace(r"{\textbackslash}", "\\"))
    return found[0] if inner == found[1] else f"${inner}$"


def _as_tex(text: str) -> str:
    signs = {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
    return _SPECIAL.sub(lambda found: signs.get(found[0], rf"\{found[0]}"), text)


def _converted(tex: str, report: Report, formulas: bool) -> str:
    from pylatexenc.latexwalker import LatexWalker, LatexWalkerParseError

    grammar, meaning = _contexts()
    try:
        nodes, _, _ = LatexWalker(tex, latex_context=grammar, tolerant_parsing=False).get_latex_nodes()
        for name, at in _unknown(nodes, meaning):
            report(f"{name} is not supported here; write the characters in UTF-8", at)
        text = "".join(map(_converter(formulas), nodes)).replace("`", "‘").replace("$$", "$")
        return text if formulas else text.replace(r"\$", "$")
    except LatexWalkerParseError as error:
        opened = [at for _, at, _, _ in error.open_contexts or ()]
        at = (opened or [error.pos or 0])[-1]
        report(_unbalanced(tex[at : at + 1]), at)
    except RecursionError:
        report("braces are nested too deeply", 0)
    return tex


def _unbalanced(sign: str) -> str:
    if sign == "$":
        return r"this $ opens a formula that is not closed; write \$ for a dollar sign"
    return "this macro has no argument" if sign == "\\" else "this brace is not matched"


def _unknown(nodes: Iterable[Any], meaning: Any) -> Iterator[tuple[str, int]]:
    """Macros and environments that pylatexenc would drop, and where they are; formulas are not searched."""
    for node in nodes:
        kind = type(node).__name__
        if kind == "LatexEnvironmentNode":
            yield rf"\begin{{{node.environmentname}}}", node.pos
        elif kind == "LatexMacroNode" and (node.macroname in _FOREIGN or not meaning.get_macro_spec(node.macroname)):
            yield rf"\{node.macroname}", node.pos
        elif kind == "LatexMacroNode" and node.nodeargd:
            yield from _unknown(filter(None, node.nodeargd.argnlist or ()), meaning)
        elif kind == "LatexGroupNode":
            yield from _unknown(node.nodelist, meaning)


@cache
def _contexts() -> tuple[Any, Any]:
    """What pylatexenc knows of macros, with what it lacks: their arguments, and what they mean."""
    from pylatexenc import latex2text, latexwalker
    from pylatexenc.latex2text import MacroTextSpec, SpecialsTextSpec
    from pylatexenc.macrospec import MacroSpec

    grammar = latexwalker.get_default_latex_context_db()
    grammar.add_context_category(
        "bibliography",
        macros=[
            *(MacroSpec(name, "{") for name in (*_WRAPPERS, *_DROPPED)),
            *(MacroSpec(name, "") for name in (*_SWITCHES, *_SIGNS)),
            MacroSpec("textsuperscript", "{"),
            MacroSpec("textsubscript", "{"),
            MacroSpec("href", "{{"),
            MacroSpec("t", "{"),
            MacroSpec("foreignlanguage", "{{"),
        ],
        prepend=True,
    )
    known = latex2text.get_default_latex_context_db()
    macros = [
        *(MacroTextSpec(name, "%s") for name in _WRAPPERS),
        *(MacroTextSpec(name, discard=True) for name in (*_SWITCHES, *_DROPPED)),
        *(MacroTextSpec(name, sign) for name, sign in _SIGNS.items()),
        MacroTextSpec("href", "%(2)s"),
        MacroTextSpec("foreignlanguage", "%(2)s"),
        MacroTextSpec("$", r"\$"),
        MacroTextSpec("ensuremath", simplify_repl=_formula),
        MacroTextSpec("textsuperscript", simplify_repl=_raised),
        MacroTextSpec("textsubscript", simplify_repl=_lowered),
        MacroTextSpec("t", simplify_repl=_tied),
        *(MacroTextSpec(sign, simplify_repl=_alone(sign, known.get_macro_spec(sign).simplify_repl)) for sign in "~^"),
    ]
    meaning = known.filter_context(
        keep_categories=["latex-base", "latex-approximations", "advanced-symbols", "nonascii-specials"]
    )
    meaning.add_context_category("bibliography", macros=macros, specials=[SpecialsTextSpec("&", "&")], prepend=True)
    return grammar, meaning


def _formula(node: Any, l2tobj: Any) -> str:
    r"""``\ensuremath{x}``."""
    inner = node.nodeargd.argnlist[0]
    if l2tobj.math_mode != "verbatim":
        return str(l2tobj.nodelist_to_text([inner]))
    return f"${inner.latex_verbatim().removeprefix('{').removesuffix('}')}$"


def _raised(node: Any, l2tobj: Any) -> str:
    r"""``\textsuperscript{2}``: a sign of its own where there is one, ordinals as they are, else a formula."""
    text = str(l2tobj.nodelist_to_text(node.nodeargd.argnlist)).strip()
    return {"TM": "™", "R": "®"}.get(text) or _set_off(text, "^", _RAISED, node, l2tobj)


def _lowered(node: Any, l2tobj: Any) -> str:
    r"""``\textsubscript{2}``, in the same way."""
    return _set_off(str(l2tobj.nodelist_to_text(node.nodeargd.argnlist)).strip(), "_", _LOWERED, node, l2tobj)


def _set_off(text: str, sign: str, signs: dict[int, int], node: Any, l2tobj: Any) -> str:
    if text in _ORDINALS:
        return text
    if all(ord(letter) in signs for letter in text):
        return text.translate(signs)
    if l2tobj.math_mode != "verbatim" or "$" in text:
        return text
    inner = node.nodeargd.argnlist[0].latex_verbatim().removeprefix("{").removesuffix("}")
    return rf"${sign}{{\text{{{inner}}}}}$"


def _tied(node: Any, l2tobj: Any) -> str:
    r"""``\t{oo}``: two letters under one bow."""
    text = str(l2tobj.nodelist_to_text(node.nodeargd.argnlist))
    return text[:1] + _TIE + text[1:]


def _alone(sign: str, accented: Callable[[Any, Any], str]) -> Callable[[Any, Any], str]:
    r"""What ``\~`` becomes: the sign itself over nothing, as in ``\~{}``, else an accent."""

    def text(node: Any, l2tobj: Any) -> str:
        letter = l2tobj.nodelist_to_text([each for each in node.nodeargd.argnlist or () if each])
        return accented(node, l2tobj) if letter.strip() else sign

    return text


@cache
def _converter(formulas: bool) -> Callable[[Any], str]:
    from pylatexenc.latex2text import LatexNodes2Text

    mode = "verbatim" if formulas else "text"
    converter = LatexNodes2Text(latex_context=_contexts()[1], math_mode=mode, strict_latex_spaces="macros")
    return converter.node_to_text  # type: ignore[no-any-return]
