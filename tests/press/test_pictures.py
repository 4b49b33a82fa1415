"""Pictures among the static files: those that no browser shows are faults, and sizes are those that are seen."""

from __future__ import annotations

import io
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from darkroom.core.errors import ContentError
from darkroom.press.typeset import pictures
from darkroom.press.typeset.pictures import Picture, judge
from tests.press.projects import Project

NOISE = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)


def encoded(suffix: str, size: tuple[int, int] = (60, 40), **options: object) -> bytes:
    """A picture of noise."""
    buffer = io.BytesIO()
    Image.fromarray(NOISE).resize(size).save(buffer, Image.registered_extensions()[suffix], **options)
    return buffer.getvalue()


def turned(suffix: str, orientation: int) -> bytes:
    """A picture whose EXIF says how it is to be turned."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(suffix, exif=exif)


def huge(width: int, height: int) -> bytes:
    """A PNG of one colour and of that size, of few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    compress = zlib.compressobj(1)
    data = b"".join(compress.compress(bytes(1 + -(-width // 8))) for _ in range(height)) + compress.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def film() -> bytes:
    """A GIF of four frames of noise."""
    frames = [Image.fromarray(np.roll(NOISE, shift, axis=0)) for shift in range(4)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("inner", "script"),
    [
        ('<a href=" java&#10;script:x"/>', "javascript:"),
        ('<a><set attributeName="xlink:href" to="JavaScript:x"/></a>', "javascript:"),
        ('<a><animate attributeName="href" values="#a; javascript:x"/></a>', "javascript:"),
        ('<foreignObject><iframe srcdoc="x"/></foreignObject>', "<iframe>"),
    ],
)
def test_no_script_is_published_in_a_drawing(inner: str, script: str) -> None:
    """Opened directly, by a link to the file, it would run."""
    head = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9">'
    assert judge(f"{head}{inner}</svg>".encode(), "a.svg").fault.startswith(f"{script}: it does not run in a page")
    harmless = '<animate attributeName="fill" values="red;blue"/><a href="#javascript:"/>'
    assert judge(f"{head}{harmless}</svg>".encode(), "a.svg") == Picture(9, 9)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".webp", ".avif"])
def test_what_browsers_show_has_its_size(suffix: str) -> None:
    """Also under another name: browsers look at the content."""
    assert judge(encoded(suffix), f"a{suffix}") == Picture(60, 40) == judge(encoded(suffix), "a.PNG")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".avif"])
@pytest.mark.parametrize("orientation", range(10))
def test_sizes_are_those_that_are_seen(suffix: str, orientation: int) -> None:
    """Browsers turn what EXIF says is lying; this is what Chromium makes of each."""
    assert judge(turned(suffix, orientation), "a") == (Picture(40, 60) if 5 <= orientation <= 8 else Picture(60, 40))


def test_what_a_program_noted_in_a_picture_is_no_fault() -> None:
    """Programs that sample pictures write all that they did into them."""
    note = PngInfo()
    note.add_text("workflow", "x" * 3_000_000, zip=True)
    assert judge(encoded(".png", pnginfo=note), "a.png") == Picture(60, 40)


def chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    """A chunk of a PNG."""
    return (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) if crc is None else crc)
    )


def noted(note: bytes, *, first: bool = True) -> bytes:
    """A PNG with a chunk before its pixels or behind them."""
    whole = encoded(".png")
    at = 33 if first else len(whole) - 12
    return whole[:at] + note + whole[at:]


def segment(marker: int, data: bytes) -> bytes:
    """A JPEG with a segment before all others."""
    whole = encoded(".jpg")
    return whole[:2] + struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data + whole[2:]


def exif(suffix: str, content: bytes) -> bytes:
    """A picture with EXIF as given."""
    return encoded(suffix, exif=b"Exif\0\0" + content)


@pytest.mark.parametrize(
    "content",
    [
        noted(chunk(b"tEXt", b"a\0b", 1)),
        noted(chunk(b"tEXt", b"a\0b", 1), first=False),
        noted(chunk(b"zTXt", b"a\0\5none")),
        noted(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(40 << 20)))),
        noted(chunk(b"iCCP", b"a")),
        noted(chunk(b"gAMA", b"a")),
        noted(chunk(b"pHYs", b"a")),
        noted(chunk(b"tRNS", b"a")),
        noted(chunk(b"prVt", b"a", 1)),
        noted(chunk(b"acTL", b"a")),
        noted(chunk(b"eXIf", b"junk")),
        encoded(".png") + b"more",
        segment(0xEE, b"Adobe"),
        segment(0xE0, b"JFIF\0"),
        segment(0xED, b"Photoshop 3.0\0008BIM\4\4"),
        segment(0xE1, b"Exif\0\0MM"),
        exif(".webp", b"junk"),
        exif(".png", b"junk"),
    ],
)  # fmt: skip
def test_notes_that_are_damaged_hide_no_picture(content: bytes) -> None:
    """Those of programs, of colours and times: Chromium shows each of these, at this size."""
    assert judge(content, "a.png") == Picture(60, 40)


def test_a_picture_with_damaged_notes_is_turned_as_exif_says() -> None:
    """EXIF that is whole counts beside a note that is not."""
    lying = turned(".png", 6)
    assert judge(lying[:33] + chunk(b"tEXt", b"a", 1) + lying[33:], "a.png") == Picture(40, 60)
    lying = turned(".jpg", 6)
    assert judge(lying[:2] + b"\xff\xee\x00\x07Adobe" + lying[2:], "a.jpg") == Picture(40, 60)


def test_where_browsers_do_not_agree_no_size_is_told() -> None:
    """Of a WebP that is lying; the browser finds out by itself."""
    assert judge(turned(".webp", 6), "a.webp") == Picture() and judge(turned(".webp", 3), "a.webp") == Picture(60, 40)


UNSEEN = {
    "empty": (b"", "the file is empty"),
    "HTML": (b"\n<!DOCTYPE html><title>Not found</title>", "it is HTML or XML, not a picture"),
    "text": (b"404: Not Found", "its format is unknown"),
    "a head alone": (encoded(".png")[:8], "its format is unknown"),
    "a PNG without its end": (encoded(".png")[:2000], "the picture is truncated"),
    "a PNG without its middle": (encoded(".png")[:1000] + encoded(".png")[1500:], "the picture is "),
    "a JPEG without its end": (encoded(".jpg")[:-300], "the picture is truncated"),
    "a GIF without its end": (encoded(".gif")[:-300], "the picture is truncated"),
    "a film without its last frame": (film()[: int(len(film()) * 0.9)], "the picture is truncated"),
    "a WebP without its end": (encoded(".webp")[:-300], "the picture is damaged"),
    "a PNG whose header is damaged": (encoded(".png")[:29] + b"none" + encoded(".png")[33:], "its format is unknown"),
    "a PNG that is a film of no frames": (noted(chunk(b"acTL", struct.pack(">II", 3, 0))), "the picture is truncated"),
    "a JPEG without its last mark": (encoded(".jpg")[:-2], "the picture is truncated"),
    "a JPEG of a mark": (b"\xff\xd8\xff", "its format is unknown"),
    "a TIFF": (encoded(".tiff"), "it is TIFF, which browsers do not show; save it as PNG, JPEG, WebP or AVIF"),
    "a JPEG 2000": (encoded(".jp2"), "it is JPEG2000, which browsers do not show"),
    "a HEIC": (b"\0\0\0\x18ftypheic" + bytes(40), "it is HEIC, which browsers do not show; save it as PNG, JPEG"),
    "a PDF": (b"%PDF-1.4\n", "it is PDF, which browsers do not show"),
    "20,000 x 20,000": (
        huge(20_000, 20_000),
        "20,000 x 20,000 pixels; the limits are 20,000 per side and 64,000,000 in all",
    ),
    "one long line": (huge(30_000, 1), "30,000 x 1 pixels; the limits are 20,000 per side"),
}


@pytest.mark.parametrize("name", UNSEEN)
def test_what_no_browser_shows_is_a_fault(name: str) -> None:
    """With the reason."""
    content, reason = UNSEEN[name]
    assert judge(content, "a.png").fault.startswith(reason)


LOADS = "since an SVG in a page loads nothing"


@pytest.mark.parametrize(
    ("inner", "column", "fault"),
    [
        ('<image href="photo.png"/>', 0, f"'photo.png' is not shown, {LOADS}; embed it with data: instead"),
        (
            '<use xlink:href="https://e.com/a.svg#b"/>',
            0,
            f"'https://e.com/a.svg#b' is not shown, {LOADS}; embed it with",
        ),
        (
            "<style>a {} @import url(https://e.com/f);</style>",
            12,
            f"'@import url(https://e.com/f)' is not loaded, {LOADS}",
        ),
        (
            "<style>@font-face { src: url('f.woff2') }</style>",
            25,
            f"\"url('f.woff2')\" is not loaded, {LOADS}; embed it",
        ),
        ('<rect fill="url(b.svg#a)"/>', 0, f"'url(b.svg#a)' is not shown, {LOADS}"),
        ('<rect style="mask: url(https://e.com/a)"/>', 0, f"'url(https://e.com/a)' is not shown, {LOADS}"),
        ('<foreignObject><img src="a.png"/></foreignObject>', 15, f"'a.png' is not shown, {LOADS}"),
        ('<?xml-stylesheet href="a.css"?>', 0, f"<?xml-stylesheet?> is not loaded, {LOADS}; write <style> in it"),
    ],
)
def test_what_a_drawing_would_load_is_a_fault(inner: str, column: int, fault: str) -> None:
    """A browser shows nothing of it where the drawing is a picture of a page."""
    head = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9">'
    judged = judge(f"{head}\n{inner}</svg>".encode(), "a.svg")
    assert judged.fault.startswith(fault) and (judged.line, judged.column) == (2, 1 + column)
    harmless = (
        '<use xlink:href="#a"/><image href="data:,x"/><a href="https://e.com"/><style>a { fill: url(#b) }</style>'
    )
    assert judge(f"{head}{harmless}</svg>".encode(), "a.svg") == Picture(9, 9)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".webp", ".avif", ".svg"])
def test_no_damage_is_a_traceback(suffix: str) -> None:
    """Bytes that are changed, missing or too many give a verdict."""
    rng = np.random.default_rng(1)
    whole = b'<svg xmlns="http://www.w3.org/2000/svg"><g/></svg>' if suffix == ".svg" else encoded(suffix, (20, 20))
    for _ in range(60):
        content = bytearray(whole[: rng.integers(0, len(whole)) if rng.random() < 0.3 else None])
        for _ in range(rng.integers(1, 6)):
            if content:
                content[rng.integers(0, len(content))] = rng.integers(0, 256)
        assert isinstance(judge(bytes(content), f"a{suffix}"), Picture)


@pytest.mark.parametrize("name", ["f.woff2", "f.WOFF", "f.ttf", "f.otf", "v.mp4", "v.webm", "s.mp3", "s.wav"])
@pytest.mark.parametrize(
    ("content", "found"), [(b"", "the file is empty"), (b" <html>", "it is HTML or XML"), (b"abc", "it is not one")]
)
def test_fonts_films_and_sounds_are_what_they_are_called(name: str, content: bytes, found: str, tmp_path: Path) -> None:
    """As far as their first bytes tell."""
    _, faults = pictures.look_at({name: content}, tmp_path, "static")
    assert list(map(str, faults)) == [f"static/{name}:1:1 file: named as a font, film or sound, but {found}"]
    whole = {"f.woff2": b"wOF2", "v.mp4": b"\0\0\0\x18ftypmp42", "v.webm": b"\x1aE\xdf\xa3", "s.mp3": b"\xff\xfb"}
    assert pictures.look_at(whole, tmp_path, "static") == ({}, [])


def mp4(*codings: str, kind: bytes = b"vide") -> bytes:
    """An MP4 with a track for each coding, as far as that says."""

    def box(name: bytes, *inner: bytes) -> bytes:
        return struct.pack(">I", 8 + sum(map(len, inner))) + name + b"".join(inner)

    def track(coding: str) -> bytes:
        handler = box(b"hdlr", bytes(8), kind, bytes(12))
        table = box(b"stsd", bytes(4), struct.pack(">I", 1), box(coding.encode(), bytes(78)))
        return box(b"trak", box(b"tkhd", bytes(4)), box(b"mdia", handler, box(b"minf", box(b"stbl", table))))

    head = box(b"ftyp", b"isom", bytes(4))
    return head + box(b"mdat", b"moov") + box(b"moov", box(b"mvhd", bytes(4)), *map(track, codings))


@pytest.mark.parametrize(
    ("content", "coding"),
    [
        (mp4("avc1"), ""),
        (mp4("hvc1"), ""),
        (mp4("mp4v", "av01"), ""),
        (mp4("mp4v", kind=b"soun"), ""),
        (mp4(), ""),
        (mp4("mp4v"), "MPEG-4 Part 2"),
        (mp4("apcn"), "ProRes"),
        (mp4("rle "), "rle "),
        (mp4("mp4v")[:-70], "MPEG-4 Part 2"),
        (mp4("mp4v")[:60] + bytes(200), ""),
    ],
)
def test_films_are_coded_as_browsers_play(content: bytes, coding: str, tmp_path: Path) -> None:
    """What video writers make by default, such as MPEG-4 Part 2, is an MP4 that stays black."""
    _, faults = pictures.look_at({"v.mp4": content}, tmp_path, "static")
    said = f"static/v.mp4:1:1 file: browsers do not play {coding}; save the film as H.264, VP9 or AV1"
    assert list(map(str, faults)) == [said] * bool(coding)
    assert pictures.look_at({"v.bin": content}, tmp_path, "static") == ({}, [])


def test_any_bytes_of_a_film_give_a_verdict() -> None:
    """Boxes that are cut, of any size, or within themselves."""
    rng = np.random.default_rng(2)
    for _ in range(300):
        content = bytearray(mp4("mp4v", "avc1"))
        for _ in range(rng.integers(1, 9)):
            content[rng.integers(0, len(content))] = rng.integers(0, 256)
        assert isinstance(pictures.of_other("v.mp4", bytes(content[: rng.integers(0, len(content))])), str)


SVG = 'xmlns="http://www.w3.org/2000/svg"'


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ('viewBox="0 0 30 20"', (30, 20)),
        ("viewBox='-5,-5 , 30.4 20'", (30, 20)),
        ('width="300" height="200" viewBox="0 0 30 20"', (300, 200)),
        ('width="3in" height="72pt"', (288, 96)),
        ('width="60" viewBox="0 0 30 20"', (60, 40)),
        ('width="100%" height="100%" viewBox="0 0 30 20"', (30, 20)),
        ('width="1e2px" height=" 5mm "', (100, 19)),
        ('viewBox="0 0 0 0"', (0, 0)),
        ('width="10em" height="x"', (0, 0)),
        ('width="1e308" height="1e999"', (0, 0)),
        ('width="0.1" height="-5" viewBox="0 0 3 4"', (0, 0)),
        ("", (0, 0)),
    ],
)
def test_drawings_have_their_natural_size(attributes: str, size: tuple[int, int]) -> None:
    """Width and height, in pixels, before the view box; none where it depends on the page."""
    drawing = f"<?xml version='1.0'?>\n<!-- <svg viewBox='0 0 9 9'> -->\n<svg {SVG} {attributes}><rect/></svg>".encode()
    assert judge(drawing, "a.svg") == Picture(*size)


@pytest.mark.parametrize(
    ("drawing", "fault"),
    [
        (f"<svg {SVG}>", Picture(fault="not valid XML, so browsers do not show it: no element found", line=1, column=41)),
        (
            f"<svg {SVG}>\n <g></svg>",
            Picture(fault="not valid XML, so browsers do not show it: mismatched tag", line=2, column=7),
        ),
        ("<svg></svg>", Picture(fault='it is <svg>, not <svg> in SVG\'s namespace; write <svg xmlns="http://www.w3.org/2000/svg">')),
        ("<html><svg/></html>", Picture(fault="it is <html>, not <svg> in SVG's namespace")),
    ],
)  # fmt: skip
def test_drawings_that_no_browser_draws_are_faults(drawing: str, fault: Picture) -> None:
    """At line and column."""
    assert judge(drawing.encode(), "a.svg") == fault


def test_what_was_looked_at_is_remembered_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each content is decoded once; a cache that is damaged is made anew."""
    judged: list[str] = []
    monkeypatch.setattr(pictures, "judge", lambda content, name: judged.append(name) or judge(content, name))
    contents = {"a.png": encoded(".png"), "B.JPG": turned(".jpg", 6), "c.css": b"", "d.png": b""}
    for _ in range(2):
        sizes, faults = pictures.look_at(contents, tmp_path, "static")
        assert sizes == {"a.png": (60, 40), "B.JPG": (40, 60)}
        assert list(map(str, faults)) == ["static/d.png:1:1 picture: the file is empty"]
    assert judged == ["a.png", "B.JPG", "d.png"]
    contents["a.png"] = encoded(".png", (50, 40))
    assert pictures.look_at(contents, tmp_path, "static")[0]["a.png"] == (50, 40)
    assert judged == ["a.png", "B.JPG", "d.png", "a.png"]
    (tmp_path / "pictures.json").write_bytes((tmp_path / "pictures.json").read_bytes().replace(b"50", b"51"))
    assert pictures.look_at(contents, tmp_path, "static")[0]["a.png"] == (50, 40)


def test_a_build_tells_every_picture_and_sets_sizes(project: Project) -> None:
    """Suffixes in any case: the limit of bytes, width and height; all faults in one build."""
    static = project.root / "templates/static"
    (static / "Photo.JPG").write_bytes(turned(".jpg", 6))
    project.page("![A photo.](Photo.JPG)")
    project.build()
    assert re.search(r'<img [^>]*width="40" height="60"', project.html())
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3)).astype(np.uint8)
    Image.fromarray(noise).save(static / "big.JPG", quality=100)
    with pytest.raises(
        ContentError, match=r"static/big\.JPG:1:1 size: the picture has 0\.\d\d MB; the limit is 0\.8 MB"
    ):
        project.build()
    (static / "empty.PNG").write_bytes(b"")
    (static / "page.png").write_bytes(b"<html>")
    with pytest.raises(ContentError) as caught:
        project.build()
    assert [line.partition(" ")[0] for line in str(caught.value).splitlines()] == [
        "templates/static/empty.PNG:1:1",
        "templates/static/page.png:1:1",
    ]
