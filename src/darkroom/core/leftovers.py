"""What nothing refers to any longer: its files, what they weigh, and which of them git can bring back."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from darkroom.core.errors import UsageError

_OF_ANOTHER = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"}  # set within a hook of another repository


class Leftover(msgspec.Struct, frozen=True):
    """Something that may go.

    Attributes:
        name: what it is called, and chosen by.
        kind: what all of its kind are, as a heading.
        places: the files and folders that go, links among them.
        changed_at: when it was made or last changed, in seconds since 1970.
        why: why nothing refers to it, where the heading does not say it.
        is_remade: whether it is worth nothing, since it is made again when it is needed.
        owner: the experiment whose lock is held while it is removed, or "".
    """

    name: str
    kind: str
    places: tuple[Path, ...]
    changed_at: float
    why: str = ""
    is_remade: bool = False
    owner: str = ""

    @property
    def sizes(self) -> dict[Path, int]:
        """The size in bytes of every file of it; a link weighs nothing."""
        return {path: 0 if path.is_symlink() else path.lstat().st_size for place in self.places for path in _in(place)}


def _in(place: Path) -> Iterator[Path]:
    """The files and links at or below a place."""
    if not place.is_dir() or place.is_symlink():
        if os.path.lexists(place):
            yield place
        return
    for folder, folders, names in os.walk(place):
        yield from (Path(folder) / each for each in names)
        yield from (path for each in folders if (path := Path(folder) / each).is_symlink())


def last_change(place: Path) -> float:
    """When a file, or the newest file or folder in a folder, was last changed."""
    times = [place.lstat().st_mtime, *(path.lstat().st_mtime for path in _in(place))]
    return max(times)


def not_in_git(root: Path, paths: Iterable[Path], what: str) -> set[Path]:
    """Those of *paths* that git cannot bring back as they are: not committed, or not in the repository of *root*.

    Raises:
        UsageError: git fails, or is not installed.
    """
    inside = {path.relative_to(root).as_posix(): path for path in paths if path.is_relative_to(root)}
    if not any(os.path.lexists(folder / ".git") for folder in (root, *root.parents)):
        return {*paths}
    committed, _ = known_to_git(root, list(inside), what)
    return {path for path in paths if path not in {inside[name] for name in committed & inside.keys()}}


def known_to_git(root: Path, paths: Sequence[str], what: str) -> tuple[set[str], set[str]]:
    """Those of *paths*, in *root*, that are committed as they are, and those that git ignores.

    *what* is the command that asks, for messages.

    Raises:
        UsageError: git fails, or is not installed.
    """
    if not paths:
        return set(), set()
    tops = sorted({path.partition("/")[0] for path in paths})
    prefix = _git(root, what, "rev-parse", "--show-prefix").removesuffix("\n")
    tracked = {  # H: neither told to be overlooked, nor left out of a sparse work tree
        line[2:] for line in _git(root, what, "ls-files", "-v", "-z", "--", *tops).split("\0") if line.startswith("H ")
    }
    flags = (
        "--porcelain=v1",
        "-z",
        "--untracked-files=all",
        "--ignored=traditional",
        "--ignore-submodules=none",
        "--no-renames",
    )
    changed, ignored = set[str](), list[str]()
    for entry in _git(root, what, "status", *flags, "--", *tops).split("\0"):
        state, path = entry[:2], entry[3:].removeprefix(prefix)
        if state == "!!":
            ignored.append(path)
        elif state:
            changed.add(path)
    return tracked - changed, {
        path
        for path in paths
        if any(path == each or (each.endswith("/") and path.startswith(each)) for each in ignored)
    }


def _git(root: Path, what: str, *arguments: str) -> str:
    """What git prints.

    Raises:
        UsageError: it fails, or is not installed.
    """
    command = ["git", "-C", os.fspath(root), "-c", "core.fsmonitor=false", *arguments]
    environment: Mapping[str, str] = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER}
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, env={**environment, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
        )
    except OSError as error:
        raise UsageError(f"{what}: git cannot say what is committed ({error.strerror}); install git") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise UsageError(f"{what}: git cannot say what is committed: {said}")
    return os.fsdecode(done.stdout)
