"""Places in a text, as faults name them."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import lru_cache

from darkroom.core.errors import Fault


def place(text: str, offset: int) -> tuple[int, int]:
    """Line and column, both from 1, of *offset* in *text*."""
    starts = _line_starts(text)
    line = bisect_right(starts, offset)
    return line, offset - starts[line - 1] + 1


@lru_cache(maxsize=2)
def _line_starts(text: str) -> list[int]:
    """Where lines begin: found once for all places of a text, of which there may be thousands."""
    return [0, *(found.end() for found in re.finditer("\n", text))]


def fault(text: str, path: str, offset: int, rule: str, message: str) -> Fault:
    """A fault at *offset* of *text*, the content of *path*."""
    return Fault(path, *place(text, offset), rule, message)
