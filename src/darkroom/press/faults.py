"""Places in a text, as faults name them."""

from __future__ import annotations

from darkroom.core.errors import Fault


def place(text: str, offset: int) -> tuple[int, int]:
    """Line and column, both from 1, of *offset* in *text*."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def fault(text: str, path: str, offset: int, rule: str, message: str) -> Fault:
    """A fault at *offset* of *text*, the content of *path*."""
    return Fault(path, *place(text, offset), rule, message)
