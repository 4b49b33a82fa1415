"""The folder of the site: which files in it Darkroom wrote, and which belong to others and stay.

A site carries a record of its own files. Files that the record does not name belong to others: they are carried over
into the next site, or the folder is refused. No file that Darkroom did not write is ever written over or deleted.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from stat import S_IFREG, S_ISDIR, S_ISLNK, S_ISREG

from darkroom.core.errors import UsageError
from darkroom.core.paths import move_file

RECORD = ".darkroom-files"
PART = ".darkroom-part"  # the end of the name of a file that is being written
COMPANIONS = frozenset({".git", ".gitignore", ".gitattributes", "CNAME", ".DS_Store"})  # may be there before a site is


def real_folder(site: Path) -> Path:
    """The real path of *site*: a symbolic link is followed, so that its target is written.

    Raises:
        UsageError: it leads in a circle, or to something that is not a folder.
    """
    real = Path(os.path.realpath(site))
    try:
        os.fspath(real).encode()
        mode = real.lstat().st_mode
    except UnicodeEncodeError:
        raise UsageError(f"{os.fsencode(site)!r} is not UTF-8; choose another folder with --site") from None
    except FileNotFoundError:
        return real
    except OSError as error:
        raise UsageError(f"{os.fspath(site)[:80]}: {error.strerror}; choose another folder with --site") from None
    if S_ISLNK(mode):
        raise UsageError(f"{site} is a symbolic link that leads in a circle; choose another folder with --site")
    if not S_ISDIR(mode):
        raise UsageError(f"{site} is a file; choose a folder with --site")
    return real


def refuse_sources(site: Path, root: Path, sources: Iterable[Path]) -> None:
    """Refuse a *site* that would lie among its own *sources*, or would have the project at *root* inside it.

    Raises:
        UsageError: it would.
    """
    if root.is_relative_to(site):
        raise UsageError(f"{site} contains the project; choose another folder with --site")
    for source in sources:
        if site.is_relative_to(source) or source.is_relative_to(site):
            raise UsageError(f"{site} overlaps with {source}, a source of the site; choose another folder with --site")


def record_of(digests: Mapping[str, str]) -> bytes:
    """The record of a site: the sha256 of each of its files."""
    text = json.dumps(dict(sorted(digests.items())), ensure_ascii=False, separators=(",\n", ": "))
    return f"{{\n{text[1:-1]}\n}}".encode()


def written_by_us(site: Path, remembered: Mapping[str, str]) -> dict[str, str]:
    """The files in *site* that Darkroom wrote, with the sha256 that each had.

    Args:
        site: the folder; its record decides.
        remembered: what the last build that this machine knows of wrote there; a file that is still so counts where
            there is no record.
    """
    with suppress(OSError, ValueError, RecursionError):
        known = json.loads(_read_plain(site / RECORD))
        if isinstance(known, dict) and all(isinstance(digest, str) for digest in known.values()):
            return {**known, RECORD: ""}
    return {path: digest for path, digest in remembered.items() if holds(site / path, digest)}


def others(site: Path, ours: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """What in *site* is not Darkroom's and is to be carried over: files, links and empty folders, by path.

    A file of ours that has been edited since, and that no page needs any longer, counts as foreign too.

    Args:
        site: the folder as it stands.
        ours: what Darkroom wrote there.
        wanted: what it is about to write, with digests.

    Raises:
        UsageError: it cannot be carried over safely, or it stands where a file of the site has to be.
    """
    if not ours and site.is_dir():  # reported before everything in there is searched
        known = {path.partition("/")[0] for path in wanted} | COMPANIONS
        strangers = sorted(path.name for path in site.iterdir() if path.name not in known and not _is_empty(path))
        if strangers and not (site / ".git").is_dir():
            raise _refused(site, strangers)
    everything = ((path, mode) for path, mode in entries(site) if not path.endswith(PART))
    found = {path: mode for path, mode in everything if not _is_ours(site, path, mode, ours, wanted)}
    repository = next((path for path in found if path.startswith(".git/") or "/.git/" in path), "")
    if repository:
        top = site / repository.partition(".git/")[0]
        raise UsageError(
            f"{top} is a git repository, and publishing replaces the folder; publish into a folder inside it, such as "
            f"{site / 'docs'}, or into a work tree that `git worktree add` makes"
        )
    empty = {path for path, mode in found.items() if S_ISDIR(mode)}
    strange = [path for path, mode in found.items() if not (S_ISREG(mode) or S_ISLNK(mode) or path in empty)]
    unknown = [] if ours else list(found.keys() - empty - COMPANIONS)
    refused = strange or sorted(unknown) or _in_the_way(found, empty, wanted)
    if refused:
        raise _refused(site, refused)
    return list(found)


def _is_empty(path: Path) -> bool:
    """Whether it is a folder with nothing but folders in it, not too deep to be looked through."""
    if path.is_symlink() or not path.is_dir():
        return False
    return all(S_ISDIR(mode) for _, mode in islice(entries(path), 1000))


def _is_ours(site: Path, path: str, mode: int, ours: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    if not S_ISREG(mode):
        return False
    if path in wanted:
        return path in ours or holds(site / path, wanted[path])
    return path in ours and (path == RECORD or holds(site / path, ours[path]))


def _in_the_way(found: Collection[str], empty: Collection[str], wanted: Mapping[str, str]) -> list[str]:
    """Those of *found* at the path of a file or folder of the site; *empty* ones are folders."""
    folders = {parent for path in wanted for parent in _parents(path)} if found else set()
    return [
        path
        for path in found
        if path in wanted or (path in folders and path not in empty) or not wanted.keys().isdisjoint(_parents(path))
    ]


def _parents(path: str) -> list[str]:
    return [path[:at] for at, letter in enumerate(path) if letter == "/"]


def _refused(site: Path, paths: Collection[str]) -> UsageError:
    named = [path.split("/")[0] for path in paths] if len(paths) > 1 else list(paths)
    named = list(dict.fromkeys(named))
    more = f" and {len(named) - 3} more" if len(named) > 3 else ""
    return UsageError(
        f"{site} holds {', '.join(named[:3])}{more}, which Darkroom did not write and will not overwrite; "
        "move it elsewhere, or choose another folder with --site"
    )


def entries(folder: Path | str) -> Iterator[tuple[str, int]]:
    """Everything in *folder* by relative path, with its mode: links are not followed, of folders only empty ones count.

    A link in the place of the folder itself holds nothing.
    """
    root = os.fspath(folder)
    waiting = [""] if os.path.isdir(root) and not os.path.islink(root) else []  # noqa: PTH112, PTH114
    while waiting:
        place = waiting.pop()
        with os.scandir(f"{root}/{place}") as found:
            inside = list(found)
        if not inside and place:
            yield place[:-1], os.lstat(f"{root}/{place}").st_mode
        for entry in inside:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(f"{place}{entry.name}/")
            elif entry.is_file(follow_symlinks=False):  # which asks the system nothing more, as its mode would
                yield f"{place}{entry.name}", S_IFREG
            else:
                yield f"{place}{entry.name}", entry.stat(follow_symlinks=False).st_mode


def carry_over(site: Path, new: Path, paths: Collection[str]) -> None:
    """Carry over what is not ours into the *new* site: files as links if the file system has them, else as copies.

    Raises:
        UsageError: the site has a file or folder at that path.
        OSError: it cannot be written.
    """
    for path in paths:
        source, target = site / path, new / path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            _carry(source, target)
        except FileExistsError:  # two names that are equal on this file system
            raise _refused(site, [path]) from None


def _carry(source: Path, target: Path) -> None:
    if source.is_symlink():
        target.symlink_to(source.readlink())
    elif source.is_dir():
        target.mkdir(exist_ok=True)
    else:
        try:
            os.link(source, target)
        except FileExistsError:
            raise
        except OSError:
            with target.open("xb"):
                pass
            import shutil

            shutil.copy2(source, target)


def bring_back(old: Path, site: Path, ours: Collection[str]) -> None:
    """After the swap, move what is not ours from the *old* site to the new one, where it is in its latest state."""
    for path, _ in list(entries(old)):
        if path not in ours:
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            if not _is_same(old / path, site / path):
                (old / path).replace(site / path)
            elif (old / path).is_dir():
                (old / path).rmdir()
            else:
                (old / path).unlink()


def _is_same(one: Path, other: Path) -> bool:
    try:
        if one.is_dir() and not one.is_symlink():
            return other.is_dir()
        return os.path.samestat(one.lstat(), other.lstat())
    except OSError:
        return False


def fill(site: Path, new: Path, ours: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Update a folder that cannot be replaced, such as a mounted one, to the *new* site, file by file.

    Each file is whole at any moment. New files come first, pages after what they need, and what is no longer wanted goes
    last, so that every page finds what it names; a build that is killed is finished by the next one.
    """
    old = {path: digest for path, digest in ours.items() if path != RECORD}
    files = {path: digest for path, digest in wanted.items() if path != RECORD}
    site.mkdir(parents=True, exist_ok=True)
    _put(site / RECORD, record_of({**files, **old}))
    for path in sorted(files, key=lambda path: (path in old, path.endswith(".html"), path)):
        if not holds(site / path, files[path]):
            _put(site / path, (new / path).read_bytes())
    for path in old.keys() - files.keys():
        if holds(site / path, old[path]):
            (site / path).unlink()
            for parent in reversed(_parents(path)):
                with suppress(OSError):  # it holds other files
                    (site / parent).rmdir()
    for path, _ in entries(site):
        if path.endswith(PART):
            (site / path).unlink()
    _put(site / RECORD, record_of(files))


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{os.getpid()}{PART}")
    part.write_bytes(content)
    move_file(part, path)


def holds(path: Path, digest: str) -> bool:
    """Whether the file at *path* has that sha256."""
    try:
        return hashlib.sha256(_read_plain(path)).hexdigest() == digest
    except OSError:
        return False


def _read_plain(path: Path) -> bytes:
    """The content of a file; a pipe is not waited for, nor a link followed."""
    if not S_ISREG(path.lstat().st_mode):
        raise FileNotFoundError(path)
    return path.read_bytes()
