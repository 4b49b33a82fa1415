"""The files of a project's templates as they lie on disk: each can be read, leads nowhere else, and is what it is called.

This comes first, so that what reads them later meets files alone: no pipe that is waited for, no link that leads in a
circle, out of the project or nowhere, no pointer of git-LFS in place of a file.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec

from darkroom.core.errors import ContentError, Fault
from darkroom.core.paths import check_path, folded
from darkroom.press.typeset.typography import composed

POINTER = b"version https://git-lfs.github.com/spec/"
MOST = 100_000  # files
LARGEST = 100_000_000  # bytes of a file
LONGEST = 240  # bytes of a name: a digest is added to it, and file systems have 255
_FILES = frozenset(
    {"site.toml", "references.bib", "deliverables.toml", "package.json", "package-lock.json", "typeset.mjs"}
)
_TEXTS = (".html", ".mjs", ".json")  # read by others than us: outside of static/, where they are for readers
_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFBLK: "a device", stat.S_IFCHR: "a device"}


def faults_of(templates: Path, root: Path, shown: Callable[[Path], str], *, texts: bool = True) -> list[Fault]:
    """Every fault of the files in *templates*, a folder of the project at *root*; *shown* names a path in messages.

    With *texts* the encoding of layouts and the like is looked at as well.
    """
    walk = _Walk(os.path.realpath(root))
    walk.folder(os.fspath(templates), (os.path.realpath(templates),))
    faults = [Fault(shown(Path(each.path)), 1, 1, each.rule, each.problem) for each in walk.found]
    for path in sorted(walk.texts) if texts else ():
        place = Path(path)
        try:
            if place.relative_to(templates).parts[0] not in {"static", "pages"}:
                decode(place.read_bytes(), shown(place))
        except ContentError as error:
            faults += error.faults
        except OSError as error:
            faults.append(Fault(shown(place), 1, 1, "file", _unreadable(error)))
    return faults


def decode(content: bytes, shown: str, rule: str = "encoding") -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    Raises:
        ContentError: it is in another encoding, at line and column; or it is a pointer of git-LFS.
    """
    if content.startswith(POINTER):
        raise ContentError([Fault(shown, 1, 1, "file", _POINTED)])
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ContentError([Fault(shown, 1, 1, rule, "UTF-16, not UTF-8; save the file as UTF-8")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", errors="replace")
        raise ContentError([Fault(shown, *_place(before), rule, "not UTF-8; save the file as UTF-8")]) from None
    if "\0" in text:
        message = "a NUL character; save the file as UTF-8"
        raise ContentError([Fault(shown, *_place(text.partition("\0")[0]), rule, message)])
    return text


def _place(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - before.rfind("\n")


_POINTED = "a Git LFS pointer, not the file itself; fetch it with git lfs pull"


class _Problem(msgspec.Struct, frozen=True):
    path: str
    problem: str
    rule: str


class _Walk:
    """One pass over a folder and all below it, except hidden files and ``node_modules``."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.found: list[_Problem] = []
        self.texts: list[str] = []
        self._count = 0

    def folder(self, path: str, above: tuple[str, ...]) -> None:
        """Look at what is in a folder; *above* are the real paths of it and of those that it lies in."""
        try:
            with os.scandir(path) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            if not (isinstance(error, FileNotFoundError) and len(above) == 1):
                self._report(path, _unreadable(error))
            return
        names: dict[str, str] = {}
        for entry in entries:
            name = folded(entry.name)
            if names.setdefault(name, entry.name) != entry.name:
                same = composed(entry.name) == composed(names[name])
                how = "the Unicode form of its characters" if same else "case, which some systems ignore"
                self._report(entry.path, f"a name that differs from {names[name]!r} only in {how}")
            if not entry.name.startswith(".") and entry.name != "node_modules":
                self._entry(entry, above)

    def _entry(self, entry: os.DirEntry[str], above: tuple[str, ...]) -> None:
        self._count += 1
        if self._count > MOST:
            if self._count == MOST + 1:
                self._report(entry.path, f"more than {MOST:,} files, or links that multiply them")
            return
        if problem := _of_name(entry.name):
            self._report(entry.path, problem)
        elif problem := self._of_link(entry.path, above) if entry.is_symlink() else "":
            self._report(entry.path, problem, "link")
        elif entry.is_dir() and len(above) == 1 and entry.name in _FILES:
            self._report(entry.path, "a folder, where a file belongs")
        elif entry.is_dir():
            self.folder(entry.path, (*above, os.path.realpath(entry.path)))
        else:
            self._file(entry)

    def _file(self, entry: os.DirEntry[str]) -> None:
        try:
            found = entry.stat()
            problem = _of_file(entry.path, found)
        except OSError as error:
            problem = _unreadable(error)
        if problem:
            self._report(entry.path, problem)
        elif entry.name.endswith(_TEXTS):
            self.texts.append(entry.path)

    def _of_link(self, path: str, above: tuple[str, ...]) -> str:
        """What is wrong with a link, or ""."""
        try:
            real = os.path.realpath(path, strict=True)
        except FileNotFoundError:
            return f"a link that leads nowhere (to {os.readlink(path)})"  # noqa: PTH115
        except OSError as error:
            return f"a link that cannot be followed ({error.strerror})"
        if real != self.root and not real.startswith(f"{self.root}{os.sep}"):
            return f"a link out of the project (to {real}); replace it by the file itself"
        if real in above or any(folder.startswith(f"{real}{os.sep}") for folder in above):
            return f"a link to a folder that contains it ({real})"
        return ""

    def _report(self, path: str, problem: str, rule: str = "file") -> None:
        self.found.append(_Problem(path, problem, rule))


def _of_name(name: str) -> str:
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return _of_bytes(os.fsencode(name))
    if length > LONGEST:
        return f"a name of {length} bytes; the limit is {LONGEST}"
    try:
        check_path(re.sub(r'[<>:"|?*\\]', "_", name))  # addresses have those encoded
    except ValueError:
        return "a name that Windows cannot store (a device, a space or dot at the end) or with an invisible character"
    return ""


def _of_bytes(name: bytes) -> str:
    try:
        name.decode()
    except UnicodeDecodeError:
        return "a name that is not UTF-8; rename the file"
    return "a name that this locale cannot read; set PYTHONUTF8=1"


def _of_file(path: str, found: os.stat_result) -> str:
    if not stat.S_ISREG(found.st_mode):
        return f"{_KINDS.get(stat.S_IFMT(found.st_mode), 'something')}, not a file"
    if found.st_size > LARGEST:
        return f"a file of {found.st_size:,} bytes; the limit is {LARGEST:,}, which is also GitHub's"
    if not os.access(path, os.R_OK):
        return "cannot be read: Permission denied"
    if 100 <= found.st_size <= 1024:
        with open(path, "rb") as file:  # noqa: PTH123
            if file.read(len(POINTER)) == POINTER:
                return _POINTED
    return ""


def _unreadable(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"
