"""Curves over several runs of one experiment: the mean, and a band from the least to the greatest value.

The values are those of the CSV file that is stored with each plot of curves over a common x.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from darkroom.core.figure_layouts import Plot
from darkroom.core.manifest import Figure
from darkroom.core.paths import read_plain
from darkroom.press.content.calls import Unknown
from darkroom.press.content.catalogue import Catalogue, StoredExperiment
from darkroom.press.content.seeds import SeedRun, several
from darkroom.press.typeset.plots import SERIES, Band

_LARGEST = 10_000_000  # bytes of a file of values
_MOST_POINTS = 20_000  # of a figure
_CLEARLY = 0.25  # of the squares that a straight line leaves, for an axis to be taken for a logarithmic one


class Bands(msgspec.Struct, frozen=True):
    """All curves of a figure, with the names and the scales of its axes; percent says that y is shown in percent."""

    bands: tuple[Band, ...]
    runs: tuple[SeedRun, ...]
    x_label: str
    y_label: str
    log_x: bool
    log_y: bool
    percent: bool


class _Curves(msgspec.Struct, frozen=True):
    """What one run has drawn: the names of the axes, and points of x and y by the curve's name."""

    x_label: str
    y_label: str
    points: Mapping[str, tuple[tuple[float, float], ...]]


def bands_of(catalogue: Catalogue, name: str, over: str) -> Bands | None:
    """The curves of the figure called *name* over the runs that differ in *over* alone; None where a file is damaged.

    Raises:
        Unknown: it is no figure of curves, a run has not drawn it or has drawn it at other x, or there is one run alone.
        NotRun: there are no outputs.
    """
    owner, _, short = name.rpartition("/")
    runs = several(catalogue, owner, over)
    drawn = [_curves(run.experiment, short) for run in runs]
    curves = [each for each in drawn if each is not None]
    if len(curves) < len(drawn):
        return None
    first = curves[0]
    for run, each in zip(runs, curves, strict=True):
        if {key: [x for x, _ in points] for key, points in each.points.items()} != {
            key: [x for x, _ in points] for key, points in first.points.items()
        }:
            raise Unknown(
                f"{run.experiment.id}/{short} has other curves, or other {first.x_label!r}, than "
                f"{runs[0].experiment.id}/{short}; a mean needs the same in all runs"
            )
    figure = runs[0].experiment.drawn(short)
    assert figure is not None
    log_x, log_y, percent = _scales(figure.layout)
    bands = tuple(_band(key, [each.points[key] for each in curves]) for key in first.points)
    log_y = log_y and min(min(band.low) for band in bands) > 0
    return Bands(bands, runs, first.x_label, first.y_label, log_x, log_y, percent)


def _band(name: str, runs: Sequence[Sequence[tuple[float, float]]]) -> Band:
    columns = [[points[place][1] for points in runs] for place in range(len(runs[0]))]
    try:
        mean = tuple(math.fsum(values) / len(values) for values in columns)
    except OverflowError:
        raise Unknown(f"the values of {name!r} are too large for a mean") from None
    return Band(name, tuple(x for x, _ in runs[0]), mean, tuple(map(min, columns)), tuple(map(max, columns)))


def _curves(experiment: StoredExperiment, short: str) -> _Curves | None:
    """What a run has drawn; None where the file is not the one that its manifest names, which is reported as damage.

    Raises:
        Unknown: it has not drawn the figure, or that is of another kind.
    """
    figure, name = experiment.drawn(short), f"{experiment.id}/{short}"
    if figure is None:
        raise Unknown(f"{name} has not been drawn; build without --no-run, or run {experiment.command}")
    layout = figure.layout
    if not isinstance(layout, Plot) or not layout.csv:
        raise Unknown(f"{name} has no curves over a common x, so it has no mean over runs; show its variants instead")
    content = _read(experiment, figure, short, layout.csv)
    if content is None:
        return None
    try:
        return _parsed(content)
    except ValueError as error:
        raise Unknown(f"{name} has no curves over a common x ({error}), so it has no mean over runs") from None


def _read(experiment: StoredExperiment, figure: Figure, short: str, file: str) -> bytes | None:
    digest = next(each.sha256 for each in figure.files if each.path == f"figures/{short}/{file}")
    try:
        content = read_plain(experiment.folder / "figures" / short / file, _LARGEST)
    except (OSError, ValueError):
        return None
    return content if sha256(content).hexdigest() == digest else None


def _parsed(content: bytes) -> _Curves:
    """The curves of a file with the columns ``series``, x, y and others that are not read.

    Raises:
        ValueError: it has other columns, values that are not finite, or too many.
    """
    try:
        rows = iter(csv.reader(io.StringIO(content.decode("utf-8")), strict=True))
        heading = next(rows, [])
        if len(heading) < 3 or heading[0] != "series":
            raise ValueError("its columns are not series, x and y")
        points: dict[str, list[tuple[float, float]]] = {}
        for number, row in enumerate(rows):
            if number >= _MOST_POINTS:
                raise ValueError(f"it has more than {_MOST_POINTS:,} points")
            name, x, y = row[0], float(row[1]), float(row[2])
            if not (abs(x) < 1e300 and abs(y) < 1e300):
                raise ValueError(f"row {number + 2} has a value that is not finite")
            points.setdefault(name, []).append((x, y))
    except (csv.Error, IndexError) as error:
        raise ValueError(f"its file cannot be read: {error}") from None
    if not 1 <= len(points) <= len(SERIES):
        raise ValueError(f"it has {len(points)} curves; means are drawn of 1 to {len(SERIES)}")
    return _Curves(heading[1], heading[2], {name: tuple(each) for name, each in points.items()})


# Scales ---------------------------------------------------------------------------------------------------------------


def _scales(layout: Any) -> tuple[bool, bool, bool]:
    """Whether x and y are logarithmic in a plot, and whether y is in percent: which the places of its readings tell."""
    points = [point for series in layout.readings for point in series.points if len(point) == 4]
    percent = any(str(point[3]).endswith("%") for point in points)
    log_x, log_y = (_is_log([(_number(point[2 + axis]), _number(point[axis])) for point in points]) for axis in (0, 1))
    return log_x, log_y, percent


def _number(cell: object) -> float:
    """The number of a cell, as plots write it; NaN for any other."""
    try:
        return float(str(cell).replace(",", "").replace("\N{MINUS SIGN}", "-").removesuffix("%"))
    except ValueError:
        return math.nan


def _is_log(pairs: Sequence[tuple[float, float]]) -> bool:
    """Whether places are a straight line of the logarithms of values, and not of the values; each pair is both."""
    known = [(value, place) for value, place in pairs if math.isfinite(value) and math.isfinite(place)]
    if len({value for value, _ in known}) < 3 or min(value for value, _ in known) <= 0:
        return False
    log = _left_over([(math.log(value), place) for value, place in known])
    return log < _CLEARLY * _left_over(known)


def _left_over(pairs: Sequence[tuple[float, float]]) -> float:
    """The squares that the best straight line through points leaves."""
    count = len(pairs)
    x_mean, y_mean = (math.fsum(pair[axis] for pair in pairs) / count for axis in (0, 1))
    xx = math.fsum((x - x_mean) ** 2 for x, _ in pairs)
    xy = math.fsum((x - x_mean) * (y - y_mean) for x, y in pairs)
    yy = math.fsum((y - y_mean) ** 2 for _, y in pairs)
    return yy - xy * xy / xx if xx > 0 else yy
