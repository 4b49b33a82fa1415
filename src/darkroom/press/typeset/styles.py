"""What is known of style sheets over builds: what was found in them, and how they read without comments and spare space."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from darkroom.core import caches
from darkroom.core.digests import sha256
from darkroom.press.typeset.sheets import Sheet


class _Known(msgspec.Struct):
    """Sheets and brief texts by the digests of what they were made of; *readers* is that of what made them."""

    readers: str = ""
    sheets: dict[str, Sheet] = {}
    brief: dict[str, str] = {}


class Styles:
    """Style sheets as :mod:`darkroom.press.typeset.css` reads them, each once for as long as neither it nor that changes.

    Args:
        path: where they are remembered.
        readers: a digest of what reads them.
    """

    def __init__(self, path: Path, readers: str) -> None:
        self._path, self._known, self._now = path, _read(path), _Known(readers)
        if self._known.readers != readers:
            self._known = _Known(readers)

    def read(self, text: str) -> Sheet:
        """The addresses of a style sheet, and what is wrong with it."""
        key = sha256(text.encode())
        found = self._known.sheets.get(key)
        self._now.sheets[key] = _read_sheet(text) if found is None else found
        return self._now.sheets[key]

    def brief(self, text: str) -> str:
        """A style sheet without its comments and the space that it does not need."""
        key = sha256(text.encode())
        found = self._known.brief.get(key)
        self._now.brief[key] = _brief(text) if found is None else found
        return self._now.brief[key]

    def keep(self) -> None:
        """Remember what was asked for, where that is not what is remembered."""
        if self._now != self._known:
            with suppress(OSError):  # made anew next time
                caches.write(self._path, msgspec.json.encode(self._now))


def _read_sheet(text: str) -> Sheet:
    from darkroom.press.typeset import css

    return css.read(text)


def _brief(text: str) -> str:
    from darkroom.press.typeset import css

    return css.brief(text)


def readers() -> Iterable[Path]:
    """The files that decide what is found in a style sheet."""
    return [Path(__file__).with_name(f"{name}.py") for name in ("css", "sheets", "styles")]


def _read(path: Path) -> _Known:
    try:
        return msgspec.json.decode(caches.read(path), type=_Known)
    except msgspec.MsgspecError:
        return _Known()
