"""KaTeX's HTML as pages take it: valid, and with classes in place of style attributes."""

from __future__ import annotations

import html
from collections.abc import Iterable
from functools import lru_cache

from darkroom.core.patterns import lazy_pattern


def reply(html: str) -> str:
    """KaTeX's HTML as pages take it."""
    return unstyled(_valid(html))


def _valid(html: str) -> str:
    """KaTeX's HTML without what a validator objects to in the cells of its MathML: widths, and a space before ``=``."""
    return html.replace('<mtd width="50%">', "<mtd>").replace('<mtd class ="', '<mtd class="')


def unstyled(content: str) -> str:
    """KaTeX's HTML with a class for each declaration of its style attributes, which a strict policy would not allow.

    ``style="height:2.7em;"`` becomes the class ``k_height_2D7em``, from which :func:`rules` makes the rule again; a
    declaration with capitals or other signs is spelt in hexadecimal digits after ``kx_``.
    """
    head, *rest = content.split(' style="')
    made = [head]
    for part in rest:
        style, _, after = part.partition('"')
        made[-1:] = [*_with_classes(made[-1], style), after]
    return "".join(made)


def classes_of(html: str) -> set[str]:
    """Every class in *html*."""
    return {name for names in set(_CLASSES.findall(html)) for name in names.split()}


def rules(classes: Iterable[str]) -> str:
    """The style rules for those of *classes* that :func:`unstyled` made, sorted."""
    names = sorted(name for name in classes if name.startswith(("k_", "kx_")))
    return "".join(f".{name}{{{_declaration(name)}!important}}" for name in names)


def largest_length(html: str) -> float:
    """The largest size or distance that *html*, of a formula, states in its style, in em; which way does not matter."""
    return max((float(length.replace("D", ".")) for length in _LENGTHS.findall(html)), default=0.0)


_LENGTHS = lazy_pattern(r"\bk_[a-z-]+_-?(\d*D?\d+)em\b")
_CLASSES = lazy_pattern(r'class="([^"]*)"')
_NAMED = lazy_pattern(r"[a-z-]+_[A-Za-z0-9-]+")
_AS_NAME = str.maketrans({":": "_", ".": "D", "%": "P", "#": "H", " ": "S"})
_AS_VALUE = str.maketrans({"_": ":", "D": ".", "P": "%", "H": "#", "S": " "})


def _with_classes(before: str, style: str) -> tuple[str, str]:
    """What stands before a style attribute, a class of which takes up its declarations, and what takes its place."""
    added = _class_names(style)
    if before.endswith('"') and before.rfind(' class="') == before.rfind("=") - 6:
        return f'{before[:-1]} {added}"', ""
    return before, f' class="{added}"'


@lru_cache(maxsize=10_000)  # of hundreds of thousands on a site some hundred are different
def _class_names(style: str) -> str:
    return " ".join(_class_name(each.strip()) for each in html.unescape(style).split(";") if each.strip())


def _class_name(declaration: str) -> str:
    name = declaration.translate(_AS_NAME)
    plainly = declaration == declaration.lower() and _NAMED.fullmatch(name)
    return f"k_{name}" if plainly else f"kx_{declaration.encode().hex()}"


def _declaration(name: str) -> str:
    kind, _, rest = name.partition("_")
    return rest.translate(_AS_VALUE) if kind == "k" else bytes.fromhex(rest).decode()
