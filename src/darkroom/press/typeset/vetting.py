"""What outputs may be published: valid pictures, drawings without scripts, plain data.

A manifest vouches for the bytes of a file and for nothing else: a picture is decoded to its end. A drawing (SVG) that is
opened by itself runs its scripts with the rights of the site, so one is published only where all that it holds is known to
be harmless.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from pathlib import PurePosixPath

from darkroom.core.paths import read_plain
from darkroom.core.patterns import lazy_pattern
from darkroom.press.typeset.pictures import MOST, WIDEST, judge, of_other

RAW = frozenset({".safetensors", ".json", ".csv", ".tsv", ".txt", ".png", ".jpg", ".jpeg", ".gif", ".webp"})
"""The suffixes of results that are published as they are: data and pictures, nothing that a browser runs."""

_DATA = frozenset({".csv", ".tsv", ".txt", ".json"})
_FILMS = frozenset({".mp4", ".webm", ".wav", ".mp3", ".ogg"})
_OPENINGS = {
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".jpg": (b"\xff\xd8\xff",),
    ".jpeg": (b"\xff\xd8\xff",),
    ".gif": (b"GIF87a", b"GIF89a"),
    ".webp": (b"RIFF",),
    ".avif": (b"\0\0\0",),
}
_KINDS = frozenset({*_OPENINGS, *_DATA, *_FILMS, ".svg"})
LARGEST = 50_000_000  # bytes of a file that are looked through


def fault_of(path: str, content: bytes | None = None) -> str:
    """Why the file at *path*, one of a figure, is not published, or ""; it is read where its *content* is not given.

    It must be there, and no link.
    """
    suffix = PurePosixPath(path).suffix.lower()
    if suffix not in _KINDS:
        return f"of a type that is not published ({suffix or 'no suffix'})"
    try:
        content = read_plain(path, LARGEST) if content is None else content
    except (OSError, ValueError) as error:
        return str(error)
    if suffix == ".svg":
        return _fault_of_drawing(content)
    if suffix in _OPENINGS:
        return _fault_of_picture(content, suffix)
    return of_other(path, content) if suffix in _FILMS else ""


def _fault_of_picture(content: bytes, suffix: str) -> str:
    """Why a picture is not to be published, or "": it is decoded to its end."""
    kind = suffix[1:].upper()
    if not content.startswith(_OPENINGS[suffix]):
        return f"not a {kind} picture"
    if suffix in {".png", ".gif"}:
        if len(content) < 24:
            return f"not a {kind} picture: it is truncated"
        width, height = (
            struct.unpack(">II", content[16:24]) if suffix == ".png" else struct.unpack("<HH", content[6:10])
        )
        if not (0 < width <= WIDEST and 0 < height <= WIDEST and width * height <= MOST):
            return f"a picture of {width} x {height} pixels"
    if suffix == ".png":
        chunks = _chunks(content)
        if not chunks or _is_plainly_whole(chunks):
            return "" if chunks else "not a PNG picture: it is truncated or damaged"
    fault = judge(content, suffix).fault
    return fault and f"not a {kind} picture: {fault}"


_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by the colour type of a PNG


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of a PNG with their types: PNG (third edition), section 5; none where one is damaged or missing."""
    found: list[tuple[bytes, bytes]] = []
    at = 8
    while at + 12 <= len(content) and (not found or found[-1][0] != b"IEND"):
        end = at + 8 + int.from_bytes(content[at : at + 4], "big")
        if content[end : end + 4] != zlib.crc32(content[at + 4 : end]).to_bytes(4, "big"):
            return []
        found.append((content[at + 4 : at + 8], content[at + 8 : end]))
        at = end + 4
    return found if found and found[-1][0] == b"IEND" and at == len(content) else []


def _is_plainly_whole(chunks: list[tuple[bytes, bytes]]) -> bool:
    """Whether a PNG is of the common kind and all of its pixels are there; others are left to Pillow, which takes longer."""
    kinds = [kind for kind, _ in chunks]
    if not _PLAIN_CHUNKS.issuperset(kinds) or kinds.count(b"IHDR") != 1 or len(chunks[0][1]) != 13:
        return False
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", chunks[0][1])
    row = 1 + (width * depth * _CHANNELS.get(colour, 0) + 7) // 8
    if rest != [0, 0, 0] or depth not in {1, 2, 4, 8, 16} or (colour == 3 and b"PLTE" not in kinds):
        return False
    inflater = zlib.decompressobj()
    try:
        data = b"".join(body for kind, body in chunks if kind == b"IDAT")
        pixels = inflater.decompress(data, min(row * height, LARGEST) + 1)
    except zlib.error:
        return False
    return row > 1 and len(pixels) == row * height and inflater.eof and max(pixels[::row]) <= 4  # filters


_PLAIN_CHUNKS = frozenset(
    {
        b"IHDR",
        b"PLTE",
        b"IDAT",
        b"IEND",
        b"tRNS",
        b"pHYs",
        b"gAMA",
        b"cHRM",
        b"sRGB",
        b"tEXt",
        b"sBIT",
        b"bKGD",
        b"tIME",
    }
)


# Drawings -------------------------------------------------------------------------------------------------------------

_SVG, _XLINK, _XML = (
    "http://www.w3.org/2000/svg",
    "http://www.w3.org/1999/xlink",
    "http://www.w3.org/XML/1998/namespace",
)
_ELEMENTS = frozenset(
    (  # noqa: SIM905
        "svg g defs path rect circle ellipse line polyline polygon text tspan textPath use symbol clipPath mask marker "
        "pattern linearGradient radialGradient stop image title desc style metadata filter feGaussianBlur feOffset feBlend "
        "feFlood feComposite feMerge feMergeNode feColorMatrix feMorphology"
    ).split()
)
_METADATA = f"{_SVG} metadata"
_DESCRIPTIONS = (  # of what a drawing program says of its drawing, in metadata
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "http://purl.org/dc/elements/1.1/",
    "http://creativecommons.org/ns#",
    "http://web.resource.org/cc/",
)
_DESCRIBED = frozenset(
    (  # noqa: SIM905
        "RDF Bag Seq Alt li Description Work License Agent permits requires prohibits license legalcode "
        "title creator subject description publisher contributor date type format identifier source language relation "
        "coverage rights"
    ).split()
)
_SPACES = frozenset({"", _XLINK, _XML, *_DESCRIPTIONS})  # of attributes
_OUTWARD = lazy_pattern(r"url\s*\(\s*[\"']?(?!#)|\\|javascript:|expression\s*\(|image-set", re.IGNORECASE)
_PICTURE = lazy_pattern(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*")
_USES = 50_000
_ENCODINGS = frozenset(
    {"utf-8", "utf8", "utf-16", "us-ascii", "ascii", "iso-8859-1", "latin1", "latin-1", "windows-1252"}
)


def _fault_of_drawing(content: bytes) -> str:
    """Why a drawing is not to be published, or ""."""
    check = _Drawing()
    fault = check.run(content)
    return fault and f"a drawing that is not published: {fault}"


class _Drawing:
    """One pass over the elements of a drawing; the first that is not known to be harmless ends it."""

    def __init__(self) -> None:
        self.fault = ""
        self._open: list[tuple[str, str]] = []  # elements, and their ids
        self._within: set[str] = set()  # ids of what holds a use
        self._used: set[str] = set()
        self._uses = 0
        self._style = ""

    def run(self, content: bytes) -> str:
        """What is wrong with it, or ""."""
        from xml.parsers import expat

        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler = lambda *_: self._refuse("entities")
        parser.XmlDeclHandler = lambda _, encoding, __: self._declared(encoding)
        parser.ProcessingInstructionHandler = lambda *_: self._refuse("a processing instruction")
        try:
            parser.Parse(content, True)
        except expat.ExpatError as error:
            return self.fault or f"it is not valid XML ({error})"
        except (ValueError, LookupError):  # a declared encoding that expat leaves to Python
            return "it is not valid XML (its encoding is unknown); save it as UTF-8"
        except _Stop:
            return self.fault
        if self._within & self._used:
            return "<use> elements are nested"
        return self.fault

    def _declared(self, encoding: str | None) -> None:
        if encoding and encoding.lower() not in _ENCODINGS:
            self._refuse(f"the encoding {encoding[:40]!r}, which browsers may read in another way; save it as UTF-8")

    def _refuse(self, what: str) -> None:
        self.fault = self.fault or f"it holds {what}"
        raise _Stop

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        if not self._open and name != f"{_SVG} svg":
            self._refuse(f"<{local}> instead of <svg>")
        described = space in _DESCRIPTIONS and local in _DESCRIBED and any(each == _METADATA for each, _ in self._open)
        if not ((space == _SVG and local in _ELEMENTS) or described) or len(self._open) > 200:
            self._refuse(f"<{local[:40]}>")
        for key, value in attributes.items():
            self._attribute(key, value)
        self._open.append((name, attributes.get("id", "")))
        if local == "use":
            self._uses += 1
            if self._uses > _USES:
                self._refuse(f"more than {_USES} uses")
            self._within |= {identity for _, identity in self._open if identity}
            self._used.add((attributes.get("href") or attributes.get(f"{_XLINK} href") or "").removeprefix("#"))

    def _attribute(self, name: str, value: str) -> None:
        space, _, local = name.rpartition(" ")
        if space not in _SPACES or local[:2].lower() == "on":
            self._refuse(f"the attribute {local[:40]!r}")
        if local == "href" and space in {"", _XLINK}:
            if not value.startswith("#") and not _PICTURE.fullmatch(value):
                self._refuse(f"a link to {value[:40]!r}")
        elif space == "" and _leads_out(value):
            self._refuse(f"{local}={value[:40]!r}")

    def _end(self, _: str) -> None:
        self._open.pop()
        if self._style:
            if "@" in self._style or _leads_out(self._style):
                self._refuse("a style sheet that loads something")
            self._style = ""

    def _text(self, text: str) -> None:
        if self._open and self._open[-1][0] == f"{_SVG} style":
            self._style += text


def _leads_out(value: str) -> bool:
    """Whether a value may load something; most are numbers, which are not searched."""
    suspect = "(" in value or ":" in value or "\\" in value or "-set" in value.lower()
    return suspect and bool(_OUTWARD.search(value))


class _Stop(Exception):
    """Enough has been seen."""


def is_plain(drawing: str) -> bool:
    """Whether a drawing that is fit to be published can be set into a page: every ``<`` in it opens an element.

    Comments, sections of plain text and declarations are read in another way in HTML, quotes are taken for double ones, and
    there are no namespaces: what an element is, its name alone says. The page's policy forbids styles within it; those of
    its first tag, which the page writes anew, do not count.
    """
    body = drawing.partition("?>")[2] if drawing.startswith("<?xml") else drawing
    if not set(_NAME.findall(body)) <= _ELEMENTS - {"metadata", "style"}:
        return False
    if "<!" in body or "<?" in body or _SINGLE.search(body) or _CLOSING.search(body):
        return False
    within = body.partition(">")[2]
    named = {found for tag in _TAG.findall(within) for found in _ATTRIBUTE.findall(tag)}
    return named <= _PLAIN_ATTRIBUTES and not _FOREIGN.search(within)


_TAG = lazy_pattern(r"<[A-Za-z](?:[^<>\"]|\"[^\"]*\")*>")
_ATTRIBUTE = lazy_pattern(r"([^\s=<>\"'/]+)\s*=\s*\"[^\"]*\"")
_PLAIN_ATTRIBUTES = frozenset(  # those that say what is drawn: no classes, roles, or data of the page's own scripts
    (  # noqa: SIM905
        "id x y x1 y1 x2 y2 cx cy r rx ry fx fy fr dx dy d points width height viewBox preserveAspectRatio transform href "
        "xlink:href xml:space xml:lang fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-linecap "
        "stroke-linejoin stroke-miterlimit stroke-dasharray stroke-dashoffset opacity color clip-path clip-rule mask "
        "clipPathUnits maskUnits maskContentUnits marker-start marker-mid marker-end markerWidth markerHeight markerUnits "
        "refX refY orient offset stop-color stop-opacity gradientUnits gradientTransform spreadMethod patternUnits "
        "patternContentUnits patternTransform filter filterUnits primitiveUnits in in2 result type values mode operator "
        "stdDeviation radius flood-color flood-opacity k1 k2 k3 k4 edgeMode color-interpolation-filters font-family "
        "font-size font-weight font-style font-variant letter-spacing word-spacing text-anchor text-decoration "
        "text-rendering dominant-baseline alignment-baseline baseline-shift rotate textLength lengthAdjust startOffset "
        "method spacing pathLength vector-effect shape-rendering image-rendering color-interpolation paint-order "
        "visibility display version xmlns xmlns:xlink"
    ).split()
)


_FOREIGN = lazy_pattern(r"""<[^>]*?\s(?:style|(?!xml:|xlink:href\b)[^\s=:<>"'/]+:[^\s=:<>"'/]+)\s*=""", re.IGNORECASE)
_NAME = lazy_pattern(r"<([^\s/>!?]+)")
_SINGLE = lazy_pattern(r"=\s*'")
_CLOSING = lazy_pattern(r'="[^"]*>[^"]*"')


def is_published(path: str) -> bool:
    """Whether a result file may be published as it is, judged by its name."""
    name = os.path.basename(path)  # noqa: PTH119
    return PurePosixPath(name).suffix.lower() in RAW and not any(part.startswith(".") for part in path.split("/"))
