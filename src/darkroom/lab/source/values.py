"""Parameters as they are given on the command line: text, read by the parameter's annotation."""

from __future__ import annotations

import ast
import json
from typing import Any

import msgspec

from darkroom.core.errors import UsageError
from darkroom.core.manifest import Value
from darkroom.lab.source.declarations import MISSING, conforms, literal


def parsed(setting: str, text: str, annotation: str) -> Any:
    """The value that *text* means for a parameter of this annotation, tuples as lists.

    ``5`` is 5.0 for a float; a text needs no quotes; a tuple is written ``0,1,2.5`` or ``(0, 1, 2.5)``.

    Raises:
        UsageError: the text does not fit; *setting* names it.
    """
    wanted = ast.parse(annotation, mode="eval").body
    candidates = [_literal(text), _literal(f"({text},)"), _literal(text.capitalize()), text]
    for value in candidates:
        if value is not MISSING and conforms(value, wanted):
            return _storable(setting, as_float(value, wanted))
    raise UsageError(f"{setting}: not a value of the type {annotation}")


def fitted(setting: str, value: Any, annotation: str) -> Any:
    """A value, tuples as lists, as a parameter of this annotation; a text that is none is read as ``parsed`` does.

    Raises:
        UsageError: it does not fit; *setting* names it.
    """
    wanted = ast.parse(annotation, mode="eval").body
    if conforms(value, wanted):
        return _storable(setting, as_float(value, wanted))
    if isinstance(value, str):
        return parsed(setting, value, annotation)
    raise UsageError(f"{setting}: not a value of the type {annotation}")


def _storable(setting: str, value: Any) -> Any:
    """*value*, if a manifest can hold it: a run would end without results.

    Raises:
        UsageError: it is not finite, too long, nested too deeply, or not Unicode.
    """
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        is_kept = json.dumps(msgspec.json.decode(text.encode(), type=Value), ensure_ascii=False) == text
    except (ValueError, msgspec.MsgspecError):
        is_kept = False
    if not is_kept:
        raise UsageError(
            f"{setting[:100]}: cannot be stored; numbers have to be finite, and texts Unicode of at most 20,000 characters"
        )
    return value


def _literal(text: str) -> Any:
    try:
        return literal(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return MISSING


def as_float(value: Any, annotation: ast.expr) -> Any:
    """Integers as floats where only a float is meant."""
    if isinstance(value, list) and isinstance(annotation, ast.Subscript):
        items = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        repeated = len(items) == 2 and isinstance(items[1], ast.Constant) and items[1].value is Ellipsis
        kinds = [items[0]] * len(value) if repeated else items
        return [as_float(each, kind) for each, kind in zip(value, kinds, strict=True)]
    names = ast.unparse(annotation).split(" | ")
    if type(value) is int and "float" in names and "int" not in names:
        return _float(value)
    return value


def _float(value: int) -> float | int:
    try:
        return float(value)
    except OverflowError:  # which cannot be stored either
        return value
