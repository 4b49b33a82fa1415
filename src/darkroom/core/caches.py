"""Cache files: plain files in plain folders, written atomically, and replaced if they are anything else.

A cache may have come with someone else's project, so links in it are not followed and pipes are not read, and a folder
in place of a file, or a file in place of a folder, is removed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from darkroom.core.paths import read_plain, remove, write_atomically
from darkroom.core.sealed import seal, unseal

LARGEST = 1 << 30  # bytes


def read(path: Path) -> bytes:
    """The content of a sealed cache; b"" if there is none with a valid seal."""
    try:
        return unseal(read_plain(path, LARGEST)) or b""
    except (OSError, ValueError):
        return b""


def write(path: Path, content: bytes) -> None:
    """Write *content*, sealed, atomically.

    Raises:
        OSError: it cannot be written.
    """
    replace(path, seal(content))


def replace(path: Path, content: bytes) -> None:
    """Write *content* as it is, atomically; a folder at that path is removed.

    Raises:
        OSError: it cannot be written.
    """
    if _is(path, stat.S_ISDIR):
        remove(path)
    write_atomically(path, content, durable=False)


def claim(base: Path, folder: Path, files: tuple[str, ...] = ()) -> None:
    """Make sure that *folder*, if it exists, is a folder within *base*, and *files* in it, if they exist, are files.

    Anything else at these paths, such as a link that leads elsewhere, is removed. *base* itself is not checked.

    Raises:
        OSError: something cannot be removed.
    """
    for place in (*reversed(folder.relative_to(base).parents[:-1]), folder.relative_to(base)):
        if _is_other(base / place, stat.S_ISDIR):
            remove(base / place)
            return
    for name in files:
        if _is_other(folder / name, stat.S_ISREG):
            remove(folder / name)


def _is_other(path: Path, kind: Callable[[int], bool]) -> bool:
    return os.path.lexists(path) and not _is(path, kind)


def _is(path: Path, kind: Callable[[int], bool]) -> bool:
    try:
        return kind(os.lstat(path).st_mode)
    except OSError:
        return False
