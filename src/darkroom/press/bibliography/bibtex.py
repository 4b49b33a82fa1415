"""Entries of BibTeX with the places of everything in them: pybtex's scanner, with what programs' exports need beside it.

Added are places of fields and values, comments (``%`` to the end of a line, ``@comment`` with braces), and going on
after a fault, at the next entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from pybtex.database.input.bibtex import LowLevelParser, month_names
from pybtex.scanner import PrematureEOF, PybtexSyntaxError
from pybtex.utils import CaseInsensitiveDict

from darkroom.core.patterns import lazy_pattern

_COMMAND = lazy_pattern(r"@[ \t]*([A-Za-z][\w-]*)\s*([({])")
_NEXT = lazy_pattern(r"^[ \t]*@[ \t]*[A-Za-z][\w-]*\s*[({]", re.MULTILINE)
_SPACED_KEY = lazy_pattern(r"@[ \t]*[A-Za-z][\w-]*\s*[({]\s*(?P<key>[^\s,={}()\"]+(?:[ \t]+[^\s,={}()\"]+)+)\s*,")
_COMMENT = lazy_pattern(r"(?:\s+|%[^\n]*)+")
_FIELD = "expected `name = {value},` or the closing %s"
_WORDS = {
    "entry key expected": "an entry opens with @kind{key,",
    "'=' expected": _FIELD % "}",
    "'}' expected": _FIELD % "}",
    "')' expected": _FIELD % ")",
    "unbalanced braces": "a } without a {",
    "too many nested braces": "braces are nested more than a hundred deep",
}


class Value(msgspec.Struct, frozen=True):
    """The value of a field: its parts, with the offset that each has in the file."""

    parts: tuple[tuple[str, int], ...]

    @property
    def text(self) -> str:
        """All parts together."""
        return "".join(part for part, _ in self.parts)

    def place(self, index: int) -> int:
        """Where the character at *index* of the text stands in the file."""
        for part, offset in self.parts:
            if index < len(part):
                return offset + index
            index -= len(part)
        return self.parts[-1][1] + len(self.parts[-1][0])


class BibtexEntry(msgspec.Struct, frozen=True):
    """An entry as written: *fields* by name in lower case; *whole* says whether it could be read to its end."""

    kind: str
    key: str
    offset: int
    fields: Mapping[str, Value]
    whole: bool


def read(text: str) -> tuple[list[BibtexEntry], list[tuple[int, str]]]:
    """The entries of *text* in order, and what is wrong with it: (offset, message)."""
    scanner = _Scanner(text)
    return list(scanner.entries()), sorted(dict.fromkeys(scanner.faults))


_MOST_GROWN = 4_000_000


class _Scanner(LowLevelParser):  # type: ignore[misc]
    """pybtex's scanner, which keeps the places of what it reads."""

    def __init__(self, text: str) -> None:
        super().__init__(text, macros=CaseInsensitiveDict(month_names), handle_error=self._record)
        self.faults: list[tuple[int, str]] = []
        self._broken = False
        self._key = ""
        self._fields: dict[str, Value] = {}
        self._parts: list[tuple[str, int]] = []
        self._field = self._value = 0
        self._grown, self._outgrown = 0, False
        self._closings: dict[str, dict[int, int]] = {}

    def entries(self) -> Iterator[BibtexEntry]:
        while (opening := self._next_command()) is not None:
            kind = opening[1].lower()
            if kind == "comment":
                self.pos = self._end_of_comment(opening.end() - 1)
                continue
            self.command_start, self.pos = opening.start(), opening.start() + 1
            self._broken, self._fields = False, {}
            try:
                self._key = ""
                tuple(self.parse_command())
            except PybtexSyntaxError as error:
                self._record(error)
            if self._broken:
                following = _NEXT.search(self.text, self.command_start + 1)
                self.pos = following.start() if following else len(self.text)
            if kind not in {"string", "preamble"} and self.current_entry_key:
                yield BibtexEntry(kind, self.current_entry_key, opening.start(), self._fields, not self._broken)

    def _next_command(self) -> re.Match[str] | None:
        """The next entry or the like; what stands between entries is a comment, also an @ behind a %."""
        at = before = self.pos  # where what is before the @ in its line has been looked at up to
        blank, is_comment = True, False
        while (at := self.text.find("@", at)) >= 0:
            if (line := self.text.rfind("\n", before, at)) >= 0:
                before, blank, is_comment = line, True, False
            blank = blank and not self.text[before:at].strip()
            is_comment = is_comment or self.text.find("%", before, at) >= 0
            if not is_comment:
                if opening := _COMMAND.match(self.text, at):
                    return opening
                if blank and not self.text[at : at + 8].lower().startswith("@comment"):
                    self.faults.append((at, _WORDS["entry key expected"]))
            before, at = at, at + 1
        return None

    def _end_of_comment(self, opening: int) -> int:
        """Behind the brace that closes the one at *opening*; where none does, behind the line."""
        signs = "{}" if self.text[opening] == "{" else "()"
        if signs not in self._closings:
            self._closings[signs] = _closings(self.text, signs)
        end = self._closings[signs].get(opening, self.text.find("\n", opening))
        return end if end >= 0 else len(self.text)

    def _record(self, error: Any) -> None:
        self._broken = True
        self.faults.append(self._told(error))

    def _told(self, error: Any) -> tuple[int, str]:
        entry = f"{self.current_entry_key}: " if self.current_entry_key else ""
        field, words = self.current_field_name, str(error.args[0])
        if field and (isinstance(error, PrematureEOF) or words == "field value expected"):
            return self._value, f'{entry}the value of {field} is not a closed {{...}}, a closed "..." or a number'
        if not self._fields and (key := _SPACED_KEY.match(self.text, self.command_start)):
            return key.start(
                "key"
            ), f"the key {' '.join(key['key'].split())!r} has a space; remove it, also where it is cited"
        if isinstance(error, PrematureEOF):
            return self.command_start, f"{entry}this entry does not end; close it with a brace"
        at = self._field if words == "'=' expected" else _skip_space(self.text, error.error_context_info[2])
        return at, f"{entry}{_WORDS.get(words, words)}"

    # pybtex's own steps, with places ----------------------------------------------------------------------------------

    def eat_whitespace(self) -> None:
        space = _COMMENT.match(self.text, self.pos)
        if space:
            self.pos = space.end()

    def update_lineno(self, value: str) -> None:
        """Places are offsets here: pybtex need not count lines."""

    def parse_field(self) -> None:
        self.eat_whitespace()
        self._field = self._value = self.pos
        self._parts = []
        super().parse_field()
        name = (self.current_field_name or "").lower()
        if name in self._fields:
            message = f"{self.current_entry_key}: {name} is given twice; remove one"
            self.faults.append((self._field, message))
        elif name:
            self._fields[name] = Value(tuple(self._parts))

    def parse_value_part(self) -> str:
        self.eat_whitespace()
        self._value = self.pos
        part = str(super().parse_value_part())
        self._parts.append((part, self._value + (self.text[self._value] in '{"')))
        return part

    def substitute_macro(self, name: str) -> str:
        if name not in self.macros:
            entry = f"{self.current_entry_key}: " if self.current_entry_key else ""
            message = f"{entry}no @string defines {name!r}; define it, or put the text in braces"
            self.faults.append((self._value, message))
        text = str(self.macros.get(name, name))
        self._grown += len(text)
        if self._grown > _MOST_GROWN:  # strings made of strings grow beyond all memory in a few lines
            if not self._outgrown:
                self._outgrown = True
                self.faults.append((self._value, f"@string definitions expand to more than {_MOST_GROWN:,} letters"))
            return ""
        return text


def _skip_space(text: str, at: int) -> int:
    space = _COMMENT.match(text, at)
    return space.end() if space else at


def _closings(text: str, signs: str) -> dict[int, int]:
    """Behind which brace each of those ends that one closes."""
    opened, ends = list[int](), dict[int, int]()
    for found in re.finditer(rf"[\{signs[0]}\{signs[1]}]", text):
        if found[0] == signs[0]:
            opened.append(found.start())
        elif opened:
            ends[opened.pop()] = found.end()
    return ends
