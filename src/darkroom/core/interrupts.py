"""What Ctrl-C does while a program starts, while it works, and just before it ends.

An exception in the middle of an import ends in a traceback or, in the C modules of msgspec, in a crash.
So, once this module is imported by a program, an interrupt ends it at once with one line; after ``as_exception`` it is
an exception, and after ``ignore`` nothing.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what signal is made of, which takes milliseconds to import
import os
import sys

TYPE_CHECKING = False  # typing takes a while to import
if TYPE_CHECKING:
    from typing import Any

CODE = 130
IS_PROGRAM = os.path.basename(sys.argv[0] if sys.argv else "") in {"build.py", "darkroom"}  # noqa: PTH119


def as_exception() -> None:
    """From now on an interrupt raises KeyboardInterrupt, and is not lost where Python would only print it."""
    if IS_PROGRAM:
        sys.unraisablehook = _raised_again
    _handle(_signal.default_int_handler)


def ignore() -> None:
    """From now on an interrupt does nothing."""
    _handle(_signal.SIG_IGN)


def _end_at_once(*_: object) -> None:
    os.write(2, b"interrupted before anything started\n")
    os._exit(CODE)


def _raised_again(unraisable: Any) -> None:
    """Raise again an interrupt that came within a callback that Python itself calls, such as one of an import."""
    if unraisable.exc_type is KeyboardInterrupt:
        import _thread

        _thread.interrupt_main()
    else:
        sys.__unraisablehook__(unraisable)


def _handle(handler: Any) -> None:
    try:
        if IS_PROGRAM:
            _signal.signal(_signal.SIGINT, handler)
    except ValueError:  # not in the main thread
        return


_handle(_end_at_once)
