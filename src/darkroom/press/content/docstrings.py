"""Docstrings as Google's style guide writes them: paragraphs, lists, code, and sections such as ``Args:``."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

_SECTION = re.compile(r"([A-Z][a-z]+(?: [a-z]+)*):\s*\Z")
_ENTRY = re.compile(r"([*\w][\w*., ()\[\]|]*?):(?:\s+|\Z)(.*)\Z", re.DOTALL)
_BULLET = re.compile(r"[-*] +|\d+\. +")
_PROSE_ONLY = frozenset({"Returns", "Yields", "Note", "Example", "Examples"})
_TITLES = {"Args": "Arguments", "Arguments": "Arguments"}


class DocBlock(msgspec.Struct, frozen=True):
    """A paragraph, a list, or lines of code or of a formula, which were indented."""

    kind: Literal["text", "list", "code"]
    text: str = ""
    items: tuple[str, ...] = ()


class DocSection(msgspec.Struct, frozen=True):
    """A section: its title, and either what it says of each name, or blocks."""

    title: str
    entries: tuple[tuple[str, tuple[DocBlock, ...]], ...] = ()
    blocks: tuple[DocBlock, ...] = ()


class Docstring(msgspec.Struct, frozen=True):
    """A docstring, read."""

    blocks: tuple[DocBlock, ...] = ()
    sections: tuple[DocSection, ...] = ()

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names that the section of arguments describes."""
        entries = [name for each in self.sections if each.title == "Arguments" for name, _ in each.entries]
        return tuple(name.strip().lstrip("*") for entry in entries for name in entry.split(","))


def read_docstring(text: str) -> Docstring:
    """The parts of a docstring; what is in no section comes first."""
    lines = inspect.cleandoc(text).split("\n")
    free: list[str] = []
    sections: list[DocSection] = []
    at = 0
    while at < len(lines):
        title = _SECTION.match(lines[at])
        end = _end_of_block(lines, at + 1)
        if title and end > at + 1:
            sections.append(_section(title[1], textwrap.dedent("\n".join(lines[at + 1 : end])).strip("\n").split("\n")))
            at = end
        else:
            free.append(lines[at])
            at += 1
    return Docstring(tuple(_blocks(free)), tuple(sections))


def _end_of_block(lines: Sequence[str], at: int) -> int:
    """Where the indented lines that begin right at *at* end; *at* itself where there are none."""
    if at >= len(lines) or not lines[at].startswith(" "):
        return at
    end = at
    while at < len(lines) and (lines[at].startswith(" ") or not lines[at]):
        at += 1
        end = at if lines[at - 1] else end
    return end


def _section(title: str, lines: Sequence[str]) -> DocSection:
    shown = _TITLES.get(title, title)
    entries = [] if title in _PROSE_ONLY else list(_entries(lines))
    if any(name is None for name, _ in entries) or not entries:
        return DocSection(shown, blocks=tuple(_blocks(lines)))
    return DocSection(shown, tuple((name or "", tuple(_blocks(text))) for name, text in entries))


def _entries(lines: Sequence[str]) -> Iterator[tuple[str | None, list[str]]]:
    """Each name with what is said of it, whose lines are indented; None where a line begins with no name."""
    at = 0
    while at < len(lines):
        end = at + 1
        while end < len(lines) and (lines[end].startswith(" ") or not lines[end]):
            end += 1
        found = _ENTRY.match(lines[at])
        rest = textwrap.dedent("\n".join(lines[at + 1 : end])).rstrip().split("\n")
        first = [found[2]] if found and found[2] else []
        yield (found[1] if found else None), [*first, *(rest if rest != [""] else [])]
        at = end


def _blocks(lines: Sequence[str]) -> Iterator[DocBlock]:
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
        elif lines[at].startswith("    "):
            end = _end_of_block(lines, at)
            yield DocBlock("code", textwrap.dedent("\n".join(lines[at:end])))
            at = end
        elif _BULLET.match(lines[at]):
            items, at = _items(lines, at)
            yield DocBlock("list", items=items)
        else:
            end = at
            while end < len(lines) and lines[end].strip() and not (end > at and _BULLET.match(lines[end])):
                end += 1
            yield DocBlock("text", " ".join(" ".join(lines[at:end]).split()))
            at = end


def _items(lines: Sequence[str], at: int) -> tuple[tuple[str, ...], int]:
    """The items of the list that begins at a line, and the line behind it."""
    items: list[list[str]] = []
    while at < len(lines):
        bullet = _BULLET.match(lines[at])
        if bullet:
            items.append([lines[at][bullet.end() :]])
        elif items and lines[at].startswith("  "):
            items[-1].append(lines[at])
        else:
            break
        at += 1
    return tuple(" ".join(" ".join(each).split()) for each in items), at
