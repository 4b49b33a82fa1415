"""A plot that a project draws with matplotlib itself, in the colours and the lettering of all others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from darkroom.core.figure_layouts import Cell, Data, Plot
from darkroom.figures.axes import PLOT, tick_texts
from darkroom.figures.canvas import Canvas, own_style
from darkroom.figures.drawing import Drawing, FigureError
from darkroom.figures.palette import AXIS, GRID, MUTED, SERIES, TEXT, Paint
from darkroom.figures.tables import CSV, as_csv, cells

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROWS = 20


def matplotlib_plot(
    draw: Callable[[Figure, Callable[[Paint], str]], object],
    *,
    title: str,
    columns: Sequence[str] = (),
    rows: Sequence[Sequence[Cell]] = (),
    width: int = 640,
    height: int = 360,
) -> Drawing:
    """A plot that *draw* draws with matplotlib: one SVG in the colours of light and of dark pages.

    Axes, texts and the first five colours of a cycle are those of the other plots, and need nothing. Labels are one line
    of plain text. Any other colour that is given by name or number is the same on both pages.

    Args:
        draw: called with an empty figure of matplotlib, and with a function that gives the colour to use for a
            :class:`Paint`, which is one colour on light and another on dark pages.
        title: what the drawing is called by screen readers.
        columns: headings of the values that are shown, as a table below the plot and as CSV; without them there is none.
        rows: the values, as many a row as there are columns: text or finite numbers. The table has the first 20.
        width: CSS pixels.
        height: CSS pixels.

    Raises:
        FigureError: labels with TeX or a line break, or rows of other lengths than *columns*.
    """
    table = Data(columns=list(columns), rows=cells(columns, rows[:_ROWS], (), "matplotlib_plot")) if columns else None
    csv = {CSV: as_csv(columns, rows)} if columns else {}
    with own_style():
        canvas = Canvas(width, height)
        _set_colours(canvas)
        canvas.figure.set_layout_engine("constrained")
        draw(canvas.figure, canvas.colour)
        _set_powers(canvas.figure)
        canvas.figure.draw_without_rendering()
        _check_labels(canvas.figure)
        drawing = canvas.document(title)
    layout = Plot(file=PLOT, width=width, height=height, table=table, csv=CSV if columns else "")
    return Drawing("plot", layout, {PLOT: drawing, **csv})


def _set_colours(canvas: Canvas) -> None:
    """Make the page's colours matplotlib's defaults: it has none that depend on the page."""
    import matplotlib as mpl
    from cycler import cycler

    text, soft, line, grid = (canvas.colour(paint) for paint in (TEXT, MUTED, AXIS, GRID))
    mpl.rcParams.update({
        "text.color": text, "axes.labelcolor": text, "axes.titlecolor": text, "xtick.labelcolor": soft,
        "ytick.labelcolor": soft, "axes.edgecolor": line, "xtick.color": line, "ytick.color": line, "grid.color": grid,
        "axes.facecolor": "none", "legend.facecolor": "none", "legend.edgecolor": "none", "legend.framealpha": 1,
        "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, "lines.linewidth": 2,
        "axes.titlesize": "medium", "axes.labelsize": "medium", "patch.edgecolor": text, "hatch.color": line,
        "axes.prop_cycle": cycler(color=[canvas.colour(paint) for paint in SERIES]),
    })  # fmt: skip


def _set_powers(figure: Figure) -> None:
    """Labels of logarithmic axes as text: matplotlib writes them in TeX, which stays text in an SVG."""
    from matplotlib.ticker import LogFormatter

    class Plain(LogFormatter):
        """Labels the ticks that matplotlib would."""

        def __call__(self, x: float, pos: int | None = None) -> str:
            return tick_texts([x], log=True)[0] if super().__call__(x, pos) else ""

    for axes in figure.get_axes():
        known: Any = axes
        for axis in (known.xaxis, known.yaxis):
            if isinstance(axis.get_major_formatter(), LogFormatter):
                axis.set_major_formatter(Plain())
            if isinstance(axis.get_minor_formatter(), LogFormatter):
                axis.set_minor_formatter(Plain(labelOnlyBase=False, minor_thresholds=(1, 0.4)))


def _check_labels(figure: Figure) -> None:
    from matplotlib.text import Text

    for each in figure.findobj(Text):
        assert isinstance(each, Text)
        if each.get_visible() and ("$" in (text := each.get_text()) or "\n" in text):
            raise FigureError(
                f"label {text!r}: labels in drawings are one line of plain text; write σ instead of $\\sigma$"
            )
