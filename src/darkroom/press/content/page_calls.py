"""Calls in pages, a class for each kind: what it takes, what it refers to, what it depends on and what it becomes.

figure(id, width=None, play=False)     a figure, numbered in order of first appearance on its page; variants="..." beside it;
                                       with over="seed" the means of its curves, with bands
sweep(id, over="", width=None)         a figure, as it was drawn with each value of one or two parameters
runs(id, metrics="", x="", y="")       the runs of an experiment: a table of parameters and metrics, and a plot
picture(file, caption, alt, width)     a picture or film of ``static/``, numbered with the figures
metric(id, at=None, format=None)       a number that a run gave; ``at`` picks a label where there are several; with
                                       over="seed" its mean over runs that differ in that parameter, with an interval
param(id, name, format=None)           a parameter of the run
ref(id)                                "Figure 3" for a figure or picture, "Section 2.1" for "#anchor" or "page#anchor",
                                       "Equation (4)" for a formula's name
cite(key, ..., text=False)             "(Ho et al., 2020)"; with text=True "Ho et al. (2020)"
code(name, mark=None, caption=None)    the source of a function or class
reference(name, ...)                   what the docstrings of modules, classes and functions say
command_line()                         every command and option, as the parser describes them
experiments(pattern="*")               the record of every experiment whose id matches
deliverables(list="")                  what the report must have, such as a course asks for, and what it has
pages(pattern, ..., by="date")         the pages that have a date and whose address matches, the latest first; with
                                       by="order" those that have a place in the navigation, in its order
citation()                             how to cite the site, as BibTeX

Every name is checked, with nearest spellings, before anything is rendered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from markupsafe import Markup

from darkroom.core.errors import Fault, nearest
from darkroom.core.patterns import lazy_pattern
from darkroom.press.content.addresses import anchor, encoded, host_of, name_anchor, record_anchor, way
from darkroom.press.content.bands import bands_of
from darkroom.press.content.calls import KINDS, Call, Choices, NoExperiment, NotRun, PageCall, Unknown, calls_of, listed
from darkroom.press.content.catalogue import FRESH, Catalogue, StoredExperiment
from darkroom.press.content.claims import Condition
from darkroom.press.content.command_line import CommandLine
from darkroom.press.content.docstring_html import DocstringWriter
from darkroom.press.content.documented import DocumentedAt, DocumentedItem, sources_of
from darkroom.press.content.estimates import METHOD
from darkroom.press.content.listings import NoSource, highlighted, listing_of, source_file, wrong_marks
from darkroom.press.content.mathtext import Edit, Prepared, Rewritten, Target, rewrite
from darkroom.press.content.numbers import Value, as_html, as_tex, show
from darkroom.press.content.outlines import Heading, Meta, Outline, Page
from darkroom.press.content.references import Index, Mention
from darkroom.press.content.run_tables import RunTable, drawing_of, table_of
from darkroom.press.content.runs import check_sweep, parameters_over, runs_of, swept
from darkroom.press.content.seeds import estimate, runs_over
from darkroom.press.content.settings import SiteSettings
from darkroom.press.content.works import Entry, bibtex
from darkroom.press.typeset.films import FILMS, SOUNDS, UNPLAYED
from darkroom.press.typeset.pictures import SUFFIXES
from darkroom.press.typeset.typography import escape

if TYPE_CHECKING:
    from darkroom.press.content.deliverables import AssessedList

_NAMED = 3  # names that a message lists
WIDTHS = ("text", "middle", "page", "screen")


class Facts(Protocol):
    """What is known of a site when its pages are rendered.

    ``damaged`` says what is wrong with figures, and with the records of experiments, by name; ``raw`` are the addresses
    of result files; ``commit`` is that of the project, or "".
    """

    @property
    def site(self) -> SiteSettings: ...
    @property
    def index(self) -> Index: ...
    @property
    def damaged(self) -> Mapping[str, str]: ...
    @property
    def raw(self) -> Mapping[str, str]: ...
    @property
    def commit(self) -> str: ...
    @property
    def deliverables(self) -> Sequence[AssessedList]: ...
    @property
    def command_line(self) -> CommandLine: ...


class Figures(Protocol):
    """The figures, pictures and records of a page, as HTML."""

    def figure(self, shown: FigureCall) -> str: ...
    def picture(self, shown: PictureCall, caption: str) -> str: ...
    def records(self, shown: Iterable[StoredExperiment]) -> str: ...


class CallWriter(Protocol):
    """The writer of a page; *caption* is that of the call being written, as HTML.

    ``inline`` is a short text with formulas, which stands at *place*, a file and a line, if that is not the page;
    ``level`` is that of a heading that a call writes, below the section that it is in.
    """

    url: str
    caption: str

    @property
    def facts(self) -> Facts: ...
    @property
    def figures(self) -> Figures: ...
    def inline(self, text: str, place: tuple[str, int] | None = None) -> str: ...
    def level(self, call: Call) -> int: ...
    def cite(self, entry: Entry, in_text: bool) -> str: ...
    def layout(self, name: str, **values: Any) -> str: ...


class Kind(PageCall):
    """What every kind of call has."""

    is_value: ClassVar[bool] = False
    """Whether it shows a number of an experiment."""
    """Whether it shows the records of experiments."""
    links_to_source: ClassVar[bool] = False
    """Whether what it shows is linked to the source at a commit."""
    shows_command_line: ClassVar[bool] = False
    """Whether it shows the commands and options of the program."""

    @property
    def shown(self) -> str:
        """The figure or picture that it shows, or ""."""
        return ""

    @property
    def mentioned(self) -> str:
        """The figure that it refers to, or ""."""
        return ""

    @property
    def documents(self) -> tuple[str, ...]:
        """The modules, classes and functions that it is the reference of."""
        return ()

    def experiment(self, catalogue: Catalogue) -> StoredExperiment | None:
        """The experiment whose outputs it shows."""
        return None

    def experiments(self, catalogue: Catalogue) -> tuple[StoredExperiment, ...]:
        """Every experiment on whose outputs it depends."""
        found = self.experiment(catalogue)
        return (found,) if found else ()

    def check(self, url: str, index: Index) -> None:
        """Check that what it names exists; *url* is the address of its page.

        Raises:
            Unknown: it is not; the message has the nearest that is.
            NotRun: it waits for an experiment.
        """

    def depends(self, url: str, facts: Facts, digest: Callable[[Path], str]) -> Iterator[str]:
        """All that its HTML depends on, as text; *digest* gives the sha256 of a file."""
        yield from ()

    def html(self, writer: CallWriter) -> str:
        """What it becomes.

        Raises:
            Unknown: what it names is not there.
        """
        raise NotImplementedError


class _Shown(Kind):
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


class FigureCall(_Shown):
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
            return _others_over(catalogue, self.name, self.mean_over)
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
                f"{self.name} would be shown {count} times; at most {_MOST_CHOICES} can be switched, so name fewer"
            )
        self.check_figure(url, index)
        if self.mean_over:
            if "variants" in self.options:
                raise Unknown("figure(...) takes variants or over, not both; show the other one on a line of its own")
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
        yield from _outputs(self.name, self.beside(facts.index.catalogue), facts)
        yield repr(facts.index.mentions_of(self.name, url))
        if self.mean_over:
            yield _labels_over(facts.index.catalogue, self.name, self.mean_over)
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
            NotRun: they are not named, and it has been run with one set of parameters alone.
        """
        return parameters_over(catalogue, self.name, str(self.options.get("over", "")))

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


def _others_over(catalogue: Catalogue, name: str, over: str) -> tuple[StoredExperiment, ...]:
    """The other runs of a figure or a metric that differ in *over* alone; none where there is a fault, which is reported."""
    try:
        runs = runs_over(catalogue, name.rpartition("/")[0], over)
    except (Unknown, NotRun):
        return ()
    return tuple(run.experiment for run in runs[1:])


def _labels_over(catalogue: Catalogue, name: str, over: str) -> str:
    """The same runs with their values, which may be those of what they take results from."""
    try:
        return repr([(run.experiment.id, run.value) for run in runs_over(catalogue, name.rpartition("/")[0], over)])
    except (Unknown, NotRun) as problem:
        return str(problem)


class NoTemplate(Unknown):
    """A figure is of a kind that the theme has no template for."""

    rule = "template"


def _outputs(name: str, beside: Iterable[StoredExperiment], facts: Facts) -> Iterator[str]:
    """The outputs behind a figure or a metric, and those *beside* them, and what is wrong with the figure."""
    owner, _, figure = name.rpartition("/")
    for experiment in (facts.index.catalogue.shown(owner), *beside):
        yield experiment.record if experiment else ""
        yield facts.damaged.get(f"{experiment.id}/{figure}", "") if experiment else ""


class PictureCall(_Shown):
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


class _Number(Kind):
    """A number in prose, or in a formula."""

    is_value = True

    def value(self, index: Index) -> Value:
        """What it shows.

        Raises:
            Unknown: the name is unknown.
            NotRun: there are no outputs yet.
        """
        raise NotImplementedError

    def text(self, index: Index) -> str:
        """The same as plain text.

        Raises:
            Unknown: the name is unknown, or the format does not fit.
            NotRun: there are no outputs yet.
        """
        self.check_form()
        spec = self.options.get("format")
        return show(self.value(index), spec if isinstance(spec, str) else None)

    def check(self, url: str, index: Index) -> None:
        self.text(index)

    def html(self, writer: CallWriter) -> str:
        try:
            text = as_html(self.text(writer.facts.index))
        except NotRun:
            return '<span class="number unknown" title="This experiment has not been run yet">not yet run</span>'
        if hint := self.hint(writer.facts.index):
            number, _, runs = text.rpartition(", ")
            shown = f'<span class="number" title="{escape(hint)}">{number}</span>, {runs.replace(" ", "&nbsp;", 1)}'
        else:
            shown = text if ", " in text else f'<span class="number">{text}</span>'  # a list may be broken
        return shown + self.badges(writer.url, writer.facts.index)

    def hint(self, index: Index) -> str:
        """How a number was made of several, or ""."""
        return ""

    def badges(self, url: str, index: Index) -> str:
        """What is to be known of a number: that its runs are out of date, as on figures; "" for any other."""
        runs = [each for each in self.experiments(index.catalogue) if each.manifest]
        old = [each for each in runs if each.state != FRESH]
        if not old:
            return ""
        reasons = [
            f"{each.id} is {each.state}" + (f": {'; '.join(each.reasons)}" if each.reasons else "") for each in old
        ]
        title, shown = escape("; ".join(reasons)), "/".join(dict.fromkeys(each.state for each in old))
        if len(runs) > 1:
            shown += f": {len(old)} of {len(runs)}"
        page = index.records.get(old[0].id)
        if not page:
            return f'&nbsp;<span class="elsewhere outdated" title="{title}">{shown}</span>'
        href = escape(f"{way(url, page)}#{record_anchor(old[0].id)}")
        return f'&nbsp;<a class="elsewhere outdated" href="{href}" title="{title}">{shown}</a>'


class MetricCall(_Number):
    """A number that a run gave."""

    word = "metric"
    choices: ClassVar[Choices] = {"at": (str, int, float), "format": str, "over": str}

    def experiment(self, catalogue: Catalogue) -> StoredExperiment | None:
        return catalogue.shown(self.name.rpartition("/")[0])

    def experiments(self, catalogue: Catalogue) -> tuple[StoredExperiment, ...]:
        return super().experiments(catalogue) + self._others(catalogue)

    def _others(self, catalogue: Catalogue) -> tuple[StoredExperiment, ...]:
        return _others_over(catalogue, self.name, str(self.options["over"])) if "over" in self.options else ()

    def value(self, index: Index) -> Value:
        if "over" in self.options:
            return estimate(index, self.name, self.options.get("at"), str(self.options["over"]))
        return index.metric(self.name, self.options.get("at"))

    def hint(self, index: Index) -> str:
        if "over" not in self.options:
            return ""
        over = str(self.options["over"])
        values = [run.value for run in runs_over(index.catalogue, self.name.rpartition("/")[0], over)]
        return f"{METHOD}; {over} = {', '.join(values)}"

    def depends(self, url: str, facts: Facts, digest: Callable[[Path], str]) -> Iterator[str]:
        catalogue = facts.index.catalogue
        yield from _outputs(self.name, (*catalogue.by_other_models(self.name), *self._others(catalogue)), facts)
        yield facts.index.records.get(self.name.rpartition("/")[0], "")
        if "over" in self.options:
            yield _labels_over(catalogue, self.name, str(self.options["over"]))
            yield repr([facts.index.records.get(each.id) for each in self._others(catalogue)])

    def badges(self, url: str, index: Index) -> str:
        """That its run is out of date, and that it was not computed here, which leads to its record."""
        shown = super().badges(url, index)
        experiment = self.experiment(index.catalogue)
        imported = experiment and experiment.manifest and experiment.manifest.imported_from
        if not experiment or not imported:
            return shown
        page = index.records.get(experiment.id)
        href = f"{way(url, page)}#{record_anchor(experiment.id)}" if page else imported.source
        title = f"Imported {imported.at[:10]} from {host_of(imported.source)}"
        return f'{shown}&nbsp;<a class="elsewhere" href="{escape(href)}" title="{escape(title)}">not run here</a>'


class ParamCall(_Number):
    """A parameter of a run."""

    word = "param"
    takes = (2, 2, "an experiment and a name")
    choices: ClassVar[Choices] = {"format": str}

    def experiment(self, catalogue: Catalogue) -> StoredExperiment | None:
        return catalogue.shown(self.name)

    def value(self, index: Index) -> Value:
        return index.parameter(self.names[0], self.names[1])

    def depends(self, url: str, facts: Facts, digest: Callable[[Path], str]) -> Iterator[str]:
        experiment = self.experiment(facts.index.catalogue)
        yield experiment.record if experiment else ""
        yield facts.index.records.get(self.name, "")


class ClaimCall(Kind):
    """A condition over metrics and parameters, which the sentence behind it says; it shows nothing."""

    word = "claim"

    @property
    def condition(self) -> Condition:
        """What has to hold.

        Raises:
            Unknown: it cannot be read.
        """
        return Condition(self.name)

    @property
    def _numbers(self) -> list[_Number]:
        try:
            return [_number(call) for call in self.condition.calls]
        except Unknown:  # reported by ``check``
            return []

    def experiments(self, catalogue: Catalogue) -> tuple[StoredExperiment, ...]:
        return tuple(each for number in self._numbers for each in number.experiments(catalogue))

    def check(self, url: str, index: Index) -> None:
        def value_of(call: Call) -> Value:
            number = _number(call)
            number.check_form()
            return number.value(index)

        self.condition.check(value_of)

    def depends(self, url: str, facts: Facts, digest: Callable[[Path], str]) -> Iterator[str]:
        for number in self._numbers:
            yield from number.depends(url, facts, digest)

    def html(self, writer: CallWriter) -> str:
        return ""


class EndClaimCall(Kind):
    """The end of what a claim is about."""

    word = "endclaim"
    takes = (0, 0, "nothing")

    def html(self, writer: CallWriter) -> str:
        return ""


def _number(call: Call) -> _Number:
    """The number in a condition."""
    return MetricCall(call) if call.name == MetricCall.word else ParamCall(call)


class RefCall(Kind):
    """A reference to a figure, a picture, a section or a formula."""

    word = "ref"
    choices: ClassVar[Choices] = {"short": str}

    @property
    def mentioned(self) -> str:
        return self.name

    def check(self, url: str, index: Index) -> None:
        index.target(self.name, url)

    def depends(self, url: str, facts: Facts, digest: Callable[[Path], str]) -> Iterator[str]:
        try:
            target = facts.index.target(self.name, url)
            yield repr((target, facts.index.names.get(target[0])))
        except Unknown as problem:
            yield str(problem)

    def html(self, writer: CallWriter) -> str:
        index, short = writer.facts.index, self.options.get("short")
        url, found = index.target(self.name, writer.url)
        suffix = "" if url == writer.url else f" of {writer.inline(index.names[url])}"
        if isinstance(found, Target):
            number = writer.inline(found.number)
            brief = {"ref": number, "eqref": f"({number})"}
            shown, target = brief.get(str(short), f"Equation&nbsp;({number})"), found.anchor
        elif isinstance(found, Heading):
            shown = f"Section&nbsp;{found.number}" if found.number else f"“{escape(found.text)}”"
            shown, target, suffix = (found.number if short == "ref" and found.number else shown), found.anchor, ""
        else:
            shown, target = str(found.number) if short == "ref" else f"Figure&nbsp;{found.number}", anchor(self.name)
        return f'<a class="ref" href="{way(writer.url, url)}#{target}">{shown}{suffix}</a>'


class CiteCall(Kind):
    """Works that are cited."""

    word = "cite"
    takes = (1, 99, "one name")
    choices: ClassVar[Choices] = {"text": bool}

    def check(self, url: str, index: Index) -> None:
        for key in self.names:
            index.entry(key)

    def html(self, writer: CallWriter) -> str:
        in_text = bool(self.options.get("text"))
        links = [writer.cite(writer.facts.index.entry(key), in_text) for key in self.names]
        return ", ".join(links) if in_text else f"({'; '.join(links)})"


class CodeCall(Kind):
    """The source of a function or a class, linked to the commit."""

    word = "code"
    is_block = True
    choices: ClassVar[Choices] = {"mark": str, "caption": str}
    links_to_source = True

    def check(self, url: str, index: Index) -> None:
        try:
            listing = listing_of(self.name, index.root)
        except NoSource as problem:
            raise Unknown(str(problem)) from None
        if wrong := wrong_marks(str(self.options.get("mark", "")), listing.last - listing.first + 1):
            raise Unknown(wrong)

    def depends(self, url: str, facts: Facts, digest: Callable[[Path], str]) -> Iterator[str]:
        path = source_file(self.name, facts.index.root)
        yield f"{facts.commit} {digest(path) if path else ''}"

    def html(self, writer: CallWriter) -> str:
        listing = listing_of(self.name, writer.facts.index.root)
        marks = f" {{{self.options['mark']}}}" if self.options.get("mark") else ""
        repository, commit = writer.facts.site.repository, writer.facts.commit
        lines = f"#L{listing.first}-L{listing.last}"
        is_linked = repository and commit and listing.path
        return writer.layout(
            "listing",
            listing=listing,
            link=f"{repository}/blob/{commit}/{listing.path}{lines}" if is_linked else "",
            caption=Markup(writer.caption),
            content=Markup(highlighted(listing.text + "\n", f"python{marks}")),
        )


class ReferenceCall(Kind):
    """The reference of modules, classes and functions: their signatures and docstrings, linked to the source."""

    word = "reference"
    is_block = True
    takes = (1, 99, "names of modules, classes or functions")
    links_to_source = True

    @property
    def documents(self) -> tuple[str, ...]:
        return self.names

    def check(self, url: str, index: Index) -> None:
        wrong = []
        for name in self.names:
            try:
                found = index.references[name].read(index.root)
            except NoSource as problem:
                raise Unknown(str(problem)) from None
            if not found.items:
                raise Unknown(f"{name} has no public functions or classes; name another module")
            wrong += [each for item in found.items for each in item.faults]
        if wrong:
            raise Unknown("; ".join(wrong))

    def depends(self, url: str, facts: Facts, digest: Callable[[Path], str]) -> Iterator[str]:
        yield facts.commit
        for each in facts.index.references.values():  # those of others are linked
            yield f"{each.name} {each.url}"
            yield from (digest(Path(file)) for file in each.files)

    def html(self, writer: CallWriter) -> str:
        return "\n".join(map(_Reference(writer, writer.level(self.call)).html, self.names))


class _Reference:
    """Writes the reference of modules; names that this or another page has the reference of are links."""

    def __init__(self, writer: CallWriter, level: int) -> None:
        self._writer, self._level, self._index = writer, level, writer.facts.index

    def html(self, name: str) -> str:
        found = self._index.references[name].read(self._index.root)
        return self._writer.layout(
            "reference",
            module=found.name if found.is_module else "",
            anchor=name_anchor(found.name),
            level=self._level,
            doc=Markup(self._doc(found.name, found.file, 1).docstring(found.doc)),
            items=[self._item(each) for each in found.items],
        )

    def _item(self, item: DocumentedItem) -> dict[str, Any]:
        scope = item.home if item.kind == "class" else item.home.rpartition(".")[0]
        repository, commit = self._writer.facts.site.repository, self._writer.facts.commit
        is_linked = repository and commit and item.path
        return {
            "name": item.name,
            "anchor": name_anchor(item.name),
            "short": item.short,
            "kind": item.kind,
            "signature": Markup(highlighted(item.signature + "\n", "python")),
            "link": f"{repository}/blob/{commit}/{item.path}#L{item.first}-L{item.last}" if is_linked else "",
            "doc": Markup(self._doc(scope, item.file, item.first).docstring(item.doc)),
            "members": [self._item(each) for each in item.members],
        }

    def _doc(self, scope: str, file: str, line: int) -> DocstringWriter:
        return DocstringWriter(
            lambda text: self._writer.inline(text, (file, line)), lambda target: self._href(target, scope)
        )

    def _href(self, target: str, scope: str) -> str:
        """Where the reference of a name is that a docstring in *scope*, a module or a class, writes."""
        parts = scope.split(".")
        for count in range(len(parts), -1, -1):
            if href := self._address(".".join([*parts[:count], target])):
                return href
        return ""

    def _address(self, name: str) -> str:
        for known, url in self._known:
            if name in known:
                return f"{way(self._writer.url, url)}#{name_anchor(known[name])}"
        return ""

    @cached_property
    def _known(self) -> list[tuple[Mapping[str, str], str]]:
        """The names that each reference of the site has, and its page."""
        found: list[tuple[Mapping[str, str], str]] = []
        for each in self._index.references.values():
            with suppress(NoSource):  # which is reported where it is called for
                found.append((each.read(self._index.root).known, each.url))
        return found


class CommandLineCall(Kind):
    """Every command of the program with what it takes."""

    word = "command_line"
    is_block = True
    takes = (0, 0, "nothing")
    shows_command_line = True

    def depends(self, url: str, facts: Facts, digest: Callable[[Path], str]) -> Iterator[str]:
        yield repr(facts.command_line.commands)
        yield from (digest(Path(file)) for file in facts.command_line.files)

    def html(self, writer: CallWriter) -> str:
        commands = writer.facts.command_line.commands
        return writer.layout("command_line", commands=commands, level=writer.level(self.call))


class ExperimentsCall(Kind):
    """The records of the experiments whose ids match a pattern."""

    word = "experiments"
    is_block = True
    takes = (0, 1, "at most one pattern")

    @property
    def pattern(self) -> str:
        return self.name or "*"

    def check(self, url: str, index: Index) -> None:
        known = index.catalogue.experiments
        if self.names and not any(fnmatchcase(name, self.name) for name in known):
            raise Unknown(f"no experiment matches {self.name!r}{listed('; there are', known)}")

    def lists(self, catalogue: Catalogue) -> list[StoredExperiment]:
        """The experiments whose records it shows; variants with other parameters only if the pattern has an ``@``."""
        matching = [each for each in catalogue.experiments.values() if fnmatchcase(each.id, self.pattern)]
        return (
            matching if "@" in self.pattern else [each for each in matching if "@" not in each.id or not each.variant]
        )

    def depends(self, url: str, facts: Facts, digest: Callable[[Path], str]) -> Iterator[str]:
        for experiment in self.lists(facts.index.catalogue):
            yield experiment.record
            yield repr([facts.index.spots.get(f"{experiment.id}/{name}") for name in experiment.figures])
            yield facts.damaged.get(experiment.id, "")
        yield repr(sorted(facts.raw.items()))

    def html(self, writer: CallWriter) -> str:
        return writer.figures.records(self.lists(writer.facts.index.catalogue))


class RunsCall(Kind):
    """The runs of an experiment: a table of their parameters and metrics, and a plot of them."""

    word = "runs"
    is_block = True
    choices: ClassVar[Choices] = {"metrics": str, "x": str, "y": str}

    def check(self, url: str, index: Index) -> None:
        if self.name not in index.catalogue.experiments:
            known = [identity for identity in index.catalogue.experiments if "@" not in identity]
            offer = nearest(self.name, known) or listed("; there are", known)
            raise index.catalogue.unknown(self.name, f"unknown experiment {self.name!r}{offer}")
        found = runs_of(index.catalogue, self.name)
        if not found:
            raise NotRun(f"{self.name} has not been run; its runs are listed here once it has")
        self._table(index.catalogue)

    def experiments(self, catalogue: Catalogue) -> tuple[StoredExperiment, ...]:
        return runs_of(catalogue, self.name)

    def depends(self, url: str, facts: Facts, digest: Callable[[Path], str]) -> Iterator[str]:
        for experiment in self.experiments(facts.index.catalogue):
            yield experiment.record
            yield facts.index.records.get(experiment.id, "")

    def html(self, writer: CallWriter) -> str:
        index = writer.facts.index

        def record(identity: str) -> str:
            page = index.records.get(identity, "")
            return f"{way(writer.url, page)}#{record_anchor(identity)}" if page else ""

        table = self._table(index.catalogue)
        plot = drawing_of(table, str(self.options.get("x", "")), str(self.options.get("y", "")))
        return writer.layout("runs", table=table, plot=plot, record=record)

    def _table(self, catalogue: Catalogue) -> RunTable:
        """The runs with what they have.

        Raises:
            Unknown: a metric or a parameter is not there, or cannot be plotted.
        """
        wanted = [each.strip() for each in str(self.options.get("metrics", "")).split(",") if each.strip()]
        table = table_of(runs_of(catalogue, self.name), wanted)
        axes = [str(self.options.get(name, "")) for name in ("x", "y")]
        if any(axes) and not all(axes):
            raise Unknown(
                f'runs(...) plots one column over another: write both, x="gamma", y="{table.metrics or "loss"}"'
            )
        for axis in filter(None, axes):
            table.numbers(axis)
        return table


class DeliverablesCall(Kind):
    """What a list of deliverables asks for, and what the report has of it."""

    word = "deliverables"
    is_block = True
    takes = (0, 1, "at most one list")

    def check(self, url: str, index: Index) -> None:
        if not index.lists:
            raise Unknown(
                "there is no templates/deliverables.toml that names a list; write one with a line such as [cs180-f25]"
            )
        if self.names and self.name not in index.lists:
            raise Unknown(
                f"no list {self.name!r}{nearest(self.name, index.lists) or listed('; there are', index.lists)}"
            )

    def depends(self, url: str, facts: Facts, digest: Callable[[Path], str]) -> Iterator[str]:
        yield from map(repr, self._lists(facts))

    def html(self, writer: CallWriter) -> str:
        def to(address: str) -> str:
            page, mark, anchor = address.partition("#")
            return f"{way(writer.url, page)}{mark}{encoded(anchor)}"

        return writer.layout("deliverables", lists=self._lists(writer.facts), way=to)

    def _lists(self, facts: Facts) -> list[AssessedList]:
        return [each for each in facts.deliverables if self.name in {"", each.name}]


class PagesCall(Kind):
    """The pages that have a date, such as the notes of a journal, the latest first; or those that have a place in order."""

    word = "pages"
    is_block = True
    takes = (0, 99, "patterns")
    choices: ClassVar[Choices] = {"by": str}

    def check(self, url: str, index: Index) -> None:
        by = self.options.get("by", "date")
        if by not in _ORDERS:
            raise Unknown(f"pages(...) lists pages by 'date' or by 'order', not by {by!r}")
        what, written = _ORDERS[by]
        for name in self.names or ("*",):
            if not self._matching(name, url, index):
                named = f"no page with {what} matches {name!r}" if self.names else f"no page has {what}"
                raise Unknown(f"{named}; give one {written} in its front matter")

    def depends(self, url: str, facts: Facts, digest: Callable[[Path], str]) -> Iterator[str]:
        yield repr(self._listed(url, facts.index))

    def html(self, writer: CallWriter) -> str:
        found = self._listed(writer.url, writer.facts.index)
        return writer.layout("pages", pages=found, way=lambda address: way(writer.url, address) or encoded(address))

    def _listed(self, url: str, index: Index) -> list[tuple[str, Meta]]:
        found = {each[0]: each for name in self.names or ("*",) for each in self._matching(name, url, index)}
        if self.options.get("by", "date") == "order":
            return list(found.values())
        return sorted(found.values(), key=lambda each: each[1].date, reverse=True)

    def _matching(self, name: str, url: str, index: Index) -> list[tuple[str, Meta]]:
        """The pages of a pattern, in reading order; a list by order has not the page that it stands on."""
        by_order = self.options.get("by", "date") == "order"
        return [
            (address, meta)
            for address, meta in index.pages
            if fnmatchcase(address.removesuffix(".html"), name)
            and (meta.order is not None and address != url if by_order else meta.date)
        ]


_ORDERS = {"date": ("a date", 'date = "2026-11-30"'), "order": ("an order", "order = 1")}


class CitationCall(Kind):
    """How to cite the site itself, as BibTeX."""

    word = "citation"
    is_block = True
    takes = (0, 0, "nothing")

    def html(self, writer: CallWriter) -> str:
        return f'<pre tabindex="0"><code>{escape(bibtex(writer.facts.site))}</code></pre>'


# A page's calls -------------------------------------------------------------------------------------------------------


def kind_of(call: Call) -> Kind:
    """What a call is."""
    kind = KINDS[call.name](call)
    assert isinstance(kind, Kind)
    return kind


def kinds_in(outline: Outline) -> tuple[Kind, ...]:
    """What each call of a page is, in order."""
    return cast("tuple[Kind, ...]", outline.kinds)


def number_figures(outline: Outline) -> dict[str, int]:
    """The figures and pictures of a page by name, numbered from 1 in order of first appearance."""
    shown = dict.fromkeys(kind.shown for kind in kinds_in(outline) if kind.shown)
    return {name: number for number, name in enumerate(shown, 1)}


def find_mentions(outlines: Iterable[Outline]) -> dict[str, tuple[Mention, ...]]:
    """The sections that refer to each figure, in order; the one that shows it is not among them."""
    found: dict[str, list[Mention]] = {}
    for outline in outlines:
        kinds = kinds_in(outline)
        mentioning = [kind for kind in kinds if kind.mentioned]
        wanted = {kind.mentioned for kind in mentioning}
        shown_in = {kind.shown: _section_at(outline, kind.call) for kind in reversed(kinds) if kind.shown in wanted}
        for kind in mentioning:
            figure, section = kind.mentioned, _section_at(outline, kind.call)
            if section and section != shown_in.get(figure):
                mention = Mention(outline.url, section.anchor, section.number or section.text)
                found.setdefault(figure, []).append(mention)
    return {figure: tuple(dict.fromkeys(mentions)) for figure, mentions in found.items()}


def find_documented(outlines: Iterable[Outline], root: Path) -> dict[str, DocumentedAt]:
    """The modules, classes and functions that pages document, by name; of several pages the first has the reference."""
    found: dict[str, DocumentedAt] = {}
    for outline in outlines:
        for name in (name for kind in kinds_in(outline) for name in kind.documents):
            if name not in found:
                found[name] = DocumentedAt(name, outline.url, tuple(map(str, sources_of(name, root))))
    return found


def _section_at(outline: Outline, call: Call) -> Heading | None:
    return next((heading for heading in reversed(outline.headings) if heading.offset <= call.offset), None)


def check(page: Page, index: Index) -> tuple[list[Fault], list[Fault]]:
    """The faults of every call of *page*, and a warning for each experiment that figures or values wait for."""
    faults: list[Fault] = []
    waiting: dict[str, list[int]] = {}
    gone: dict[str, list[tuple[int, NoExperiment]]] = {}
    kinds = kinds_in(page.outline)
    for kind in kinds:
        try:
            kind.check_form()
            kind.check(page.url, index)
        except NoExperiment as problem:
            gone.setdefault(problem.part, []).append((kind.call.offset, problem))
        except Unknown as problem:
            faults.append(page.fault(kind.call.offset, problem.rule, str(problem)))
        except NotRun as problem:
            waiting.setdefault(str(problem), []).append(kind.call.offset)
    warnings = [page.fault(offsets[0], "missing", _counted(text, len(offsets))) for text, offsets in waiting.items()]
    faults += [page.fault(found[0][0], "reference", _of_no_experiment(part, found)) for part, found in gone.items()]
    faults += [page.fault(offset, "reference", message) for offset, message in _shown_twice(kinds)]
    faults += [page.fault(offset, "reference", message) for offset, message in _cited_as_in_pandoc(page, index)]
    return faults, warnings


def _of_no_experiment(part: str, found: Sequence[tuple[int, NoExperiment]]) -> str:
    """One message for all that a page names of a part that has no experiments: that of a name, where there is one."""
    names = list(dict.fromkeys(problem.name for _, problem in found))
    if len(found) == 1:
        return str(found[0][1])
    shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    return (
        f"no experiment is in {part}, which this page names in {len(found)} places: {shown}; restore experiments/{part}, "
        "or remove what names it"
    )


def _counted(problem: str, places: int) -> str:
    return problem if places == 1 else f"{problem} (used in {places} places on this page)"


def _shown_twice(kinds: Iterable[Kind]) -> Iterator[tuple[int, str]]:
    seen: set[str] = set()
    for kind in kinds:
        if kind.shown and kind.shown in seen:
            yield kind.call.offset, f"{kind.shown!r} is shown twice on this page; refer to it with ref(...)"
        for name in kind.documents:
            if name in seen:
                yield kind.call.offset, f"the reference of {name!r} stands twice on this page; leave one out"
        seen |= {kind.shown, *kind.documents}


_AT_KEY = lazy_pattern(r"(?<![\w.@/:])@([A-Za-z][\w:.+/-]*\w)")


def _cited_as_in_pandoc(page: Page, index: Index) -> Iterator[tuple[int, str]]:
    for words, offset in page.document.prose if index.bibliography else ():
        for found in _AT_KEY.finditer(words) if "@" in words else ():
            if found[1] in index.bibliography:
                yield (
                    offset + found.start(),
                    f'{found[0]} is not a citation; write {{{{ cite("{found[1]}", text=True) }}}}',
                )


def badges_of(calls: Iterable[Call], url: str, index: Index) -> str:
    """The badges of the numbers in a formula, each once."""
    numbers = (kind for kind in map(kind_of, calls) if isinstance(kind, _Number))
    return "".join(dict.fromkeys(kind.badges(url, index) for kind in numbers))


def tex_of(prepared: Prepared, index: Index) -> Rewritten:
    """The TeX of a formula with the numbers that are called in it, and where each part of it came from."""
    tex = prepared.formula.tex
    edits: list[Edit] = [*prepared.edits]
    for call in prepared.formula.calls:
        start, end = tex.rindex("{{", 0, call.offset), tex.index("}}", call.offset) + 2
        number = kind_of(call)
        assert isinstance(number, _Number)
        try:
            edits.append((start, end, as_tex(number.text(index))))
        except NotRun:
            edits.append((start, end, r"\text{?}"))
    return rewrite(tex, edits)
