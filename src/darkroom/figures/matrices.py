"""Matrices of counts or shares, such as a confusion matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from darkroom.core.figure_layouts import Cell, Data
from darkroom.figures.axes import plot
from darkroom.figures.canvas import Canvas, own_style
from darkroom.figures.drawing import Drawing, FigureError
from darkroom.figures.palette import MUTED, TEXT, over, ramp, text_width
from darkroom.figures.tables import as_csv, number_text, shown

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

_WIDEST = 640
_HEAD = 48
_CELL_HEIGHT = 40.0


def heat_map(
    matrix: npt.ArrayLike,
    *,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    x_label: str,
    y_label: str,
    format: str = ",.0f",
) -> Drawing:
    """A matrix with every value written in its cell; the colour goes with the square root, so that small ones show.

    Zero cells are quiet: a dot on the bare page. Positive values are blue and negative ones warm, on one scale: colours of
    the same strength are of the same absolute value.

    Args:
        matrix: finite numbers, shape (rows, columns).
        row_labels: one a row, plain text.
        column_labels: one a column, plain text; they stand above.
        x_label: what the columns are.
        y_label: what the rows are.
        format: of the values, such as ``,.0f`` for counts or ``.1%`` for shares; ``+.2f`` shows the sign of differences.

    Raises:
        FigureError: another shape, values that are not finite, labels of another number, or too wide to read.
    """
    values = _checked(matrix, row_labels, column_labels)
    texts = [[number_text(v, format, "heat_map") if v else "·" for v in row] for row in values]
    greatest = float(abs(values).max() or 1)
    left = max(text_width(label) for label in [*row_labels, f"{y_label} ↓"]) + 12
    cell = _cell_width(texts, column_labels, _WIDEST - left)
    width = max(left + cell * values.shape[1], left + text_width(f"{x_label} →")) + 2
    with own_style():
        canvas = Canvas(round(width), round(_HEAD + _CELL_HEIGHT * values.shape[0] + 4))
        _draw_head(canvas, (left, cell), column_labels, x_label, y_label)
        for r, label in enumerate(row_labels):
            middle = canvas.height - _HEAD - (r + 0.5) * _CELL_HEIGHT
            canvas.text(left - 10, middle - 4.5, label, TEXT, ha="right")
            for c, text in enumerate(texts[r]):
                share = math.copysign((abs(values[r, c]) / greatest) ** 0.5, values[r, c])
                _draw_cell(canvas, left + (c + 0.5) * cell, middle, cell, (text, share))
        drawing = canvas.document(f"{x_label} by {y_label}")
    rows: list[list[Cell]] = [[label, *(shown(v, format) for v in values[r])] for r, label in enumerate(row_labels)]
    columns = [f"{y_label} ↓ {x_label} →", *column_labels]
    csv = as_csv(columns, [[label, *values[r]] for r, label in enumerate(row_labels)])
    return plot(drawing, canvas.width, canvas.height, Data(columns=columns, rows=rows), csv=csv)


def _checked(matrix: npt.ArrayLike, row_labels: Sequence[str], column_labels: Sequence[str]) -> Floats:
    values = np.asarray(matrix, np.float64)
    if values.ndim != 2 or 0 in values.shape or values.shape != (len(row_labels), len(column_labels)):
        labels = f"{len(row_labels)} row and {len(column_labels)} column labels"
        raise FigureError(f"heat_map: shape {values.shape} with {labels}; pass (rows, columns) and a label for each")
    if not np.isfinite(values).all():
        raise FigureError("heat_map: a value is NaN or infinite; leave it out, or write 0 for it")
    return values


def _cell_width(texts: Sequence[Sequence[str]], column_labels: Sequence[str], room: float) -> float:
    needed = max(text_width(text) for text in [*column_labels, *(t for row in texts for t in row)]) + 8
    widest = room / len(column_labels)
    if needed > widest:
        advice = "shorten the format or the labels, or draw fewer columns"
        raise FigureError(
            f"heat_map: cells of {needed:.0f} px do not fit {len(column_labels)} times in {room:.0f} px; {advice}"
        )
    return min(widest, max(needed, 44.0))


def _draw_head(
    canvas: Canvas, grid: tuple[float, float], column_labels: Sequence[str], x_label: str, y_label: str
) -> None:
    (left, cell), line = grid, canvas.height - _HEAD + 8
    canvas.text(left, canvas.height - 14, f"{x_label} →", MUTED)
    canvas.text(left - 10, line, f"{y_label} ↓", MUTED, ha="right")
    for c, label in enumerate(column_labels):
        canvas.text(left + (c + 0.5) * cell, line, label, TEXT, ha="center")


def _draw_cell(canvas: Canvas, centre: float, middle: float, width: float, content: tuple[str, float]) -> None:
    """One cell, with its text and its share of the greatest colour, -1 to 1; a share of 0 leaves the page bare."""
    text, share = content
    if share:
        canvas.box(centre - width / 2 + 1, middle - _CELL_HEIGHT / 2 + 1, width - 2, _CELL_HEIGHT - 2, ramp(share))
    canvas.text(centre, middle - 4.5, text, over(ramp(share)) if share else MUTED, ha="center")
