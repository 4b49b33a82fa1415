"""Static files, published under names that carry a digest of what is in them."""

from __future__ import annotations

import base64
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from mimetypes import guess_type
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote

import msgspec

from darkroom.core.digests import sha256
from darkroom.core.errors import ContentError, Fault
from darkroom.core.patterns import lazy_pattern
from darkroom.press.faults import place
from darkroom.press.inputs import Inputs
from darkroom.press.theme import LOCK, Theme
from darkroom.press.typeset.fonts import part, read_ranges
from darkroom.press.typeset.npm import FOLDER, install
from darkroom.press.typeset.sheets import Sheet, StyleAddress
from darkroom.press.typeset.styles import Styles, readers
from darkroom.press.typeset.tree import decode
from darkroom.press.typeset.typography import composed

_ELSEWHERE = lazy_pattern(r"[a-z][a-z0-9+.-]*:|//|/", re.IGNORECASE)
_FACE = lazy_pattern(r"@font-face\s*\{[^}]*\}", re.IGNORECASE)
_UNICODE_RANGE = lazy_pattern(r"unicode-range\s*:\s*([^;}]+)")
_SAFE = "/-._~!$&*+,;=:@"  # what an address may hold that stands without quotes
INLINE = "#inline"
FONTS = (".woff2", ".woff", ".ttf", ".otf")


class Asset(msgspec.Struct, frozen=True):
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


def read_static(
    theme: Theme, inputs: Inputs, cache: Path, shown: Callable[[Path], str]
) -> tuple[dict[str, Asset], list[Fault]]:
    """Every static file of a theme by its name; addresses in style sheets are rewritten, comments and spare space in
    them and in scripts are dropped. *shown* names a path in messages.

    A font that a style sheet takes from an npm package, by ``../node_modules/...``, is there as ``fonts/<its name>``.
    Where its face has a ``unicode-range``, it is a font of those characters alone, made in *cache*; the second such
    part of a font, ``x.woff2``, is ``fonts/x-2.woff2``. One named with ``#inline`` stands in the style sheet itself.

    Raises:
        UsageError: npm packages are not available.
    """
    paths = {composed(name): path for name, path in theme.files("static", inputs).items()}
    assets: dict[str, Asset] = {}
    fonts: Fonts = {}
    faults: list[Fault] = []
    contents = {name: inputs.read(path) for name, path in paths.items()}
    texts: dict[str, str] = {}
    for name, path in paths.items():
        if _is(name, ".css", ".js"):
            texts[name], wrong = _text(contents[name], shown(path))
            faults += wrong
    styles = Styles(cache / "styles.json", "".join(map(inputs.digest, readers())))
    sheets = {name: styles.read(text) for name, text in texts.items() if _is(name, ".css")}
    for name in _in_order(sheets, sorted(paths)):
        content = contents[name]
        if name in sheets:
            new = _new_fonts(sheets[name], fonts)
            if new:
                install(theme.path(LOCK, inputs).parent, theme.packages)
            assets |= _font_assets(new, theme.packages, inputs, cache)
            fonts |= new
            css, wrong = _rewrite(sheets[name], name, assets, fonts, shown(paths[name]))
            content = styles.brief(css).encode()
            faults += wrong
        elif _is(name, ".js"):
            content = brief_script(texts[name]).encode()
        assets[name] = Asset(hashed(name, content), content)
    styles.keep()
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


def _new_fonts(sheet: Sheet, known: Fonts) -> Fonts:
    """The fonts from npm packages that a style sheet names and no other did."""
    fonts = dict(known)
    for address, spread in _with_ranges(sheet):
        target = address.target
        if _is_packaged(target) and (target, spread) not in fonts:
            path = PurePosixPath(target.removesuffix(INLINE))
            before = sum(source.removesuffix(INLINE) == str(path) for source, _ in fonts)
            fonts[target, spread] = f"fonts/{path.stem}{f'-{before + 1}' if before else ''}{path.suffix}"
    return {key: name for key, name in fonts.items() if key not in known}


def _is_packaged(target: str) -> bool:
    """Whether an address leads to a font in an npm package, and to nothing else."""
    path = target.removesuffix(INLINE)
    return path.startswith(f"../{FOLDER}/") and posixpath.normpath(path) == path and path.endswith(FONTS)


def _with_ranges(sheet: Sheet) -> Iterator[tuple[StyleAddress, str]]:
    """The addresses of a style sheet, each with the unicode-range of the font face that it stands in, or ""."""
    faces = [(found.start(), found.end(), _UNICODE_RANGE.search(found[0])) for found in _FACE.finditer(sheet.text)]
    for address in sheet.addresses:
        spread = next((spread for start, end, spread in faces if start < address.start < end), None)
        yield address, spread[1].strip() if spread else ""


def _font_assets(fonts: Fonts, packages: Path, inputs: Inputs, cache: Path) -> dict[str, Asset]:
    assets = {}
    for (target, spread), name in fonts.items():
        path = packages / target.removeprefix("../").removesuffix(INLINE)
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


def _in_order(sheets: Mapping[str, Sheet], names: Sequence[str]) -> list[str]:
    """Style sheets after what they name, as far as they do not name each other."""
    ordered: dict[str, None] = dict.fromkeys(name for name in names if name not in sheets)

    def add(name: str, above: frozenset[str]) -> None:
        for address in sheets[name].addresses if name not in ordered else ():
            other = _local(address.target, name)[0]
            if other in sheets and other not in above:
                add(other, above | {name})
        ordered.setdefault(name)

    for name in sorted(sheets):
        add(name, frozenset({name}))
    return list(ordered)


def _local(target: str, name: str) -> tuple[str, str]:
    """The static file that an address in the style sheet *name* leads to, and what stands behind it, such as ``#icon``."""
    path, mark, behind = re.fullmatch(r"([^?#]*)([?#]?)(.*)", target, re.DOTALL).groups()  # type: ignore[union-attr]
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), composed(unquote(path)))), mark + behind


def _rewrite(sheet: Sheet, name: str, assets: Mapping[str, Asset], fonts: Fonts, shown: str) -> tuple[str, list[Fault]]:
    faults = [Fault(shown, *place(sheet.text, at), "style", message) for at, message in sheet.faults]
    depth = "../" * (name.count("/"))

    def fault(position: int, rule: str, message: str) -> None:
        faults.append(Fault(shown, *place(sheet.text, position), rule, message))

    def rewritten(address: StyleAddress, spread: str) -> str:
        """The new address, or "" for the same as before."""
        target = address.target
        if target.startswith("#") or re.match("data:", target, re.IGNORECASE):
            return ""
        font = fonts.get((target, spread))
        whole = posixpath.normpath(posixpath.join(posixpath.dirname(name), composed(target)))
        wanted, behind = (font, "") if font else (whole, "") if whole in assets else _local(target, name)
        if wanted in assets and target.endswith(INLINE):
            kind = "font/woff2" if font else guess_type(wanted)[0] or "application/octet-stream"
            return f"data:{kind};base64,{base64.b64encode(assets[wanted].content).decode()}"
        if wanted in assets and not _ELSEWHERE.match(target):
            return f"{depth}{quote(assets[wanted].target.removeprefix('assets/'), safe=_SAFE)}{behind}"
        if _read_ranges(spread) is None:
            message = f"unicode-range: {spread} is not a list of ranges such as U+20-7E, U+2013"
            fault(sheet.text.lower().rfind("@font-face", 0, address.start), "font", message)
        else:
            message = f"{target} is not in templates/static or a pinned package; nothing is loaded from other hosts"
            fault(address.start, "link", message)
        return ""

    pieces, at = [], 0
    for address, spread in _with_ranges(sheet):
        new = rewritten(address, spread)
        if new:
            before = sheet.text[at : address.start]
            apart = " " * before[-1:].isalpha()  # @import"x.css"
            pieces += [before, apart, f'"{new}"' if address.quoted else f"url({new})"]
            at = address.end
    return "".join([*pieces, sheet.text[at:]]), faults


def brief_script(script: str) -> str:
    """A script without the lines that are comments or blank, and without indentation.

    It is left as it is where a template literal or a string reaches over several lines, for there such space is text.
    """
    lines = [line.strip() for line in script.splitlines()]
    if any(line.count("`") % 2 or line.endswith("\\") for line in lines):
        return script
    return "\n".join(line for line in lines if line and not line.startswith("//")) + "\n"
