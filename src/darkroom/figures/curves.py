"""Curves and points over a common x."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from darkroom.core.figure_layouts import Cell, Data, PlotSeries
from darkroom.figures.axes import Axis, Label, axis, checked_numbers, frame, plot, read_off
from darkroom.figures.canvas import DASHES, Canvas, own_style
from darkroom.figures.drawing import Drawing, FigureError
from darkroom.figures.palette import MUTED, PAGE, SERIES, Paint
from darkroom.figures.tables import as_csv, number_text, shown

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes

    Floats = npt.NDArray[np.float64]

BINS = 160
_FEW, _MOST_POINTS = 40, 2000
READINGS = 60
TABLE_ROWS = 20
_MARKERS = ("o", "s", "^", "D", "v")


class Series(NamedTuple):
    """One curve.

    Args:
        label: its name, plain text.
        x: finite numbers, ascending for ``line`` and ``noisy``; as many as *y*.
        y: finite numbers.
        style: ``line`` joins the points, and marks them where they are few; ``points`` only marks them; ``noisy`` is
            for thousands: a moving mean over *window* of them, on a band from the least to the greatest value.
        low, high: ends of an interval about each point, such as a confidence interval, as many as *y*.
        window: points that the moving mean of ``noisy`` takes; by default about a sixtieth of them.
        unit: what one point of ``noisy`` is, in the plural: named beside the window.
    """

    label: str
    x: npt.ArrayLike
    y: npt.ArrayLike
    style: Literal["line", "points", "noisy"] = "line"
    low: npt.ArrayLike | None = None
    high: npt.ArrayLike | None = None
    window: int | None = None
    unit: str = "steps"


class Reference(NamedTuple):
    """A horizontal line at *y*, such as a floor or a target, with its name."""

    label: str
    y: float


class _Curve(NamedTuple):
    """A series, checked: equal numbers of finite x, y and, where there is an interval, its low and high ends."""

    series: Series
    x: Floats
    y: Floats
    interval: tuple[Floats, Floats] | None
    paint: Paint
    marker: str

    @property
    def window(self) -> int:
        return self.series.window or round_window(len(self.x))

    @property
    def heights(self) -> list[Floats]:
        """Everything that the y axis has to hold."""
        return [self.y, *(self.interval or ())]


def line_plot(
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    log_x: bool = False,
    log_y: bool = False,
    x_ticks: Sequence[float] = (),
    y_range: tuple[float, float] | None = None,
    references: Sequence[Reference] = (),
    format: str = ".4g",
    width: int = 640,
    height: int = 360,
) -> Drawing:
    """Curves and points over a common x, named at their ends where the names fit and in a legend otherwise.

    Args:
        series: one to five.
        x_label: what runs along, plain text such as ``noise level σ``.
        y_label: what runs up, plain text.
        log_x: logarithmic x; all x > 0.
        log_y: logarithmic y; all y > 0.
        x_ticks: where to label x, instead of round numbers.
        y_range: the least and the greatest y shown, instead of what holds everything.
        references: horizontal lines.
        format: of the numbers in the table.
        width: CSS pixels.
        height: CSS pixels.

    Raises:
        FigureError: lengths that differ, values that are not finite, or not positive on a logarithmic axis.
    """
    curves = [_checked(item, index, log_x, log_y) for index, item in enumerate(series)]
    if not 1 <= len(curves) <= len(SERIES):
        raise FigureError(f"line_plot: {len(curves)} series; draw 1 to {len(SERIES)} in one plot")
    with own_style():
        canvas = Canvas(width, height)
        x = axis(x_label, np.concatenate([curve.x for curve in curves]), log=log_x, ticks=x_ticks, count=8, margin=0.02)
        y = axis(
            y_label,
            _extent(curves, references),
            log=log_y,
            limits=y_range,
            from_zero=True,
            percent=format.endswith("%"),
        )
        axes = frame(canvas, x, y, [_label(curve) for curve in curves] + [_named(r, x) for r in references])
        for curve in curves:
            _draw(canvas, axes, curve)
        draw_references(canvas, axes, references)
        drawing = canvas.document(f"{y_label} by {x_label}")
        readings = [_readings(axes, height, curve, format) for curve in curves]
    return plot(
        drawing, width, height, _table(curves, x_label, y_label, format), readings, _csv(curves, x_label, y_label)
    )


def _checked(series: Series, index: int, log_x: bool, log_y: bool) -> _Curve:
    where = f"line_plot: series {series.label!r}"
    x, y = checked_numbers(series.x, f"{where}: x"), checked_numbers(series.y, f"{where}: y")
    interval = _interval(series, where)
    curve = _Curve(series, x, y, interval, SERIES[index % len(SERIES)], _MARKERS[index % len(_MARKERS)])
    if not len(x) or any(len(part) != len(x) for part in curve.heights):
        raise FigureError(f"{where}: {len(x)} x, {len(y)} y; pass equally many, at least one, of x, y, low and high")
    if series.style != "noisy" and len(x) > _MOST_POINTS:
        raise FigureError(f"{where}: {len(x):,} points; draw at most {_MOST_POINTS:,}, or use style='noisy'")
    if series.style != "points" and (np.diff(x) < 0).any():
        raise FigureError(f"{where}: x goes back; sort the points by x, or use style='points'")
    if (log_x and x.min() <= 0) or (log_y and min(part.min() for part in curve.heights) <= 0):
        raise FigureError(f"{where}: a value is 0 or less, which a logarithmic axis has no place for")
    if not 1 <= (series.window or 1) <= len(x):
        raise FigureError(f"{where}: window={series.window} for {len(x)} points; it must be between")
    return curve


def _interval(series: Series, where: str) -> tuple[Floats, Floats] | None:
    if series.low is None and series.high is None:
        return None
    if series.low is None or series.high is None:
        raise FigureError(f"{where}: an interval has two ends; pass low and high, or neither")
    return checked_numbers(series.low, f"{where}: low"), checked_numbers(series.high, f"{where}: high")


def round_window(points: int) -> int:
    """About a sixtieth of *points*, as 1, 2 or 5 times a power of ten."""
    least = max(points / 60, 1)
    power = 10 ** math.floor(math.log10(least))
    return int(next(step * power for step in (1, 2, 5, 10) if step * power >= least * 0.75))


def moving_mean(values: Floats, window: int) -> Floats:
    """The mean of every *window* neighbours, shape (n - window + 1,): nothing is made up at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    means: Floats = (sums[window:] - sums[:-window]) / window
    return means


def _extent(curves: Sequence[_Curve], references: Sequence[Reference]) -> Floats:
    parts = [part for curve in curves for part in curve.heights]
    return np.concatenate([*parts, checked_numbers([r.y for r in references], "line_plot: references")])


def _label(curve: _Curve) -> Label:
    style = curve.series.style
    if style == "noisy":
        end = float(moving_mean(curve.y, curve.window)[-1])
        notes = (f"mean of {curve.window:,} {curve.series.unit}", "band: least to greatest")
        return Label((curve.series.label, *notes), float(curve.x[-1]), end, curve.paint)
    last = int(np.argmax(curve.x))
    look: Literal["line", "points"] = "points" if style == "points" else "line"
    return Label((curve.series.label,), float(curve.x[last]), float(curve.y[last]), curve.paint, look, curve.marker)


def draw_references(canvas: Canvas, axes: Axes, references: Sequence[Reference]) -> None:
    """Each reference as a dashed line across."""
    for reference in references:
        axes.axhline(reference.y, color=canvas.colour(MUTED), linewidth=1.5, linestyle=DASHES, zorder=1.5)


def _named(reference: Reference, x: Axis) -> Label:
    return Label((reference.label,), x.high, reference.y, MUTED, "dashes")


def _draw(canvas: Canvas, axes: Axes, curve: _Curve) -> None:
    if curve.series.style == "noisy":
        _draw_noisy(canvas, axes, curve)
        return
    colour, few = canvas.colour(curve.paint), len(curve.x) <= _FEW
    marker = curve.marker if few or curve.series.style == "points" else ""
    width = 2 if curve.series.style == "line" else 0
    if curve.interval:
        _draw_interval(axes, curve.x, curve.interval, colour, few)
    [line] = axes.plot(curve.x, curve.y, color=colour, linewidth=width, marker=marker, markersize=7, zorder=3)
    low, high = axes.get_ylim()
    inside = low <= curve.y.min() and curve.y.max() <= high
    line.set(markeredgecolor=canvas.colour(PAGE), markeredgewidth=1, clip_on=not inside)


def _draw_interval(axes: Axes, x: Floats, interval: tuple[Floats, Floats], colour: str, few: bool) -> None:
    low, high = interval
    if few:
        axes.vlines(x, low, high, color=colour, linewidth=1.5, alpha=0.7, zorder=2)
    else:
        axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0, zorder=1)


def _draw_noisy(canvas: Canvas, axes: Axes, curve: _Curve) -> None:
    colour = canvas.colour(curve.paint)
    centres, (_, low, high) = _runs(curve)
    axes.fill_between(centres, low, high, color=colour, alpha=0.22, linewidth=0, zorder=1)
    smooth, x = moving_mean(curve.y, curve.window), moving_mean(curve.x, curve.window)
    shown = np.unique(np.linspace(0, len(x) - 1, 2 * BINS).round().astype(int))
    axes.plot(x[shown], smooth[shown], color=colour, linewidth=2, zorder=2, solid_joinstyle="round")


def bin_starts(points: int, bins: int) -> npt.NDArray[np.intp]:
    """Where each of at most *bins* nearly equal runs of *points* starts."""
    count = min(points, bins)
    return (np.arange(count) * points) // count


def means(values: Floats, starts: npt.NDArray[np.intp]) -> Floats:
    """The mean of each run of *values*."""
    lengths = np.diff(np.append(starts, len(values)))
    return np.add.reduceat(values, starts) / lengths


def _table(curves: Sequence[_Curve], x_label: str, y_label: str, format: str) -> Data:
    """One row an x where all curves share theirs, else one row a point, named by its curve."""
    first = curves[0].x
    if all(curve.series.style != "noisy" and np.array_equal(curve.x, first) for curve in curves):
        rows: list[list[Cell]] = [
            [shown(first[i]), *(_value(curve, i, format) for curve in curves)] for i in _thinned(len(first))
        ]
        return Data(columns=[x_label, *(curve.series.label for curve in curves)], rows=rows)
    rows = [row for curve in curves for row in _listed(curve, format)]
    return Data(columns=["", x_label, y_label], rows=rows)


def _readings(axes: Axes, height: int, curve: _Curve, format: str) -> PlotSeries:
    """What can be read off a curve, of a noisy one off its mean."""
    x, y = curve.x, curve.y
    if curve.series.style == "noisy":
        x, y = moving_mean(x, curve.window), moving_mean(y, curve.window)
    chosen = sorted({round(i) for i in np.linspace(0, len(x) - 1, min(len(x), READINGS))})
    places = read_off(axes, height, zip(x[chosen], y[chosen], strict=True))
    points: list[list[Cell]] = [[*at, shown(x[i]), shown(y[i], format)] for i, at in zip(chosen, places, strict=True)]
    return PlotSeries(name=curve.series.label, points=points)


def _csv(curves: Sequence[_Curve], x_label: str, y_label: str) -> bytes:
    """Every point of every curve, and the ends of its interval where it has one.

    A noisy curve is given by the runs of points that it is drawn by: their mean, least and greatest value. Every point of
    it would weigh more than the rest of the figure; the results of the experiment hold them.
    """
    ends = ["low", "high"] if any(curve.interval or curve.series.style == "noisy" for curve in curves) else []
    rows = []
    for curve in curves:
        x, heights = _runs(curve) if curve.series.style == "noisy" else (curve.x, curve.heights)
        columns = [x, *heights, *([[""] * len(x)] * (1 + len(ends) - len(heights)))]
        rows += [[curve.series.label, *row] for row in zip(*columns, strict=True)]
    return as_csv(["series", x_label, y_label, *ends], rows)


def _runs(curve: _Curve) -> tuple[Floats, list[Floats]]:
    """A noisy curve by runs of points: their middle, and their mean, least and greatest value."""
    starts = bin_starts(len(curve.x), BINS)
    low, high = np.minimum.reduceat(curve.y, starts), np.maximum.reduceat(curve.y, starts)
    return means(curve.x, starts), [means(curve.y, starts), low, high]


def _listed(curve: _Curve, format: str) -> list[list[Cell]]:
    name = curve.series.label
    if curve.series.style != "noisy":
        return [[name, shown(curve.x[i]), _value(curve, i, format)] for i in _thinned(len(curve.x))]
    starts = bin_starts(len(curve.x), TABLE_ROWS)
    last = np.append(starts[1:], len(curve.x)) - 1
    spans = [f"{shown(curve.x[a])} to {shown(curve.x[b])}" for a, b in zip(starts, last, strict=True)]
    averages = means(curve.y, starts)
    return [[f"{name}, mean", span, shown(mean, format)] for span, mean in zip(spans, averages, strict=True)]


def _value(curve: _Curve, index: int, format: str) -> str:
    if not curve.interval:
        return shown(curve.y[index], format)
    value, low, high = (number_text(part[index], format) for part in curve.heights)
    return f"{value} ({low} to {high})"


def _thinned(points: int) -> list[int]:
    """Which of *points* the table shows: all, or 40 evenly spaced with the first and the last."""
    return sorted({round(i) for i in np.linspace(0, points - 1, min(points, 2 * TABLE_ROWS))})
