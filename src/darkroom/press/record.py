"""What the last build saw and wrote, so that the next one can tell at a glance whether there is anything to do.

A file counts as unchanged while its time and size are; where they are not, its sha256 decides. A file that was changed
less than a moment before it was read is always compared by content, since its next change might not move its time.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

MOMENT_NS = 50_000_000

Stat = tuple[int, int, str]


def sha256(content: bytes) -> str:
    """The sha256 of *content* in hex."""
    return hashlib.sha256(content).hexdigest()


class Inputs:
    """Digests of files and listings of folders, taken once a build and remembered over builds."""

    def __init__(self, known: Mapping[str, Stat]) -> None:
        self._known = known
        self._seen: dict[str, Stat | None] = {}
        self._folders: dict[str, Stat] = {}
        self._contents: dict[str, bytes] = {}

    def digest(self, path: Path | str) -> str:
        """The sha256 of a file, or "" where there is none."""
        name = os.fspath(path)
        if name not in self._seen:
            self._seen[name] = _look(name, self._known.get(name))
        seen = self._seen[name]
        return seen[2] if seen else ""

    def read(self, path: Path) -> bytes:
        """The content of a file, which becomes an input."""
        self.digest(path)
        return path.read_bytes()

    def text(self, path: Path) -> str:
        """The content of a UTF-8 file."""
        return self.read(path).decode("utf-8")

    def walk(self, folder: Path, suffix: str = "") -> Iterator[Path]:
        """Every file below *folder*, sorted, without hidden ones and ``node_modules``; the listing becomes an input."""
        name = os.fspath(folder)
        self._folders[name] = _look_into(name)
        for entry in _entries(name):
            path = folder / entry
            if path.is_dir():
                if entry != "node_modules":
                    yield from self.walk(path, suffix)
            elif entry.endswith(suffix):
                yield path

    def list_folder(self, folder: Path) -> None:
        """Make the names in *folder* an input."""
        self._folders[os.fspath(folder)] = _look_into(os.fspath(folder))

    def snapshot(self) -> dict[str, Any]:
        """Everything looked at, ready for JSON; None stands for a file that was not there."""
        return {"files": self._seen, "folders": self._folders}


def unchanged(snapshot: Mapping[str, Any]) -> bool:
    """Whether every file and folder of a snapshot is as it was."""
    files: Mapping[str, Stat | None] = snapshot["files"]
    folders: Mapping[str, Stat] = snapshot["folders"]
    return all(_same_file(name, stat) for name, stat in files.items()) and all(
        _same_folder(name, stat) for name, stat in folders.items()
    )


def stat_of(path: str) -> tuple[int, int] | None:
    """Time and size of a file, or None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116  # thousands of calls
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _look(name: str, known: Stat | None) -> Stat | None:
    now = stat_of(name)
    if now is None:
        return None
    if known and now == (known[0], known[1]):
        return known[0], known[1], known[2]
    with open(name, "rb") as file:  # noqa: PTH123  # thousands of calls
        digest = sha256(file.read())
    moved = time.time_ns() - now[0] < MOMENT_NS
    return (-1 if moved else now[0]), now[1], digest


def _same_file(name: str, known: Stat | None) -> bool:
    now = stat_of(name)
    if now is None or known is None:
        return now is None and known is None
    if now == (known[0], known[1]):
        return True
    if now[1] != known[1]:
        return False
    with open(name, "rb") as file:  # noqa: PTH123
        return sha256(file.read()) == known[2]


def _entries(name: str) -> list[str]:
    try:
        return sorted(entry for entry in os.listdir(name) if not entry.startswith("."))  # noqa: PTH208
    except OSError:
        return []


def _look_into(name: str) -> Stat:
    now = stat_of(name) or (0, 0)
    moved = time.time_ns() - now[0] < MOMENT_NS
    return (-1 if moved else now[0]), 0, "/".join(_entries(name))


def _same_folder(name: str, known: Stat) -> bool:
    now = stat_of(name) or (0, 0)
    return now[0] == known[0] or "/".join(_entries(name)) == known[2]


def load(path: Path) -> dict[str, Any]:
    """A remembered record, or {} where there is none that can be read."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def save(path: Path, record: Mapping[str, Any]) -> None:
    """Remember *record*, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(json.dumps(record, separators=(",", ":")), encoding="utf-8")
    scratch.replace(path)
