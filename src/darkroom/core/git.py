"""Whether git can bring a file back. Its index is read as data: git itself may run what a repository's settings name."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from darkroom.core.paths import read_plain

_LARGEST = 200_000_000  # bytes of an index


def restoring(path: Path | str) -> str:
    """What brings a damaged or missing file back: "restore it with git checkout -- PATH" where git has it.

    The path is relative to the current folder, where that is possible.
    """
    if not is_tracked(path):
        return "restore the file"
    from shlex import quote  # damage is rare

    with suppress(ValueError):  # on another drive of Windows
        path = os.path.relpath(path)
    return f"restore it with git checkout -- {quote(os.fspath(path))}"


def is_tracked(path: Path | str) -> bool:
    """Whether git has a file in its index (format of versions 2 and 3; of another version it is not known)."""
    wanted = Path(os.path.abspath(path))  # noqa: PTH100  a link is not followed
    for folder in wanted.parents:
        index = _index_of(folder)
        if index is not None:
            name = os.fsencode(wanted.relative_to(folder).as_posix())
            length = min(len(name), 0xFFF).to_bytes(2, "big")  # what stands before each name
            return index[:4] == b"DIRC" and index[7:8] in {b"\2", b"\3"} and length + name + b"\0" in index
    return False


def _index_of(folder: Path) -> bytes | None:
    """The index of the repository whose work tree *folder* is, or None; b"" where it cannot be read."""
    git = folder / ".git"
    if not os.path.lexists(git):
        return None
    try:
        if not git.is_dir():  # a work tree of its own
            named = read_plain(git, 4_096).decode().partition("gitdir:")[2].strip()
            git = folder / named
        return read_plain(git / "index", _LARGEST)
    except (OSError, ValueError):
        return b""
