"""The colours of drawings on a light and on a dark page, and the lettering that both share."""

from __future__ import annotations

from typing import NamedTuple

FONT_FAMILY = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Helvetica Neue', Arial, sans-serif"
FONT_SIZE = 13
NOTE_SIZE = 12


class Paint(NamedTuple):
    """One colour of a drawing as ``#rrggbb``: what it is on a light page, and what on a dark one."""

    light: str
    dark: str

    @property
    def css(self) -> str:
        """It as a colour of CSS that the page decides on, such as ``light-dark(#1f2328,#e8eaed)``."""
        return self.light if self.light == self.dark else f"light-dark({self.light},{self.dark})"


TEXT = Paint("#1f2328", "#e8eaed")
MUTED = Paint("#59606a", "#a7aeb8")
AXIS = Paint("#808892", "#7d8590")
GRID = Paint("#e3e5e8", "#33383f")
PAGE = Paint("#fdfcfa", "#15171a")

SERIES = (
    Paint("#2a5bd7", "#7fbcff"),  # blue
    Paint("#c2480c", "#f2863a"),  # vermilion
    Paint("#00685e", "#a5f0bd"),  # green
    Paint("#b0429a", "#c58ab6"),  # magenta
    Paint("#22262d", "#ecd24a"),  # nearly black; gold
)

_LIGHT_RAMP = ("#eef3fb", "#2a5bd7", "#12307f")
_DARK_RAMP = ("#1f2937", "#3f78c9", "#b5d8ff")
_LIGHT_BELOW = ("#fbf1eb", "#c2480c", "#6f2303")
_DARK_BELOW = ("#37271f", "#c9682c", "#ffd3b5")


def ramp(share: float) -> Paint:
    """The colour of a value: *share* from 0, which is close to the page, to 1, which stands out from it most.

    Below 0, down to -1, it is warm instead of blue.
    """
    light, dark = (_LIGHT_BELOW, _DARK_BELOW) if share < 0 else (_LIGHT_RAMP, _DARK_RAMP)
    return Paint(_between(light, abs(share)), _between(dark, abs(share)))


def _between(stops: tuple[str, str, str], share: float) -> str:
    position = min(max(share, 0.0), 1.0) * 2
    low, part = (0, position) if position <= 1 else (1, position - 1)
    pairs = zip(_channels(stops[low]), _channels(stops[low + 1]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in pairs)


def over(background: Paint) -> Paint:
    """The text colour with the greater contrast on *background*, chosen for light and dark pages separately."""
    dark, light = "#000000", "#ffffff"  # one of the two reaches 4.58 : 1 on any colour
    light_page = max((dark, light), key=lambda colour: contrast(colour, background.light))
    dark_page = max((dark, light), key=lambda colour: contrast(colour, background.dark))
    return Paint(light_page, dark_page)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two ``#rrggbb`` colours, 1 to 21 (WCAG 2.2)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in _channels(colour))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


_NARROW = frozenset("iljtfrI.,:;'|!()[] ·")
_WIDE = frozenset("mwMW@%—→←")


def text_width(text: str, size: float = FONT_SIZE) -> float:
    """About how wide *text* is, in CSS pixels, in a wide system font; the reader's font is not known."""
    ems = (0.36 if c in _NARROW else 0.92 if c in _WIDE else 0.7 if c.isupper() else 0.59 for c in text)
    return size * sum(ems)


def escaped(text: str) -> str:
    """*text* as it stands in XML, outside attributes."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
