"""Grids of small pictures with row and column headings."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from darkroom.core.figure_layouts import Tile, TileRow, Tiles
from darkroom.figures.drawing import Drawing, FigureError
from darkroom.figures.pixels import as_picture, png

if TYPE_CHECKING:
    import numpy.typing as npt

    Images = Sequence[Sequence[npt.ArrayLike | None]] | npt.NDArray[Any]
    Alt = str | Callable[[int, int], str] | Sequence[Sequence[str]]

_SPOKEN = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "varepsilon": "ε", "theta": "θ",
    "lambda": "λ", "mu": "μ", "sigma": "σ", "tau": "τ", "phi": "φ", "infty": "∞", "sqrt": "√", "bar": "", "hat": "",
    "times": "×", "cdot": "·", "approx": "≈", "le": "≤", "ge": "≥", "to": "→", "mathcal": "", "mathrm": "", "text": "",
}  # fmt: skip


def tiles(
    images: Images, *, rows: Sequence[str] = (), columns: Sequence[str] = (), alt: Alt, scale: int = 2
) -> Drawing:
    """A grid of pictures, one file each; identical pictures share a file.

    Args:
        images: rows of pictures, a nested sequence or an array: each (H, W) or (H, W, 3), uint8 or floats in [0, 1], or
            None for an empty cell. A picture may be a sheet of many.
        rows: a heading a row, or nothing; inline ``$math$`` is allowed.
        columns: a heading a column, or nothing.
        alt: what each picture shows: a function of (row, column), both from 0; or nested text in the shape of *images*;
            or one template in which ``{row}`` and ``{column}`` are the headings as plain text and ``{row_number}`` and
            ``{column_number}`` count from 1.
        scale: CSS pixels a pixel, >= 1.

    Raises:
        FigureError: ragged rows, a wrong number of headings, an invalid picture, a missing alternative text.
    """
    grid = [list(row) for row in images]
    width = _checked_width(grid, rows, columns, scale)
    describe = _describer(alt, list(rows) or [""] * len(grid), list(columns) or [""] * width)
    files: dict[str, bytes] = {}
    laid_out = []
    for r, row in enumerate(grid):
        row_cells = [_cell(picture, r, c, describe, files) for c, picture in enumerate(row)]
        laid_out.append(TileRow(heading=rows[r] if rows else "", cells=row_cells))
    layout = Tiles(columns=list(columns) or [""] * width, rows=laid_out, scale=scale)
    return Drawing("tiles", layout, files)


def _checked_width(grid: list[list[Any]], rows: Sequence[str], columns: Sequence[str], scale: int) -> int:
    if not grid or not grid[0]:
        raise FigureError("tiles: no pictures; pass rows of pictures")
    width = len(grid[0])
    for number, row in enumerate(grid, 1):
        if len(row) != width:
            raise FigureError(f"tiles: row {number} has {len(row)} pictures, row 1 has {width}; fill up with None")
    if rows and len(rows) != len(grid):
        raise FigureError(f"tiles: {len(rows)} row headings for {len(grid)} rows")
    if columns and len(columns) != width:
        raise FigureError(f"tiles: {len(columns)} column headings for {width} columns")
    if scale < 1:
        raise FigureError(f"tiles: scale={scale}; it must be a whole number >= 1")
    return width


def _cell(
    picture: npt.ArrayLike | None, row: int, column: int, describe: Callable[[int, int], str], files: dict[str, bytes]
) -> Tile | None:
    if picture is None:
        return None
    where = f"tiles: row {row + 1}, column {column + 1}"
    pixels = as_picture(picture, where)
    text = describe(row, column).strip()
    if not text:
        raise FigureError(f"{where}: no alternative text; say what the picture shows")
    content = png(pixels, where)
    name = next((known for known, bytes_ in files.items() if bytes_ == content), f"r{row + 1}_c{column + 1}.png")
    files[name] = content
    return Tile(file=name, alt=text, width=pixels.shape[1], height=pixels.shape[0])


def _describer(alt: Alt, rows: list[str], columns: list[str]) -> Callable[[int, int], str]:
    if callable(alt):
        return alt
    if isinstance(alt, str):
        return lambda r, c: _filled(alt, plain(rows[r]), plain(columns[c]), r + 1, c + 1)
    return lambda r, c: _nested(alt, r, c)


def _filled(template: str, row: str, column: str, row_number: int, column_number: int) -> str:
    try:
        return template.format(row=row, column=column, row_number=row_number, column_number=column_number)
    except (KeyError, IndexError, ValueError) as error:
        known = "{row}, {column}, {row_number} and {column_number}"
        raise FigureError(f"tiles: alt template {template!r}: {error!r}; it may use {known}") from None


def _nested(alt: Sequence[Sequence[str]], row: int, column: int) -> str:
    try:
        return alt[row][column]
    except IndexError:
        raise FigureError(f"tiles: no alternative text for row {row + 1}, column {column + 1}") from None


def plain(text: str) -> str:
    r"""*text* with its inline math as words: ``$\gamma = 5$`` becomes ``γ = 5``."""
    return re.sub(r"\$([^$]*)\$", lambda match: _spoken(match.group(1)), text)


def _spoken(tex: str) -> str:
    named = re.sub(r"\\([a-zA-Z]+)", lambda match: _SPOKEN.get(match.group(1), match.group(1)), tex)
    spaced = re.sub(r"\\[,;!: ]", " ", named).translate(str.maketrans("", "", "{}"))
    return " ".join(spaced.split())
