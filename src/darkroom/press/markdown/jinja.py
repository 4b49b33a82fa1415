"""Jinja on pages: loops and conditions are carried out before Markdown is read, so what it reads has literal calls alone.

Code, formulas and calls by literals are hidden from Jinja. A call that Jinja makes, such as one in a loop, gives
the same call by literals.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from darkroom.core.errors import nearest
from darkroom.core.patterns import lazy_pattern
from darkroom.press.content.calls import KINDS, Literal
from darkroom.press.limits import LONGEST, NO_MEMORY, TOO_DEEP, TooCostly

if TYPE_CHECKING:
    from jinja2 import Environment, TemplateSyntaxError, nodes
    from jinja2.runtime import Context

    from darkroom.press.content.outlines import Complaint

_OPENING = lazy_pattern(r"\{[{%#]")
_CALLED = lazy_pattern(r"\{\{-?\s*([a-z_]+)\s*\(")
_KEPT, _AT = "_kept_", "_at_"
_FUNCTIONS = frozenset({"range", "dict", "cycler", "joiner", "namespace"})

_MEANT = {
    **dict.fromkeys(("image", "img", "video"), '; write {{ picture("name.png", alt="...") }}'),
    **dict.fromkeys(("plot", "table", "fig"), "; did you mean 'figure'?"),
    **dict.fromkeys(("eq", "equation", "section"), "; did you mean 'ref'?"),
    "link": "; write [text](page.md)",
    "number": "; did you mean 'metric'?",
}

Ranges = Sequence[tuple[int, int]]


class Wrong(Exception):
    """What is wrong with the template: complaints at offsets of the text."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        super().__init__(complaints)
        self.complaints = complaints


class Expanded:
    """A text as Jinja leaves it; ``origin`` gives the offset in the text before of one in it."""

    def __init__(self, text: str, pieces: Sequence[tuple[int, int]]) -> None:
        self.text = text
        self._pieces = pieces or [(0, 0)]

    def origin(self, offset: int) -> int:
        """Where the character at *offset* came from."""
        start, source = self._pieces[max(bisect_right(self._pieces, (offset, 1 << 60)) - 1, 0)]
        return source + offset - start


def is_template(text: str, kept: Ranges) -> bool:
    """Whether Jinja has anything to do outside of the ranges that it may not touch."""
    ranges = sorted(kept)
    for found in _OPENING.finditer(text):
        index = bisect_right(ranges, (found.start(), 1 << 60)) - 1
        if index < 0 or found.start() >= max(end for _, end in ranges[: index + 1][-8:]):
            return True
    return False


def expand(text: str, kept: Ranges) -> Expanded:
    """Run Jinja on *text*.

    Raises:
        Wrong: a mistake in the template, a name that is not known, a call whose name is not a literal.
    """
    from jinja2 import TemplateError, TemplateSyntaxError, UndefinedError

    template = _Template(text, kept)
    environment = _environment(template)
    try:
        tree = environment.parse(template.source)
        wrong = list(_bad_calls(tree, template))
    except TemplateSyntaxError:
        error = _syntax_error(environment, template)
        place = template.line(error.lineno)
        called = template.call_on(error.lineno)
        message = f"{error.message}; put Jinja's braces into `code` if they are meant as text"
        if called:
            message = f"{called[1]}(...) cannot be read ({error.message}); write quotes within quotes as ' or \\\""
        raise Wrong([(called[0] if called else place, "jinja", message)]) from None
    except (RecursionError, TooCostly) as costly:
        raise Wrong([(template.line(_line_within(costly)), "cost", _said(costly))]) from None
    if wrong:
        raise Wrong(wrong)
    try:
        made = environment.from_string(tree).render()
    except RecursionError as error:
        raise Wrong([(template.line(_line_within(error)), "cost", _said(error))]) from None
    except TemplateError as error:
        as_text = (
            "; put Jinja's braces into `code` if they are meant as text" if isinstance(error, UndefinedError) else ""
        )
        raise Wrong([(template.line(_line_of(error)), "jinja", f"{error}{as_text}")]) from None
    except MemoryError as error:
        raise Wrong([(template.line(_line_of(error)), "cost", NO_MEMORY)]) from None
    except TooCostly as error:
        raise Wrong([(template.line(_line_of(error)), "cost", f"{error}")]) from None
    except Exception as error:  # an expression of the page's author
        raise Wrong([(template.line(_line_of(error)), "jinja", f"{error}")]) from None
    if len(made) > LONGEST:
        message = f"Jinja makes {len(made)} characters of this page; the limit is {LONGEST}"
        raise Wrong([(template.line(1), "cost", message)])
    return template.expanded(made)


_CLOSING = {"{%": "%}", "{#": "#}"}
_BEFORE = lazy_pattern(r"^[ \t]*+(?:>[ \t]*+)*+(?=\{[%#])", re.MULTILINE)
_AFTER = lazy_pattern(r"[ \t]*\n")
_GAP = lazy_pattern(r"[ \t]*")


def _without_lines(text: str) -> str:
    """Tags that stand alone on their lines, with as much space in them as there was around, so that they leave no line.

    A blank line would end the table, list or paragraph that they stand in. A hyphen in a tag takes the space already.
    """
    parts, at, done = [], 0, 0
    ends: dict[int, int] = {}
    for before in _BEFORE.finditer(text):
        start = before.end()
        end = _behind_tags(text, start, ends) if before.start() >= done else 0
        after = _AFTER.match(text, end) if end else None
        if after is None:
            continue
        done = after.end()
        if text[start + 2] not in "-+" and text[end - 3] not in "-+":
            parts += [
                text[at : before.start()],
                text[start : end - 2],
                " " * len(before[0]),
                after[0],
                text[end - 2 : end],
            ]
            at = done
    return "".join([*parts, text[at:]])


def _behind_tags(text: str, at: int, ends: dict[int, int]) -> int:
    """Where the tags end that follow each other from *at* on, or 0 where one is not closed; *ends* are those known."""
    passed, end = [], 0
    while at not in ends and (closing := _CLOSING.get(text[at : at + 2])):
        passed.append(at)
        end = text.find(closing, at + 2) + 2
        if end < 2:
            end = 0
            break
        gap = _GAP.match(text, end)
        at = gap.end() if gap else end
    end = ends.get(at, end)
    ends.update(dict.fromkeys(passed, end))
    return end


def _syntax_error(environment: Environment, template: _Template) -> TemplateSyntaxError:
    """The mistake of a template, on its line: a tag is read here without what follows on its line."""
    from jinja2 import TemplateSyntaxError

    for source in (template.lines, template.source):
        try:
            environment.parse(source)
        except TemplateSyntaxError as error:
            return error
    raise AssertionError


_RAW = lazy_pattern(r"\{%[-+]?\s*(?P<end>end)?raw\s*[-+]?%\}")


def _without_raw(text: str, kept: Ranges) -> tuple[str, dict[int, int]]:
    """A text whose ``{% raw %}`` and ``{% endraw %}`` are comments, and where what stands between them begins and ends."""
    ranges = _disjoint(kept)
    raw: dict[int, int] = {}
    parts, at, opening = [], 0, None
    for tag in _RAW.finditer(text):
        index = bisect_right(ranges, (tag.start(), 1 << 60)) - 1
        if index >= 0 and tag.start() < ranges[index][1]:
            continue
        if opening is None:
            opening = None if tag["end"] else tag
        elif tag["end"]:
            start, end = opening.end(), tag.start()
            line, before = text.rfind("\n", 0, end) + 1, text.rfind("\n", 0, opening.start()) + 1
            start += text.startswith("\n", start) and not text[before : opening.start()].strip()
            end = line - 1 if start < line and not text[line:end].strip() else end  # tags alone on lines leave none
            if end > start:
                raw[start] = end
            for each in (opening, tag):
                parts += [text[at : each.start()], f"{{#{' ' * (each.end() - each.start() - 4)}#}}"]
                at = each.end()
            opening = None
    return "".join([*parts, text[at:]]), raw


class _Template:
    """A text as a template, each kept range an expression of as many lines."""

    def __init__(self, text: str, kept: Ranges) -> None:
        self.text = text
        self._calls = sorted({start for start, _ in kept if text.startswith("{{", start)})
        text, self._raw = _without_raw(text, kept)
        self.ranges = _disjoint([*kept, *self._raw.items()])
        self.output: list[tuple[str, int]] = []  # what was put out, and where it came from
        parts, starts, at, length = [], [(0, 0)], 0, 0
        for number, (start, end) in enumerate(self.ranges):
            shown = f"{{{{ {_KEPT}({number}){chr(10) * text.count(chr(10), start, end)} }}}}"
            parts += [text[at:start], shown]
            length += start - at + len(shown)
            starts.append((length, end))
            at = end
        self.lines = "".join([*parts, text[at:]])
        self.source = _without_lines(self.lines)
        self._starts = starts

    def offset(self, index: int) -> int:
        """The offset in the text of an index of the template."""
        start, offset = self._starts[bisect_right(self._starts, (index, 1 << 60)) - 1]
        return offset + index - start

    def line(self, number: int) -> int:
        """Where a line, counted from 1, begins in the text: its first character that is not a space."""
        start = 0
        for _ in range(number - 1):
            start = self.text.find("\n", start) + 1
        return start + len(self.text[start:]) - len(self.text[start:].lstrip(" \t"))

    def call_on(self, number: int) -> tuple[int, str] | None:
        """Where the first call on a line stands that has not been read, and what it calls."""
        lines = self.lines.split("\n")
        start = sum(len(line) + 1 for line in lines[: number - 1])
        found = _CALLED.finditer(self.lines, start, start + len(lines[min(number, len(lines)) - 1]))
        return next(((self.offset(each.start()), each[1]) for each in found if each[1] in KINDS), None)

    def find(self, number: int, name: str) -> int:
        """Where *name* stands on a line or below."""
        start = self.line(number)
        return max(self.text.find(name, start), start)

    def kept(self, number: int) -> _Text:
        """A range that Jinja may not touch."""
        start, end = self.ranges[number]
        text = self.text[start:end]
        if start in self._raw:  # calls in it are text
            first, last = bisect_left(self._calls, start), bisect_left(self._calls, end)
            cuts = [start, *self._calls[first:last], end]
            parts = [self.text[one:other] for one, other in pairwise(cuts)]
            text = "".join([parts[0], *(f"&#123;{part[1:]}" for part in parts[1:])])
        return _Text(text, start)

    def put(self, value: object) -> object:
        """Note what is put out, in order."""
        before = self.output[-1] if self.output else ("", 0)
        self.output.append((str(value), value.offset if isinstance(value, _Text) else before[1] + len(before[0])))
        return value

    def expanded(self, made: str) -> Expanded:
        """The result, its places known as far as it is what was put out in order."""
        pieces, length = [], 0
        for text, offset in self.output:
            pieces.append((length, offset))
            length += len(text)
        in_order = "".join(text for text, _ in self.output) == made
        return Expanded(made, pieces if in_order else [])


class _Text(str):
    """Text of the page that knows where it stood."""

    offset: int

    def __new__(cls, text: str, offset: int) -> _Text:
        made = super().__new__(cls, text)
        made.offset = offset
        return made


def _disjoint(ranges: Ranges) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        elif end > start:
            found.append((start, end))
    return found


def _environment(template: _Template) -> Environment:
    """Jinja with each piece of text an expression, so that ``finalize`` gets all output, in order."""
    from jinja2 import StrictUndefined, pass_context
    from jinja2.ext import Extension
    from jinja2.lexer import Token, TokenStream
    from jinja2.sandbox import SandboxedEnvironment

    offsets: Iterator[int] = iter(())

    class Placed(Extension):
        def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
            nonlocal offsets
            offsets = iter(list(_offsets(self.environment, source)))
            return source

        def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
            """Each text and each expression becomes ``_at_(offset, it)``."""
            for token in stream:
                if token.type in {"data", "variable_begin"}:
                    offset = template.offset(next(offsets, 0))
                    opening = (("name", _AT), ("lparen", "("), ("integer", offset), ("comma", ","))
                    yield from (Token(token.lineno, kind, value) for kind, value in (("variable_begin", ""), *opening))  # type: ignore[arg-type]
                if token.type == "data":
                    yield Token(token.lineno, "string", token.value)
                elif token.type not in {"variable_begin", "variable_end"}:
                    yield token
                if token.type in {"data", "variable_end"}:
                    yield from (
                        Token(token.lineno, kind, value) for kind, value in (("rparen", ")"), ("variable_end", ""))
                    )

    class Bounded(SandboxedEnvironment):
        """Refuses what makes much of little."""

        intercepted_binops = frozenset({"*", "**"})

        def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
            _check_size(operator, left, right)
            return super().call_binop(context, operator, left, right)

    environment = Bounded(
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        finalize=pass_context(lambda _, value: template.put(value)),  # with a context none is put out beforehand
        extensions=[Placed],
    )
    del environment.globals["lipsum"], environment.filters["random"]  # a page is the same at every build
    environment.globals |= {name: _maker(name) for name in KINDS} | {_KEPT: template.kept, _AT: _at}
    return environment


def _check_size(operator: str, left: Any, right: Any) -> None:
    """Refuse a product or a power that is too large for a page.

    Raises:
        TooCostly: it is.
    """
    for one, other in ((left, right), (right, left)):
        if operator == "*" and isinstance(one, int) and hasattr(other, "__len__") and one * len(other) > LONGEST:
            raise TooCostly(f"{one} times {len(other)} characters or items is too long for a page")
    if operator == "**" and isinstance(left, int) and isinstance(right, int) and left.bit_length() * right > 10_000:
        raise TooCostly("this power has too many digits for a page")


def _offsets(environment: Environment, source: str) -> Iterator[int]:
    at = 0
    for _, kind, value in environment.lexer.tokeniter(source, None):
        found = source.find(value, at)
        at = found if found >= 0 else at
        if kind == "variable_begin" or (kind == "data" and value):
            yield at
        at += len(value)


def _at(offset: int, value: object) -> _Text:
    return value if isinstance(value, _Text) else _Text(str(value), offset)


def _literal(value: Literal) -> str:
    """A value as calls have it: a text in one line, in double quotes."""
    if not isinstance(value, str):
        return repr(value)
    text = " ".join(value.splitlines()).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _maker(name: str) -> Callable[..., str]:
    def call(*arguments: Literal, **options: Literal) -> str:
        written = [*map(_literal, arguments), *(f"{option}={_literal(value)}" for option, value in options.items())]
        return f"{{{{ {name}({', '.join(written)}) }}}}"

    return call


def _bad_calls(tree: nodes.Template, template: _Template) -> Iterator[Complaint]:
    """Calls with an unknown word, and those whose name is not a literal: every name is checked before anything runs."""
    from jinja2 import nodes

    for taken in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        yield template.line(taken.lineno), "jinja", "a page cannot include other files; write the text here"
    for node in _computed_with(tree):
        message = f"{node.node.name}(...) cannot be used in an expression; use its options"
        yield template.find(node.lineno, node.node.name), "reference", message
    for node in tree.find_all(nodes.Call):
        name = node.node.name if isinstance(node.node, nodes.Name) else ""
        if not name or name in _FUNCTIONS or name in {_KEPT, _AT}:
            continue
        offset = template.find(node.lineno, name)
        if name not in KINDS:
            yield offset, "reference", f"unknown function {name!r}{_MEANT.get(name) or nearest(name, KINDS)}"
        elif node.args and not isinstance(node.args[0], nodes.Const):
            yield offset, "reference", f"write the name in {name}(...) as a literal, so that it can be checked"


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, TooCostly) else f"Jinja {TOO_DEEP}"


def _line_within(error: Exception) -> int:
    """The line of the template that Jinja was reading or compiling, or carrying out."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        known = trace.tb_frame.f_locals
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        elif "stream" in getattr(known.get("self"), "__dict__", {}):  # the parser
            line = known["self"].stream.current.lineno
        else:
            node = known.get("node") or known.get("self")  # of a visitor, or of a method of the node's own
            line = getattr(node, "lineno", 0) or line
        trace = trace.tb_next
    return line or 1


def _computed_with(tree: nodes.Template) -> Iterator[Any]:
    """Calls of the page's that stand in a filter, a sum, a comparison and the like."""
    from jinja2 import nodes

    kinds = (nodes.Filter, nodes.BinExpr, nodes.Compare, nodes.UnaryExpr, nodes.Test, nodes.Getattr, nodes.Getitem)
    for outer in tree.find_all(kinds):
        for node in () if isinstance(outer, nodes.And | nodes.Or | nodes.Not) else outer.iter_child_nodes():
            if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name in KINDS:
                yield node


def _line_of(error: Exception) -> int:
    """The line of the template that an error came from."""
    line: Any = getattr(error, "lineno", None)
    trace = error.__traceback__
    while line is None and trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line or 1
