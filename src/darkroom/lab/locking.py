"""One process at a time works on an experiment's outputs; another is told who does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from darkroom.lab.errors import Locked
from darkroom.lab.paths import new_file, read_plain
from darkroom.lab.place import Place


@contextmanager
def locked(place: Place) -> Iterator[None]:
    """Hold the outputs of an experiment. The lock ends with the process, however that ends.

    Raises:
        Locked: another process holds them; it is named.
        DamagedOutputs: they are a link, or their scratch folder is one.
    """
    from filelock import FileLock, Timeout

    place.claim()
    place.scratch.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place.scratch / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise Locked(f"{place.id}: process {holder(place)} is working on it; wait for it, or stop it") from None
    try:
        with new_file(_holder_file(place)) as file:
            file.write(f"{os.getpid()}\n".encode())
        place.recover()
        yield
    finally:
        lock.release()


def holder(place: Place) -> str:
    """The process id of who took the lock last."""
    try:
        return read_plain(_holder_file(place), 100).decode(errors="replace").strip() or "?"
    except (OSError, ValueError):
        return "?"


def _holder_file(place: Place) -> Path:
    return place.scratch / "holder"
