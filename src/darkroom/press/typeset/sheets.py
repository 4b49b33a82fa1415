"""What is found in a style sheet."""

from __future__ import annotations

import msgspec


class StyleAddress(msgspec.Struct, frozen=True):
    """An address: the place in the style sheet that ``url(...)`` can stand in, and what it says without its escapes.

    In an address with modifiers, ``url("x" crossorigin(anonymous))``, the place is that of the string, which is ``quoted``.
    """

    start: int
    end: int
    target: str
    quoted: bool = False


class Sheet(msgspec.Struct, frozen=True):
    """A style sheet: its text, its addresses in order, and what is wrong with it: (offset, message)."""

    text: str
    addresses: tuple[StyleAddress, ...]
    faults: tuple[tuple[int, str], ...]
