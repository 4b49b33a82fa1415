"""The runs of one experiment with different parameters: where each stands, as a page shows them side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from darkroom.core.errors import nearest
from darkroom.core.manifest import Manifest
from darkroom.press.content.calls import NotRun, Unknown, listed
from darkroom.press.content.catalogue import FRESH, Catalogue, StoredExperiment
from darkroom.press.content.numbers import as_plain, distinct

MOST_POINTS = 100  # of a sweep that a page shows
_MOST_BUTTONS = 3  # more numbers than these are chosen with a slider


class SweepAxis(msgspec.Struct, frozen=True):
    """One parameter of a sweep: its name, its values as readers see them, and whether numbers put them in order."""

    name: str
    labels: tuple[str, ...]
    is_ordered: bool

    @property
    def has_slider(self) -> bool:
        """Whether it is chosen with a slider, and not with buttons."""
        return self.is_ordered and len(self.labels) > _MOST_BUTTONS


class Point(msgspec.Struct, frozen=True):
    """A run of a sweep: where it stands on each axis, counted from 0."""

    experiment: StoredExperiment
    at: tuple[int, ...]


class SweepGrid(msgspec.Struct, frozen=True):
    """The runs of a sweep, ordered by their values, and the one among them that is shown first."""

    axes: tuple[SweepAxis, ...]
    points: tuple[Point, ...]
    start: int

    @property
    def places(self) -> str:
        """Where every point stands, for scripts: ``0,0 0,1 1,0``."""
        return " ".join(",".join(map(str, point.at)) for point in self.points)

    def label(self, point: Point) -> str:
        """The values of a point as readers see them: ``gamma = 5; seed = 1``."""
        return "; ".join(f"{axis.name} = {axis.labels[at]}" for axis, at in zip(self.axes, point.at, strict=True))


def runs_of(catalogue: Catalogue, identity: str) -> tuple[StoredExperiment, ...]:
    """The declared experiment and all its variants, as far as their manifests can be read."""
    shown = catalogue.shown(identity)
    owner = shown.id if shown else identity
    return tuple(each for each in (shown, *catalogue.variants_of(owner)) if each is not None and each.manifest)


def swept(catalogue: Catalogue, name: str, over: Sequence[str]) -> tuple[StoredExperiment, ...]:
    """The runs that have drawn the figure called *name* and that differ from the declared one in *over* alone.

    Of several with the same values there is the first, or one that is up to date.
    """
    owner, _, figure = name.rpartition("/")
    drawn = [each for each in runs_of(catalogue, owner) if each.drawn(figure)]
    rest = [_without(each.manifest, over) for each in drawn if each.manifest]
    alike = [each for each, other in zip(drawn, rest, strict=True) if other == rest[0]]
    found: dict[tuple[bytes, ...], StoredExperiment] = {}
    for each in (*alike[:1], *sorted(alike[1:], key=lambda each: each.state != FRESH)):
        found.setdefault(tuple(_key(_parameters(each).get(parameter)) for parameter in over), each)
    return tuple(each for each in alike if each in found.values())


def parameters_over(catalogue: Catalogue, name: str, written: str) -> tuple[str, ...]:
    """The parameters that a sweep goes over: those *written*, or those in which the variants of *name* differ.

    Raises:
        Unknown: the experiment does not have one of them, or there are more than two.
        NotRun: none is written, and there is nothing to tell them from.
    """
    owner = name.rpartition("/")[0]
    runs = runs_of(catalogue, owner)
    names = tuple(dict.fromkeys(written.replace(",", " ").split()))
    if not names:
        names = differing(runs)
        if not names:
            raise NotRun(f"{owner} has been run with only one set of parameters; {_remedy(owner, 'NAME')}")
        if len(names) > 2:
            raise Unknown(f'{owner} has runs that differ in {", ".join(names)}; choose one or two: over="{names[0]}"')
    known = dict.fromkeys(parameter for each in runs if each.manifest for parameter in each.manifest.parameters)
    for each in names:
        if known and each not in known:
            raise Unknown(f"{owner} has no parameter {each!r}{nearest(each, known) or listed('; it has', known)}")
    if len(names) > 2:
        raise Unknown(
            f"a sweep is shown over one or two parameters, not {len(names)}; leave out {', '.join(names[2:])}"
        )
    return names


def differing(runs: Iterable[StoredExperiment]) -> tuple[str, ...]:
    """The parameters that do not have the same value in all *runs*, in the order of the declaration."""
    values: dict[str, set[bytes]] = {}
    for each in runs:
        for name, value in each.manifest.parameters.items() if each.manifest else ():
            values.setdefault(name, set()).add(_key(value))
    return tuple(name for name, found in values.items() if len(found) > 1)


def grid_of(runs: Sequence[StoredExperiment], over: Sequence[str]) -> SweepGrid:
    """Where *runs* stand on axes for the parameters *over*; the first of them is shown first."""
    settings = [_parameters(each) for each in runs]
    columns = [_ordered([each.get(name) for each in settings]) for name in over]
    places = [
        tuple(column.index(_key(each.get(name))) for name, column in zip(over, columns, strict=True))
        for each in settings
    ]
    order = sorted(range(len(runs)), key=lambda number: places[number])
    axes = []
    for name, column in zip(over, columns, strict=True):
        found = [msgspec.json.decode(key) for key in column]
        axes.append(SweepAxis(name, tuple(map(as_plain, distinct(found))), all(map(_numbers, found))))
    return SweepGrid(
        tuple(axes), tuple(Point(runs[number], places[number]) for number in order), order.index(0) if order else 0
    )


def check_sweep(catalogue: Catalogue, name: str, over: Sequence[str]) -> None:
    """Check that there is something to choose from.

    Raises:
        Unknown: there is too much.
        NotRun: there are fewer than two runs.
    """
    count = len(swept(catalogue, name, over))
    owner = name.rpartition("/")[0]
    if count < 2:
        raise NotRun(f"{name} has been drawn with only one value of {' and '.join(over)}; {_remedy(owner, over[0])}")
    if count > MOST_POINTS:
        raise Unknown(f"{name} has {count} runs to show; a sweep on a page has at most {MOST_POINTS}")


def columns_of(runs: Sequence[StoredExperiment], wanted: Sequence[str] = ()) -> dict[str, list[Any]]:
    """The metrics of *runs* by name, one value each, None where a run has none; of a metric by label, each label's.

    Args:
        runs: with manifests.
        wanted: names of metrics, "frechet" or "frechet: Euler"; all single numbers without it.

    Raises:
        Unknown: no run has one of them.
    """
    rows = [dict(_metrics(each.manifest)) for each in runs if each.manifest]
    known = dict.fromkeys(name for row in rows for name in row)
    if not wanted:
        names = [name for name in known if ": " not in name and any(_is_number(row.get(name)) for row in rows)]
    else:
        names = []
        for each in wanted:
            found = [name for name in known if name == each or name.startswith(f"{each}: ")]
            if not found:
                raise Unknown(f"no run has a metric {each!r}{nearest(each, known) or listed('; there are', known)}")
            names += found
    return {name: [row.get(name) for row in rows] for name in dict.fromkeys(names)}


def _metrics(manifest: Manifest) -> Iterator[tuple[str, Any]]:
    for name, metric in manifest.metrics.items():
        if isinstance(metric.value, Mapping):
            yield from ((f"{name}: {label}", value) for label, value in metric.value.items())
        else:
            yield name, metric.value


def _parameters(run: StoredExperiment) -> Mapping[str, Any]:
    return run.manifest.parameters if run.manifest else {}


def _without(manifest: Manifest, names: Sequence[str]) -> dict[str, bytes]:
    return {name: _key(value) for name, value in manifest.parameters.items() if name not in names}


def _ordered(values: Iterable[Any]) -> list[bytes]:
    """The different values by ``_key``: numbers and lists of them in ascending order, others as they appear."""
    once = {_key(value): value for value in values}
    numbers = {key: found for key, value in once.items() if (found := _numbers(value))}
    return [*sorted(numbers, key=numbers.__getitem__), *(key for key in once if key not in numbers)]


def _key(value: Any) -> bytes:
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return msgspec.json.encode(int(value) if whole else value)


def _numbers(value: Any) -> list[float]:
    """The number that a value is, or those that it is a list of; nothing where it is something else."""
    found = value if isinstance(value, list) else [value]
    return found if all(map(_is_number, found)) else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _remedy(owner: str, parameter: str) -> str:
    return f"run others: python build.py run {owner} --set {parameter}=VALUE"
