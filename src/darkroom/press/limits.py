"""Limits on the time and memory that a page may take, since it may come from someone else.

Time is measured by an interval timer whose signal raises an error in whatever is running; memory by the limit of
the process's address space, raised again when the page is done. Where a system has neither, there are no limits.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from darkroom.core.errors import allowed_memory

SECONDS = 8.0
BYTES = 700_000_000
LONGEST = 5_000_000  # characters of a page once Jinja is done with it


def processors() -> int:
    """How many processors this process may use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class TooCostly(Exception):
    """A page takes more time or memory than allowed."""


TOO_DEEP = "is nested too deeply here; split it"
NO_MEMORY = "the page takes more memory than a page may; shorten or split what makes so much of it"


@contextmanager
def bounded() -> Iterator[None]:
    """Do something for one page, within the limits; nested calls share those of the outermost.

    Raises:
        TooCostly: it takes too long.
        MemoryError: it takes too much memory.
    """
    with _in_time(), _in_memory():
        yield


@contextmanager
def _in_time() -> Iterator[None]:
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    import signal

    if signal.getitimer(signal.ITIMER_PROF)[0]:  # within such a limit already
        yield
        return
    before = signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS, 1.0)  # again, if something has caught the error
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _stop(number: int, frame: FrameType | None) -> None:
    raise TooCostly(f"the page takes more than {SECONDS:g} seconds; split it, or make it simpler")


@contextmanager
def _in_memory() -> Iterator[None]:
    size = _size()
    if not size:
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = size + BYTES
    if (soft != resource.RLIM_INFINITY and soft <= limit) or (hard != resource.RLIM_INFINITY and hard < limit):
        yield  # there is less already
        return
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def too_little(needed: int) -> str:
    """A message if less than *needed* bytes of address space are allowed, or ""."""
    limit = allowed_memory()
    if not 0 < limit < needed:
        return ""
    return (
        f"too little memory is allowed: {limit // 1_000_000} MB of address space, where about {needed // 1_000_000} MB are "
        "needed; raise the limit with ulimit -v"
    )


def too_few_files(needed: int) -> str:
    """A message if fewer than *needed* files may be open, or ""."""
    try:
        import resource
    except ImportError:  # Windows
        return ""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY or limit >= needed:
        return ""
    return f"too few files may be open: {limit}, where about {needed} are needed; allow more with ulimit -n"


def _size() -> int:
    """The bytes of address space that the process has, or 0 where they cannot be limited."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123
            pages = int(file.read().split(b" ", 1)[0])
    except (OSError, ValueError):
        return 0
    import resource

    return pages * resource.getpagesize()
