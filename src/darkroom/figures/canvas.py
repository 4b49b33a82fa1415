"""A matplotlib figure measured in CSS pixels, written as one SVG in the colours of light and of dark pages."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from darkroom.figures.drawing import FigureError
from darkroom.figures.palette import FONT_FAMILY, FONT_SIZE, TEXT, Paint, escaped
from darkroom.figures.tidy import tidied

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Alignment = Literal["left", "center", "right"]
DASHES = (0, (4, 3))

_FIRST_STAND_IN = 0xF00000
_PROLOG = r"<\?xml.*?\?>\s*|<!DOCTYPE.*?>\s*|<!--.*?-->\s*"
_GEOMETRY = r' (d|x|y|x1|x2|y1|y2|width|height|points|transform)="([^"]*)"'
_SIZE_AND_FAMILY = r"font(?:-size)?: ([\d.]+px)(?:;? (?:font-family: )?'DejaVu Sans')"  # the latter was to measure
_LONG_NUMBER = r"-?\d+\.\d{3,}"


@contextmanager
def own_style() -> Iterator[None]:
    """Matplotlib's defaults, whatever the user's matplotlibrc says; text stays text, ids are the same every time."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({
            "svg.fonttype": "none", "svg.hashsalt": "darkroom", "font.family": "DejaVu Sans", "font.size": FONT_SIZE,
            "axes.linewidth": 1, "path.simplify": False, "text.parse_math": False,
        })  # fmt: skip
        yield


class Canvas:
    """A drawing of *width* by *height* CSS pixels; positions are counted from the lower left corner.

    A colour is a stand-in until the file is written: matplotlib knows no colour that depends on the page.
    """

    def __init__(self, width: int, height: int) -> None:
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / 72, height / 72), dpi=72, frameon=False)
        self._stand_ins: dict[Paint, str] = {}

    def colour(self, paint: Paint) -> str:
        """The colour to pass to matplotlib in place of *paint*."""
        return self._stand_ins.setdefault(paint, f"#{_FIRST_STAND_IN + len(self._stand_ins):06x}")

    def axes(self, left: float, bottom: float, right: float, top: float) -> Axes:
        """Bare axes that leave these margins."""
        w, h = self.width, self.height
        return self.figure.add_axes((left / w, bottom / h, (w - left - right) / w, (h - bottom - top) / h))

    def text(
        self, x: float, y: float, text: str, paint: Paint = TEXT, size: float = FONT_SIZE, *, ha: Alignment = "left"
    ) -> None:
        """One line of *text* with its baseline, or its end or middle as *ha* says, at (x, y).

        Raises:
            FigureError: it holds TeX or a line break.
        """
        if "$" in text or "\n" in text:
            raise FigureError(
                f"label {text!r}: labels in drawings are one line of plain text; write σ instead of $\\sigma$"
            )
        self.figure.text(x / self.width, y / self.height, text, color=self.colour(paint), fontsize=size, ha=ha)

    def line(
        self,
        xs: Sequence[float],
        ys: Sequence[float],
        paint: Paint,
        width: float = 1,
        *,
        marker: str = "",
        dashed: bool = False,
    ) -> None:
        """A line through points, or a *marker* of 7 pixels at each instead."""
        from matplotlib.lines import Line2D

        line = Line2D(xs, ys, transform=None, color=self.colour(paint), linewidth=0 if marker else width, marker=marker)
        line.set(linestyle=DASHES if dashed else "-", markersize=7, markeredgewidth=0)
        self.figure.add_artist(line)

    def box(self, x: float, y: float, width: float, height: float, paint: Paint, *, alpha: float = 1.0) -> None:
        """A filled rectangle with its lower left corner at (x, y)."""
        from matplotlib.patches import Rectangle

        self.figure.add_artist(
            Rectangle((x, y), width, height, transform=None, color=self.colour(paint), alpha=alpha, linewidth=0)
        )

    def document(self, title: str) -> bytes:
        """The drawing as SVG with transparent background; *title* is for screen readers."""
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        buffer = io.StringIO()
        canvas: Any = FigureCanvasSVG(self.figure)
        canvas.print_svg(buffer, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
        elements = tidied(self._measured(buffer.getvalue()).removesuffix("</svg>"))
        return document((self.width, self.height), title, self._painted(elements))

    def _measured(self, content: str) -> str:
        """What stands within ``<svg>``, and its end, with numbers to a hundredth of a pixel."""
        body = re.sub(_PROLOG, "", content, flags=re.DOTALL).split(">", 1)[1]
        body = re.sub(_SIZE_AND_FAMILY, r"font-size: \1", body)
        body = re.sub(r' transform="rotate\(-?0 [^"]*\)"', "", body)
        body = re.sub(_GEOMETRY, lambda match: f' {match[1]}="{_compact(match[2])}"', body)
        return re.sub(r"\n\s*", "\n", body).strip()

    def _painted(self, content: str) -> str:
        for paint, stand_in in self._stand_ins.items():
            content = content.replace(stand_in, paint.css)
        return content


def document(size: tuple[int, int], title: str, elements: str, description: str = "") -> bytes:
    """A file of SVG, as wide and high in CSS pixels as *size* says; its colours follow the page that shows it.

    *title* and *description* are for screen readers.
    """
    width, height = size
    frame = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img"'
    look = f'font-family="{FONT_FAMILY}" stroke-linejoin="round" style="color-scheme:light dark"'
    told = [f"<title>{escaped(title)}</title>", *([f"<desc>{escaped(description)}</desc>"] if description else [])]
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {frame} {look}>', *told, elements, "</svg>\n"]
    return "\n".join(lines).encode()


def _compact(geometry: str) -> str:
    """Numbers to a hundredth of a pixel, and no line breaks."""
    return (
        re.sub(_LONG_NUMBER, lambda match: f"{float(match[0]):.2f}".rstrip("0").rstrip("."), geometry)
        .replace("\n", "")
        .strip()
    )
