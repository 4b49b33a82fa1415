"""Locks between processes. A lock ends with the process that holds it, however that ends."""

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
    from filelock import FileLock, Timeout

    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
