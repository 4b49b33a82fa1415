"""Calls that show a number of a run, and claims about numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

from darkroom.press.content.addresses import host_of, record_anchor, way
from darkroom.press.content.call_kinds import CallWriter, Facts, Kind
from darkroom.press.content.calls import Call, Choices, NotRun, Unknown
from darkroom.press.content.catalogue import FRESH, Catalogue, StoredExperiment
from darkroom.press.content.claims import Condition
from darkroom.press.content.estimates import METHOD
from darkroom.press.content.figure_calls import labels_over, others_over, outputs_behind
from darkroom.press.content.numbers import Value, as_html, show
from darkroom.press.content.references import Index
from darkroom.press.content.seeds import estimate, runs_over
from darkroom.press.typeset.typography import escape


class NumberCall(Kind):
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


class MetricCall(NumberCall):
    """A number that a run gave."""

    word = "metric"
    choices: ClassVar[Choices] = {"at": (str, int, float), "format": str, "over": str}

    def experiment(self, catalogue: Catalogue) -> StoredExperiment | None:
        return catalogue.shown(self.name.rpartition("/")[0])

    def experiments(self, catalogue: Catalogue) -> tuple[StoredExperiment, ...]:
        return super().experiments(catalogue) + self._others(catalogue)

    def _others(self, catalogue: Catalogue) -> tuple[StoredExperiment, ...]:
        return others_over(catalogue, self.name, str(self.options["over"])) if "over" in self.options else ()

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
        yield from outputs_behind(self.name, (*catalogue.by_other_models(self.name), *self._others(catalogue)), facts)
        yield facts.index.records.get(self.name.rpartition("/")[0], "")
        if "over" in self.options:
            yield labels_over(catalogue, self.name, str(self.options["over"]))
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


class ParamCall(NumberCall):
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
    def _numbers(self) -> list[NumberCall]:
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


def _number(call: Call) -> NumberCall:
    """The number in a condition."""
    return MetricCall(call) if call.name == MetricCall.word else ParamCall(call)
