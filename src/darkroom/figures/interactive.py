"""Interactive pictures: with sliders, compared, turned, or seen from a distance. Without scripts, all are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypedDict

import numpy as np

from darkroom.core.figure_layouts import Compare, Distances, Headed, Labelled, Slides, Tile, Turned, TurningLayout
from darkroom.figures.drawing import Drawing, FigureError
from darkroom.figures.pixels import as_picture, png

if TYPE_CHECKING:
    import numpy.typing as npt

    from darkroom.figures.pixels import Pixels

TURNS: Mapping[str, Callable[[Pixels], Pixels]] = {
    "flip": lambda picture: picture[::-1],
    "mirror": lambda picture: picture[:, ::-1],
    "half-turn": lambda picture: picture[::-1, ::-1],
    "quarter-turn": np.rot90,
    "negative": lambda picture: 255 - picture,
}


class Turning(NamedTuple):
    """A picture that shows something else once it is turned.

    Args:
        heading: inline ``$math$`` is allowed.
        picture: (N, N) or (N, N, 3), uint8 or floats in [0, 1].
        seen: what its view shows, of the same shape.
        view: how a page turns the one into the other: one of ``TURNS``, or "" to fade from one to the other.
        alt: what the picture shows.
        seen_alt: what is seen after the turn.
    """

    heading: str
    picture: npt.ArrayLike
    seen: npt.ArrayLike
    view: str
    alt: str
    seen_alt: str


def slides(
    pictures: Sequence[npt.ArrayLike], *, labels: Sequence[str], alt: str, start: int = -1, scale: int = 2
) -> Drawing:
    """Pictures under a slider, such as a trajectory by time.

    Args:
        pictures: (H, W) or (H, W, 3), uint8 or floats in [0, 1].
        labels: plain text, one a picture, such as "t = 690".
        alt: what each shows; ``{label}`` is its label.
        start: which is shown first; -1 is the last.
        scale: CSS pixels a pixel, >= 1.

    Raises:
        FigureError: a wrong number of labels, an invalid picture, a missing alternative text.
    """
    if not len(pictures) or len(labels) != len(pictures):
        raise FigureError(f"slides: {len(labels)} labels for {len(pictures)} pictures; give one each, at least one")
    files: dict[str, bytes] = {}
    shown = [
        Labelled(label=label, **_shown(picture, alt.replace("{label}", label), f"slide_{number}", scale, files))
        for number, (picture, label) in enumerate(zip(pictures, labels, strict=True), 1)
    ]
    return Drawing("slides", Slides(slides=shown, start=start % len(shown)), files)


def compare(
    before: npt.ArrayLike, after: npt.ArrayLike, *, labels: tuple[str, str], alt: tuple[str, str], scale: int = 4
) -> Drawing:
    """Two pictures of one size, one over the other, parted by an edge that the reader moves.

    Raises:
        FigureError: sizes that differ, an invalid picture, a missing alternative text.
    """
    shapes = [as_picture(picture, "compare").shape[:2] for picture in (before, after)]
    if shapes[0] != shapes[1]:
        raise FigureError(f"compare: pictures of {shapes[0]} and {shapes[1]}; make them the same size")
    files: dict[str, bytes] = {}
    named = zip((before, after), labels, alt, ("before", "after"), strict=True)
    sides = [Labelled(label=label, **_shown(picture, text, name, scale, files)) for picture, label, text, name in named]
    return Drawing("compare", Compare(sides=sides), files)


def turning(panels: Sequence[Turning], *, scale: int = 4) -> Drawing:
    """Pictures that turn on hover, focus and click by their true transformation: a flip is a mirror, no rotation.

    Raises:
        FigureError: a view that is unknown, or does not turn the picture into what is said to be seen.
    """
    if not panels:
        raise FigureError("turning: no pictures; give one or more")
    files: dict[str, bytes] = {}
    shown = []
    for number, panel in enumerate(panels, 1):
        where = f"turning: picture {number} ({panel.heading!r})"
        _check_turn(panel, where)
        picture = Tile(**_shown(panel.picture, panel.alt, f"picture_{number}", scale, files))
        seen = Tile(**_shown(panel.seen, panel.seen_alt, f"seen_{number}", scale, files))
        shown.append(Turned(heading=panel.heading, view=panel.view, picture=picture, seen=seen))
    return Drawing("turning", TurningLayout(panels=shown), files)


def distances(
    pictures: Sequence[npt.ArrayLike], *, headings: Sequence[str], alts: Sequence[str], scale: int = 4
) -> Drawing:
    """Hybrid pictures, each large, smaller and small, or under a slider that steps back from all of them.

    Raises:
        FigureError: a wrong number of headings or texts, an invalid picture, a missing alternative text.
    """
    if not len(pictures) or not len(pictures) == len(headings) == len(alts):
        raise FigureError(
            f"distances: {len(pictures)} pictures, {len(headings)} headings, {len(alts)} texts; give one each"
        )
    files: dict[str, bytes] = {}
    shown = [
        Headed(heading=heading, **_shown(picture, alt, f"picture_{number}", scale, files))
        for number, (picture, heading, alt) in enumerate(zip(pictures, headings, alts, strict=True), 1)
    ]
    return Drawing("distances", Distances(panels=shown), files)


class _TileFields(TypedDict):
    """Those of a :class:`Tile`."""

    file: str
    alt: str
    width: int
    height: int


def _shown(picture: npt.ArrayLike, alt: str, name: str, scale: int, files: dict[str, bytes]) -> _TileFields:
    pixels = as_picture(picture, name)
    if not alt.strip():
        raise FigureError(f"{name}: no alternative text; say what the picture shows")
    files[f"{name}.png"] = png(pixels, name)
    return {
        "file": f"{name}.png",
        "alt": alt.strip(),
        "width": pixels.shape[1] * scale,
        "height": pixels.shape[0] * scale,
    }


def _check_turn(panel: Turning, where: str) -> None:
    picture, seen = as_picture(panel.picture, where), as_picture(panel.seen, where)
    if picture.shape != seen.shape:
        raise FigureError(f"{where}: it is {picture.shape} and what is seen {seen.shape}; a view keeps the shape")
    if not panel.view:
        return
    if panel.view not in TURNS:
        raise FigureError(f"{where}: view {panel.view!r}; one of {', '.join(TURNS)}, or '' to fade")
    if np.abs(TURNS[panel.view](picture).astype(int) - seen).max() > 1:
        raise FigureError(f"{where}: {panel.view} does not turn it into what is said to be seen; name its own view")
