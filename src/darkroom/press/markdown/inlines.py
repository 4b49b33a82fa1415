r"""Rules of the inline parser: formulas, references of TeX's, calls, and what other programs would read."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
from markdown_it.common.utils import normalizeReference
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from darkroom.core.patterns import lazy_pattern
from darkroom.press.content import listings, mathtext
from darkroom.press.content.addresses import bare_address, unescaped
from darkroom.press.content.calls import CALLED, KINDS, Call, calls_of, literal_call, tex_reference
from darkroom.press.content.claims import claim_at
from darkroom.press.content.markup import ELEMENTS, pieces
from darkroom.press.content.mathtext import Span
from darkroom.press.markdown import dialects, latex
from darkroom.press.markdown.raw_html import IN_DRAWING, check_tag, open_comment
from darkroom.press.markdown.reading import Reading, make_formula, reading_of, within

_NAME = lazy_pattern(r"\{#([A-Za-z][\w.:-]*)\}")
_JINJA = {"{{": "}}", "{%": "%}", "{#": "#}"}


def placed(rule: Callable[[StateInline, bool], bool]) -> Callable[[StateInline, bool], bool]:
    """A rule whose token has its place; what it takes for code or HTML is not prose."""

    def placed(state: StateInline, silent: bool) -> bool:
        start, index = state.pos, len(state.tokens) + bool(state.pending)
        if not rule(state, silent):
            return False
        reading = reading_of(state)
        if silent or index >= len(state.tokens):
            if not silent and state.src[start] == "`" and "short" not in state.env:
                message = (
                    f"{state.src[start : state.pos]} opens no code, since it is not closed; write \\` for the character"
                )
                reading.warn(reading.place(state, start), "markdown", message)
            return True
        token = state.tokens[index]
        token.meta["at"] = reading.origin(reading.place(state, start))
        _check_values(token, reading.place(state, start), reading)
        if token.type == "code_inline" and (run := _RUN.match(token.content)):
            message = f"{run[0]} does not run code here; write the value, or {{{{ metric(...) }}}} for a measured one"
            reading.warn(reading.place(state, start), "markdown", message)
        if token.type == "code_inline" and len(token.markup) > 2 and (named := _NAMED.match(state.src, start)):
            _check_code(reading, reading.place(state, start), named)
        if token.markup == "autolink" and "&" in state.tokens[index + 1].content:
            whole = unescaped(state.tokens[index + 1].content)
            state.tokens[index + 1].content = whole
            token.attrs["href"] = state.md.normalizeLink(whole)
        if token.type in {"code_inline", "html_inline"} or token.markup == "autolink":
            reading.mark(state, start, state.pos)
            if token.type == "html_inline":
                check_tag(reading, token, reading.place(state, start), reading.drawing_depth > 0)
                reading.enter(token.content)
        return True

    return placed


_RUN = lazy_pattern(r"\{(?:python|r|julia|ojs|eval)\}(?=[ \t])")
_NAMED = lazy_pattern(r"(?P<ticks>`{3,})(?P<name>[a-z][\w+-]*)[ \t\n]")


def _check_code(reading: Reading, place: int, named: re.Match[str]) -> None:
    """Code within a line that looks like a fence: the name of a language would be shown as part of it."""
    if listings.is_known(named["name"]):
        message = f"this is inline code, in which {named['name']!r} is shown; put {named['ticks']} on separate lines"
        reading.warn(place, "markdown", message)


_SIZED = lazy_pattern(r"\|\s*\d{2,4}(?:x\d{2,4})?\s*\Z")


def _check_values(token: Token, place: int, reading: Reading) -> None:
    """Check that there is no call in the address, title or words of a link or picture, where none is read."""
    children = token.children or ()
    found = [calls_of(str(value)) for name, value in token.attrs.items() if name in {"href", "src", "title"}]
    found += [f"{child.meta['call'].name}(...)" for child in children if child.type == "call"]
    if token.type == "image" and any(child.type == "footnote_ref" for child in children):
        found.append("a note")
    tags = [child.content for child in children if token.type == "image" and child.type == "html_inline"]
    found += [
        tag for tag in tags for piece in pieces(tag) if piece.tag and piece.tag not in ELEMENTS and "-" not in piece.tag
    ]
    if token.type == "image" and (sized := _SIZED.search(token.content)):
        reading.fault(place, "markdown", f"{sized[0]} is Obsidian; write {dialects.WIDTH}")
    for name in filter(None, found):
        reading.fault(place, "reference", f"{name} is not read in an address, a title or alt text; write it out")


def formula(state: StateInline, silent: bool) -> bool:
    start, source = state.pos, state.src
    if source[start] not in "$\\" or reading_of(state).code_depth:
        return False
    span = mathtext.span_at(source, start, state.posMax)
    if span is None:
        return False if silent else _unclosed(state, start)
    if not silent:
        reading = reading_of(state)
        if reading.drawing_depth:
            reading.fault(reading.place(state, start), "math", IN_DRAWING)
        inner = source[span.inner : span.inner_end]
        place = reading.place(state, span.start)
        if message := _no_formula(source, span):
            reading.warn(place, "math", message)
        if boxed := mathtext.boxed_dollar(source, span):
            reading.fault(reading.place(state, boxed[0]), "math", boxed[1])
        if "short" not in state.env:
            if span.display:
                _out_of_place(state, span)
            else:
                _check_behind(state, span)
        outer = max(reading.content.find(source), 0) if source != reading.content else 0
        token = state.push("formula", "", 0)
        begin, end = outer + span.inner, outer + span.inner_end
        lines = within(reading.starts, begin, end) if reading.starts else ((0, span.inner),)
        token.meta = {"formula": make_formula(reading, inner, span.display, lines)}
        reading.mark(state, span.start, span.end)
    state.pos = span.end
    return True


_SCRIPT = lazy_pattern(r"[_^]\{[^{}\n]*\}|\^[A-Za-z0-9]+")


def _check_behind(state: StateInline, span: Span) -> None:
    """What belongs into a formula and stands right behind it, and a dollar too many."""
    source, reading = state.src, reading_of(state)
    if script := _SCRIPT.match(source, span.end, state.posMax):
        message = f"{script[0]} is outside of the formula before it; write it before the closing delimiter"
        certain = "{" in script[0]
        (reading.fault if certain else reading.warn)(reading.place(state, span.end), "math", message)
    elif source.startswith("$", span.end) and not mathtext.span_at(source, span.end, state.posMax):
        message = "this $ is printed, since the formula has ended before it; remove it, or write \\$ for a dollar sign"
        reading.warn(reading.place(state, span.end), "math", message)


_BETWEEN = lazy_pattern(r"[A-Za-z][^\\^{}]*[/:=.,;\"'(-]\Z")


def _no_formula(source: str, span: Span) -> str:
    """Why what is set as a formula within a line may be no formula, or ""."""
    inner, opening = source[span.inner : span.inner_end], source[span.start : span.inner]
    if span.display or not opening:
        return ""
    shown = source[span.start : span.end]
    if opening == "$" and (
        mathtext.reads_as_prose(inner) or (_BETWEEN.match(inner) and source[span.end : span.end + 1].isalpha())
    ):
        return f"{shown!r} is set as a formula; write \\$ for a dollar sign"
    if opening == "\\(" and mathtext.reads_as_prose(inner):
        return f"'{shown}' is set as a formula; write ( for a bracket"
    return ""


_LABEL = lazy_pattern(r"[ \t]*\((?P<name>[A-Za-z][\w.:-]*)\)[ \t]*(?=\n|$)")


def _out_of_place(state: StateInline, span: Span) -> None:
    """A formula of its own that stands in a line with other text; it may have a name as MyST writes it."""
    source, reading = state.src, reading_of(state)
    begins = not source[: span.start].rpartition("\n")[2].strip()
    label = _LABEL.match(source, span.end, state.posMax)
    if begins and label:
        message = f"({label['name']}) after a formula is MyST; write {{#{label['name']}}} to name it"
        reading.fault(reading.place(state, label.start("name") - 1), "math", message)
    elif source[span.start] == "\\" and _BRACKETED.fullmatch(source, span.inner, span.inner_end):
        message = f"'{source[span.start : span.end]}' is set as a formula; write [ for a bracket"
        reading.warn(reading.place(state, span.start), "math", message)
    elif not (reading.in_table and source[span.start : span.end] == source.strip()):
        message = "a display formula within a sentence; write $...$, or put it on its own lines"
        reading.warn(reading.place(state, span.start), "math", message)


_BRACKETED = lazy_pattern(r"\s*(?:\d[\d\s,;–-]*|[^\\^_={}]*[^\W\d_]{2,}[^\\^_={}]*)")
_SPACED = lazy_pattern(r"\$(?P<before>\s*)(?P<tex>[^\s$](?:[^$\n]*[^\s$])?)(?:(?P<after>\s+)\$(?![\w{(\\])|\$(?!\d))")
_DIGIT_BEHIND = lazy_pattern(r"\$(?P<tex>(?=\S)(?:\\.|[^\\$`\n])*(?<=[\w)\]}'!]))\$(?=\d)")
_ALMOST = lazy_pattern(r"\$\S*?(?:\\[A-Za-z]|[_^][\w{\\])")


def _unclosed(state: StateInline, start: int) -> bool:
    """The message for a sign that would open a formula if it were closed."""
    source, reading = state.src, reading_of(state)
    opening = mathtext.OPENING.match(source, start, state.posMax)
    place = reading.place(state, start)
    spaced = _SPACED.match(source, start, state.posMax)
    if spaced and mathtext.reads_as_tex(spaced["tex"]):
        token = state.push("formula", "", 0)
        begin = spaced.start("tex")
        offset = reading.place(state, begin)
        token.meta = {"formula": make_formula(reading, spaced["tex"], False, ((0, offset),))}
        reading.mark(state, start, spaced.end())
        state.pos = spaced.end()
        return True
    if spaced and spaced["before"] and spaced["after"]:
        message = "dollars with spaces inside are text; write $x$ for a formula, \\$ for a dollar sign"
        reading.warn(place, "math", message)
    elif opening and opening[0] not in {"$", "$`", "\\\\(", "\\\\["}:
        closing = mathtext.closing_of(opening[0])
        if source.startswith(closing, opening.end()):
            reading.fault(place, "math", f"{opening[0]}{closing} is an empty formula; remove it")
            return _as_it_is(state, start, opening.end() + len(closing), False)
        blank = ", without a blank line in it" if opening[0] == "$$" else ""
        reading.fault(place, "math", f"{opening[0]} opens a formula that is not closed; end it with {closing}{blank}")
        state.pending += opening[0]
        state.pos = opening.end()
        return True
    elif (digit := _DIGIT_BEHIND.match(source, start, state.posMax)) and not digit["tex"][0].isdigit():
        message = (
            f"{digit[0]} is not a formula, since a digit follows; write \\({digit['tex']}\\), or \\$ for a dollar sign"
        )
        if mathtext.reads_as_prose(digit["tex"]):
            reading.warn(place, "math", message)
            return False
        reading.fault(place, "math", message)
        reading.mark(state, start, digit.end())
        state.pending += digit[0]
        state.pos = digit.end()
        return True
    elif digit and digit["tex"].isalnum():
        message = (
            f"{digit[0]} is text, since a digit follows; write \\({digit['tex']}\\) for a formula, \\$ for a dollar"
        )
        reading.warn(place, "math", message)
    elif _ALMOST.match(source, start, state.posMax):
        reading.warn(
            place, "math", "this $ does not open a formula, since it is not closed; write \\$ for a dollar sign"
        )
    return False


def address(state: StateInline, silent: bool) -> bool:
    """An address that stands in the text as it is: nothing in it is markup."""
    if not state.src.startswith("://", state.pos):
        return False
    scheme = re.search(r"https?\Z", state.src[max(state.pos - 5, 0) : state.pos], re.IGNORECASE)
    found = bare_address(state.src[: state.posMax], state.pos - len(scheme[0])) if scheme else None
    if not scheme or not found or found[0] != state.pos - len(scheme[0]):
        return False
    if not silent:
        reading, behind = reading_of(state), state.src[found[1] : found[1] + 1]
        if behind and behind in "\\`{":
            message = f"this address ends before {behind}; write all of it between < and >"
            reading.warn(reading.place(state, found[0]), "link", message)
        state.pending += unescaped(state.src[state.pos : found[1]])
        reading.mark(state, *found)
    state.pos = found[1]
    return True


def dollar(state: StateInline, silent: bool) -> bool:
    if not state.src.startswith("\\$", state.pos):
        return False
    if not silent:
        state.pending += "$"
    state.pos += 2
    return True


def tex(state: StateInline, silent: bool) -> bool:
    """TeX outside of formulas: references to equations are read, the rest is said to be no Markdown."""
    reading = reading_of(state)
    if state.src[state.pos] != "\\" or reading.code_depth:
        return False
    found = tex_reference(state.src, state.pos, state.posMax)
    if found is None:
        if not silent and (remark := latex.of_tex(state.src, state.pos)):
            reading.remark(reading.place(state, state.pos), remark)
        return False
    call, end = found
    if not silent:
        call = msgspec.structs.replace(call, offset=reading.origin(reading.place(state, state.pos)))
        state.push("call", "", 0).meta = {"call": call}
        reading.calls.append(call)
        reading.mark(state, state.pos, end)
    state.pos = end
    return True


def tex_words(state: StateInline, silent: bool) -> bool:
    """TeX, references and calls in a short text, which has formulas alone."""
    start, source, reading = state.pos, state.src, reading_of(state)
    if silent or source[start] not in "\\{":
        return False
    opening = CALLED.match(source, start, state.posMax)
    if (opening and opening["name"] in KINDS) or tex_reference(source, start, state.posMax):
        message = "calls and references are only read in the text of pages; write the number"
        reading.fault(start, "reference", f"{message} (in {source!r})")
    elif (remark := latex.of_tex(source, start)) and remark.certain:
        reading.fault(start, "markdown", f"{remark.message} (in {source!r})")
    return False


def braces(state: StateInline, silent: bool) -> bool:
    """Calls, names of headings, and what other programs write in braces."""
    start, source = state.pos, state.src
    if source[start] != "{" or "short" in state.env:
        return False
    reading = reading_of(state)
    if named := _NAME.match(source, start, state.posMax):
        if not silent:
            state.push("name", "", 0).meta = {"name": named[1], "at": reading.origin(reading.place(state, start))}
            reading.mark(state, *named.span())
        state.pos = named.end()
        return True
    if _set_apart(state, silent):
        return True
    opening = CALLED.match(source, start, state.posMax)
    found = literal_call(source, opening.start("name")) if opening and opening["name"] in KINDS else None
    found = found or claim_at(source, start, state.posMax)
    if found and found[1] <= state.posMax:
        if not silent:
            _push_call(state, found[0], start, found[1])
        state.pos = found[1]
        return True
    if not found and opening and opening["name"] in KINDS and _unread_call(state, opening, silent):
        return True
    if foreign := dialects.of_braces(source, start):
        message, end = foreign
        if not silent:
            reading.fault(reading.place(state, start), "markdown", message)
            reading.mark(state, start, end)
        state.pos = end
    elif (end := _behind_jinja(source, start, state.posMax)) > start:
        if not silent:
            state.pending += source[start:end]
        state.pos = end
    return state.pos > start


def _set_apart(state: StateInline, silent: bool) -> bool:
    """A brace too many before a call, and a call within code: both stand as they are."""
    start, source, reading = state.pos, state.src, reading_of(state)
    if source.startswith("{{{", start) and CALLED.match(source, start + 1, state.posMax):
        if not silent:
            reading.fault(reading.place(state, start), "reference", "a call has two braces on each side, not three")
        return _as_it_is(state, start, start + 1, silent)
    end = source.find("}}", start, state.posMax) + 2
    within = reading.code_depth and end > 1 and CALLED.match(source, start, state.posMax)
    return bool(within) and _as_it_is(state, start, end, silent)


def _as_it_is(state: StateInline, start: int, end: int, silent: bool) -> bool:
    """Text that stands as it is written, and that Jinja may not touch."""
    if not silent:
        state.pending += state.src[start:end]
        reading_of(state).mark(state, start, end)
    state.pos = end
    return True


def _behind_jinja(text: str, start: int, end: int) -> int:
    """Where the tag, expression or comment of Jinja's ends that begins at *start*, or *start* where none does."""
    closing = _JINJA.get(text[start : start + 2])
    close = text.find(closing, start + 2, end) if closing else -1
    return close + 2 if close >= 0 else start


def _unread_call(state: StateInline, opening: re.Match[str], silent: bool) -> bool:
    """A call that cannot be read, for a reason that Jinja would not give."""
    message = _unread(opening["name"], state.src[opening.start() : state.posMax])
    if message and not silent:
        reading = reading_of(state)
        reading.fault(reading.place(state, opening.start("name")), "reference", message)
        reading.mark(state, *opening.span())
        state.pending += opening[0]
    state.pos = opening.end() if message else state.pos
    return bool(message)


_CLOSED = lazy_pattern(r"""\{\{\s*\w+\s*\((?:[^()"']|"[^"]*"|'[^']*')*\)(?!\s*[-|}])""")


def _unread(name: str, text: str) -> str:
    """Why a call at the start of *text* cannot be read, where Jinja would not say so."""
    end, again = text.find("}}"), text.find("{{", 2)
    if end < 0 or (0 <= again < end and _CLOSED.match(text)):
        return f"{name}(...) is not closed; end it with }}}}"
    curled = re.search("[“”„‟«»‘’]", text[:end])
    return f'{curled[0]} is not read as a quote here; write {name}("...")' if curled else ""


def _push_call(state: StateInline, found: Call, start: int, end: int) -> None:
    reading = reading_of(state)
    shift = reading.place(state, start) - start
    call = Call(found.name, found.arguments, found.options, reading.origin(found.offset + shift))
    if KINDS[call.name].is_block:
        message = f"{call.name}(...) must be on its own line, between blank lines or at the start of a list item"
        reading.fault(found.offset + shift, "reference", message)
    said = _SAID.search(state.src[:start]) if call.name == "ref" and not call.options else None
    if said:
        message = f"ref(...) writes Figure, Section or Equation itself; remove {said['word']!r} before it"
        reading.warn(found.offset + shift, "reference", message)
    state.push("call", "", 0).meta = {"call": call}
    reading.calls.append(call)
    reading.mark(state, start, end)


_APART = lazy_pattern(r"\[(?P<text>[^\[\]\n]+)\][ \t]+\[(?P<name>[^\[\]\n^]+)\](?![(\[])")
_STRAY = lazy_pattern(r"\]\([^\s()]+\)")
_ENTITY = lazy_pattern(r"&[A-Za-z][A-Za-z0-9]+;")
_TAG = lazy_pattern(r"<(?P<name>[A-Za-z][\w-]*)\s+[\w-]+\s*=")
_SAID = lazy_pattern(r"\b(?P<word>Figures?|Figs?\.|Sections?|Secs?\.|Equations?|Eqs?\.)[ \u00a0\n(]*\Z")


def other_dialects(state: StateInline, silent: bool) -> bool:
    """The last rule: what no other took may be the syntax of another program, or a comment that does not end."""
    if silent or "short" in state.env:
        return False
    reading, source, at = reading_of(state), state.src, state.pos
    place = reading.place(state, at)
    if place < reading.reported_until or reading.code_depth:
        return False
    message, end = dialects.of_text(source, at)
    if source[at] == "~" and (remark := latex.of_tie(source, at)):
        reading.remark(place, remark)
    elif message:
        reading.fault(place, "markdown", message)
        reading.mark(state, at, end)
        reading.reported_until = place + end - at
    elif (apart := _APART.match(source, at)) and normalizeReference(apart["name"]) in state.env.get("references", {}):
        reading.warn(place, "link", f"{apart[0]} is not a link: remove the space between ] and [")
    elif stray := _STRAY.match(source, at):
        noted = "[^" in source[source.rfind("[", 0, source.rfind("[^", 0, at) + 1) : at]
        message = f"{stray[0]} does not make a link of the text before it, since that has a link or a note in it"
        (reading.fault if noted else reading.warn)(place, "markdown", message)
    elif entity := _ENTITY.match(source, at):
        reading.warn(place, "markdown", f"{entity[0]} is not a character in HTML; write the character itself")
    elif source[at] == "<" and (tag := _TAG.match(source, at)) and tag["name"].lower() in ELEMENTS:
        named = calls_of(source[at : at + 200])
        message = f"{' '.join(tag[0].split())} is not a valid tag, so it is text; check its quotes, or write &lt;"
        (reading.fault if named else reading.warn)(place, "html", message)
    elif source.startswith("<!--", at):
        reading.fault(place, "html", open_comment(reading.text, place))
    return False
