"""What differs as one HTML file that needs no other: tables, and figures side by side with the difference of pictures.

Outputs may come from someone else. All text is escaped; a picture is verified and vetted, and stands in the page as data of
an ``<img>``, where a drawing runs no scripts and loads nothing; the page's policy forbids everything else.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from html import escape
from itertools import groupby
from pathlib import PurePosixPath

from darkroom.core.manifest import Figure, StoredFile
from darkroom.lab.comparing.differences import ComparedOutputs, Comparison, FigureDifference, FileDifference
from darkroom.lab.comparing.pictures import difference
from darkroom.lab.comparing.rows import DifferenceRow, equal_groups, files_said, plain, rows_of, said_of
from darkroom.lab.comparing.sides import Side

_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".svg": "image/svg+xml",
}
_MOST = 100_000_000  # bytes of pictures in a page
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
table { border-collapse: collapse; font-size: 0.875rem; margin: 0.5rem 0 1.5rem; }
th, td { border-bottom: 1px solid #8886; overflow-wrap: anywhere; padding: 0.25rem 1rem 0.25rem 0; text-align: left;
  vertical-align: top; }
td { font-variant-numeric: tabular-nums; }
h2, h3 { margin: 2rem 0 0.5rem; overflow-wrap: anywhere; }
.pair { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1rem 0; }
figure { flex: 1 1 12rem; margin: 0; max-width: 32rem; }
figcaption { font-size: 0.875rem; overflow-wrap: anywhere; }
img { background: light-dark(#fff, #000); border: 1px solid #8886; box-sizing: border-box; image-rendering: pixelated;
  max-width: 100%; min-width: 8rem; }
.note { font-size: 0.875rem; opacity: 0.8; }
"""

Vet = Callable[[str, bytes], str]
"""Why a file, by its path and content, is not shown, or ""."""


def as_page(found: ComparedOutputs, vet: Vet) -> str:
    """The page.

    Args:
        found: what it shows.
        vet: says why a picture is not to be shown.
    """
    pictures = _Pictures(vet)
    digest = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = f"{plain(found.a, 200)} and {plain(found.b, 200)}"
    body = [f"<h1>{escape(title)}</h1>", *_heads(found)]
    for each in found.comparisons:
        if each.differs or len(found.comparisons) == 1:
            body += _section(each, pictures)
    body += _rest(found)
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>",
            *body,
            "</main>\n</body>\n</html>\n",
        ]
    )


class _Pictures:
    """Files of figures as elements, and how many bytes of them the page has already."""

    def __init__(self, vet: Vet) -> None:
        self._vet, self._bytes = vet, 0

    def read(self, side: Side, file: StoredFile) -> tuple[bytes, str]:
        """The content of a picture, and why it is not shown, or ""."""
        if PurePosixPath(file.path).suffix.lower() not in _TYPES:
            return b"", "not a picture"
        if self._bytes > _MOST:
            return b"", f"not shown: this page has {_MOST // 1_000_000} MB of pictures already"
        try:
            content = side.content(file)
        except ValueError as error:
            return b"", f"not shown: {error}"
        self._bytes += len(content)
        fault = self._vet(file.path, content)
        return content, fault and f"not shown: {fault}"

    @staticmethod
    def image(content: bytes, suffix: str, alt: str) -> str:
        """An element that shows it."""
        data = b64encode(content).decode()
        return f'<img src="data:{_TYPES[suffix]};base64,{data}" alt="{escape(plain(alt))}">'


def _heads(found: ComparedOutputs) -> Iterator[str]:
    said = said_of(found.comparisons[0]) if len(found.comparisons) == 1 else ("", "")
    yield "<p>"
    for side, name, words in zip("AB", (found.a, found.b), said, strict=True):
        yield f"<strong>{side}</strong> {escape(plain(name))}{words and f', {escape(words)}'}<br>"
    yield "</p>"


def _section(found: Comparison, pictures: _Pictures) -> Iterator[str]:
    yield f"<h2>{escape(plain(found.a.manifest.experiment))}</h2>"
    if not found.differs:
        yield "<p>Nothing differs.</p>"
        return
    for group, rows in groupby(rows_of(found), key=lambda row: row.group):
        yield f"<h3>{group}</h3>\n<table>\n<tr><th>name</th><th>A</th><th>B</th><th>difference</th></tr>"
        yield from (_table_row(row) for row in rows)
        yield "</table>"
    if same := equal_groups(found):
        yield f"<p>Equal: {', '.join(same)}.</p>"
    for figure in found.figures:
        yield from _figure(found, figure, pictures)


def _table_row(row: DifferenceRow) -> str:
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in row[2:])
    return f'<tr><th scope="row">{escape(row.name)}</th>{cells}</tr>'


def _figure(found: Comparison, figure: FigureDifference, pictures: _Pictures) -> Iterator[str]:
    yield f"<h3>{escape(plain(figure.name))}</h3>"
    yield from _captions(figure.a, figure.b)
    if files := files_said(figure):
        yield f'<p class="note">{files} differ{"s" if len(figure.files) == 1 else ""}</p>'
    for each in figure.files:
        yield from _pair(found, figure, each, pictures)


def _captions(a: Figure | None, b: Figure | None) -> Iterator[str]:
    """Both where they differ, else the one."""
    texts = [(each.caption, each.alt) for each in (a or b, b or a) if each]
    for name, one, other in zip(("Caption", "Alternative text"), *texts, strict=True):
        if one == other:
            yield f"<p>{name}: {escape(plain(one))}</p>"
        else:
            yield f"<p>{name} of A: {escape(plain(one))}<br>of B: {escape(plain(other))}</p>"


def _pair(found: Comparison, figure: FigureDifference, file: FileDifference, pictures: _Pictures) -> Iterator[str]:
    name = PurePosixPath(file.path).name
    shown: list[bytes] = []
    yield f'<p class="note">{escape(plain(name))}</p>\n<div class="pair">'
    for letter, side, stored, drawn in zip(
        "AB", (found.a, found.b), (file.a, file.b), (figure.a, figure.b), strict=True
    ):
        if stored is None or drawn is None:
            yield f"<figure><figcaption>{letter}: has no such file</figcaption></figure>"
            continue
        content, fault = pictures.read(side, stored)
        if fault:
            yield f"<figure><figcaption>{letter}: {escape(plain(fault))}</figcaption></figure>"
            continue
        shown.append(content)
        image = pictures.image(content, PurePosixPath(name).suffix.lower(), f"{letter}: {drawn.alt}")
        yield f"<figure>{image}<figcaption>{letter}</figcaption></figure>"
    if len(shown) == 2:
        yield from _apart(shown[0], shown[1], pictures)
    yield "</div>"


def _apart(a: bytes, b: bytes, pictures: _Pictures) -> Iterator[str]:
    apart = difference(a, b)
    if apart is None:
        return
    if not apart.largest:
        yield "<figure><figcaption>every pixel is equal</figcaption></figure>"
        return
    said = f"absolute difference, at most {apart.largest} of {apart.top}, in {apart.share:.1%} of the pixels"
    scale = f", shown {apart.top / apart.largest:.3g} times as large" if apart.largest < apart.top else ""
    image = pictures.image(apart.png, ".png", "Difference of A and B.")
    yield f"<figure>{image}<figcaption>{said}{scale}</figcaption></figure>"


def _rest(found: ComparedOutputs) -> Iterator[str]:
    """Of two folders, what is equal, and what only one of them has."""
    count, equal = len(found.comparisons), sum(not each.differs for each in found.comparisons)
    if count != 1 and equal:
        yield f"<p>{equal} of {count} experiments that both have: nothing differs.</p>"
    for side, names in (("A", found.only_a), ("B", found.only_b)):
        if names:
            yield f"<p>Only in {side}: {escape(', '.join(map(plain, names)))}.</p>"
