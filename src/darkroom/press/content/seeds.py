"""Runs that differ in one parameter alone, as a rule the seed: which they are, and what their numbers say together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from darkroom.core.errors import nearest
from darkroom.press.content.calls import Literal, NotRun, Unknown, listed
from darkroom.press.content.catalogue import FRESH, Catalogue, StoredExperiment
from darkroom.press.content.estimates import Estimate
from darkroom.press.content.numbers import Value, show
from darkroom.press.content.references import Index

Settings = dict[tuple[str, str], Any]
"""What was set, by the id of the experiment without the variant's name, and the parameter."""


class SeedRun(msgspec.Struct, frozen=True):
    """A run, and its value of the parameter as readers see it."""

    experiment: StoredExperiment
    value: str


def runs_over(catalogue: Catalogue, identity: str, over: str) -> tuple[SeedRun, ...]:
    """An experiment, and the variants that differ from it in the parameter *over* alone, by their values; of those
    with the same value, one that is up to date.

    What differs is what was set, and is not as declared, for a variant or for those that it takes results from: evaluations
    of trainings that differ in their seeds are as many runs as there are trainings.

    Raises:
        Unknown: there is no such experiment, or it does not have the parameter.
        NotRun: it has no outputs.
    """
    first = catalogue.shown(identity)
    if first is None:
        raise catalogue.unknown(identity, f"unknown experiment {identity!r}{nearest(identity, catalogue.experiments)}")
    if first.manifest is None:
        raise NotRun(f"{identity} has no outputs; run {first.command}")
    owner = first.id.rpartition("@")[0] if first.variant else first.id
    declared = catalogue.experiments.get(owner)
    wanted, seeds = _parted(_settings(catalogue, first), over)
    found = {_key(seeds): (first, seeds)}
    variants = sorted(catalogue.variants_of(owner), key=lambda each: each.state != FRESH)
    for each in (*([declared] if declared and declared.manifest else []), *variants):
        rest, seeds = _parted(_settings(catalogue, each), over)
        if rest == wanted:
            found.setdefault(_key(seeds), (each, seeds))
    if len(found) == 1 and over not in first.manifest.parameters:
        known = first.manifest.parameters
        raise Unknown(f"{identity} has no parameter {over!r}{nearest(over, known) or listed('; it has', known)}")
    names = list(dict.fromkeys(name for _, seeds in found.values() for name in seeds)) or [(owner, over)]
    valued = [(each, [_value(catalogue, name, seeds) for name in names]) for each, seeds in found.values()]
    ordered = [valued[0], *sorted(valued[1:], key=lambda run: _order(run[1]))]
    return tuple(SeedRun(each, ", ".join(dict.fromkeys(map(show, values)))) for each, values in ordered)


def several(catalogue: Catalogue, identity: str, over: str) -> tuple[SeedRun, ...]:
    """The same where there are two or more.

    Raises:
        Unknown: as before, or there is one run alone.
        NotRun: as before.
    """
    runs = runs_over(catalogue, identity, over)
    if len(runs) == 1:
        first = runs[0].experiment
        owner = first.id.rpartition("@")[0] if first.variant else first.id
        settings = {**(first.variant.settings if first.variant else {}), over: _another(runs[0].value)}
        given = " ".join(f"--set {name}={_as_given(value)}" for name, value in settings.items())
        what = "seed" if over == "seed" else f"value of {over}"
        raise Unknown(
            f"{first.id} has been run with only one {what}, so there is no interval; run more: "
            f"python build.py run {owner} {given}, or a sweep"
        )
    return runs


def estimate(index: Index, name: str, at: Literal, over: str) -> Estimate:
    """The mean of the metric *name* over its runs.

    Raises:
        Unknown: a run does not have it, it is no number, or there is one run alone.
        NotRun: there are no outputs.
    """
    owner, _, metric = name.rpartition("/")
    index.metric(name, at)  # which says best what is wrong with the name
    values = []
    for run in several(index.catalogue, owner, over):
        value = index.metric(f"{run.experiment.id}/{metric}", at)
        if not isinstance(value, int | float):
            raise Unknown(f"{run.experiment.id}/{metric} is text, {str(value)[:40]!r}, which has no mean")
        values.append(value)
    return _estimate(values, over, name)


def _estimate(values: Sequence[float], over: str, name: str) -> Estimate:
    try:
        return Estimate.of(values, over)
    except OverflowError:
        raise Unknown(f"the values of {name} are too large for a mean") from None


class SeedTable(msgspec.Struct, frozen=True):
    """Every run with its metrics, and what goes below them: the mean of each and its interval; "" where there is none."""

    columns: tuple[str, ...]
    rows: tuple[tuple[SeedRun, tuple[Value, ...]], ...]
    means: tuple[str, ...]
    intervals: tuple[str, ...]


def table_of(runs: Sequence[SeedRun], over: str, wanted: Sequence[str] = ()) -> SeedTable:
    """The metrics of *runs*, all or those that are *wanted*; those by label have a column for each.

    Raises:
        Unknown: none of the runs has one of them, or there are too many.
    """
    found = [dict(_metrics(run.experiment)) for run in runs]
    known = dict.fromkeys(name for each in found for name, _ in each)
    for name in wanted:
        if name not in known:
            owner = runs[0].experiment.id
            raise Unknown(f"{owner} has no metric {name!r}{nearest(name, known) or listed('; it has', known)}")
    columns = list(dict.fromkeys(key for name in wanted or known for each in found for key in each if key[0] == name))
    if len(columns) > _MOST_COLUMNS:
        names = ", ".join(list(known)[:2])
        raise Unknown(f'the table would have {len(columns)} columns, at most {_MOST_COLUMNS}: write metrics="{names}"')
    parts = [_parts([each.get(column) for each in found], over, column[0]) for column in columns]
    return SeedTable(
        tuple(f"{name}, {label}" if label else name for name, label in columns),
        tuple((run, tuple(each.get(column, "") for column in columns)) for run, each in zip(runs, found, strict=True)),
        tuple(mean for mean, _ in parts),
        tuple(f"± {half}" if half else "" for _, half in parts),
    )


def _parts(values: Sequence[Value], over: str, name: str) -> tuple[str, str]:
    """The mean of a column and its interval; nothing where a run does not have a number."""
    numbers = [value for value in values if isinstance(value, int | float)]
    return _estimate(numbers, over, name).parts() if len(numbers) == len(values) else ("", "")


def _metrics(experiment: StoredExperiment) -> Iterator[tuple[tuple[str, str], Value]]:
    """Every number or text that a run gave, by the metric's name and the label, "" where there is one value."""
    for name, metric in experiment.manifest.metrics.items() if experiment.manifest else ():
        if isinstance(metric.value, Mapping):
            yield from (((name, label), value) for label, value in metric.value.items())
        else:
            yield (name, ""), metric.value


def _settings(catalogue: Catalogue, experiment: StoredExperiment) -> Settings:
    """What was set, other than as declared, for a run and for all whose results it takes."""
    found: Settings = {}
    waiting, seen = [experiment], set[str]()
    while waiting:
        each = waiting.pop()
        if each.manifest is None or each.variant is None or each.id in seen:
            continue
        seen.add(each.id)
        owner, _, name = each.id.rpartition("@")
        declared = _parameters(catalogue, owner)
        for key, value in each.variant.settings.items():
            if key not in declared or declared[key] != value:
                found[owner, key] = value
        for source, digest in each.manifest.inputs.items():
            kind, _, target = source.partition(":")
            if kind == "upstream" and target.endswith(f"@{name}"):
                if target not in catalogue.experiments or catalogue.experiments[target].manifest is None:
                    found[target, ""] = None  # nobody knows
                else:
                    waiting.append(catalogue.experiments[target])
            elif kind == "weights":
                waiting += (other for other in catalogue.named(name) if _results(other) == digest)
    return found


def _results(experiment: StoredExperiment) -> str:
    return experiment.manifest.results if experiment.manifest else ""


def _parameters(catalogue: Catalogue, identity: str) -> Mapping[str, Any]:
    found = catalogue.experiments.get(identity)
    return found.manifest.parameters if found and found.manifest else {}


def _parted(settings: Settings, over: str) -> tuple[Settings, Settings]:
    """What was set of other parameters, and of *over*."""
    rest = {name: value for name, value in settings.items() if name[1] != over}
    return rest, {name: value for name, value in settings.items() if name[1] == over}


def _key(settings: Settings) -> bytes:
    return msgspec.json.encode(sorted((*name, value) for name, value in settings.items()), order="sorted")


def _value(catalogue: Catalogue, name: tuple[str, str], settings: Settings) -> Any:
    return settings[name] if name in settings else _parameters(catalogue, name[0]).get(name[1])


def _order(values: Sequence[Any]) -> list[tuple[bool, float, str]]:
    """Numbers by their size, before all else."""
    return [(False, value, "") if isinstance(value, int | float) else (True, 0.0, str(value)) for value in values]


def _another(value: str) -> str:
    """A value for the command in a message."""
    return "VALUE" if not value.isdecimal() else "1" if value == "2" else "2"


def _as_given(value: Any) -> str:
    return ",".join(map(_as_given, value)) if isinstance(value, list) else str(value)


_MOST_COLUMNS = 60
