"""Plots set into the page itself: their text can be selected and takes the page's typeface, their colours the theme's."""

from __future__ import annotations

import re
from itertools import zip_longest

from darkroom.press.text import escape

_COLOUR = re.compile(r"(#[0-9a-fA-F]{6})\b")
_OPENING = re.compile(r"<svg\b[^>]*>")
_SIZE = re.compile(r'\b(width|height|viewBox)="([^"]*)"')
_DROPPED = re.compile(r"<(title|desc|style)\b[^>]*>.*?</\1>\s*", re.DOTALL)
_EMPTY = re.compile(r"<defs>\s*</defs>\s*")
_STYLE = re.compile(r' style="([^"]*)"')
_REFERRED = re.compile(r'url\(#([^)"]+)\)|href="#([^"]+)"')
_ID = re.compile(r' id="([^"]*)"')


def inline(light: str, dark: str, prefix: str, label: str) -> str:
    """One SVG for both themes, to stand in a page, or "" where *light* and *dark* differ in more than colours.

    Args:
        light, dark: the same drawing in the colours of each page.
        prefix: makes ids the page's only ones.
        label: what the drawing shows, for who cannot see it.
    """
    merged = _merged(light, dark)
    opening = _OPENING.search(merged)
    if not opening:
        return ""
    size = " ".join(f'{name}="{value}"' for name, value in _SIZE.findall(opening[0]))
    body = _EMPTY.sub("", _DROPPED.sub("", merged[opening.end() :])).replace("xlink:href", "href")
    body = _STYLE.sub(lambda found: _attributes(found[1]), body)
    referred = {one or other for one, other in _REFERRED.findall(body)}
    body = _ID.sub(lambda found: f' id="{prefix}-{found[1]}"' if found[1] in referred else "", body)
    body = _REFERRED.sub(lambda found: found[0].replace("#", f"#{prefix}-"), body)
    return f'<svg {size} role="img" aria-label="{escape(label)}" stroke-linejoin="round">{body.rstrip()}'


def _merged(light: str, dark: str) -> str:
    pieces = []
    for number, (one, other) in enumerate(zip_longest(_COLOUR.split(light), _COLOUR.split(dark), fillvalue="")):
        if number % 2 and one.lower() != other.lower():
            pieces.append(f"light-dark({one},{other})")
        elif number % 2 or one == other:
            pieces.append(one)
        else:
            return ""
    return "".join(pieces)


def _attributes(style: str) -> str:
    """Declarations as presentation attributes, which a policy without inline styles allows."""
    pairs = (each.partition(":") for each in style.split(";") if ":" in each)
    return "".join(f' {name.strip()}="{value.strip()}"' for name, _, value in pairs)
