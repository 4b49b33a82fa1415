"""Where a published file comes from, as it says itself: a short text in its metadata (see :mod:`darkroom.core.containers`).

A stamp has no times and nothing of the machine, so that the same report gives the same files. It is a statement of the
file: anybody can write one.
"""

from __future__ import annotations

import re

import msgspec

from darkroom.core.paths import check_id, check_name

VERSION = 1
SHORT = 16  # digits of digests but for the key
_HEX = re.compile(r"[0-9a-f]{0,64}\Z")


class Stamp(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a file says of itself.

    Attributes:
        darkroom: the version of this format.
        experiment: the id of the experiment that it shows.
        figure: the name of the figure that it is a part of.
        key: the digest of all that the results depend on.
        commit: of the run, or "" where that is not known.
        modified: whether the sources differed from that commit.
        file: the beginning of the sha256 of the file without a stamp; "" where it was made for the site.
        drawing: the beginning of the figure's key, where there is no file.
        over: the parameter over which it shows means of several runs, of which the one that is named is the first; or "".
        page: the address of the figure, in full where the site's is known.
    """

    darkroom: int = msgspec.field()
    experiment: str
    figure: str
    key: str
    commit: str = ""
    modified: bool = False
    file: str = ""
    drawing: str = ""
    over: str = ""
    page: str = ""


def written(stamp: Stamp) -> str:
    """The stamp as text: JSON in ASCII, without characters that XML escapes."""
    text = msgspec.json.encode(stamp).decode()
    if not (text.isascii() and text.isprintable()):
        import json  # names are ASCII nearly always, and this is called thousands of times

        text = json.dumps(msgspec.to_builtins(stamp), separators=(",", ":")).replace("\x7f", "\\u007f")
    for character in "<>&":
        if character in text:
            text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def read(text: str) -> Stamp:
    """The stamp that *text* is.

    Raises:
        ValueError: it is none, or of another version; the message says why.
    """
    try:
        stamp = msgspec.json.decode(text, type=Stamp)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())[:200]) from None
    if stamp.darkroom != VERSION:
        raise ValueError(f"it is of version {stamp.darkroom}, and this Darkroom reads version {VERSION}")
    check_id(stamp.experiment)
    check_name(stamp.figure)
    if not all(each.isprintable() for each in (stamp.experiment, stamp.page, stamp.over)):
        raise ValueError("a text in it has control characters")
    if not all(_HEX.match(each) for each in (stamp.key, stamp.commit, stamp.file, stamp.drawing)):
        raise ValueError("a digest in it is not valid")
    return stamp
