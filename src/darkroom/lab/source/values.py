"""Parameters as they are given on the command line: text, read by the parameter's annotation."""

from __future__ import annotations

import ast
from typing import Any

from darkroom.core.errors import UsageError
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
            return _as_float(value, wanted)
    raise UsageError(f"{setting}: not a value of the type {annotation}")


def _literal(text: str) -> Any:
    try:
        return literal(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError):
        return MISSING


def _as_float(value: Any, annotation: ast.expr) -> Any:
    """Integers as floats where only a float is meant."""
    if isinstance(value, list) and isinstance(annotation, ast.Subscript):
        items = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        repeated = len(items) == 2 and isinstance(items[1], ast.Constant) and items[1].value is Ellipsis
        kinds = [items[0]] * len(value) if repeated else items
        return [_as_float(each, kind) for each, kind in zip(value, kinds, strict=True)]
    if type(value) is int and ast.unparse(annotation) == "float":
        return float(value)
    return value
