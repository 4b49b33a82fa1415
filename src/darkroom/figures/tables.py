"""Tables of text and numbers."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

from darkroom.core.figure_layouts import Cell, Grid
from darkroom.figures.drawing import Drawing, FigureError


def table(
    columns: Sequence[str], rows: Sequence[Sequence[Cell]], *, heading_column: bool = True, formats: Sequence[str] = ()
) -> Drawing:
    """A table.

    Args:
        columns: headings; inline ``$math$`` is allowed, here and in text cells.
        rows: as many cells each as there are columns: text or finite numbers.
        heading_column: whether the first cell of a row is its heading.
        formats: one format specification a column for its numbers, such as ``.4f`` or ``.1%``; ``""`` for the default.

    Raises:
        FigureError: rows of other lengths, numbers that are not finite, a format that does not fit.
    """
    shown_rows = cells(columns, rows, formats, "table")
    files = {CSV: as_csv(columns, rows)}
    layout = Grid(columns=list(columns), rows=shown_rows, heading_column=heading_column, csv=CSV)
    return Drawing("table", layout, files)


CSV = "data.csv"


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Text and numbers, which keep seven digits, as comma-separated values in UTF-8 (RFC 4180, lines end in LF)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([cell if isinstance(cell, str) else f"{cell:.7g}" for cell in row] for row in rows)
    return text.getvalue().encode()


def cells(
    columns: Sequence[str], rows: Sequence[Sequence[Cell]], formats: Sequence[str], where: str
) -> list[list[Cell]]:
    """The layout's ``rows``."""
    if formats and len(formats) != len(columns):
        raise FigureError(f"{where}: {len(formats)} formats for {len(columns)} columns; give one a column, or none")
    specifications = list(formats) or [""] * len(columns)
    for number, row in enumerate(rows, 1):
        if len(row) != len(columns):
            raise FigureError(f"{where}: row {number} has {len(row)} cells, but there are {len(columns)} columns")
    return [[shown(value, spec, where) for value, spec in zip(row, specifications, strict=True)] for row in rows]


def shown(value: Any, specification: str = "", where: str = "table") -> str:
    """A cell as the layout has it: text as it is, a number as a reader wants it.

    Raises:
        FigureError: neither text nor a finite number, or a format that does not fit it.
    """
    if isinstance(value, str):
        return value
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        raise FigureError(f"{where}: a cell is {type(plain).__name__}; cells are text or numbers")
    return number_text(plain, specification, where)


def number_text(value: float, specification: str = "", where: str = "number") -> str:
    """*value* as a reader wants it: a real minus sign, whole numbers in full, others to four digits by default."""
    if not math.isfinite(value):
        raise FigureError(f"{where}: {value} cannot be shown; find out where it comes from")
    try:
        text = format(value, specification) if specification else _default(value)
    except ValueError as error:
        raise FigureError(f"{where}: format {specification!r} does not fit {value!r}: {error}") from None
    return text.replace("-", "\N{MINUS SIGN}", 1) if text.startswith("-") else text


def _default(value: float) -> str:
    return f"{int(value):,d}" if value == int(value) and abs(value) < 1e15 else f"{value:,.4g}"
