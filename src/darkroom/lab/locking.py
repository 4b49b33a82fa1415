"""One process at a time works on an experiment's outputs; another is told who does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from darkroom.lab.errors import Locked
from darkroom.lab.place import Place


@contextmanager
def locked(place: Place) -> Iterator[None]:
    """Hold the outputs of an experiment. The lock ends with the process, however that ends.

    Raises:
        Locked: another process holds them; it is named.
        DamagedOutputs: they are a link, or their scratch folder is one.
    """
    from filelock import FileLock, Timeout

    place.refuse_links()
    place.scratch.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place.scratch / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise Locked(f"{place.id}: process {holder(place)} is working on it; wait for it, or stop it") from None
    try:
        _holder_file(place).write_text(f"{os.getpid()}\n", encoding="utf-8")
        place.recover()
        yield
    finally:
        lock.release()


def holder(place: Place) -> str:
    """The process id of who took the lock last."""
    try:
        return _holder_file(place).read_text(encoding="utf-8").strip() or "?"
    except OSError:
        return "?"


def _holder_file(place: Place) -> Path:
    return place.scratch / "holder"
