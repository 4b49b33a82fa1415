"""Regular expressions that are compiled when they are first used.

A build of one edited page uses a third of those that its modules declare, and compiling the others would take 10 of its
300 ms.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


def lazy_pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """A pattern like that of ``re.compile``. An error in *text* is raised when it is first used."""
    return cast(re.Pattern[AnyStr], _Lazy(text, flags))


class _Lazy:
    """Gets each attribute from the compiled pattern once, and then has it itself."""

    def __init__(self, text: str | bytes, flags: int) -> None:
        self._made_of = (text, flags)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(re.compile(*self._made_of), name)  # type: ignore[type-var]
        setattr(self, name, value)
        return value
