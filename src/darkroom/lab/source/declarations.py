"""The rules of declarations, which are read from source: experiments, their figures and their metrics.

The decorators of ``declare`` and the plan both use this module, so they cannot disagree.
"""

from __future__ import annotations

import ast
import copy
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from darkroom.core.errors import DeclarationError, nearest
from darkroom.lab.source.declared import DeclaredDrawing, DeclaredExperiment, Parameter
from darkroom.lab.source.edges import KINDS, AnyEdge

DEVICES = ("cpu", "gpu")
_HOMES = frozenset({"darkroom.lab", "darkroom.lab.declare"})
_SCALARS = ("int", "float", "bool", "str", "None")
_DRAWINGS = frozenset({"figure", "metric"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
MISSING = object()
_RESULT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

# What an option counts as whose fault has been reported, so that no other fault follows from it.
_STAND_INS: Mapping[str, Any] = {
    "device": "cpu",
    "minutes": 1,
    "gpu_minutes": 1,
    "results": [],
    "temporary": [],
    "caption": "?",
    "alt": "?",
}

Literal = None | bool | int | float | str | list[Any]


@dataclass(frozen=True)
class Found:
    """A declaration with the functions that it was read from, by name.

    The functions are without what is hashed elsewhere: decorators of declaration, and defaults.
    """

    declared: DeclaredExperiment
    functions: Mapping[str, ast.FunctionDef]


def read(tree: ast.Module, imports: Mapping[str, list[str]], path: str) -> list[Found]:
    """Every experiment that a module declares, in the order of its source.

    Args:
        tree: the module.
        imports: what its names are bound to by import, as in ``scan``.
        path: how messages name the file.

    Raises:
        DeclarationError: rules are broken; one line for each, opening with ``path:line:column``.
    """
    reader = _Reader(imports, path)
    found = reader.read(tree)
    if reader.faults:
        raise DeclarationError("\n".join(dict.fromkeys(reader.faults)))
    return found


class _Fault(Exception):
    pass


class _Reader:
    def __init__(self, imports: Mapping[str, list[str]], path: str) -> None:
        self.imports, self.path = imports, path
        self.faults: list[str] = []

    def read(self, tree: ast.Module) -> list[Found]:
        experiments: dict[str, tuple[ast.FunctionDef, ast.expr]] = {}
        drawings: list[tuple[ast.FunctionDef, ast.expr, str, str]] = []
        for node in ast.walk(tree):
            if not isinstance(node, _FUNCTIONS):
                continue
            for decorator in node.decorator_list:
                with _collecting(self.faults):
                    self._sort(tree, node, decorator, experiments, drawings)
        owned: dict[str, list[tuple[ast.FunctionDef, ast.expr, str]]] = {name: [] for name in experiments}
        for node, decorator, owner, kind in drawings:
            with _collecting(self.faults):
                self._own(owned, node, decorator, owner, kind)
        found: list[Found] = []
        for node, decorator in experiments.values():
            known = len(self.faults)
            experiment = self._experiment(node, decorator, owned)
            if len(self.faults) == known:
                found.append(experiment)
        return found

    def fault(self, node: ast.AST, message: str) -> _Fault:
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
        return _Fault(f"{self.path}:{line}:{column}: {message}")

    def report(self, node: ast.AST, message: str) -> None:
        """Add a fault at a place, and go on."""
        self.faults.append(str(self.fault(node, message)))

    def lab_name(self, node: ast.expr) -> str:
        """``experiment`` where *node* is the name by which this module knows ``darkroom.lab.experiment``, else empty."""
        chain = dotted(node)
        root, _, rest = chain.partition(".")
        for target in self.imports.get(root, ()):
            module, _, name = target.partition(":")
            full = ".".join(part for part in (module, name, rest) if part)
            home, _, last = full.rpartition(".")
            if home in _HOMES:
                return last
        return ""

    def _sort(
        self,
        tree: ast.Module,
        node: ast.FunctionDef | ast.AsyncFunctionDef,
        decorator: ast.expr,
        experiments: dict[str, tuple[ast.FunctionDef, ast.expr]],
        drawings: list[tuple[ast.FunctionDef, ast.expr, str, str]],
    ) -> None:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        kind = target.attr if isinstance(target, ast.Attribute) else ""
        if self.lab_name(target) == "experiment":
            self._plain(tree, node, node.decorator_list[:1], decorator, "experiment")
            if node.name in experiments:
                raise self.fault(node, f"there are two experiments named {node.name!r}; rename one")
            experiments[node.name] = (node, decorator)  # type: ignore[assignment]
        elif kind in _DRAWINGS and isinstance(target, ast.Attribute):
            owner = dotted(target.value)
            if owner in experiments:
                self._plain(tree, node, _declaring(node, experiments), decorator, kind)
                drawings.append((node, decorator, owner, kind))  # type: ignore[arg-type]
            elif owner and "." not in owner:
                self._foreign(decorator, owner, kind, experiments)

    def _foreign(self, decorator: ast.expr, owner: str, kind: str, experiments: Mapping[str, object]) -> None:
        """Refuse a figure of anything but an experiment of this file; imports from outside are ignored."""
        targets = self.imports.get(owner, ())
        if any(not target.startswith("experiments.") for target in targets):
            return
        where = "another file's experiment" if targets else "not an experiment of this file"
        offer = nearest(owner, experiments) or f"; declare the {kind} in the file of its experiment"
        raise self.fault(decorator, f"{owner!r} is {where}{offer}")

    def _plain(
        self,
        tree: ast.Module,
        node: ast.FunctionDef | ast.AsyncFunctionDef,
        head: Collection[ast.expr],
        decorator: ast.expr,
        kind: str,
    ) -> None:
        """Refuse anything but a plain function, and a declaration that is not in the *head* of its decorators."""
        if isinstance(node, ast.AsyncFunctionDef) or node not in tree.body:
            raise self.fault(
                node, f"{kind} {node.name!r} must be a plain function at the top level of its file; move it"
            )
        if decorator not in head:
            raise self.fault(decorator, f"@{kind} must be the first decorator of {node.name!r}; move it up")

    def _own(
        self,
        owned: dict[str, list[tuple[ast.FunctionDef, ast.expr, str]]],
        node: ast.FunctionDef,
        decorator: ast.expr,
        owner: str,
        kind: str,
    ) -> None:
        """Add a figure or metric; one function may belong to several experiments, once to each."""
        if any(each is node for each, _, _ in owned[owner]):
            raise self.fault(decorator, f"{node.name!r} is declared for {owner!r} twice; remove one")
        taken = {each.name for others in owned.values() for each, _, _ in others if each is not node}
        if node.name in taken or node.name in owned:
            raise self.fault(node, f"the name {node.name!r} is already used in this file; rename the {kind}")
        owned[owner].append((node, decorator, kind))

    def _experiment(
        self,
        node: ast.FunctionDef,
        decorator: ast.expr,
        owned: Mapping[str, list[tuple[ast.FunctionDef, ast.expr, str]]],
    ) -> Found:
        drawings = owned[node.name]
        options = self._options(decorator, ("device", "minutes", "gpu_minutes", "results", "temporary"))
        device = options.get("device", (decorator, "cpu"))
        if device[1] not in DEVICES:
            self.report(device[0], f'unknown device={device[1]!r}; write device="cpu" or device="gpu"')
        minutes = self._minutes("minutes", options.get("minutes", (decorator, 1)))
        on_gpu = self._minutes("gpu_minutes", options.get("gpu_minutes", (decorator, minutes)))
        edges, parameters, run_parameter = self._signature(node, "run")
        declared = DeclaredExperiment(
            name=node.name,
            line=node.lineno,
            summary=self._summary(node),
            device=str(device[1]),
            minutes=minutes,
            gpu_minutes=on_gpu,
            results=self._results("results", *options.get("results", (decorator, []))),
            temporary=self._results("temporary", *options.get("temporary", (decorator, []))),
            has_code=_has_code(node),
            run_parameter=run_parameter,
            edges=edges,
            parameters=parameters,
            figures=[self._drawing(*each) for each in drawings if each[2] == "figure"],
            metrics=[self._drawing(*each) for each in drawings if each[2] == "metric"],
        )
        functions = {each.name: _stripped(each, len(_declaring(each, owned))) for each, *_ in drawings}
        return Found(declared, {node.name: _stripped(node, 1), **functions})

    def _minutes(self, name: str, given: tuple[ast.AST, Any]) -> float:
        """A rough cost as it was given."""
        place, value = given
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
            self.report(place, f"{name} must be a number, the rough cost in minutes; write {name}=2")
            return 0.0
        return float(value)

    def _results(self, option: str, place: ast.AST, value: Any) -> list[str]:
        """The names of results that an option lists."""
        names = value if isinstance(value, list) else []
        if names != value or not all(isinstance(each, str) and _RESULT.fullmatch(each) for each in names):
            self.report(place, f'{option} must be a tuple of names of results; write {option}=("weights",)')
            return []
        if twice := [each for each in dict.fromkeys(names) if names.count(each) > 1]:
            self.report(place, f"{option} names {', '.join(map(repr, twice))} twice; remove one")
        return names

    def _drawing(self, node: ast.FunctionDef, decorator: ast.expr, kind: str) -> DeclaredDrawing:
        edges, parameters, first = self._signature(node, "results")
        if not first:
            self.report(node, f"{kind} {node.name!r} takes no results; write def {node.name}(results: Results)")
        texts = {"caption": "", "alt": ""}
        if kind == "figure":
            options = self._options(decorator, tuple(texts))
            texts = {name: self._text(options, name, decorator, node.name) for name in texts}
        elif isinstance(decorator, ast.Call) and (decorator.args or decorator.keywords):
            self.report(decorator, f"a metric takes no options; write @{dotted(decorator.func)}")
        line = node.lineno if decorator is node.decorator_list[-1] else decorator.lineno
        return DeclaredDrawing(name=node.name, line=line, edges=edges, parameters=parameters, **texts)

    def _text(self, options: dict[str, tuple[ast.AST, Any]], name: str, decorator: ast.expr, figure: str) -> str:
        where, value = options.get(name, (decorator, ""))
        if not isinstance(value, str) or not value.strip():
            hint = {"alt": 'alt="What the picture shows."', "caption": 'caption="What to see."'}
            self.report(where, f"figure {figure!r} has no {name} text; write {hint[name]}")
            return ""
        return value

    def _options(self, decorator: ast.expr, known: tuple[str, ...]) -> dict[str, tuple[ast.AST, Any]]:
        if not isinstance(decorator, ast.Call):
            return {}
        found: dict[str, tuple[ast.AST, Any]] = {}
        for given in decorator.args:
            self.report(given, f"an option needs its name; write {known[0]}=...")
            found |= {name: (given, _STAND_INS[name]) for name in known}
        for keyword in decorator.keywords:
            value = literal(keyword.value)
            if keyword.arg not in known:
                offer = nearest(str(keyword.arg), known)
                self.report(keyword.value, f"unknown option {keyword.arg!r}{offer}; known: {', '.join(known)}")
            elif value is MISSING:
                self.report(
                    keyword.value, f"{keyword.arg} must be a literal, since it is read without running the file"
                )
                found[keyword.arg] = (keyword.value, _STAND_INS[keyword.arg])
            else:
                found[keyword.arg] = (keyword.value, value)
        return found

    def _summary(self, node: ast.FunctionDef) -> str:
        docstring = ast.get_docstring(node)
        if not docstring or not docstring.strip():
            self.report(node, f'experiment {node.name!r} has no docstring; begin it with """What it shows."""')
            return ""
        return " ".join(docstring.strip().split("\n\n")[0].split())

    def _signature(self, node: ast.FunctionDef, first: str) -> tuple[list[AnyEdge], list[Parameter], str]:
        arguments = node.args
        if arguments.vararg or arguments.kwarg or arguments.posonlyargs:
            self.report(node, f"{node.name!r} takes *args, **kwargs or /; name every input and parameter instead")
            return [], [], first
        without = len(arguments.args) - len(arguments.defaults)
        for each in arguments.args[1 if without else 0 : without]:
            self.report(each, self._unbound(each.arg, first))
        first = arguments.args[0].arg if without else ""
        edges, parameters = list[AnyEdge](), list[Parameter]()
        for each, default in zip(arguments.args[without:], arguments.defaults, strict=True):
            with _collecting(self.faults):
                edges.append(self._edge(each, default))
        for each, named in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            with _collecting(self.faults):
                parameters.append(self._parameter(each, named))
        return edges, parameters, first

    def _unbound(self, name: str, first: str) -> str:
        return (
            f"parameter {name!r} has no default (only the first, {first!r}, may have none); "
            f"write {name}: Results = upstream(...), or a literal after *, such as {name}: int = 1"
        )

    def _edge(self, argument: ast.arg, default: ast.expr) -> AnyEdge:
        kind = KINDS.get(self.lab_name(default.func)) if isinstance(default, ast.Call) else None
        if kind is None:
            raise self.fault(default, self._not_an_edge(argument, default))
        assert isinstance(default, ast.Call)
        given = {keyword.arg or "": keyword.value for keyword in default.keywords}
        if len(default.args) != 1 or set(given) - set(kind.options):
            raise self.fault(default, f"{kind.word} takes one name; write {kind.example}")
        options = {name: literal(node) for name, node in given.items()}
        for name, value in options.items():
            if not isinstance(value, str) or not value:
                raise self.fault(default, f"the {name} of {kind.word} must be a literal text; write {kind.example}")
        target = self._target(kind, default.args[0])
        line, column = default.lineno, default.col_offset + 1
        return kind(parameter=argument.arg, target=target, line=line, column=column, **options)

    def _target(self, kind: type[AnyEdge], node: ast.expr) -> str:
        if kind.takes_name:
            if not dotted(node):
                raise self.fault(node, f"{kind.word} takes the experiment itself; write {kind.example}")
            return dotted(node)
        value = literal(node)
        if not isinstance(value, str) or not value:
            raise self.fault(node, f"{kind.word} takes a literal text; write {kind.example}")
        if wrong := kind.refuse(value):
            raise self.fault(node, wrong)
        return value

    def _not_an_edge(self, argument: ast.arg, default: ast.expr) -> str:
        name = argument.arg
        if isinstance(default, ast.Call) and dotted(default.func):
            called = dotted(default.func)
            return (
                f"unknown input {called!r}{nearest(called, KINDS)}; write {name} = upstream(experiment), "
                f'dataset("mnist"), asset("images/cat.png") or weights("stage_1"), imported from darkroom.lab'
            )
        return f"{name!r} is not an input; write parameters after a *, as in (*, {name}: {_guess(default)} = ...)"

    def _parameter(self, argument: ast.arg, default: ast.expr | None) -> Parameter:
        name = argument.arg
        if default is None:
            raise self.fault(argument, f"parameter {name!r} has no default; write a literal such as {name}: int = 1")
        if isinstance(default, ast.Call) and self.lab_name(default.func) in KINDS:
            raise self.fault(default, f"{name!r} is an input; move it before the *")
        value = self._value(name, default)
        if argument.annotation is None:
            raise self.fault(argument, f"parameter {name!r} has no annotation; write {name}: {_guess(default)}")
        annotation = _unquoted(argument.annotation)
        try:
            fits = conforms(value, annotation)
        except ValueError as error:
            raise self.fault(
                argument.annotation, f"{error}; write int, float, bool, str, None, tuple[...] or | of them"
            ) from None
        if not fits:
            raise self.fault(
                default, f"the default of {name!r} does not fit {ast.unparse(annotation)}; change one of them"
            )
        return Parameter(name, value, ast.unparse(annotation))

    def _value(self, name: str, node: ast.expr) -> Literal:
        if isinstance(node, (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)):
            raise self.fault(node, f"the default of {name!r} is mutable; write a tuple, such as (0.0, 1.0)")
        value = literal(node)
        if value is MISSING:
            raise self.fault(
                node, f"the default of {name!r} is not a literal; write the value itself, such as {name} = 20"
            )
        if not _is_finite(value):
            raise self.fault(node, f"the default of {name!r} is not finite; write a number")
        return value  # type: ignore[no-any-return]


def _declaring(node: ast.FunctionDef | ast.AsyncFunctionDef, owners: Collection[str]) -> list[ast.expr]:
    """The decorators at the head of a function that declare a figure or a metric of one of *owners*."""

    def declares(decorator: ast.expr) -> bool:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        return isinstance(target, ast.Attribute) and target.attr in _DRAWINGS and dotted(target.value) in owners

    return list(takewhile(declares, node.decorator_list))


def _has_code(node: ast.FunctionDef) -> bool:
    """Whether a function has code: more than a docstring, ``...`` and ``pass``, and to raise NotImplementedError."""
    rest = [each for each in node.body if not _says_nothing(each)]
    return bool(rest) and not (len(rest) == 1 and _raises_not_implemented(rest[0]))


def _says_nothing(statement: ast.stmt) -> bool:
    """Whether it is a docstring, ``...`` or ``pass``."""
    is_constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return is_constant or isinstance(statement, ast.Pass)


def _raises_not_implemented(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.Raise) or statement.exc is None:
        return False
    raised = statement.exc
    return dotted(raised.func if isinstance(raised, ast.Call) else raised) == "NotImplementedError"


def _stripped(node: ast.FunctionDef, decorators: int) -> ast.FunctionDef:
    """A function without its first *decorators*, and without defaults."""
    bare = copy.copy(node)
    bare.args = copy.copy(node.args)
    bare.args.defaults = []
    bare.args.kw_defaults = []
    bare.decorator_list = node.decorator_list[decorators:]
    return bare


class _collecting:  # noqa: N801  reads as a statement
    """Add a fault to a list and go on, so that every fault of a file is reported at once."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, _Fault):
            self.faults.append(str(error))
            return True
        return False


def dotted(node: ast.expr) -> str:
    """``a.b.c`` for a chain of names, empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def literal(node: ast.expr) -> Any:
    """The value of a literal with tuples as lists, or a marker if it is not a literal."""
    if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, (bool, int, float, str))):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        value = literal(node.operand)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.Tuple):
        values = [literal(each) for each in node.elts]
        return MISSING if any(each is MISSING for each in values) else values
    return MISSING


def conforms(value: object, annotation: ast.expr) -> bool:
    """Whether a literal fits an annotation; an int fits ``float``.

    Raises:
        ValueError: parameters may not have this annotation.
    """
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        sides = [conforms(value, side) for side in (annotation.left, annotation.right)]
        return any(sides)
    if isinstance(annotation, ast.Subscript) and dotted(annotation.value) == "tuple":
        return _conforms_tuple(value, annotation.slice)
    if isinstance(annotation, ast.Subscript) and dotted(annotation.value).rpartition(".")[2] == "Literal":
        choices = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        return any(type(literal(each)) is type(value) and literal(each) == value for each in choices)
    name = "None" if isinstance(annotation, ast.Constant) and annotation.value is None else dotted(annotation)
    if name not in _SCALARS:
        raise ValueError(f"parameters cannot have the annotation {ast.unparse(annotation)!r}")
    return _is_a(value, name)


def _conforms_tuple(value: object, items: ast.expr) -> bool:
    kinds = items.elts if isinstance(items, ast.Tuple) else [items]
    if len(kinds) == 2 and isinstance(kinds[1], ast.Constant) and kinds[1].value is Ellipsis:
        fits = [conforms(each, kinds[0]) for each in (value if isinstance(value, list) else [None])]
        return isinstance(value, list) and all(fits)
    if not isinstance(value, list) or len(value) != len(kinds):
        return False
    return all(conforms(each, kind) for each, kind in zip(value, kinds, strict=True))


def _is_a(value: object, name: str) -> bool:
    if name == "None":
        return value is None
    if isinstance(value, bool):
        return name == "bool"
    kinds: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,), "bool": ()}
    return isinstance(value, kinds[name])


def _is_finite(value: object) -> bool:
    if isinstance(value, list):
        return all(_is_finite(each) for each in value)
    return not isinstance(value, float) or math.isfinite(value)


def _unquoted(annotation: ast.expr) -> ast.expr:
    """An annotation written as a string, parsed."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return ast.parse(annotation.value, mode="eval").body
    return annotation


def _guess(default: ast.expr) -> str:
    value = literal(default)
    if isinstance(value, list):
        kinds = sorted({_guess_one(each) for each in value}) or ["int"]
        return f"tuple[{' | '.join(kinds)}, ...]"
    return _guess_one(value) if value is not MISSING else "int"


def _guess_one(value: object) -> str:
    return "None" if value is None else type(value).__name__
