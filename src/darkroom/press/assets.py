"""Static files, published under names that carry a digest of what is in them."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from darkroom.lab.errors import ContentError, Fault
from darkroom.press.fonts import part, read_ranges
from darkroom.press.packages import FOLDER, install
from darkroom.press.record import Inputs, sha256
from darkroom.press.tree import decode

_URL = re.compile(r"url\(\s*([\"']?)([^)\"']+)\1\s*\)")
_FACE = re.compile(r"(@font-face\s*\{[^}]*\})")
_UNICODE_RANGE = re.compile(r"unicode-range\s*:\s*([^;}]+)")
_SPARE = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|/\*.*?\*/|\s*([{};,])\s*|\s+""", re.DOTALL)
INLINE = "#inline"


@dataclass(frozen=True)
class Asset:
    """A file of the site: its address and its content."""

    target: str
    content: bytes


def hashed(name: str, content: bytes, folder: str = "assets") -> str:
    """The address of *content* under *name*: ``style.css`` becomes ``assets/style.3fa9c2d1e0.css``."""
    return named(name, sha256(content), folder)


def named(name: str, digest: str, folder: str = "assets") -> str:
    """The address of what has that sha256 under *name*."""
    path = PurePosixPath(name)
    return f"{folder}/{path.with_suffix('')}.{digest[:10]}{path.suffix}"


def read_static(folder: Path, inputs: Inputs, cache: Path, shown: str) -> tuple[dict[str, Asset], list[Fault]]:
    """Every file in *folder* by its name there; addresses in style sheets are rewritten, comments and spare space in them
    and in scripts are dropped. *shown* is for messages.

    A font that a style sheet takes from an npm package, by ``../node_modules/...``, is there as ``fonts/<its name>``.
    Where its face has a ``unicode-range``, it is a font of those characters alone, made in *cache*; the second such part
    of a font, ``x.woff2``, is ``fonts/x-2.woff2``. One named with ``#inline`` stands in the style sheet itself.

    Raises:
        UsageError: npm packages cannot be had.
    """
    paths = {path.relative_to(folder).as_posix(): path for path in inputs.walk(folder)}
    assets: dict[str, Asset] = {}
    fonts: Fonts = {}
    faults: list[Fault] = []
    for name in sorted(paths, key=lambda name: (_is(name, ".css"), name)):
        content = inputs.read(paths[name])
        text, wrong = _text(content, f"{shown}/{name}") if _is(name, ".css", ".js") else ("", [])
        faults += wrong
        if _is(name, ".css"):
            css = text
            new = _new_fonts(css, fonts)
            if new:
                install(folder.parent)
            assets |= _font_assets(new, folder.parent, inputs, cache)
            fonts |= new
            content, wrong = _rewrite(css, name, assets, fonts, shown)
            faults += wrong
        elif _is(name, ".js"):
            content = brief_script(text).encode()
        assets[name] = Asset(hashed(name, content), content)
    within = {name for (target, _), name in fonts.items() if target.endswith(INLINE)}
    return {name: asset for name, asset in assets.items() if name not in within}, faults


def _is(name: str, *suffixes: str) -> bool:
    return name.lower().endswith(suffixes)


def _text(content: bytes, shown: str) -> tuple[str, Sequence[Fault]]:
    """The text of a style sheet or script; where it is in another encoding, nothing and what to say of it."""
    try:
        return decode(content, shown), ()
    except ContentError as error:
        return "", error.faults


Fonts = dict[tuple[str, str], str]  # by source and unicode-range, "" where there is none: the asset's name


def _new_fonts(css: str, known: Fonts) -> Fonts:
    """The fonts from npm packages that a style sheet names and no other did."""
    fonts = dict(known)
    for _, spread, text in _pieces(css):
        for _, target in _URL.findall(text):
            if target.startswith(f"../{FOLDER}/") and (target, spread) not in fonts:
                path = PurePosixPath(target.removesuffix(INLINE))
                before = sum(source.removesuffix(INLINE) == str(path) for source, _ in fonts)
                fonts[target, spread] = f"fonts/{path.stem}{f'-{before + 1}' if before else ''}{path.suffix}"
    return {key: name for key, name in fonts.items() if key not in known}


def _pieces(css: str) -> Iterator[tuple[int, str, str]]:
    """A style sheet in pieces, its font faces apart: where each begins, its unicode-range, and its text."""
    start = 0
    for text in _FACE.split(css):
        spread = _UNICODE_RANGE.search(text) if text.startswith("@font-face") else None
        yield start, spread[1].strip() if spread else "", text
        start += len(text)


def _font_assets(fonts: Fonts, templates: Path, inputs: Inputs, cache: Path) -> dict[str, Asset]:
    assets = {}
    for (target, spread), name in fonts.items():
        path = templates / target.removeprefix("../").removesuffix(INLINE)
        ranges = _read_ranges(spread)
        if ranges is not None and inputs.digest(path):
            content = inputs.read(part(path, ranges, inputs, cache) if ranges else path)
            assets[name] = Asset(hashed(name, content), content)
    return assets


def _read_ranges(spread: str) -> list[tuple[int, int]] | None:
    try:
        return read_ranges(spread) if spread else []
    except ValueError:
        return None


def _rewrite(css: str, name: str, assets: Mapping[str, Asset], fonts: Fonts, shown: str) -> tuple[bytes, list[Fault]]:
    faults = []
    depth = "../" * (name.count("/"))

    def fault(position: int, rule: str, message: str) -> None:
        faults.append(Fault(f"{shown}/{name}", css.count("\n", 0, position) + 1, 1, rule, message))

    def replace(found: re.Match[str], start: int, spread: str) -> str:
        target = found[2].strip()
        if target.startswith(("data:", "#")):
            return found[0]
        wanted = fonts.get((target, spread)) or str(PurePosixPath(name).parent / target).removeprefix("./")
        if wanted in assets and target.endswith(INLINE):
            return f"url(data:font/woff2;base64,{base64.b64encode(assets[wanted].content).decode()})"
        if wanted in assets:
            return f"url({depth}{assets[wanted].target.removeprefix('assets/')})"
        if _read_ranges(spread) is None:
            fault(start, "font", f"unicode-range: {spread} is not a list of ranges such as U+20-7E, U+2013")
        else:
            message = f"{target} is not in templates/static or a pinned package; nothing is loaded from elsewhere"
            fault(start + found.start(), "link", message)
        return found[0]

    pieces = [_URL.sub(partial(replace, start=start, spread=spread), text) for start, spread, text in _pieces(css)]
    return brief("".join(pieces)).encode(), faults


def brief(css: str) -> str:
    """A style sheet without its comments and the space that it does not need; strings are left as they are."""
    return _SPARE.sub(lambda found: found[1] or found[2] or ("" if found[0].startswith("/*") else " "), css).strip()


def brief_script(script: str) -> str:
    """A script without the lines that are comments or blank, and without indentation.

    It is left as it is where a template literal or a string reaches over several lines, for there such space is text.
    """
    lines = [line.strip() for line in script.splitlines()]
    if any(line.count("`") % 2 or line.endswith("\\") for line in lines):
        return script
    return "\n".join(line for line in lines if line and not line.startswith("//")) + "\n"
