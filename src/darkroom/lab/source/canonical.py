"""Source code as canonical text, from which digests of code are computed.

Equal for sources that differ only in comments, docstrings, blank lines or layout, and equal on Python 3.11 to 3.14.
A node is written as its class and its non-empty fields in alphabetical order; fields that only some versions of ``ast``
have, such as ``type_params``, are left out, and f-strings are normalised.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable

# Decorators that neither register what they decorate nor read its annotations. Any other one counts as an effect.
PLAIN_DECORATORS = frozenset(
    "abstractmethod cache cached_property classmethod contextmanager final inference_mode lru_cache no_grad "  # noqa: SIM905
    "overload override property setter staticmethod total_ordering wraps".split()
)
CLASS_DECORATORS = frozenset({"dataclass", "final", "total_ordering", "runtime_checkable", "unique"})
_SKIPPED = frozenset({"ctx", "kind", "type_comment", "type_ignores", "type_params"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def text(nodes: ast.AST | Iterable[ast.AST]) -> str:
    """The canonical text of a node, or of several in their order."""
    if isinstance(nodes, ast.AST):
        return _node(nodes)
    return _list(list(nodes))


def digest(content: str) -> str:
    """Sixteen hex digits of the sha256 of *content*."""
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def decorator_name(node: ast.expr) -> str:
    """The last name of a decorator: ``no_grad`` for ``@torch.no_grad()``; empty where there is none."""
    target = node.func if isinstance(node, ast.Call) else node
    if isinstance(target, ast.Attribute):
        return target.attr
    return target.id if isinstance(target, ast.Name) else ""


def keeps_annotations(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a decorator may read the annotations of this function, as ``singledispatch`` does."""
    return any(decorator_name(each) not in PLAIN_DECORATORS for each in node.decorator_list)


def is_noise(node: ast.stmt) -> bool:
    """Whether a statement does nothing: ``pass``, a docstring or another bare constant."""
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _node(node: ast.AST, *, in_class: bool = False) -> str:
    if isinstance(node, ast.Constant):
        return _constant(node.value)
    if isinstance(node, ast.JoinedStr):
        return _joined(node)
    if isinstance(node, ast.AnnAssign) and not in_class and node.value is not None:
        return f"Assign(targets=[{_node(node.target)}],value={_node(node.value)})"
    skipped = _fields_to_skip(node, in_class)
    parts = []
    for name in sorted(node._fields):
        written = "" if name in skipped else _field(node, name)
        if written:
            parts.append(f"{name}={written}")
    return f"{type(node).__name__}({','.join(parts)})"


def _fields_to_skip(node: ast.AST, in_class: bool) -> frozenset[str]:
    if isinstance(node, _FUNCTIONS) and not keeps_annotations(node):
        return _SKIPPED | {"returns"}
    if isinstance(node, ast.AnnAssign) and not in_class:
        return _SKIPPED | {"annotation"}
    return _SKIPPED


def _field(node: ast.AST, name: str) -> str:
    value = getattr(node, name, None)
    if value is None or value == []:
        return ""
    if name == "args" and isinstance(node, _FUNCTIONS) and not keeps_annotations(node):
        return _arguments(value)
    if name == "args" and isinstance(node, ast.Lambda):
        return _arguments(value)
    if isinstance(value, list):
        return _list(value, in_class=isinstance(node, ast.ClassDef) and name == "body")
    return _node(value) if isinstance(value, ast.AST) else _constant(value)


def _list(values: list[object], *, in_class: bool = False) -> str:
    kept = [value for value in values if not (isinstance(value, ast.stmt) and is_noise(value))]
    written = [_item(value, in_class) for value in kept]
    return f"[{','.join(written)}]" if written else ""


def _item(value: object, in_class: bool) -> str:
    if value is None:  # the key of ``**mapping`` in a dict, which is not the constant None
        return "-"
    return _node(value, in_class=in_class) if isinstance(value, ast.AST) else _constant(value)


def _arguments(arguments: ast.arguments) -> str:
    """The arguments of a function without their annotations."""
    parts = []
    for name in ("args", "defaults", "kw_defaults", "kwarg", "kwonlyargs", "posonlyargs", "vararg"):
        value = getattr(arguments, name)
        if value is None or value == []:
            continue
        written = [_argument(each) for each in (value if isinstance(value, list) else [value])]
        parts.append(f"{name}=[{','.join(written)}]")
    return f"arguments({','.join(parts)})"


def _argument(node: ast.AST | None) -> str:
    if node is None:
        return "-"
    return node.arg if isinstance(node, ast.arg) else _node(node)


def _joined(node: ast.JoinedStr) -> str:
    """An f-string with empty pieces dropped and neighbouring constants joined."""
    pieces: list[str] = []
    constant = ""
    for value in node.values:
        if isinstance(value, ast.Constant):
            constant += str(value.value)
            continue
        if constant:
            pieces.append(_constant(constant))
        constant = ""
        pieces.append(_formatted(value))
    if constant:
        pieces.append(_constant(constant))
    return f"JoinedStr([{','.join(pieces)}])"


def _formatted(node: ast.expr) -> str:
    if not isinstance(node, ast.FormattedValue):
        return _node(node)
    spec = _joined(node.format_spec) if isinstance(node.format_spec, ast.JoinedStr) else "JoinedStr([])"
    shown = "" if spec == "JoinedStr([])" else f",format_spec={spec}"
    return f"FormattedValue(conversion={node.conversion}{shown},value={_node(node.value)})"


def _constant(value: object) -> str:
    """A constant with its type, so that ``1``, ``1.0``, ``True`` and ``"1"`` differ."""
    if value is None or value is Ellipsis or isinstance(value, bool):
        return repr(value)
    if isinstance(value, int):
        return hex(value)
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, complex):
        return f"complex({value.real.hex()},{value.imag.hex()})"
    if isinstance(value, bytes):
        return f"bytes({value.hex()})"
    return _quoted(str(value))


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
