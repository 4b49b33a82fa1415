"""Code on pages: highlighted by Pygments, with lines marked; and listings of the project's own functions and classes.

A listing is read from the source, without importing it: ``darkroom.diffusion.sample.ddim`` is the function ``ddim`` of
the module ``darkroom/diffusion/sample.py`` under ``src`` or the project's root; Darkroom's own are found where it is
installed.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

from darkroom.core.errors import nearest
from darkroom.core.paths import MOST_SOURCE, read_plain
from darkroom.core.patterns import lazy_pattern
from darkroom.press.typeset.typography import escape

_LANGUAGE, _MARKS = re.compile(r"\s*([^\s{]*)"), re.compile(r"\{([\d,\s-]*)\}")
_RANGE = lazy_pattern(r"(\d+)(?:\s*-\s*(\d+))?")


class NoSource(Exception):
    """There is no such function or class; the message says what there is."""


class Listing(msgspec.Struct, frozen=True):
    """The source of a function, class or module: its file from the project's root, its lines from 1, its text."""

    name: str
    path: str
    first: int
    last: int
    text: str


def highlighted(source: str, info: str) -> str:
    """A block of code: *info* is what follows its fence, a language and the lines to mark in braces."""
    language, lines = language_and_marks(info)
    named = f' class="language-{escape(language)}"' if language else ""
    content = _coloured(source, language) if language else escape(source)
    marks = marked_lines(lines, content.count("\n") + 1)
    if marks:
        content = "\n".join(
            f'<mark class="line">{line}</mark>' if number in marks else line
            for number, line in enumerate(content.split("\n"), 1)
        )
    return f'<pre tabindex="0"><code{named}>{content}</code></pre>'


def language_and_marks(info: str) -> tuple[str, str]:
    """What follows a fence: the language, and the lines to mark such as "1,3-5"; "" for what is not there."""
    language, marks = _LANGUAGE.match(info), _MARKS.search(info)
    return (language[1] if language else ""), (marks[1] if marks else "")


def marked_lines(text: str, count: int) -> frozenset[int]:
    """The numbers that "1,3-5" names, up to *count*."""
    found: set[int] = set()
    for first, last in _RANGE.findall(text):
        found |= set(range(int(first[:9]), min(int((last or first)[:9]), count) + 1))
    return frozenset(found)


def wrong_marks(text: str, count: int) -> str:
    """What is wrong with "1,3-5" as the lines to mark of *count* lines, or ""."""
    for each in text.split(",") if text.strip() else ():
        found = _RANGE.fullmatch(each.strip())
        if not found:
            return f"{each.strip()!r} does not name lines; write numbers from 1 and ranges, such as 1,3-5"
        first, last = int(found[1][:9]), int((found[2] or found[1])[:9])
        if not 1 <= first <= last <= count:
            return f"there are no lines {each.strip()} to mark: the code has {count}, counted from 1"
    return ""


@cache
def is_known(language: str) -> bool:
    """Whether code of a language is coloured, or has a name that says that it is not."""
    from pygments.lexers import find_lexer_class_by_name
    from pygments.util import ClassNotFound

    if language.lower() in {"plain", "plaintext", "txt", "none", *_ALIASES}:
        return True
    try:
        find_lexer_class_by_name(language)
    except ClassNotFound:
        return False
    return True


def nearest_language(language: str) -> str:
    """A clause with the nearest name of a language, or ""."""
    from pygments.lexers import get_all_lexers

    return nearest(language, [alias for _, aliases, _, _ in get_all_lexers() for alias in aliases])


_ALIASES = {"mjs": "js", "cjs": "js", "jsonc": "json", "cmd": "bat", "shell-session": "console"}


def _coloured(source: str, language: str) -> str:
    """*source* with spans of Pygments' classes around its tokens, line by line."""
    from pygments.lexers import get_lexer_by_name
    from pygments.token import STANDARD_TYPES, Token
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name(_ALIASES.get(language.lower(), language), stripnl=False, ensurenl=False)
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
    path, rest = find_module(name, root)
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
        return find_module(name, root)[0]
    except NoSource:
        return None


def find_module(name: str, root: Path) -> tuple[Path, list[str]]:
    """The file of the module that a dotted name begins with, and the parts of the name behind it.

    Raises:
        NoSource: there is none in the project, nor, of ``darkroom``, where that is installed.
    """
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        raise NoSource(f"{name!r} is not a dotted name such as 'darkroom.diffusion.sample.ddim'")
    for folder in _folders(parts[0], root):
        for count in range(len(parts), 0, -1):
            for path in (
                folder.joinpath(*parts[:count]).with_suffix(".py"),
                folder.joinpath(*parts[:count], "__init__.py"),
            ):
                if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
                    return path, parts[count:]
    raise NoSource(f"there is no module {parts[0]!r} with {'.'.join(parts[1:]) or 'anything'!r} in src or the project")


def _folders(package: str, root: Path) -> Iterator[Path]:
    yield from (root / "src", root)
    if package == "darkroom":  # where it is installed, and not part of the project
        yield Path(__file__).parents[3]


def _definitions(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for child in getattr(node, "body", ()):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield child.name, child
        elif isinstance(child, ast.Assign | ast.AnnAssign):
            targets = child.targets if isinstance(child, ast.Assign) else [child.target]
            yield from ((target.id, child) for target in targets if isinstance(target, ast.Name))


def _list(names: dict[str, ast.AST]) -> str:
    return f"; it has {', '.join(list(names)[:12])}" if names else "; it has none"
