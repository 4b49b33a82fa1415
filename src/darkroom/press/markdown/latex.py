r"""LaTeX instead of Markdown: commands, spaces and accents in prose, environments that KaTeX lacks."""

from __future__ import annotations

import re
from typing import NamedTuple

from darkroom.core.patterns import lazy_pattern
from darkroom.press.markdown.dialects import PICTURE


class Remark(NamedTuple):
    """A message about TeX in prose; *certain* if it cannot be meant literally."""

    message: str
    certain: bool = True


_COMMAND = lazy_pattern(r"\\(?P<name>[A-Za-z]+)\*?(?P<after>[{_^\[]?)")
_INSTEAD = {
    "cite": '{{ cite("key") }}', "citep": '{{ cite("key") }}', "citet": '{{ cite("key", text=True) }}',
    "textbf": "**...**", "textit": "*...*", "emph": "*...*", "texttt": "`...`", "section": "## ...", "subsection": "### ...",
    "footnote": "[^1], and [^1]: ... below", "href": "[text](address)", "url": "<address>", "includegraphics": PICTURE,
    **dict.fromkeys(("newcommand", "renewcommand", "def", "DeclareMathOperator"), "it in a formula, or under [macros]"),
    "label": "{#name} after a heading, or \\label in a formula", "paragraph": "**...**",
}  # fmt: skip
_SWITCHES = {
    "bf": "**...**", "bfseries": "**...**", "it": "*...*", "itshape": "*...*", "em": "*...*", "sl": "*...*", "tt": "`...`",
    "item": "- ...", "hline": "a table of |", "newline": "one backslash at the end of a line",
}  # fmt: skip
_NOTHING = frozenset(
    """newpage pagebreak clearpage noindent bigskip medskip smallskip maketitle tableofcontents centering raggedright vspace
    hspace vfill hfill""".split()  # noqa: SIM905
)
_MATHS = frozenset(
    """alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho varrho
    sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega nabla
    infty partial hbar ell Re Im aleph emptyset varnothing mathbb mathcal mathbf mathrm mathsf mathit boldsymbol bm
    operatorname frac dfrac tfrac binom sqrt sum prod int iint oint bigcup bigcap lim limsup liminf sup inf max min arg
    argmin argmax exp log ln sin cos tan det dim ker Pr pm mp times div cdot cdots ldots dots vdots ddots ast star circ
    bullet oplus otimes odot le leq ge geq ll gg ne neq equiv approx sim simeq cong propto prec succ in notin ni subset
    subseteq supset supseteq cup cap setminus wedge vee neg forall exists to gets mapsto rightarrow leftarrow Rightarrow
    Leftarrow leftrightarrow Leftrightarrow longrightarrow Longrightarrow implies iff uparrow downarrow hat bar tilde
    vec dot ddot widehat widetilde overline underline overbrace underbrace left right big Big langle rangle lfloor rfloor
    lceil rceil mid parallel perp angle degree quad qquad text mathop prime dagger top bot cdotp land lor lnot qed square
    triangle blacksquare colon coloneqq vert Vert lVert rVert lvert rvert""".split()  # noqa: SIM905
)
_PATH = lazy_pattern(
    r"""(?:^|[\s"'(\[<=`])(?P<root>[A-Za-z]:|\\\\[\w.$-]+|\.{1,2}|~|%\w+%|\$\w+|(?P<word>[A-Za-z_][\w.-]+))(?:\\[^\s\\]*)*\Z"""
)
_EXPRESSION = lazy_pattern(r"\\[dDwWsSbB](?:\{\d|[+*?)\]])")  # a regular expression's
_SPACE = lazy_pattern(r"(?<=[\w$}).%])\\(?P<sign>[,;]|:(?!\d))(?=[\w\\$({])|(?<=[\w.])\\(?P<blank> )(?=\S)")
_ACCENT = lazy_pattern(r"""\\["'`^~=.]\{[A-Za-z]\}|(?<=[A-Za-z])\\"[aeiouAEIOU](?=[a-z])""")
_BREAK = lazy_pattern(r"\\\\[ \t]*(?=\n)")


def of_tex(text: str, at: int) -> Remark | None:
    """A message for a LaTeX backslash at *at* of prose."""
    if text[max(at - 1, 0) : at] == "\\":
        return None
    if _EXPRESSION.match(text, at):
        return None
    if found := _COMMAND.match(text, at):
        return _of_command(found["name"], found["after"], _PATH.search(text[max(at - 200, 0) : at]))
    return _of_sign(text, at)


def _of_sign(text: str, at: int) -> Remark | None:
    """The same of a backslash before anything but a letter."""
    if text.startswith("\\\\begin{", at):
        return Remark("\\\\begin does not open a formula; write one backslash, \\begin{...}")
    if found := _ACCENT.match(text, at):
        return Remark(f"{found[0]} is a TeX accent; write the letter itself", found[0].endswith("}"))
    if found := _SPACE.match(text, at):
        before = text[at - 1]
        certain = before in ".$})%" or (before.isdigit() and found["sign"] != ":" and not found["blank"])
        return Remark(f"{found[0].strip()} is a TeX space; write &nbsp;, or &thinsp; for a thin one", certain)
    if _BREAK.match(text, at):
        return Remark("\\\\ does not end a line; write one backslash, or two spaces, at its end", False)
    return None


def _of_command(name: str, after: str, path: re.Match[str] | None) -> Remark | None:
    if path and not path["word"]:
        return None
    if (name in _INSTEAD and after) or name in _SWITCHES:
        return Remark(f"\\{name} is LaTeX; write {_INSTEAD.get(name) or _SWITCHES[name]}", not path)
    if name in _NOTHING:
        return Remark(f"\\{name} has no meaning on a page; remove it", not path)
    if name in _MATHS or after in {"_", "^", "{"}:
        instead = f"write $\\{name}{after}...$ for a formula, or `\\{name}`"
        return Remark(f"\\{name} is TeX outside of a formula; {instead}", not path)
    if len(name) > 1 and not path:
        return Remark(f"\\{name} is printed as text; write $\\{name}$ for a formula, or `\\{name}`", False)
    return None


_TIED = frozenset("section figure table equation chapter page appendix theorem lemma algorithm part step".split())  # noqa: SIM905


def of_tie(text: str, at: int) -> Remark | None:
    """A message for a tilde at *at* of prose that is a TeX space, as in ``Fig.~1``."""
    found = re.search(r"[\w.]*\w[\w.]*\Z", text[max(at - 40, 0) : at])
    before, after = (found[0] if found else ""), text[at + 1 : at + 2]
    if not before or not re.match(r"[\w(\[\\{$]", after) or re.match(r"~[^\s~]{1,3}~", text[at : at + 5]):
        return None
    capital = len(before) > 1 and before[0].isupper() and before[1:].islower() and not after.islower()
    named = before.lower() in _TIED or before.endswith(".") or capital
    measured = before[-1].isdigit() and after.isalpha()
    if not (named or measured or (before.isalpha() and after.isalpha())):
        return None
    return Remark("~ is a TeX space; write &nbsp; for one that does not break", named or measured)


_ENVIRONMENTS = {
    "eqnarray": "align, with one & a row", "eqnarray*": "align*, with one & a row", "multline": "gather or split",
    "multline*": "gather* or split", "flalign": "align", "itemize": "- ... outside of the formula",
    "enumerate": "1. ... outside of the formula", "tabular": "a table of |", "figure": PICTURE, "theorem": "> ... or ## ...",
    "proof": "> ... or ## ...", "lemma": "> ... or ## ...", "algorithm": "a fence of ```", "algorithmic": "a fence of ```",
    **dict.fromkeys(("subequations", "IEEEeqnarray", "empheq", "dmath"), "align"), "displaymath": "equation*",
    **dict.fromkeys(("tikzpicture", "tikzcd", "wrapfigure", "subfigure", "minipage"), PICTURE), "table": "a table of |",
    **dict.fromkeys(("definition", "corollary", "proposition", "remark", "example", "abstract"), "> ... or ## ..."),
    "description": "a term, and : and its text below it", "center": "nothing: figures are centred",
    "verbatim": "a fence of ```", "lstlisting": "a fence of ```", "minted": "a fence of ```", "quote": "> ...",
}  # fmt: skip


_COMMANDS = {
    "mbox": "\\text", "mathds": "\\mathbb", "mathbbm": "\\mathbb", "bbold": "\\mathbb", "unicode": "the character itself",
    "require": "nothing: its commands are available", "sideset": "{}_a^b\\sum", "nicefrac": "a/b", "sfrac": "a/b",
    "ensuremath": "nothing", "intertext": "two formulas with text between", "nonumber": "\\notag", "*": "*",
    "SI": "10\\,\\mathrm{m}", "si": "\\mathrm{m}", "qty": "10\\,\\mathrm{m}", "unit": "\\mathrm{m}", "num": "the number",
    "ang": "90^\\circ", "abs": "\\lvert ... \\rvert", "norm": "\\lVert ... \\rVert", "dv": "\\frac{d}{dx}",
    "pdv": "\\frac{\\partial}{\\partial x}", "vb": "\\mathbf", "dd": "\\,d",
}  # fmt: skip

_ALIKE = {  # characters that fonts of formulas lack, and what is meant by them
    **dict.fromkeys("\u2032\u2018\u2019\u02b9\u00b4", "'"), "\u2033": "''", "\u2034": "'" * 3,
    **dict.fromkeys("\u2013\u2014\u2010\u2011", "-"), **dict.fromkeys("\u201c\u201d", "\\text{...}"),
    "\u2022": "\\bullet", "\u2016": "\\Vert", "√": "\\sqrt{...}", "½": "\\tfrac12", "¼": "\\tfrac14",
    "％": "\\%", "（": "(", "）": ")", "，": ",", "：": ":", "；": ";", "。": ".", "＝": "=", "＋": "+",
}  # fmt: skip
_UNKNOWN = lazy_pattern(r'Unrecognized Unicode character "(.+)" \((\d+)\)', re.DOTALL)
_TEXT = lazy_pattern(r'Unicode text character "(.+)" used in math mode', re.DOTALL)
_EXPECTED = {
    "Expected 'EOF', got '&'": "& separates columns in aligned, cases or a matrix; write \\& for the character",
    "Expected 'EOF', got '#'": "# marks the arguments of a macro; write \\# for the character",
    "Expected 'EOF', got '_'": "_ is not allowed in \\text; write \\_ for the character",
    "Expected 'EOF', got '^'": "^ is not allowed in \\text; move the superscript out of it",
    "Expected 'EOF', got '}'": "} closes nothing here; write \\} for the character",
    "Expected 'EOF', got '\\right'": "\\right closes nothing here; write \\left before it",
    "Expected '\\right', got 'EOF'": "\\left is not closed; end it with \\right, or \\right. for nothing",
    "Expected '}', got 'EOF'": "{ is not closed; end it with }, or write \\{ for the character",
    "Unexpected end of input in a macro argument, expected '}'": "{ is not closed; end it with }",
    "Can't use function '$' in math mode": "$ is not allowed in a formula; write \\$ for the character",
    "Unexpected character: '\\'": "there is nothing after this backslash; remove it",
    "Double subscript": "two subscripts at once; write x_{ab} or {x_a}_b",
    "Double superscript": "two superscripts at once; write x^{ab} or {x^a}^b",
}


_STRICT = lazy_pattern(
    r"LaTeX-incompatible input and strict mode is set to 'error': (?P<said>.*) \[(?P<code>\w+)\]", re.DOTALL
)
_OF_STRICT = {
    "htmlExtension": "classes, ids and styles are not for formulas; remove the command and keep what is in it",
    "newLineInDisplayMode": "\\\\ does not end a line here; put the lines into \\begin{aligned}...\\end{aligned}",
    "commentAtEnd": "% starts a comment in TeX; write \\% for a percent sign",
}


def of_math(message: str) -> str:
    """KaTeX's message, with what to write instead where that is known."""
    name = message.removeprefix("No such environment: ")
    command = message.removeprefix("Undefined control sequence: \\")
    if unknown := _UNKNOWN.search(message):
        sign, code = unknown[1], int(unknown[2])
        seen = sign.isprintable() and not sign.isspace()
        shown = sign if seen else f"the invisible character U+{code:04X}"
        meant = "write " + _ALIKE.get(sign, f"\\text{{{sign}}}")
        return f"{shown} is not supported in formulas; {meant if seen else 'remove it'}"
    if words := _TEXT.search(message):
        alike = _ALIKE.get(words[1]) or f"\\text{{{words[1]}}} in a formula"
        return f"{words[1]} is text; write {alike}"
    if strict := _STRICT.fullmatch(message):
        return _OF_STRICT.get(strict["code"]) or strict["said"]
    if message in _EXPECTED:
        return _EXPECTED[message]
    instead = _ENVIRONMENTS.get(name) or _COMMANDS.get(command)
    return f"{message}; write {instead}" if instead else message
