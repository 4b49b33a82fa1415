"""Locks between processes. A lock is released when its process ends, even if it is killed.

Only what writes takes one, so a build that changes nothing does not import filelock (12 ms, where it takes 100).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def hold(path: Path, refused: Callable[[], Exception], timeout_s: float = 0.0) -> Iterator[None]:
    """Hold the lock at *path*, waiting for it no longer than *timeout_s*; *refused* makes the error if it is taken.

    Raises:
        OSError: the lock cannot be made.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=timeout_s)
    except Timeout:
        raise refused() from None
    try:
        yield
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Whether a process holds the lock at *path* now."""
    if not path.exists():
        return False
    try:
        with hold(path, TimeoutError):
            return False
    except TimeoutError:
        return True
