"""Data sets: declared in ``experiments/data.toml``, looked for on this machine, fetched from mirrors, verified by digest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from darkroom.lab.errors import DataUnavailable, UsageError

VARIABLE = "DARKROOM_DATA"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class DataFile:
    """A file of a data set: its name, size and sha256 once decompressed, and where it can be had (plain or ``.gz``)."""

    name: str
    bytes: int
    sha256: str
    urls: tuple[str, ...]


@dataclass(frozen=True)
class Declaration:
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
        declaration: what belongs to it.
        folder: where the user keeps data, or None; the user's cache is looked in after it.
        progress: called with (file name, bytes so far, bytes in all) while a file is fetched.
    """

    def __init__(self, declaration: Declaration, folder: Path | None = None, progress: Progress | None = None) -> None:
        self.name = declaration.name
        self._files = {each.name: each for each in declaration.files}
        self._folder, self._progress = folder, progress

    def __repr__(self) -> str:
        return f"Dataset({self.name!r})"

    def read(self, file_name: str) -> bytes:
        """The decompressed, verified bytes of a file.

        Raises:
            DataUnavailable: it is not part of the set, damaged, or not to be had.
        """
        wanted = self._wanted(file_name)
        faults = []
        for path in self._places(wanted):
            content = _decompressed(path)
            fault = _fault(wanted, content)
            if content is not None and not fault:
                return content
            faults.append(f"{path} {fault}")
        return self._fetch(wanted, faults)

    def path(self, file_name: str) -> Path:
        """The path of a decompressed, verified file: the user's own where it is plain, else one in the user's cache."""
        wanted = self._wanted(file_name)
        for path in self._places(wanted):
            if path.suffix != ".gz" and not _fault(wanted, _decompressed(path)):
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
        """Files on this machine that may be the one, the user's own folder first."""
        folders = [self._folder, self._folder / self.name] if self._folder else []
        for folder in [*folders, self._cache()]:
            for name in (wanted.name, f"{wanted.name}.gz"):
                if (folder / name).is_file():
                    yield folder / name

    def _cache(self) -> Path:
        import platformdirs

        return Path(platformdirs.user_cache_dir("darkroom")) / self.name

    def _fetch(self, wanted: DataFile, faults: list[str]) -> bytes:
        """Fetch a file from each mirror in turn; keep the first that is right."""
        import zlib
        from http.client import HTTPException

        for url in wanted.urls:
            try:
                content = _download(url, wanted, self._progress)
            except (OSError, ValueError, EOFError, HTTPException, zlib.error) as error:
                faults.append(f"{url} {_plain(error)}")
                continue
            fault = _fault(wanted, content)
            if not fault:
                _keep(self._cache() / wanted.name, content)
                return content
            faults.append(f"{url} {fault}")
        where = self._folder or "a folder of yours"
        tried = "; ".join(faults) or "nowhere to fetch it from"
        raise DataUnavailable(
            f"data set {self.name!r}: {wanted.name} is not to be had ({tried}); put it, plain or as .gz, into {where} "
            f"and name that folder with --data or {VARIABLE}"
        )


def folder(given: str | os.PathLike[str] | None) -> Path | None:
    """The user's data folder: *given*, else ``DARKROOM_DATA``, else None."""
    chosen = given or os.environ.get(VARIABLE)
    return Path(chosen).expanduser() if chosen else None


def declared(path: Path) -> dict[str, Declaration]:
    """The data sets that *path* declares, by name; none where there is no such file.

    Raises:
        UsageError: it is not TOML, or a set lacks something.
    """
    import tomllib

    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from None
    return {name: _declaration(path, name, table) for name, table in content.items()}


def _declaration(path: Path, name: str, table: Mapping[str, Any]) -> Declaration:
    try:
        files = tuple(
            DataFile(str(each["name"]), int(each["bytes"]), str(each["sha256"]).lower(), tuple(each.get("urls", ())))
            for each in table["files"]
        )
        return Declaration(name, table["title"], table["source"], table["licence"], files)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{path}: data set {name!r} lacks or misstates {error}; it needs title, source, licence and "
            f"[[{name}.files]] with name, bytes, sha256 and urls"
        ) from None


def _decompressed(path: Path) -> bytes | None:
    import gzip
    import zlib

    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError, zlib.error):
        return None


def _fault(wanted: DataFile, content: bytes | None) -> str:
    """What is wrong with a file's content, or nothing."""
    if content is None:
        return "cannot be read or decompressed"
    if len(content) != wanted.bytes:
        return f"has {len(content)} bytes in place of {wanted.bytes}"
    return "" if sha256(content).hexdigest() == wanted.sha256 else "has the wrong sha256"


def _download(url: str, wanted: DataFile, progress: Progress | None) -> bytes:
    import gzip
    from urllib.request import Request, urlopen

    request = Request(url, headers={"User-Agent": "darkroom"})
    with urlopen(request, timeout=30) as answer:
        length = answer.headers.get("Content-Length") or ""
        total = int(length) if length.isascii() and length.isdigit() else 0
        content = bytearray()
        while chunk := answer.read(1 << 18):
            content += chunk
            if progress:
                progress(wanted.name, len(content), total)
    return gzip.decompress(bytes(content)) if content[:2] == b"\x1f\x8b" else bytes(content)


def _keep(path: Path, content: bytes) -> None:
    """Keep a file in the user's cache; where that cannot be written, go on without."""
    from darkroom.lab.digests import write_atomically

    write_atomically(path, content, durable=False)


def _plain(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
