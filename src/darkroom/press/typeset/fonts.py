"""Fonts in parts, so that a page brings the characters that it has and a browser fetches the others where they occur.

A part is a face with a ``unicode-range`` (CSS Fonts 4, section 4.5). fontTools makes it, once; it is kept in the cache.
Left out of it are hints, which today's screens hardly use, and the figures of fractions, which no style here asks for: a
sixth of what has to be fetched before a page is read.
"""

from __future__ import annotations

import re
from pathlib import Path

from darkroom.core import caches
from darkroom.core.digests import Digests, sha256
from darkroom.core.errors import UsageError
from darkroom.core.paths import new_file, read_plain, remove, scratch_of
from darkroom.core.sealed import mark
from darkroom.press.inputs import Inputs
from darkroom.press.typeset.npm import FOLDER

VERSION = 2  # of what is made of a font and a range
LAST = 0x10FFFF
_RANGE = re.compile(r"[Uu]\+([0-9A-Fa-f]{1,6}\?{0,5}|\?{1,6})(?:-([0-9A-Fa-f]{1,6}))?")

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

    Raises:
        UsageError: the font cannot be read.
    """
    key = sha256(f"{VERSION} {inputs.digest(font)} {written(ranges)}".encode())
    path = cache / "fonts" / f"{font.stem}.{key[:10]}{font.suffix}"
    if not _is_sealed(path, inputs.digests):
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished, seal = scratch_of(path), scratch_of(_seal_of(path))
        remove(unfinished)
        try:
            _write_part(font, ranges, unfinished)
        except OSError as error:
            if error.filename and Path(error.filename) != font:
                raise
            raise _unreadable(font, error) from None
        except MemoryError:
            raise
        except Exception as error:  # whatever a reader of fonts trips over
            raise _unreadable(font, error) from None
        with new_file(seal) as file:
            file.write(mark(unfinished.read_bytes()).encode())
        caches.put(seal, _seal_of(path))
        caches.put(unfinished, path)
    return path


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


def _unreadable(font: Path, error: Exception) -> UsageError:
    said = " ".join(str(error).split()) or type(error).__name__
    return UsageError(f"{font} cannot be read as a font ({said[:200]}); delete {FOLDER} beside it and build again")


def _write_part(font: Path, ranges: list[Range], target: Path) -> None:
    from fontTools import subset

    flavor = {".woff2": "woff2", ".woff": "woff"}.get(font.suffix)
    options = subset.Options(flavor=flavor, hinting=False)
    options.layout_features = [each for each in options.layout_features if each not in {"frac", "numr", "dnom"}]
    options.layout_features += ["lnum", "onum", "pnum", "tnum"]
    loaded = subset.load_font(str(font), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=[c for c in loaded.getBestCmap() if any(low <= c <= high for low, high in ranges)])
    subsetter.subset(loaded)
    subset.save_font(loaded, str(target), options)
