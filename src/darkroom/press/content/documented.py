"""Modules, functions and classes as their sources document them, read as text: nothing is imported.

What is public is what ``__all__`` names, or else every function and class whose name has no underscore in front. Names
that a package takes from its modules are followed to where they are defined.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

from darkroom.core.errors import nearest
from darkroom.core.paths import MOST_SOURCE, read_plain
from darkroom.press.content.docstrings import Docstring, read_docstring
from darkroom.press.content.listings import NoSource, find_module

_DEEPEST = 8  # modules that a name may be taken from, one after the other
_WIDEST = 66  # characters of a signature in one line
_RECORDS = frozenset({"NamedTuple", "Struct"})
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class DocumentedItem(msgspec.Struct, frozen=True):
    """A function, method, property or class.

    ``name`` is the dotted name that pages use and ``home`` the one of where it is defined: the same, unless a package
    takes it from a module. ``path`` is its file from the project's root, or "" where that is not in the project, and
    ``first`` and ``last`` are its lines. ``file`` is the same file as messages name it.
    """

    name: str
    home: str
    kind: str
    signature: str
    doc: Docstring
    path: str
    file: str
    first: int
    last: int
    parameters: tuple[str, ...] = ()
    members: tuple[DocumentedItem, ...] = ()

    @property
    def short(self) -> str:
        """The last part of its name."""
        return self.name.rpartition(".")[2]

    @property
    def faults(self) -> Iterator[str]:
        """What is described and is not there."""
        known = [each.lstrip("*") for each in self.parameters]
        for name in self.doc.arguments if known or self.kind != "class" else ():
            if name not in known:
                hint = nearest(name, known)
                yield f"{self.file}:{self.first}: Args of {self.short} describe {name!r}, which it does not take{hint}"
        for member in self.members:
            yield from member.faults


class DocumentedName(msgspec.Struct, frozen=True):
    """What a dotted name stands for: a module with its docstring and its public items, or one item."""

    name: str
    doc: Docstring
    items: tuple[DocumentedItem, ...]
    is_module: bool
    file: str = ""

    @property
    def known(self) -> dict[str, str]:
        """The dotted names of all items and members, as they are called and as they are defined, with those on the page."""
        found: dict[str, str] = {self.name: self.name} if self.is_module else {}
        for each in self.items:
            for member in (each, *each.members):
                found[member.name] = member.name
                found.setdefault(member.home, member.name)
        return found


def documented(name: str, root: Path) -> DocumentedName:
    """What the dotted name of a module, a class or a function stands for.

    Raises:
        NoSource: no module of the project, or of Darkroom, has it, or it cannot be read.
    """
    path, rest = find_module(name, root)
    try:
        return _found(name, path, rest, root)
    except (RecursionError, MemoryError):
        raise NoSource(f"{_file(path, root)} is nested too deeply to be shown") from None


def _found(name: str, path: Path, rest: Sequence[str], root: Path) -> DocumentedName:
    if rest:
        return DocumentedName(name, Docstring(), (_item(name, path, rest, root),), False)
    module = _parsed(path)
    items = tuple(_item(f"{name}.{each}", path, [each], root) for each in _public(module, path))
    return DocumentedName(name, read_docstring(ast.get_docstring(module) or ""), items, True, _file(path, root))


class DocumentedAt(msgspec.Struct, frozen=True):
    """A dotted name whose reference a page has: the address of the page, and the files that say what it stands for."""

    name: str
    url: str
    files: tuple[str, ...]

    def read(self, root: Path) -> DocumentedName:
        """What the name stands for, read again only where one of its files has changed.

        Raises:
            NoSource: as for :func:`documented`.
        """
        try:
            looks = [os.stat(file) for file in self.files]  # noqa: PTH116
        except OSError:  # it was removed since
            return documented(self.name, root)
        return _documented(self.name, root, tuple((look.st_mtime_ns, look.st_size, look.st_ino) for look in looks))


@lru_cache(256)
def _documented(name: str, root: Path, looks: tuple[tuple[int, int, int], ...]) -> DocumentedName:
    return documented(name, root)


def sources_of(name: str, root: Path, depth: int = 0) -> list[Path]:
    """The files that :func:`documented` reads, found without parsing what only defines things."""
    try:
        path, rest = find_module(name, root)
        found = {path: None}
        if not _defines(path, rest[0]) if rest else "__all__" in _text(path):
            module = _parsed(path)
            for each in rest[:1] or _public(module, path):
                taken = _imports(module, path, name.split(".")).get(each)
                if taken and depth < _DEEPEST:
                    found |= dict.fromkeys(sources_of(taken, root, depth + 1))
    except NoSource:
        return []
    return list(found)


def _defines(path: Path, name: str) -> bool:
    return bool(re.search(rf"^(?:async def|def|class) {re.escape(name)}\b", _text(path), re.MULTILINE))


def _file(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


# Reading --------------------------------------------------------------------------------------------------------------


def _text(path: Path) -> str:
    try:
        return read_plain(path, MOST_SOURCE, links=True).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NoSource(f"{path.name} is not UTF-8; save it in that encoding") from None
    except (OSError, ValueError) as error:
        raise NoSource(f"{path.name} cannot be read: {error}") from None


def _parsed(path: Path) -> ast.Module:
    try:
        return _parsed_text(_text(path))
    except SyntaxError as error:
        raise NoSource(f"{path.name} is not valid Python (line {error.lineno})") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise NoSource(f"{path.name} cannot be read: {error}") from None


@lru_cache(64)
def _parsed_text(text: str) -> ast.Module:
    return ast.parse(text)


def _public(module: ast.Module, path: Path) -> list[str]:
    """The public names of a module, in the order of ``__all__`` or else of the source."""
    for node in module.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            try:
                return [str(each) for each in ast.literal_eval(node.value)]
            except (ValueError, TypeError):
                raise NoSource(f"{path.name}: __all__ is not a list of names (line {node.lineno})") from None
    return [each.name for each in module.body if isinstance(each, _Definition) and not each.name.startswith("_")]


def _imports(module: ast.Module, path: Path, package: Sequence[str]) -> dict[str, str]:
    """What names that a module imports stand for, also those that only type checkers import."""
    base = [*package] if path.name == "__init__.py" else [*package[:-1]]
    found: dict[str, str] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom):
            above = base[: len(base) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            found |= {alias.asname or alias.name: f"{origin}.{alias.name}" for alias in node.names}
    return found


def _item(name: str, path: Path, rest: Sequence[str], root: Path, depth: int = 0, shown: str = "") -> DocumentedItem:
    """The item that *rest* names in the module at *path*; *shown* is what pages call it."""
    module = _parsed(path)
    home = name.split(".")[: -len(rest)]
    node: ast.AST = module
    for place, part in enumerate(rest):
        known = {each.name: each for each in getattr(node, "body", ()) if isinstance(each, _Definition)}
        if part not in known:
            taken = _imports(module, path, home).get(part) if place == 0 else None
            if taken and depth < _DEEPEST:
                there, inside = find_module(taken, root)
                if inside:
                    target = ".".join([taken, *rest[1:]])
                    return _item(target, there, [*inside, *rest[1:]], root, depth + 1, shown or name)
            what = f"; it has {', '.join([*known][:12]) or 'none'}"
            raise NoSource(
                f"there is no function or class {part!r} in {_file(path, root)}{nearest(part, known) or what}"
            )
        node = known[part]
    assert isinstance(node, _Definition)
    return _described(node, _text(path).splitlines(), shown or name, name, (path, root), in_class=len(rest) > 1)


# What is said of a definition -----------------------------------------------------------------------------------------


def _described(
    node: _Definition, lines: list[str], name: str, home: str, place: tuple[Path, Path], *, in_class: bool
) -> DocumentedItem:
    path, root = place
    decorators = {ast.unparse(each).partition("(")[0].rpartition(".")[2] for each in node.decorator_list}
    members: list[DocumentedItem] = []
    if isinstance(node, ast.ClassDef):
        kind = "class"
        fields, parameters = _constructor(node, decorators)
        signature = _signature(node.name, fields)
        for each in node.body:
            if isinstance(each, _Function) and not each.name.startswith("_") and not _is_setter(each):
                full = f"{name}.{each.name}", f"{home}.{each.name}"
                members.append(_described(each, lines, *full, place, in_class=True))
    else:
        bound = in_class and "staticmethod" not in decorators
        fields, parameters = _parameters(node.args, skip=bound)
        returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        kind = "property" if decorators & {"property", "cached_property"} else "method" if in_class else "function"
        prefix = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
        signature = (
            f"{node.name}{returned.replace(' ->', ':')}"
            if kind == "property"
            else prefix + _signature(node.name, fields) + returned
        )
    return DocumentedItem(
        name,
        home,
        kind,
        _plain_quotes(signature),
        read_docstring(ast.get_docstring(node) or ""),
        path.relative_to(root).as_posix() if path.is_relative_to(root) else "",
        _file(path, root),
        min([node.lineno, *(each.lineno for each in node.decorator_list)]),
        node.end_lineno or node.lineno,
        parameters,
        tuple(members),
    )


def _is_setter(node: _Function) -> bool:
    return any(isinstance(each, ast.Attribute) and each.attr in {"setter", "deleter"} for each in node.decorator_list)


def _constructor(node: ast.ClassDef, decorators: set[str]) -> tuple[list[str], tuple[str, ...]]:
    """What a class is called with, as text and by name: the arguments of ``__init__``, or the fields of a record."""
    for each in node.body:
        if isinstance(each, _Function) and each.name == "__init__":
            return _parameters(each.args, skip=True)
    bases = {ast.unparse(base).rpartition(".")[2].partition("[")[0] for base in node.bases}
    if "dataclass" not in decorators and not bases & _RECORDS:
        return [], ()
    fields, names = [], []
    for each in node.body:
        if not isinstance(each, ast.AnnAssign) or not isinstance(each.target, ast.Name):
            continue
        kind, named = ast.unparse(each.annotation), each.target.id
        if kind.partition("[")[0].rpartition(".")[2] == "ClassVar" or named.startswith("_"):
            continue
        fields.append(f"{named}: {kind}{_default(each.value)}")
        names.append(named)
    return fields, tuple(names)


def _default(value: ast.expr | None) -> str:
    """The default of a field as text; what a factory makes is not spelt out."""
    if value is None:
        return ""
    if isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] == "field":
        known: Mapping[str | None, ast.expr] = {each.arg: each.value for each in value.keywords}
        if "default" in known:
            return f" = {ast.unparse(known['default'])}"
        return " = ..." if "default_factory" in known else ""
    return f" = {ast.unparse(value)}"


def _parameters(arguments: ast.arguments, *, skip: bool) -> tuple[list[str], tuple[str, ...]]:
    """The parameters as text, with ``/`` and ``*`` between them, and their names; *skip* leaves the first out."""
    positional = [*arguments.posonlyargs, *arguments.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    texts, names = [], []
    for number, (each, value) in enumerate(zip(positional, [*missing, *arguments.defaults], strict=True)):
        if number or not skip:
            texts.append(_parameter(each, value))
            names.append(each.arg)
        if number + 1 == len(arguments.posonlyargs):
            texts.append("/")
    if arguments.vararg or arguments.kwonlyargs:
        texts.append(f"*{_parameter(arguments.vararg, None)}" if arguments.vararg else "*")
    names += [f"*{arguments.vararg.arg}"] if arguments.vararg else []
    for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        texts.append(_parameter(each, default))
        names.append(each.arg)
    if arguments.kwarg:
        texts.append(f"**{_parameter(arguments.kwarg, None)}")
        names.append(f"**{arguments.kwarg.arg}")
    return texts, tuple(names)


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    kind = f": {ast.unparse(argument.annotation)}" if argument.annotation else ""
    value = "" if default is None else f" = {ast.unparse(default)}" if kind else f"={ast.unparse(default)}"
    return f"{argument.arg}{kind}{value}"


def _signature(name: str, parameters: Sequence[str]) -> str:
    """In one line if it is short, else a parameter a line."""
    line = f"{name}({', '.join(parameters)})"
    if len(line) <= _WIDEST or not parameters:
        return line
    return "\n".join([f"{name}(", *(f"    {each}," for each in parameters), ")"])


_SINGLE = re.compile(r"'([^'\"\\\n]*)'")


def _plain_quotes(signature: str) -> str:
    """Texts in double quotes, as sources have them; ``ast`` writes single ones."""
    return _SINGLE.sub(r'"\1"', signature)
