"""Calls that show a figure of an experiment, alone or over parameters, or a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import ClassVar

from darkroom.core.errors import nearest
from darkroom.press.content.bands import bands_of
from darkroom.press.content.call_kinds import CallWriter, Facts, Kind
from darkroom.press.content.calls import Choices, NotRun, Unknown, calls_of, listed
from darkroom.press.content.catalogue import Catalogue, StoredExperiment
from darkroom.press.content.references import Index
from darkroom.press.content.runs import check_sweep, parameters_over, swept
from darkroom.press.content.seeds import runs_over
from darkroom.press.typeset.films import FILMS, SOUNDS, UNPLAYED
from darkroom.press.typeset.pictures import SUFFIXES

WIDTHS = ("text", "middle", "page", "screen")


class ShownCall(Kind):
    """A figure or a picture."""

    is_block = True

    @property
    def shown(self) -> str:
        return self.name

    def check(self, url: str, index: Index) -> None:
        width = self.options.get("width", "text")
        if width not in WIDTHS:
            raise Unknown(f"unknown width {width!r}{nearest(str(width), WIDTHS) or listed('; known are', WIDTHS)}")


_MOST_CHOICES = 12  # of which the theme's style shows one


class FigureCall(ShownCall):
    """A figure, as every model has drawn it, and with the parameters of the variants that are named."""

    word = "figure"
    choices: ClassVar[Choices] = {"width": str, "play": bool, "variants": str, "over": str}

    @property
    def mean_over(self) -> str:
        """The parameter over which it shows means of its curves, or ""."""
        return str(self.options.get("over", ""))

    def experiment(self, catalogue: Catalogue) -> StoredExperiment | None:
        return catalogue.shown(self.name.rpartition("/")[0])

    def variants(self, catalogue: Catalogue) -> tuple[StoredExperiment, ...]:
        """The variants that it shows beside the original.

        Raises:
            Unknown: there is none of a name.
        """
        patterns = str(self.options.get("variants", "")).replace(",", " ").split()
        return catalogue.variants(self.name.rpartition("/")[0], patterns) if patterns else ()

    def beside(self, catalogue: Catalogue) -> tuple[StoredExperiment, ...]:
        """The experiments that have drawn it otherwise: with other models, then the variants that it names."""
        if self.mean_over:
            return others_over(catalogue, self.name, self.mean_over)
        others = catalogue.by_other_models(self.name)
        if "variants" not in self.options:
            return others
        figure = self.name.rpartition("/")[2]
        try:
            return (*others, *(each for each in self.variants(catalogue) if each.drawn(figure)))
        except Unknown:  # reported by ``check``
            return others

    def experiments(self, catalogue: Catalogue) -> tuple[StoredExperiment, ...]:
        return super().experiments(catalogue) + self.beside(catalogue)

    def check(self, url: str, index: Index) -> None:
        if "variants" in self.options:
            self.variants(index.catalogue)
        count = 1 + len(self.beside(index.catalogue))
        if count > _MOST_CHOICES and not self.mean_over:
            raise Unknown(
                f"{self.name} would have {count} versions to switch between; at most {_MOST_CHOICES} are possible: name fewer"
                " variants, or write sweep(...)"
            )
        self.check_figure(url, index)
        if self.mean_over:
            if "variants" in self.options:
                raise Unknown("figure(...) takes variants or over, not both; leave out one")
            bands_of(index.catalogue, self.name, self.mean_over)

    def check_figure(self, url: str, index: Index) -> None:
        """Check that there is such a figure, and that the theme can show it.

        Raises:
            Unknown: there is none, or the theme cannot.
        """
        super().check(url, index)
        found = index.catalogue.figure(self.name)
        if found is None:
            offer = nearest(self.name, index.catalogue.figure_names)
            raise index.catalogue.unknown(self.name, f"unknown figure {self.name!r}{offer}")
        drawn = found[0].drawn(found[1])
        if drawn and drawn.kind not in index.kinds and not index.is_untrusted:
            raise NoTemplate(
                f"{self.name} is of kind {drawn.kind!r}, but templates/figures/{drawn.kind}.html does not exist"
            )

    def depends(self, url: str, facts: Facts, digest: Callable[[Path], str]) -> Iterator[str]:
        yield from outputs_behind(self.name, self.beside(facts.index.catalogue), facts)
        yield repr(facts.index.mentions_of(self.name, url))
        if self.mean_over:
            yield labels_over(facts.index.catalogue, self.name, self.mean_over)
        yield facts.index.spots[self.name][0].url  # which its files name

    def html(self, writer: CallWriter) -> str:
        return writer.figures.figure(self)


class SweepCall(FigureCall):
    """A figure, as it was drawn with each value of one or two parameters."""

    word = "sweep"
    choices: ClassVar[Choices] = {"over": str, "width": str}
    mean_over = ""

    def over(self, catalogue: Catalogue) -> tuple[str, ...]:
        """The parameters.

        Raises:
            Unknown: the experiment does not have one of them, or there are too many.
            NotRun: they are not named, and it has been run with only one set of parameters.
        """
        return parameters_over(catalogue, self.name, str(self.options.get("over", "")))

    def depends(self, url: str, facts: Facts, digest: Callable[[Path], str]) -> Iterator[str]:
        yield from super().depends(url, facts, digest)
        with suppress(Unknown, NotRun):  # which runs that have not drawn it can change
            yield repr(self.over(facts.index.catalogue))

    def beside(self, catalogue: Catalogue) -> tuple[StoredExperiment, ...]:
        """The other runs that have drawn it."""
        try:
            found = swept(catalogue, self.name, self.over(catalogue))
        except (Unknown, NotRun):  # reported by ``check``
            return ()
        shown = self.experiment(catalogue)
        return tuple(each for each in found if each is not shown)

    def check(self, url: str, index: Index) -> None:
        self.check_figure(url, index)
        check_sweep(index.catalogue, self.name, self.over(index.catalogue))


def others_over(catalogue: Catalogue, name: str, over: str) -> tuple[StoredExperiment, ...]:
    """The other runs of a figure or a metric that differ in *over* alone; none where there is a fault, which is reported."""
    try:
        runs = runs_over(catalogue, name.rpartition("/")[0], over)
    except (Unknown, NotRun):
        return ()
    return tuple(run.experiment for run in runs[1:])


def labels_over(catalogue: Catalogue, name: str, over: str) -> str:
    """The same runs with their values, which may be those of what they take results from."""
    try:
        return repr([(run.experiment.id, run.value) for run in runs_over(catalogue, name.rpartition("/")[0], over)])
    except (Unknown, NotRun) as problem:
        return str(problem)


class NoTemplate(Unknown):
    """A figure is of a kind that the theme has no template for."""

    rule = "template"


def outputs_behind(name: str, beside: Iterable[StoredExperiment], facts: Facts) -> Iterator[str]:
    """The outputs behind a figure or a metric, and those *beside* them, and what is wrong with the figure."""
    owner, _, figure = name.rpartition("/")
    for experiment in (facts.index.catalogue.shown(owner), *beside):
        yield experiment.record if experiment else ""
        yield facts.damaged.get(f"{experiment.id}/{figure}", "") if experiment else ""


class PictureCall(ShownCall):
    """A picture or a film of ``static/``, with a caption."""

    word = "picture"
    choices: ClassVar[Choices] = {"caption": str, "alt": str, "width": str}

    def check(self, url: str, index: Index) -> None:
        super().check(url, index)
        name, alt = self.name, str(self.options.get("alt", ""))
        if name not in index.static:
            raise Unknown(f"no file {name!r} in templates/static{nearest(name, index.static)}")
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in UNPLAYED:
            raise Unknown(f"most browsers do not play {name}; save it as MP4 or WebM")
        if suffix in SOUNDS:
            raise Unknown(f'{name} is a sound; write <audio src="{name}" controls></audio>')
        if suffix not in SUFFIXES | FILMS:
            raise Unknown(f"browsers do not show {name}; save it as PNG, JPEG, WebP, SVG or MP4")
        if named := calls_of(alt):
            raise Unknown(f"{named} is not read in alt; write it out")
        if not alt.strip():
            raise Unknown(f'{name} has no alt text; write picture({name!r}, caption="...", alt="what it shows")')

    def depends(self, url: str, facts: Facts, digest: Callable[[Path], str]) -> Iterator[str]:
        yield repr(facts.index.mentions_of(self.name, url))

    def html(self, writer: CallWriter) -> str:
        return writer.figures.picture(self, writer.caption)
