"""Works that pages cite, as they are once the bibliography has been read, and how the site itself is cited."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import msgspec

from darkroom.press.content.settings import SiteSettings

_VERSIONS = ("__version__.py", "version.py")


class Entry(msgspec.Struct, frozen=True):
    """A work.

    Attributes:
        key: what pages cite it by.
        authors: as (given, family), particles with the family, ("van den Oord"); editors, a body or the title, where
            a work has no authors.
        names: all of them, given names first: "Martin Luther King, Jr. and Aaron van den Oord", "Jonathan Ho et al.".
        title: text with formulas in it, in one line.
        year: with a letter behind it ("2024b") where another work would be cited alike, in the order of their titles.
        venue: its journal, conference, publisher or archive, or "".
        link: an address, or "".
        others: whether the file names only the first of its authors.
        line: of the file, where it begins.
        doubts: of its names: line and column in the file, and message.
    """

    key: str
    authors: tuple[tuple[str, str], ...]
    names: str
    title: str
    year: str
    venue: str
    link: str
    others: bool = False
    line: int = 1
    doubts: tuple[tuple[int, int, str], ...] = ()

    @property
    def label(self) -> str:
        """How prose names it: "Ho et al.", "Song and Ermon"."""
        families = [family for _, family in self.authors]
        if len(families) > 2 or self.others:
            return f"{families[0]} et al."
        return " and ".join(families)


def bibtex(site: SiteSettings) -> str:
    """How to cite the site itself: authors, title, year and address as far as ``site.toml`` knows them."""
    year = site.published[:4]
    family = site.authors[0].split()[-1] if site.authors else ""
    word = next((word for word in re.findall(r"\w+", site.title.lower()) if len(word) > 3), "site")
    fields = {"author": " and ".join(site.authors), "title": site.title, "year": year, "url": site.base_url}
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return f"@misc{{{family.lower()}{year}{word},\n" + ",\n".join(lines) + "\n}"


def bibliography_readers() -> list[Path]:
    """Files that change when what reads a bibliography does: ours, and the versions of the libraries under it."""
    found = (find_spec(name) for name in ("pybtex", "pylatexenc"))
    libraries = [Path(spec.origin).with_name(file) for spec in found if spec and spec.origin for file in _VERSIONS]
    press = Path(__file__).parents[1]
    ours = [*sorted((press / "bibliography").glob("*.py")), press / "typeset/typography.py"]
    return [*ours, *libraries]
