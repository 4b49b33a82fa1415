r"""Rules of the block parser: formulas and calls on their own lines, tables, paragraphs that formulas hold together."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from markdown_it.rules_block import StateBlock, lheading, table
from markdown_it.rules_block.table import escapedSplit

from darkroom.core.patterns import lazy_pattern
from darkroom.press.content import mathtext
from darkroom.press.content.calls import CALLED, KINDS, Call, literal_call
from darkroom.press.markdown.reading import LineRun, make_formula, reading_of, within

_VAIN = 200_000  # lines looked through for the end of formulas that have none: then no more are looked for
NESTING = 90  # levels of lists and quotes

_BEHIND = lazy_pattern(
    r"[ \t]*(?P<mark>[.,;:!?]?)[ \t]*(?:\{#(?P<name>[A-Za-z][\w.:-]*)\})?[ \t]*(?P<after>[.,;:!?]?)[ \t]*"
)


def depth(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.level > NESTING and not silent:
        message = f"lists and quotes are nested more than {NESTING // 2} deep"
        reading_of(state).fault(state.bMarks[start] + state.tShift[start], "markdown", message)
    return False


def formula_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
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
    reading = reading_of(state)
    ends, length = [], 0
    for line, offset in lines:
        ends.append((length, offset))
        length += len(line) + 1
    inner = text[span.inner : span.inner_end] + behind["mark"] + behind["after"]
    formula = make_formula(reading, inner, True, within(ends, span.inner, span.inner_end), behind["name"] or "")
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
    lines: list[tuple[str, int]] = []
    closing, reading = mathtext.closing_of(opening), reading_of(state)
    if reading.vain > _VAIN or state.src.find(closing, state.bMarks[start] + state.tShift[start] + len(opening)) < 0:
        return lines, start
    depth, indent = 0, min(state.blkIndent, state.sCount[start])  # it may end the item or quote that it stands behind
    for number in range(start, end):
        if number > start and not state.isEmpty(number) and state.sCount[number] < indent:
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
        reading.vain += len(lines) if closed else 1
        if reading.vain > _VAIN:
            break
    return lines, start


def call_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    at = state.bMarks[start] + state.tShift[start]
    opening = CALLED.match(state.src, at)
    kind = KINDS.get(opening["name"]) if opening else None
    if not opening or kind is None or not kind.is_block or state.is_code_block(start):
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
    reading = reading_of(state)
    call = Call(call.name, call.arguments, call.options, reading.origin(call.offset))
    token = state.push("call_block", "", 0)
    token.map = [start, last + 1]
    token.meta = {"call": call}
    reading.calls.append(call)
    reading.kept.append((at, behind))
    state.line = last + 1
    return True


_UNDER_HEADER = lazy_pattern(r"[>|:\s\d.)+*-]*")  # with the marks of quotes and lists that it may stand in


def bar_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A GitHub table, in which a bar in a formula or code does not separate cells."""
    under = state.src[state.bMarks[start + 1] : state.eMarks[start + 1]] if start + 2 <= end else ""
    header = state.src[state.bMarks[start] : state.eMarks[start]]
    if "-" not in under or "|" not in header or not _UNDER_HEADER.fullmatch(under):
        return False
    if not _table_without_bars(state, start, start + 2, end, True):
        return False
    if silent:
        return True
    return _table_without_bars(state, start, _end_of_table(state, start, end), end, False)


def _table_without_bars(state: StateBlock, start: int, last: int, end: int, silent: bool) -> bool:
    """The table that begins at *start*, read without the bars in formulas and code before the line *last*."""
    region = (state.bMarks[start], state.eMarks[last - 1])
    text = state.src[slice(*region)]
    hidden = text
    if "|" in text and ("$" in text or "`" in text or "\\(" in text):
        hidden = "\n".join(map(_without_bars, text.split("\n")))
    whole, before = state.src, len(state.tokens)
    if hidden != text:
        state.src = whole[: region[0]] + hidden + whole[region[1] :]
    try:
        found = table(state, start, end, silent)
        if found and not silent:
            _check_rows(state, start)
        return found
    finally:
        state.src = whole
        for token in state.tokens[before:] if hidden != text else ():
            token.content = token.content.replace("\0", "|")  # no text has this character: it is replaced beforehand


def _end_of_table(state: StateBlock, start: int, end: int) -> int:
    """The line behind a table: the first that is blank, code, out of its list, or begins another block."""
    rules = state.md.block.ruler.getRules("blockquote")
    before, state.parentType = state.parentType, "table"
    line = start + 2
    while line < end and state.sCount[line] >= state.blkIndent and not state.isEmpty(line):
        if state.is_code_block(line) or any(rule(state, line, end, True) for rule in rules):
            break
        line += 1
    state.parentType = before
    return line


def _check_rows(state: StateBlock, start: int) -> None:
    """Check that no cell of a table is lost, and that no text has become a row of it."""
    reading, count = reading_of(state), _cells(state, start)
    for number in range(start, state.line):
        place = state.bMarks[number] + state.tShift[number]
        for at in _escaped_bars(state.src[place : state.eMarks[number]]):
            message = "\\| in a formula of a table means |; write | for that, or \\Vert for a double bar"
            reading.warn(place + at, "math", message)
        cells = _cells(state, number) if number > start + 1 else 0
        if cells > count and _is_lost(state, number, count):
            message = f"this row has {cells} cells and the table {count}, so the rest is lost; write \\| for a bar"
            reading.fault(place, "markdown", message)
        elif number > start + 1 and cells < count and _is_broken(state, start, number):
            message = "this row has no | at its end; a cell cannot continue on the next line, write <br> in it"
            reading.warn(place, "markdown", message)
        elif (
            number > start + 1
            and count > 1
            and not re.compile(r"\||\{[%#]").search(state.src, place, state.eMarks[number])
        ):
            reading.warn(place, "markdown", "this line is a row of the table above; leave a blank line before text")


def _escaped_bars(line: str) -> list[int]:
    r"""Where the formulas of a line have ``\|``."""
    if "\\|" not in line or "$" not in line:
        return []
    formulas = [(span.inner, span.inner_end) for span in mathtext.spans(line)]
    return [found.start() for pair in formulas for found in re.compile(r"(?<!\\)\\\|").finditer(line, *pair)][:1]


def _is_broken(state: StateBlock, start: int, number: int) -> bool:
    """Whether a row begins with a bar and lacks the one at its end, which the header of its table has."""
    header, row = (state.src[state.bMarks[n] + state.tShift[n] : state.eMarks[n]].rstrip() for n in (start, number))
    return header.endswith("|") and row.startswith("|") and not row.endswith("|")


def _is_lost(state: StateBlock, number: int, count: int) -> bool:
    """Whether a row has text beyond the columns of its table, which has *count*."""
    line = state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]].strip()
    cells = escapedSplit(line.removeprefix("|"))
    return any(cell.strip() for cell in cells[count:])


def _cells(state: StateBlock, number: int) -> int:
    cells = escapedSplit(state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]].strip())
    return len(cells) - (cells[:1] == [""]) - (len(cells) > 1 and cells[-1] == "")


def _without_bars(line: str) -> str:
    ranges = [(span.start, span.end) for span in mathtext.spans(line)]
    ranges += [found.span() for found in re.finditer(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", line)]
    for start, end in ranges:
        line = line[:start] + re.sub(r"(?<!\\)\|", "\0", line[start:end]) + line[end:]
    return line


Rule = Callable[[StateBlock, int, int, bool], bool]


def definitions(rule: Rule, others: Sequence[Rule]) -> Rule:
    """Lists of definitions that begin with a colon: a tilde says "about".

    A line behind the first definition is a term only where none of *others* reads it: "- x" is an item.
    """

    def definitions(state: StateBlock, start: int, end: int, silent: bool) -> bool:
        line = start if silent else start + 1
        line += not silent and line < end and state.isEmpty(line)
        if line < end and _begins(state, line, "~"):
            return False
        if not silent and line < end and _begins(state, line, ":"):
            end = _end_of_terms(state, line, end, others)
        return rule(state, start, end, silent)

    return definitions


def _begins(state: StateBlock, line: int, sign: str) -> bool:
    return state.src.startswith(sign, state.bMarks[line] + state.tShift[line])


def _end_of_terms(state: StateBlock, line: int, end: int, others: Sequence[Rule]) -> int:
    """The first line behind the definition at *line* that begins a block of another kind, or *end*."""
    indent, before, blank = state.sCount[line] + 2, state.parentType, False
    for at in range(line + 1, end):
        if state.isEmpty(at):
            blank = True
            continue
        if state.sCount[at] < state.blkIndent:
            break
        if _begins(state, at, ":"):
            indent = state.sCount[at] + 2
        elif state.sCount[at] < indent:
            state.parentType = before if blank else "paragraph"
            begins = any(rule(state, at, end, True) for rule in others)
            state.parentType = before
            if begins:
                return at
            below = at + 1 + (at + 1 < end and state.isEmpty(at + 1))
            if blank and not (below < end and _begins(state, below, ":")):
                break
        blank = False
    return end


def underlined(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    before = len(state.tokens), state.line, state.parentType
    found = lheading(state, start, end, silent)
    state.parentType = before[2]
    if found and _in_formula(state, start, state.line - 1):
        del state.tokens[before[0] :]
        state.line = before[1]
        return False
    return found


def paragraph(state: StateBlock, start: int, end: int, silent: bool) -> bool:
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
    content = state.getLines(start, line, state.blkIndent, False)
    token.content = content.strip(" \t\n")
    blank = content[: len(content) - len(content.lstrip(" \t\n"))].count("\n")  # as behind the box of a task
    token.map, token.children = [start + blank, line], []
    state.push("paragraph_close", "p", -1)
    state.parentType = before
    return True


def _in_formula(state: StateBlock, start: int, line: int) -> bool:
    """Whether *line* is within a formula that begins in the paragraph that begins at *start* and is closed in it."""
    run = _run_of(state, start)
    return run.holds(start, state.bMarks[start] + state.tShift[start], line)


def _run_of(state: StateBlock, start: int) -> LineRun:
    """The lines up to the next blank one: looked through once, and not by each paragraph and heading among them."""
    runs = reading_of(state).runs
    offset = state.bMarks[start] + state.tShift[start]
    run = runs.get(state.lineMax)
    if run is None or not run.reaches(start, offset):
        last = start
        while last < state.lineMax and not state.isEmpty(last):
            last += 1
        offsets = [state.bMarks[number] + state.tShift[number] for number in range(start, last)]
        texts = [state.src[at : state.eMarks[number]] for number, at in enumerate(offsets, start)]
        run = runs[state.lineMax] = LineRun(start, offsets, texts)
    return run
