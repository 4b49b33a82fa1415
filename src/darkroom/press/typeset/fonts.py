"""Fonts in parts, so that a page brings the characters that it has and a browser fetches the others where they occur.

A part is a face with a ``unicode-range`` (CSS Fonts 4, section 4.5). fontTools makes it, once for all projects of a user.
Left out of it are hints, which today's screens hardly use, and the figures of fractions, which no style here asks for: a
sixth of what has to be fetched before a page is read.
"""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

from darkroom.core import caches
from darkroom.core.digests import Digests, sha256
from darkroom.core.errors import UsageError
from darkroom.core.paths import read_plain, remove
from darkroom.core.patterns import lazy_pattern
from darkroom.core.sealed import mark, user_folder
from darkroom.press.inputs import Inputs
from darkroom.press.typeset.npm import FOLDER

VERSION = 2  # of what is made of a font and a range
LAST = 0x10FFFF
_MOST_KEPT = 1000  # files in the user's folder, a part and its seal each
_RANGE = lazy_pattern(r"[Uu]\+([0-9A-Fa-f]{1,6}\?{0,5}|\?{1,6})(?:-([0-9A-Fa-f]{1,6}))?")

Range = tuple[int, int]  # the first and the last code point


def read_ranges(text: str) -> list[Range]:
    """The value of a ``unicode-range``: ``U+20-7E, U+4??`` is [(0x20, 0x7e), (0x400, 0x4ff)].

    Raises:
        ValueError: with the first part of it that is no range.
    """
    ranges = []
    for each in map(str.strip, text.split(",")):
        found = _RANGE.fullmatch(each)
        low = int(found[1].replace("?", "0"), 16) if found else LAST + 1
        high = int(found[2] or found[1].replace("?", "F"), 16) if found else LAST
        if not low <= high <= LAST:
            raise ValueError(each)
        ranges.append((low, high))
    return ranges


def complement(ranges: list[Range]) -> list[Range]:
    """Every code point that is not in *ranges*."""
    rest, next_ = [], 0
    for low, high in sorted(ranges):
        if low > next_:
            rest.append((next_, low - 1))
        next_ = max(next_, high + 1)
    return [*rest, (next_, LAST)] if next_ <= LAST else rest


def written(ranges: list[Range]) -> str:
    """*ranges* as the value of a ``unicode-range``."""
    return ",".join(f"U+{low:X}" if low == high else f"U+{low:X}-{high:X}" for low, high in ranges)


def part(font: Path, ranges: list[Range], inputs: Inputs, cache: Path) -> Path:
    """A file with those characters of *font* alone that are in *ranges*; its name depends on what it was made from.

    It is kept for all projects of the user or, where there is no such folder, in *cache*.

    Raises:
        UsageError: the font cannot be read.
    """
    key = sha256(f"{VERSION} {inputs.digest(font)} {written(ranges)}".encode())
    name = f"{font.stem}.{key[:10]}{font.suffix}"
    shared, own = Path(user_folder()) / "fonts" / name, cache / "fonts" / name
    for path in (shared, own):
        if _is_sealed(path, inputs.digests):
            return path
    content = _part_of(font, ranges)
    try:
        _keep(shared, content)
    except OSError:
        _keep(own, content)
        return own
    with suppress(OSError):
        _prune(shared.parent)
    return shared


def _keep(path: Path, content: bytes) -> None:
    caches.replace(_seal_of(path), mark(content).encode())
    caches.replace(path, content)


def _prune(folder: Path) -> None:
    """Remove all but the files that were made last."""
    for path in sorted(folder.iterdir(), key=lambda each: each.lstat().st_mtime)[:-_MOST_KEPT]:
        remove(path)


def _seal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.seal")


def _is_sealed(path: Path, digests: Digests) -> bool:
    """Whether a part is there as this user's Darkroom made it; one that has not changed since is not read again."""
    name = str(path)
    try:
        if not digests.of(name, links=False):
            return False
        if digests.is_verified(name, "sealed"):
            return True
        sealed = read_plain(_seal_of(path), 1000) == mark(read_plain(path, caches.LARGEST)).encode()
    except (OSError, ValueError):
        return False
    if sealed:
        digests.verify(name, "sealed")
    return sealed


def _part_of(font: Path, ranges: list[Range]) -> bytes:
    from fontTools import subset

    flavor = {".woff2": "woff2", ".woff": "woff"}.get(font.suffix)
    options = subset.Options(flavor=flavor, hinting=False)
    options.layout_features = [each for each in options.layout_features if each not in {"frac", "numr", "dnom"}]
    options.layout_features += ["lnum", "onum", "pnum", "tnum"]
    target = io.BytesIO()
    try:
        loaded = subset.load_font(str(font), options)
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=[c for c in loaded.getBestCmap() if any(low <= c <= high for low, high in ranges)])
        subsetter.subset(loaded)
        subset.save_font(loaded, target, options)
    except MemoryError:
        raise
    except Exception as error:  # any error of a font decoder
        said = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(
            f"{font} cannot be read as a font ({said[:200]}); delete {FOLDER} beside it and build again"
        ) from None
    return target.getvalue()
