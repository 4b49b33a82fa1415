"""The files that a call names: files, those of folders, those of zip archives. Nothing is unpacked, no link is followed."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

import msgspec

from darkroom.core.manifest import StoredFile
from darkroom.core.paths import check_path, folded, read_plain

MOST_BYTES = 2_000_000_000  # of everything that is imported at once
MOST_FILES = 2_000
_HIDDEN = frozenset({"__MACOSX", "__pycache__", "desktop.ini", "Thumbs.db"})
_CHUNK = 1 << 20


class Given(msgspec.Struct, frozen=True):
    """A file: its path within what was given (with ``/``), the name of the folder or archive ("" for a file), its bytes."""

    path: str
    within: str
    content: bytes

    @property
    def name(self) -> str:
        """Its own name."""
        return self.path.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """Its own name without the suffix."""
        return self.name.rpartition(".")[0] or self.name

    @property
    def suffix(self) -> str:
        """The suffix in lower case, such as ".npz"."""
        return os.path.splitext(self.name)[1].lower()  # noqa: PTH122

    @property
    def folders(self) -> list[str]:
        """The folders that it is in, the outermost first."""
        return self.path.split("/")[:-1]

    def described(self) -> StoredFile:
        """Its path, digest and size."""
        return StoredFile(self.path, sha256(self.content).hexdigest(), len(self.content))


class Faults(list[str]):
    """What is wrong with files, one line each."""

    def add(self, path: str, problem: str) -> None:
        """Add what is wrong at a path."""
        shown = path.replace("\n", "\\n").replace("\r", "\\r")  # a name must not read as another fault
        self.append(f"{shown}: {problem}")


def collect(paths: Iterable[str], faults: Faults, most: int = MOST_FILES) -> list[Given]:
    """Every file that *paths* name: files, what is in folders, and what is in zip archives; hidden ones are left out.

    *most* is how many there may be. What cannot be read or is not a plain file is added to *faults*, as are two files that
    have the same path.
    """
    collector = _Collector(faults, most)
    for path in paths:
        collector.take(Path(path).expanduser())
    same: dict[str, str] = {}
    for given in collector.found:
        other = same.setdefault(folded(given.path), given.path)
        if other is not given.path:
            faults.add(given.path, "is given twice, here or on systems that ignore case; leave one out, or rename it")
    return collector.found


class _Collector:
    def __init__(self, faults: Faults, most: int) -> None:
        self.faults, self.most, self.found, self.room = faults, most, list[Given](), MOST_BYTES

    def take(self, path: Path) -> None:
        try:
            mode = path.stat().st_mode  # a link that the call names is followed, none within a folder is
        except OSError as error:
            self.faults.add(os.fspath(path), f"cannot be read: {error.strerror}; give files, folders or zip archives")
            return
        if stat.S_ISDIR(mode):
            before = len(self.found)
            self._folder(path)
            if len(self.found) == before:
                self.faults.add(os.fspath(path), "has no files; give a folder with results")
        elif content := self._read(path, os.fspath(path), links=True):
            if path.suffix.lower() == ".zip":
                self._archive(path, content)
            else:
                self._keep(path.name, "", content)

    def _folder(self, folder: Path) -> None:
        for path in _files_under(os.fspath(folder)):
            shown = os.path.relpath(path, folder).replace(os.sep, "/")
            if (content := self._read(Path(path), f"{folder.name or folder}/{shown}")) is not None:
                self._keep(shown, folder.resolve().name, content)

    def _read(self, path: Path, shown: str, *, links: bool = False) -> bytes | None:
        try:
            content = read_plain(path, max(self.room, 0), links=links)
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else str(error)
            self.faults.add(shown, f"is not imported: {said}")
            return None
        if not content:
            self.faults.add(shown, "is empty; leave it out")
        return content or None

    def _keep(self, path: str, within: str, content: bytes) -> None:
        try:
            check_path(path)
        except ValueError as error:
            self.faults.add(path.encode("utf-8", "backslashreplace").decode(), f"{error}; rename it")
            return
        self.room -= len(content)
        if len(self.found) == self.most:
            self.faults.append(f"more than {self.most:,} files; give fewer, or pack arrays into one .npz")
        if len(self.found) < self.most:
            self.found.append(Given(path, within, content))

    def _archive(self, path: Path, content: bytes) -> None:
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                self._members(archive, path)
        except Exception as error:  # whatever the decoder stumbles over
            self.faults.add(path.name, f"is not a zip archive that can be read ({error}); pack it again")

    def _members(self, archive: zipfile.ZipFile, path: Path) -> None:
        members = [each for each in archive.infolist() if not each.is_dir() and not _is_hidden(each.filename)]
        total = sum(each.file_size for each in members)
        if len(members) > self.most or total > self.room:
            most = f"at most {self.most:,} files and {MOST_BYTES:,} bytes are imported at once"
            self.faults.add(path.name, f"has {len(members):,} files of {total:,} bytes; {most}")
            return
        if not members:
            self.faults.add(path.name, "has no files; pack results into it")
        for member in members:
            name = member.orig_filename.replace("\\", "/")  # all of it: the other ends where a NUL is
            kind = stat.S_IFMT(member.external_attr >> 16)  # 0 where the program that packed it noted none
            if kind not in {0, stat.S_IFREG}:
                self.faults.add(f"{path.name}: {name}", "is a link, or not a plain file; pack the file itself")
            elif member.flag_bits & 1:
                self.faults.add(f"{path.name}: {name}", "is encrypted; pack it without a password")
            else:
                self._keep(name, path.stem, _inflated(archive, member))


def _inflated(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """The content of a member, at most as long as the archive declares it to be.

    Raises:
        BadZipFile: it is longer, or damaged.
    """
    with archive.open(member) as file:
        content = file.read(member.file_size + 1)
    if len(content) != member.file_size:
        raise zipfile.BadZipFile(f"{member.filename} does not have the size that is declared")
    return content


def _files_under(folder: str) -> Iterator[str]:
    for entry in sorted(os.scandir(folder), key=lambda each: each.name):
        if _is_hidden(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files_under(entry.path)
        else:
            yield entry.path


def _is_hidden(path: str) -> bool:
    """Whether a file is an editor's or a system's: its name, or that of a folder it is in, says so."""
    return any(
        (part.startswith(".") and part not in {".", ".."}) or part in _HIDDEN
        for part in path.replace("\\", "/").split("/")
    )
