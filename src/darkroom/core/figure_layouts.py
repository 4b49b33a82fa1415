"""The layouts of figures, a type for each kind: drawing makes them, manifests store them, templates show them.

A manifest may come with someone else's outputs, so everything in it is checked: sizes are those of pictures, lists are
no longer than a page can show, and every file that a layout names belongs to the figure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

_DEEPEST = 12  # lists and mappings within each other, in the layout of a project's own kind
_LARGEST = 100_000  # values in it

Text = Annotated[str, Meta(max_length=20_000)]
Pixels = Annotated[int, Meta(ge=1, le=20_000)]
Scale = Annotated[int, Meta(ge=1, le=100)]
Count = Annotated[int, Meta(ge=0, le=100_000)]
Number = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | float
Cell = Text | Number


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What every layout has."""

    def __getitem__(self, name: str) -> object:
        """The field of that name.

        Raises:
            KeyError: there is none.
        """
        if name not in self.__struct_fields__:
            raise KeyError(name)
        return getattr(self, name)

    def files(self) -> Iterator[str]:
        """Every file that it names."""
        yield from ()

    def alts(self) -> Iterator[str]:
        """The alternative text of every picture in it; a plot has that of its figure."""
        yield from ()


class Tile(Layout, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A picture of a grid."""

    file: str
    alt: Text
    width: Pixels
    height: Pixels


class TileRow(Layout, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A row of a grid; None leaves a gap."""

    heading: Text
    cells: Annotated[list[Tile | None], Meta(max_length=1_000)]


class Tiles(Layout, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A grid of pictures, each pixel *scale* CSS pixels wide."""

    columns: Annotated[list[Text], Meta(max_length=1_000)]
    rows: Annotated[list[TileRow], Meta(max_length=1_000)]
    scale: Scale

    def files(self) -> Iterator[str]:
        """Every picture."""
        return (cell.file for row in self.rows for cell in row.cells if cell)

    def alts(self) -> Iterator[str]:
        """That of every picture."""
        return (cell.alt for row in self.rows for cell in row.cells if cell)


class Data(Layout, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a plot shows, as a table."""

    columns: Annotated[list[Text], Meta(max_length=1_000)]
    rows: Annotated[list[Annotated[list[Cell], Meta(max_length=1_000)]], Meta(max_length=10_000)]


class PlotSeries(Layout, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What can be read off one series of a plot: points of x, y and what they are called."""

    name: Text
    points: Annotated[list[Annotated[list[Cell], Meta(min_length=2, max_length=8)]], Meta(max_length=100_000)]


class Plot(Layout, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A plot, one drawing in the colours of both themes."""

    file: str
    width: Pixels
    height: Pixels
    table: Data | None
    readings: Annotated[list[PlotSeries], Meta(max_length=1_000)] = []
    csv: str = ""

    def files(self) -> Iterator[str]:
        """The drawing, and the values."""
        return (name for name in (self.file, self.csv) if name)


class FilmPanel(Layout, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A film: its frames, its last one, and a few of them side by side."""

    heading: Text
    alt: Text
    animation: str
    still: str
    width: Pixels
    height: Pixels
    frames: Annotated[int, Meta(ge=1, le=10_000)]
    duration_s: Annotated[int, Meta(ge=0, le=100_000)] | Annotated[float, Meta(ge=0, le=100_000)]
    strip: str = ""
    strip_width: Count = 0


class Animation(Layout, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Films in step; *labels* name their frames."""

    panels: Annotated[list[FilmPanel], Meta(min_length=1, max_length=100)]
    scale: Scale
    labels: Annotated[list[Text], Meta(max_length=10_000)] | None = None

    def files(self) -> Iterator[str]:
        """Every film with its stills."""
        for panel in self.panels:
            yield from (name for name in (panel.animation, panel.still, panel.strip) if name)

    def alts(self) -> Iterator[str]:
        """That of every film."""
        return (panel.alt for panel in self.panels)


class Grid(Layout, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table; *heading_column* says whether the first cell of a row is its heading."""

    columns: Annotated[list[Text], Meta(max_length=1_000)]
    rows: Annotated[list[Annotated[list[Cell], Meta(max_length=1_000)]], Meta(max_length=10_000)]
    heading_column: bool
    csv: str = ""

    def files(self) -> Iterator[str]:
        """The values."""
        return (name for name in (self.csv,) if name)


class Labelled(Tile, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A picture with a label in plain text."""

    label: Text


class Slides(Layout, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Pictures under a slider that begins at *start*."""

    slides: Annotated[list[Labelled], Meta(min_length=1, max_length=1_000)]
    start: Count

    def __post_init__(self) -> None:
        if self.start >= len(self.slides):
            raise ValueError(f"starts at slide {self.start} of {len(self.slides)}")

    def files(self) -> Iterator[str]:
        """Every picture."""
        return (each.file for each in self.slides)

    def alts(self) -> Iterator[str]:
        """That of every picture."""
        return (each.alt for each in self.slides)


class Compare(Layout, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Two pictures, one over the other."""

    sides: Annotated[list[Labelled], Meta(min_length=2, max_length=2)]

    def files(self) -> Iterator[str]:
        """Both pictures."""
        return (each.file for each in self.sides)

    def alts(self) -> Iterator[str]:
        """Those of both pictures."""
        return (each.alt for each in self.sides)


class Turned(Layout, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A picture and what is seen in it once it is turned."""

    heading: Text
    view: Annotated[str, Meta(pattern=r"\A[a-z0-9_-]{0,40}\Z")]
    picture: Tile
    seen: Tile


class TurningLayout(Layout, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Pictures that turn."""

    panels: Annotated[list[Turned], Meta(min_length=1, max_length=100)]

    def files(self) -> Iterator[str]:
        """Every picture, as it is and as it is seen."""
        return (tile.file for panel in self.panels for tile in (panel.picture, panel.seen))

    def alts(self) -> Iterator[str]:
        """Those of every picture, as it is and as it is seen."""
        return (tile.alt for panel in self.panels for tile in (panel.picture, panel.seen))


class Headed(Tile, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A picture under a heading."""

    heading: Text


class Distances(Layout, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Pictures that are shown in several sizes."""

    panels: Annotated[list[Headed], Meta(min_length=1, max_length=100)]

    def files(self) -> Iterator[str]:
        """Every picture."""
        return (each.file for each in self.panels)

    def alts(self) -> Iterator[str]:
        """That of every picture."""
        return (each.alt for each in self.panels)


KINDS: dict[str, type[Layout]] = {
    "tiles": Tiles,
    "plot": Plot,
    "animation": Animation,
    "table": Grid,
    "slides": Slides,
    "compare": Compare,
    "turning": TurningLayout,
    "distances": Distances,
}


_TEMPLATES_OF_OTHERS = frozenset({"absent", "frame", "models", "picture"})  # templates that are not kinds of figures


def read_layout(kind: str, given: object, names: frozenset[str]) -> Layout | dict[str, Any]:
    """The layout of a figure of that kind; *names* are its files. Other kinds have plain values.

    Raises:
        ValueError: it lacks something, has an unknown field, or names a file that is not there.
    """
    if kind in _TEMPLATES_OF_OTHERS:
        raise ValueError(f"{kind!r} is not a kind of figure")
    known = KINDS.get(kind)
    if known is None:
        return _plain(msgspec.json.decode(given) if isinstance(given, msgspec.Raw) else given)
    if isinstance(given, msgspec.Raw):
        layout = msgspec.json.decode(given, type=known)
    else:
        layout = given if isinstance(given, known) else msgspec.convert(given, known)
    lost = next((name for name in layout.files() if name not in names), None)
    if lost is not None:
        raise ValueError(f"the layout names {lost!r}, which is not among the figure's files")
    return layout


def _plain(given: object) -> dict[str, Any]:
    """Values of JSON, few enough and not too deep."""
    if not isinstance(given, dict):
        raise ValueError(f"a layout is a mapping, not {type(given).__name__}")
    waiting: list[tuple[object, int]] = [(given, 1)]
    seen = 0
    while waiting:
        value, depth = waiting.pop()
        seen += 1
        if depth > _DEEPEST or seen > _LARGEST:
            raise ValueError(f"the layout is deeper than {_DEEPEST} levels, or holds more than {_LARGEST} values")
        if isinstance(value, dict):
            waiting.extend((each, depth + 1) for each in value.values())
        elif isinstance(value, list):
            waiting.extend((each, depth + 1) for each in value)
    return given
