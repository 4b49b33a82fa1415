"""Plots set into the page itself: their text can be selected and takes the page's typeface, their colours the theme's."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from itertools import zip_longest

from darkroom.press.typeset.typography import escape

_COLOUR = re.compile(r"(#[0-9a-fA-F]{6})\b")
_OPENING = re.compile(r"<svg\b[^>]*>")
_SIZE = re.compile(r'\b(width|height|viewBox)="([^"]*)"')
_DROPPED = re.compile(r"<(title|desc|style)\b[^>]*>.*?</\1>\s*", re.DOTALL)
_EMPTY = re.compile(r"<defs>\s*</defs>\s*")
_STYLE = re.compile(r' style="([^"]*)"')
_REFERRED = re.compile(r'url\(#([^)"]+)\)|href="#([^"]+)"')
_ID = re.compile(r' id="([^"]*)"')
_GROUP = re.compile(r"<g>|<g [^>]*>|</g>")
_UNSEEN = re.compile(r'<path d="[^"]*"(?: clip-path="[^"]*")? fill="none"/>')
_PATH = re.compile(r' d="([^"]*)"')
_COMMAND = re.compile(r"([A-Za-z])([^A-Za-z]*)")


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
    body = _PATH.sub(lambda found: f' d="{_short(found[1])}"', _UNSEEN.sub("", _without_bare_groups(body)))
    body = re.sub(r">\s*\n\s*<", "><", body.strip())
    return f'<svg {size} role="img" aria-label="{escape(label)}" stroke-linejoin="round">{body}'


def standing_alone(drawing: str, readings: object = None) -> str:
    """What :func:`inline` gives, as a file; what can be read off it, *readings*, goes along as ``data-readings``."""
    told = f' data-readings="{escape(json.dumps(readings, separators=(",", ":")))}"' if readings else ""
    return drawing.replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg"{told} ', 1)


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


def _without_bare_groups(body: str) -> str:
    """Without the groups that say nothing of what is in them: half of all elements that a plot has."""
    kept: list[bool] = []

    def tag(found: re.Match[str]) -> str:
        if found[0] != "</g>":
            kept.append(found[0] != "<g>")
            return found[0] if kept[-1] else ""
        return found[0] if kept.pop() else ""

    return _GROUP.sub(tag, body)


def _short(path: str) -> str:
    """A path of absolute M, L, C, Q and Z by steps from point to point, to a tenth of a pixel: a third of the length.

    Each step goes from where the last one ended when rounded, so that nothing adds up. Other paths are left as they are.
    """
    steps: list[tuple[str, list[int]]] = []
    x, y, start = 0, 0, (0, 0)
    for letter, numbers in _COMMAND.findall(path):
        try:
            values = [round(10 * float(number)) for number in numbers.replace(",", " ").split()]
        except (ValueError, OverflowError):  # no numbers, which browsers draw nothing from
            return path
        if letter in "Zz":
            steps.append(("z", []))
            x, y = start
            continue
        if letter not in "MLCQ" or not values or len(values) % 2:
            return path
        away = [value - (y if place % 2 else x) for place, value in enumerate(values)]
        x, y = values[-2:]
        if letter == "M":
            steps.append(("M", values))
            start = (x, y)
        elif letter == "L" and len(away) == 2 and 0 in away:
            steps.append(("h", away[:1]) if away[1] == 0 else ("v", away[1:]))
        else:
            steps.append((letter.lower(), away))
    return _written(steps)


def _written(steps: list[tuple[str, list[int]]]) -> str:
    """Commands with numbers in tenths; one that is like the last is not named again."""
    text, before = "", ""
    for letter, values in steps:
        numbers = "".join(map(_tenths, values))
        text += numbers if letter == before and letter not in "Mz" else letter + numbers.lstrip(" ")
        before = letter
    return text


@lru_cache(maxsize=10_000)
def _tenths(value: int) -> str:
    """-5 as "-.5", 120 as " 12": numbers that follow one another."""
    whole, part = divmod(abs(value), 10)
    digits = (str(whole) if whole or not part else "") + (f".{part}" if part else "")
    return f"-{digits}" if value < 0 else f" {digits}"


def _attributes(style: str) -> str:
    """Declarations as presentation attributes, which a policy without inline styles allows."""
    pairs = (each.partition(":") for each in style.split(";") if ":" in each)
    named = ((name.strip(), value.strip()) for name, _, value in pairs)
    return "".join(f' {name}="{value}"' for name, value in named if name in _PRESENTATION)


# SVG 2, section 6.6: a property of another name, such as onclick, would be an attribute of another meaning.
_PRESENTATION = frozenset(
    (  # noqa: SIM905
        "clip-path clip-rule color color-interpolation cursor direction display dominant-baseline fill fill-opacity "
        "fill-rule filter flood-color flood-opacity font-family font-size font-stretch font-style font-variant font-weight "
        "image-rendering letter-spacing lighting-color marker-end marker-mid marker-start mask opacity overflow paint-order "
        "pointer-events shape-rendering stop-color stop-opacity stroke stroke-dasharray stroke-dashoffset stroke-linecap "
        "stroke-linejoin stroke-miterlimit stroke-opacity stroke-width text-anchor text-decoration text-rendering transform "
        "unicode-bidi vector-effect visibility word-spacing writing-mode"
    ).split()
)
