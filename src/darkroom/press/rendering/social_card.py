"""The picture that is shown where a link to the site is shared, composed of the pictures of a figure."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from darkroom.core import containers
from darkroom.core.digests import sha256
from darkroom.core.figure_layouts import Animation, Compare, Slides, Tiles
from darkroom.core.manifest import Figure
from darkroom.press.content.catalogue import Catalogue
from darkroom.press.inputs import Inputs
from darkroom.press.typeset.vetting import LARGEST, fault_of

if TYPE_CHECKING:
    from PIL.Image import Image

SIZE = (1200, 630)  # what Open Graph and its readers expect
PAPER, MARGIN, GAP = "#15171a", 48, 4


class Card(msgspec.Struct, frozen=True):
    """A card to compose, and its address: ``target`` changes with the pictures, ``alt`` says what is seen.

    ``stamp`` is what its metadata say.
    """

    rows: tuple[tuple[Path, ...], ...]
    target: str
    alt: str
    stamp: str = ""


def card_of(name: str, catalogue: Catalogue, inputs: Inputs, stamp: str) -> Card | None:
    """The card made of the figure called *name*, with *stamp* in it, or None where it is not drawn or has no pictures.

    Raises:
        ValueError: a picture is damaged; the message names it.
    """
    found = catalogue.figure(name)
    figure = found[0].drawn(found[1]) if found else None
    if found is None or figure is None:
        return None
    folder, root = found[0].folder, found[0].outputs
    stored = {file.path: file for file in figure.files}
    rows = [[f"figures/{found[1]}/{file}" for file in row] for row in pictures(figure)]
    all_paths = [path for row in rows for path in row]
    if not all_paths or not all(path in stored and stored[path].bytes <= LARGEST for path in all_paths):
        return None
    digests = [inputs.digest_within(root, f"{found[0].id}/{path}", stored[path].bytes) for path in all_paths]
    for path, digest in zip(all_paths, digests, strict=True):
        if digest != stored[path].sha256:
            wrong = "altered" if digest else "missing"
        else:
            wrong = inputs.fault_of(folder / path, fault_of)
        if wrong:
            raise ValueError(f"{path} is {wrong}")
    rules = [inputs.digest(__file__), inputs.digest(containers.__file__)]
    key = sha256("\n".join([*rules, stamp, repr(rows), *digests]).encode())
    paths = tuple(tuple(folder / path for path in row) for row in rows)
    return Card(paths, f"assets/card.{key[:10]}.png", figure.alt, stamp)


def pictures(figure: Figure) -> list[list[str]]:
    """The names of a figure's pictures, row by row, of a film the end of its last panel; none where its kind has none."""
    match figure.layout:
        case Tiles() as layout:
            return [[cell.file for cell in row.cells if cell] for row in layout.rows]
        case Animation() as layout:
            return [[layout.panels[-1].still]]
        case Slides() as layout:
            return [[layout.slides[-1].file]]
        case Compare() as layout:
            return [[side.file for side in layout.sides]]
        case _:
            return []


def compose(rows: Sequence[Sequence[Path]], stamp: str = "") -> bytes:
    """A PNG of 1200 x 630 pixels with the pictures in their rows, as large as fits, every pixel a square of pixels.

    Its metadata hold *stamp*.

    Raises:
        ValueError: one of them cannot be read as a picture; the message names it.
    """
    from PIL import Image

    opened = [[_opened(path) for path in row] for row in rows if row]
    wide = max(sum(image.width for image in row) for row in opened)
    high = sum(max(image.height for image in row) for row in opened)
    gaps = (GAP * (max(map(len, opened)) - 1), GAP * (len(opened) - 1))
    room = (SIZE[0] - 2 * MARGIN - gaps[0], SIZE[1] - 2 * MARGIN - gaps[1])
    scale = min(room[0] / wide, room[1] / high)
    scale = int(scale) if scale >= 1 else scale
    canvas = Image.new("RGB", SIZE, PAPER)
    top = (SIZE[1] - round(high * scale) - gaps[1]) // 2
    for row in opened:
        top += _paste_row(canvas, row, top, scale) + GAP
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG", optimize=True)
    return containers.put(buffer.getvalue(), stamp)


def _opened(path: Path) -> Image:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return picture.convert("RGB")
    except Exception as error:  # any error of an image decoder
        raise ValueError(f"{path.name} cannot be read as a picture ({error})") from None


def _paste_row(canvas: Image, row: Sequence[Image], top: int, scale: float) -> int:
    """One row, centred; gives its height."""
    from PIL import Image

    sizes = [(max(1, round(image.width * scale)), max(1, round(image.height * scale))) for image in row]
    left = (SIZE[0] - sum(width for width, _ in sizes) - GAP * (len(row) - 1)) // 2
    resampling = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS
    for image, size in zip(row, sizes, strict=True):
        canvas.paste(image.resize(size, resampling), (left, top))
        left += size[0] + GAP
    return max(height for _, height in sizes)
