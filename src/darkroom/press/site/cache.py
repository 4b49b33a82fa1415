"""The cache of a published site, from which the next build keeps unchanged pages."""

from __future__ import annotations

from pathlib import Path

import msgspec

from darkroom.core import caches
from darkroom.core.errors import Fault
from darkroom.press.content.links import LinkUse
from darkroom.press.content.outlines import Outline
from darkroom.press.rendering.captions import FileUse

VERSION = 8


class Made(msgspec.Struct, frozen=True):
    """A file that was made along with the site, not copied from the outputs."""

    target: str
    sha256: str
    bytes: int


class CachedPage(msgspec.Struct, frozen=True):
    """A page.

    ``source`` is the digest of its Markdown and ``key`` that of all it depends on; ``fonts`` are the files of KaTeX
    that its formulas need; ``anchors`` and ``links`` are there to be checked.
    """

    source: str
    outline: Outline
    key: str
    sha256: str
    bytes: int
    fonts: tuple[str, ...]
    anchors: tuple[str, ...]
    links: tuple[LinkUse, ...]
    files: tuple[FileUse, ...]
    drawings: tuple[Made, ...]
    eager_bytes: int
    warnings: tuple[Fault, ...]


class SiteCache(msgspec.Struct, frozen=True):
    """All pages of the last build by address, and what was made along with them.

    That is the social card, if there was one, the record with the digest of its content, and the record's schema with
    the digest of the code that defines it.
    """

    pages: dict[str, CachedPage]
    card: Made | None = None
    record: Made | None = None
    recorded: str = ""
    schema: Made | None = None
    described: str = ""
    version: int = VERSION


def read_cache(path: Path) -> SiteCache:
    """What the last build left, or nothing where that cannot be read."""
    try:
        cache = msgspec.json.decode(caches.read(path), type=SiteCache)
    except msgspec.MsgspecError:
        return SiteCache({})
    return cache if cache.version == VERSION else SiteCache({})
