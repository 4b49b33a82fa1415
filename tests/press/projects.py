"""Projects for the tests of the press: a copy of the theme, settings and a bibliography of their own, and a test's pages."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from darkroom.core.digests import Digests
from darkroom.core.sealed import user_folder
from darkroom.press.build import BuildReport, SiteRequest, build
from darkroom.press.inputs import Inputs
from darkroom.press.theme import BASE, theme_of
from darkroom.press.typeset.katex import Katex
from tests.press.samples import Outputs

ROOT = Path(__file__).parents[2]
OWN = Path(__file__).parent / "templates"  # not the repository's: those are about its report
THEME = theme_of(None, ROOT / ".darkroom", Digests())
PACKAGES = THEME.packages / "node_modules"


def copy_templates(root: Path) -> Path:
    """A theme of its own, equal to Darkroom's, with settings, a bibliography and KaTeX linked in; gives the folder."""
    target = root / "templates"
    shutil.copytree(BASE, target)
    shutil.copy(ROOT / "templates/README.md", target)
    for name in ("references.bib", "site.toml"):
        shutil.copy(OWN / name, target)
    (target / "pages").mkdir()
    if PACKAGES.exists():
        (target / "node_modules").symlink_to(PACKAGES)
    for folder in (root / ".darkroom", root / ".darkroom/press"):  # the press's cache, called by itself and by build.py
        share(Path(_made().name), folder)
    return target


def katex(cache: Path, macros: Mapping[str, str] | None = None) -> Katex:
    """KaTeX of Darkroom's theme, which keeps what it makes in *cache*."""
    return Katex(THEME, Inputs(Digests()), cache, macros or {})


@cache
def _made() -> tempfile.TemporaryDirectory[str]:
    """What projects have made of the style sheets that they all have: others begin with it."""
    return tempfile.TemporaryDirectory()


def share(source: Path, target: Path) -> None:
    """Give one cache what is in another of style sheets, and it lacks.

    All of it is found by what it was made of, so that a project with others makes its own.
    """
    target.mkdir(parents=True, exist_ok=True)
    made, copy = source / "styles.json", target / "styles.json"
    if made.is_file() and not copy.exists():
        shutil.copy2(made, copy)


def copy_fonts(target: Path) -> None:
    """Copy the parts of fonts that the user has, which take two seconds to make, to another folder for them."""
    made = Path(user_folder()) / "fonts"
    if made.exists():
        shutil.copytree(made, target, ignore=shutil.ignore_patterns(".*"))


@dataclass
class Project:
    """A project in a folder of its own."""

    root: Path
    outputs: Outputs
    theme: Path = BASE

    @classmethod
    def make(cls, root: Path) -> Project:
        """A project with templates and nothing else."""
        copy_templates(root)
        (root / "experiments/outputs").mkdir(parents=True)
        return cls(root, Outputs(root / "experiments/outputs"))

    @property
    def pages(self) -> Path:
        """Where pages are written."""
        return self.root / "templates/pages"

    @property
    def site(self) -> Path:
        """Where the site is built."""
        return self.root / "site"

    def page(self, body: str, name: str = "index", **meta: object) -> Path:
        """Write a page; *meta* is added to its front matter."""
        given = {"title": "A page", "description": "A page of a test."} | meta
        lines = [f"{key} = {_toml(value)}" for key, value in given.items()]
        path = self.pages / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(["+++", *lines, "+++", body]) + "\n", encoding="utf-8")
        return path

    def request(self, strict: bool = False) -> SiteRequest:
        """What the command line would ask for."""
        folder = self.root / "experiments/outputs"
        statuses = tuple(self.outputs.statuses)
        return SiteRequest(
            self.root,
            self.root / "templates",
            folder,
            self.site,
            self.root / ".darkroom",
            statuses,
            strict,
            theme=self.theme,
        )

    def build(self, strict: bool = False) -> BuildReport:
        """Build the site."""
        try:
            return build(self.request(strict))
        finally:
            share(self.root / ".darkroom", Path(_made().name))

    def html(self, name: str = "index") -> str:
        """A page as published."""
        return (self.site / f"{name}.html").read_text(encoding="utf-8")


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool | int) else f'"{value}"'
