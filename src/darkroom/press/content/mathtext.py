r"""Formulas in text: where they begin and end, and what a page adds to their TeX before KaTeX sees it.

    $x$   $`x`$   \(x\)   \\(x\\)              in the line
    $$x$$   \[x\]   \\[x\\]   \begin{align}    on their own

A dollar opens a formula as in Pandoc: no space follows it; the one that closes it has no space before it and no digit
after. Dollars within braces, as in ``$\text{if $y > 0$}$``, belong to the formula around them.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import msgspec

from darkroom.core.patterns import lazy_pattern
from darkroom.press.content.calls import Call, literal_call

OPENING = lazy_pattern(
    r"\$\$|\$`|\$(?=\S)|\\\\?[(\[]|\\begin\{(?P<name>[A-Za-z]+\*?)\}",
)
_CLOSING = {"$$": "$$", "$`": "`$", "\\(": "\\)", "\\[": "\\]", "\\\\(": "\\\\)", "\\\\[": "\\\\]"}
_DISPLAY = frozenset({"$$", "\\[", "\\\\["})
_NUMBERED = frozenset({"equation", "align", "gather", "alignat"})  # LaTeX numbers their rows
_CALL = lazy_pattern(r"\{\{\s*(?=(?:metric|param)\s*\()")
_DEFINITION = lazy_pattern(
    r"\\(?:(?P<new>(?:re|provide)?newcommand|providecommand)\*?\s*(?:\{\s*(?P<name>\\[A-Za-z]+)\s*\}|(?P<bare>\\[A-Za-z]+))"
    r"\s*(?:\[\d\])?|(?P<def>g?def)\s*(?P<plain>\\[A-Za-z]+)(?:#\d)*"
    r"|(?P<operator>DeclareMathOperator)(?P<star>\*?)\s*\{\s*(?P<command>\\[A-Za-z]+)\s*\})\s*(?=\{)"
)
_PROSE = lazy_pattern(r"(?=.*\s)(?!.*[\\^_=+<>|{}])(?:.*[A-Za-z]{2,}|\d.*[;:,.]\s)")
_COMMAND = lazy_pattern(r"\\[A-Za-z]|[_^]")
_COMMENT = lazy_pattern(r"(?<!\\)%[^\n]*\Z")
_TEX = lazy_pattern(r"\\[A-Za-z]|[\^_=]|^\s*\S\s*$")
_ENTITY = lazy_pattern(r"&(?:lt|gt|le|ge|amp|nbsp|quot|apos|minus|times|#\d+|#x[0-9a-fA-F]+);")
_WORDS = lazy_pattern(r"\\(?:text\w*|math(?:rm|tt|sf|it|bf)|operatorname\*?|mbox|verb|tag|label|e?q?ref)\s*\{[^{}]*\}")
_LOWERED = lazy_pattern(r"(?:(?<![A-Za-z\\])[A-Za-z]|\\[A-Za-z]+|[})\]'])(?P<sign>\\_)(?=\{|[A-Za-z0-9](?![A-Za-z]))")
_BROKEN = lazy_pattern(r"\\begin\{|\\(?:substack|cr|newline|shortstack)\b")
_DOUBLED = lazy_pattern(
    r"(?<!\\)\\\\(?=(?:frac|sqrt|sum|int|prod|alpha|beta|gamma|delta|epsilon|theta|sigma|lambda|mu|phi|nabla|partial|infty"
    r"|mathbb|mathcal|mathbf|mathrm|text|left|right|cdot|begin|end|hat|bar|tilde|approx|leq|geq|quad)(?![A-Za-z]))"
    r"|(?<!\\)\\\\\{(?=[^{}\n]*\\\\\})"
)
_PERCENT = lazy_pattern(
    r"\\verb\*?([^A-Za-z\s]).*?\1|\{\{\s*(?:metric|param)\s*\(.*?\}\}|\\.|%(?P<comment>[^\n]*)(?P<more>\n?)",
    re.DOTALL,
)


class Span(NamedTuple):
    """A formula in a text: where all of it and its TeX begin and end, and whether it stands on its own."""

    start: int
    inner: int
    inner_end: int
    end: int
    display: bool


class Formula(msgspec.Struct, frozen=True):
    """TeX between its delimiters as a page has it, its lines mapped to the file, the calls in it, and its name.

    ``lines`` are (index in the TeX, offset in the file), ascending; ``name`` is what ``{#name}`` after it says.
    """

    tex: str
    display: bool
    lines: tuple[tuple[int, int], ...]
    calls: tuple[Call, ...] = ()
    name: str = ""

    @property
    def offset(self) -> int:
        """Where the TeX begins in the file."""
        return self.lines[0][1]

    def place(self, index: int) -> int:
        """The offset in the file of the character at *index* of the TeX."""
        start, offset = self.lines[bisect_right(self.lines, (max(index, 0), 1 << 60)) - 1]
        return offset + index - start


# Delimiters -----------------------------------------------------------------------------------------------------------


def span_at(text: str, start: int, end: int | None = None) -> Span | None:
    """The formula that opens at *start* of *text*, or None where nothing opens or what opens is not closed."""
    end = len(text) if end is None else end
    opening = OPENING.match(text, start, end)
    if opening is None:
        return None
    mark, inner = opening[0], opening.end()
    if opening["name"]:
        closed = _signs(text).environment_end(start, end, opening["name"])
        return Span(start, start, closed, closed, True) if closed else None
    if mark == "$":
        close = _closing(text, inner, end, "$")
    elif mark == "$$":
        close = _closing(text, inner, end, "$$")
    elif mark == "$`":
        close = _signs(text).code_closing(inner, end)
    else:
        close = _closing(text, inner, end, _CLOSING[mark])
    if close < 0 or not text[inner:close].strip():
        return None
    return Span(start, inner, close, close + len(_CLOSING.get(mark, mark)), mark in _DISPLAY)


def closing_of(opening: str) -> str:
    """What has to follow *opening* somewhere."""
    return _CLOSING.get(opening) or opening.replace("begin", "end")


def _closing(text: str, start: int, end: int, mark: str) -> int:
    """Where the mark that closes a formula is, or -1; braces are respected unless they are unbalanced."""
    signs = _signs(text)
    close = signs.closing(text, start, end, mark, signs.depth(start))
    if close is None and signs.depth(end) > signs.depth(start) and not (mark == "$" and signs.has_code(start, end)):
        close = signs.closing(text, start, end, mark, None)
    return -1 if close is None else close


_SIGN = lazy_pattern(r"\\.|[{}$`]", re.DOTALL)


class _Signs:
    """The signs of a text that begin and end formulas, found once: looked up by each formula, however many there are."""

    def __init__(self, text: str) -> None:
        self._braces: list[int] = []  # behind each
        self._depths = [0]  # up to each brace, and behind the last
        self._code: list[int] = []
        self._marks: dict[str, list[int]] = {mark: [] for mark in ("$", *_CLOSING.values())}
        for found in _SIGN.finditer(text):
            at, sign = found.start(), found[0]
            if sign in "{}":
                self._braces.append(found.end())
                self._depths.append(self._depths[-1] + (1 if sign == "{" else -1))
            elif sign == "`":
                self._code.append(at)
            elif sign == "\\\\":
                mark = text[at : at + 3]
                self._marks.get(mark, []).append(at)
            else:
                self._marks.get(sign, []).append(at)
                if sign == "$" and text.startswith("$$", at):
                    self._marks["$$"].append(at)
        self._code_marks = [found.start() for found in re.finditer(r"`\$", text)] if "`$" in text else []
        self._levels: dict[
            str, tuple[list[int], list[int]]
        ] = {}  # of each mark: its depths, the next that is less deep
        self._environments = _environments(text) if "\\end{" in text else {}

    def depth(self, at: int) -> int:
        """How many braces are open there, less those that are closed and were not open."""
        return self._depths[bisect_right(self._braces, at)]

    def has_code(self, start: int, end: int) -> bool:
        """Whether code begins or ends between the two."""
        first = bisect_left(self._code, start)
        return first < len(self._code) and self._code[first] < end

    def closing(self, text: str, start: int, end: int, mark: str, depth: int | None) -> int | None:
        """Where *mark* closes what began at *start*, in *depth* braces at most; -1 where it cannot, None without one."""
        marks = self._marks[mark]
        if mark not in self._levels:
            depths = [self.depth(at) for at in marks]
            self._levels[mark] = depths, _next_smaller(depths)
        depths, shallower = self._levels[mark]
        index = bisect_left(marks, start)
        while depth is not None and index < len(marks) and depths[index] > depth:
            index = shallower[index]
        if index == len(marks) or marks[index] + len(mark) > end:
            return None
        return marks[index] if mark != "$" or self._is_closed(text, start, marks[index]) else -1

    def code_closing(self, start: int, end: int) -> int:
        """Where what a dollar and a backtick opened before *start* is closed, or -1."""
        index = bisect_left(self._code_marks, start)
        return self._code_marks[index] if index < len(self._code_marks) and self._code_marks[index] + 2 <= end else -1

    def environment_end(self, start: int, end: int, name: str) -> int:
        """Where the environment ends that begins at *start*, or 0."""
        begins, ends, shallower = self._environments.get(name, ([], [], []))
        index = bisect_left(begins, start)
        last = shallower[index] if index < len(begins) and begins[index] == start else len(begins)
        return ends[last] if last < len(begins) and ends[last] <= end else 0

    def _is_closed(self, text: str, start: int, at: int) -> bool:
        """Whether the dollar at *at* can close a formula; code holds tighter."""
        if at == start or text[at - 1].isspace() or self.has_code(start, at):
            return False
        return not text[at + 1 : at + 2].isdigit() or _COMMAND.search(text, start, at) is not None


_EDGE = lazy_pattern(r"\\(?P<edge>begin|end)\{(?P<name>[A-Za-z]+\*?)\}")


def _environments(text: str) -> dict[str, tuple[list[int], list[int], list[int]]]:
    r"""By name, where ``\begin{..}`` and ``\end{..}`` begin and end, and which is the next that is one level further out."""
    edges: dict[str, list[re.Match[str]]] = {}
    for found in _EDGE.finditer(text):
        edges.setdefault(found["name"], []).append(found)
    known = {}
    for name, all_of_it in edges.items():
        levels = [*accumulate(1 if found["edge"] == "begin" else -1 for found in all_of_it)]
        known[name] = [each.start() for each in all_of_it], [each.end() for each in all_of_it], _next_smaller(levels)
    return known


def _next_smaller(numbers: Sequence[int]) -> list[int]:
    """For each number the index of the next smaller one, or how many there are."""
    found, waiting = [len(numbers)] * len(numbers), list[int]()
    for index, number in enumerate(numbers):
        while waiting and numbers[waiting[-1]] > number:
            found[waiting.pop()] = index
        waiting.append(index)
    return found


@lru_cache(maxsize=4)
def _signs(text: str) -> _Signs:
    return _Signs(text)


def spans(text: str) -> Iterator[Span]:
    """The formulas of a text of one paragraph, code and escapes left out."""
    span, at = next_span(text, 0, len(text))
    while span:
        yield span
        span, at = next_span(text, at, len(text))


_SPECIAL = lazy_pattern(r"[`$\\]")


def next_span(text: str, at: int, limit: int) -> tuple[Span | None, int]:
    """The first formula from *at* on that begins before *limit*, if there is one, and where to look for the next."""
    while found := _SPECIAL.search(text, at, limit):
        at = found.start()
        if span := span_at(text, at):
            return span, span.end
        if text[at] == "`":
            at = _behind_code(text, at)
        else:
            at += 2 if text[at] == "\\" else 1
    return None, max(at, limit)


def _behind_code(text: str, at: int) -> int:
    ticks = re.compile("`+").match(text, at)
    assert ticks
    close = re.compile(rf"(?<!`){ticks[0]}(?!`)").search(text, ticks.end())
    return close.end() if close else ticks.end()


def reads_as_prose(tex: str) -> bool:
    """Whether what stands between two dollars is words or prices rather than a formula."""
    return _PROSE.match(tex) is not None


def reads_as_tex(text: str) -> bool:
    """Whether a text between dollars that have spaces inside is plainly a formula."""
    return _TEX.search(text) is not None


def calls_in(tex: str) -> tuple[list[Call], list[int]]:
    """The numbers that a formula calls, and where one is called by more than literals; offsets count within *tex*."""
    calls, wrong = [], []
    for opening in _CALL.finditer(tex):
        found = literal_call(tex, opening.end())
        if found is None:
            wrong.append(opening.start())
        else:
            calls.append(found[0])
    return calls, wrong


# Rewriting ------------------------------------------------------------------------------------------------------------


class Rewritten(NamedTuple):
    """TeX as KaTeX gets it, and where each piece of it came from: (index in it, index in the source), ascending."""

    tex: str
    pieces: tuple[tuple[int, int], ...]

    def source(self, index: int) -> int:
        """The index in the source of the character at *index*."""
        start, source = self.pieces[max(bisect_right(self.pieces, (index, 1 << 60)) - 1, 0)]
        return source + index - start


Edit = tuple[int, int, str]  # from, to, what stands there instead


def rewrite(tex: str, edits: list[Edit]) -> Rewritten:
    """*tex* with *edits*, which do not overlap, and without the space around it."""
    parts, pieces, at, length = [], [], 0, 0
    start = len(tex) - len(tex.lstrip())
    for begin, end, new in sorted(edits):
        kept = tex[max(at, start) : begin]
        pieces += [(length, max(at, start)), (length + len(kept), begin)]
        parts += [kept, new]
        length += len(kept) + len(new)
        at = max(end, at)
    pieces.append((length, max(at, start)))
    made = "".join([*parts, tex[max(at, start) :]]).strip()
    return Rewritten(f"{made}\n" if _COMMENT.search(made) else made, tuple(pieces))


# Comments -------------------------------------------------------------------------------------------------------------


def lost(tex: str, display: bool) -> Iterator[tuple[int, str]]:
    """Where a percent sign makes a comment of what is meant to be seen, and the message for it.

    A comment is fine on a line of a formula of its own that another line follows, but not behind a digit.
    """
    for found in _comments(tex):
        at, comment = found.start("comment") - 1, found["comment"]
        plain = display and found["more"] and not tex[max(at - 1, 0) : at].isdigit()
        if not plain or comment.count("}") > comment.count("{"):
            behind = f", so {comment.strip()[:30]!r} is lost" if comment.strip() else ""
            yield at, f"% starts a comment in TeX{behind}; write \\% for a percent sign"


def doubtful(tex: str, display: bool) -> Iterator[tuple[int, str, bool]]:
    """What other programs would remove from a formula before it is set: where, the message, and whether it is certain."""
    for found in _ENTITY.finditer(tex) if "&" in tex else ():
        yield found.start(), f"{found[0]} is HTML; write {html.unescape(found[0])} in a formula", True
    if "color" in tex:
        yield from ((at, message, True) for at, message in _unknown_colours(tex))
    if "<!--" in tex:
        yield tex.find("<!--"), "<!-- is not a comment in a formula; write % on its own line", True
    if "\\_" in tex:
        words = [found.span() for found in _WORDS.finditer(tex)]
        for found in _LOWERED.finditer(tex):
            if not any(start < found.start("sign") < end for start, end in words):
                yield found.start("sign"), "\\_ shows an underscore in a formula; write _ for a subscript", False
    if "\\\\" in tex:
        at = _DOUBLED.search(tex) if display or _BROKEN.search(tex) else re.compile(r"\\\\").search(tex)
        if at:
            yield at.start(), "\\\\ starts a new line of a formula; write one backslash for a command or a brace", False


_BOX = lazy_pattern(r"\\(?P<name>f?colorbox|fbox)(?![A-Za-z])\s*(?:\{[^{}]*\}\s*){0,2}(?=\{)")


def boxed_dollar(text: str, span: Span) -> tuple[int, str] | None:
    """Where a box in a formula between dollars has a dollar of its own, which ends the formula elsewhere, and what to say."""
    if "box" not in text[span.inner : span.inner_end] or text[span.start : span.inner] != "$":
        return None
    for box in _BOX.finditer(text, span.inner, span.inner_end):
        end = _group_end(text, box.end()) or span.inner_end
        if dollar := _SIGN_OF_BOX.search(text, box.end(), end):
            message = f"$ in \\{box['name']} would end the formula in other programs; write \\({dollar['tex']}\\) there"
            return dollar.start("at"), message
    return None


_SIGN_OF_BOX = lazy_pattern(r"(?:(?<!\\)|(?<=\\\\))(?P<at>\$)(?P<tex>(?:\\.|[^\\$])*)\$")


_COLOUR = lazy_pattern(
    r"\\(?:(?P<framed>fcolorbox)|textcolor|color|colorbox)(?![A-Za-z])\s*\{\s*(?P<first>[A-Za-z]+)\s*\}"
    r"(?:\s*\{\s*(?P<second>[A-Za-z]+)\s*\})?"
)


def _unknown_colours(tex: str) -> Iterator[tuple[int, str]]:
    """Where a formula names a colour that browsers do not know, and what to say of it."""
    from PIL import ImageColor  # the names of CSS

    for found in _COLOUR.finditer(tex):
        for group in ("first", "second") if found["framed"] else ("first",):
            name = found[group]
            if name and name.lower() not in ImageColor.colormap and name.lower() not in {"transparent", "currentcolor"}:
                yield found.start(group), f"browsers know no colour {name!r}; write one of CSS, or #rrggbb"


def starts_entity(tex: str, at: int | None) -> bool:
    """Whether a character of HTML's stands at *at*, which ``doubtful`` says."""
    return at is not None and _ENTITY.match(tex, at) is not None


def _comments(tex: str) -> Iterator[re.Match[str]]:
    if "%" in tex:
        yield from (found for found in _PERCENT.finditer(tex) if found["comment"] is not None)


def without_comments(tex: str) -> str:
    """*tex* with spaces in the place of its comments, so that nothing in them counts."""
    for found in _comments(tex):
        start, end = found.start("comment") - 1, found.end("comment")
        tex = tex[:start] + " " * (end - start) + tex[end:]
    return tex


def short_formula(formula: Formula) -> tuple[str, list[str]]:
    """The TeX of a formula of a caption or heading as KaTeX gets it, and what is wrong with it."""
    wrong = [*lost(formula.tex, formula.display)]
    return rewrite(formula.tex, [(at, at + 1, "\\%") for at, _ in wrong]).tex, [message for _, message in wrong]


# Numbers and names ----------------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """A row of a formula that has a number or a name: where it ends in the TeX, its name, and a tag that it has."""

    end: int
    name: str
    tag: str
    label: tuple[int, int]  # where \label stands; (0, 0) without one


_ROW = lazy_pattern(
    r"\\begin\{[^}]*\}|\\end\{[^}]*\}|\\label\s*\{(?P<label>[^{}]*)\}|\\tag\*?\s*\{(?P<tag>(?:[^{}]|\{[^{}]*\})*)\}"
    r"|\\(?P<no>notag|nonumber)(?![A-Za-z])|\\\\|\\.|[{}]",
    re.DOTALL,
)


class Rows(NamedTuple):
    """The rows of a formula that are numbered or named, edits of its TeX, and what is wrong, at indices of its TeX."""

    rows: list[Row]
    edits: list[Edit]
    wrong: list[tuple[int, str]]


def rows(formula: Formula) -> Rows:
    r"""The rows of a display formula that are numbered or named, and the edits that take LaTeX's own marks out.

    The rows of ``align`` and its kind are numbered except those with ``\notag``; other formulas where they have a
    ``\label`` or a name, and rows of ``align*`` where they have a ``\tag`` and a ``\label``. Environments lose what
    numbers them, so that the page's numbers are the only ones. A row has one name.
    """
    reading = _RowReading(formula)
    for mark in _ROW.finditer(formula.tex):
        reading.read(mark)
    return reading.end()


class _RowReading:
    """Reads a formula from mark to mark, and collects its rows."""

    def __init__(self, formula: Formula) -> None:
        self.tex = formula.tex
        outer = OPENING.match(self.tex.lstrip())
        self.environment = (outer["name"] if outer else "") or ""
        self.numbered = self.environment in _NUMBERED
        self.starred = self.environment.endswith("*") and self.environment[:-1] in _NUMBERED
        self.found = Rows([], [], [])
        self.depth, self.braces = 0, 0
        self.own = formula.name  # what {#name} behind the formula says: the name of its first row, or of all of it
        self.name, self.tag, self.silent, self.label = "", "", False, (0, 0)
        self.begun = len(self.tex) - len(self.tex.lstrip()) + (outer.end() if self.numbered and outer else 0)

    def read(self, mark: re.Match[str]) -> None:
        """Go on to the next mark."""
        if mark[0].startswith("\\begin"):
            self.depth += 1
        elif mark[0].startswith("\\end"):
            if self.depth == 1:
                self._end_row(mark.start())
            self.depth -= 1
        elif mark["label"] is not None:
            self._name_row(mark)
        elif mark["tag"] is not None:
            self.tag = mark["tag"]
        elif mark["no"]:
            self.silent = True
            self.found.edits.extend([(*mark.span(), "")] if self.numbered else [])
        elif mark[0] in "{}":
            self.braces += 1 if mark[0] == "{" else -1
        elif mark[0] == "\\\\" and self.depth == 1 and self.braces == 0:
            self._end_row(mark.start())

    def end(self) -> Rows:
        """What was found."""
        if not self.numbered and (self.own or self.name):
            self._add(len(self.tex))
        elif self.own:
            message = f"{{#{self.own}}} names nothing, since no row has a number; remove it, or a \\notag"
            self.found.wrong.append((0, message))
        if self.numbered:
            self.found.edits.extend(_starred(self.tex, self.environment))
        return self.found

    def _name_row(self, mark: re.Match[str]) -> None:
        what = "row" if self.numbered else "formula"
        if self.name:
            self.found.wrong.append((mark.start(), f"this {what} is named {self.name!r} already; remove one \\label"))
        self.name, self.label = mark["label"].strip(), mark.span()
        if not self.name:
            self.found.wrong.append((mark.start(), "\\label names nothing; write \\label{name}"))
        self.found.edits.append((*mark.span(), ""))

    def _end_row(self, at: int) -> None:
        if self.numbered:
            if (self.name or not self.silent) and self.tex[self.begun : at].strip():
                self._add(at)
            self.name, self.label, self.silent, self.begun = "", (0, 0), False, at + 2
        elif self.starred and self.tag and (self.name or self.own):
            self._add(at)
        if self.numbered or self.starred:
            self.tag = ""

    def _add(self, at: int) -> None:
        if self.own and self.name not in ("", self.own):
            message = f"this is named {self.own!r} already, by {{#{self.own}}}; remove one of the names"
            self.found.wrong.append((self.label[0], message))
        self.found.rows.append(Row(at, self.name or self.own, self.tag, self.label))
        self.own, self.name, self.label = "", "", (0, 0)


def _starred(tex: str, name: str) -> Iterator[Edit]:
    first, last = tex.index(f"\\begin{{{name}}}"), tex.rindex(f"\\end{{{name}}}")
    for at in (first + len("\\begin{"), last + len("\\end{")):
        yield at, at + len(name), f"{name}*"


# Macros ---------------------------------------------------------------------------------------------------------------


class Definitions(msgspec.Struct, frozen=True):
    """The macros that a formula defines, and the edits that take the definitions out of it."""

    macros: Mapping[str, str] = {}
    edits: tuple[Edit, ...] = ()


def definitions(tex: str) -> Definitions:
    r"""What ``\newcommand``, ``\def`` and ``\DeclareMathOperator`` in *tex* define."""
    if "\\" not in tex or not _DEFINITION.search(tex):
        return Definitions()
    macros: dict[str, str] = {}
    edits: list[Edit] = []
    for found in _DEFINITION.finditer(tex):
        end = _group_end(tex, found.end())
        if end and (not edits or found.start() >= edits[-1][1]):
            body = tex[found.end() + 1 : end - 1]
            name = found["name"] or found["bare"] or found["plain"] or found["command"]
            macros[name] = rf"\operatorname{found['star']}{{{body}}}" if found["operator"] else body
            edits.append((found.start(), end, ""))
    return Definitions(macros, tuple(edits))


def _group_end(tex: str, start: int) -> int:
    depth = 0
    for mark in re.compile(r"\\.|[{}]", re.DOTALL).finditer(tex, start):
        depth += {"{": 1, "}": -1}.get(mark[0], 0)
        if depth == 0:
            return mark.end()
    return 0


def used(macros: Mapping[str, str], tex: str) -> dict[str, str]:
    """Those of *macros* that *tex* calls, or that one which it calls does."""
    found: dict[str, str] = {}
    waiting = [tex]
    while waiting:
        for name in set(re.findall(r"\\[A-Za-z]+", waiting.pop())) & macros.keys() - found.keys():
            found[name] = macros[name]
            waiting.append(macros[name])
    return dict(sorted(found.items()))


# The formulas of a page -----------------------------------------------------------------------------------------------


class Target(NamedTuple):
    """What a page can refer to by name: a numbered formula or picture; ``anchor`` is where a link to it leads."""

    kind: str
    name: str
    number: str
    anchor: str


class Prepared(msgspec.Struct, frozen=True):
    """A formula with all that its page adds to it: edits of its TeX, the macros that it uses, and the names in it."""

    formula: Formula
    edits: tuple[Edit, ...]
    macros: tuple[tuple[str, str], ...]
    anchors: tuple[str, ...] = ()


_REFERENCE = lazy_pattern(r"\\(?P<kind>eqref|ref)\s*\{(?P<name>[^{}]+)\}")


def prepare(
    formulas: Sequence[Formula], macros: Mapping[str, str]
) -> tuple[list[Prepared], list[Target], list[tuple[int, str]]]:
    """The formulas of a page, in order, with numbers and macros; what is numbered; and faults at offsets of the file.

    A macro holds from the formula that defines it on; *macros* are those of the front matter.
    """
    known, targets, wrong = dict(macros), dict[str, Target](), list[tuple[int, str]]()
    shown: dict[str, str] = {}  # the tags of targets
    whole, formulas = formulas, [_bare(each) for each in formulas]
    tags = _tags(formulas)
    steps: list[tuple[Formula, list[Edit], dict[str, str], list[str]]] = []
    count = 0
    for formula, written in zip(formulas, whole, strict=True):
        defined = definitions(formula.tex)
        known |= defined.macros
        edits = list(defined.edits)
        for at, message in lost(written.tex, written.display) if written is not formula else ():
            wrong.append((written.place(at), message))
            edits.append((at, at + 1, "\\%"))
        numbered, marks, problems = rows(formula) if _has_rows(formula) else Rows([], [], [])
        edits += marks
        wrong += ((formula.place(at), message) for at, message in problems)
        anchors = []
        for row in numbered:
            place = formula.place(row.label[0])
            if row.name and not formula.display:
                wrong.append((place, f"{row.name}: an inline formula has no number; put it on its own lines"))
            tag = row.tag
            if not tag and formula.display:
                count += 1
                while str(count) in tags:
                    count += 1
                tag = str(count)
                edits.append((row.end, row.end, rf"\tag{{{tag}}}"))
            if row.name and anchor_of(row.name) in {each.anchor for each in targets.values()}:
                alike = "" if row.name in targets else ", or nearly so"
                wrong.append((place, f"two formulas on this page are named {row.name!r}{alike}"))
            elif row.name and formula.display:
                anchors.append(anchor_of(row.name))
                targets[row.name] = Target("Equation", row.name, _as_text(tag), anchors[-1])
                shown[row.name] = tag
        steps.append((written, edits, used(known, formula.tex), anchors))
    prepared = []
    for formula, edits, its_macros, anchors in steps:
        for found in _REFERENCE.finditer(without_comments(formula.tex)):
            target = targets.get(found["name"].strip())
            if target is None:
                wrong.append((formula.place(found.start()), f"no formula on this page is named {found['name']!r}"))
            else:
                tag = shown[target.name]
                number = tag if found["kind"] == "ref" else f"({tag})"
                edits.append((*found.span(), rf"\text{{{number}}}"))
        prepared.append(Prepared(formula, tuple(sorted(edits)), tuple(its_macros.items()), tuple(anchors)))
    return prepared, list(targets.values()), wrong


_TAG = lazy_pattern(
    r"\$(?:\\.|[^\\$])*\$|\\text\{(?P<text>[^{}]*)\}|\\(?P<sign>[&%#_{} ])|\\[A-Za-z]+(?:\{[^{}]*\})*|[{}]"
)


def _as_text(tag: str) -> str:
    r"""A tag, which is text of TeX, as text of a page with formulas: ``$\star$`` stays, ``\dag`` becomes a formula."""

    def piece(found: re.Match[str]) -> str:
        if found["text"] is not None or found["sign"]:
            return _as_text(found["text"] or "") or found["sign"] or ""
        return "" if found[0] in "{}" else found[0] if found[0].startswith("$") else f"${found[0]}$"

    return _TAG.sub(piece, tag)


def _bare(formula: Formula) -> Formula:
    """A formula without comments: the same where it has none."""
    return msgspec.structs.replace(formula, tex=without_comments(formula.tex)) if "%" in formula.tex else formula


def anchor_of(name: str) -> str:
    """The anchor of a formula: ``eq-loss`` for "loss" and for "eq:loss"."""
    return "eq-" + re.sub(r"[^\w.-]+", "-", name.removeprefix("eq:").removeprefix("eqn:")).strip("-")


def _has_rows(formula: Formula) -> bool:
    return bool(formula.name) or "\\label" in formula.tex or (formula.display and "\\begin" in formula.tex)


def _tags(formulas: Iterable[Formula]) -> set[str]:
    return {
        tag.strip()
        for formula in formulas
        for tag in re.findall(r"\\tag\*?\s*\{((?:[^{}]|\{[^{}]*\})*)\}", formula.tex)
    }
