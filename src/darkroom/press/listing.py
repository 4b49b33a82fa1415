"""Code on pages: highlighted by Pygments, with lines marked; and listings of the project's own functions and classes.

A listing is read from the source, without importing it: ``darkroom.diffusion.sample.ddim`` is the function ``ddim`` of
the module ``darkroom/diffusion/sample.py`` under ``src`` or the project's root; Darkroom's own are found where it lies.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from darkroom.lab.errors import nearest
from darkroom.lab.paths import MOST_SOURCE, read_plain
from darkroom.press.text import escape

_INFO = re.compile(r"\s*(?P<language>[^\s{]*)\s*(?:\{(?P<lines>[\d,\s-]*)\})?")


class NoSource(Exception):
    """There is no such function or class; the message says what there is."""


@dataclass(frozen=True)
class Listing:
    """The source of a function, class or module: its file from the project's root, its lines from 1, its text."""

    name: str
    path: str
    first: int
    last: int
    text: str


def highlighted(source: str, info: str) -> str:
    """A block of code: *info* is what stands behind its fence, a language and the lines to mark in braces."""
    found = _INFO.match(info)
    language = found["language"] if found else ""
    named = f' class="language-{escape(language)}"' if language else ""
    marks = marked_lines(found["lines"]) if found and found["lines"] else frozenset()
    content = _coloured(source, language) if language else escape(source)
    if marks:
        lines = content.split("\n")
        content = "\n".join(
            f'<mark class="line">{line}</mark>' if number in marks else line for number, line in enumerate(lines, 1)
        )
    return f'<pre tabindex="0"><code{named}>{content}</code></pre>'


def marked_lines(text: str) -> frozenset[int]:
    """The numbers that "1,3-5" names."""
    found: set[int] = set()
    for each in re.findall(r"(\d+)(?:\s*-\s*(\d+))?", text):
        found |= set(range(int(each[0]), int(each[1] or each[0]) + 1))
    return frozenset(found)


def _coloured(source: str, language: str) -> str:
    """*source* with a span of a class of Pygments' around what is no plain text, line by line."""
    from pygments.lexers import get_lexer_by_name
    from pygments.token import STANDARD_TYPES, Token
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return escape(source)
    parts = []
    for kind, value in lexer.get_tokens(source):
        while kind not in STANDARD_TYPES and kind is not Token:
            kind = kind.parent  # noqa: PLW2901
        name = STANDARD_TYPES.get(kind, "")
        shown = escape(value)
        plain = not name or name[0] in "pwxe" or name in {"n", "nv", "bp"} or not value.strip()
        parts.append(shown if plain else _spans(shown, name))
    return "".join(parts)


def _spans(shown: str, name: str) -> str:
    """A span a line, so that a line can be marked as a whole."""
    return "\n".join(f'<span class="hl-{name[:2]}">{line}</span>' if line else "" for line in shown.split("\n"))


def listing_of(name: str, root: Path) -> Listing:
    """The source that a dotted name stands for.

    Raises:
        NoSource: no module of the project has it.
    """
    path, rest = _module(name, root)
    try:
        text = read_plain(path, MOST_SOURCE, links=True).decode("utf-8-sig")
        node: ast.AST = ast.parse(text)
    except SyntaxError as error:
        raise NoSource(f"{path.name} is not valid Python (line {error.lineno})") from None
    except UnicodeDecodeError:
        raise NoSource(f"{path.name} is not UTF-8; save it in that encoding") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise NoSource(f"{path.name} cannot be read: {error}") from None
    for part in rest:
        known = dict(_definitions(node))
        if part not in known:
            raise NoSource(f"there is no {part!r} in {path.name}{nearest(part, known) or _list(known)}")
        node = known[part]
    lines = text.splitlines()
    first = min([getattr(node, "lineno", 1), *(each.lineno for each in getattr(node, "decorator_list", ()))])
    last = getattr(node, "end_lineno", None) or len(lines)
    source = textwrap.dedent("\n".join(lines[first - 1 : last]))
    shown = path.relative_to(root).as_posix() if path.is_relative_to(root) else ""
    return Listing(name, shown, first, last, source)


def source_file(name: str, root: Path) -> Path | None:
    """The file that a dotted name is looked for in, or None."""
    try:
        return _module(name, root)[0]
    except NoSource:
        return None


def _module(name: str, root: Path) -> tuple[Path, list[str]]:
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        raise NoSource(f"{name!r} is no dotted name such as 'darkroom.diffusion.sample.ddim'")
    for folder in _folders(parts[0], root):
        for count in range(len(parts), 0, -1):
            for path in (
                folder.joinpath(*parts[:count]).with_suffix(".py"),
                folder.joinpath(*parts[:count], "__init__.py"),
            ):
                if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
                    return path, parts[count:]
    raise NoSource(f"there is no module {parts[0]!r} with {'.'.join(parts[1:]) or 'anything'!r} in src or beside it")


def _folders(package: str, root: Path) -> Iterator[Path]:
    yield from (root / "src", root)
    if package == "darkroom":  # where it is installed, and not part of the project
        yield Path(__file__).parents[2]


def _definitions(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for child in getattr(node, "body", ()):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield child.name, child
        elif isinstance(child, ast.Assign | ast.AnnAssign):
            targets = child.targets if isinstance(child, ast.Assign) else [child.target]
            yield from ((target.id, child) for target in targets if isinstance(target, ast.Name))


def _list(names: dict[str, ast.AST]) -> str:
    return f"; it has {', '.join(list(names)[:12])}" if names else "; it has none"
