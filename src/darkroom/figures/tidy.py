"""Elements of SVG, written as short as they can be, without inline styles, which policies of pages forbid."""

from __future__ import annotations

import re
from functools import lru_cache

_STYLES = re.compile(r"<style\b[^>]*>.*?</style>\s*", re.DOTALL)
_EMPTY = re.compile(r"<defs>\s*</defs>\s*")
_STYLE = re.compile(r' style="([^"]*)"')
_REFERRED = re.compile(r'url\(#([^)"]+)\)|href="#([^"]+)"')
_ID = re.compile(r' id="([^"]*)"')
_GROUP = re.compile(r"<g>|<g [^>]*>|</g>")
_UNSEEN = re.compile(r'<path d="[^"]*"(?: clip-path="[^"]*")? fill="none"/>')
_PATH = re.compile(r' d="([^"]*)"')
_COMMAND = re.compile(r"([A-Za-z])([^A-Za-z]*)")


def tidied(elements: str) -> str:
    """The same drawing: no style sheets, declarations as attributes, ids that something refers to, short paths.

    *elements* are what stands within ``<svg>``. Lines end where an element does.
    """
    body = _EMPTY.sub("", _STYLES.sub("", elements)).replace("xlink:href", "href")
    body = _STYLE.sub(lambda found: _attributes(found[1]), body)
    referred = {one or other for one, other in _REFERRED.findall(body)}
    body = _ID.sub(lambda found: found[0] if found[1] in referred else "", body)
    body = _PATH.sub(lambda found: f' d="{short_path(found[1])}"', _UNSEEN.sub("", _without_bare_groups(body)))
    return re.sub(r">\s*\n\s*<", ">\n<", body.strip())


def _attributes(style: str) -> str:
    """Declarations as presentation attributes."""
    pairs = (each.partition(":") for each in style.split(";") if ":" in each)
    return "".join(f' {name.strip()}="{value.strip()}"' for name, _, value in pairs)


def _without_bare_groups(body: str) -> str:
    """Without the groups that say nothing of what is in them: half of all elements that a plot has."""
    kept: list[bool] = []

    def tag(found: re.Match[str]) -> str:
        if found[0] != "</g>":
            kept.append(found[0] != "<g>")
            return found[0] if kept[-1] else ""
        return found[0] if kept.pop() else ""

    return _GROUP.sub(tag, body)


def short_path(path: str) -> str:
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
