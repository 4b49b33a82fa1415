"""Caches that are used only if this user's Darkroom wrote them and they have not been changed since.

What a project keeps under ``.darkroom`` decides what is published and, as compiled templates, what runs; it may have
come with someone else's project, and disks fail. So each cache is sealed: it opens with a keyed digest of what follows.
The key is the user's, ``~/.cache/darkroom/.key``; without a home there is one for each process, and caches are made
anew each time.
"""

from __future__ import annotations

import os
from functools import cache
from hashlib import blake2b
from pathlib import Path

from darkroom.core.paths import read_plain, write_atomically

_SIZE = 32
_LENGTH = 2 * _SIZE


def seal(content: bytes) -> bytes:
    """*content* behind its seal."""
    return mark(content).encode() + b"\n" + content


def unseal(sealed: bytes) -> bytes | None:
    """The content behind an unbroken seal, else None."""
    content = sealed[_LENGTH + 1 :]
    return content if sealed[: _LENGTH + 1] == mark(content).encode() + b"\n" else None


def mark(content: bytes) -> str:
    """The keyed digest of *content* in hex."""
    return blake2b(content, key=_key(), digest_size=_SIZE).hexdigest()


def user_folder() -> str:
    """The user's folder for what must not come with a project; it need not exist."""
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "darkroom")  # noqa: PTH111, PTH118


@cache
def _key() -> bytes:
    path = f"{user_folder()}/.key"
    try:
        return _read(path) or _made(path)
    except OSError:
        return os.urandom(_SIZE)


def _read(path: str) -> bytes:
    """The key at *path*, b"" where there is none."""
    try:
        key = read_plain(path, _SIZE, links=True)
    except (FileNotFoundError, ValueError):
        return b""
    return key if len(key) == _SIZE else b""


def _made(path: str) -> bytes:
    """A new key, written atomically; if two processes make one, the last wins."""
    write_atomically(Path(path), os.urandom(_SIZE), durable=False, mode=0o600)
    return _read(path)
