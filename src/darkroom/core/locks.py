"""Locks between processes. A lock is released when its process ends, even if it is killed."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_POLL_S = 0.05
_NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOLCK})


@contextmanager
def hold(path: Path, refused: Callable[[], Exception], timeout_s: float = 0.0) -> Iterator[None]:
    """Hold the lock at *path*, waiting for it no longer than *timeout_s*; *refused* makes the error if it is taken.

    filelock is only imported on systems without such locks: importing it takes longer than most builds.

    Raises:
        OSError: the lock cannot be made.
    """
    with ExitStack() as lock:
        try:
            if not _flock(path, timeout_s, lock):
                from filelock import FileLock

                lock.enter_context(FileLock(path, timeout=timeout_s))
        except TimeoutError:  # of which filelock's is one
            raise refused() from None
        yield


def is_held(path: Path) -> bool:
    """Whether a process holds the lock at *path* now."""
    if not path.exists():
        return False
    try:
        with hold(path, TimeoutError):
            return False
    except TimeoutError:
        return True


def _flock(path: Path, timeout_s: float, lock: ExitStack) -> bool:
    """Take the lock, which *lock* releases; False where the system has no lock that ends with its process.

    Raises:
        TimeoutError: another process holds it.
        OSError: the file cannot be opened.
    """
    try:
        import fcntl
    except ImportError:  # on Windows
        return False
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    lock.callback(os.close, file)
    until = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock.callback(fcntl.flock, file, fcntl.LOCK_UN)  # also for processes that were forked meanwhile
            return True
        except BlockingIOError:
            if time.monotonic() >= until:
                raise TimeoutError(f"{path} is taken") from None
            time.sleep(_POLL_S)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return False
            raise
