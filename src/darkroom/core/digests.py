"""sha256 of files, remembered by size, times and inode so that an unchanged file is not read again."""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec

from darkroom.core import caches
from darkroom.core.paths import move_file, new_file

# A file changed so shortly before it was hashed may change again with equal times, so it is hashed again.
RACY_NS = 50_000_000


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    size: int
    modified_ns: int
    changed_ns: int
    inode: int
    hashed_ns: int
    sha256: str


class _Remembered(msgspec.Struct, frozen=True):
    files: dict[str, _Entry]
    whole: dict[str, str]


class Digests:
    """The sha256 of files, through a cache on disk.

    Args:
        cache: the file that stores them between processes; it may be absent, stale or damaged.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._known: dict[str, _Entry] = {}
        self._whole: dict[str, str] = {}
        self._used: dict[str, _Entry] = {}
        self._changed = False
        try:
            remembered = msgspec.json.decode(caches.read(cache), type=_Remembered)
            self._known, self._whole = remembered.files, remembered.whole
        except msgspec.DecodeError:
            self._changed = True

    def of(self, path: str, *, links: bool = True, size: int | None = None, most: int | None = None) -> str | None:
        """The hex sha256 of the file at *path*, or None if there is none; without *links* a link does not count.

        With *size* a file of another size, and with *most* a larger file, is not read and does not count.
        """
        try:
            found = os.stat(path) if links else os.lstat(path)  # noqa: PTH116  a thousand Paths cost more than the calls
        except (FileNotFoundError, NotADirectoryError, ValueError):  # no such file, or an invalid name
            return None
        except OSError as error:
            if links and error.errno != errno.ELOOP:
                raise
            return None
        if not stat.S_ISREG(found.st_mode):  # opening a pipe would block
            return None
        if (size is not None and found.st_size != size) or (most is not None and found.st_size > most):
            return None
        entry = self._known.get(path)
        if entry is None or not _is_current(entry, found):
            entry = self._hash(path)
        self._used[path] = entry
        return entry.sha256

    def is_vouched(self, path: str, readers: str) -> bool:
        """Whether the file at *path* is unchanged since *readers*, a digest of code, verified it."""
        return path in self._whole and self._whole[path] == f"{self.of(path, links=False)} {readers}"

    def vouch(self, path: str, readers: str) -> None:
        """Record that *readers*, a digest of code, have verified the file at *path* as it is now."""
        digest = self.of(path, links=False)
        if digest and self._whole.get(path) != f"{digest} {readers}":
            self._whole[path], self._changed = f"{digest} {readers}", True

    def save(self) -> None:
        """Save new digests, if there are any; failing to write the cache is ignored."""
        if not self._changed:
            return
        merged = {path: entry for path, entry in self._known.items() if path in self._used or os.path.exists(path)}  # noqa: PTH110
        merged.update(self._used)
        whole = {path: digest for path, digest in self._whole.items() if path in merged}
        with suppress(OSError, UnicodeEncodeError):
            caches.write(self._cache, msgspec.json.encode(_Remembered(merged, whole)))
        self._known, self._changed = merged, False

    def _hash(self, path: str) -> _Entry:
        self._changed = True
        now = time.time_ns()
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            found = os.fstat(file.fileno())
            digest = sha256()
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        return _Entry(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, now, digest.hexdigest())


def _is_current(entry: _Entry, found: os.stat_result) -> bool:
    return (
        entry.size == found.st_size
        and entry.modified_ns == found.st_mtime_ns
        and entry.changed_ns == found.st_ctime_ns
        and entry.inode == found.st_ino
        and max(entry.modified_ns, entry.changed_ns) + RACY_NS < entry.hashed_ns
    )


def write_atomically(path: Path, content: bytes, *, durable: bool = True, scratch: Path | None = None) -> None:
    """Write *content* atomically.

    Args:
        path: the file; its folder is made.
        content: its bytes.
        durable: wait until it is on disk. Without it, failing to write is not an error.
        scratch: a folder on the same file system for the temporary file; by default the file's own.
    """
    temporary = (scratch or path.parent) / f".{path.name}.{os.getpid()}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(temporary) as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        move_file(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if scratch and error.errno == errno.EXDEV:
            write_atomically(path, content, durable=durable)
        elif durable:
            raise
