"""Static files, published under names that carry a digest of what is in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from darkroom.lab.errors import Fault
from darkroom.press.packages import FOLDER, install
from darkroom.press.record import Inputs, sha256

_URL = re.compile(r"url\(\s*([\"']?)([^)\"']+)\1\s*\)")
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".avif"})


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
