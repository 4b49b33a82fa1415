r"""A text as it is read: the faults, warnings, calls and words that are found in it, each with its place."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from darkroom.core.patterns import lazy_pattern
from darkroom.press.content import mathtext
from darkroom.press.content.calls import Call
from darkroom.press.content.markup import pieces
from darkroom.press.content.mathtext import Formula
from darkroom.press.content.outlines import Complaint
from darkroom.press.markdown.latex import Remark

Place = Callable[[int], int]

_JINJA_IN_TEX = lazy_pattern(r"\{\{ (?!metric|param)[^{}\\]+ \}\}|\{%.*?%\}")


class LineRun:
    """Lines without a blank one between them, and the formulas in them.

    Args:
        first: the number of the first line.
        offsets: where each line begins in the text of the page, behind the marks of quotes.
        texts: the lines from there on.
    """

    def __init__(self, first: int, offsets: list[int], texts: list[str]) -> None:
        self._first, self._offsets = first, offsets
        self._begins = [0, *accumulate(len(text) + 1 for text in texts)]
        self._text = "\n".join(texts)
        self._from = self._at = -1
        self._span: mathtext.Span | None = None

    def reaches(self, line: int, offset: int) -> bool:
        """Whether what begins at *offset* of the page, in that line, is part of it."""
        number = line - self._first
        return 0 <= number < len(self._offsets) and self._offsets[number] <= offset

    def holds(self, start: int, offset: int, line: int) -> bool:
        """Whether the beginning of *line* is within a formula, of those from *offset* in the line *start* on.

        Asked for one *start*, the lines ascend.
        """
        number = start - self._first
        at = self._begins[number] + offset - self._offsets[number]
        if at != self._from:
            self._from, self._at, self._span = at, at, None
        end = self._begins[line - self._first] - 1
        while self._at < end:
            self._span, self._at = mathtext.next_span(self._text, self._at, end)
        return self._span is not None and self._span.start < end < self._span.end


@dataclass
class Reading:
    """A text as it is read: what is wrong with it, and what was found in it.

    ``kept`` are the ranges of the text that Jinja may not touch; ``notes`` the lines of notes by name. While a
    paragraph is read, ``content`` is its text, ``starts`` where its lines begin (in it, in the text), ``marked`` the
    ranges of it that are no prose, and ``in_table`` whether it is a cell; up to ``reported_until`` all is reported.
    ``code_depth`` is how many elements of HTML are open in which all is code, ``drawing_depth`` the same of drawings;
    ``vain`` counts the lines that were looked through for the end of a formula that has none, and ``runs`` are the
    lines without a blank one between them that were looked through for formulas, by the line that their quote ends at.
    ``pinned`` is the offset that everything stands at, or -1, where what is read is not part of the text.
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
    in_table: bool = False
    reported_until: int = 0
    pinned: int = -1
    code_depth: int = 0
    drawing_depth: int = 0
    vain: int = 0
    runs: dict[int, LineRun] = field(default_factory=dict)
    _cell: tuple[int, int] = (-1, 0)

    def __post_init__(self) -> None:
        self.lines = [0, *(found.end() for found in re.finditer("\n", self.text))]

    def fault(self, offset: int, rule: str, message: str) -> None:
        """Note what is wrong at *offset* of the text."""
        self.faults.append((self.origin(offset), rule, message))

    def warn(self, offset: int, rule: str, message: str) -> None:
        """Note what is doubtful at *offset* of the text."""
        self.warnings.append((self.origin(offset), rule, message))

    def remark(self, offset: int, found: Remark | None) -> None:
        """Note what is to be said of TeX at *offset* of the text."""
        if found:
            (self.fault if found.certain else self.warn)(offset, "markdown", found.message)

    def line(self, number: int) -> str:
        """A line of the text, without its end."""
        start = self.lines[number]
        end = self.text.find("\n", start)
        return self.text[start : end if end >= 0 else len(self.text)]

    def begin(self, token: Token, in_table: bool) -> None:
        """Take up the text of a paragraph, heading or cell: find where each of its lines stands."""
        self.content, self.starts, self.marked, self.in_table, self.reported_until = token.content, [], [], in_table, 0
        self.code_depth = self.drawing_depth = 0
        first, at = token.map[0] if token.map else 0, 0
        for number, line in enumerate(token.content.split("\n"), first):
            self.starts.append((at, self._find(line, min(number, len(self.lines) - 1), in_table)))
            at += len(line) + 1

    def enter(self, tag: str) -> None:
        """Take note of a tag within a line: formulas and calls are not read in code."""
        for piece in pieces(tag):
            if piece.tag in {"code", "pre", "samp", "tt", "textarea"}:
                self.code_depth = max(self.code_depth + (-1 if piece.closes else 1), 0)
            elif piece.tag == "svg":
                self.drawing_depth = max(self.drawing_depth + (-1 if piece.closes else 1), 0)

    def begin_option(self, content: str, start: int) -> None:
        """Take up a text that an option of a call at *start* of the text has; it may be written otherwise there."""
        found = self.text.find(content, start)
        self.content, self.starts, self.marked, self.in_table = content, [(0, max(found, 0))], [], False
        self.reported_until = 0
        self.pinned = start if found < 0 else -1

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
        if self.pinned >= 0:
            return self.pinned
        start, offset = (
            self.starts[max(bisect_right(self.starts, (position, 1 << 60)) - 1, 0)] if self.starts else (0, 0)
        )
        return offset + position - start

    def mark(self, state: StateInline, start: int, end: int) -> None:
        """That text is not prose, and Jinja may not touch it."""
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


def reading_of(state: Any) -> Reading:
    """The reading that a parser's state belongs to."""
    return state.env["reading"]  # type: ignore[no-any-return]


def within(starts: list[tuple[int, int]], begin: int, end: int) -> tuple[tuple[int, int], ...]:
    """The places of lines, of those between *begin* and *end* of a text, counted from *begin*."""
    first = max(bisect_right(starts, (begin, 1 << 60)) - 1, 0)
    behind = max(bisect_left(starts, (end, -1)), first + 1)
    index, offset = starts[first]
    return ((0, offset + begin - index), *((at - begin, place) for at, place in starts[first + 1 : behind]))


def make_formula(
    reading: Reading, source: str, display: bool, lines: tuple[tuple[int, int], ...], name: str = ""
) -> Formula:
    """A formula, its places those of the file; what it calls is noted."""
    if reading.pinned >= 0:
        lines = ((0, reading.pinned),)
    calls, wrong = mathtext.calls_in(source)
    plain = Formula(source, display, lines)
    for found in _JINJA_IN_TEX.finditer(source):
        message = f"{found[0]} is printed in a formula: Jinja does nothing there"
        reading.warn(plain.place(found.start()), "math", message)
    for index, message, certain in mathtext.doubtful(source, display) if re.search(r"[&\\<]", source) else ():
        (reading.fault if certain else reading.warn)(plain.place(index), "math", message)
    for index in wrong:
        message = 'a call in a formula takes only literals, such as {{ param("part/name", "epochs") }}'
        reading.fault(plain.place(index), "reference", message)
    placed = tuple((index, reading.origin(offset)) for index, offset in lines)
    reading.calls += [
        Call(call.name, call.arguments, call.options, reading.origin(plain.place(call.offset))) for call in calls
    ]
    return Formula(source, display, placed, tuple(calls), name)
