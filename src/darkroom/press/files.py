"""The files of a site: where everything lies, and what each of them is to hold."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from darkroom.press.theme import Theme

MATH = "math.sqlite"  # in the cache: what KaTeX made of formulas


class Places(msgspec.Struct, frozen=True):
    """Where everything is; paths in messages are relative to ``root``."""

    root: Path
    templates: Path
    outputs: Path
    site: Path
    cache: Path
    theme: Theme

    @property
    def untrusted(self) -> bool:
        """Whether the project's own theme is not used."""
        return self.theme.own is None

    def shown(self, path: Path) -> str:
        """*path* as messages name it."""
        try:
            return path.relative_to(self.root).as_posix()
        except ValueError:
            return path.as_posix()


class Copy(msgspec.Struct, frozen=True):
    """A file to be copied to the site, from the path *source*."""

    source: str
    sha256: str
    bytes: int


class Stamped(msgspec.Struct, frozen=True):
    """A file of the outputs that says on the site where it comes from; *made* gives it, by its path among them."""

    source: str
    made: Callable[[str], bytes]
    sha256: str
    bytes: int


class Kept(msgspec.Struct, frozen=True):
    """A file that stays as it was published."""

    sha256: str
    bytes: int


Content = bytes | Copy | Stamped | Kept


def digest_of(content: Content) -> str:
    """The sha256 of a file of the site in hex."""
    return hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else content.sha256


def size_of(content: Content) -> int:
    """The bytes of a file of the site."""
    return len(content) if isinstance(content, bytes) else content.bytes
