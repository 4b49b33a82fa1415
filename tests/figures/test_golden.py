"""One drawing of each kind, beside what it was: layouts, SVG and CSV letter by letter, pictures and films pixel by pixel.

After a change on purpose, run once with ``DARKROOM_UPDATE_GOLDEN=1`` and look at what has changed in ``golden/``.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image, ImageSequence

from darkroom.core.figure_layouts import KINDS, read_layout
from darkroom.figures import (
    Bars,
    Density,
    Drawing,
    Paint,
    Panel,
    Reference,
    Sample,
    Series,
    Turning,
    animation,
    bar_plot,
    compare,
    distances,
    heat_map,
    histogram,
    line_plot,
    matplotlib_plot,
    network,
    slides,
    table,
    tiles,
    turning,
)
from tests.figures.test_diagrams import unet

GOLDEN = Path(__file__).parent / "golden"
UPDATE = "DARKROOM_UPDATE_GOLDEN" in os.environ
GREY = (np.arange(48).reshape(6, 8) * 5).astype(np.uint8)
COLOUR = np.stack([GREY, GREY.T.reshape(6, 8), 255 - GREY], axis=-1)
STEPS = np.arange(1, 9)


def _tiles() -> Drawing:
    grid = [[GREY, COLOUR], [None, GREY]]
    return tiles(grid, rows=["grey", "$b$"], columns=["1", "2"], alt="{row}, column {column}.", scale=4)


def _animation() -> Drawing:
    frames = np.stack([np.roll(GREY, number, axis=1) for number in range(4)])
    coloured = np.stack([COLOUR, COLOUR[::-1]])
    panels = [Panel("$a$", "Grey rows move.", frames), Panel("b", "A picture turns.", coloured)]
    return animation(panels, fps=10, hold_last_s=0.5, labels=["t = 3", "t = 2", "t = 1", "t = 0"])


def _line_plot() -> Drawing:
    loss = Series("loss", STEPS, 1 / STEPS, low=0.9 / STEPS, high=1.2 / STEPS)
    noisy = Series("each batch", STEPS, (STEPS * 7 % 5) / 10 + 0.2, style="noisy", window=3)
    points = Series("test", [2, 8], [0.55, 0.15], style="points")
    return line_plot([loss, noisy, points], x_label="step", y_label="loss", references=[Reference("floor", 0.1)])


def _matplotlib_plot() -> Drawing:
    def draw(figure: Any, colour: Any) -> None:
        left, right = figure.subplots(1, 2)
        left.plot(STEPS, 1 / STEPS)
        left.set(xlabel="step", ylabel="loss", yscale="log", title="A title")
        right.scatter(STEPS, STEPS % 3, color=colour(Paint("#7a1fa2", "#d9a6f5")), label="points")
        right.legend()

    return matplotlib_plot(draw, title="Two plots", columns=["step", "loss"], rows=[[1, 1.0], [2, 0.5]], height=240)


def _bar_plot() -> Drawing:
    bars = [Bars("first", [0.2, 0.5]), Bars("second", [0.4, 0.1])]
    return bar_plot(["a", "b"], bars, y_label="share", x_label="digit", references=[Reference("chance", 0.1)])


def _histogram() -> Drawing:
    density = Density("law", [0.0, 1.0, 2.0], [0.2, 0.6, 0.2])
    return histogram([Sample("seen", [0.1, 0.5, 0.6, 1.1, 1.9])], x_label="x", densities=[density], bins=4)


def _heat_map() -> Drawing:
    return heat_map([[9, 1], [0, 1234]], row_labels="ab", column_labels="cd", x_label="read as", y_label="drawn as")


def _differences() -> Drawing:
    values = [[0.25, -0.01], [0.0, -0.25]]
    return heat_map(values, row_labels="ab", column_labels="cd", x_label="read as", y_label="drawn as", format="+.2f")


def _network() -> Drawing:
    return network(*unet(), title="U-Net")


def _table() -> Drawing:
    return table(["name", "share"], [["$a$", 0.98765], ["b", 0.5]], formats=["", ".1%"])


def _slides() -> Drawing:
    return slides([GREY, GREY[::-1]], labels=["t = 1", "t = 0"], alt="The picture at {label}.", scale=3)


def _compare() -> Drawing:
    return compare(GREY, GREY[::-1], labels=("before", "after"), alt=("It grows lighter.", "It grows darker."))


def _turning() -> Drawing:
    flipped = Turning("flip", GREY, GREY[::-1], "flip", "A hill.", "A valley.")
    return turning([flipped, Turning("fade", COLOUR, COLOUR[::-1], "", "Lighter.", "Darker.")])


def _distances() -> Drawing:
    return distances([COLOUR], headings=["h"], alts=["A picture, large and small."], scale=8)


DRAWN: dict[str, Callable[[], Drawing]] = {
    "tiles": _tiles, "animation": _animation, "line_plot": _line_plot, "matplotlib_plot": _matplotlib_plot,
    "bar_plot": _bar_plot, "histogram": _histogram,
    "heat_map": _heat_map, "differences": _differences, "network": _network, "table": _table, "slides": _slides,
    "compare": _compare, "turning": _turning, "distances": _distances,
}  # fmt: skip


def seen(name: str, content: bytes) -> object:
    """What a reader sees of a file: its text, or every frame's pixels, size and time in ms."""
    if PurePosixPath(name).suffix not in {".png", ".gif"}:
        return content.decode("utf-8").splitlines()
    with Image.open(io.BytesIO(content)) as picture:
        frames = [(frame.info.get("duration", 0), frame.convert("RGB")) for frame in ImageSequence.Iterator(picture)]
        return [(duration, frame.size, frame.tobytes()) for duration, frame in frames]


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawing_is_what_it_was(name: str) -> None:
    """The same layout, and files that look the same; the layout has all that its template needs."""
    drawing = DRAWN[name]()
    folder = GOLDEN / name
    files = dict(drawing.files) | {
        "layout.json": (
            json.dumps(msgspec.to_builtins(drawing.layout), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        ).encode()
    }
    if UPDATE:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for file, content in files.items():
            (folder / file).write_bytes(content)
    assert sorted(files) == sorted(path.name for path in folder.iterdir())
    for file, content in files.items():
        assert seen(file, content) == seen(file, (folder / file).read_bytes()), file
    assert read_layout(drawing.kind, msgspec.to_builtins(drawing.layout), frozenset(drawing.files)) == drawing.layout


def test_there_is_a_drawing_of_every_kind() -> None:
    """A kind of figure that is added is drawn here too."""
    assert {draw().kind for draw in DRAWN.values()} == set(KINDS)
    assert {path.name for path in GOLDEN.iterdir()} == set(DRAWN)
