"""Calls by literal name, such as ``{{ metric("part_b/denoiser/test_mse", at=5) }}``, read without Jinja.

Each kind of call is a subclass of :class:`PageCall` (see ``page_calls``).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from typing import ClassVar

import msgspec

from darkroom.core.errors import nearest
from darkroom.core.patterns import lazy_pattern
from darkroom.press.typeset.typography import composed

Choices = Mapping[str, type | tuple[type, ...]]
Literal = None | bool | int | float | str


class Call(msgspec.Struct, frozen=True):
    """A call whose arguments are all literals, texts of them in NFC; *offset* is where its name begins in the page's file."""

    name: str
    arguments: tuple[Literal, ...]
    options: tuple[tuple[str, Literal], ...]
    offset: int


class Unknown(Exception):
    """An unknown name; the message offers known ones."""

    rule: ClassVar[str] = "reference"


class NoExperiment(Unknown):
    """A name begins with *part*, a folder that no experiment is in, as where a part of the experiments was deleted."""

    def __init__(self, name: str, part: str, message: str) -> None:
        self.name, self.part = name, part
        super().__init__(message)


class NotRun(Exception):
    """There are no outputs to take a value from."""


class PageCall:
    """What a call is, by its kind. A new kind only needs a subclass: its ``word`` registers it.

    Attributes:
        word: its name on pages.
        is_block: whether it stands on a line of its own.
        takes: the least and the most names that it takes, and how a message says so.
        choices: its options with their types.
    """

    word: ClassVar[str]
    is_block: ClassVar[bool] = False
    takes: ClassVar[tuple[int, int, str]] = (1, 1, "one name")
    choices: ClassVar[Choices] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "word" in cls.__dict__:
            KINDS[cls.word] = cls

    def __init__(self, call: Call) -> None:
        self.call = call
        self.names = tuple(map(str, call.arguments))
        self.options = dict(call.options)

    @property
    def name(self) -> str:
        """The first name that it has, or ""."""
        return self.names[0] if self.names else ""

    def check_form(self) -> None:
        """That it has the names and options that it takes.

        Raises:
            Unknown: it has others.
        """
        least, most, wanted = self.takes
        if not least <= len(self.names) <= most:
            raise Unknown(f"{self.word}(...) takes {wanted}, not {len(self.names)} arguments")
        for value in self.call.arguments:
            if not isinstance(value, str):
                raise Unknown(f"{self.word}(...) takes names as text in quotes, not {value!r}")
        for name, value in self.options.items():
            if name not in self.choices:
                choices = nearest(name, self.choices) or listed("; it takes", self.choices)
                raise Unknown(f"{self.word}(...) has no option {name!r}{choices}")
            if not isinstance(value, self.choices[name]):
                raise Unknown(f"{name}={value!r} in {self.word}(...) has the wrong type")


KINDS: dict[str, type[PageCall]] = {}
"""Every kind of call by the word that pages use."""


def listed(opening: str, names: Iterable[str]) -> str:
    """A clause of a message that lists all names: "; it has a, b"."""
    names = list(names)
    return f"{opening} {', '.join(names)}" if names else "; it has none"


_REFERENCE = lazy_pattern(r"\\(?P<kind>eqref|ref|cref|Cref|autoref)\s*\{(?P<name>[^{}\n]+)\}")


def tex_reference(text: str, offset: int, end: int | None = None) -> tuple[Call, int] | None:
    r"""The call that ``\eqref{name}`` at *offset* of *text* stands for, and the offset behind it."""
    found = _REFERENCE.match(text, offset, len(text) if end is None else end)
    return (Call("ref", (found["name"].strip(),), (("short", found["kind"]),), offset), found.end()) if found else None


CALLED = lazy_pattern(r"\{\{-?\s*(?P<name>[a-z_]+)\s*\(")


def calls_of(text: str) -> str:
    """The first call in a text where calls are not read, such as "metric(...)", or ""."""
    names = (found["name"] for found in CALLED.finditer(text))
    return next((f"{name}(...)" for name in names if name in KINDS), "")


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
        call = literal_call_of(tree, offset)
        return (call, end + 2) if call else None
    return None


_KEPT = lazy_pattern(r"""\\([\\"'])|\\""")


def _keep(found: re.Match[str]) -> str:
    r"""A backslash stays as it is, as in ``"$\theta$"``, except before another and before quotes."""
    return found[0] if found[1] else r"\\"


def literal_call_of(tree: ast.expr, offset: int) -> Call | None:
    """The call that an expression is, or None where it is none, or an argument is not a literal."""
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
