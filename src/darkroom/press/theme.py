"""The theme: layouts, templates of figures, static files, KaTeX and fonts. Darkroom's, or a project's own file by file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from darkroom.core.digests import Digests
from darkroom.core.errors import UsageError
from darkroom.core.sealed import user_folder

if TYPE_CHECKING:
    from darkroom.press.inputs import Inputs

BASE = Path(__file__).parents[1] / "theme"
LOCK = "package-lock.json"


class Theme(msgspec.Struct, frozen=True):
    """Where the files of the theme are: a file of ``own``, the project's folder, replaces one of ``base`` with its name.

    ``own`` is None if the project is untrusted, since themes are code. npm packages are installed in ``packages``.
    """

    base: Path
    own: Path | None
    packages: Path

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where to look for a file, in that order."""
        return (self.base,) if self.own is None else (self.own, self.base)

    @property
    def katex(self) -> Path:
        """KaTeX as installed."""
        return self.packages / "node_modules/katex"

    def path(self, name: str, inputs: Inputs) -> Path:
        """The file of this name, such as ``layouts/page.html``; where there is none, where a project would put it."""
        return next((path for folder in self.folders if inputs.digest(path := folder / name)), self.folders[0] / name)

    def files(self, folder: str, inputs: Inputs, suffix: str = "") -> dict[str, Path]:
        """Every file below a folder, such as ``layouts``, by its name there, sorted."""
        found: dict[str, Path] = {}
        for place in reversed(self.folders):
            below = place / folder
            start = len(os.fspath(below)) + 1
            found |= {os.fspath(path)[start:]: path for path in inputs.walk(below, suffix)}
        return dict(sorted(found.items()))


def theme_of(own: Path | None, cache: Path, digests: Digests, base: Path = BASE) -> Theme:
    """The theme of a project.

    Packages that only Darkroom's own theme names are installed once for all projects, in the user's cache; those of a
    project's ``package-lock.json`` beside that.

    Args:
        own: the project's folder of files that replace the theme's, or None.
        cache: where to install packages if the user has no cache.
        digests: of files.
        base: Darkroom's theme.

    Raises:
        UsageError: this installation has none.
    """
    if own is not None and digests.of(os.fspath(own / LOCK)):
        return Theme(base, own, own)
    digest = digests.of(os.fspath(base / LOCK))
    if not digest:
        raise UsageError(f"{base / LOCK} is missing: this installation of Darkroom is incomplete; install it again")
    shared = Path(user_folder())
    folder = shared if _is_writable(shared) else cache
    return Theme(base, own, folder / "packages" / digest[:16])


def _is_writable(folder: Path) -> bool:
    """Whether a folder can be written into, or made."""
    there = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    return os.access(there, os.W_OK) and there.is_dir()
