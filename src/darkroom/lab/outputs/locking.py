"""One process at a time works on an experiment's outputs; others report which one it is."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from darkroom.core import locks
from darkroom.core.errors import Locked
from darkroom.core.paths import new_file, read_plain
from darkroom.lab.outputs.folders import OutputFolder


@contextmanager
def locked(place: OutputFolder) -> Iterator[None]:
    """Hold the outputs of an experiment. The lock is released when the process ends, even if it is killed.

    Raises:
        Locked: another process holds them; the message names it.
        DamagedOutputs: they are a link, or their scratch folder is one.
    """
    place.claim()
    place.scratch.mkdir(parents=True, exist_ok=True)

    def taken() -> Locked:
        return Locked(f"{place.id}: {holder(place)} is working on it; wait with --wait, or stop that process")

    with locks.hold(place.scratch / "lock", taken):
        with new_file(_holder_file(place)) as file:
            file.write(f"{os.getpid()} {platform.node()}\n".encode())
        place.recover()
        yield


def held(place: OutputFolder) -> bool:
    """Whether a process holds the outputs of an experiment now.

    Raises:
        DamagedOutputs: they are a link, or their scratch folder is one.
    """
    place.claim()
    return locks.is_held(place.scratch / "lock")


def holder(place: OutputFolder) -> str:
    """The process that took the lock last, and its machine, which may be another one that shares the folder."""
    try:
        fields = read_plain(_holder_file(place), 400).decode(errors="replace").split()
    except (OSError, ValueError):
        fields = []
    return f"process {fields[0] if fields else '?'}" + (f" on {fields[1]}" if len(fields) > 1 else "")


def _holder_file(place: OutputFolder) -> Path:
    return place.scratch / "holder"
