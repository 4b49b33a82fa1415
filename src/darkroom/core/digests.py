"""The sha256 of files, cached by size, times and inode so that an unchanged file is not read again.

A file that was changed less than a moment before it was read is read again the next time, since another change in that
moment might not move its times.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from darkroom.core import caches
from darkroom.core.paths import is_text

RACY_NS = 50_000_000  # more than the resolution of file times
_NEVER = -1  # in place of a time that is not reliable
_LARGEST_KEPT = 50_000_000  # bytes
_CHUNK = 1 << 20
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})


class _Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A file as it was read; ``rule`` names what it has been verified by, if anything."""

    modified_ns: int
    size: int
    changed_ns: int
    inode: int
    sha256: str
    rule: str = ""


def sha256(content: bytes) -> str:
    """The sha256 of *content* in hex."""
    return hashlib.sha256(content).hexdigest()


class Digests:
    """The sha256 of files, through a cache on disk.

    Args:
        cache: the file that stores them between processes; it may be absent, stale or damaged. Without one they are only
            kept in memory.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache
        self._known: dict[str, _Entry] = {}
        self._used: set[str] = set()
        self._looks: dict[str, os.stat_result | None] | None = None
        self._hashed: set[str] = set()  # since ``look_once``
        self._last = ("", b"")
        self._changed = False
        try:
            self._known = msgspec.json.decode(caches.read(cache), type=dict[str, _Entry]) if cache else {}
        except msgspec.DecodeError:
            self._changed = True

    def of(
        self, path: str, *, links: bool = True, size: int | None = None, most: int | None = None, keep: bool = False
    ) -> str | None:
        """The hex sha256 of the file at *path*, or None if there is none; without *links* a link does not count.

        With *size* a file of another size, and with *most* a larger file, is not read and does not count. With *keep*
        the content of a file that has to be read is ready in ``content``.

        Raises:
            OSError: it cannot be read; or, with *links*, its folder cannot.
        """
        found = self._look(path, links)
        if found is None or (size is not None and found.st_size != size) or (most is not None and found.st_size > most):
            return None
        entry = self._known.get(path)
        if entry is None or not (_is_current(entry, found) or path in self._hashed):
            entry = self._known[path] = self._hash(path, entry, keep)
        self._used.add(path)
        return entry.sha256

    def agree(self, files: Iterable[tuple[str, str]], *, links: bool = True) -> bool:
        """Whether each file has the sha256 beside it, "" if there is none: ``of`` for thousands of files.

        Raises:
            OSError: as in ``of``.
        """
        known, looks, use = self._known, self._looks, self._used.add
        for path, digest in files:
            entry = known.get(path)
            if entry is not None and entry.sha256 == digest and (looks is None or path not in looks):
                try:
                    found = os.lstat(path)
                except (OSError, ValueError):
                    return False
                if _is_current(entry, found):  # so it is not a link: its inode is that of a file
                    use(path)
                    if looks is not None:
                        looks[path] = found
                    continue
            if (self.of(path, links=links) or "") != digest:
                return False
        return True

    def is_whole(self, path: str, digest: str) -> bool:
        """Whether the file at *path*, which is not a link and can be read, has the sha256 *digest*."""
        try:
            return self.of(path, links=False) == digest
        except OSError:
            return False

    def whole(self, folder: str, files: Mapping[str, str]) -> set[str]:
        """Those of *files*, paths within *folder* with a sha256 each, that are whole; for thousands of files."""
        known, use, found = self._known, self._used.add, set[str]()
        for name, digest in files.items():
            path = f"{folder}/{name}"
            entry = known.get(path)
            if entry is not None and entry.sha256 == digest and self._looks is None:
                try:
                    is_current = _is_current(entry, os.lstat(path))
                except (OSError, ValueError):
                    continue
                if is_current:  # so it is not a link: its inode is that of a file
                    use(path)
                    found.add(name)
                    continue
            if self.is_whole(path, digest):
                found.add(name)
        return found

    def is_also(self, path: str, other: str) -> bool:
        """Whether *other* is a hard link to the file at *path*, as that was when its digest was last taken."""
        entry = self._known.get(path)
        try:
            return entry is not None and _is_current(entry, os.lstat(other))
        except (OSError, ValueError):
            return False

    def size(self, path: str) -> int:
        """The bytes of the file at *path*; -1 if there is none, or a link."""
        found = self._look(path, links=False)
        return -1 if found is None else found.st_size

    def content(self, path: str) -> bytes | None:
        """The content of the file at *path*, if that was the last one to be read and to be kept."""
        return self._last[1] if self._last[0] == path else None

    def note(self, path: str, digest: str) -> None:
        """Record the digest of the file at *path*, which has just been written, without reading it."""
        now, found, entry = time.time_ns(), self._look(path, links=False), self._known.get(path)
        if found is None:
            return
        self._used.add(path)
        if entry is None or entry.sha256 != digest or not _is_current(entry, found):
            self._known[path], self._changed = _entry(found, now, digest, entry), True

    def is_verified(self, path: str, rule: str) -> bool:
        """Whether the file at *path*, as it was when its digest was last taken, has been verified by *rule*."""
        entry = self._known.get(path)
        return entry is not None and entry.rule == rule

    def verify(self, path: str, rule: str) -> None:
        """Record that the file at *path*, as it was when its digest was last taken, has been verified by *rule*."""
        entry = self._known.get(path)
        if entry is not None and entry.rule != rule:
            self._known[path], self._changed = msgspec.structs.replace(entry, rule=rule), True

    def look_once(self) -> None:
        """From now on look at each file once, until ``look_again``; nothing must be written meanwhile."""
        self._looks, self._hashed = {}, set()

    def look_again(self) -> None:
        """From now on look at a file whenever its digest is needed."""
        self._looks, self._hashed = None, set()

    def save(self) -> None:
        """Save new digests, if there are any; failing to write the cache is ignored."""
        if self._cache is None or not self._changed:
            return
        known = {path: entry for path, entry in self._known.items() if path in self._used or os.path.exists(path)}  # noqa: PTH110
        with suppress(OSError):
            caches.write(self._cache, _encoded(known))
        self._known, self._changed = known, False

    def _look(self, path: str, links: bool) -> os.stat_result | None:
        """The stat of the plain file at *path*, or None if there is none."""
        looks = self._looks
        if looks is not None and path in looks:
            found = looks[path]
        else:
            found = _stat(path, links, follow=False)
            if looks is not None and (found is not None or links):
                looks[path] = found
        if found is None or stat.S_ISREG(found.st_mode):
            return found
        if links and stat.S_ISLNK(found.st_mode):
            target = _stat(path, links, follow=True)
            return target if target is not None and stat.S_ISREG(target.st_mode) else None
        return None  # opening a pipe would block

    def _hash(self, path: str, known: _Entry | None, keep: bool) -> _Entry:
        self._changed = True
        if self._looks is not None:
            self._hashed.add(path)
        now = time.time_ns()
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # thousands of calls
            found = os.fstat(file.fileno())
            digest = hashlib.sha256()
            if keep and found.st_size <= _LARGEST_KEPT:
                self._last = (path, file.read(found.st_size))
                digest.update(self._last[1])
            while chunk := file.read(_CHUNK):
                self._last = ("", b"") if self._last[0] == path else self._last  # it has grown
                digest.update(chunk)
        return _entry(found, now, digest.hexdigest(), known)


def _stat(path: str, links: bool, follow: bool) -> os.stat_result | None:
    try:
        return os.stat(path, follow_symlinks=follow)  # noqa: PTH116  # a thousand Paths cost more than the calls
    except ValueError:  # not a valid name
        return None
    except OSError as error:
        if links and error.errno not in _ABSENT:
            raise
        return None


def _entry(found: os.stat_result, now_ns: int, digest: str, known: _Entry | None) -> _Entry:
    """The cache entry of a file with the stat *found*, read or written from *now_ns* on; *known* is the one before."""
    is_racy = max(found.st_mtime_ns, found.st_ctime_ns) + RACY_NS >= now_ns
    modified_ns = _NEVER if is_racy else found.st_mtime_ns
    rule = known.rule if known is not None and known.sha256 == digest else ""
    return _Entry(modified_ns, found.st_size, found.st_ctime_ns, found.st_ino, digest, rule)


def _is_current(entry: _Entry, found: os.stat_result) -> bool:
    return (
        entry.modified_ns == found.st_mtime_ns
        and entry.changed_ns == found.st_ctime_ns
        and entry.size == found.st_size
        and entry.inode == found.st_ino
    )


def _encoded(known: Mapping[str, _Entry]) -> bytes:
    """*known* as JSON, without names that are not UTF-8."""
    try:
        return msgspec.json.encode(known)
    except UnicodeEncodeError:
        return msgspec.json.encode({path: entry for path, entry in known.items() if is_text(path)})
