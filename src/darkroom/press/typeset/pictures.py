"""Pictures among the static files: whether a browser shows them, and at what size.

Each is decoded once; the verdict is remembered by content.
"""

from __future__ import annotations

import io
import re
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from darkroom.core import caches
from darkroom.core.digests import sha256
from darkroom.core.errors import Fault
from darkroom.core.patterns import lazy_pattern
from darkroom.press.limits import TooCostly, bounded
from darkroom.press.typeset.films import unplayed_coding

if TYPE_CHECKING:
    from PIL.Image import Image as Opened

SUFFIXES = frozenset({".png", ".apng", ".jpg", ".jpeg", ".jfif", ".gif", ".webp", ".svg", ".avif", ".bmp", ".ico"})
WIDEST = 20_000  # pixels
MOST = 64_000_000
_LONGEST_TEXT = 32 << 20  # bytes of what programs note in a PNG, such as the workflow that made it
_DECODED = 150_000_000  # pixels of a film that are looked at
_FORMATS = frozenset({"PNG", "JPEG", "MPO", "GIF", "WEBP", "AVIF", "BMP", "ICO"})  # MPO is a JPEG with others behind it
_OPENINGS: dict[str, tuple[bytes, ...]] = {
    ".woff2": (b"wOF2",),
    ".woff": (b"wOFF",),
    ".ttf": (b"\0\1\0\0", b"true", b"ttcf", b"OTTO"),
    ".otf": (b"OTTO", b"\0\1\0\0"),
    ".mp4": (),
    ".m4v": (),
    ".webm": (b"\x1aE\xdf\xa3",),
    ".ogg": (b"OggS",),
    ".mp3": (b"ID3", b"\xff"),
    ".wav": (b"RIFF",),
}
_VERSION = 4
_UNITS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 96 / 2.54, "mm": 9.6 / 2.54}
_LENGTH = lazy_pattern(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([a-z]*)\s*")


class Picture(msgspec.Struct, frozen=True):
    """A picture: its size as it is seen (0 where that is not known), or the *fault* that keeps it from being seen.

    ``line`` and ``column`` are the place of the fault in a drawing.
    """

    width: int = 0
    height: int = 0
    fault: str = ""
    line: int = 1
    column: int = 1


class _Known(msgspec.Struct, frozen=True):
    pictures: dict[str, Picture] = {}
    version: int = _VERSION


def is_picture(name: str) -> bool:
    """Whether a file is meant to be a picture, judged by its suffix."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def look_at(contents: Mapping[str, bytes], cache: Path, shown: str) -> tuple[dict[str, tuple[int, int]], list[Fault]]:
    """The sizes of all pictures among *contents*, by name, and the faults of those that no browser shows.

    *cache* is a folder for what is remembered; *shown* names the folder of the pictures in messages.
    """
    names = [name for name in contents if is_picture(name)]
    faults = [
        Fault(f"{shown}/{name}", 1, 1, "file", fault)
        for name, each in contents.items()
        if (fault := of_other(name, each))
    ]
    if not names:
        return {}, faults
    path = cache / "pictures.json"
    known, found = _read(path).pictures, dict[str, Picture]()
    sizes: dict[str, tuple[int, int]] = {}
    for name in names:
        key = f"{PurePosixPath(name).suffix.lower()} {sha256(contents[name])}"
        picture = found[key] = known.get(key) or judge(contents[name], name)
        if picture.fault:
            faults.append(Fault(f"{shown}/{name}", picture.line, picture.column, "picture", picture.fault))
        elif picture.width:
            sizes[name] = (picture.width, picture.height)
    if found != known:
        _write(path, _Known(found))
    return sizes, faults


def of_other(name: str, content: bytes) -> str:
    """Why a font, a film or a sound is none, judged by how it opens, or is not played by browsers, or ""."""
    suffix = PurePosixPath(name).suffix.lower()
    openings = _OPENINGS.get(suffix)
    if openings is None or content[4:8] == b"ftyp" or (content and content.startswith(openings)):
        coding = unplayed_coding(content) if suffix in {".mp4", ".m4v"} else ""
        return coding and f"browsers do not play {coding}; save the film as H.264, VP9 or AV1"
    found = (
        "the file is empty" if not content else "it is HTML or XML" if content.lstrip()[:1] == b"<" else "it is not one"
    )
    return f"named as a font, film or sound, but {found}"


def judge(content: bytes, name: str) -> Picture:
    """What a browser makes of a picture: its size as seen, or why it is not seen."""
    if not content:
        return Picture(fault="the file is empty")
    return _drawing(content) if name.lower().endswith(".svg") else _pixels(content)


def _pixels(content: bytes) -> Picture:
    picture = _decoded(content)
    if not picture.fault:
        return picture
    bare = _without_notes(content)
    return _decoded(bare) if bare != content else picture


def _decoded(content: bytes) -> Picture:
    from PIL import Image, PngImagePlugin

    limits = Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK
    Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK = None, _LONGEST_TEXT  # our limit names the size
    try:
        with bounded(), warnings.catch_warnings(), Image.open(io.BytesIO(content)) as picture:
            warnings.simplefilter("ignore")
            judged = _judged(picture)
            if not judged.fault and picture.format in {"JPEG", "MPO"} and not _is_sound_jpeg(content):
                return Picture(fault="the picture is damaged (it is truncated, or not a valid JPEG)")
            return judged
    except Exception as error:  # whatever a decoder stumbles over
        return Picture(fault=_reason(content, error))
    finally:
        Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK = limits


def _judged(picture: Opened) -> Picture:
    from PIL import Image

    width, height = picture.size
    if picture.format not in _FORMATS:
        return Picture(fault=f"it is {picture.format}, which browsers do not show; save it as PNG, JPEG, WebP or AVIF")
    if width > WIDEST or height > WIDEST or width * height > MOST:
        return Picture(fault=f"{width:,} x {height:,} pixels; the limits are {WIDEST:,} per side and {MOST:,} in all")
    Image.MAX_IMAGE_PIXELS = MOST // 2  # twice that is an error: frames of a GIF may make its canvas larger
    frames = min(getattr(picture, "n_frames", 1), max(1, _DECODED // (width * height)))
    for frame in range(frames):
        picture.seek(frame)
        picture.load()
    picture.seek(0)
    turned = _orientation(picture) in {5, 6, 7, 8}
    if turned and picture.format == "WEBP":  # which some browsers turn and others do not
        return Picture()
    return Picture(height, width) if turned else Picture(width, height)


def _orientation(picture: Opened) -> int:
    """How EXIF says that the picture is to be turned; EXIF that is none says nothing."""
    try:
        return int(picture.getexif().get(0x0112, 1))
    except Exception:  # whatever stands in its place
        return 1


def _without_notes(content: bytes) -> bytes:
    """A PNG or JPEG without what is noted beside its pixels, which browsers pass over where it is damaged."""
    if content.startswith(_PNG):
        return _PNG + b"".join(chunk for chunk in _chunks(content) if _counts(chunk))
    if content.startswith(_JPEG):
        return b"".join(_segments(content))
    return content


_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_SEGMENT = lazy_pattern(rb"\xff[\xc0-\xd9\xdb-\xfe]..", re.DOTALL)  # up to the pixels, which follow SOS, 0xda
_NOTE = lazy_pattern(rb"\xff[\xe0-\xef\xfe]")
_OF_FILMS = frozenset({b"acTL", b"fcTL", b"fdAT"})


def _chunks(content: bytes) -> Iterator[bytes]:
    at = len(_PNG)
    while at < len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4])
        yield content[at:end]
        at = end


def _counts(chunk: bytes) -> bool:
    """Whether a chunk is of the pixels, of a film or EXIF; the second is whole, as a film that is damaged is not shown."""
    kind = chunk[4:8]
    if kind in _OF_FILMS:
        return kind != b"acTL" or len(chunk) == 20
    exif = kind == b"eXIf" and zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:])
    return exif or kind[:1].isupper()


def _segments(content: bytes) -> Iterator[bytes]:
    """The segments of a JPEG without comments and those of programs other than EXIF."""
    yield _JPEG
    at = len(_JPEG)
    while _SEGMENT.match(content, at):
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4])
        exif = content[at + 1] == 0xE1 and content[at + 4 : at + 8] == b"Exif"
        if exif or not _NOTE.match(content, at):
            yield content[at:end]
        at = end
    yield content[at:]


_ALONE = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})  # markers of JPEG without a segment
_KNOWN = frozenset({*range(0xC0, 0xD0), *range(0xDA, 0xF0), 0xFE}) - {0xC8}


def _is_sound_jpeg(content: bytes) -> bool:
    """Whether a JPEG is a row of segments up to its end: libjpeg draws grey where it is not, and says nothing.

    Markers and what stands between them: ITU-T T.81, annex B.
    """
    at = 2
    while 0 <= at < len(content) - 1:
        marker = content[at + 1]
        if content[at] != 0xFF:
            return False
        if marker == 0xD9:
            return True
        if marker == 0xFF:  # filled up
            at += 1
        elif marker in _ALONE:
            at += 2
        elif marker in _KNOWN:
            at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        else:
            return False
        if marker == 0xDA or 0xD0 <= marker <= 0xD7:  # coded data: up to a marker that is none of restarting
            found = _MARKER.search(content, at)
            at = found.start() if found else len(content)
    return False


_MARKER = lazy_pattern(rb"\xff[^\x00\xff]")


def _unshown(content: bytes) -> str:
    """What a file holds that no browser shows as a picture and no decoder of ours reads, or ""."""
    if content[4:8] == b"ftyp":
        return "HEIC" if content[8:12] in {b"heic", b"heix", b"heim", b"hevc", b"mif1", b"msf1"} else "a film"
    return "PDF" if content.startswith(b"%PDF") else ""


def _reason(content: bytes, error: Exception) -> str:
    from PIL import UnidentifiedImageError
    from PIL.Image import DecompressionBombError

    if content.lstrip()[:1] == b"<":
        return "it is HTML or XML, not a picture"
    if isinstance(error, UnidentifiedImageError):
        shown = (
            f"{kind}, which browsers do not show; save it as PNG, JPEG, WebP or AVIF"
            if (kind := _unshown(content))
            else ""
        )
        return f"{f'it is {shown}' if shown else 'its format is unknown'}"
    if isinstance(error, DecompressionBombError):
        return f"it has more than {MOST:,} pixels"
    if isinstance(error, TooCostly | MemoryError):
        return "the picture takes too much time or memory to be decoded"
    if isinstance(error, EOFError) or "truncated" in str(error).lower():
        return "the picture is truncated"
    return f"the picture is damaged ({' '.join(str(error).split())[:100] or type(error).__name__})"


# Drawings -------------------------------------------------------------------------------------------------------------


def _drawing(content: bytes) -> Picture:
    from xml.parsers import expat

    attributes: dict[str, str] = {}
    names: list[str] = []
    faults: list[Picture] = []

    def note(fault: str, behind: int = 0) -> None:
        line, column = parser.CurrentLineNumber, parser.CurrentColumnNumber + 1 + behind
        faults.append(Picture(fault=fault, line=line, column=column))

    def start(name: str, given: dict[str, str]) -> None:
        if not names:
            attributes.update(given)
        names.append(name)
        if script := _script(name, given):
            note(
                f"{script}: it does not run in a page, and runs without the pages' policy if opened directly; remove it"
            )
        elif loaded := _loaded(name, given):
            note(f"{loaded[:80]!r} is not shown, since an SVG in a page loads nothing; embed it with data: instead")

    def style(text: str) -> None:
        if names[-1].rpartition(" ")[2] == "style" and (found := _LOADED.search(text)):
            note(f"{found[0][:80]!r} is not loaded, since an SVG in a page loads nothing; embed it", found.start())

    def instruction(target: str, data: str) -> None:
        if target == "xml-stylesheet":
            note("<?xml-stylesheet?> is not loaded, since an SVG in a page loads nothing; write <style> in it")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = start
    parser.CharacterDataHandler = style
    parser.ProcessingInstructionHandler = instruction
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        return Picture(
            fault=f"not valid XML, so browsers do not show it: {reason}", line=error.lineno, column=error.offset + 1
        )
    except ValueError as error:  # an encoding that is not known
        return Picture(fault=f"not valid XML, so browsers do not show it: {error}")
    if faults:
        return faults[0]
    if names[0] != "http://www.w3.org/2000/svg svg":
        where = "" if names[0] != "svg" else '; write <svg xmlns="http://www.w3.org/2000/svg">'
        return Picture(fault=f"it is <{names[0].rpartition(' ')[2]}>, not <svg> in SVG's namespace{where}")
    return _natural_size(attributes)


def _script(name: str, attributes: Mapping[str, str]) -> str:
    """What of an element is a script, or ""."""
    local = name.rpartition(" ")[2]
    if local.lower() in {"script", "iframe", "object", "embed"}:
        return f"<{local}>"
    found = next((each for each in attributes if " " not in each and each.lower().startswith("on")), "")
    if found:
        return f"{found}="
    animated = attributes.get("attributeName", "").rpartition(":")[2].strip() == "href"
    links = (value for each, value in attributes.items() if animated or each.rpartition(" ")[2] == "href")
    addresses = (_BLANK.sub("", address).lower() for value in links for address in value.split(";"))
    return "javascript:" if any(address.startswith("javascript:") for address in addresses) else ""


_BLANK = lazy_pattern(r"[\x00-\x20]")  # which browsers pass over in the scheme of an address


_LOADED = lazy_pattern(r"""@import\b[^;\n]*|(?<!@namespace )url\(\s*["']?(?!["'#\s]|data:)[^)\n]*\)""", re.IGNORECASE)


def _loaded(name: str, attributes: Mapping[str, str]) -> str:
    """The address of another file that an element of a drawing would show, or ""."""
    if name.rpartition(" ")[2] in {"image", "use", "feImage", "img"}:
        links = (value.strip() for each, value in attributes.items() if each.rpartition(" ")[2] in {"href", "src"})
        found = next((value for value in links if value and not value.lower().startswith(("#", "data:"))), "")
        if found:
            return found
    styles = (_LOADED.search(value) for each, value in attributes.items() if " " not in each and "(" in value)
    return next((style[0] for style in styles if style), "")


def _natural_size(attributes: Mapping[str, str]) -> Picture:
    """Width and height as given, in pixels; else those of the view box."""
    given = (_length(attributes.get("width", "")), _length(attributes.get("height", "")))
    box = [_length(each) for each in re.split(r"[\s,]+", attributes.get("viewBox", "").strip())[2:]]
    width, height = given if all(given) else box if len(box) == 2 and all(box) else (0, 0)
    if not all(given) and any(given) and len(box) == 2 and all(box):
        scale = given[0] / box[0] if given[0] else given[1] / box[1]
        width, height = box[0] * scale, box[1] * scale
    fits = 0.5 < width <= WIDEST and 0.5 < height <= WIDEST
    return Picture(round(width), round(height)) if fits else Picture()


def _length(text: str) -> float:
    """A length in pixels, or 0 where it depends on where the drawing stands."""
    found = _LENGTH.fullmatch(text)
    return float(found[1]) * _UNITS.get(found[2], 0) if found else 0


# What is remembered ---------------------------------------------------------------------------------------------------


def _read(path: Path) -> _Known:
    try:
        known = msgspec.json.decode(caches.read(path), type=_Known)
    except msgspec.DecodeError:
        return _Known()
    return known if known.version == _VERSION else _Known()


def _write(path: Path, known: _Known) -> None:
    with suppress(OSError):  # looked at anew next time
        caches.write(path, msgspec.json.encode(known))
