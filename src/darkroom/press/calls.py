"""Calls by literal name, such as ``{{ metric("part_b/denoiser/test_mse", at=5) }}``, read without Jinja."""

from __future__ import annotations

import ast
import re

import msgspec

from darkroom.press.text import composed

BLOCKS = frozenset({"figure", "picture", "experiments", "citation", "code"})  # these stand on a line of their own
INLINE = frozenset({"metric", "param", "ref", "cite"})
CALLS = BLOCKS | INLINE

Literal = None | bool | int | float | str


class Call(msgspec.Struct, frozen=True):
    """A call whose arguments are all literals, texts of them in NFC; *offset* is where its name begins in the page's file."""

    name: str
    arguments: tuple[Literal, ...]
    options: tuple[tuple[str, Literal], ...]
    offset: int


_REFERENCE = re.compile(r"\\(?P<kind>eqref|ref|cref|Cref|autoref)\s*\{(?P<name>[^{}\n]+)\}")


def tex_reference(text: str, offset: int, end: int | None = None) -> tuple[Call, int] | None:
    r"""The call that ``\eqref{name}`` at *offset* of *text* stands for, and the offset behind it."""
    found = _REFERENCE.match(text, offset, len(text) if end is None else end)
    return (Call("ref", (found["name"].strip(),), (("short", found["kind"]),), offset), found.end()) if found else None


CALLED = re.compile(r"\{\{-?\s*(?P<name>[a-z_]+)\s*\(")


def calls_of(text: str) -> str:
    """The first call in a text that is no place for one, such as "metric(...)", or ""."""
    names = (found["name"] for found in CALLED.finditer(text))
    return next((f"{name}(...)" for name in names if name in CALLS), "")


def literal_call(text: str, offset: int) -> tuple[Call, int] | None:
    """The call whose name begins at *offset* and that ``}}`` closes, with the offset behind that.

    None where it is no call, or an argument is not a literal: Jinja then evaluates it.
    """
    end = text.find("}}", offset)
    while end >= 0:
        source = text[offset:end].rstrip().removesuffix("-")
        try:
            tree = ast.parse(_KEPT.sub(_keep, source.strip()), mode="eval").body
        except (SyntaxError, ValueError):
            end = text.find("}}", end + 1)
            if end >= 0 and "\n\n" in text[offset:end]:
                return None
            continue
        call = _as_call(tree, offset)
        return (call, end + 2) if call else None
    return None


_KEPT = re.compile(r"""\\([\\"'])|\\""")


def _keep(found: re.Match[str]) -> str:
    r"""A backslash stays as it is, as in ``"$\theta$"``, but before another and before quotes."""
    return found[0] if found[1] else r"\\"


def _as_call(tree: ast.expr, offset: int) -> Call | None:
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
        return None
    try:
        arguments = tuple(_name(_literal(node)) for node in tree.args)
        options = tuple((str(keyword.arg), _literal(keyword.value)) for keyword in tree.keywords)
    except ValueError:
        return None
    return Call(tree.func.id, arguments, options, offset)


def _name(value: Literal) -> Literal:
    return composed(value) if isinstance(value, str) else value


def _literal(node: ast.expr) -> Literal:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _literal(node.operand)
        if isinstance(value, int | float):
            return -value
    if isinstance(node, ast.Constant) and isinstance(node.value, None | bool | int | float | str):
        return node.value
    raise ValueError(ast.dump(node))
