"""What the last build read and wrote, so that the next one can find out quickly whether there is anything to do."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from darkroom.core import caches
from darkroom.core.digests import RACY_NS, Digests
from darkroom.core.paths import read_plain

FILE_RULE = "published 2"  # by which files of figures are verified; to be counted up when it changes
_OTHER = "-"  # instead of the sha256 of a file that was not read
_MOVED = -1  # instead of a time that is not reliable


class Listed(NamedTuple):
    """A folder as it was read: its time, and the names in it joined by ``/``."""

    modified_ns: int
    names: str


class Snapshot(msgspec.Struct, frozen=True):
    """Everything looked at: the sha256 of each file, or "" if there was none; of a file of outputs that was not read its
    bytes, or -1 if there was none or a link.
    """

    files: dict[str, str | int] = {}
    folders: dict[str, Listed] = {}


class BuildRecord(msgspec.Struct, frozen=True):
    """A build: what it depended on besides files, what it read, wrote and warned of, and how many pages it has.

    ``outputs`` has the sha256 of each file of the site.
    """

    identity: list[Any] = []
    pages: int = 0
    inputs: Snapshot = Snapshot()
    outputs: dict[str, str] = {}
    warnings: list[tuple[str, int, int, str, str]] = []


class Inputs:
    """Digests of files and listings of folders, taken once per build and remembered as what it depends on.

    Args:
        digests: where digests come from.
    """

    def __init__(self, digests: Digests) -> None:
        self.digests = digests
        self._files: dict[str, str] = {}
        self._within: dict[str, str | int] = {}  # files of outputs
        self._folders: dict[str, Listed] = {}
        self._plain: set[str] = set()  # folders that are reached through no link
        self._fit: set[tuple[str, str]] = set()  # suffixes and digests of files that may be published

    def digest(self, path: Path | str) -> str:
        """The sha256 of a file, or "" where there is none.

        Raises:
            OSError: it cannot be read.
        """
        name = os.fspath(path)
        if name not in self._files:
            self._files[name] = self.digests.of(name) or ""
        return self._files[name]

    def digest_within(self, folder: Path | str, path: str, size: int | None = None) -> str:
        """The sha256 of a file of outputs, or "" if there is none, or it is a link or reached through one.

        A file of another *size*, if that is given, counts as changed and is not read.
        """
        base, way = os.fspath(folder), path.rpartition("/")[0]
        if way and f"{base}/{way}" not in self._plain and not self._is_plain(base, way):
            return ""
        name = f"{base}/{path}"
        if name not in self._within:
            digest = self.digests.of(name, links=False, size=size, keep=True)
            self._within[name] = self.digests.size(name) if digest is None else digest
        found = self._within[name]
        return found if isinstance(found, str) else "" if found < 0 else _OTHER

    def _is_plain(self, base: str, way: str) -> bool:
        """Whether no link stands for a folder or one on the way to it; asked once for each."""
        name = f"{base}/{way}"
        if name not in self._plain:
            found = _lstat(name)
            above = way.rpartition("/")[0]
            if (found and stat.S_ISLNK(found.st_mode)) or (above and not self._is_plain(base, above)):
                return False
            self._plain.add(name)
        return True

    def is_verified(self, path: Path | str, rule: str) -> bool:
        """Whether a file, whose digest was taken, has been verified by *rule*."""
        return self.digests.is_verified(os.fspath(path), rule)

    def verify(self, path: Path | str, rule: str) -> None:
        """Record that a file, whose digest was taken, has been verified by *rule*."""
        self.digests.verify(os.fspath(path), rule)

    def fault_of(self, path: Path | str, judge: Callable[[str, bytes | None], str]) -> str:
        """Why a file of outputs, whose digest was taken, is not published, or "".

        *judge* says so, given a path, and the content if that is known. It is called once for each content.
        """
        name = os.fspath(path)
        if self.digests.is_verified(name, FILE_RULE):
            return ""
        fit = (os.path.splitext(name)[1], str(self._within[name]))  # noqa: PTH122  # thousands of calls
        fault = "" if fit in self._fit else judge(name, self.digests.content(name))
        if not fault:
            self._fit.add(fit)
            self.digests.verify(name, FILE_RULE)
        return fault

    def read(self, path: Path) -> bytes:
        """The content of a file, which becomes an input.

        Raises:
            OSError: it cannot be read, or is not a plain file.
        """
        self.digest(path)
        try:
            return read_plain(path, caches.LARGEST, links=True)
        except ValueError as error:
            raise OSError(errno.EINVAL, str(error), os.fspath(path)) from None

    def text(self, path: Path) -> str:
        """The content of a UTF-8 file."""
        return self.read(path).decode("utf-8")

    def walk(self, folder: Path, suffix: str = "") -> Iterator[Path]:
        """Every file below *folder*, sorted, without hidden ones and ``node_modules``; the listing becomes an input."""
        for file in self._walk(os.fspath(folder), suffix):
            yield Path(file)

    def _walk(self, folder: str, suffix: str) -> Iterator[str]:
        self._folders[folder] = _look_into(folder)
        for name, is_folder in _listing(folder):
            if not is_folder and name.lower().endswith(suffix):
                yield f"{folder}/{name}"
            elif is_folder and name != "node_modules":
                yield from self._walk(f"{folder}/{name}", suffix)

    def list_folder(self, folder: Path) -> None:
        """Make the names in *folder* an input."""
        self._folders[os.fspath(folder)] = _look_into(os.fspath(folder))

    def snapshot(self) -> Snapshot:
        """Everything looked at."""
        return Snapshot({**self._files, **self._within}, self._folders)


def unchanged(snapshot: Snapshot, digests: Digests) -> bool:
    """Whether every file and folder of a snapshot is as it was."""
    files, folders = snapshot.files.items(), snapshot.folders.items()
    try:
        return (
            digests.agree((name, seen) for name, seen in files if isinstance(seen, str))
            and all(digests.size(name) == seen for name, seen in files if isinstance(seen, int))
            and all(_same_folder(name, listed) for name, listed in folders)
        )
    except OSError:  # reported by the build
        return False


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (OSError, ValueError):
        return None


def _listing(name: str) -> list[tuple[str, bool]]:
    """What a folder holds but for hidden files, sorted, and whether each is a folder."""
    try:
        with os.scandir(name) as entries:
            return sorted((entry.name, _is_folder(entry)) for entry in entries if not entry.name.startswith("."))
    except OSError:
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links
        return False


def _entries(name: str) -> list[str]:
    try:
        return sorted(entry for entry in os.listdir(name) if not entry.startswith("."))  # noqa: PTH208
    except OSError:
        return []


def _time_of(name: str) -> int:
    try:
        return os.stat(name).st_mtime_ns  # noqa: PTH116
    except OSError:
        return 0


def _look_into(name: str) -> Listed:
    now = _time_of(name)
    moved = time.time_ns() - now < RACY_NS
    return Listed(_MOVED if moved else now, "/".join(_entries(name)))


def _same_folder(name: str, known: Listed) -> bool:
    return _time_of(name) == known.modified_ns or "/".join(_entries(name)) == known.names


def load(path: Path) -> BuildRecord:
    """A cached record, or an empty one if there is none with a valid seal."""
    try:
        return msgspec.json.decode(caches.read(path), type=BuildRecord)
    except msgspec.DecodeError:
        return BuildRecord()
