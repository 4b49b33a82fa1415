"""What the last build read and wrote, so that the next one can find out quickly whether there is anything to do.

A file counts as unchanged while its times, size and inode are; where they are not, its sha256 decides. A file that was
changed less than a moment before it was read is always compared by content, since its next change might not move its
time.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from darkroom.core import caches
from darkroom.core.paths import read_plain

MOMENT_NS = 50_000_000
_OTHER = "-"  # instead of the sha256 of a file that was not read
_KEPT = 50_000_000  # bytes of a file that is read at once
_MOVED = -1  # instead of a time that is not reliable


class Times(NamedTuple):
    """What the file system knows of a file without reading it."""

    modified_ns: int
    bytes: int
    changed_ns: int
    inode: int


class Seen(NamedTuple):
    """A file as it was read; ``vetted`` says that it was found fit to be published."""

    times: Times
    sha256: str
    vetted: bool = False


class Listed(NamedTuple):
    """A folder as it was read: its time, and the names in it joined by ``/``."""

    modified_ns: int
    names: str


class Snapshot(msgspec.Struct, frozen=True):
    """Everything looked at; None stands for a file that was not there."""

    files: dict[str, Seen | None] = {}
    folders: dict[str, Listed] = {}


class Published(NamedTuple):
    """A file of the site."""

    times: Times
    sha256: str


class BuildRecord(msgspec.Struct, frozen=True):
    """A build: what it depended on besides files, what it read, wrote and warned of, and how many pages it has."""

    identity: list[Any] = []
    pages: int = 0
    inputs: Snapshot = Snapshot()
    outputs: dict[str, Published] = {}
    warnings: list[tuple[str, int, int, str, str]] = []


def sha256(content: bytes) -> str:
    """The sha256 of *content* in hex."""
    return hashlib.sha256(content).hexdigest()


class Inputs:
    """Digests of files and listings of folders, taken once per build and cached across builds."""

    def __init__(self, known: Mapping[str, Seen | None]) -> None:
        self._known = known
        self._seen: dict[str, Seen | None] = {}
        self._folders: dict[str, Listed] = {}
        self._plain: set[str] = set()  # folders that are reached through no link
        self._fit: set[tuple[str, str]] = set()  # suffixes and digests of files that may be published
        self._last = ("", b"")  # the file that was read last, whose faults are often asked for next

    def digest(self, path: Path | str) -> str:
        """The sha256 of a file, or "" where there is none."""
        name = os.fspath(path)
        if name not in self._seen:
            self._seen[name] = self._look(name, stat_of(name))
        seen = self._seen[name]
        return seen.sha256 if seen else ""

    def digest_within(self, folder: Path | str, path: str, size: int | None = None) -> str:
        """The sha256 of a file of outputs, or "" if there is none, or it is a link or reached through one.

        A file of another *size*, if that is given, counts as changed and is not read.
        """
        base, way = os.fspath(folder), path.rpartition("/")[0]
        if way and f"{base}/{way}" not in self._plain and not self._is_plain(base, way):
            return ""
        name = f"{base}/{path}"
        now = _lstat(name)
        if now is not None and stat.S_ISLNK(now.st_mode):
            return ""
        if name not in self._seen:
            times = _times(now)
            is_other = times and size is not None and times.bytes != size
            self._seen[name] = Seen(times, _OTHER) if times and is_other else self._look(name, times, keep=True)
        seen = self._seen[name]
        return seen.sha256 if seen else ""

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

    def is_known(self, path: Path | str) -> bool:
        """Whether a file is as the last build saw it."""
        digest, known = self.digest(path), self._known.get(os.fspath(path))
        return bool(digest and known and known.sha256 == digest)

    def is_vetted(self, path: Path | str) -> bool:
        """Whether an earlier build allowed a file, and it has not changed."""
        known = self._known.get(os.fspath(path))
        return bool(known and known.vetted and self.is_known(path))

    def vet(self, path: Path | str) -> None:
        """Record that a file, which exists, may be published."""
        name, digest = os.fspath(path), self.digest(path)
        seen = self._seen[name]
        if digest and seen and not seen.vetted:
            self._seen[name] = seen._replace(vetted=True)

    def fault_of(self, path: Path | str, judge: Callable[[str, bytes | None], str]) -> str:
        """Why an existing file of a figure is not published, or "".

        *judge* says so, given a path, and the content if that is known. It is called once for each content.
        """
        name, digest = os.fspath(path), self.digest(path)
        seen = self._seen[name]
        if not seen or seen.vetted:
            return ""
        fit = (os.path.splitext(name)[1], digest)  # noqa: PTH122  # thousands of calls
        fault = ""
        if fit not in self._fit and not self.is_vetted(path):
            fault = judge(name, self._last[1] if self._last[0] == name else None)
        if not fault:
            self._fit.add(fit)
            self.vet(path)
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
        name = os.fspath(folder)
        self._folders[name] = _look_into(name)
        for entry in _entries(name):
            path = folder / entry
            if path.is_dir():
                if entry != "node_modules":
                    yield from self.walk(path, suffix)
            elif entry.lower().endswith(suffix):
                yield path

    def list_folder(self, folder: Path) -> None:
        """Make the names in *folder* an input."""
        self._folders[os.fspath(folder)] = _look_into(os.fspath(folder))

    def _look(self, name: str, now: Times | None, keep: bool = False) -> Seen | None:
        """A file that has these times now, if it is there; one that has not changed is not read."""
        known = self._known.get(name)
        if now is None or (known and now == known.times):
            return known if now else None
        digest = self._kept_digest(name, now.bytes) if keep else _digest_of(name)
        moved = time.time_ns() - max(now.modified_ns, now.changed_ns) < MOMENT_NS
        return Seen(now._replace(modified_ns=_MOVED) if moved else now, digest)

    def _kept_digest(self, name: str, size: int) -> str:
        """The digest of a file that was no link a moment ago; its content is kept until the next one's is."""
        if size > _KEPT:
            return _digest_of(name)
        with open(name, "rb", buffering=0) as file:  # noqa: PTH123  # thousands of calls
            content = file.read(size + 1)
        if len(content) != size:  # it is being written
            return _digest_of(name)
        self._last = (name, content)
        return sha256(content)

    def snapshot(self) -> Snapshot:
        """Everything looked at."""
        return Snapshot(self._seen, self._folders)


def unchanged(snapshot: Snapshot) -> bool:
    """Whether every file and folder of a snapshot is as it was."""
    files, folders = snapshot.files.items(), snapshot.folders.items()
    return all((seen and has_times(name, seen.times)) or _same_file(name, seen) for name, seen in files) and all(
        _same_folder(name, listed) for name, listed in folders
    )


def has_times(path: str, times: Times) -> bool:
    """Whether a file exists with these times: equal to comparing what ``stat_of`` gives, but faster."""
    try:
        found = os.stat(path)  # noqa: PTH116  # thousands of calls
    except (OSError, ValueError):
        return False
    return (found.st_mtime_ns, found.st_size, found.st_ctime_ns, found.st_ino) == times


def stat_of(path: str) -> Times | None:
    """What the file system tells of a file, or None where there is none."""
    try:
        return _times(os.stat(path))  # noqa: PTH116  # thousands of calls
    except (OSError, ValueError):
        return None


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (OSError, ValueError):
        return None


def _times(found: os.stat_result | None) -> Times | None:
    if found is None or not stat.S_ISREG(found.st_mode):  # a pipe would be waited for
        return None
    return Times(found.st_mtime_ns, found.st_size, found.st_ctime_ns, found.st_ino)


def _same_file(name: str, known: Seen | None) -> bool:
    if known is None:
        return stat_of(name) is None
    now = stat_of(name)
    if now is None or now.bytes != known.times.bytes:
        return False
    return _digest_of(name) == known.sha256


def _digest_of(name: str) -> str:
    """The sha256 of a file, which may be larger than the memory."""
    digest = hashlib.sha256()
    with open(name, "rb", buffering=0) as file:  # noqa: PTH123  # thousands of calls
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


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
    moved = time.time_ns() - now < MOMENT_NS
    return Listed(_MOVED if moved else now, "/".join(_entries(name)))


def _same_folder(name: str, known: Listed) -> bool:
    return _time_of(name) == known.modified_ns or "/".join(_entries(name)) == known.names


_loaded: dict[str, tuple[Times, BuildRecord]] = {}  # kept in memory for the build that follows the check


def load(path: Path) -> BuildRecord:
    """A cached record, or an empty one if there is none with a valid seal."""
    name = os.fspath(path)
    if name in _loaded and has_times(name, _loaded[name][0]):
        return _loaded[name][1]
    times = stat_of(name)
    try:
        record = msgspec.json.decode(caches.read(path), type=BuildRecord)
    except msgspec.DecodeError:
        return BuildRecord()
    if times:
        _loaded[name] = times, record
    return record
