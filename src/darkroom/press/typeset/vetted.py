"""Files that were found fit to be published, remembered by what is in them: whatever project they are in, once is enough.

What is remembered is the user's and sealed (``core.sealed``), so a project cannot bring verdicts of its own along.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec

from darkroom.core import caches
from darkroom.core.sealed import user_folder
from darkroom.press import limits
from darkroom.press.typeset import films, pictures, vetting

MOST = 10_000  # files that are remembered: those that were asked for last


class _Remembered(msgspec.Struct, frozen=True):
    """Files as suffix and sha256; *judges* is a digest of the code that found them fit."""

    judges: str = ""
    files: tuple[str, ...] = ()


class Vetted:
    """The verdicts of ``vetting.fault_of``; nothing is read before the first is asked for."""

    def __init__(self) -> None:
        self._path = Path(user_folder()) / "vetted.json"
        self._known: dict[str, None] | None = None
        self._fit: dict[str, None] = {}

    def fault_of(self, path: str, content: bytes | None, digest: str) -> str:
        """Why the file at *path*, whose sha256 is *digest*, is not published, or ""; *content* is what is in it, if known."""
        name = f"{os.path.splitext(path)[1].lower()} {digest}"  # noqa: PTH122  # thousands of calls
        if self._known is None:
            self._known = dict.fromkeys(self._read())
        fault = "" if name in self._known else vetting.fault_of(path, content)
        if not fault:
            self._fit[name] = None
        return fault

    def keep(self) -> None:
        """Remember what was found fit; where that cannot be written, it is looked at again next time."""
        if not self._fit or self._fit.keys() <= (self._known or {}).keys():
            return
        older = [name for name in self._known or () if name not in self._fit]
        files = (*older, *self._fit)[-MOST:]
        with suppress(OSError):
            caches.write(self._path, msgspec.json.encode(_Remembered(_judges(), files)))

    def _read(self) -> tuple[str, ...]:
        try:
            found = msgspec.json.decode(caches.read(self._path), type=_Remembered)
        except msgspec.DecodeError:
            return ()
        return found.files if found.judges == _judges() else ()


def _judges() -> str:
    """A digest of the code that decides, so that stricter rules apply to all files."""
    return sha256(
        b"".join(Path(str(module.__file__)).read_bytes() for module in (vetting, pictures, films, limits))
    ).hexdigest()
