"""Texts in files of every format: the file stays what it was, and what was put in is found again."""

from __future__ import annotations

import io
import time
import zlib
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin, features

from darkroom.core import containers
from darkroom.press.typeset.vetting import fault_of
from tests.press.samples import gif, png, svg

TEXT = '{"darkroom":1,"experiment":"part_b/a","page":"https://example.org/' + "x" * 300 + '"}'


def _frames(count: int, mode: str = "RGB") -> list[Image.Image]:
    return [Image.effect_noise((40, 30), 10 + 20 * number).convert(mode) for number in range(count)]


def _saved(kind: str, frames: list[Image.Image], **options: object) -> bytes:
    buffer = io.BytesIO()
    more = {"append_images": frames[1:], "save_all": True} if len(frames) > 1 else {}
    frames[0].save(buffer, kind, **more, **options)
    return buffer.getvalue()


def _box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


FILM = _box(b"ftyp", b"isom\0\0\2\0isomiso2") + _box(b"moov", _box(b"trak", bytes(20))) + _box(b"mdat", bytes(99))
PICTURES = {
    "png": png(),
    "png-palette": _saved("PNG", _frames(1, "P"), transparency=0),
    "png-film": _saved("PNG", _frames(3), duration=[100, 200, 300], loop=2),
    "png-noted": _saved("PNG", _frames(1), pnginfo=None, dpi=(72, 72)),
    "gif": gif(),
    "gif-still": _saved("GIF", _frames(1, "P")),
    "gif-film": _saved("GIF", _frames(4, "P"), duration=[100, 250, 40, 80], loop=0, comment=b"ours"),
    "gif-once": _saved("GIF", _frames(2, "P"), duration=100),
    "jpeg": _saved("JPEG", _frames(1)),
    "jpeg-progressive": _saved("JPEG", _frames(1), progressive=True, exif=Image.Exif()),
    "webp": _saved("WEBP", _frames(1)),
    "webp-lossless": _saved("WEBP", _frames(1, "RGBA"), lossless=True),
    "webp-alpha": _saved("WEBP", _frames(1, "RGBA")),
    "webp-film": _saved("WEBP", _frames(3), duration=[100, 200, 300], loop=3),
    "webp-exif": _saved("WEBP", _frames(1), exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"),
}
if features.check("avif"):
    PICTURES["avif"] = _saved("AVIF", _frames(1))
DRAWINGS = {
    "svg": svg("red"),
    "svg-declared": b'<?xml version="1.0" encoding="utf-8"?>\n<!-- <svg> -->\n' + svg("#123"),
    "svg-quoted": b"""<svg xmlns='http://www.w3.org/2000/svg' aria-label=">"><path d="M0 0"/></svg>""",
    "svg-noted": b'<svg xmlns="http://www.w3.org/2000/svg"><metadata>of another program</metadata></svg>',
}
FILES = {**PICTURES, **DRAWINGS, "mp4": FILM}


def _seen(content: bytes) -> list[tuple[object, ...]]:
    """Every frame as it is seen, with how long, and how often the film is shown."""
    with Image.open(io.BytesIO(content)) as picture:
        found = []
        for number in range(getattr(picture, "n_frames", 1)):
            picture.seek(number)
            picture.load()
            shown = [picture.info.get(name) for name in ("duration", "loop", "transparency", "dpi", "background")]
            found.append((picture.format, picture.size, picture.convert("RGBA").tobytes(), *shown))
        return found


@pytest.mark.parametrize("name", FILES)
def test_what_is_put_into_a_file_is_taken_out_again(name: str) -> None:
    """The text comes out as it went in, and the rest is the file as it was, byte for byte."""
    stamped = containers.put(FILES[name], TEXT)

    assert stamped != FILES[name]
    assert containers.take(stamped) == (TEXT, FILES[name])
    assert containers.take(FILES[name]) is None


@pytest.mark.parametrize("name", PICTURES)
def test_pixels_films_and_validity_stay(name: str) -> None:
    """Pillow finds the file valid; every frame, its duration and the number of rounds are those of before."""
    stamped = containers.put(PICTURES[name], TEXT)

    with Image.open(io.BytesIO(stamped)) as picture:
        picture.verify()
    assert _seen(stamped) == _seen(PICTURES[name])
    assert fault_of(f"a.{name.partition('-')[0]}", stamped) == ""


def test_other_programs_read_it() -> None:
    """It is where readers of each format look: Pillow gives it as text, comment or XMP."""
    found = {}
    for name in ("png", "gif", "jpeg", "webp"):
        with Image.open(io.BytesIO(containers.put(PICTURES[name], TEXT))) as picture:
            found[name] = picture.info
    assert found["png"]["Darkroom"] == TEXT
    assert found["gif"]["comment"].decode() == TEXT
    assert found["jpeg"]["comment"].decode() == TEXT
    assert TEXT in found["webp"]["xmp"].decode()


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawings_stay_harmless(name: str) -> None:
    """A drawing with a text in it is published as one without."""
    assert fault_of("a.svg", containers.put(DRAWINGS[name], TEXT)) == ""


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,2\n",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\x04\0\0\0WEBP",
        PICTURES["webp"] + b"more",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "<svg xmlns='http://www.w3.org/2000/svg'></svg>".encode("utf-16"),
        b'<x:svg xmlns:x="http://www.w3.org/2000/svg"></x:svg>',
        FILM + _box(b"mfra", bytes(8)),
        FILM + bytes(4) + b"mdat" + bytes(20),
        containers.put(PICTURES["webp"], TEXT),
    ],
)
def test_what_has_no_place_stays_as_it_is(content: bytes) -> None:
    """A file that is damaged, open at its end or of another kind is not changed, and nothing is raised."""
    assert containers.put(content, TEXT) == content


def test_a_long_text_is_left_out() -> None:
    """A page's address may have thousands of characters."""
    assert containers.put(png(), f'{{"darkroom":1,"page":"{"x" * containers.LONGEST}"}}') == png()


def test_a_second_text_does_not_hide_the_first() -> None:
    """A picture from another site that is published again says where it is published, and is still what was imported."""
    inner = containers.put(png(), TEXT)
    outer = containers.put(inner, '{"darkroom":1}')

    assert containers.take(outer) == ('{"darkroom":1}', inner)


def test_what_another_program_saved_anew_is_found_where_it_kept_the_text() -> None:
    """Text chunks may be packed or in Unicode, comments at another place, XMP and metadata written in another way."""
    noted = PngImagePlugin.PngInfo()
    noted.add_itxt("Darkroom", TEXT, "en", "", zip=True)
    packed = _saved("PNG", _frames(1), pnginfo=noted)
    plain = PngImagePlugin.PngInfo()
    plain.add_text("Darkroom", TEXT, zip=True)
    escaped = TEXT.replace('"', "&quot;")
    anew = [
        packed,
        _saved("PNG", _frames(1), pnginfo=plain),
        _saved("GIF", _frames(2, "P"), comment=TEXT.encode()),
        _saved("JPEG", _frames(1), comment=TEXT.encode()),
        _saved("WEBP", _frames(1), xmp=f'<x:xmpmeta><a source="{escaped}"/></x:xmpmeta>'.encode()),
        f'<svg xmlns="http://www.w3.org/2000/svg"><g/><metadata id="a">\n{escaped}</metadata></svg>'.encode(),
    ]
    assert [found and found.text for found in map(containers.take, anew)] == [TEXT] * len(anew)


def _chunk(kind: bytes, data: bytes, size: int | None = None) -> bytes:
    length = (len(data) if size is None else size).to_bytes(4, "big")
    return length + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


HEAD = png()[:33]
HOSTILE = {
    "a chunk that lies": HEAD + _chunk(b"tEXt", b"Darkroom\0" + TEXT.encode(), 2**31),
    "a chunk of nothing": HEAD + _chunk(b"tEXt", b"", 0xFFFFFFFF),
    "no chunk": HEAD,
    "a block that lies": b"GIF89a" + bytes(7) + b"\x21\xfe\xff" + b"a",
    "no block": b"GIF89a" + bytes(7),
    "a palette beyond the end": b"GIF89a" + b"\0" * 4 + b"\xff" + bytes(4),
    "something else": b"GIF89a" + bytes(7) + b"\x99" * 20,
    "a segment that lies": b"\xff\xd8\xff\xfe\xff\xff" + TEXT.encode(),
    "a RIFF that lies": b"RIFF\xff\xff\xff\xffWEBPXMP \xff\xff\xff\xff" + TEXT.encode(),
    "a box that lies": b"\0\0\0\x10ftypisom\0\0\0\0" + b"\x7f\xff\xff\xffuuid",
    "a long box that lies": b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\1uuid" + b"\xff" * 8,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_lengths_that_lie_are_damage(name: str) -> None:
    """A length that leads out of the file is reported, and nothing is read beyond the end."""
    with pytest.raises(ValueError, match=r"longer than the file|cut off|GIF does not have"):
        containers.take(HOSTILE[name])


BOMB = zlib.compress(b'{"darkroom":' + bytes(200_000_000), 1)
LONG = {
    "a packed chunk": HEAD + _chunk(b"zTXt", b"Darkroom\0\0" + BOMB),
    "a packed chunk in Unicode": HEAD + _chunk(b"iTXt", b"Darkroom\0\1\0\0\0" + BOMB),
    "openings": HEAD + _chunk(b"tEXt", b"Darkroom\0" + b'{"darkroom":' * 500_000),
    "chunks of openings": HEAD + _chunk(b"tEXt", b"Darkroom\0" + b'{"darkroom":' * 600) * 500,
    "comments": b"GIF89a" + bytes(7) + b"\x21\xfe\1a\0" * 500_000,
    "blocks": b"GIF89a" + bytes(7) + b"\x21\xfe" + b"\1a" * 2_000_000,
    "metadata": b"<svg>" + b"<metadata " * 300_000,
    "openings in metadata": b"<svg>" + (b"<metadata>" + b'{"darkroom":' * 1_500 + b"</metadata>") * 200,
    "quotes": b"<svg " + b"a='" * 500_000,
    "comments before": b"<!--" * 500_000 + b"<svg>",
    "boxes": b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x08free" * 500_000,
}


@pytest.mark.parametrize("name", LONG)
def test_nothing_takes_long(name: str) -> None:
    """Packed texts are not unpacked beyond what a text can have, and repetitions end soon."""
    start = time.process_time()
    try:
        found = containers.take(LONG[name])
    except ValueError:
        found = None
    assert found is None
    assert time.process_time() - start < 3


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_off_anywhere_is_read_or_damaged(name: str) -> None:
    """No end of a file is a surprise."""
    stamped = containers.put(FILES[name], TEXT)
    for before, end in pairwise(range(0, len(stamped), max(1, len(stamped) // 400))):
        for content in (stamped[:end], stamped[:before] + stamped[end:]):
            try:
                found = containers.take(content)
            except ValueError:
                continue
            assert found is None or found.text.startswith(containers.OPENING)
            containers.put(content, TEXT)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 255)), max_size=8))
def test_damage_raises_nothing_else(name: str, changes: list[tuple[int, int]]) -> None:
    """Whatever bytes are changed, a text is found, none is, or the file is damaged."""
    content = bytearray(containers.put(FILES[name], TEXT))
    for at, value in changes:
        content[at % len(content)] = value
    containers.put(bytes(content), TEXT)
    with suppress(ValueError):
        containers.take(bytes(content))
