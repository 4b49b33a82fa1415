"""One module's source, read without importing it: its symbols, their references, and its declarations.

The record depends on the file's text and the module's name alone, is plain JSON, and is cached by content. An import is
written ``module:name`` (``module:`` for the module itself).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from darkroom.core.errors import DeclarationError
from darkroom.lab.source import canonical, declarations

LAB = "darkroom.lab"
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_OWN_MODULE = frozenset({"globals", "vars", "eval", "exec"})


def module_record(source: str | bytes, module: str, path: str, *, package: bool = False) -> dict[str, Any]:
    """The record of a module.

    Args:
        source: its text, or its bytes as they stand on disk.
        module: its dotted name.
        path: how messages name the file.
        package: whether it is the ``__init__`` of a package.

    Raises:
        DeclarationError: the text is not Python, or an experiment in it breaks a rule.
    """
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _DEEPEST))  # a sum of two thousand terms is nested two thousand deep
    try:
        return _Module(_parsed(source, path), module, path, package).record()
    except (RecursionError, MemoryError):
        raise DeclarationError(f"{path}:1:1: an expression is nested too deeply; split it") from None
    finally:
        sys.setrecursionlimit(before)


_DEEPEST = 12_000


def _parsed(source: str | bytes, path: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError) as error:  # a null byte is a ValueError
        where = f"{path}:{getattr(error, 'lineno', None) or 1}:{max(getattr(error, 'offset', None) or 1, 1)}"
        said = getattr(error, "msg", str(error))
        if "int_max_str_digits" in said:
            raise DeclarationError(f"{where}: a number has more digits than Python can read; compute it") from None
        raise DeclarationError(f"{where}: not valid Python: {said}; fix the syntax") from None


@dataclass
class _References:
    """What a piece of code refers to."""

    names: set[str] = field(default_factory=set)  # dotted chains from a name of the module
    targets: set[str] = field(default_factory=set)  # "module:dotted.chain" from an import within a function
    loads: set[str] = field(default_factory=set)  # modules imported within a function
    flags: set[str] = field(
        default_factory=set
    )  # "module": reads its own module by name; "all": imports by computed name

    def record(self, nodes: Iterable[ast.AST]) -> dict[str, Any]:
        written = {
            "digest": canonical.digest(canonical.text(nodes)),
            "names": sorted(self.names),
            "targets": sorted(self.targets),
            "loads": sorted(self.loads),
            "flags": sorted(self.flags),
        }
        return {name: value for name, value in written.items() if value}


class _Module:
    def __init__(self, tree: ast.Module, module: str, path: str, package: bool) -> None:
        self.tree, self.module, self.path = tree, module, path
        self.package = module if package else module.rpartition(".")[0]
        self.symbols: dict[str, list[ast.stmt]] = {}
        self.imports: dict[str, list[str]] = {}
        self.effects: list[ast.stmt] = []
        self.loads: set[str] = set()
        self.stars: set[str] = set()

    def record(self) -> dict[str, Any]:
        self._collect(self.tree.body, effect=False)
        found = declarations.read(self.tree, self.imports, self.path)
        bodies = {name: node for each in found for name, node in each.functions.items()}
        written = {
            "whole": canonical.digest(canonical.text(self.tree.body)),
            "symbols": {name: self._symbol(nodes) for name, nodes in self.symbols.items()},
            "bodies": {name: self._symbol([node]) for name, node in bodies.items()},
            "effects": self._symbol(self.effects) if self.effects else {},
            "imports": self.imports,
            "loads": sorted(self.loads),
            "stars": sorted(self.stars),
            "experiments": [msgspec.to_builtins(each.declared) for each in found],
        }
        return {name: value for name, value in written.items() if value}

    def _symbol(self, nodes: list[ast.stmt]) -> dict[str, Any]:
        references = _References()
        reader = _Reader(references, self.package)
        for node in nodes:
            reader.visit(node, ())
        return references.record(nodes)

    def _collect(self, body: list[ast.stmt], *, effect: bool) -> None:
        for node in body:
            if canonical.is_noise(node):
                continue
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self._import(node)
            elif isinstance(node, ast.If) and _is_never_run(node.test):
                self._collect(node.orelse, effect=effect)
            else:
                self._define(node, effect)

    def _define(self, node: ast.stmt, effect: bool) -> None:
        """Record what a statement binds; a statement that does more than bind is an effect of its module."""
        names = _bound_by(node)
        for name in names:
            self.symbols.setdefault(name, []).append(node)
        if not effect and _has_effect(node, names):
            self.effects.append(node)
        for inner in _statements(node):
            if isinstance(inner, (ast.Import, ast.ImportFrom)):
                self._import(inner)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for name, target in import_bindings(node, self.package):
            module = target.partition(":")[0]
            self.loads.add(module)
            if name == "*":
                self.stars.add(module)
            elif name:
                self.imports.setdefault(name, []).append(target)


def import_bindings(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, str]]:
    """The (name, target) pairs that an import statement binds; a pair without name only loads a module."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.asname:
                yield alias.asname, f"{alias.name}:"
            else:
                yield alias.name.partition(".")[0], f"{alias.name.partition('.')[0]}:"
                yield "", f"{alias.name}:"
        return
    base = _base(node, package)
    if base == "__future__":
        return
    for alias in node.names:
        yield alias.asname or alias.name, f"{base}:{alias.name}"


def _base(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    parts = parts[: len(parts) - (node.level - 1)]
    return ".".join([*parts, node.module] if node.module else parts)


def _is_never_run(test: ast.expr) -> bool:
    """Whether an ``if`` is for type checkers, or for running the file as a script."""
    if isinstance(test, ast.Compare):
        return isinstance(test.left, ast.Name) and test.left.id == "__name__"
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"


def _statements(node: ast.stmt) -> Iterator[ast.stmt]:
    """The statements inside a compound statement, at module level: not those of functions and classes."""
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
            yield from _statements(child)
        elif isinstance(child, (ast.ExceptHandler, ast.match_case)):
            for inner in child.body:
                yield inner
                yield from _statements(inner)


def _has_effect(node: ast.stmt, names: set[str]) -> bool:
    if isinstance(node, _FUNCTIONS):
        return any(_registers(each, canonical.PLAIN_DECORATORS) for each in node.decorator_list)
    if isinstance(node, ast.ClassDef):
        return bool(node.keywords) or any(_registers(each, canonical.CLASS_DECORATORS) for each in node.decorator_list)
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return names == {"_"} or not all(_is_plain_target(each) for each in targets)
    return type(node).__name__ != "TypeAlias"


def _registers(decorator: ast.expr, plain: frozenset[str]) -> bool:
    name = canonical.decorator_name(decorator)
    return name not in plain and name not in {"experiment", "figure", "metric"}


def _is_plain_target(node: ast.expr) -> bool:
    if isinstance(node, (ast.Tuple, ast.List)):
        return all(_is_plain_target(each) for each in node.elts)
    return isinstance(node, ast.Name) or (isinstance(node, ast.Starred) and _is_plain_target(node.value))


def _bound_by(node: ast.stmt) -> set[str]:
    """Every name that a statement of the module binds there, imports aside."""
    collector = _Bindings("")
    collector.visit(node)
    return collector.plain


class _Bindings:
    """Names bound in one scope: plain ones, and imported ones with their targets."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.plain: set[str] = set()
        self.imported: dict[str, set[str]] = {}
        self.elsewhere: set[str] = set()  # declared global or nonlocal

    def visit(self, node: ast.AST) -> None:
        """Record what *node* binds in its scope."""
        match node:
            case ast.Name(ctx=ast.Store() | ast.Del()):
                self.plain.add(node.id)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.plain.add(node.name)
                self._all([*node.decorator_list, *node.args.defaults])
            case ast.ClassDef():
                self.plain.add(node.name)
                self._all([*node.decorator_list, *node.bases])
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self._all(each.target for each in ast.walk(node) if isinstance(each, ast.NamedExpr))
            case ast.Import() | ast.ImportFrom():
                self._import(node)
            case ast.Global() | ast.Nonlocal():
                self.elsewhere.update(node.names)
            case ast.Lambda():
                pass  # a scope of its own
            case _:
                name = _captured(node)
                self.plain.update({name} if name else ())
                self._all(ast.iter_child_nodes(node))

    def _all(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for name, target in import_bindings(node, self.package):
            if name and name != "*":
                self.imported.setdefault(name, set()).add(target)


def _captured(node: ast.AST) -> str | None:
    """The name that an except clause or a pattern binds, if it binds one."""
    if isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
        return node.name
    return node.rest if isinstance(node, ast.MatchMapping) else None


@dataclass(frozen=True)
class _Scope:
    plain: frozenset[str]
    imported: dict[str, set[str]]

    def binds(self, name: str) -> bool:
        return name in self.plain or name in self.imported


class _Reader:
    """Walks code and adds to *references* every name that is not bound in the functions around it."""

    def __init__(self, references: _References, package: str) -> None:
        self.references, self.package = references, package

    def visit(self, node: ast.AST | None, scopes: tuple[_Scope, ...]) -> None:
        """Read a node that stands within these functions' scopes, outermost first."""
        read = _READERS.get(type(node))
        if read:
            read(self, node, scopes)
        elif node is not None:
            self._all(ast.iter_child_nodes(node), scopes)

    def _all(self, nodes: Iterable[ast.AST | None], scopes: tuple[_Scope, ...]) -> None:
        for node in nodes:
            self.visit(node, scopes)

    def _read(self, node: ast.Name, scopes: tuple[_Scope, ...]) -> None:
        if isinstance(node.ctx, ast.Load):
            self._name(node.id, [], scopes)

    def _chain(self, node: ast.Attribute, scopes: tuple[_Scope, ...]) -> None:
        names: list[str] = []
        root: ast.expr = node
        while isinstance(root, ast.Attribute):
            names.append(root.attr)
            root = root.value
        if isinstance(root, ast.Name):
            self._name(root.id, names[::-1], scopes)
        else:
            self.visit(root, scopes)

    def _global(self, node: ast.Global, scopes: tuple[_Scope, ...]) -> None:
        self.references.names.update(node.names)

    def _augmented(self, node: ast.AugAssign, scopes: tuple[_Scope, ...]) -> None:
        if isinstance(node.target, ast.Name):
            self._name(node.target.id, [], scopes)
        self._all([node.target, node.value], scopes)

    def _annotated(self, node: ast.AnnAssign, scopes: tuple[_Scope, ...]) -> None:
        self._all([node.target, node.value, *([] if scopes else [node.annotation])], scopes)

    def _call(self, node: ast.Call, scopes: tuple[_Scope, ...]) -> None:
        module = _literal_import(node)
        if not module:
            self._all(ast.iter_child_nodes(node), scopes)
            return
        self.references.targets.add(f"{module}:")
        self.references.loads.add(module)

    def _name(self, root: str, rest: list[str], scopes: tuple[_Scope, ...]) -> None:
        scope = next((each for each in reversed(scopes) if each.binds(root)), None)
        if scope is None:
            self.references.names.add(".".join([root, *rest]))
            if root in _OWN_MODULE:
                self.references.flags.add("module")
            if root == "__import__":
                self.references.flags.add("all")
            return
        for target in scope.imported.get(root, ()):
            module, _, name = target.partition(":")
            self.references.targets.add(f"{module}:{'.'.join([name, *rest] if name else rest)}")

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scopes: tuple[_Scope, ...]) -> None:
        self._all([*node.decorator_list, *node.args.defaults, *node.args.kw_defaults], scopes)
        if canonical.keeps_annotations(node):
            self._all([*(each.annotation for each in _arguments(node.args)), node.returns], scopes)
        self._body(node.body, node.args, scopes)

    def _lambda(self, node: ast.Lambda, scopes: tuple[_Scope, ...]) -> None:
        self._all([*node.args.defaults, *node.args.kw_defaults], scopes)
        self._body([node.body], node.args, scopes)

    def _body(self, body: Iterable[ast.AST], arguments: ast.arguments, scopes: tuple[_Scope, ...]) -> None:
        nodes = list(body)
        inner = (*scopes, self._scope(nodes, {each.arg for each in _arguments(arguments)}))
        self._all(nodes, inner)

    def _scope(self, nodes: Iterable[ast.AST], names: set[str]) -> _Scope:
        collector = _Bindings(self.package)
        for node in nodes:
            collector.visit(node)
        imported = {name: found for name, found in collector.imported.items() if name not in collector.elsewhere}
        return _Scope(frozenset((collector.plain - collector.elsewhere) | names), imported)

    def _comprehension(self, node: ast.AST, scopes: tuple[_Scope, ...]) -> None:
        generators: list[ast.comprehension] = node.generators  # type: ignore[attr-defined]
        self.visit(generators[0].iter, scopes)
        inner = (*scopes, self._scope([each.target for each in generators], set()))
        for position, each in enumerate(generators):
            self._all([each.target, *each.ifs, *([each.iter] if position else [])], inner)
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]  # type: ignore[attr-defined]
        self._all(results, inner)

    def _class(self, node: ast.ClassDef, scopes: tuple[_Scope, ...]) -> None:
        """Read a class, whose body resolves names in the module; modules that it imports count as a whole."""
        for each in node.body:
            if isinstance(each, (ast.Import, ast.ImportFrom)):
                self._import(each, None)
        self._all([*node.decorator_list, *node.bases, *node.keywords, *node.body], scopes)

    def _import(self, node: ast.Import | ast.ImportFrom, scopes: tuple[_Scope, ...] | None) -> None:
        for name, target in import_bindings(node, self.package):
            module = target.partition(":")[0]
            self.references.loads.add(module)
            if scopes is None or name == "*":
                self.references.targets.add(target.replace("*", ""))


_READERS: dict[type, Callable[[_Reader, Any, tuple[_Scope, ...]], None]] = {
    ast.Name: _Reader._read,
    ast.Attribute: _Reader._chain,
    ast.FunctionDef: _Reader._function,
    ast.AsyncFunctionDef: _Reader._function,
    ast.Lambda: _Reader._lambda,
    ast.ClassDef: _Reader._class,
    ast.Import: _Reader._import,
    ast.ImportFrom: _Reader._import,
    ast.Global: _Reader._global,
    ast.AugAssign: _Reader._augmented,
    ast.AnnAssign: _Reader._annotated,
    ast.Call: _Reader._call,
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp), _Reader._comprehension),
}


def _literal_import(node: ast.Call) -> str:
    """``a.b`` for a call ``import_module("a.b")`` with a literal absolute name, else empty."""
    if len(node.args) != 1 or node.keywords:
        return ""
    literal = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
    named = canonical.decorator_name(node) == "import_module" and isinstance(literal, str)
    return str(literal) if named and not str(literal).startswith(".") else ""


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    optional = [each for each in (arguments.vararg, arguments.kwarg) if each]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *optional]
