"""The means of a figure's curves over runs, with bands: a plot that is drawn while a page is rendered."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from hashlib import sha256

import msgspec

from darkroom.core.figure_layouts import Cell, Data, Plot, PlotSeries
from darkroom.core.manifest import Figure, StoredFile
from darkroom.press.content.bands import Bands
from darkroom.press.content.catalogue import FRESH
from darkroom.press.content.estimates import counted
from darkroom.press.content.numbers import show
from darkroom.press.rendering.captions import ProvenanceLine, provenance
from darkroom.press.typeset.plots import Band, plot_bands
from darkroom.press.typeset.typography import full_stop

_SVG, _CSV = "means.svg", "means.csv"
_ROWS = 40  # of the table below the plot
_READINGS = 60  # of a curve


class MeanFigure(msgspec.Struct, frozen=True):
    """A figure that is not stored: what a template needs of it, and its files by name; *over* is what the runs differ in."""

    over: str
    figure: Figure
    content: Mapping[str, bytes]
    made: ProvenanceLine
    badge: dict[str, str] | None


def mean_figure(bands: Bands, over: str, short: str, repository: str) -> MeanFigure:
    """The figure called *short* of the first run, over all of them; *repository* is as for ``captions.provenance``."""
    experiment = bands.runs[0].experiment
    manifest = experiment.manifest
    assert manifest is not None
    stored = manifest.figures[short]
    layout, content = _drawn(bands, stored)
    note = f"Mean of {counted(len(bands.runs), over)}; the band is from the least to the greatest value."
    files = [
        StoredFile(f"figures/{short}/{name}", sha256(each).hexdigest(), len(each)) for name, each in content.items()
    ]
    return MeanFigure(
        over,
        Figure(
            key=stored.key,
            kind=stored.kind,
            caption=f"{stored.caption.rstrip()}{full_stop(stored.caption.rstrip())} {note}",
            alt=f"{stored.alt.rstrip()}{full_stop(stored.alt.rstrip())} {note}",
            stored=msgspec.Raw(msgspec.json.encode(layout)),
            files=files,
            code={},
            line=stored.line,
        ),
        content,
        _made(bands, over, repository),
        _badge(bands),
    )


def _drawn(bands: Bands, stored: Figure) -> tuple[Plot, dict[str, bytes]]:
    known = stored.layout
    assert isinstance(known, Plot)
    drawing = plot_bands(
        bands.bands,
        x_label=bands.x_label,
        y_label=bands.y_label,
        log_x=bands.log_x,
        log_y=bands.log_y,
        percent=bands.percent,
        width=known.width,
        height=known.height,
    )
    readings = [
        PlotSeries(
            name=band.name, points=[_reading(band, at, places, bands.percent) for at in _spread(band, _READINGS)]
        )
        for band, places in zip(bands.bands, drawing.places, strict=True)
    ]
    columns = ["series", bands.x_label, f"{bands.y_label}, mean", "least", "greatest"]
    table = Data(columns=["", *columns[1:]], rows=_rows(bands))
    layout = Plot(file=_SVG, width=known.width, height=known.height, table=table, readings=readings, csv=_CSV)
    return layout, {_SVG: drawing.svg, _CSV: _csv(columns, bands.bands)}


def _reading(band: Band, at: int, places: Sequence[tuple[float, float]], percent: bool) -> list[Cell]:
    mean, low, high = (_shown(values[at], percent) for values in (band.mean, band.low, band.high))
    return [*places[at], show(band.x[at]), f"{mean} ({low} to {high})"]


def _rows(bands: Bands) -> list[list[Cell]]:
    most = max(2, _ROWS // len(bands.bands))
    return [
        [
            band.name,
            show(band.x[at]),
            *(_shown(values[at], bands.percent) for values in (band.mean, band.low, band.high)),
        ]
        for band in bands.bands
        for at in _spread(band, most)
    ]


def _shown(value: float, percent: bool) -> str:
    return show(value, ".1%" if percent else None)


def _spread(band: Band, most: int) -> list[int]:
    """Which of its points are shown: all, or *most* evenly spaced ones with the first and the last."""
    last = len(band.x) - 1
    count = min(last + 1, most)
    return sorted({round(last * number / max(count - 1, 1)) for number in range(count)})


def _csv(columns: Sequence[str], bands: Sequence[Band]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for band in bands:
        points = zip(band.x, band.mean, band.low, band.high, strict=True)
        writer.writerows([band.name, *(f"{value:.7g}" for value in point)] for point in points)
    return text.getvalue().encode()


def _made(bands: Bands, over: str, repository: str) -> ProvenanceLine:
    """The provenance of the first run, with what all of them have in common, and the values that they differ in."""
    manifests = [run.experiment.manifest for run in bands.runs if run.experiment.manifest]
    made = provenance(manifests[0], repository)
    values = f"{over} = {', '.join(run.value for run in bands.runs)}"
    devices = {each.provenance.device for each in manifests}
    device = made.device if len(devices) == 1 else ""
    return msgspec.structs.replace(made, device=device, duration="", seed=None, data=(values, *made.data), variant="")


def _badge(bands: Bands) -> dict[str, str] | None:
    """The states to show where a run is not fresh."""
    old = [run.experiment for run in bands.runs if run.experiment.state != FRESH]
    if not old:
        return None
    reasons = [f"{each.id}: {'; '.join(each.reasons)}" if each.reasons else each.id for each in old]
    return {"state": old[0].state, "reason": f"{len(old)} of {len(bands.runs)} runs: {', '.join(reasons)}"}
