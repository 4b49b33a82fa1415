"""What the formulas of a page need of KaTeX's style sheet: a few of its rules, and the fonts that these choose.

The rules stand in the page itself, so that nothing has to be fetched before it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from darkroom.press.assets import named
from darkroom.press.record import Inputs

_FACE = re.compile(r"@font-face\s*\{([^}]*)\}")
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_ROOT = frozenset({"katex"})
_FALLBACK = ("KaTeX_Main", False, False)

Style = tuple[str, bool, bool]  # family ("" where inherited), bold, italic


@dataclass(frozen=True)
class Selector:
    """One selector of a rule, the classes without which it matches nothing, the rule, and the style it gives."""

    text: str
    classes: frozenset[str]
    body: str
    style: Style


@dataclass(frozen=True)
class MathStyle:
    """KaTeX's style sheet: ``faces`` are (style, file, declarations but for the source)."""

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

    def css(self, active: Iterable[Selector], fonts: dict[str, str]) -> str:
        """The rules of *active*, and the faces of *fonts*, which maps a font file to its address."""
        rules = [  # only neighbours are joined: which of two rules stands later matters
            f"{','.join(selector.text for selector in group)}{{{body}}}"
            for body, group in groupby(active, key=lambda selector: selector.body)
        ]
        faces = [
            f'@font-face{{{declarations};src:url({fonts[file]}) format("woff2")}}'
            for _, file, declarations in self.faces
            if file in fonts
        ]
        return "".join([*faces, *rules])


def read_math_style(css: str) -> MathStyle:
    """KaTeX's style sheet, taken apart; a rule of several selectors becomes several."""
    faces = tuple((_face_style(face), _woff2(face), _without_source(face)) for face in _FACE.findall(css))
    selectors = tuple(
        Selector(text.strip(), frozenset(re.findall(r"\.([\w-]+)", text)) - _ROOT, body.strip(), _style_of(body))
        for texts, body in _RULE.findall(_FACE.sub("", css))
        for text in texts.split(",")
    )
    return MathStyle(selectors, faces)


def font_target(file: str, katex: Path, inputs: Inputs) -> tuple[str, Path, str]:
    """The address of a font file on the site, where it lies, and its sha256."""
    path = katex / "dist/fonts" / file
    digest = inputs.digest(path)
    return named(file, digest, "assets/fonts"), path, digest


def _style_of(body: str) -> Style:
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
