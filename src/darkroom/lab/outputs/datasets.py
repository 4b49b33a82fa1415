"""Data sets: declared in ``experiments/data.toml``, found locally or downloaded, and verified by digest."""

from __future__ import annotations

import os
import queue
import stat
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from darkroom.core.errors import DataUnavailable, UsageError
from darkroom.core.paths import check_id, check_path, folded, read_toml, said_alike, write_atomically
from darkroom.core.sealed import user_folder

VARIABLE = "DARKROOM_DATA"
_OWN = ("bibliographies", "embeddings", "fonts", "node", "packages", "untrusted")  # what else is in the user's cache
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class DataFile:
    """A file of a data set: its name, size and sha256 once decompressed, and its addresses (plain or ``.gz``)."""

    name: str
    bytes: int
    sha256: str
    urls: tuple[str, ...]


@dataclass(frozen=True)
class DatasetDeclaration:
    """A data set as ``data.toml`` declares it."""

    name: str
    title: str
    source: str
    licence: str
    files: tuple[DataFile, ...]

    @property
    def digest(self) -> str:
        """The digest of the set: of its files' names and digests."""
        lines = sorted(f"{each.sha256}  {each.name}\n" for each in self.files)
        return sha256("".join(lines).encode()).hexdigest()


class Dataset:
    """A data set as an experiment receives it.

    Args:
        declaration: its files.
        folder: where the user keeps data, or None; the user's cache is searched after it.
        progress: called with (file name, bytes so far, bytes in all) while a file is fetched.
    """

    def __init__(
        self, declaration: DatasetDeclaration, folder: Path | None = None, progress: Progress | None = None
    ) -> None:
        self.name = declaration.name
        self._files = {each.name: each for each in declaration.files}
        self._folder, self._progress = folder, progress

    def __repr__(self) -> str:
        return f"Dataset({self.name!r})"

    def read(self, file_name: str) -> bytes:
        """The decompressed, verified bytes of a file.

        Raises:
            DataUnavailable: it is not part of the set, or damaged, or cannot be downloaded.
        """
        wanted = self._wanted(file_name)
        faults = []
        for path in self._places(wanted):
            content = _decompressed(path, wanted)
            fault = _fault(wanted, content)
            if content is not None and not fault:
                return content
            faults.append(f"{path} {fault}")
        return self._fetch(wanted, faults)

    def path(self, file_name: str) -> Path:
        """The path of a decompressed, verified file: the user's own where it is plain, else one in the user's cache."""
        wanted = self._wanted(file_name)
        for path in self._places(wanted):
            if path.suffix != ".gz" and not _fault(wanted, _decompressed(path, wanted)):
                return path
        kept = self._cache() / wanted.name
        _keep(kept, self.read(file_name))
        return kept

    def _wanted(self, file_name: str) -> DataFile:
        try:
            return self._files[file_name]
        except KeyError:
            known = ", ".join(self._files)
            raise DataUnavailable(f"data set {self.name!r} has no file {file_name!r}; it has {known}") from None

    def _places(self, wanted: DataFile) -> Iterator[Path]:
        """Candidate files on this machine, those in the user's own folder first."""
        folders = [self._folder, self._folder / self.name] if self._folder else []
        for folder in [*folders, self._cache()]:
            for name in (wanted.name, f"{wanted.name}.gz"):
                if (folder / name).is_file():
                    yield folder / name

    def _cache(self) -> Path:
        return Path(user_folder()) / self.name

    def _fetch(self, wanted: DataFile, faults: list[str]) -> bytes:
        """Fetch a file from each mirror in turn; keep the first valid one."""
        from http.client import HTTPException

        for url in wanted.urls:
            try:
                content = _download(url, wanted, self._progress)
            except (OSError, ValueError, EOFError, MemoryError, HTTPException) as error:
                faults.append(f"{url} {_plain(error)}")
                continue
            fault = _fault(wanted, content)
            if not fault:
                _keep(self._cache() / wanted.name, content)
                return content
            faults.append(f"{url} {fault}")
        where = self._folder or "a folder"
        tried = "; ".join(faults) or "it has no urls"
        raise DataUnavailable(
            f"data set {self.name!r}: {wanted.name} was not found ({tried}); put it, plain or as .gz, into {where} "
            f"and give that folder with --data or {VARIABLE}"
        )


def folder(given: str | os.PathLike[str] | None) -> Path | None:
    """The user's data folder: *given*, else ``DARKROOM_DATA``, else None."""
    chosen = given or os.environ.get(VARIABLE)
    return Path(chosen).expanduser() if chosen else None


def declared(path: Path) -> dict[str, DatasetDeclaration]:
    """The data sets that *path* declares, by name; none where there is no such file.

    Raises:
        UsageError: it is not TOML, or a set lacks something.
    """
    content = read_toml(path) or {}
    if same := said_alike(content):
        raise UsageError(f"{path}: data sets {same} have the same name on some systems; rename one of each two")
    return {name: _declaration(path, name, table) for name, table in content.items()}


def _declaration(path: Path, name: str, table: Mapping[str, Any]) -> DatasetDeclaration:
    if not isinstance(table, dict):
        raise UsageError(f"{path}: {name!r} is not a table; write a data set as [{name}]")
    try:
        files = tuple(
            DataFile(str(each["name"]), int(each["bytes"]), str(each["sha256"]).lower(), tuple(each.get("urls", ())))
            for each in table["files"]
        )
        check_id(name)
        if folded(name).partition("/")[0] in _OWN:
            raise ValueError(f"{name!r} is a folder of Darkroom's own in the user's cache")
        for each in files:
            _check_file(each)
        if same := said_alike(each.name for each in files):
            raise ValueError(f"files {same} have the same name on some systems")
        return DatasetDeclaration(name, str(table["title"]), str(table["source"]), str(table["licence"]), files)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        what = "has no valid" if isinstance(error, KeyError) else "has an invalid value:"
        raise UsageError(
            f"{path}: data set {name!r} {what} {error}; it needs title, source, licence and "
            f"[[{name}.files]] with name, bytes, sha256 and urls"
        ) from None


def _check_file(file: DataFile) -> None:
    """Refuse a file whose name leads out of the folder, or whose size or digest is invalid.

    Raises:
        ValueError: it is invalid.
    """
    check_path(file.name)
    if "/" in file.name or not 0 <= file.bytes < 2**40 or len(file.sha256) != 64:
        raise ValueError(f"the name, size or sha256 of {file.name!r}")
    if not all(isinstance(url, str) for url in file.urls):
        raise ValueError(f"urls of {file.name!r}")


def _decompressed(path: Path, wanted: DataFile) -> bytes | None:
    try:
        with path.open("rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            return _collected(iter(lambda: file.read(1 << 18), b""), wanted)
    except (OSError, EOFError, ValueError):
        return None


def _collected(chunks: Iterable[bytes], wanted: DataFile) -> bytes:
    """A download, decompressed as it arrives, up to the declared size.

    Raises:
        ValueError: it is more than was declared, or damaged.
        EOFError: it ends early.
    """
    import zlib

    content, decompressor = bytearray(), None
    room = wanted.bytes + wanted.bytes // 100 + (1 << 16)  # gzip makes incompressible data slightly larger
    for number, chunk in enumerate(chunks):
        room -= len(chunk)
        if number == 0 and chunk[:2] == b"\x1f\x8b":
            decompressor = zlib.decompressobj(wbits=31)
        try:
            made = decompressor.decompress(chunk, wanted.bytes + 1 - len(content)) if decompressor else chunk
        except zlib.error as error:
            raise ValueError(f"cannot be decompressed: {error}") from None
        content += made
        if len(content) > wanted.bytes or room < 0 or (decompressor and decompressor.unconsumed_tail):
            raise ValueError(f"has more than the declared {wanted.bytes} bytes")
    if decompressor and not decompressor.eof:
        raise EOFError("the compressed content ends early")
    return bytes(content)


def _fault(wanted: DataFile, content: bytes | None) -> str:
    """What is wrong with a file's content, or nothing."""
    if content is None:
        return "cannot be read or decompressed"
    if len(content) != wanted.bytes:
        return f"has {len(content)} bytes instead of {wanted.bytes}"
    return "" if sha256(content).hexdigest() == wanted.sha256 else "has the wrong sha256"


def _download(url: str, wanted: DataFile, progress: Progress | None) -> bytes:
    """The content at an address, limited in size to what is declared and in time to what a slow line needs.

    Raises:
        OSError, ValueError, EOFError, HTTPException: it cannot be downloaded.
    """
    if not url.lower().startswith(("https://", "http://")):
        raise ValueError("is not an address that begins with https://")
    limit_s = 4 * WAIT_S + wanted.bytes / SLOWEST
    answered: queue.SimpleQueue[bytes | BaseException] = queue.SimpleQueue()

    def fetch() -> None:
        chunks = _chunks(url, wanted, progress)
        try:
            answered.put(_collected(chunks, wanted))
        except BaseException as error:
            answered.put(error)
        finally:
            chunks.close()  # and the connection with it

    threading.Thread(target=fetch, daemon=True).start()  # do not wait for it
    try:
        came = answered.get(timeout=limit_s)
    except queue.Empty:
        raise TimeoutError(f"took more than {limit_s:.0f} seconds") from None
    if isinstance(came, BaseException):
        raise came
    return came


WAIT_S = 20.0  # for an answer, and for more of it
SLOWEST = 10_000  # bytes a second, on average, from then on


def _chunks(url: str, wanted: DataFile, progress: Progress | None) -> Generator[bytes, None, None]:
    from urllib.request import Request, urlopen

    began = time.monotonic()
    request = Request(url, headers={"User-Agent": "darkroom"})
    with urlopen(request, timeout=WAIT_S) as answer:
        length = answer.headers.get("Content-Length") or ""
        total = int(length) if length.isascii() and length.isdigit() and len(length) < 18 else 0
        done = 0
        while chunk := answer.read1(1 << 18):
            done += len(chunk)
            if progress:
                progress(wanted.name, done, total)
            yield chunk
            spent = time.monotonic() - began
            if spent > WAIT_S and done < SLOWEST * (spent - WAIT_S):
                raise TimeoutError(f"arrived at less than {SLOWEST // 1000} kB/s")
        if total and done < total:
            raise EOFError(f"ended after {done} of {total} bytes")


def _keep(path: Path, content: bytes) -> None:
    """Store a file in the user's cache, if that can be written."""
    with suppress(OSError):
        write_atomically(path, content, durable=False)


def _plain(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
