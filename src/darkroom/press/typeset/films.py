"""Films: which files browsers play, and whether what an MP4 holds is among that.

An MP4 is boxes within boxes (ISO/IEC 14496-12); each track's ``stsd`` says how it is coded.
"""

from __future__ import annotations

from collections.abc import Iterator

FILMS = frozenset({".mp4", ".webm", ".m4v"})
SOUNDS = frozenset({".mp3", ".wav", ".ogg", ".oga", ".m4a", ".aac", ".flac", ".opus"})
MOVING = FILMS | {".gif"}
UNPLAYED = frozenset({".mov", ".ogv", ".avi", ".mkv", ".wmv", ".mpg", ".mpeg", ".flv", ".3gp"})
"""Films that most browsers do not play, whatever is in them."""

_PLAYED = frozenset(
    {"avc1", "avc2", "avc3", "avc4", "hvc1", "hev1", "dvh1", "dvhe", "dva1", "dvav", "av01", "vp08", "vp09"}
)
_KNOWN = {
    **dict.fromkeys(("mp4v", "s263", "h263"), "MPEG-4 Part 2"),
    **dict.fromkeys(("apch", "apcn", "apcs", "apco", "ap4h", "ap4x"), "ProRes"),
    **dict.fromkeys(("mjpa", "mjpb", "jpeg"), "Motion JPEG"),
}
_MOST_BOXES = 10_000


def unplayed_coding(content: bytes) -> str:
    """How the pictures of an MP4 are coded, where browsers play none of its tracks of pictures, or ""."""
    codings = [
        coding for start, end in _within(content, 0, len(content), b"moov") for coding in _tracks(content, start, end)
    ]
    if not codings or not _PLAYED.isdisjoint(codings):
        return ""
    return _KNOWN.get(codings[0], codings[0])


def _tracks(content: bytes, start: int, end: int) -> Iterator[str]:
    """The codings of the tracks of pictures that a ``moov`` has."""
    for track in _within(content, start, end, b"trak"):
        for media in _within(content, *track, b"mdia"):
            handler = next(_within(content, *media, b"hdlr"), (0, 0))
            if content[handler[0] + 8 : handler[0] + 12] != b"vide":
                continue
            for place in _below(content, media):
                coding = content[place[0] + 12 : place[0] + 16]  # of the first entry, behind version, flags and count
                if len(coding) == 4 and coding.isascii():
                    yield coding.decode()


def _below(content: bytes, media: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Where the ``stsd`` of an ``mdia`` are."""
    for information in _within(content, *media, b"minf"):
        for table in _within(content, *information, b"stbl"):
            yield from _within(content, *table, b"stsd")


def _within(content: bytes, start: int, end: int, kind: bytes) -> Iterator[tuple[int, int]]:
    """Where the boxes of a kind are between two places: behind the head of each, and its end."""
    for _ in range(_MOST_BOXES):
        if start + 8 > end:
            return
        size, head = int.from_bytes(content[start : start + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(content[start + 8 : start + 16], "big"), 16
        last = end if size == 0 else min(start + size, end)
        if last < start + head:
            return
        if content[start + 4 : start + 8] == kind:
            yield start + head, last
        start = last
