"""Conditions over the numbers of runs, which sentences carry: ``{% claim metric("a/b/mse") < 0.01 %} ... {% endclaim %}``."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from darkroom.core.patterns import lazy_pattern
from darkroom.press.content.calls import Call, Unknown, literal_call_of
from darkroom.press.content.numbers import Value, show

TAG = lazy_pattern(
    r"\{%-?\s*(?:(?P<end>endclaim)\s*|claim\b(?P<condition>(?:[^%\"']|\"[^\"]*\"|'[^']*'|%(?!\}))*?))-?%\}"
)

_COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}  # fmt: skip
_CONDITIONS = (ast.Compare, ast.BoolOp)
_COMBINED: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Any]] = {"abs": abs, "min": min, "max": max}
_NUMBERS = ("metric", "param")
_LONGEST = 2_000  # characters
_WRITE = 'write a comparison, such as {% claim metric("part_b/denoiser/test_mse") < 0.01 %}'


class Untrue(Unknown):
    """A condition that does not hold."""

    rule = "claim"


class Condition:
    """A condition as written.

    Raises:
        Unknown: it is none.
    """

    def __init__(self, text: str) -> None:
        self.text = " ".join(text.split())
        try:
            if len(text) > _LONGEST:
                raise ValueError("it is too long")
            self._tree = ast.parse(self.text, mode="eval").body
            self.calls = list(_calls(self._tree))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            said = error.msg if isinstance(error, SyntaxError) else error
            raise Unknown(f"this claim cannot be read ({said}); {_WRITE}") from None
        for each in _compared(self._tree):
            said = ast.unparse(each) if each is not self._tree else self.text
            if not isinstance(each, ast.Compare):
                raise Unknown(f"{said!r} is not a condition; {_WRITE}")
            sides = [each.left, *each.comparators]
            if not any(True for _ in _calls(each)):
                raise Unknown(f"{said!r} has no metric(...) or param(...), so no run can change it; {_WRITE}")
            if same := next((one for one, other in pairwise(map(ast.unparse, sides)) if one == other), ""):
                raise Unknown(f"{said!r} compares {same} with itself, so no run can change it; {_WRITE}")
            if any(isinstance(part, _CONDITIONS) or _is_not(part) for side in sides for part in ast.walk(side)):
                raise Unknown(f"{said!r} compares a condition with something; {_WRITE}")

    def check(self, value_of: Callable[[Call], Value]) -> None:
        """Check that it holds; *value_of* gives the number of a call.

        Raises:
            Unknown: it does not, or cannot be told; the message has the numbers.
        """
        shown: list[str] = []
        try:
            holds = self._value(self._tree, value_of, shown)
        except (TypeError, ArithmeticError) as error:
            raise Unknown(f"{self.text}: {error}; a claim compares numbers") from None
        if holds is not True:
            numbers = ", ".join(dict.fromkeys(shown))
            raise Untrue(f"{self.text} does not hold: {numbers}; rewrite the sentence, or look at what has changed")

    def _value(self, node: ast.expr, value_of: Callable[[Call], Value], shown: list[str]) -> Any:
        def inner(each: ast.expr) -> Any:
            return self._value(each, value_of, shown)

        value: Any
        match node:
            case ast.BoolOp():
                values = [inner(each) for each in node.values]
                value = all(values) if isinstance(node.op, ast.And) else any(values)
            case ast.UnaryOp():
                value = not inner(node.operand) if isinstance(node.op, ast.Not) else -_number(inner(node.operand))
            case ast.BinOp():
                value = _COMBINED[type(node.op)](_number(inner(node.left)), _number(inner(node.right)))
            case ast.Compare():
                values = [inner(each) for each in (node.left, *node.comparators)]
                _check_kinds(values)
                pairs = zip(node.ops, values, values[1:], strict=False)
                value = all(_COMPARED[type(way)](one, other) for way, one, other in pairs)
            case ast.Constant():
                value = node.value
            case ast.Call(func=ast.Name(id=name)) if name in _FUNCTIONS:
                value = _FUNCTIONS[name](*map(inner, node.args))
            case _:
                call = literal_call_of(node, 0)
                assert call
                value = value_of(call)
                shown.append(f"{ast.unparse(node)} = {show(value)}")
        return value


def _compared(node: ast.expr) -> Iterator[ast.expr]:
    """The parts that a condition combines by ``and``, ``or`` and ``not``."""
    match node:
        case ast.BoolOp():
            for each in node.values:
                yield from _compared(each)
        case ast.UnaryOp(op=ast.Not()):
            yield from _compared(node.operand)
        case _:
            yield node


def _is_not(node: ast.AST) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def _number(value: Any) -> Any:
    """*value*, if it can be calculated with; a text times a number would be a long text.

    Raises:
        TypeError: it is no number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{str(value)[:40]!r} is no number")
    return value


def _check_kinds(values: Sequence[Any]) -> None:
    """Refuse to compare, such as a number and a text, which always differ.

    Raises:
        TypeError: two values are not of one kind.
    """
    kinds = {"number" if isinstance(each, int | float) else type(each).__name__ for each in values if each is not None}
    if len(kinds) > 1:
        raise TypeError(f"{' and '.join(repr(str(each)[:40]) for each in values)} are not of one kind")


def _calls(node: ast.expr) -> Iterator[Call]:
    """The calls of numbers in a condition.

    Raises:
        ValueError: it has something else.
    """
    match node:
        case ast.BoolOp():
            parts = node.values
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            parts = [node.operand]
        case ast.BinOp() if type(node.op) in _COMBINED:
            parts = [node.left, node.right]
        case ast.Compare() if all(type(each) in _COMPARED for each in node.ops):
            parts = [node.left, *node.comparators]
        case ast.Constant(value=bool() | int() | float() | str()):
            parts = []
        case ast.Call(func=ast.Name(id=name)) if name in _FUNCTIONS and node.args and not node.keywords:
            parts = node.args
        case ast.Call(func=ast.Name(id=name)) if name in _NUMBERS and (call := literal_call_of(node, 0)):
            yield call
            parts = []
        case _:
            raise ValueError(f"{ast.unparse(node)!r} cannot be used in a claim")
    for part in parts:
        yield from _calls(part)


def claim_at(text: str, start: int, end: int) -> tuple[Call, int] | None:
    """The call that a tag at *start* stands for, ``claim`` with its condition or ``endclaim``, and the offset behind it."""
    found = TAG.match(text, start, end)
    if found is None:
        return None
    if found["end"]:
        return Call("endclaim", (), (), start), found.end()
    return Call("claim", (found["condition"].strip(),), (), start), found.end()
