"""Plots set into the page itself: their text can be selected and takes the page's typeface, their colours the theme's."""

from __future__ import annotations

import json
import re

import msgspec

from darkroom.core.patterns import lazy_pattern
from darkroom.press.typeset.typography import escape

_OPENING = lazy_pattern(r"<svg\b[^>]*>")
_SIZE = lazy_pattern(r'(?<=\s)(?:width|height|viewBox|preserveAspectRatio)="[^"]*"')
_LOOK = lazy_pattern(
    r'(?<=\s)(?:fill|stroke|color|opacity|font-size|font-weight|font-style|text-anchor)(?:-[a-z]+)?="[^"]*"'
)
_DROPPED = lazy_pattern(r"<(title|desc)\b[^>]*>.*?</\1>\s*", re.DOTALL)
_REFERRED = lazy_pattern(r'url\(#[^)"]+\)|href="#[^"]+"')
_ID = lazy_pattern(r' id="([^"]*)"')


def inline(drawing: str, prefix: str, label: str) -> str:
    """A plain SVG (``vetting.is_plain``) as an element of a page, or "" where there is none.

    Args:
        drawing: the file.
        prefix: makes ids the page's only ones.
        label: what the drawing shows, for who cannot see it.
    """
    opening = _OPENING.search(drawing)
    if not opening:
        return ""
    size, look = (" ".join(names.findall(opening[0])) for names in (_SIZE, _LOOK))
    body = _DROPPED.sub("", drawing[opening.end() :]).replace("xlink:href", "href")
    body = _ID.sub(lambda found: f' id="{prefix}-{found[1]}"', body)
    body = _REFERRED.sub(lambda found: found[0].replace("#", f"#{prefix}-"), body)
    body = re.sub(r">\s*\n\s*<", "><", body.strip())
    attributes = " ".join(part for part in (size, f'role="img" aria-label="{escape(label)}"', look) if part)
    return f"<svg {attributes}>{body}"


def standing_alone(drawing: str, readings: object = None) -> str:
    """What :func:`inline` gives, as a file; what can be read off it, *readings*, goes along as ``data-readings``."""
    plain = json.dumps(msgspec.to_builtins(readings), separators=(",", ":"))
    attribute = f' data-readings="{escape(plain)}"' if readings else ""
    return drawing.replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg"{attribute} ', 1)
