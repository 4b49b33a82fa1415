"""What pages can refer to by literal name: figures, numbers, sections, formulas and works, with nearest spellings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from darkroom.core.errors import nearest
from darkroom.core.manifest import Manifest
from darkroom.press.content.calls import Literal, NotRun, Unknown, listed
from darkroom.press.content.catalogue import Catalogue
from darkroom.press.content.documented import DocumentedAt
from darkroom.press.content.mathtext import Target
from darkroom.press.content.numbers import Value
from darkroom.press.content.outlines import Heading, Meta
from darkroom.press.content.works import Entry


class Spot(msgspec.Struct, frozen=True):
    """Where a figure is shown: the page's address and name, and the figure's number on it."""

    url: str
    page: str
    number: int


class Mention(msgspec.Struct, frozen=True):
    """A section that refers to a figure: the page's address, the section's anchor, and its number or text."""

    url: str
    anchor: str
    name: str


class Index(msgspec.Struct, frozen=True):
    """Everything that a page can refer to.

    ``records`` has the address of the page that shows an experiment's record. ``mentions`` are the sections that refer to
    a figure, ``equations`` the named formulas by the page's address and their name, ``static`` the names of static files,
    ``root`` the project's folder, ``names`` what pages are called, by address, ``kinds`` those of figures that the theme
    has a template for; where that ``is_untrusted`` it lacks the project's. ``lists`` are those of deliverables,
    ``pages`` the addresses and front matter of all pages in reading order, ``references`` the modules, classes and
    functions whose reference a page has, by their names.
    """

    catalogue: Catalogue
    bibliography: Mapping[str, Entry]
    spots: Mapping[str, tuple[Spot, ...]]
    sections: Mapping[str, tuple[str, Mapping[str, Heading]]]
    records: Mapping[str, str]
    mentions: Mapping[str, tuple[Mention, ...]] = {}
    equations: Mapping[str, Mapping[str, Target]] = {}
    static: frozenset[str] = frozenset()
    root: Path = Path()
    names: Mapping[str, str] = {}
    kinds: frozenset[str] = frozenset()
    is_untrusted: bool = False
    lists: tuple[str, ...] = ()
    pages: tuple[tuple[str, Meta], ...] = ()
    references: Mapping[str, DocumentedAt] = {}

    def mentions_of(self, figure: str, url: str) -> tuple[Mention, ...]:
        """The sections whose references lead to *figure* on the page at *url*."""
        found = self.mentions.get(figure, ())
        return tuple(mention for mention in found if self.spot(figure, mention.url).url == url)

    def spot(self, figure: str, url: str) -> Spot:
        """Where *figure* is shown, on the page at *url* if it is there.

        Raises:
            Unknown: there is no such figure, or no page shows it.
        """
        if figure not in self.spots:
            if self.catalogue.figure(figure):
                raise Unknown(f"no page shows {figure!r}; show it with figure({figure!r})")
            if figure in self.static:
                raise Unknown(f"no page shows {figure!r}; show it with picture({figure!r}, caption=..., alt=...)")
            if figure.removesuffix(".md").removesuffix(".html") in self.sections:
                raise Unknown(
                    f"{figure!r} is a page; write [text]({figure.removesuffix('.md').removesuffix('.html')}.md)"
                )
            known = [*self.catalogue.figure_names, *self.spots, *self.equations.get(url, ())]
            raise self.catalogue.unknown(figure, f"unknown figure {figure!r}{nearest(figure, known)}")
        places = self.spots[figure]
        return next((spot for spot in places if spot.url == url), places[0])

    def target(self, name: str, url: str) -> tuple[str, Target | Heading | Spot]:
        """The address of the page, and what *name* refers to there: a formula, a section, a figure or a picture.

        Raises:
            Unknown: there is no such thing.
        """
        page, mark, anchor = name.partition("#")
        address = self._address(page, url) if mark else url
        equation = self.equations.get(address, {}).get(anchor if mark else name)
        if equation:
            return address, equation
        if mark:
            return self.section(name, url)
        own = next((headings for found, headings in self.sections.values() if found == url), {})
        if name not in self.spots and name in own:
            return url, own[name]
        spot = self.spot(name, url)
        return spot.url, spot

    def _address(self, page: str, url: str) -> str:
        page = page.removesuffix(".md").removesuffix(".html")
        return self.sections[page][0] if page in self.sections else url

    def section(self, target: str, url: str) -> tuple[str, Heading]:
        """The address of the page and the heading that "#anchor" or "page#anchor" names.

        Raises:
            Unknown: no such page or anchor.
        """
        page, _, anchor = target.partition("#")
        own = next((name for name, (address, _) in self.sections.items() if address == url), "")
        page = page.removesuffix(".md").removesuffix(".html") or own
        if page not in self.sections:
            raise Unknown(f"unknown page {page!r}{nearest(page, self.sections)}")
        address, headings = self.sections[page]
        if anchor not in headings:
            known = [*headings, *self.equations.get(address, ())]
            raise Unknown(f"no section {'#' + anchor!r} on page {page!r}{nearest(anchor, known)}")
        return address, headings[anchor]

    def metric(self, name: str, at: Literal = None) -> Value:
        """The value of a metric such as ``part_b/denoiser/test_mse``.

        Raises:
            Unknown: no such experiment, metric or label.
            NotRun: the experiment has no outputs.
        """
        owner, _, metric = name.rpartition("/")
        manifest = self._manifest(owner, name)
        if metric not in manifest.metrics:
            known = [f"{owner}/{known}" for known in manifest.metrics]
            raise Unknown(f"unknown metric {name!r}{nearest(name, known) or listed('; it has', manifest.metrics)}")
        value = manifest.metrics[metric].value
        if isinstance(value, dict):
            return _at(value, at, name)
        if at is not None:
            raise Unknown(f"{name!r} is a single number; leave out at={at!r}")
        return value

    def parameter(self, owner: str, name: str) -> Value:
        """The value of a parameter of the run.

        Raises:
            Unknown: no such experiment or parameter.
            NotRun: the experiment has no outputs.
        """
        parameters: Mapping[str, Any] = self._manifest(owner, owner).parameters
        if name not in parameters:
            choices = nearest(name, parameters) or listed("; it has", parameters)
            raise Unknown(f"{owner!r} has no parameter {name!r}{choices}")
        value: Value = parameters[name]
        return value

    def entry(self, key: str) -> Entry:
        """The work that *key* names.

        Raises:
            Unknown: it is not in references.bib.
        """
        if key not in self.bibliography:
            raise Unknown(f"{key!r} is not in references.bib{nearest(key, self.bibliography)}")
        return self.bibliography[key]

    def _manifest(self, owner: str, name: str) -> Manifest:
        experiment = self.catalogue.shown(owner)
        if experiment is None:
            offer = nearest(owner, self.catalogue.experiments)
            raise self.catalogue.unknown(name, f"unknown experiment {owner!r} in {name!r}{offer}")
        if experiment.manifest is None:
            raise NotRun(f"{owner} has no outputs; run {experiment.command}")
        return experiment.manifest


def _at(values: Mapping[str, float | int | str], at: Literal, name: str) -> Value:
    if at is None:
        shown = ", ".join(label[:40] for label in list(values)[:12])
        raise Unknown(f"{name!r} has a value for each of {shown}; choose one with at=...")
    for label in (str(at), f"{at:g}" if isinstance(at, int | float) else str(at)):
        if label in values:
            return values[label]
    raise Unknown(f"{name!r} has no value at {at!r}{nearest(str(at), values) or listed('; it has', values)}")
