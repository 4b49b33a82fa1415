"""Static files and KaTeX's style sheet, published under names that carry a digest of what is in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from darkroom.lab.errors import Fault
from darkroom.press.packages import FOLDER, install
from darkroom.press.record import Inputs, sha256

_URL = re.compile(r"url\(\s*([\"']?)([^)\"']+)\1\s*\)")
_FACE = re.compile(r"@font-face\s*\{([^}]*)\}")
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".avif"})


@dataclass(frozen=True)
class Asset:
    """A file of the site: its address and its content."""

    target: str
    content: bytes


def hashed(name: str, content: bytes, folder: str = "assets") -> str:
    """The address of *content* under *name*: ``style.css`` becomes ``assets/style.3fa9c2d1e0.css``."""
    path = PurePosixPath(name)
    return f"{folder}/{path.with_suffix('')}.{sha256(content)[:10]}{path.suffix}"


def read_static(folder: Path, inputs: Inputs, shown: str) -> tuple[dict[str, Asset], list[Fault]]:
    """Every file in *folder* by its name there; addresses in style sheets are rewritten. *shown* is for messages.

    A font that a style sheet takes from an npm package, by ``../node_modules/...``, is there as ``fonts/<its name>``.

    Raises:
        UsageError: npm packages cannot be had.
    """
    paths = {path.relative_to(folder).as_posix(): path for path in inputs.walk(folder)}
    assets: dict[str, Asset] = {}
    faults: list[Fault] = []
    for name in sorted(paths, key=lambda name: (name.endswith(".css"), name)):
        content = inputs.read(paths[name])
        if name.endswith(".css"):
            css = content.decode("utf-8")
            assets |= _fonts(css, folder.parent, inputs)
            content, wrong = _rewrite(css, name, assets, shown)
            faults += wrong
        assets[name] = Asset(hashed(name, content), content)
    return assets, faults


def _fonts(css: str, templates: Path, inputs: Inputs) -> dict[str, Asset]:
    """The fonts from npm packages that a style sheet names."""
    wanted = {target for _, target in _URL.findall(css) if _font(target)}
    if wanted:
        install(templates)
    fonts = {}
    for target in sorted(wanted):
        path = templates / target.removeprefix("../")
        if inputs.digest(path):
            name, content = _font(target), inputs.read(path)
            fonts[name] = Asset(hashed(name, content), content)
    return fonts


def _font(target: str) -> str:
    """``fonts/x.woff2`` for ``../node_modules/a/b/x.woff2``, else empty."""
    return f"fonts/{PurePosixPath(target).name}" if target.startswith(f"../{FOLDER}/") else ""


def _rewrite(css: str, name: str, assets: Mapping[str, Asset], shown: str) -> tuple[bytes, list[Fault]]:
    faults = []
    depth = "../" * (name.count("/"))

    def replace(found: re.Match[str]) -> str:
        target = found[2].strip()
        if target.startswith(("data:", "#")):
            return found[0]
        wanted = _font(target) or str(PurePosixPath(name).parent / target).removeprefix("./")
        if wanted not in assets:
            line = css.count("\n", 0, found.start()) + 1
            message = f"{target} is not in templates/static or a pinned package; nothing is loaded from elsewhere"
            faults.append(Fault(f"{shown}/{name}", line, 1, "link", message))
            return found[0]
        return f"url({depth}{assets[wanted].target.removeprefix('assets/')})"

    return _URL.sub(replace, css).encode(), faults


def picture_sizes(folder: Path, names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Width and height in pixels of each picture among *names*; a vector picture without a view box is left out."""
    sizes = {}
    for name in names:
        if PurePosixPath(name).suffix == ".svg":
            box = re.search(r'viewBox="[\d.]+ [\d.]+ ([\d.]+) ([\d.]+)"', (folder / name).read_text(encoding="utf-8"))
            if box:
                sizes[name] = (round(float(box[1])), round(float(box[2])))
        else:
            from PIL import Image

            with Image.open(folder / name) as picture:
                sizes[name] = picture.size
    return sizes


@dataclass(frozen=True)
class MathStyle:
    """KaTeX's style sheet, parsed as far as fonts go.

    ``rules`` are (classes, family, bold, italic) of every rule that chooses a font; ``faces`` are (family, bold,
    italic, file).
    """

    css: str
    rules: tuple[tuple[frozenset[str], str, bool, bool], ...]
    faces: tuple[tuple[str, bool, bool, str], ...]
    folder: Path

    @property
    def classes(self) -> frozenset[str]:
        """Every class that has a say in fonts."""
        return frozenset().union(*(classes for classes, *_ in self.rules))

    def used(self, classes: frozenset[str]) -> list[str]:
        """The font files that formulas with these classes need."""
        active = [rule for rule in self.rules if rule[0] <= classes]
        bold = any(rule[2] for rule in active if not rule[1])
        italic = any(rule[3] for rule in active if not rule[1])
        chosen = {("KaTeX_Main", False, False), *(rule[1:] for rule in active if rule[1])}
        wanted = {
            (family, is_bold or more_bold, is_italic or more_italic)
            for family, is_bold, is_italic in chosen
            for more_bold in {False, bold}
            for more_italic in {False, italic}
        }
        return [file for *style, file in self.faces if tuple(style) in wanted]

    def publish(self, classes: frozenset[str], inputs: Inputs) -> list[Asset]:
        """The style sheet, first, and the fonts that it names: woff2, and only those that are used."""
        fonts = {file: inputs.read(self.folder / "fonts" / file) for file in self.used(classes)}
        names = {file: Asset(hashed(file, content, "assets/fonts"), content) for file, content in fonts.items()}

        def face(found: re.Match[str]) -> str:
            file = _woff2(found[1])
            if file not in names:
                return ""
            source = f'src:url({names[file].target.removeprefix("assets/")}) format("woff2")'
            return "@font-face{" + re.sub(r"src:[^;}]*(?:;(?=src:)src:[^;}]*)*", source, found[1]) + "}"

        css = _FACE.sub(face, self.css).encode()
        return [Asset(hashed("katex.css", css), css), *names.values()]


def read_math_style(katex: Path, inputs: Inputs) -> MathStyle:
    """The style sheet of KaTeX as installed in *katex*."""
    css = inputs.text(katex / "dist/katex.min.css")
    faces = tuple(
        (_value(face, "font-family"), "700" in _value(face, "font-weight"), "italic" in face, _woff2(face))
        for face in _FACE.findall(css)
    )
    rules = tuple(
        (frozenset(re.findall(r"\.([\w-]+)", selector)) - {"katex"}, *_font_of(body))
        for selectors, body in _RULE.findall(_FACE.sub("", css))
        for selector in selectors.split(",")
        if "font" in body and any(_font_of(body))
    )
    return MathStyle(css, rules, faces, katex / "dist")


def _font_of(body: str) -> tuple[str, bool, bool]:
    family = re.search(r"KaTeX_\w+", body)
    bold = re.search(r"font-weight:\s*(?:700|bold)", body) is not None
    italic = re.search(r"font-style:\s*italic", body) is not None
    return family[0] if family else "", bold, italic


def _value(body: str, name: str) -> str:
    found = re.search(rf"{name}:\s*([^;}}]+)", body)
    return found[1].strip("\"' ") if found else ""


def _woff2(face: str) -> str:
    found = re.search(r"fonts/([\w-]+\.woff2)", face)
    return found[1] if found else ""
