"""What Ctrl-C does while a program begins, while it works, and when it is about to end.

An exception in the middle of an import ends in a traceback or, in the modules of C that msgspec begins with, in a crash.
So, once this module is imported by a program, an interrupt ends it at once by one line; after ``as_exception`` it is an
exception, and after ``ignore`` nothing.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

CODE = 130
IS_PROGRAM = os.path.basename(sys.argv[0] if sys.argv else "") in {"build.py", "darkroom"}  # noqa: PTH119


def as_exception() -> None:
    """From now on an interrupt raises KeyboardInterrupt."""
    _handle(signal.default_int_handler)


def ignore() -> None:
    """From now on an interrupt does nothing."""
    _handle(signal.SIG_IGN)


def _end_at_once(*_: object) -> None:
    os.write(2, b"interrupted; nothing was begun\n")
    os._exit(CODE)


def _handle(handler: object) -> None:
    with suppress(ValueError):  # not in the main thread
        if IS_PROGRAM:
            signal.signal(signal.SIGINT, handler)  # type: ignore[arg-type]


_handle(_end_at_once)
