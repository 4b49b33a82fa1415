"""The call ``seeds(id, over="seed", metrics="")``: all runs that differ in their seed alone, in a table to unfold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

from darkroom.press.content.addresses import record_anchor, way
from darkroom.press.content.call_kinds import CallWriter, Facts, Kind
from darkroom.press.content.calls import Choices, NotRun, Unknown
from darkroom.press.content.catalogue import FRESH, Catalogue, StoredExperiment
from darkroom.press.content.estimates import METHOD, counted
from darkroom.press.content.references import Index
from darkroom.press.content.seeds import SeedRun, SeedTable, runs_over, several, table_of


class SeedsCall(Kind):
    """A table of runs that differ in one parameter alone, with the mean and the interval of each metric."""

    word = "seeds"
    is_block = True
    is_value = True
    choices: ClassVar[Choices] = {"over": str, "metrics": str}

    @property
    def over(self) -> str:
        """The parameter in which they differ."""
        return str(self.options.get("over", "seed"))

    def experiment(self, catalogue: Catalogue) -> StoredExperiment | None:
        return catalogue.shown(self.name)

    def experiments(self, catalogue: Catalogue) -> tuple[StoredExperiment, ...]:
        shown = self.experiment(catalogue)
        return tuple(run.experiment for run in self._runs(catalogue)) or ((shown,) if shown else ())

    def check(self, url: str, index: Index) -> None:
        self._table(index.catalogue)

    def depends(self, url: str, facts: Facts, digest: Callable[[Path], str]) -> Iterator[str]:
        for each in self.experiments(facts.index.catalogue):
            yield f"{each.record} {facts.index.records.get(each.id, '')}"
        yield repr([(run.experiment.id, run.value) for run in self._runs(facts.index.catalogue)])

    def html(self, writer: CallWriter) -> str:
        index = writer.facts.index
        try:
            table = self._table(index.catalogue)
        except NotRun:
            return writer.layout("seeds", table=None, id=self.name)

        def record(run: SeedRun) -> str:
            page = index.records.get(run.experiment.id)
            return f"{way(writer.url, page)}#{record_anchor(run.experiment.id)}" if page else ""

        return writer.layout(
            "seeds",
            table=table,
            id=self.name,
            over=self.over,
            counted=counted(len(table.rows), self.over),
            method=METHOD,
            record=record,
            state=lambda run: "" if run.experiment.state == FRESH else run.experiment.state,
        )

    def _runs(self, catalogue: Catalogue) -> tuple[SeedRun, ...]:
        try:
            return runs_over(catalogue, self.name, self.over)
        except (Unknown, NotRun):  # reported by ``check``
            return ()

    def _table(self, catalogue: Catalogue) -> SeedTable:
        wanted = str(self.options.get("metrics", "")).replace(",", " ").split()
        return table_of(several(catalogue, self.name, self.over), self.over, wanted)
