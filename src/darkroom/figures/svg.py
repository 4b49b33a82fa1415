"""SVG elements, written by hand."""

from __future__ import annotations

from collections.abc import Sequence

from darkroom.figures.canvas import document
from darkroom.figures.palette import NOTE_SIZE, Paint, escaped
from darkroom.figures.tidy import tidied

Point = tuple[float, float]


class Svg:
    """SVG elements, one after another."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def document(self, size: tuple[int, int], title: str, description: str) -> bytes:
        """The whole SVG."""
        return document(size, title, tidied("\n".join(self.parts)), description)

    def text(
        self, at: Point, text: str, paint: Paint, size: float = NOTE_SIZE, *, anchor: str = "middle", weight: int = 400
    ) -> None:
        """One line of text with its baseline at *at*."""
        style = f'font-size="{size}" text-anchor="{anchor}" fill="{paint.css}"'
        bold = f' font-weight="{weight}"' if weight != 400 else ""
        self.parts.append(f'<text x="{_px(at[0])}" y="{_px(at[1])}" {style}{bold}>{escaped(text)}</text>')

    def arrow(self, points: Sequence[Point], paint: Paint, dashes: str = "") -> None:
        """A line through *points* with a head at the last."""
        (x0, y0), (x1, y1) = points[-2:]
        length = max(abs(x1 - x0) + abs(y1 - y0), 1e-9)
        dx, dy = (x1 - x0) / length, (y1 - y0) / length
        neck = (x1 - 6 * dx, y1 - 6 * dy)
        path = "M" + " L".join(f"{_px(x)} {_px(y)}" for x, y in [*points[:-1], neck])
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        self.parts.append(f'<path d="{path}" fill="none" stroke="{paint.css}" stroke-width="1.5"{dashed}/>')
        back = (x1 - 8 * dx, y1 - 8 * dy)
        corners = [(x1, y1), (back[0] - 4 * dy, back[1] + 4 * dx), (back[0] + 4 * dy, back[1] - 4 * dx)]
        head = "M" + " L".join(f"{_px(x)} {_px(y)}" for x, y in corners) + " Z"
        self.parts.append(f'<path d="{head}" fill="{paint.css}"/>')

    def circle(self, at: Point, radius: float, stroke: Paint) -> None:
        """An empty circle around *at*."""
        place = f'cx="{_px(at[0])}" cy="{_px(at[1])}" r="{_px(radius)}"'
        self.parts.append(f'<circle {place} fill="none" stroke="{stroke.css}" stroke-width="1.5"/>')

    def box(self, at: Point, size: Point, fill: Paint | None, stroke: Paint, radius: float = 6) -> None:
        """A rounded rectangle around *at*, of that width and height."""
        place = f'x="{_px(at[0] - size[0] / 2)}" y="{_px(at[1] - size[1] / 2)}"'
        extent = f'width="{_px(size[0])}" height="{_px(size[1])}" rx="{_px(radius)}"'
        inside = fill.css if fill else "none"
        self.parts.append(f'<rect {place} {extent} fill="{inside}" stroke="{stroke.css}"/>')


def _px(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
