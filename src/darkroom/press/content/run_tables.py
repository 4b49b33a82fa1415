"""The runs of an experiment as a table, and as a plot: parallel coordinates, or one column over another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from math import ceil, floor, isfinite, log10
from typing import Any

import msgspec
from msgspec import UNSET

from darkroom.core.errors import nearest
from darkroom.press.content.calls import Unknown, listed
from darkroom.press.content.catalogue import StoredExperiment
from darkroom.press.content.numbers import as_plain, distinct, show, told_apart
from darkroom.press.content.runs import columns_of, differing, grid_of

MOST_AXES = 16
_WIDTH, _HEIGHT = 720.0, 300.0
_TOP, _BOTTOM, _SIDE = 44.0, 24.0, 56.0
_STEPS = (1, 2, 5, 10, 20)
_LARGEST = 1e300  # of a number in a plot


class Column(msgspec.Struct, frozen=True, dict=True):
    """One column: its name, whether it is a parameter, and a value for each run, UNSET where there is none."""

    name: str
    is_parameter: bool
    values: tuple[Any, ...]

    @cached_property
    def texts(self) -> list[str]:
        """Its values as readers see them; parameters that differ look different."""
        found = [value for value in self.values if value is not UNSET]
        texts = iter(distinct(found) if self.is_parameter else map(show, found))
        return [next(texts) if value is not UNSET else "" for value in self.values]

    def has(self, row: int) -> bool:
        """Whether a run has a value."""
        return self.values[row] is not UNSET

    @property
    def is_numeric(self) -> bool:
        """Whether all its values are numbers that can be plotted."""
        return any(value is not UNSET for value in self.values) and all(
            value is UNSET or _is_finite(value) for value in self.values
        )


class RunTable(msgspec.Struct, frozen=True):
    """Runs with the parameters in which they differ, and their metrics."""

    runs: tuple[StoredExperiment, ...]
    columns: tuple[Column, ...]

    @property
    def metrics(self) -> str:
        """The first of the metrics, or ""."""
        return next((column.name for column in self.columns if not column.is_parameter), "")

    def numbers(self, name: str) -> Column:
        """The column called *name*.

        Raises:
            Unknown: there is none, or it has other values than numbers.
        """
        found = next((column for column in self.columns if column.name == name), None)
        if found is None:
            known = [column.name for column in self.columns]
            raise Unknown(f"the runs do not differ in {name!r}{nearest(name, known) or listed('; columns are', known)}")
        if not found.is_numeric:
            raise Unknown(f"{name!r} has values that are not numbers, and cannot be plotted against another")
        return found

    def label(self, row: int) -> str:
        """What tells a run from the others: ``gamma = 5, seed = 1``."""
        own = [
            f"{column.name} = {as_plain(column.texts[row])}"
            for column in self.columns
            if column.is_parameter and column.has(row)
        ]
        return ", ".join(own) or self.runs[row].id


class Line(msgspec.Struct, frozen=True):
    """A run in a plot: what it is called, its pieces, each a list of points, and whether it is the declared one."""

    row: int
    label: str
    pieces: tuple[str, ...]
    is_declared: bool


class Tick(msgspec.Struct, frozen=True):
    """A value at an axis: where it stands, in user units of the drawing, and its text."""

    at: float
    text: str


class PlotAxis(msgspec.Struct, frozen=True):
    """An axis: where it stands, what it is called, and its ticks."""

    at: float
    name: str
    ticks: tuple[Tick, ...]


class RunPlot(msgspec.Struct, frozen=True):
    """A plot of runs: with two axes a scatter plot, else parallel coordinates.

    Attributes:
        is_scatter: whether the first axis runs along the bottom and the second along the side.
        width: of the drawing in user units.
        height: of the drawing in user units.
        axes: from left to right.
        lines: one for each run; of a scatter plot a single point each.
    """

    is_scatter: bool
    width: float
    height: float
    axes: tuple[PlotAxis, ...]
    lines: tuple[Line, ...]

    @property
    def description(self) -> str:
        """What can be seen."""
        names = [axis.name for axis in self.axes]
        if self.is_scatter:
            return f"{names[1]} of {len(self.lines)} runs over {names[0]}. The table has the same values."
        return f"Parallel coordinates of {len(self.lines)} runs: {', '.join(names)}. The table has the same values."


def table_of(runs: Sequence[StoredExperiment], wanted: Sequence[str]) -> RunTable:
    """A table of *runs*, which have manifests, in the order of their parameters, with the metrics that are *wanted*.

    Raises:
        Unknown: no run has one of them.
    """
    own = differing(runs)
    runs = [point.experiment for point in grid_of(runs, own).points]
    settings = [each.manifest.parameters for each in runs if each.manifest]
    columns = [Column(name, True, tuple(each.get(name, UNSET) for each in settings)) for name in own]
    columns += [
        Column(name, False, tuple(UNSET if value is None else value for value in values))
        for name, values in columns_of(runs, wanted).items()
    ]
    return RunTable(tuple(runs), tuple(columns))


def plot_of(table: RunTable, x: str = "", y: str = "") -> RunPlot | None:
    """The plot of a table: *y* over *x*, or parallel coordinates; None where there is too little to see or too much."""
    if x and y:
        return _scatter(table, table.numbers(x), table.numbers(y))
    columns = [column for column in table.columns if column.is_parameter or column.is_numeric]
    if len(table.runs) < 2 or not 2 <= len(columns) <= MOST_AXES:
        return None
    return _parallel(table, columns)


def _parallel(table: RunTable, columns: Sequence[Column]) -> RunPlot:
    width = max(_WIDTH, 2 * _SIDE + 110.0 * (len(columns) - 1))
    step = (width - 2 * _SIDE) / (len(columns) - 1)
    places = [_SIDE + step * number for number in range(len(columns))]
    scales = [_heights(column) for column in columns]
    axes = [PlotAxis(at, column.name, ticks) for at, column, (_, ticks) in zip(places, columns, scales, strict=True)]
    lines = []
    for row, run in enumerate(table.runs):
        pieces: list[list[str]] = [[]]
        for at, column, (height, _) in zip(places, columns, scales, strict=True):
            if not column.has(row):
                pieces.append([])
            else:
                pieces[-1].append(f"{at:.4g},{height(column.values[row]):.4g}")
        drawn = tuple(" ".join(piece) for piece in pieces if len(piece) > 1)
        lines.append(Line(row, table.label(row), drawn, run.variant is None))
    return RunPlot(False, width, _HEIGHT, tuple(axes), tuple(sorted(lines, key=lambda line: line.is_declared)))


def _heights(column: Column) -> tuple[Callable[[Any], float], tuple[Tick, ...]]:
    """Where the values of a column stand on its axis, and the ticks at its ends, or at each of its words."""
    low, high = _HEIGHT - _BOTTOM, _TOP
    if column.is_numeric:
        found = [value for value in column.values if value is not UNSET]
        least, most = min(found), max(found)
        if least == most:
            middle = (low + high) / 2
            return lambda value: middle, (Tick(middle, *_shown(least)),)
        ends = _shown(least, most)
        return lambda value: low + (high - low) * (value - least) / (most - least), (
            Tick(low, ends[0]),
            Tick(high, ends[1]),
        )
    words = list(
        dict.fromkeys(text for value, text in zip(column.values, column.texts, strict=True) if value is not UNSET)
    )
    spread = {word: low + (high - low) * (number + 0.5) / len(words) for number, word in enumerate(words)}
    places = {
        told_apart(value): spread.get(text)
        for value, text in zip(column.values, column.texts, strict=True)
        if value is not UNSET
    }
    return lambda value: places[told_apart(value)] or low, tuple(
        Tick(at, _short(as_plain(word))) for word, at in spread.items()
    )


def _scatter(table: RunTable, x: Column, y: Column) -> RunPlot:
    across, along = _scale(x, _SIDE + 8, _WIDTH - 24), _scale(y, _HEIGHT - 44, 20)
    lines = [
        Line(
            row,
            f"{table.label(row)}: {y.name} = {as_plain(y.texts[row])}",
            (f"{across[0](x.values[row]):.4g},{along[0](y.values[row]):.4g}",),
            run.variant is None,
        )
        for row, run in enumerate(table.runs)
        if x.has(row) and y.has(row)
    ]
    axes = (PlotAxis(_HEIGHT - 44, x.name, across[1]), PlotAxis(_SIDE + 8, y.name, along[1]))
    return RunPlot(True, _WIDTH, _HEIGHT, axes, tuple(sorted(lines, key=lambda line: line.is_declared)))


def _scale(column: Column, start: float, end: float) -> tuple[Callable[[Any], float], tuple[Tick, ...]]:
    """Where the values of a column stand between *start* and *end*, and its ticks, at round values."""
    found = [float(value) for value in column.values if value is not UNSET]
    least, most = min(found), max(found)
    margin = 0.04 * (most - least) or abs(most) / 10 or 1.0
    least, most = least - margin, most + margin

    def place(value: float) -> float:
        return start + (end - start) * (value - least) / (most - least)

    ticks = round_values(least, most)
    return place, tuple(Tick(place(value), text) for value, text in zip(ticks, _shown(*ticks), strict=True))


def round_values(least: float, most: float, count: int = 6) -> list[float]:
    """At most *count* round values from *least* to *most*, at distances of 1, 2 or 5 times a power of 10."""
    if not (isfinite(least) and isfinite(most) and most > least):
        return [least]
    power = 10.0 ** floor(log10((most - least) / count))
    for step in (power * factor for factor in _STEPS):
        first, last = ceil(least / step - 1e-9), floor(most / step + 1e-9)
        if last - first < count:
            return [round(number * step, 2 - floor(log10(step))) for number in range(first, last + 1)]
    return [least, most]


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST


def _shown(*values: float) -> list[str]:
    return [as_plain(text) for text in distinct(values)]


def _short(word: str) -> str:
    return word if len(word) <= 12 else f"{word[:11]}…"
