"""Paths and files in outputs that may come from someone else: never out of a folder, never through a link."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO

from darkroom.core.errors import DamagedOutputs, UsageError

PART_BYTES = 200  # of one name: file systems have 255, and a digest and a process id may be added
PATH_BYTES = 1_000
_MOST_TOML = 200_000  # bytes
_MOST_KEYS = 50  # nested by dots
_LARGEST_NUMBER = 1 << 64
_CHUNK = 1 << 18
MOST_SOURCE = 2_000_000  # bytes of a Python file
# Sets instead of patterns, which take longer to compile than a warm build may take.
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./")
_UNFIT = frozenset({*map(chr, range(32)), "\x7f", *'\\<>:"|?*'})  # not allowed in names on some file systems
_ESCAPED = frozenset("%#&'` ")  # to be escaped in addresses, or quoted in a shell
_DEVICES = {
    *("con", "prn", "aux", "nul", "conin$", "conout$", "clock$"),
    *(f"{name}{digit}" for name in ("com", "lpt") for digit in "123456789\u00b9\u00b2\u00b3"),
}
_LINK = "is a link"
_INSTEAD_OF_LINK = "replace it by the file itself"


class NotPlain(ValueError):
    """What is not a plain file of a size that is read; the message begins with a verb.

    Args:
        problem: what it is.
        advice: what to do, or "" if that depends on what is read.
    """

    def __init__(self, problem: str, advice: str = "") -> None:
        self.advice = advice
        super().__init__(f"{problem}; {advice}" if advice else problem)


class InvalidTOML(ValueError):
    """A text is not TOML, or goes beyond the limits.

    Args:
        problem: what is wrong.
        line: where, counted from 1.
        column: the same.
    """

    def __init__(self, problem: str, line: int, column: int) -> None:
        self.problem, self.line, self.column = problem, line, column
        super().__init__(problem)


@lru_cache(maxsize=8192)  # figures of many experiments have files of the same names
def check_path(path: str) -> None:
    """Refuse what is not the plain relative path of a file within a folder.

    Raises:
        ValueError: it is absolute, empty or too long, leads out, or has a name that some file system cannot hold.
    """
    parts = path.split("/")
    plain = _PLAIN.issuperset(path) and len(path) <= PART_BYTES
    if not plain and not _is_short(path, parts):
        raise ValueError(f"{path[:40]!r}... is too long: a name may have {PART_BYTES} bytes, a path {PATH_BYTES}")
    fits = plain or (
        _UNFIT.isdisjoint(path) and path.isprintable()
    )  # invisible characters, or such that change the direction of text
    for part in parts:
        if not part or part[-1] in " .":  # among them . and ..
            raise ValueError(f"{path!r} is not a plain path within the folder")
        fits = fits and not _is_device(part)
    if not fits:
        raise ValueError(f"{path!r} is a path that some file systems cannot store")


@lru_cache(maxsize=4096)  # the same few names stand in thousands of paths
def _is_device(name: str) -> bool:
    return name.partition(".")[0].lower() in _DEVICES


def _is_short(path: str, parts: list[str]) -> bool:
    try:
        return len(path.encode()) <= PATH_BYTES and all(len(part.encode()) <= PART_BYTES for part in parts)
    except UnicodeEncodeError:  # half a surrogate pair
        return False


def is_text(path: str) -> bool:
    """Whether a path is UTF-8."""
    try:
        return path.isascii() or bool(path.encode())
    except UnicodeEncodeError:
        return False


def check_id(identity: str) -> None:
    """Refuse what is not the id of an experiment, such as ``part_b/denoiser`` or ``part_a/forward@deepfloyd-m``.

    Raises:
        ValueError: it is not a plain path, or a name in it begins with a dot or has characters that addresses
            escape.
    """
    check_path(identity)
    if identity.startswith(".") or "/." in identity or not _ESCAPED.isdisjoint(identity):
        raise ValueError(f"{identity!r} is not an id of an experiment")


def folded(path: str) -> str:
    """*path* as it is compared by file systems that ignore case or Unicode normalisation, such as those of macOS.

    Paths for which this differs are different files everywhere (Unicode 16, D145: canonical caseless matching).
    """
    if path.isascii():
        return path.lower()
    from unicodedata import normalize

    return normalize("NFD", normalize("NFD", path).casefold())


def alike(paths: Iterable[str]) -> dict[str, str]:
    """Paths that would be the same, or lie in the same folder, as one before them on some file systems, with that one.

    Both are cut off after the name that differs only in case or in the Unicode form of its characters.
    """
    seen: dict[str, str] = {}
    found: dict[str, str] = {}
    for path in paths:
        end = 0
        while end != -1:
            end = path.find("/", end + 1)
            way = path if end == -1 else path[:end]
            first = seen.setdefault(folded(way), way)
            if first.rpartition("/")[2] != way.rpartition("/")[2]:  # not only in folders that are alike
                found.setdefault(way, first)
    return found


def said_alike(paths: Iterable[str]) -> str:
    """Those of *paths* that are ``alike``, for messages: "'A' and 'a', 'B' and 'b'"; "" if there are none."""
    return ", ".join(f"{first!r} and {way!r}" for way, first in alike(paths).items())


def check_name(name: str) -> None:
    """Refuse what is not the name of a figure or a metric, which is that of a function.

    Raises:
        ValueError: it is none.
    """
    if not name.isidentifier() or len(name.encode()) > PART_BYTES // 2:
        raise ValueError(f"{name[:40]!r} is not a name of a figure or a metric")


_IN_ADDRESSES = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/?#[]@!$&'()*+,;=%"
)  # RFC 3986, section 2
LONGEST_ADDRESS = 2_000


def check_address(address: str) -> None:
    """Refuse what is not the address of something on the web.

    Raises:
        ValueError: it does not begin with https:// or http:// and a host, or has other characters than addresses have.
    """
    scheme, _, rest = address.partition("://")
    known = scheme.lower() in {"https", "http"} and rest[:1].isalnum() and len(address) <= LONGEST_ADDRESS
    if not known or not _IN_ADDRESSES.issuperset(address):
        raise ValueError(f"{address[:80]!r} is not an address such as https://colab.research.google.com/drive/1a2b3c")


def read_plain(path: Path | str, limit: int, *, links: bool = False) -> bytes:
    """The content of a plain file of at most *limit* bytes; a link is refused unless *links* is set.

    Pipes and devices are not opened for reading.

    Raises:
        FileNotFoundError: there is none.
        NotPlain: it is something else, such as a folder or a device, or too large; the message says which.
        OSError: it cannot be read.
    """
    with open_plain(path, links=links) as file:
        return read_whole(file, limit)


def read_whole(file: FileIO, limit: int) -> bytes:
    """The content of an open file of at most *limit* bytes.

    Raises:
        NotPlain: it is too large.
        OSError: it cannot be read.
    """
    if (size := os.fstat(file.fileno()).st_size) > limit:
        raise NotPlain(f"has {size} bytes; the limit is {limit}")
    return file.readall()


def open_plain(path: Path | str, *, links: bool = False) -> FileIO:
    """A plain file, opened to be read; a link is none, unless *links* are followed.

    Raises:
        FileNotFoundError: there is none.
        NotPlain: it is something else, such as a folder or a device; the message says which.
        OSError: it cannot be opened.
    """
    follow = 0 if links else getattr(os, "O_NOFOLLOW", 0)
    try:
        handle = os.open(path, os.O_RDONLY | follow | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        if not links and os.path.islink(path):  # noqa: PTH114
            raise NotPlain(_LINK, _INSTEAD_OF_LINK) from None
        if os.path.isdir(path):  # noqa: PTH112  where folders cannot be opened
            raise NotPlain("is a folder") from None
        if error.errno == errno.ENXIO:  # a socket
            raise NotPlain("is not a file") from None
        raise
    return _if_plain(handle)


def _if_plain(handle: int) -> FileIO:
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        raise NotPlain("is a folder" if stat.S_ISDIR(mode) else "is not a file")
    return open(handle, "rb", buffering=0)


def open_within(path: Path, folders: Iterable[Path]) -> FileIO:
    """A plain file within one of *folders*, opened to be read. Links are followed within them, and never out of them.

    What becomes a link after this has looked is not followed, where the system can open files relative to a folder.

    Raises:
        NotPlain: it lies elsewhere, or is something else.
        OSError: it cannot be opened.
    """
    real = Path(os.path.realpath(path))
    for base in (Path(os.path.realpath(folder)) for folder in folders):
        if real != base and real.is_relative_to(base):
            return _open_below(base, real.relative_to(base).parts)
    raise NotPlain("leads out of the folder")


def _open_below(base: Path, parts: Sequence[str]) -> FileIO:
    if os.open not in os.supports_dir_fd:
        return open_plain(base.joinpath(*parts))
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    handle = os.open(base, flags | os.O_DIRECTORY)
    for number, name in enumerate(parts, 1):
        above = handle
        try:
            handle = os.open(name, flags | (os.O_DIRECTORY if number < len(parts) else 0), dir_fd=above)
        finally:
            os.close(above)
    return _if_plain(handle)


def new_file(path: Path | str, mode: int = 0o666) -> BinaryIO:
    """A new plain file, opened to be written; a link, a pipe or a folder in its place is removed."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags, mode)
    except FileExistsError:
        remove(path)
        handle = os.open(path, flags, mode)
    return open(handle, "wb")  # noqa: PTH123


def copy_file(source: Path | str, target: Path | str) -> None:
    """Write the content of a file to another.

    Raises:
        OSError: one of them cannot be opened, read or written.
    """
    binary = getattr(os, "O_BINARY", 0)
    given = os.open(source, os.O_RDONLY | binary)  # thousands of calls
    try:
        made = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | binary, 0o666)
        try:
            while chunk := os.read(given, _CHUNK):
                while chunk:
                    chunk = chunk[os.write(made, chunk) :]
        finally:
            os.close(made)
    finally:
        os.close(given)


def write_file(path: str, content: bytes) -> None:
    """Write a file; for thousands of them.

    Raises:
        OSError: it cannot be opened or written.
    """
    made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(made, rest) :]
    finally:
        os.close(made)


def read_file(path: str, size: int) -> bytes:
    """The content of a file of about that *size*, which is not a link; for thousands of them.

    Raises:
        OSError: it cannot be opened or read.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    try:
        content = os.read(handle, size + 1)  # one more, so that the end is seen
        while len(content) != size and (chunk := os.read(handle, _CHUNK)):
            content += chunk
        return content
    finally:
        os.close(handle)


# Errors of systems that cannot rename: across file systems, on overlayfs, on some that are shared or emulated.
CANNOT_MOVE = frozenset(
    {errno.EXDEV, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EBUSY}
)


def move_file(source: Path, target: Path) -> None:
    """Move a file into place; where the file system cannot rename, copy it, which is not atomic.

    Raises:
        OSError: neither can be done.
    """
    try:
        source.replace(target)
    except OSError as error:
        if error.errno not in CANNOT_MOVE or target.is_dir():
            raise
        with new_file(target) as file:
            file.write(source.read_bytes())
        remove(source)


def scratch_of(path: Path, folder: Path | None = None) -> Path:
    """Where a file is written before it is moved into place: beside it, or in *folder*; one for each process."""
    return (folder or path.parent) / f".{path.name}.{os.getpid()}"


def write_atomically(
    path: Path, content: bytes, *, durable: bool = True, scratch: Path | None = None, mode: int = 0o666
) -> None:
    """Write *content* to a file, which has the old content or the new one at every moment.

    Args:
        path: the file; its folder is made.
        content: its bytes.
        durable: wait until it is on disk.
        scratch: a folder on the same file system for the temporary file; by default the file's own.
        mode: of a new file.

    Raises:
        OSError: it cannot be written.
    """
    temporary = scratch_of(path, scratch)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with new_file(temporary, mode) as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        move_file(temporary, path)
    except OSError as error:
        with suppress(OSError):
            remove(temporary)
        if not scratch or error.errno != errno.EXDEV:
            raise
        write_atomically(path, content, durable=durable, mode=mode)


def remove(path: Path | str) -> None:
    """Remove a file, a folder with its content, or a link but not its target; it need not exist."""
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            import shutil

            shutil.rmtree(path)
        else:
            os.unlink(path)  # noqa: PTH108
    except FileNotFoundError:
        return


def read_toml(path: Path) -> dict[str, Any] | None:
    """A small TOML file of the project's, or None where there is none.

    Raises:
        UsageError: it is not a plain file, too large, not UTF-8 or not TOML; the message says where.
    """
    try:
        content = read_plain(path, _MOST_TOML)
    except FileNotFoundError:
        return None
    except NotPlain as error:
        advice = "" if error.advice else "; put a plain file in its place"
        raise UsageError(f"{path} {error}{advice}") from None
    try:
        return parse_toml(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise UsageError(f"{path}:{line}:{column}: not UTF-8; save it in that encoding") from None
    except InvalidTOML as error:
        raise UsageError(f"{path}:{error.line}:{error.column}: not valid TOML: {error.problem}") from None


def parse_toml(text: str) -> dict[str, Any]:
    """A TOML text, read with limits on dotted keys, whose memory grows with the square of their depth, and on numbers.

    Raises:
        InvalidTOML: it is not valid TOML, or goes beyond them.
    """
    import re
    import tomllib

    if text.count(".") > _MOST_KEYS and (offset := _many_keys(text)) >= 0:
        raise InvalidTOML(f"more than {_MOST_KEYS} nested keys", *_line_and_column(text, offset))
    try:
        values = tomllib.loads(text)
        if not _has_short_numbers(values):
            raise ValueError
    except RecursionError:
        found = re.search(r"^[^\n]*(?:[\[{][^\[{\]}\n]*){20}", text, re.MULTILINE)
        place = _line_and_column(text, found.start() if found else 0)
        raise InvalidTOML("lists or tables are nested too deeply", *place) from None
    except tomllib.TOMLDecodeError as error:
        raise _invalid(str(error), text) from None
    except ValueError:  # also raised by Python itself
        found = re.search(r"0x[\da-fA-F_]{16}|0o[0-7_]{21}|0b[01_]{64}|[\d_]{19}", text)
        raise InvalidTOML(
            "a number has more than 64 bits", *_line_and_column(text, found.start() if found else 0)
        ) from None
    return values


def _invalid(message: str, text: str) -> InvalidTOML:
    """The error for a message of tomllib, which ends in its place."""
    import re

    place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
    if place and place[1]:
        return InvalidTOML(message[: place.start()], int(place[1]), int(place[2]))
    problem = f"{message[: place.start()]} at the end" if place else message
    return InvalidTOML(problem, text.count("\n") or 1, 1)


def _line_and_column(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _many_keys(text: str) -> int:
    """Where a key of many parts begins, or -1."""
    import re

    parts, begins = 0, 0
    token = re.compile(
        r"""#[^\n]*|\"{3}(?:[^"\\]|\\.|"(?!""))*+(?:\"{3}|\Z)|'{3}(?:[^']|'(?!''))*+(?:'{3}|\Z)"""
        r"""|(?P<key>"(?:[^"\\\n]|\\.)*+"?|'[^'\n]*+'?|[\w-]++)|(?P<dot>\.)|[ \t]++|.""",
        re.DOTALL,
    )
    for found in token.finditer(text):
        if found["key"]:
            begins = begins if parts else found.start()
        elif found["dot"]:
            parts += 1
            if parts > _MOST_KEYS:
                return begins
        elif not found[0].isspace() or found[0] == "\n":
            parts = 0
    return -1


def _has_short_numbers(value: object) -> bool:
    """Whether every number has at most 64 bits."""
    if isinstance(value, int):
        return abs(value) < _LARGEST_NUMBER
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(map(_has_short_numbers, inside))


def links_among(folder: str | Path, paths: Iterable[str]) -> list[str]:
    """Which of *paths* within *folder*, or of the folders on the way to them, are links."""
    ways: set[str] = set()
    for path in paths:
        way = path
        while way and way not in ways:
            ways.add(way)
            way = way.rpartition("/")[0]
    base = os.fspath(folder)
    return sorted(way for way in ways if _is_link(f"{base}/{way}"))


def _is_link(path: str) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(path).st_mode)
    except OSError:
        return False


def refuse_links(folder: Path, paths: Iterable[str]) -> None:
    """Refuse to write where a link would lead elsewhere.

    Raises:
        DamagedOutputs: one of *paths* within *folder*, or of the folders on the way to them, is a link.
    """
    for each in links_among(folder, paths):
        raise DamagedOutputs(f"{folder / each}: {_LINK}; {_INSTEAD_OF_LINK}")
