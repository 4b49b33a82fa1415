"""Bars side by side, and distributions on top of one another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from darkroom.core.figure_layouts import Cell, Data, PlotSeries
from darkroom.figures.axes import Axis, Label, Look, axis, checked_numbers, frame, plot, read_off
from darkroom.figures.canvas import DASHES, Canvas, own_style
from darkroom.figures.curves import Reference, draw_references
from darkroom.figures.drawing import Drawing, FigureError
from darkroom.figures.palette import MUTED, NOTE_SIZE, SERIES, text_width
from darkroom.figures.tables import as_csv, number_text, shown

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes

    Floats = npt.NDArray[np.float64]

_SHARE = 0.74  # of a group's slot that its bars take


class Bars(NamedTuple):
    """One bar a group: its name, plain text, and finite heights >= 0."""

    label: str
    heights: npt.ArrayLike


class Sample(NamedTuple):
    """Finite values of any shape whose distribution is drawn, and their name, plain text."""

    label: str
    values: npt.ArrayLike


class Density(NamedTuple):
    """A density to compare with: its name, and its values at ascending *x*."""

    label: str
    x: npt.ArrayLike
    density: npt.ArrayLike


def bar_plot(
    groups: Sequence[str],
    bars: Sequence[Bars],
    *,
    y_label: str,
    x_label: str = "",
    references: Sequence[Reference] = (),
    format: str = ".4g",
    width: int = 640,
    height: int = 320,
) -> Drawing:
    """Bars from zero, one of each kind in every group, with their heights above them if there is room.

    Args:
        groups: names along x, plain text.
        bars: one to five kinds.
        y_label: what the height is, plain text.
        x_label: what the groups are, plain text.
        references: horizontal lines, such as a floor.
        format: of the heights.
        width: CSS pixels.
        height: CSS pixels.

    Raises:
        FigureError: heights that are negative, not finite, or not one a group.
    """
    heights = [_checked_heights(kind, len(groups)) for kind in bars]
    if not 1 <= len(bars) <= len(SERIES):
        raise FigureError(f"bar_plot: {len(bars)} kinds of bars; draw 1 to {len(SERIES)}")
    slot = (width - 60) / len(groups)
    if max(map(text_width, groups)) > slot:
        raise FigureError(
            f"bar_plot: the names of {len(groups)} groups do not fit {width} px; shorten them or use a table"
        )
    texts = [[number_text(v, format, "bar_plot") for v in h] for h in heights]
    numbered = max(text_width(t, NOTE_SIZE) for row in texts for t in row) <= slot * _SHARE / len(bars) + 4
    with own_style():
        canvas = Canvas(width, height)
        axes = frame(
            canvas,
            Axis(x_label, -0.5, len(groups) - 0.5, False, tuple(map(float, range(len(groups)))), tuple(groups)),
            _height_axis(y_label, [*(float(h.max()) for h in heights), *(r.y for r in references)], format),
            _names(bars, references, len(groups)),
            legend=len(bars) > 1,
            grid=not numbered,
        )
        draw_references(canvas, axes, references)
        for kind, values in enumerate(heights):
            _draw_bars(canvas, axes, (kind, len(bars)), values, texts[kind] if numbered else (), references)
        drawing = canvas.document(f"{y_label} by {x_label}" if x_label else y_label)
        readings = []
        for index, (one_kind, values, told) in enumerate(zip(bars, heights, texts, strict=True)):
            tops = read_off(axes, height, zip(_centres(index, len(bars), len(groups)), values, strict=True))
            points: list[list[Cell]] = [[*at, group, text] for at, group, text in zip(tops, groups, told, strict=True)]
            readings.append(PlotSeries(name=one_kind.label, points=points))
    columns = [x_label, *(kind.label for kind in bars)]
    rows: list[list[Cell]] = [[g, *(shown(h[i], format) for h in heights)] for i, g in enumerate(groups)]
    csv = as_csv(columns, [[group, *(h[i] for h in heights)] for i, group in enumerate(groups)])
    return plot(drawing, width, height, Data(columns=columns, rows=rows), readings, csv)


def _centres(index: int, kinds: int, groups: int) -> Floats:
    """Where the bars of one kind of so many stand along x."""
    return np.arange(groups, dtype=np.float64) + (index - (kinds - 1) / 2) * _SHARE / kinds


def _height_axis(label: str, tops: Sequence[float], format: str) -> Axis:
    top = max(tops) or 1.0
    return axis(label, [0, top], limits=(0.0, top * 1.08), count=5, percent=format.endswith("%"))


def _names(bars: Sequence[Bars], references: Sequence[Reference], groups: int) -> list[Label]:
    kinds = [Label((kind.label,), 0, 0, SERIES[i], "block") for i, kind in enumerate(bars) if len(bars) > 1]
    return kinds + [Label((r.label,), groups - 0.5, r.y, MUTED, "dashes") for r in references]


def _draw_bars(
    canvas: Canvas,
    axes: Axes,
    kind: tuple[int, int],
    values: Floats,
    texts: Sequence[str],
    references: Sequence[Reference],
) -> None:
    """The bars of one kind, the *index*-th of *kinds*, and their heights as text where there is room."""
    index, kinds = kind
    centres = _centres(index, kinds, len(values))
    axes.bar(
        centres, values, _SHARE / kinds * 0.92, color=canvas.colour(SERIES[index]), alpha=0.85, linewidth=0, zorder=2
    )
    for at, value, text in zip(centres, values, texts, strict=False):
        above = (0, _clear_of(axes, float(value), references))
        note = axes.annotate(text, (at, value), above, textcoords="offset points", ha="center")
        note.set(fontsize=NOTE_SIZE, color=canvas.colour(MUTED))


def _clear_of(axes: Axes, value: float, references: Sequence[Reference]) -> float:
    """How far above its bar a height is written, in pixels, so that no line crosses it."""
    gap = 4.0
    heights = axes.transData.transform([(0.0, y) for y in (value, *sorted(line.y for line in references))])[:, 1]
    for line in heights[1:] - heights[0]:
        if -1 < line < gap + NOTE_SIZE:
            gap = max(gap, float(line) + 4.0)
    return gap


def _checked_heights(kind: Bars, groups: int) -> Floats:
    where = f"bar_plot: {kind.label!r}"
    heights = checked_numbers(kind.heights, where)
    if len(heights) != groups or not groups:
        raise FigureError(f"{where}: {len(heights)} heights for {groups} groups; pass one a group, at least one")
    if heights.min() < 0:
        raise FigureError(f"{where}: a height is {heights.min():.4g}; bars stand on zero: draw a line_plot instead")
    return heights


def histogram(
    samples: Sequence[Sample],
    *,
    x_label: str,
    densities: Sequence[Density] = (),
    bins: int = 60,
    x_range: tuple[float, float] | None = None,
    log_y: bool = False,
    width: int = 640,
    height: int = 320,
) -> Drawing:
    """Distributions over common bins, each as a density, so that samples of different sizes compare.

    Args:
        samples: one or more; with *densities* at most five.
        x_label: what is counted, plain text.
        densities: curves to compare with, drawn dashed.
        bins: equal bins over *x_range*, 2 to 200.
        x_range: the least and the greatest value counted, by default those of all samples. What lies outside is not
            drawn, but still counts towards the whole.
        log_y: logarithmic density, where tails matter.
        width: CSS pixels.
        height: CSS pixels.

    Raises:
        FigureError: an empty sample, values that are not finite, a range that holds nothing.
    """
    values = [checked_numbers(np.ravel(sample.values), f"histogram: {sample.label!r}") for sample in samples]
    curves = [(checked_numbers(d.x, d.label), checked_numbers(d.density, d.label)) for d in densities]
    if not 1 <= len(samples) + len(densities) <= len(SERIES) or not values or not all(map(len, values)):
        raise FigureError(f"histogram: draw 1 to {len(SERIES)} samples and densities, with a value at least in each")
    if not 2 <= bins <= 200:
        raise FigureError(f"histogram: bins={bins}; take 2 to 200")
    edges = _edges(values, bins, x_range)
    heights = [np.histogram(v, edges)[0] / (len(v) * np.diff(edges)) for v in values]
    with own_style():
        canvas = Canvas(width, height)
        x = axis(x_label, edges, count=8, limits=(float(edges[0]), float(edges[-1])))
        y = _density_axis(np.concatenate([*heights, *(density for _, density in curves)]), log_y, x)
        looks: list[tuple[str, Look]] = [(s.label, "area") for s in samples] + [(d.label, "dashes") for d in densities]
        names = [Label((name,), 0, 0, SERIES[i], look) for i, (name, look) in enumerate(looks)]
        axes = frame(canvas, x, y, names, legend=True)
        for i, h in enumerate(heights):
            _draw_steps(axes, edges, h, y.low, canvas.colour(SERIES[i]))
        for i, (at, density) in enumerate(curves, len(heights)):
            colour = canvas.colour(SERIES[i])
            axes.plot(at, np.maximum(density, y.low), color=colour, linewidth=1.5, linestyle=DASHES, zorder=3)
        drawing = canvas.document(f"Distribution of {x_label}")
        bins_of = [_counted(axes, height, edges, h, y.low) for h in heights]
    readings = [PlotSeries(name=s.label, points=b) for s, b in zip(samples, bins_of, strict=True)]
    rows = [
        [sample.label, low, high, density]
        for sample, h in zip(samples, heights, strict=True)
        for low, high, density in zip(edges[:-1], edges[1:], h, strict=True)
    ]
    csv = as_csv(["sample", f"{x_label}, from", "to", "density"], rows)
    return plot(drawing, width, height, _summary(samples, values), readings, csv)


def _counted(axes: Axes, height: int, edges: Floats, heights: Floats, floor: float) -> list[list[Cell]]:
    """What can be read off the bins of one sample."""
    places = read_off(axes, height, zip((edges[:-1] + edges[1:]) / 2, np.maximum(heights, floor), strict=True))
    spans = [f"{shown(float(low))} to {shown(float(high))}" for low, high in pairwise(edges)]
    return [[*at, span, shown(float(h))] for at, span, h in zip(places, spans, heights, strict=True)]


def _density_axis(densities: Floats, log: bool, x: Axis) -> Axis:
    positive = densities[densities > 0]
    if not len(positive):
        raise FigureError(f"histogram: no value lies from {x.low:.4g} to {x.high:.4g}; widen x_range")
    low, high = float(positive.min()), float(positive.max())
    return axis("density", positive, log=log, limits=(low / 2, high * 2) if log else (0.0, high * 1.06), count=5)


def _draw_steps(axes: Axes, edges: Floats, heights: Floats, floor: float, colour: str) -> None:
    outline = np.maximum(np.concatenate([[floor], np.repeat(heights, 2), [floor]]), floor)
    across = np.repeat(edges, 2)
    axes.fill_between(across, floor, outline, color=colour, alpha=0.18, linewidth=0, zorder=1)
    axes.plot(across, outline, color=colour, linewidth=1.5, zorder=2)


def _edges(values: Sequence[Floats], bins: int, x_range: tuple[float, float] | None) -> Floats:
    low, high = x_range or (min(float(v.min()) for v in values), max(float(v.max()) for v in values))
    if low > high or (x_range and low == high):
        raise FigureError(f"histogram: x_range from {low} to {high} is no range")
    return np.linspace(low, high, bins + 1) if low < high else np.linspace(low - 0.5, low + 0.5, bins + 1)


def _summary(samples: Sequence[Sample], values: Sequence[Floats]) -> Data:
    rows: list[list[Cell]] = []
    for sample, v in zip(samples, values, strict=True):
        quantiles = np.quantile(v, [0.05, 0.5, 0.95])
        rows.append([sample.label, shown(len(v)), *(shown(float(q)) for q in (v.mean(), v.std(), *quantiles))])
    return Data(columns=["", "values", "mean", "standard deviation", "5%", "median", "95%"], rows=rows)
