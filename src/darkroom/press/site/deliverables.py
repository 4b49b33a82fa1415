"""What a site has, and lacks, of the deliverables of its lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

import msgspec

from darkroom.core.errors import nearest
from darkroom.press.content.call_kinds import Kind
from darkroom.press.content.catalogue import StoredExperiment
from darkroom.press.content.deliverables import Assessed, AssessedList, Deliverable, Deliverables
from darkroom.press.content.figure_calls import FigureCall, PictureCall
from darkroom.press.content.number_calls import MetricCall
from darkroom.press.content.outlines import Body, Heading, Outline
from darkroom.press.content.page_calls import kinds_in
from darkroom.press.content.references import Index
from darkroom.press.typeset.films import MOVING
from darkroom.press.typeset.pictures import SUFFIXES


class SectionContent(msgspec.Struct, frozen=True):
    """A section with those below it: its page, its heading if it is not the whole page, its calls, and counts of its text."""

    outline: Outline
    heading: Heading | None
    calls: tuple[Kind, ...]
    body: Body

    @property
    def address(self) -> str:
        """Where it is on the site."""
        return f"{self.outline.url}#{self.heading.anchor}" if self.heading else self.outline.url


class NoSection(Exception):
    """A section does not exist; the message has the nearest."""


def section_of(name: str, outlines: Mapping[str, Outline]) -> SectionContent:
    """The section that "page" or "page#anchor" names, *outlines* being those of all pages by address.

    Raises:
        NoSection: there is none.
    """
    page, mark, anchor = name.partition("#")
    page = page.removesuffix(".md").removesuffix(".html")
    outline = outlines.get(f"{page}.html")
    if outline is None:
        known = [url.removesuffix(".html") for url in outlines]
        raise NoSection(f"there is no page {page!r}{nearest(page, known)}")
    if not mark:
        return SectionContent(outline, None, kinds_in(outline), _sum(outline.bodies))
    number = next((n for n, heading in enumerate(outline.headings) if heading.anchor == anchor), None)
    if number is None:
        known = [f"{page}#{heading.anchor}" for heading in outline.headings]
        raise NoSection(f"there is no section {name!r}{nearest(f'{page}#{anchor}', known)}")
    heading = outline.headings[number]
    below = enumerate(outline.headings[number + 1 :], number + 1)
    last = next((n for n, each in below if each.level <= heading.level), len(outline.headings))
    end = outline.headings[last].offset if last < len(outline.headings) else float("inf")
    calls = tuple(kind for kind in kinds_in(outline) if heading.offset <= kind.call.offset < end)
    return SectionContent(outline, heading, calls, _sum(outline.bodies[number + 1 : last + 1]))


def _sum(bodies: Sequence[Body]) -> Body:
    fields = Body.__struct_fields__
    return Body(**{name: sum(getattr(body, name) for body in bodies) for name in fields})


def assess(lists: Sequence[Deliverables], site: SiteContent) -> tuple[AssessedList, ...]:
    """What a site has of every deliverable."""
    return tuple(
        AssessedList(each.name, each.title, tuple(_assessed(item, each, site) for item in each.items), each.path)
        for each in lists
    )


class SiteContent(msgspec.Struct, frozen=True):
    """What is known of a site: its pages by address, what they refer to, damaged figures, and the prose of a page.

    ``text`` gives the prose of the page at an address; it is asked for only where a prompt is found nowhere else.
    """

    outlines: Mapping[str, Outline]
    index: Index
    damaged: Mapping[str, str]
    text: Callable[[str], str]


def _assessed(item: Deliverable, of: Deliverables, site: SiteContent) -> Assessed:
    if not item.section:
        return Assessed(item, "", (f'no section; write "{item.id}" = "page#anchor" under [{of.name}]',))
    try:
        section = section_of(item.section, site.outlines)
    except NoSection as problem:
        return Assessed(item, "", (str(problem),))
    if not section.body.blocks:
        return Assessed(item, section.address, ("the section is empty",))
    missing, has = [], []
    shown = _Found.of(section, site)
    counts = {
        "word": (section.body.words, item.words),
        "figure": (shown.figures, item.figures),
        "picture": (shown.pictures, item.pictures),
        "film": (shown.films, item.films),
        "metric": (len(shown.metrics), item.metrics),
    }
    for unit, (found, wanted) in counts.items():
        if isinstance(wanted, int) and wanted:
            has.append(f"{found} {unit}{'' if found == 1 else 's'}")
            if found < wanted:
                missing.append(f"{found} of {wanted} {unit}{'' if wanted == 1 else 's'}")
    missing += [*_named(item, shown), *(f"the prompt {each!r} is not there" for each in _prompts(item, section, site))]
    if missing and shown.waiting:
        missing.append(f"without outputs: {', '.join(shown.waiting)}")
    return Assessed(item, section.address, tuple(missing), tuple(has))


class _Found(msgspec.Struct, frozen=True):
    """What calls of a section show: figures that have been drawn, their pictures and films, and metrics.

    ``waiting`` are figures and metrics without outputs.
    """

    names: frozenset[str]
    figures: int
    pictures: int
    films: int
    metrics: tuple[str, ...]
    waiting: tuple[str, ...]

    @classmethod
    def of(cls, section: SectionContent, site: SiteContent) -> _Found:
        files: list[str] = [""] * section.body.pictures + ["film.gif"] * section.body.films
        names, metrics, waiting, pictures = set[str](), list[str](), list[str](), 0
        for call in section.calls:
            if isinstance(call, PictureCall):
                pictures += 1
                files.append(call.name)
            elif isinstance(call, FigureCall):
                drawn = _files(call, site)
                (names.add if drawn else waiting.append)(call.name)
                files += drawn
            elif isinstance(call, MetricCall):
                experiment = call.experiment(site.index.catalogue)
                (metrics if experiment and experiment.manifest else waiting).append(call.name)
        films = sum(PurePosixPath(file).suffix.lower() in MOVING for file in files)
        unique = tuple(dict.fromkeys(metrics))
        return cls(frozenset(names), len(names) + pictures, len(files) - films, films, unique, tuple(waiting))


def _files(call: FigureCall, site: SiteContent) -> list[str]:
    """The pictures and films of a figure; none where it has not been drawn, or is damaged."""
    experiment, name = call.experiment(site.index.catalogue), call.name.rpartition("/")[2]
    figure = experiment.drawn(name) if experiment else None
    if figure is None or experiment is None or f"{experiment.id}/{name}" in site.damaged:
        return []
    files = [file.path for file in figure.files]
    return [file for file in files if PurePosixPath(file).suffix.lower() in SUFFIXES | MOVING] or [""]


def _named(item: Deliverable, shown: _Found) -> Iterator[str]:
    figures = item.figures if isinstance(item.figures, tuple) else ()
    metrics = item.metrics if isinstance(item.metrics, tuple) else ()
    yield from (f"the figure {name} is not there" for name in figures if name not in shown.names)
    yield from (f"the metric {name} is not there" for name in metrics if name not in shown.metrics)


def _prompts(item: Deliverable, section: SectionContent, site: SiteContent) -> Iterator[str]:
    """Those of the prompts that are neither in a figure or an experiment of the section nor in its page's text."""
    if not item.prompts:
        return
    experiments = {each.id: each for call in section.calls if (each := call.experiment(site.index.catalogue))}
    texts = [_folded(text) for each in experiments.values() for text in _texts(each)]
    for prompt in item.prompts:
        wanted = _folded(prompt)
        if not any(wanted in text for text in texts) and wanted not in _folded(site.text(section.outline.url)):
            yield prompt


def _texts(experiment: StoredExperiment) -> Iterator[str]:
    manifest = experiment.manifest
    if manifest:
        yield from _strings(manifest.parameters)
        for figure in manifest.figures.values():
            yield from (figure.caption, figure.alt)
            yield from _strings(msgspec.json.decode(figure.stored))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _strings(each)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
