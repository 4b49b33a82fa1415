r"""Lifting: what Markdown and Jinja must not touch is taken out of a text first, and put back as HTML at the end.

A lifted piece leaves one character of a private-use plane behind, so that no later stage can take it apart. Lifted are

    math        $...$  $$...$$  \(...\)  \[...\]  \begin{align*}...\end{align*}  and other environments
    code        `spans` and fences of ``` or ~~~: math, calls and Jinja in them are only text
    calls       {{ figure("...") }}, {{ metric("...") }} and the like, when all arguments are literals
    \$          a dollar
    {#name}     the name of a heading
    comments    <!-- ... -->, which are not published

A dollar opens math as in Pandoc: it is followed by no space, closed by a dollar with no space before and no digit
after, and no blank line lies between.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from darkroom.lab.errors import Fault

FIRST = 0xF0000
LAST = 0xFFFFD
TOKEN = re.compile(f"[{chr(FIRST)}-{chr(LAST)}]")

CALLS = frozenset({"figure", "metric", "param", "ref", "cite", "experiments", "citation"})

Literal = None | bool | int | float | str

Calls = tuple["Call", ...]

DYNAMIC = "\0"  # an argument that only Jinja knows


@dataclass(frozen=True)
class Call:
    """A call by literal name, such as ``metric("part_b/denoiser/test_mse", at=5)``; *offset* is where the name begins.

    ``DYNAMIC`` stands for an argument that only Jinja knows.
    """

    name: str
    arguments: tuple[Literal, ...]
    options: tuple[tuple[str, Literal], ...]
    offset: int


@dataclass(frozen=True)
class Piece:
    """Something lifted out.

    ``kind`` is math, display, code, fence, call, text, anchor or comment. ``source`` is what stood inside the
    delimiters, which began at *offset*; the whole piece reached from *start* to *end* of the text and left the
    character at *index* of the body. ``language`` is the word after a fence; ``calls`` are those in a piece of math, or
    the one call.
    """

    kind: str
    source: str
    offset: int
    start: int
    end: int
    index: int
    language: str = ""
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Lifted:
    """A body with one character in place of each piece, and what was wrong: (offset, rule, message)."""

    body: str
    pieces: tuple[Piece, ...]
    wrong: tuple[tuple[int, str, str], ...]
    start: int = 0

    def source_offset(self, index: int) -> int:
        """Where the character at *index* of the body stood in the text that was lifted."""
        before = [piece for piece in self.pieces if piece.index < index]
        return before[-1].end + index - before[-1].index - 1 if before else index + self.start


_CANDIDATE = re.compile(r"[`~{<\\$]")
_OPENING = re.compile(
    r"""
      (?P<fence>(?P<ticks>`{3,}|~{3,})[ \t]*(?P<info>[^\n`]*)$)
    | (?P<code>(?P<span>`+))
    | (?P<anchor>\{\#(?P<name>[A-Za-z][\w.:-]*)\})
    | (?P<call>\{\{-?\s*(?P<callee>[a-z_]+)\s*\()
    | (?P<jinja>\{\{.*?\}\}|\{%.*?%\}|\{\#.*?\#\})
    | (?P<comment><!--.*?-->)
    | (?P<tag></?[A-Za-z][^<>]*>)
    | (?P<dollar>\\\$)
    | (?P<square>\\\[) | (?P<round>\\\() | (?P<environment>\\begin\{(?P<kind>[A-Za-z]+\*?)\})
    | (?P<escape>\\[^\n])
    | (?P<display>\$\$)
    | (?P<inline>\$(?=[^\s$]))
    """,
    re.MULTILINE | re.VERBOSE | re.DOTALL,
)
_INLINE_END = re.compile(r"(?:[^$\\\n`]|\\.|\n(?![ \t]*\n))*?(?<!\s)\$(?!\d)", re.DOTALL)
_DISPLAY_END = {
    "display": re.compile(r"(?:[^$\\]|\\.|\$(?!\$))*?\$\$", re.DOTALL),
    "square": re.compile(r"(?:[^\\]|\\[^\]])*?\\\]", re.DOTALL),
    "round": re.compile(r"(?:[^\\]|\\[^)])*?\\\)", re.DOTALL),
}
_CLOSING = {"display": "$$", "square": "\\]", "round": "\\)"}
_CALL_IN_MATH = re.compile(r"\{\{\s*(?=(?:metric|param)\s*\()")


def lift(text: str, start: int = 0) -> Lifted:
    """Lift *text* from offset *start* on."""
    return _Lifter(text, start).run()


class _Lifter:
    """One pass over a text; each method takes the match of an opening and says where to go on."""

    def __init__(self, text: str, start: int) -> None:
        self.text = text
        self.position = self.begin = start
        self.parts: list[str] = []
        self.length = 0
        self.pieces: list[Piece] = []
        self.wrong: list[tuple[int, str, str]] = []

    def run(self) -> Lifted:
        at = self.position
        while candidate := _CANDIDATE.search(self.text, at):
            match = _OPENING.match(self.text, candidate.start())
            at = getattr(self, f"_{match.lastgroup}")(match) if match else candidate.end()
        self._keep(self.text[self.position :])
        self._refuse_private_characters()
        return Lifted("".join(self.parts), tuple(self.pieces), tuple(self.wrong), self.begin)

    def _keep(self, part: str) -> None:
        self.parts.append(part)
        self.length += len(part)

    def _piece(
        self, kind: str, whole: tuple[int, int], inner: tuple[int, int], language: str = "", calls: Calls = ()
    ) -> int:
        start, end = whole
        self._keep(self.text[self.position : start])
        source = self.text[inner[0] : inner[1]]
        self.pieces.append(Piece(kind, source, inner[0], start, end, self.length, language, calls))
        self._keep(chr(FIRST + len(self.pieces) - 1))
        self.position = end
        return end

    def _fence(self, match: re.Match[str]) -> int:
        ticks = match["ticks"]
        if self.text[self.text.rfind("\n", 0, match.start()) + 1 : match.start()].strip():
            return self._code_span(match, ticks) if ticks[0] == "`" else match.end("ticks")
        closing = re.compile(rf"^[ \t]*{re.escape(ticks)}{re.escape(ticks[0])}*[ \t]*$", re.MULTILINE)
        end = closing.search(self.text, match.end())
        if end is None:
            self.wrong.append((match.start("ticks"), "code", f"this fence is not closed; end it with {ticks}"))
            return len(self.text)
        inner = (min(match.end() + 1, end.start()), end.start())
        return self._piece("fence", (match.start("ticks"), end.end()), inner, match["info"].strip())

    def _code(self, match: re.Match[str]) -> int:
        return self._code_span(match, match["span"])

    def _code_span(self, match: re.Match[str], ticks: str) -> int:
        begin = match.start() + len(ticks)
        end = re.compile(rf"(?<!`){ticks}(?!`)").search(self.text, begin)
        blank = re.compile(r"\n[ \t]*\n").search(self.text, begin)
        if end is None or (blank and blank.start() < end.start()):
            return begin
        return self._piece("code", (match.start(), end.end()), (begin, end.start()))

    def _anchor(self, match: re.Match[str]) -> int:
        return self._piece("anchor", match.span(), match.span("name"))

    def _comment(self, match: re.Match[str]) -> int:
        return self._piece("comment", match.span(), match.span())

    def _dollar(self, match: re.Match[str]) -> int:
        return self._piece("text", match.span(), (match.end() - 1, match.end()))

    def _skip(self, match: re.Match[str]) -> int:
        return match.end()

    _jinja = _tag = _escape = _skip

    def _call(self, match: re.Match[str]) -> int:
        found = literal_call(self.text, match.start("callee"))
        if found is None or match["callee"] not in CALLS:
            end = self.text.find("}}", match.end())
            return match.end() if end < 0 else end + 2
        call, end = found
        return self._piece("call", (match.start(), end), (match.start("callee"), end), calls=(call,))

    def _inline(self, match: re.Match[str]) -> int:
        end = _INLINE_END.match(self.text, match.end())
        if end is None:
            return match.end()
        return self._math("math", match.start(), end.end(), (match.end(), end.end() - 1))

    def _delimited(self, match: re.Match[str]) -> int:
        kind = str(match.lastgroup)
        end = _DISPLAY_END[kind].match(self.text, match.end())
        if end is None:
            message = f"{match[0]} opens math that is not closed; end it with {_CLOSING[kind]}"
            self.wrong.append((match.start(), "math", message))
            return len(self.text)
        return self._math(
            "math" if kind == "round" else "display", match.start(), end.end(), (match.end(), end.end() - 2)
        )

    _display = _square = _round = _delimited

    def _environment(self, match: re.Match[str]) -> int:
        name = re.escape(match["kind"])
        depth = 0
        for edge in re.compile(rf"\\(begin|end)\{{{name}\}}").finditer(self.text, match.start()):
            depth += 1 if edge[1] == "begin" else -1
            if depth == 0:
                return self._math("display", match.start(), edge.end(), (match.start(), edge.end()))
        message = f"{match[0]} is not closed; end it with \\end{{{match['kind']}}}"
        self.wrong.append((match.start(), "math", message))
        return len(self.text)

    def _math(self, kind: str, start: int, end: int, inner: tuple[int, int]) -> int:
        return self._piece(kind, (start, end), inner, calls=tuple(self._calls_in(*inner)))

    def _calls_in(self, start: int, end: int) -> Iterator[Call]:
        for opening in _CALL_IN_MATH.finditer(self.text, start, end):
            found = literal_call(self.text, opening.end())
            if found is None:
                message = 'a number in math is called by literals alone, such as {{ param("part/name", "epochs") }}'
                self.wrong.append((opening.start(), "reference", message))
            else:
                yield found[0]

    def _refuse_private_characters(self) -> None:
        if len(self.pieces) > LAST - FIRST:
            self.wrong.append((self.begin, "page", f"more than {LAST - FIRST} formulas and calls; split the page"))
        for found in TOKEN.finditer(self.text, self.begin):
            self.wrong.append((found.start(), "page", f"private-use character U+{ord(found[0]):X}; remove it"))


def literal_call(text: str, offset: int) -> tuple[Call, int] | None:
    """The call that begins at *offset* and is closed by ``}}``, with the offset behind that, or None.

    None also where an argument is not a literal: Jinja then evaluates it.
    """
    end = text.find("}}", offset)
    while end >= 0:
        source = text[offset:end].rstrip().removesuffix("-")
        try:
            tree = ast.parse(source.strip(), mode="eval").body
        except (SyntaxError, ValueError):
            end = text.find("}}", end + 1)
            if end >= 0 and "\n\n" in text[offset:end]:
                return None
            continue
        call = _as_call(tree, offset)
        return (call, end + 2) if call else None
    return None


def _as_call(tree: ast.expr, offset: int) -> Call | None:
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
        return None
    try:
        arguments = tuple(_literal(node) for node in tree.args)
        options = tuple((str(keyword.arg), _literal(keyword.value)) for keyword in tree.keywords)
    except ValueError:
        return None
    return Call(tree.func.id, arguments, options, offset)


def _literal(node: ast.expr) -> Literal:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _literal(node.operand)
        if isinstance(value, int | float):
            return -value
    if isinstance(node, ast.Constant) and isinstance(node.value, None | bool | int | float | str):
        return node.value
    raise ValueError(ast.dump(node))


def place(text: str, offset: int) -> tuple[int, int]:
    """Line and column, both from 1, of *offset* in *text*."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def fault(text: str, path: str, offset: int, rule: str, message: str) -> Fault:
    """A fault at *offset* of *text*, the content of *path*."""
    return Fault(path, *place(text, offset), rule, message)
