"""Axes, ticks, a light grid, and names for what is drawn in them: beside its end where that fits, else in a legend."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from darkroom.core.figure_layouts import Data, Plot, PlotSeries
from darkroom.figures.canvas import Canvas
from darkroom.figures.drawing import Drawing, FigureError
from darkroom.figures.palette import AXIS, FONT_SIZE, GRID, MUTED, NOTE_SIZE, Paint, text_width
from darkroom.figures.tables import CSV, number_text

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes

LINE_HEIGHT = 16
PLOT = "plot.svg"
_LEGEND_ROW = 20
_HEAD, _GAP = 30, 8
_HALF_X = 4.5  # from the baseline to the middle of lower-case letters
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


Look = Literal["line", "points", "area", "block", "dashes"]


class Axis(NamedTuple):
    """One axis: what it shows, from where to where, and which values are labelled with which texts."""

    label: str
    low: float
    high: float
    log: bool
    ticks: tuple[float, ...]
    texts: tuple[str, ...]

    def share(self, value: float) -> float:
        """How far along the axis *value* lies: 0 at its low end, 1 at its high end."""
        low, high, at = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return (at - low) / (high - low)


class Label(NamedTuple):
    """The name of something drawn: its lines of text (notes from the second on), where it ends, and how it looks."""

    lines: tuple[str, ...]
    x: float
    y: float
    paint: Paint
    look: Look = "line"
    marker: str = "o"

    @property
    def width(self) -> float:
        return max(text_width(line, NOTE_SIZE if i else FONT_SIZE) for i, line in enumerate(self.lines))

    @property
    def height(self) -> float:
        return LINE_HEIGHT * len(self.lines)


def axis(
    label: str,
    values: npt.ArrayLike,
    *,
    log: bool = False,
    ticks: Sequence[float] = (),
    limits: tuple[float, float] | None = None,
    count: int = 6,
    margin: float = 0.03,
    from_zero: bool = False,
    percent: bool = False,
) -> Axis:
    """The axis that holds all *values* with a little room, or runs between *limits*.

    *count* is about how many labels there should be; *from_zero* starts at 0 where that costs less than a third;
    *percent* labels 0.5 as 50%.

    Raises:
        FigureError: limits in the wrong order, or not positive on a logarithmic axis.
    """
    data = np.asarray(values, np.float64)
    if log and data.min() <= 0:
        raise FigureError(f"axis {label!r}: {data.min():.4g} has no place on a logarithmic axis; leave it out")
    low, high = limits or _roomy(float(data.min()), float(data.max()), log, margin, from_zero)
    if not (math.isfinite(low) and math.isfinite(high) and low < high) or (log and low <= 0):
        raise FigureError(f"axis {label!r}: from {low} to {high}{' (logarithmic)' if log else ''} is no range")
    whole = not log and bool((data == np.rint(data)).all())
    at = tuple(ticks) or (_log_ticks(low, high) if log else _linear_ticks(low, high, count, whole))
    texts = tick_texts([100 * t for t in at] if percent else at, log)
    return Axis(label, low, high, log, at, tuple(f"{text}%" for text in texts) if percent else texts)


def _roomy(low: float, high: float, log: bool, margin: float, from_zero: bool) -> tuple[float, float]:
    if low == high:
        return (low / 2, high * 2) if log else (low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2)
    if log:
        factor = (high / low) ** margin
        return low / factor, high * factor
    room = margin * (high - low)
    return (0.0 if from_zero and 0 <= low < high / 3 else low - room), high + room


def _linear_ticks(low: float, high: float, count: int, whole: bool) -> tuple[float, ...]:
    from matplotlib.ticker import MaxNLocator

    locator = MaxNLocator(nbins=count, steps=[1, 2, 2.5, 5, 10], integer=whole)
    slack = 1e-9 * (high - low)
    return tuple(float(t) for t in locator.tick_values(low, high) if low - slack <= t <= high + slack)


def _log_ticks(low: float, high: float) -> tuple[float, ...]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    stride = max(1, (last - first) // 6)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        ticks = [float(f"{s}e{p}") for p in range(first, last + 1, stride) for s in steps]
        inside = tuple(t for t in ticks if low <= t <= high)
        if len(inside) >= 3:
            return inside
    return tuple(t for t in _linear_ticks(low, high, 4, False) if t > 0)


def tick_texts(ticks: Sequence[float], log: bool = False) -> tuple[str, ...]:
    """The ticks as text: equally many decimals within a decade, powers of ten where numbers get long."""
    if not ticks or (log and max(ticks) >= 10 * min(ticks)):
        return tuple(_shortest(t) for t in ticks)
    largest = max(abs(t) for t in ticks)
    step = min((abs(b - a) for a, b in pairwise(ticks)), default=largest)
    decimals = next((d for d in range(7) if all(abs(t - round(t, d)) <= step / 1000 for t in ticks)), None)
    if decimals is None or (largest >= 1e6 and step > largest / 100):
        return tuple(_shortest(t) for t in ticks)
    return tuple(number_text(round(t, decimals) + 0.0, f",.{decimals}f") for t in ticks)


def _shortest(value: float) -> str:
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        text = f"{value:,.10f}".rstrip("0").rstrip(".")
        return text.replace("-", "\N{MINUS SIGN}")
    mantissa, exponent = f"{value:.3e}".split("e")
    power = "10" + str(int(exponent)).translate(_SUPERSCRIPTS)
    factor = mantissa.rstrip("0").rstrip(".").replace("-", "\N{MINUS SIGN}")
    return power if factor == "1" else f"{factor}·{power}"


class Margins(NamedTuple):
    """Room around the axes, in CSS pixels."""

    left: float
    right: float
    top: float
    bottom: float = 46.0


def frame(
    canvas: Canvas, x: Axis, y: Axis, labels: Sequence[Label], *, legend: bool = False, grid: bool = True
) -> Axes:
    """Axes on *canvas*, ready to be drawn in, with all text around them.

    The labels stand at the right, each beside its end, unless *legend* is set or they do not fit there.
    """
    ends = (
        None
        if legend
        else end_positions(labels, x, y, canvas.height - _HEAD - Margins._field_defaults["bottom"], canvas.width)
    )
    rows = _legend_rows(labels, canvas.width) if labels and ends is None else []
    beside = max((label.width for label in labels), default=0.0) + 2 * _GAP if ends else 0.0
    margins = Margins(
        left=max(text_width(text) for text in y.texts) + _GAP + 2,
        right=max(beside, text_width(x.texts[-1]) / 2),
        top=_HEAD + len(rows) * _LEGEND_ROW,
    )
    axes = canvas.axes(margins.left, margins.bottom, margins.right, margins.top)
    _dress(canvas, axes, x, y, grid)
    _surround(canvas, x, y, margins)
    _draw_legend(canvas, rows)
    for label, height in zip(labels, ends or (), strict=False):
        _draw_end(canvas, label, canvas.width - margins.right + _GAP, margins.bottom + height)
    return axes


def _dress(canvas: Canvas, axes: Axes, x: Axis, y: Axis, grid: bool) -> None:
    axes.set_frame_on(False)
    axes.set_xscale("log" if x.log else "linear")
    axes.set_yscale("log" if y.log else "linear")
    axes.set_xlim(x.low, x.high)
    axes.set_ylim(y.low, y.high)
    axes.minorticks_off()
    axes.xaxis.set_visible(False)
    axes.yaxis.set_visible(False)
    for tick in y.ticks if grid else ():
        axes.axhline(tick, color=canvas.colour(GRID), linewidth=1, zorder=0.5)
    axes.axhline(y.low, color=canvas.colour(AXIS), linewidth=1, zorder=0.6, clip_on=False)


def _surround(canvas: Canvas, x: Axis, y: Axis, margins: Margins) -> None:
    across = canvas.width - margins.left - margins.right
    up = canvas.height - margins.bottom - margins.top
    for tick, text in zip(y.ticks, y.texts, strict=True):
        canvas.text(margins.left - _GAP, margins.bottom + up * y.share(tick) - _HALF_X, text, MUTED, ha="right")
    taken = -1e9
    for tick, text in sorted(zip(x.ticks, x.texts, strict=True)):
        at, half = margins.left + across * x.share(tick), text_width(text) / 2
        canvas.line([at, at], [margins.bottom, margins.bottom - 4], AXIS)
        if at - half > taken:
            canvas.text(at, margins.bottom - 19, text, MUTED, ha="center")
            taken = at + half
    canvas.text(margins.left + across / 2, 5, x.label, ha="center")
    canvas.text(0, canvas.height - 14, y.label)


def end_positions(labels: Sequence[Label], x: Axis, y: Axis, height: float, width: float) -> tuple[float, ...] | None:
    """How high above the x axis each label's middle goes so that its first line is at its end and none overlap.

    None where they do not fit: they do if every curve ends near the right edge, no label takes more than a third of the
    width, and none has to move further than two lines from its end.
    """
    if not labels or any(x.share(label.x) < 0.85 or label.width > width / 3 for label in labels):
        return None
    wanted = [height * min(max(y.share(label.y), 0.0), 1.0) - (label.height - LINE_HEIGHT) / 2 for label in labels]
    placed = spread(wanted, [label.height for label in labels], height)
    if placed is None or any(abs(a - b) > 2 * LINE_HEIGHT for a, b in zip(wanted, placed, strict=True)):
        return None
    return tuple(placed)


def spread(wanted: Sequence[float], sizes: Sequence[float], room: float) -> list[float] | None:
    """Centres as near to *wanted* as can be (least squares) for boxes of *sizes* that do not overlap in 0 to *room*.

    None where they do not fit. Boxes keep their order: this is isotonic regression by pooling neighbours.
    """
    if sum(sizes) > room + LINE_HEIGHT:
        return None
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    offsets, used = {}, 0.0
    for i in order:
        offsets[i] = used + sizes[i] / 2
        used += sizes[i]
    pools: list[tuple[float, int]] = []  # mean of (wanted - offset), how many
    for i in order:
        pool = (wanted[i] - offsets[i], 1)
        while pools and pools[-1][0] > pool[0]:
            mean, count = pools.pop()
            pool = ((mean * count + pool[0] * pool[1]) / (count + pool[1]), count + pool[1])
        pools.append(pool)
    low, high = -LINE_HEIGHT / 2, room + LINE_HEIGHT / 2 - used
    starts = [min(max(mean, low), high) for mean, count in pools for _ in range(count)]
    centres = {i: start + offsets[i] for i, start in zip(order, starts, strict=True)}
    return [centres[i] for i in range(len(wanted))]


def _draw_end(canvas: Canvas, label: Label, left: float, middle: float) -> None:
    baseline = middle + label.height / 2 - 12
    for i, line in enumerate(label.lines):
        paint, size = (MUTED, NOTE_SIZE) if i else (label.paint, FONT_SIZE)
        canvas.text(left, baseline - i * LINE_HEIGHT, line, paint, size)


def _legend_rows(labels: Sequence[Label], width: float) -> list[list[tuple[float, Label]]]:
    """The labels in rows, each with where it starts, in CSS pixels from the left."""
    rows: list[list[tuple[float, Label]]] = [[]]
    at = 0.0
    for label in labels:
        needed = 26 + text_width(_one_line(label)) + 18
        if rows[-1] and at + needed - 18 > width:
            rows.append([])
            at = 0.0
        rows[-1].append((at, label))
        at += needed
    return rows


def _one_line(label: Label) -> str:
    return label.lines[0] + (f" ({', '.join(label.lines[1:])})" if len(label.lines) > 1 else "")


def _draw_legend(canvas: Canvas, rows: Sequence[Sequence[tuple[float, Label]]]) -> None:
    for number, row in enumerate(rows):
        baseline = canvas.height - _HEAD - 6 - number * _LEGEND_ROW
        for left, label in row:
            _draw_swatch(canvas, label, left, baseline + _HALF_X)
            canvas.text(left + 26, baseline, _one_line(label))


def _draw_swatch(canvas: Canvas, label: Label, left: float, middle: float) -> None:
    ends, level = [left, left + 18], [middle, middle]
    if label.look == "area":
        canvas.box(left, middle - 5, 18, 10, label.paint, alpha=0.18)
        canvas.line(ends, [middle + 5] * 2, label.paint, 1.5)
    elif label.look == "block":
        canvas.box(left + 3, middle - 6, 12, 12, label.paint, alpha=0.85)
    elif label.look == "points":
        canvas.line([left + 9], [middle], label.paint, marker=label.marker)
    else:
        canvas.line(ends, level, label.paint, 2 if label.look == "line" else 1.5, dashed=label.look == "dashes")


def plot(
    drawing: bytes,
    width: int,
    height: int,
    table: Data,
    readings: Sequence[PlotSeries] = (),
    csv: bytes = b"",
) -> Drawing:
    """One plot or diagram as SVG, its data as a table for the page, and all of it as comma-separated values.

    ``readings`` are the values that can be read off where they are drawn: for each series its name and its points, each
    as [x, y, text of x, text of y] with x and y in CSS pixels from the upper left corner.
    """
    layout = Plot(file=PLOT, width=width, height=height, table=table, readings=list(readings), csv=CSV if csv else "")
    return Drawing("plot", layout, {PLOT: drawing} | ({CSV: csv} if csv else {}))


def read_off(axes: Axes, height: int, points: Iterable[tuple[float, float]]) -> list[list[float]]:
    """Where points of *axes* lie in a drawing of that height: CSS pixels from the upper left corner, to a tenth."""
    places = axes.transData.transform(np.array(list(points), np.float64))
    return [[round(float(across), 1), round(height - float(up), 1)] for across, up in places]


def checked_numbers(values: npt.ArrayLike, where: str) -> npt.NDArray[np.float64]:
    """*values* as float64 of shape (n,).

    Raises:
        FigureError: another shape, or a value that is not finite.
    """
    array = np.asarray(values, np.float64)
    if array.ndim != 1:
        raise FigureError(f"{where}: shape {array.shape}; pass one number each, shape (n,)")
    if not np.isfinite(array).all():
        first = int(np.argmin(np.isfinite(array))) + 1
        raise FigureError(f"{where}: value {first} of {len(array)} is NaN or infinite; find out where it comes from")
    return array
