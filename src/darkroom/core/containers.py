"""A text in a picture's or a film's own metadata: put in, and taken out again, without decoding a pixel.

Every format has a place that its readers pass over: a text chunk of PNG, a comment of GIF and JPEG, XMP of WebP, metadata
of SVG, a box of its own at the end of MP4 and AVIF. All bytes of the file itself stay, in their order.

What is read may come from anybody: lengths are never trusted, and nothing is unpacked beyond a small limit.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from darkroom.core.patterns import lazy_pattern

OPENING = '{"darkroom":'  # of every text: it is JSON, and ASCII without <, > and &
LONGEST = 8_000  # characters of a text
_MOST_PARTS = 100_000  # chunks, blocks or boxes of a file that are looked at

_PNG = b"\x89PNG\r\n\x1a\n"
_KEYWORD = b"Darkroom"
_UUID = bytes.fromhex("6f0b1c1e5a0d4d1f8c2e9a1b6d61726b")
_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="{toolkit}"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:source>{text}</dc:source></rdf:Description></rdf:RDF></x:xmpmeta>'
)
_TOOLKIT, _TOOLKIT_OF_PLAIN = "Darkroom", "Darkroom, VP8X added"
_TEXT = lazy_pattern(rb'\{"darkroom":[^<>&\x00-\x1f\x7f-\xff]{1,8000}\}')
_ESCAPED = lazy_pattern(rb"\{&quot;darkroom&quot;:[^<>\x00-\x1f\x7f-\xff]{1,16000}\}")
_METADATA = lazy_pattern(rb'<metadata>(\{"darkroom":[^<>&\x00-\x1f\x7f-\xff]{1,8000}\})</metadata>')
_ANY_METADATA = lazy_pattern(rb"<metadata\b[^<>]{0,1000}>([^<]{1,20000})</metadata\s*>")
_ROOT = lazy_pattern(
    rb"""(?:\xef\xbb\xbf)?\s*(?:(?:<\?[^>]*\?>|<!--(?:(?!-->).)*-->|<!DOCTYPE[^>\[]*>)\s*)*"""
    rb"""<svg(?=[\s>])(?:[^<>"']|"[^"<]*"|'[^'<]*')*(?<!/)>""",
    re.DOTALL,
)


class FoundText(NamedTuple):
    """The *text* of a file, and the file without it; None where it stands otherwise than it was put in."""

    text: str
    rest: bytes | None


def kind_of(content: bytes) -> str:
    """What a file is by how it opens: png, gif, jpeg, webp, mp4 (AVIF too) or svg; "" for anything else."""
    if content.startswith(_PNG):
        return "png"
    if content[:6] in {b"GIF87a", b"GIF89a"}:
        return "gif"
    if content.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    if content[4:8] == b"ftyp":
        return "mp4"
    return "svg" if _ROOT.match(content[:100_000]) else ""


def put(content: bytes, text: str) -> bytes:
    """A valid file with *text* in it; as it is where its format has no place for it, or the place is taken.

    *text* begins with ``OPENING`` and is ASCII without <, > and &.
    """
    kind = kind_of(content)
    if not kind or not text or len(text) > LONGEST:
        return content
    return _PUT[kind](content, text.encode("ascii"))


def take(content: bytes) -> FoundText | None:
    """The text that was put into a file, or None where there is none.

    Raises:
        ValueError: the file is cut off, or a length in it is wrong, and nothing was found up to there.
    """
    kind = kind_of(content)
    found = _TAKE[kind](content) if kind else None
    if found is None:
        return None
    text, rest = found
    whole = rest is not None and put(rest, text) == content
    return FoundText(text, rest if whole else None)


def _text_of(data: bytes) -> str:
    """The text that a piece of metadata is, or ""."""
    found = _TEXT.match(data)
    return found[0].decode("ascii") if found else ""


def _text_in(data: bytes) -> str:
    """The text within a short piece of XML, as it is or as programs escape it, or ""."""
    start = data.find(OPENING.encode())
    if start >= 0:
        return _text_of(data[start:])
    found = _ESCAPED.search(data[: 4 * LONGEST])
    return found[0].replace(b"&quot;", b'"').decode("ascii") if found else ""


def _without(content: bytes, start: int, end: int) -> bytes:
    return content[:start] + content[end:]


# PNG (third edition): text chunks, 11.3.3 ------------------------------------------------------------------------------


def _into_png(content: bytes, text: bytes) -> bytes:
    if content[8:16] != b"\0\0\0\x0dIHDR":
        return content
    body = b"tEXt" + _KEYWORD + b"\0" + text
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    return content[:33] + chunk + content[33:]


def _from_png(content: bytes) -> FoundText | None:
    at = 8
    for _ in range(_MOST_PARTS):
        kind, size = content[at + 4 : at + 8], int.from_bytes(content[at : at + 4], "big")
        end = at + 12 + size
        if kind == b"IEND":
            return None
        if len(kind) < 4 or end > len(content):
            raise ValueError("a chunk is longer than the file")
        if kind in {b"tEXt", b"zTXt", b"iTXt"} and (text := _text_of_chunk(kind, content[at + 8 : end - 4])):
            return FoundText(text, _without(content, at, end))
        at = end
    return None


def _text_of_chunk(kind: bytes, data: bytes) -> str:
    keyword, _, rest = data.partition(b"\0")
    if keyword != _KEYWORD:
        return ""
    is_packed = kind == b"zTXt" or (kind == b"iTXt" and rest[:1] == b"\1")
    if kind == b"zTXt":
        rest = rest[1:]
    elif kind == b"iTXt":  # flag, method, language, translated keyword
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    if is_packed:
        try:
            rest = zlib.decompressobj().decompress(rest, LONGEST)
        except zlib.error:
            return ""
    return _text_of(rest)


# GIF89a: comment extension, 24 ----------------------------------------------------------------------------------------


def _into_gif(content: bytes, text: bytes) -> bytes:
    at = _behind_palette(content)
    if content[at : at + 2] == b"\x21\xff":  # how often it repeats, which some readers want first
        at = _behind_blocks(content, at + 2)
    if not 13 <= at < len(content):
        return content
    blocks = b"".join(
        bytes([len(text[start : start + 255])]) + text[start : start + 255] for start in range(0, len(text), 255)
    )
    return content[:at] + b"\x21\xfe" + blocks + b"\0" + content[at:]


def _from_gif(content: bytes) -> FoundText | None:
    at = _behind_palette(content)
    for _ in range(_MOST_PARTS):
        head = content[at : at + 1]
        if head == b";":
            return None
        start = at
        if head == b"\x21":
            at = _behind_blocks(content, at + 2)
            if content[start + 1 : start + 2] == b"\xfe" and (text := _text_of(_joined(content, start + 2, at))):
                return FoundText(text, _without(content, start, at))
        elif head == b",":
            packed = content[at + 9 : at + 10] or b"\0"
            palette = 3 << ((packed[0] & 7) + 1) if packed[0] & 0x80 else 0
            at = _behind_blocks(content, at + 11 + palette)
        else:
            raise ValueError("it is cut off" if not head else "a block is of a kind that GIF does not have")
        if at > len(content):
            raise ValueError("a block is longer than the file")
    return None


def _behind_palette(content: bytes) -> int:
    packed = (content[10:11] or b"\0")[0]
    return 13 + (3 << ((packed & 7) + 1) if packed & 0x80 else 0)


def _behind_blocks(content: bytes, at: int) -> int:
    """Where a row of blocks, each with its length before it, has ended; beyond the file where it does not end."""
    while at < len(content) and content[at]:
        at += content[at] + 1
    return at + 1


def _joined(content: bytes, start: int, end: int) -> bytes:
    parts, size = [], 0
    while start < end - 1 and size < 2 * LONGEST:
        parts.append(content[start + 1 : start + 1 + content[start]])
        size += content[start]
        start += content[start] + 1
    return b"".join(parts)


# JPEG (ITU-T T.81): comments, B.2.4.5 ----------------------------------------------------------------------------------


def _into_jpeg(content: bytes, text: bytes) -> bytes:
    at = 0
    for kind, start, _ in _segments(content):
        if not 0xE0 <= kind <= 0xEF:
            at = start
            break
        if content[start + 4 : start + 8] == b"MPF\0":  # places of other pictures in the file, which would move
            return content
    if not at:
        return content
    return content[:at] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + content[at:]


def _from_jpeg(content: bytes) -> FoundText | None:
    for kind, start, end in _segments(content):
        if end > len(content):
            raise ValueError("a segment is longer than the file")
        if kind == 0xFE and (text := _text_of(content[start + 4 : end])):
            return FoundText(text, _without(content, start, end))
    return None


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """The marker of each segment up to the pixels, with its start and its end."""
    at = 2
    for _ in range(_MOST_PARTS):
        if content[at : at + 1] != b"\xff" or at + 4 > len(content):
            return
        kind, size = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if size < 2:
            return
        yield kind, at, at + 2 + size
        if kind == 0xDA:  # pixels follow
            return
        at += 2 + size


# WebP (RFC 9649): XMP, 2.7.1.5; a plain file becomes an extended one -------------------------------------------------


def _into_webp(content: bytes, text: bytes) -> bytes:
    chunks = _chunks_of_webp(content)
    if not chunks or any(kind == b"XMP " for kind, _, _ in chunks):
        return content
    kind, start, end = chunks[0]
    if kind == b"VP8X" and end - start == 18:
        body = _flagged(content[12:], 0x04)
        toolkit = _TOOLKIT
    elif kind in {b"VP8 ", b"VP8L"} and len(chunks) == 1 and (head := _canvas(kind, content[start + 8 : end])):
        body = b"VP8X" + (10).to_bytes(4, "little") + head + content[12:]
        toolkit = _TOOLKIT_OF_PLAIN
    else:
        return content
    note = _XMP.format(toolkit=toolkit, text=text.decode()).encode()
    body += b"XMP " + len(note).to_bytes(4, "little") + note + b"\0" * (len(note) % 2)
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body


def _from_webp(content: bytes) -> FoundText | None:
    chunks = _chunks_of_webp(content)
    if not chunks:
        raise ValueError("a chunk is longer than the file")
    start, end = next(((start, end) for kind, start, end in chunks if kind == b"XMP "), (0, 0))
    note = content[start + 8 : end]
    text = _text_in(note)
    if not text:
        return None
    first = 30 if f'"{_TOOLKIT_OF_PLAIN}"'.encode() in note[:200] else 12
    body = content[first:start] + content[end:]
    body = _flagged(body, 0) if first == 12 and body[:4] == b"VP8X" else body
    return FoundText(text, b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body)


def _flagged(body: bytes, flag: int) -> bytes:
    """What follows RIFF's head, with or without the flag of XMP."""
    return body[:8] + bytes([(body[8] & ~0x04) | flag]) + body[9:]


def _chunks_of_webp(content: bytes) -> list[tuple[bytes, int, int]]:
    """The kind of each chunk, its start and its end; none where they do not fill the file."""
    found, at = list[tuple[bytes, int, int]](), 12
    while at < len(content) and len(found) < _MOST_PARTS:
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        end = at + 8 + size + size % 2
        if at + 8 > len(content) or end > len(content):
            return []
        found.append((content[at : at + 4], at, end))
        at = end
    return found if int.from_bytes(content[4:8], "little") + 8 == len(content) else []


def _canvas(kind: bytes, data: bytes) -> bytes:
    """What VP8X says of a plain picture: flags and size; b"" where its head is damaged."""
    if kind == b"VP8 ":
        if data[3:6] != b"\x9d\x01\x2a" or len(data) < 10:
            return b""
        width, height = (size & 0x3FFF for size in struct.unpack("<HH", data[6:10]))
        flags = 0x04
    else:
        if data[:1] != b"\x2f" or len(data) < 5:
            return b""
        bits = int.from_bytes(data[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        flags = 0x04 | (0x10 if bits >> 28 & 1 else 0)
    if not (width and height):
        return b""
    return b"".join((bytes([flags, 0, 0, 0]), *(int(size - 1).to_bytes(3, "little") for size in (width, height))))


# SVG 2: metadata, 5.9 --------------------------------------------------------------------------------------------------


def _into_svg(content: bytes, text: bytes) -> bytes:
    root = _ROOT.match(content)
    if not root:
        return content
    return content[: root.end()] + b"<metadata>" + text + b"</metadata>" + content[root.end() :]


def _from_svg(content: bytes) -> FoundText | None:
    root = _ROOT.match(content)
    if root and (found := _METADATA.match(content, root.end())):
        return FoundText(found[1].decode("ascii"), _without(content, found.start(), found.end()))
    for each in islice(_ANY_METADATA.finditer(content), 20):
        if text := _text_in(each[1]):
            return FoundText(text, None)
    return None


# MP4 and AVIF (ISO/IEC 14496-12): a box at the end, which moves nothing ------------------------------------------------


def _into_mp4(content: bytes, text: bytes) -> bytes:
    boxes = list(_boxes(content))
    if not boxes or boxes[-1][2] != len(content) or {b"mfra", b"uuid"} & {kind for kind, _, _ in boxes}:
        return content
    if content[boxes[-1][1] : boxes[-1][1] + 4] == bytes(4):  # a box that goes to the end of the file
        return content
    return content + (24 + len(text)).to_bytes(4, "big") + b"uuid" + _UUID + text


def _from_mp4(content: bytes) -> FoundText | None:
    last = 0
    for kind, start, end in _boxes(content):
        last = end
        if (
            kind == b"uuid"
            and content[start + 8 : start + 24] == _UUID
            and (text := _text_of(content[start + 24 : end]))
        ):
            return FoundText(text, _without(content, start, end))
    if last != len(content):
        raise ValueError("a box is longer than the file")
    return None


def _boxes(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The kind of each box, its start and its end, as far as they fit."""
    at = 0
    for _ in range(_MOST_PARTS):
        size = int.from_bytes(content[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(content[at + 8 : at + 16], "big")
        elif size == 0:
            size = len(content) - at
        if size < 8 or at + size > len(content):
            return
        yield content[at + 4 : at + 8], at, at + size
        at += size


_PUT: dict[str, Callable[[bytes, bytes], bytes]] = {
    "png": _into_png,
    "gif": _into_gif,
    "jpeg": _into_jpeg,
    "webp": _into_webp,
    "svg": _into_svg,
    "mp4": _into_mp4,
}
_TAKE: dict[str, Callable[[bytes], FoundText | None]] = {
    "png": _from_png,
    "gif": _from_gif,
    "jpeg": _from_jpeg,
    "webp": _from_webp,
    "svg": _from_svg,
    "mp4": _from_mp4,
}
