"""Style sheets as they are written: the addresses in them, and strings, comments and brackets that do not end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from darkroom.core.patterns import lazy_pattern
from darkroom.press.typeset.sheets import Sheet, StyleAddress

_TOKEN = lazy_pattern(
    r"""/\*.*?(?:(?P<ended>\*/)|\Z)"""
    r"""|(?P<string>"(?:[^"\\\n\r\f]|\\(?:\r\n|.))*+"|'(?:[^'\\\n\r\f]|\\(?:\r\n|.))*+')|(?P<quote>["'])"""
    r"""|(?P<bracket>[(){}\[\]])|@(?P<rule>import|namespace)\b|\\.""",
    re.DOTALL | re.IGNORECASE,
)
_NAME = lazy_pattern(r"[-\w]+$", re.ASCII)
_BARE = lazy_pattern(r"\s*((?:[^\"'()\\\s]|\\.)*+)\s*(\))?", re.DOTALL)
_ESCAPE = lazy_pattern(r"\\(?:([0-9a-fA-F]{1,6})\s?|\r?\n|(.))", re.DOTALL)
_END = lazy_pattern(r"\s*\)")
_GAP = r"(?>/\*.*?(?:\*/|\Z)|\s+)"
_SPARE = lazy_pattern(
    rf"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\b[uU][rR][lL]\((?:[^"'()\\]|\\.)*\))"""
    rf"""|{_GAP}*+([{{}};,]){_GAP}*+|{_GAP}++""",
    re.DOTALL,
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_OF_PICTURES = frozenset({"image-set", "-webkit-image-set", "image"})
_LONGEST_NAME = 20


def read(css: str) -> Sheet:
    """Find the addresses of a style sheet: in ``url()``, behind ``@import`` and in ``image-set()``.

    There are none in comments and other strings, nor behind ``@namespace``.
    """
    reader = _Reader(css)
    addresses = tuple(reader.addresses())
    return Sheet(css, addresses, tuple(sorted(reader.faults)))


def brief(sheet: str) -> str:
    """A style sheet without its comments and the space that it does not need; strings are left as they are."""
    return _SPARE.sub(_briefly, sheet).strip()


def _briefly(found: re.Match[str]) -> str:
    if found[1] or found[2]:
        return found[1] or found[2]
    if "/*" not in found[0]:
        return " "
    without = re.sub(r"/\*.*?(?:\*/|\Z)", "", found[0], flags=re.DOTALL)
    return " " if without else "/**/"  # which parts two words where no space does


@dataclass
class _Reader:
    css: str
    faults: list[tuple[int, str]] = field(default_factory=list)
    _open: list[tuple[str, int, str]] = field(
        default_factory=list
    )  # brackets, where they are, functions they belong to
    _rule: tuple[str, int] = ("", 0)  # @import or @namespace, and where it ends

    def addresses(self) -> Iterator[StyleAddress]:
        """All of them; faults are noted on the way."""
        at = 0
        while found := _TOKEN.search(self.css, at):
            at = found.end()
            if found["bracket"]:
                address, at = self._bracket(found[0], found.start())
                if address:
                    yield address
            elif found["string"]:
                if address := self._string(found):
                    yield address
            elif found["quote"]:
                self.faults.append((found.start(), f"this string does not end on its line; close it with {found[0]}"))
                at = _end_of_line(self.css, at)
            elif found["rule"]:
                end = self.css.find(";", at)
                self._rule = (found["rule"].lower(), end if end >= 0 else len(self.css))
            elif found[0].startswith("/*") and not found["ended"]:
                self.faults.append((found.start(), "this comment does not end; close it with */"))
        self.faults += [(at, _unclosed(mark)) for mark, at, _ in self._open]

    def _bracket(self, mark: str, at: int) -> tuple[StyleAddress | None, int]:
        """Open or close one; of an address without quotes, it and where it ends."""
        if mark not in _CLOSING:
            self._close(mark, at)
            return None, at + 1
        name = _NAME.search(self.css, max(0, at - _LONGEST_NAME), at) if mark == "(" else None
        function = name[0].lower() if name else ""
        bare = _BARE.match(self.css, at + 1) if function == "url" else None
        if bare and bare[2]:
            start = at - len(function)
            address = (
                StyleAddress(start, bare.end(), _unescaped(bare[1])) if self._is_address(start) and bare[1] else None
            )
            return address, bare.end()
        if bare and bare[1] and bare.end() < len(self.css):
            self.faults.append((at - 3, "an address with a space, a quote or a bracket in it; put it in quotes"))
        if function == "src":
            self.faults.append((at - 3, "browsers do not support src(); write url()"))
        self._open.append((mark, at, function))
        return None, at + 1

    def _close(self, mark: str, at: int) -> None:
        if all(_CLOSING[opening] != mark for opening, _, _ in self._open):
            self.faults.append((at, f"this {mark} closes nothing; remove it"))
            return
        while _CLOSING[(last := self._open.pop())[0]] != mark:
            self.faults.append((last[1], _unclosed(last[0])))

    def _string(self, found: re.Match[str]) -> StyleAddress | None:
        start, end = found.span()
        target = _unescaped(found[0][1:-1])
        _, opening, function = self._open[-1] if self._open else ("", 0, "")
        imported = self._rule[0] == "import" and start < self._rule[1]
        if function == "url" and self._is_address(start):
            whole = _END.match(self.css, end)
            return (
                StyleAddress(opening - 3, whole.end(), target)
                if whole
                else StyleAddress(start, end, target, quoted=True)
            )
        if function in _OF_PICTURES or (imported and self._is_address(start)):
            return StyleAddress(start, end, target)
        return None

    def _is_address(self, at: int) -> bool:
        """Whether something is loaded from what is named there; of an @import only the first is an address."""
        rule, end = self._rule
        if rule == "import":
            self._rule = ("", 0)
        return rule != "namespace" or at > end


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda each: chr(min(int(each[1], 16), 0x10FFFF)) if each[1] else each[2] or "", text)


def _unclosed(mark: str) -> str:
    return f"this {mark} is not closed; close it with {_CLOSING[mark]}"


def _end_of_line(css: str, at: int) -> int:
    end = css.find("\n", at)
    return end if end >= 0 else len(css)
