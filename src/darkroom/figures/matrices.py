"""Matrices of counts or shares, such as a confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from darkroom.figures.canvas import Canvas, own_style
from darkroom.figures.drawing import Drawing, FigureError, Json
from darkroom.figures.frame import plot
from darkroom.figures.ink import FONT_SIZE, INK, MUTED, over, ramp, text_width
from darkroom.figures.tables import number_text, shown

Floats = npt.NDArray[np.float64]
_WIDEST = 640
_HEAD = 48


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

    Zero cells are quiet: a dot on the bare page.

    Args:
        matrix: finite numbers >= 0, shape (rows, columns).
        row_labels: one a row, plain text.
        column_labels: one a column, plain text; they stand above.
        x_label: what the columns are.
        y_label: what the rows are.
        format: of the values, such as ``,.0f`` for counts or ``.1%`` for shares.

    Raises:
        FigureError: another shape, negative or not finite values, labels of another number, or too wide to read.
    """
    values = _checked(matrix, row_labels, column_labels)
    texts = [[number_text(v, format, "heat_map") if v else "·" for v in row] for row in values]
    left = max(text_width(label) for label in [*row_labels, f"{y_label} ↓"]) + 12
    cell = _cell_width(texts, column_labels, _WIDEST - left)
    tall = min(cell, 40.0)
    width, height = round(left + cell * values.shape[1] + 2), round(_HEAD + tall * values.shape[0] + 4)
    with own_style():
        canvas = Canvas(max(width, round(left + text_width(f"{x_label} →")) + 2), height)
        _head(canvas, left, cell, column_labels, x_label, y_label)
        for r, label in enumerate(row_labels):
            middle = height - _HEAD - (r + 0.5) * tall
            canvas.text(left - 10, middle - 4.5, label, INK, ha="right")
            for c, text in enumerate(texts[r]):
                _cell(
                    canvas,
                    left + c * cell,
                    middle,
                    (cell, tall),
                    text,
                    float(values[r, c] / (values.max() or 1)) ** 0.5,
                )
        files = canvas.files(f"{x_label} by {y_label}")
    rows: list[Json] = [[label, *(shown(v, format) for v in values[r])] for r, label in enumerate(row_labels)]
    return plot(files, canvas.width, height, {"columns": [f"{y_label} ↓ {x_label} →", *column_labels], "rows": rows})


def _checked(matrix: npt.ArrayLike, row_labels: Sequence[str], column_labels: Sequence[str]) -> Floats:
    values = np.asarray(matrix, np.float64)
    if values.ndim != 2 or 0 in values.shape or values.shape != (len(row_labels), len(column_labels)):
        labels = f"{len(row_labels)} row and {len(column_labels)} column labels"
        raise FigureError(f"heat_map: shape {values.shape} with {labels}; pass (rows, columns) and a label for each")
    if not np.isfinite(values).all() or values.min() < 0:
        raise FigureError("heat_map: a value is NaN, infinite or negative; counts and shares are 0 or more")
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


def _head(canvas: Canvas, left: float, cell: float, column_labels: Sequence[str], x_label: str, y_label: str) -> None:
    canvas.text(left, canvas.height - 14, f"{x_label} →", MUTED)
    canvas.text(left - 10, canvas.height - _HEAD + 8, f"{y_label} ↓", MUTED, ha="right")
    for c, label in enumerate(column_labels):
        canvas.text(left + (c + 0.5) * cell, canvas.height - _HEAD + 8, label, INK, ha="center")


def _cell(canvas: Canvas, left: float, middle: float, size: tuple[float, float], text: str, share: float) -> None:
    paint = over(ramp(share)) if share else MUTED
    if share:
        canvas.box(left + 1, middle - size[1] / 2 + 1, size[0] - 2, size[1] - 2, ramp(share))
    canvas.text(left + size[0] / 2, middle - 4.5, text, paint, FONT_SIZE, ha="center")
