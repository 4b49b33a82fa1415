"""Calls that list what a site has: experiments, runs, deliverables, pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from darkroom.core.errors import nearest
from darkroom.press.content.addresses import encoded, record_anchor, way
from darkroom.press.content.call_kinds import CallWriter, Facts, Kind
from darkroom.press.content.calls import Choices, NotRun, Unknown, listed
from darkroom.press.content.catalogue import Catalogue, StoredExperiment
from darkroom.press.content.outlines import Meta
from darkroom.press.content.references import Index
from darkroom.press.content.run_tables import RunTable, plot_of, table_of
from darkroom.press.content.runs import runs_of
from darkroom.press.content.works import bibtex
from darkroom.press.typeset.typography import escape

if TYPE_CHECKING:
    from darkroom.press.content.deliverables import AssessedList


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
        plot = plot_of(table, str(self.options.get("x", "")), str(self.options.get("y", "")))
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
                f'runs(...) plots one column against another; write both, x="gamma", y="{table.metrics or "loss"}"'
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
