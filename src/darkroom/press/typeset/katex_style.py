"""What the formulas of a page need of KaTeX's style sheet: a few of its rules, and the fonts that these choose.

The rules stand in the page itself, so that nothing has to be fetched before it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import msgspec

from darkroom.core.errors import UsageError
from darkroom.core.patterns import lazy_pattern
from darkroom.press.inputs import Inputs
from darkroom.press.typeset.fonts import complement, part, read_ranges, written
from darkroom.press.typeset.static_files import named

_FACE = lazy_pattern(r"@font-face\s*\{([^}]*)\}")
_RULE = lazy_pattern(r"([^{}]+)\{([^{}]*)\}")
FONTS = "assets/fonts"
_COMMA = lazy_pattern(r",(?![^()]*\))")
_PSEUDO_CLASS = lazy_pattern(r":[\w-]+\([^()]*\)")  # what stands in :not(...) or :is(...) need not occur
_ROOT = frozenset({"katex"})
_FALLBACK = ("KaTeX_Main", False, False)
_OFTEN = read_ranges(  # ASCII, accents, small Greek letters, and the signs that most formulas make do with
    "U+20-7E,U+A0,U+AF,U+B1,U+B7,U+D7,U+2C6,U+2C9,U+2DC,U+3B1-3C9,U+3D5,U+3F5,U+200B,U+2026,U+2032,U+2190,U+2192,U+2202,"
    "U+2207,U+2208,U+220F,U+2211,U+2212,U+221A,U+221D,U+221E,U+2223,U+2225,U+222B,U+223C,U+2248,U+2264,U+2265,U+226A,"
    "U+226B,U+2299,U+22C5,U+22EF,U+23DF,U+27E8,U+27E9"
)
_PARTED = lazy_pattern(r"KaTeX_(AMS|Main|Math)-")  # the large ones

Style = tuple[str, bool, bool]  # family ("" where inherited), bold, italic


class Selector(msgspec.Struct, frozen=True):
    """One selector of a rule, the classes without which it matches nothing, the rule, and the style it gives."""

    text: str
    classes: frozenset[str]
    body: str
    style: Style


class FontPart(msgspec.Struct, frozen=True):
    """A font file of the site: its address, where it lies, its sha256; ``spread`` declares the characters it is for."""

    target: str
    path: Path
    sha256: str
    spread: str = ""


class MathStyle(msgspec.Struct, frozen=True):
    """KaTeX's style sheet: ``faces`` are (style, file, declarations without the source)."""

    selectors: tuple[Selector, ...]
    faces: tuple[tuple[Style, str, str], ...]

    def needed(self, classes: frozenset[str]) -> tuple[list[Selector], list[str]]:
        """The selectors that can match formulas with these classes, and the font files that they need."""
        active = [selector for selector in self.selectors if selector.classes <= classes]
        styles = [selector.style for selector in active]
        bold = any(style[1] for style in styles if not style[0])
        italic = any(style[2] for style in styles if not style[0])
        wanted = {
            (family, is_bold or more_bold, is_italic or more_italic)
            for family, is_bold, is_italic in {_FALLBACK, *(style for style in styles if style[0])}
            for more_bold in {False, bold}
            for more_italic in {False, italic}
        }
        return active, [file for style, file, _ in self.faces if style in wanted]

    def css(self, active: Iterable[Selector], fonts: Mapping[str, Sequence[FontPart]], root: str) -> str:
        """The rules of *active*, and the faces of *fonts*, the parts of each font file; *root* leads to the site's."""
        rules = [  # only neighbours are joined: which of two rules stands later matters
            f"{','.join(selector.text for selector in group)}{{{body}}}"
            for body, group in groupby(active, key=lambda selector: selector.body)
        ]
        faces = [
            f'@font-face{{{declarations};src:url({root}{each.target}) format("woff2"){each.spread}}}'
            for _, file, declarations in self.faces
            for each in fonts.get(file, ())
        ]
        return "".join([*faces, *rules])


def read_math_style(css: str) -> MathStyle:
    """KaTeX's style sheet, taken apart; a rule of several selectors becomes several."""
    faces = tuple((_face_style(face), _woff2(face), _without_source(face)) for face in _FACE.findall(css))
    selectors = tuple(
        Selector(text.strip(), _classes_of(text), body.strip(), _style_of(body))
        for texts, body in _RULE.findall(_FACE.sub("", css))
        for text in _COMMA.split(texts)
    )
    return MathStyle(selectors, faces)


def font_parts(file: str, katex: Path, inputs: Inputs, cache: Path) -> list[FontPart]:
    """A font file of KaTeX as published: whole, or the characters that are often met and the others.

    Raises:
        UsageError: it is missing or cannot be read.
    """
    path = katex / "dist/fonts" / file
    if not inputs.digest(path):
        raise not_whole(katex, path)
    if not _PARTED.match(file):
        digest = inputs.digest(path)
        return [FontPart(named(file, digest, FONTS), path, digest)]
    parts = []
    for ranges in (_OFTEN, complement(_OFTEN)):
        made = part(path, ranges, inputs, cache)
        parts.append(FontPart(f"{FONTS}/{made.name}", made, inputs.digest(made), f";unicode-range:{written(ranges)}"))
    return parts


def _classes_of(selector: str) -> frozenset[str]:
    """The classes without which a selector matches nothing."""
    return (
        frozenset(re.findall(r"\.([A-Za-z_][\w-]*)", _PSEUDO_CLASS.sub("", selector) if ":" in selector else selector))
        - _ROOT
    )


def not_whole(katex: Path, lacking: Path) -> UsageError:
    """What is said where KaTeX's folder lacks a file, or one cannot be read."""
    return UsageError(f"{lacking} is missing or damaged; delete {katex.parent} and build again")


def _style_of(body: str) -> Style:
    if "font" not in body:
        return "", False, False
    family = re.search(r"KaTeX_\w+", body)
    bold = re.search(r"font-weight:\s*(?:700|bold)", body) is not None
    italic = re.search(r"font-style:\s*italic", body) is not None
    return family[0] if family else "", bold, italic


def _face_style(face: str) -> Style:
    family = re.search(r"font-family:\s*([^;}]+)", face)
    return (family[1].strip("\"' ") if family else ""), "font-weight:700" in face, "font-style:italic" in face


def _without_source(face: str) -> str:
    return ";".join(part for part in face.split(";") if part.strip() and not part.strip().startswith("src:"))


def _woff2(face: str) -> str:
    found = re.search(r"fonts/([\w-]+\.woff2)", face)
    return found[1] if found else ""
