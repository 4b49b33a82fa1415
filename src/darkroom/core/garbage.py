"""When Python searches for garbage: rarely, since what is made here is many records and hardly any cycles.

The search would take a tenth of a small build.
"""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_SELDOM = 200_000, 50, 50


@contextmanager
def collected_seldom() -> Iterator[None]:
    """Search rarely meanwhile, and as before afterwards."""
    before = gc.get_threshold()
    gc.set_threshold(*_SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def seldom_until_exit() -> None:
    """Search rarely from now on, and not at the end of the process, which frees all of its memory anyway."""
    gc.set_threshold(*_SELDOM)
    atexit.register(gc.freeze)
