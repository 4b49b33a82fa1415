r"""What a page may hold: CommonMark and GitHub's tables, with formulas, calls, notes and callouts as parts of the grammar.

A page is read by markdown-it-py. Formulas and calls are rules of its block and inline parsers, so they stand in quotes,
lists, notes and tables like any other text, and Markdown never sees what is in them. What other dialects of Markdown
have and this one does not is a fault at its place, which says what to write instead.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock, lheading, table
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline, autolink, backtick, html_inline, image, link
from markdown_it.token import Token
from mdit_py_plugins.admon import admon_plugin
from mdit_py_plugins.deflist import deflist_plugin
from mdit_py_plugins.footnote import footnote_plugin

from darkroom.lab.errors import nearest
from darkroom.press import dialects, mathtext
from darkroom.press.calls import BLOCKS, CALLS, Call, literal_call
from darkroom.press.markup import pieces
from darkroom.press.mathtext import Formula

NESTING = 90  # levels of lists and quotes

Complaint = tuple[int, str, str]  # offset in the file, rule, message
Place = Callable[[int], int]

_NAME = re.compile(r"\{#([A-Za-z][\w.:-]*)\}")
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_JINJA_IN_TEX = re.compile(r"\{\{ (?!metric|param)[^{}\\]+ \}\}|\{%.*?%\}")
_CALLEE = re.compile(r"\{\{-?\s*(?P<name>[a-z_]+)\s*\(")
_BEHIND = re.compile(
    r"[ \t]*(?P<mark>[.,;:!?]?)[ \t]*(?:\{#(?P<name>[A-Za-z][\w.:-]*)\})?[ \t]*(?P<after>[.,;:!?]?)[ \t]*"
)


@dataclass
class Reading:
    """A text as it is read: what is wrong with it, and what was found in it.

    ``kept`` are the ranges of the text that Jinja may not touch; ``notes`` the lines of notes by name. While a
    paragraph is read, ``content`` is its text, ``starts`` where its lines begin (in it, in the text), and ``marked`` the
    ranges of it that are no prose.
    """

    text: str
    origin: Place
    faults: list[Complaint] = field(default_factory=list)
    warnings: list[Complaint] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    kept: list[tuple[int, int]] = field(default_factory=list)
    prose: list[tuple[str, int]] = field(default_factory=list)
    content: str = ""
    starts: list[tuple[int, int]] = field(default_factory=list)
    marked: list[tuple[int, int]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    _cell: tuple[int, int] = (-1, 0)

    def __post_init__(self) -> None:
        self.lines = [0, *(found.end() for found in re.finditer("\n", self.text))]

    def fault(self, offset: int, rule: str, message: str) -> None:
        """Note what is wrong at *offset* of the text."""
        self.faults.append((self.origin(offset), rule, message))

    def warn(self, offset: int, rule: str, message: str) -> None:
        """Note what is doubtful at *offset* of the text."""
        self.warnings.append((self.origin(offset), rule, message))

    def line(self, number: int) -> str:
        """A line of the text, without its end."""
        start = self.lines[number]
        end = self.text.find("\n", start)
        return self.text[start : end if end >= 0 else len(self.text)]

    def begin(self, token: Token, in_table: bool) -> None:
        """Take up the text of a paragraph, heading or cell: find where each of its lines stands."""
        self.content, self.starts, self.marked = token.content, [], []
        first, at = token.map[0] if token.map else 0, 0
        for number, line in enumerate(token.content.split("\n"), first):
            self.starts.append((at, self._find(line, min(number, len(self.lines) - 1), in_table)))
            at += len(line) + 1

    def _find(self, line: str, number: int, in_table: bool) -> int:
        whole, wanted = self.line(number), line.strip()
        lead = len(line) - len(line.lstrip())
        if in_table:
            start = self._cell[1] if self._cell[0] == number else 0
            column = max(whole.find(wanted, start), start)
            self._cell = (number, column + len(wanted))
        elif whole.rstrip().endswith(wanted):
            column = len(whole.rstrip()) - len(wanted)
        else:
            column = max(whole.find(wanted), 0)
        return self.lines[number] + column - lead

    def place(self, state: StateInline, position: int) -> int:
        """The offset in the text of a position in what is being read; that of a link's or a picture's text is found."""
        if state.src is not self.content and state.src != self.content:
            position += max(self.content.find(state.src), 0)
        return self.at(position)

    def at(self, position: int) -> int:
        """The offset in the text of a position in the paragraph."""
        start, offset = (
            self.starts[max(bisect_right(self.starts, (position, 1 << 60)) - 1, 0)] if self.starts else (0, 0)
        )
        return offset + position - start

    def mark(self, state: StateInline, start: int, end: int) -> None:
        """What stands there is no prose, and none of Jinja's business."""
        if state.src is self.content or state.src == self.content:
            self.marked.append((start, end))
        self.kept.append((self.place(state, start), self.place(state, end)))

    def unmarked(self) -> Iterator[tuple[str, int]]:
        """The prose of the paragraph in pieces, with where each begins in it."""
        at = 0
        for start, end in sorted(self.marked):
            if start > at:
                yield self.content[at:start], at
            at = max(at, end)
        yield self.content[at:], at


@dataclass(frozen=True)
class Document:
    """A text that has been read: markdown-it's tokens, the calls in order, and what is wrong, at offsets of the file.

    ``kept`` are ranges of the text that Jinja may not touch, ``prose`` is its words with their offsets.
    """

    tokens: tuple[Token, ...]
    calls: tuple[Call, ...]
    faults: tuple[Complaint, ...]
    warnings: tuple[Complaint, ...]
    kept: tuple[tuple[int, int], ...]
    prose: tuple[tuple[str, int], ...]


def read(text: str, origin: Place = lambda offset: offset) -> Document:
    """Read a page's text; *origin* gives the offset in the file of one in the text."""
    reading = Reading(text, origin)
    tokens = _parser().parse(text, {"reading": reading})
    return _document(tokens, reading)


def read_line(text: str) -> Document:
    """Read a caption: emphasis, links, code and formulas. It may be somebody else's: HTML and pictures are text."""
    return _read_short(_line_parser(), text)


def read_label(text: str) -> Document:
    """Read a short text that has formulas and code, and no other markup."""
    return _read_short(_label_parser(), text)


def _read_short(parser: MarkdownIt, text: str) -> Document:
    reading = Reading(text, lambda offset: offset)
    tokens = parser.parseInline(text, {"reading": reading, "short": True})
    return _document(tokens[0].children or [], reading)


def _document(tokens: Sequence[Token], reading: Reading) -> Document:
    calls = sorted(reading.calls, key=lambda call: call.offset)
    faults, warnings = (tuple(dict.fromkeys(sorted(each))) for each in (reading.faults, reading.warnings))
    return Document(tuple(tokens), tuple(calls), faults, warnings, tuple(reading.kept), tuple(reading.prose))


@cache
def _parser() -> MarkdownIt:
    options = {"maxNesting": NESTING + 20, "alerts": True, "tasklists": True}
    parser = MarkdownIt("commonmark", options).enable(["table", "strikethrough"])
    footnote_plugin(parser)
    deflist_plugin(parser)
    admon_plugin(parser)
    block, inline = parser.block.ruler, parser.inline.ruler
    anywhere: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    block.before("table", "depth", _depth)
    block.after("depth", "formula", _formula_block, anywhere)
    block.after("formula", "call", _call_block, anywhere)
    block.at("table", _table, {"alt": ["paragraph", "reference"]})
    block.at("lheading", _underlined)
    block.at("paragraph", _paragraph)
    inline.before("escape", "formula", _formula)
    inline.before("escape", "tex", _tex)
    inline.before("backticks", "braces", _braces)
    for name, rule in (
        ("backticks", backtick), ("link", link), ("image", image), ("autolink", autolink), ("html_inline", html_inline)
    ):  # fmt: skip
        inline.at(name, _placed(rule))
    inline.push("dialects", _other_dialects)
    parser.core.ruler.at("inline", _inline)
    parser.core.ruler.disable("text_join")
    return parser


@cache
def _line_parser() -> MarkdownIt:
    parser = MarkdownIt("zero").enable(["backticks", "emphasis", "escape", "image", "link", "newline"])
    parser.inline.ruler.before("escape", "formula", _formula)
    parser.inline.ruler2.enable(["balance_pairs", "emphasis"])
    parser.core.ruler.at("inline", _inline)
    parser.validateLink = lambda address: True  # type: ignore[method-assign, assignment]  # what leads elsewhere loses its address
    return parser


@cache
def _label_parser() -> MarkdownIt:
    parser = MarkdownIt("zero").enable(["backticks"])
    parser.inline.ruler.before("escape", "formula", _formula)
    parser.inline.ruler.before("escape", "dollar", _dollar)
    parser.core.ruler.at("inline", _inline)
    return parser


def _reading(state: Any) -> Reading:
    return state.env["reading"]  # type: ignore[no-any-return]


# Blocks ---------------------------------------------------------------------------------------------------------------


def _depth(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.level > NESTING and not silent:
        message = f"lists and quotes are nested more than {NESTING // 2} deep"
        _reading(state).fault(state.bMarks[start] + state.tShift[start], "markdown", message)
    return False


def _formula_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.is_code_block(start):
        return False
    at = state.bMarks[start] + state.tShift[start]
    opening = mathtext.OPENING.match(state.src, at, state.eMarks[start])
    if not opening or opening[0] in {"$", "$`", "\\(", "\\\\("}:
        return False
    lines, last = _lines(state, start, end, opening[0])
    text = "\n".join(line for line, _ in lines)
    span = mathtext.span_at(text, 0)
    behind = _BEHIND.fullmatch(text, span.end) if span else None
    if span is None or behind is None:
        return False
    if silent:
        return True
    reading = _reading(state)
    ends, length = [], 0
    for line, offset in lines:
        ends.append((length, offset))
        length += len(line) + 1
    inner = text[span.inner : span.inner_end] + behind["mark"] + behind["after"]
    formula = _make_formula(reading, inner, True, _within(ends, span.inner, span.inner_end), behind["name"] or "")
    token = state.push("formula_block", "", 0)
    token.map = [start, last + 1]
    token.meta = {"formula": formula}
    reading.kept.append((at, state.eMarks[last]))
    state.line = last + 1
    return True


def _lines(state: StateBlock, start: int, end: int, opening: str) -> tuple[list[tuple[str, int]], int]:
    """The lines of a formula that *opening* begins, with where each stands: up to the one that closes it.

    A blank line ends ``$$``, which has the same sign at both ends.
    """
    lines = []
    closing = mathtext.closing_of(opening)
    depth = 0
    for number in range(start, end):
        if number > start and not state.isEmpty(number) and state.sCount[number] < state.blkIndent:
            break
        if state.isEmpty(number) and opening == "$$":
            break
        offset = state.bMarks[number] + state.tShift[number]
        line = state.src[offset : state.eMarks[number]]
        lines.append((line, offset))
        depth += line.count(opening) if opening != closing else 0
        depth -= line.count(closing) if opening != closing else 0
        closed = line[2 if number == start else 0 :].find("$$") >= 0 if opening == "$$" else depth <= 0
        if closed and mathtext.span_at("\n".join(each for each, _ in lines), 0):
            return lines, number
    return lines, start


def _within(starts: list[tuple[int, int]], begin: int, end: int) -> tuple[tuple[int, int], ...]:
    """The places of lines, of those between *begin* and *end* of a text, counted from *begin*."""
    first = max(bisect_right(starts, (begin, 1 << 60)) - 1, 0)
    index, offset = starts[first]
    return ((0, offset + begin - index), *((at - begin, place) for at, place in starts[first + 1 :] if at < end))


def _make_formula(
    reading: Reading, source: str, display: bool, lines: tuple[tuple[int, int], ...], name: str = ""
) -> Formula:
    """A formula, its places those of the file; what it calls is noted."""
    calls, wrong = mathtext.calls_in(source)
    plain = Formula(source, display, lines)
    for found in _JINJA_IN_TEX.finditer(source):
        message = f"{found[0]} stays as it is in a formula: Jinja does nothing there"
        reading.warn(plain.place(found.start()), "math", message)
    for index in wrong:
        message = 'a number in math is called by literals alone, such as {{ param("part/name", "epochs") }}'
        reading.fault(plain.place(index), "reference", message)
    placed = tuple((index, reading.origin(offset)) for index, offset in lines)
    reading.calls += [
        Call(call.name, call.arguments, call.options, reading.origin(plain.place(call.offset))) for call in calls
    ]
    return Formula(source, display, placed, tuple(calls), name)


def _call_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    at = state.bMarks[start] + state.tShift[start]
    opening = _CALLEE.match(state.src, at)
    if not opening or opening["name"] not in BLOCKS or state.is_code_block(start):
        return False
    found = literal_call(state.src, opening.start("name"))
    if found is None:
        return False
    call, behind = found
    last = start
    while last < end - 1 and state.eMarks[last] < behind:
        last += 1
    if state.src[behind : state.eMarks[last]].strip() or state.eMarks[last] < behind:
        return False
    if silent:
        return True
    reading = _reading(state)
    call = Call(call.name, call.arguments, call.options, reading.origin(call.offset))
    token = state.push("call_block", "", 0)
    token.map = [start, last + 1]
    token.meta = {"call": call}
    reading.calls.append(call)
    reading.kept.append((at, behind))
    state.line = last + 1
    return True


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A table of GitHub's, in which a bar within a formula or code parts no cells."""
    if start + 2 > end or "-" not in state.src[state.bMarks[start + 1] : state.eMarks[start + 1]]:
        return False
    last = start
    while last < end and not state.isEmpty(last):
        last += 1
    region = (state.bMarks[start], state.eMarks[last - 1])
    text = state.src[slice(*region)]
    hidden = text
    if "|" in text and ("$" in text or "`" in text or "\\(" in text):
        hidden = "\n".join(map(_without_bars, text.split("\n")))
    if hidden == text:
        return table(state, start, end, silent)
    whole, before = state.src, len(state.tokens)
    state.src = whole[: region[0]] + hidden + whole[region[1] :]
    try:
        return table(state, start, end, silent)
    finally:
        state.src = whole
        for token in state.tokens[before:]:
            token.content = token.content.replace("\0", "|")  # no text has this character: it is replaced beforehand


def _without_bars(line: str) -> str:
    ranges = [(span.start, span.end) for span in mathtext.spans(line)]
    ranges += [found.span() for found in re.finditer(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", line)]
    for start, end in ranges:
        line = line[:start] + re.sub(r"(?<!\\)\|", "\0", line[start:end]) + line[end:]
    return line


def _underlined(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    before = len(state.tokens), state.line, state.parentType
    found = lheading(state, start, end, silent)
    state.parentType = before[2]
    if found and _in_formula(state, start, state.line - 1):
        del state.tokens[before[0] :]
        state.line = before[1]
        return False
    return found


def _paragraph(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A paragraph; a line within a formula that began in it does not end it, whatever it looks like."""
    terminators = state.md.block.ruler.getRules("paragraph")
    before, state.parentType = state.parentType, "paragraph"
    line, end = start + 1, state.lineMax
    while line < end and not state.isEmpty(line):
        may_end = state.sCount[line] >= 0 and state.sCount[line] - state.blkIndent <= 3
        if (
            may_end
            and any(rule(state, line, end, True) for rule in terminators)
            and not _in_formula(state, start, line)
        ):
            break
        line += 1
    state.line = line
    state.push("paragraph_open", "p", 1).map = [start, line]
    token = state.push("inline", "", 0)
    token.content = state.getLines(start, line, state.blkIndent, False).strip(" \t\n")
    token.map, token.children = [start, line], []
    state.push("paragraph_close", "p", -1)
    state.parentType = before
    return True


def _in_formula(state: StateBlock, start: int, line: int) -> bool:
    """Whether *line* is within a formula that begins in the paragraph that begins at *start* and is closed in it."""
    if not re.compile(r"[$\\]").search(state.src, state.bMarks[start], state.eMarks[line - 1]):
        return False
    last = line
    while last < state.lineMax and not state.isEmpty(last):
        last += 1
    texts = [state.src[state.bMarks[n] + state.tShift[n] : state.eMarks[n]] for n in range(start, last)]
    begin = sum(len(text) + 1 for text in texts[: line - start])
    return any(span.start < begin - 1 < span.end for span in mathtext.spans("\n".join(texts)))


# Inline ---------------------------------------------------------------------------------------------------------------


def _inline(state: StateCore) -> None:
    """Read the text of each block, and say what is wrong with the blocks themselves."""
    reading = _reading(state)
    before = ""
    for token in state.tokens:
        if token.type == "inline":
            reading.begin(token, before in {"th_open", "td_open"})
            token.children = token.children or []
            state.md.inline.parse(token.content, state.md, state.env, token.children)
            if "short" in state.env:
                _finish_short(token)
            else:
                _finish_inline(reading, token, before)
        elif token.type in _CHECKS:
            _CHECKS[token.type](reading, token)
        before = token.type
    _unused_notes(state, reading)


def _finish_short(token: Token) -> None:
    for child in token.children or ():
        if child.type == "image":
            child.type = "text"  # its words: a short text shows no pictures


def _finish_inline(reading: Reading, token: Token, before: str) -> None:
    for text, at in reading.unmarked():
        for line in re.finditer(r"[^\n]+", text):
            reading.prose.append((line[0], reading.origin(reading.at(at + line.start()))))
    if before == "paragraph_open":
        for at, message in dialects.of_paragraph(token.content):
            reading.fault(reading.at(at), "markdown", message)
    for number, child in enumerate(token.children or (), 1):
        if child.type == "name" and not (before == "heading_open" and number == len(token.children or ())):
            message = "a name such as {#here} stands at the end of a heading or a display formula"
            reading.faults.append((child.meta["at"], "markdown", message))


def _placed(rule: Callable[[StateInline, bool], bool]) -> Callable[[StateInline, bool], bool]:
    """A rule whose token knows where it stands; what it takes for code or HTML is no prose."""

    def placed(state: StateInline, silent: bool) -> bool:
        start, index = state.pos, len(state.tokens) + bool(state.pending)
        if not rule(state, silent):
            return False
        if not silent and index < len(state.tokens):
            token = state.tokens[index]
            reading = _reading(state)
            token.meta["at"] = reading.origin(reading.place(state, start))
            if token.type in {"code_inline", "html_inline"} or token.markup == "autolink":
                reading.mark(state, start, state.pos)
                if token.type == "html_inline":
                    _tags(reading, token, reading.place(state, start))
        return True

    return placed


def _formula(state: StateInline, silent: bool) -> bool:
    start, source = state.pos, state.src
    if source[start] not in "$\\":
        return False
    span = mathtext.span_at(source, start, state.posMax)
    if span is None:
        return False if silent else _unclosed(state, start)
    if not silent:
        reading = _reading(state)
        inner = source[span.inner : span.inner_end]
        place = reading.place(state, span.start)
        if not span.display and source[start] == "$" and mathtext.reads_as_prose(inner):
            message = f"'${inner}$' is set as a formula; write \\$ where a dollar is meant"
            reading.warn(place, "math", message)
        if source.startswith("$$", start) and "\n" not in inner and "short" not in state.env:
            message = "a display formula within a sentence; write $...$, or give it lines of its own"
            reading.warn(place, "math", message)
        outer = reading.content.find(source) if source != reading.content else 0
        starts = [(index - max(outer, 0), offset) for index, offset in reading.starts]
        token = state.push("formula", "", 0)
        lines = _within(starts, span.inner, span.inner_end) if starts else ((0, span.inner),)
        token.meta = {"formula": _make_formula(reading, inner, span.display, lines)}
        reading.mark(state, span.start, span.end)
    state.pos = span.end
    return True


_SPACED = re.compile(r"\$(?P<before>\s*)(?P<tex>[^\s$](?:[^$\n]*[^\s$])?)(?P<after>\s*)\$(?!\d)")
_ALMOST = re.compile(r"\$\S*?(?:\\[A-Za-z]|[_^][\w{\\])")


def _unclosed(state: StateInline, start: int) -> bool:
    """What is to be said of a sign that would open a formula, were it closed."""
    source, reading = state.src, _reading(state)
    opening = mathtext.OPENING.match(source, start, state.posMax)
    place = reading.place(state, start)
    spaced = _SPACED.match(source, start, state.posMax)
    if spaced and mathtext.reads_as_tex(spaced["tex"]):
        token = state.push("formula", "", 0)
        begin = spaced.start("tex")
        offset = reading.place(state, begin)
        token.meta = {"formula": _make_formula(reading, spaced["tex"], False, ((0, offset),))}
        reading.mark(state, start, spaced.end())
        state.pos = spaced.end()
        return True
    if spaced and spaced["before"] and spaced["after"]:
        message = "dollars with spaces inside are text; write $x$ for a formula, \\$ for a dollar"
        reading.warn(place, "math", message)
    elif opening and opening[0] not in {"$", "$`", "\\\\(", "\\\\["}:
        closing = mathtext.closing_of(opening[0])
        blank = ", and leave no blank line in it" if opening[0] == "$$" else ""
        reading.fault(place, "math", f"{opening[0]} opens math that is not closed; end it with {closing}{blank}")
        state.pending += opening[0]
        state.pos = opening.end()
        return True
    elif _ALMOST.match(source, start, state.posMax):
        reading.warn(
            place, "math", "this dollar opens no formula, since none closes it; write \\$ if a dollar is meant"
        )
    return False


def _dollar(state: StateInline, silent: bool) -> bool:
    if not state.src.startswith("\\$", state.pos):
        return False
    if not silent:
        state.pending += "$"
    state.pos += 2
    return True


_REFERENCE = re.compile(r"\\(?P<kind>eqref|ref|cref|Cref|autoref)\s*\{(?P<name>[^{}\n]+)\}")


def _tex(state: StateInline, silent: bool) -> bool:
    """TeX outside of formulas: references to equations are read, the rest is said to be no Markdown."""
    if state.src[state.pos] != "\\":
        return False
    found = _REFERENCE.match(state.src, state.pos, state.posMax)
    if found is None:
        if not silent and (message := dialects.of_tex(state.src, state.pos)):
            reading = _reading(state)
            reading.fault(reading.place(state, state.pos), "markdown", message)
        return False
    if not silent:
        reading = _reading(state)
        offset = reading.origin(reading.place(state, state.pos))
        call = Call("ref", (found["name"].strip(),), (("short", found["kind"]),), offset)
        state.push("call", "", 0).meta = {"call": call}
        reading.calls.append(call)
        reading.mark(state, *found.span())
    state.pos = found.end()
    return True


def _braces(state: StateInline, silent: bool) -> bool:
    """Calls, names of headings, and what other programs write in braces."""
    start, source = state.pos, state.src
    if source[start] != "{" or "short" in state.env:
        return False
    reading = _reading(state)
    if named := _NAME.match(source, start, state.posMax):
        if not silent:
            state.push("name", "", 0).meta = {"name": named[1], "at": reading.origin(reading.place(state, start))}
            reading.mark(state, *named.span())
        state.pos = named.end()
        return True
    opening = _CALLEE.match(source, start, state.posMax)
    found = literal_call(source, opening.start("name")) if opening and opening["name"] in CALLS else None
    if found and found[1] <= state.posMax:
        if not silent:
            _push_call(state, found[0], start, found[1])
        state.pos = found[1]
        return True
    if foreign := dialects.of_braces(source, start):
        message, end = foreign
        if not silent:
            reading.fault(reading.place(state, start), "markdown", message)
            reading.mark(state, start, end)
        state.pos = end
        return True
    if jinja := _JINJA.match(source, start, state.posMax):
        if not silent:
            state.pending += jinja[0]
        state.pos = jinja.end()
        return True
    return False


def _push_call(state: StateInline, found: Call, start: int, end: int) -> None:
    reading = _reading(state)
    shift = reading.place(state, start) - start
    call = Call(found.name, found.arguments, found.options, reading.origin(found.offset + shift))
    if call.name in BLOCKS:
        message = f"{call.name}(...) stands on a line of its own, between blank lines or at the start of a list item"
        reading.fault(found.offset + shift, "reference", message)
    state.push("call", "", 0).meta = {"call": call}
    reading.calls.append(call)
    reading.mark(state, start, end)


def _other_dialects(state: StateInline, silent: bool) -> bool:
    """The last rule: what no other took may be the syntax of another program."""
    if not silent and "short" not in state.env and (message := dialects.of_text(state.src, state.pos, state.env)):
        reading = _reading(state)
        reading.fault(reading.place(state, state.pos), "markdown", message)
    return False


# What is wrong with blocks --------------------------------------------------------------------------------------------

_FENCE_END = re.compile(r"(?P<marks>`{3,}|~{3,})[ \t]*$")


def _check_fence(reading: Reading, token: Token) -> None:
    assert token.map
    first, last = token.map[0], token.map[1] - 1
    end = _FENCE_END.search(reading.line(last))
    place = reading.lines[first] + reading.line(first).find(token.markup)
    closed = last > first and end and end["marks"][0] == token.markup[0] and len(end["marks"]) >= len(token.markup)
    reading.kept.append((place, reading.lines[last] + len(reading.line(last))))
    token.meta["at"] = reading.origin(place)
    if not closed:
        reading.fault(place, "code", f"this fence is not closed; end it with {token.markup}")
    elif token.info.strip() == "math":
        offset = reading.lines[first + 1]
        starts, at = [], 0
        for number, line in enumerate(token.content.split("\n")[:-1], first + 1):
            column = max(reading.line(number).find(line.strip()), 0) - (len(line) - len(line.lstrip()))
            starts.append((at, reading.lines[number] + column))
            at += len(line) + 1
        token.type = "formula_block"
        token.meta["formula"] = _make_formula(reading, token.content, True, tuple(starts) or ((0, offset),))
    elif message := dialects.of_fence(token.info):
        reading.fault(place, "markdown", message)


_MEANT = re.compile(r"\{\{\s*\w+\s*\(|\$\$|\\begin\{|^\s*</?[a-z][^<>]*>|^\s*(?:[-*+]|\d+[.)])\s", re.MULTILINE)


def _check_indented(reading: Reading, token: Token) -> None:
    assert token.map
    first = reading.line(token.map[0])
    place = reading.lines[token.map[0]] + len(first) - len(first.lstrip())
    reading.kept.append((place, reading.lines[token.map[1] - 1] + len(reading.line(token.map[1] - 1))))
    if _MEANT.search(token.content):
        message = "this is code, since four spaces or more stand before it; indent it less if it is not, or use a fence"
        reading.warn(place, "markdown", message)


def _check_heading(reading: Reading, token: Token) -> None:
    assert token.map
    line = reading.line(token.map[0])
    token.meta["at"] = reading.origin(reading.lines[token.map[0]] + len(line) - len(line.lstrip()))
    if token.tag == "h1":
        place = reading.lines[token.map[0]] + len(line) - len(line.lstrip())
        reading.fault(place, "heading", "the title stands in the front matter; begin sections with ##")


def _check_html(reading: Reading, token: Token) -> None:
    assert token.map
    starts, at = [], 0
    for number, line in enumerate(token.content.split("\n"), token.map[0]):
        if number < len(reading.lines):
            whole = reading.line(number)
            starts.append((at, reading.lines[number] + (len(whole) - len(line) if whole.endswith(line) else 0)))
        at += len(line) + 1
    token.children = list(_html(reading, token.content, starts))


def _html(reading: Reading, content: str, starts: list[tuple[int, int]]) -> Iterator[Token]:
    """The tags and texts of a piece of HTML; formulas and calls are read in its texts, Markdown is not."""

    def place(index: int) -> int:
        start, offset = starts[max(bisect_right(starts, (index, 1 << 60)) - 1, 0)]
        return offset + index - start

    verbatim = ""
    for piece in pieces(content):
        text = content[piece.start : piece.end]
        if piece.tag:
            token = Token("html_inline", "", 0, content=text)
            token.meta["at"] = reading.origin(place(piece.start))
            _tags(reading, token, place(piece.start))
            verbatim = "" if piece.closes and piece.tag == verbatim else verbatim
            if not piece.closes and piece.tag in {"pre", "code", "script", "style", "textarea"}:
                verbatim = verbatim or piece.tag
            reading.kept.append((place(piece.start), place(piece.end))) if piece.tag == "!--" else None
            yield token
        elif verbatim:
            yield Token("html_text", "", 0, content=text)
        else:
            yield from _html_text(reading, text, lambda index, begin=piece.start: place(begin + index))  # type: ignore[misc]


def _html_text(reading: Reading, text: str, place: Place) -> Iterator[Token]:
    at = 0
    for found in re.finditer(r"\$|\\[(\[b]|\{[{%:]", text):
        if found.start() < at:
            continue
        if found[0][0] == "{" and (foreign := dialects.of_braces(text, found.start())):
            reading.fault(place(found.start()), "markdown", foreign[0])
            reading.kept.append((place(found.start()), place(foreign[1])))
            continue
        span = mathtext.span_at(text, found.start()) if found[0] != "{{" else None
        opening = _CALLEE.match(text, found.start()) if found[0] == "{{" else None
        call = literal_call(text, opening.start("name")) if opening and opening["name"] in CALLS else None
        if span is None and call is None:
            continue
        yield Token("html_text", "", 0, content=text[at : found.start()])
        if span:
            starts = [(index.end(), place(index.end())) for index in re.finditer("\n", text)]
            lines = _within([(0, place(0)), *starts], span.inner, span.inner_end)
            token = Token("formula", "", 0)
            token.meta["formula"] = _make_formula(reading, text[span.inner : span.inner_end], span.display, lines)
            at = span.end
        elif call:
            token = Token("call", "", 0)
            made = Call(call[0].name, call[0].arguments, call[0].options, reading.origin(place(call[0].offset)))
            token.meta["call"] = made
            reading.calls.append(made)
            at = call[1]
        reading.kept.append((place(found.start()), place(at)))
        yield token
    rest = text[at:]
    reading.prose.append((rest, reading.origin(place(at))))
    yield Token("html_text", "", 0, content=rest)


def _tags(reading: Reading, token: Token, offset: int) -> None:
    for at, message in dialects.of_tag(token.content):
        reading.fault(offset + at, "html", message)


def _check_admonition(reading: Reading, token: Token) -> None:
    assert token.map
    first, kind = token.map[0], token.meta["tag"]
    line = reading.line(first)
    place = reading.lines[first] + len(line) - len(line.lstrip(" \t>"))
    if kind not in dialects.ADMONITIONS:
        near = nearest(kind, dialects.ADMONITIONS) or f"; it may be {', '.join(dialects.CALLOUTS)}"
        reading.fault(place, "markdown", f"unknown kind of callout {kind!r}{near}")
    if token.map[1] <= first + 1:
        reading.fault(place, "markdown", "this callout has no text; indent its text by four spaces")


_CHECKS: dict[str, Callable[[Reading, Token], None]] = {
    "fence": _check_fence,
    "code_block": _check_indented,
    "heading_open": _check_heading,
    "html_block": _check_html,
    "admonition_open": _check_admonition,
}


def _unused_notes(state: StateCore, reading: Reading) -> None:
    notes = state.env.get("footnotes", {})
    seen: set[str] = set()
    for token in state.tokens:
        if token.type == "footnote_reference_open" and token.map:
            label = token.meta["label"]
            line = reading.line(token.map[0])
            place = reading.lines[token.map[0]] + max(line.find("[^"), 0)
            if label in seen:
                reading.fault(place, "markdown", f"the note [^{label}] is there twice")
            elif notes["refs"].get(f":{label}", -1) < 0:
                reading.fault(place, "markdown", f"nothing refers to the note [^{label}]; refer to it, or remove it")
            seen.add(label)
