"""Plots that are drawn while a site is built: curves with bands, as SVG that looks like that of ``darkroom.figures``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from darkroom.press.typeset.typography import escape

# The colours and the lettering of darkroom.figures.palette, which draws all other plots: a test compares them.
TEXT, MUTED, AXIS, GRID, PAGE = (
    ("#1f2328", "#e8eaed"),
    ("#59606a", "#a7aeb8"),
    ("#808892", "#7d8590"),
    ("#e3e5e8", "#33383f"),
    ("#fdfcfa", "#15171a"),
)
SERIES = (
    ("#2a5bd7", "#7fbcff"),
    ("#c2480c", "#f2863a"),
    ("#00685e", "#a5f0bd"),
    ("#b0429a", "#c58ab6"),
    ("#22262d", "#ecd24a"),
)
FONT_FAMILY = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Helvetica Neue', Arial, sans-serif"
FONT_SIZE = 13

_FEW = 40  # points that are marked each
_ROW = 20  # CSS pixels of a legend's row
_HEAD, _FOOT, _GAP = 30, 46, 8
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LONGEST = 200  # characters of a label


class Band(msgspec.Struct, frozen=True):
    """One curve: its name, and for each x the mean, the least and the greatest value."""

    name: str
    x: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class Scale(NamedTuple):
    """An axis from *low* to *high*, drawn from *start* to *end*, in CSS pixels, with its ticks and their texts."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool
    ticks: tuple[float, ...]
    texts: tuple[str, ...]

    def __call__(self, value: float) -> float:
        """Where a value lies, to a tenth of a pixel."""
        low, high, at = (math.log(each) if self.is_log else each for each in (self.low, self.high, value))
        return round(self.start + (at - low) / (high - low) * (self.end - self.start), 1)


class Plotted(NamedTuple):
    """A drawing, and where the points of each curve lie in it, in CSS pixels from the upper left corner."""

    svg: bytes
    places: tuple[tuple[tuple[float, float], ...], ...]


def plot_bands(
    bands: Sequence[Band],
    *,
    x_label: str,
    y_label: str,
    log_x: bool = False,
    log_y: bool = False,
    percent: bool = False,
    width: int = 640,
    height: int = 360,
) -> Plotted:
    """Curves of means, each on a band from the least to the greatest value, named in a legend.

    Args:
        bands: one to five, with one point or more each, all finite, and positive on a logarithmic axis.
        x_label, y_label: plain text.
        log_x, log_y: logarithmic axes.
        percent: 0.5 on the y axis is 50%.
        width, height: CSS pixels.
    """
    legend = list(_legend([_shortened(band.name) for band in bands], width))
    top = _HEAD + (legend[-1][1] + 1) * _ROW if legend else _HEAD
    heights = [value for band in bands for value in (*band.low, *band.high)]
    y = _scale(heights, height - _FOOT, top, log_y, 6, percent=percent, from_zero=True)
    left = max(map(_width, y.texts)) + _GAP + 2
    along = [value for band in bands for value in band.x]
    x = _scale(along, left, width, log_x, 8)
    x = x._replace(end=width - _width(x.texts[-1]) / 2 if x.texts else width)
    parts = [
        *_axes(x, y, left, width, height, _shortened(x_label), _shortened(y_label)),
        *(part for band, paint in zip(bands, SERIES, strict=False) for part in _curve(band, paint, x, y)),
        *_named(legend, [band.name for band in bands]),
    ]
    places = tuple(tuple((x(at), y(mean)) for at, mean in zip(band.x, band.mean, strict=True)) for band in bands)
    look = f'font-family="{FONT_FAMILY}" stroke-linejoin="round" style="color-scheme:light dark"'
    frame = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img"'
    title = f"<title>{escape(f'{_shortened(y_label)} by {_shortened(x_label)}')}</title>"
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {frame} {look}>', title, *parts, "</svg>\n"]
    return Plotted("\n".join(lines).encode(), places)


def _css(paint: tuple[str, str]) -> str:
    return f"light-dark({paint[0]},{paint[1]})"


def _shortened(text: str) -> str:
    """A label as it can stand in a drawing: one line, without signs that XML does not know."""
    return "".join(sign if sign.isprintable() else " " for sign in text)[:_LONGEST]


def _width(text: str) -> float:
    """About how wide a text is, in CSS pixels."""
    return FONT_SIZE * sum(
        0.36 if sign in "iljtfrI.,:;'|!()[] ·" else 0.92 if sign in "mwMW@%—" else 0.62 for sign in text
    )


# Axes -----------------------------------------------------------------------------------------------------------------


def _scale(
    values: Sequence[float],
    start: float,
    end: float,
    is_log: bool,
    count: int,
    *,
    percent: bool = False,
    from_zero: bool = False,
) -> Scale:
    """The axis that holds *values* with a little room; *from_zero* begins it at 0 where that costs less than a third."""
    least, most = min(values), max(values)
    if least == most:
        room = (abs(least) or 1) / 2
        low, high = (least / 2, most * 2) if is_log else (least - room, most + room)
    elif is_log:
        factor = (most / least) ** 0.03
        low, high = least / factor, most * factor
    else:
        room = 0.03 * (most - least)
        low, high = (0.0 if from_zero and 0 <= least < most / 3 else least - room), most + room
    whole = not is_log and all(value == round(value) for value in values)
    ticks = _log_ticks(low, high) if is_log else _linear_ticks(low, high, count, whole)
    texts = _texts([100 * tick for tick in ticks] if percent else ticks, is_log)
    return Scale(low, high, start, end, is_log, ticks, tuple(f"{text}%" for text in texts) if percent else texts)


def _linear_ticks(low: float, high: float, count: int, whole: bool) -> tuple[float, ...]:
    """At most *count* + 1 round numbers."""
    power = 10.0 ** math.floor(math.log10((high - low) / count))
    steps = [factor * power for factor in (1, 2, 2.5, 5, 10, 20, 25, 50, 100)]
    allowed = [step for step in steps if not whole or step == round(step)] or [1.0]
    step = next((each for each in allowed if (high - low) / each <= count), allowed[-1])
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(number * step for number in range(first, last + 1))


def _log_ticks(low: float, high: float) -> tuple[float, ...]:
    """Powers of ten, with more between them where these are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    stride = max(1, (last - first) // 6)
    for factors in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        ticks = [float(f"{factor}e{power}") for power in range(first, last + 1, stride) for factor in factors]
        inside = tuple(tick for tick in ticks if low <= tick <= high)
        if len(inside) >= 3:
            return inside
    return tuple(tick for tick in _linear_ticks(low, high, 4, False) if tick > 0)


def _texts(ticks: Sequence[float], is_log: bool) -> tuple[str, ...]:
    """The ticks as text, equally many decimals where they are equally far from each other."""
    if not ticks or (is_log and max(ticks) >= 10 * min(ticks)):
        return tuple(map(number, ticks))
    largest = max(map(abs, ticks))
    step = min((abs(b - a) for a, b in pairwise(ticks)), default=largest)
    decimals = next((n for n in range(7) if all(abs(t - round(t, n)) <= step / 1000 for t in ticks)), None)
    if decimals is None or largest >= 1e6:
        return tuple(map(number, ticks))
    return tuple(_signed(f"{round(tick, decimals) + 0.0:,.{decimals}f}") for tick in ticks)


def number(value: float) -> str:
    """A number as a drawing shows it, with powers of ten where it gets long."""
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        text = f"{value:,.10f}".rstrip("0").rstrip(".") if abs(value) >= 1 else f"{value:.4g}"
        return _signed(text if len(text) <= 9 else f"{value:,.4g}")
    mantissa, exponent = f"{value:.3e}".split("e")
    factor, power = mantissa.rstrip("0").rstrip("."), "10" + str(int(exponent)).translate(_SUPERSCRIPTS)
    return _signed(power if factor == "1" else f"{factor}·{power}")


def _signed(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


def _axes(x: Scale, y: Scale, left: float, width: int, height: int, x_label: str, y_label: str) -> Iterator[str]:
    bottom = height - _FOOT
    for tick, text in zip(y.ticks, y.texts, strict=True):
        yield _line([(left, y(tick)), (x.end, y(tick))], GRID, 1)
        yield _text(left - _GAP, y(tick) + 4.5, text, MUTED, "end")
    yield _line([(left, bottom), (x.end, bottom)], AXIS, 1)
    taken = -math.inf
    for tick, text in zip(x.ticks, x.texts, strict=True):
        yield _line([(x(tick), bottom), (x(tick), bottom + 4)], AXIS, 1)
        if x(tick) - _width(text) / 2 > taken:
            yield _text(x(tick), bottom + 19, text, MUTED, "middle")
            taken = x(tick) + _width(text) / 2
    yield _text((left + x.end) / 2, height - 5, x_label, TEXT, "middle")
    yield _text(0, 14, y_label, TEXT)


# Curves and texts -----------------------------------------------------------------------------------------------------


def _curve(band: Band, paint: tuple[str, str], x: Scale, y: Scale) -> Iterator[str]:
    """A band with the mean on it; where points do not go along x, each has a line from the least to the greatest value."""
    across = [x(at) for at in band.x]
    low, high, mean = ([y(value) for value in values] for values in (band.low, band.high, band.mean))
    middle = list(zip(across, mean, strict=True))
    if len(across) > 1 and all(a <= b for a, b in pairwise(band.x)):
        around = [*zip(across, low, strict=True), *reversed(list(zip(across, high, strict=True)))]
        yield f'<path d="{_path(around)}z" fill="{_css(paint)}" fill-opacity="0.22"/>'
        yield _line(middle, paint, 2)
    else:
        yield from (_line([(at, a), (at, b)], paint, 1.5) for at, a, b in zip(across, low, high, strict=True))
    if len(across) <= _FEW:
        yield from (
            f'<circle cx="{at:g}" cy="{up:g}" r="3.5" fill="{_css(paint)}" stroke="{_css(PAGE)}"/>' for at, up in middle
        )


def _line(points: Iterable[tuple[float, float]], paint: tuple[str, str], width: float) -> str:
    return f'<path d="{_path(points)}" fill="none" stroke="{_css(paint)}" stroke-width="{width:g}"/>'


def _path(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{across:g} {down:g}" for across, down in points)


def _text(across: float, down: float, text: str, paint: tuple[str, str], anchor: str = "start") -> str:
    place = f'x="{across:g}" y="{down:g}"'
    return f'<text {place} font-size="{FONT_SIZE}px" fill="{_css(paint)}" text-anchor="{anchor}">{escape(text)}</text>'


def _legend(names: Sequence[str], width: int) -> Iterator[tuple[float, int]]:
    """Where each name goes: from the left, and in which row."""
    at, row = 0.0, 0
    for name in names:
        needed = 26 + _width(name)
        if at and at + needed > width:
            at, row = 0.0, row + 1
        yield at, row
        at += needed + 18


def _named(places: Sequence[tuple[float, int]], names: Sequence[str]) -> Iterator[str]:
    for (left, row), name, paint in zip(places, names, SERIES, strict=False):
        baseline = _HEAD + 6 + row * _ROW
        yield f'<path d="M{left:g} {baseline - 10:g}h18v12h-18z" fill="{_css(paint)}" fill-opacity="0.22"/>'
        yield _line([(left, baseline - 4), (left + 18, baseline - 4)], paint, 2)
        yield _text(left + 26, baseline, _shortened(name), TEXT)
