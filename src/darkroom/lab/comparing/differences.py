"""What differs between outputs, as data; what is equal is left out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from darkroom.core.errors import UsageError
from darkroom.core.manifest import Figure, Manifest, Measured, StoredFile
from darkroom.lab.comparing.sides import Side, Sides


class Difference(msgspec.Struct, frozen=True):
    """Something that A and B have with different values; UNSET is the value of a side that does not have it."""

    name: str
    a: Any
    b: Any


class MetricDifference(msgspec.Struct, frozen=True):
    """A number that differs, one of a table if it has a *label*; UNSET is the value of a side that does not have it."""

    name: str
    label: str
    a: Measured | UnsetType
    b: Measured | UnsetType

    @property
    def absolute(self) -> float | None:
        """b - a; None if one of them is not a number."""
        if isinstance(self.a, str | UnsetType) or isinstance(self.b, str | UnsetType):
            return None
        with suppress(OverflowError):  # of a whole number of hundreds of digits
            found = float(self.b - self.a)
            return found if math.isfinite(found) else None
        return None

    @property
    def relative(self) -> float | None:
        """(b - a) / abs(a); None if one of them is not a number, or a is 0."""
        found = self.absolute
        if found is None or not self.a:
            return None
        with suppress(OverflowError):
            return found / abs(float(self.a))
        return None


class FileDifference(msgspec.Struct, frozen=True):
    """A file whose content differs, or that only one side has."""

    path: str
    a: StoredFile | None
    b: StoredFile | None


class FigureDifference(msgspec.Struct, frozen=True):
    """A figure that differs.

    Attributes:
        name: of the figure.
        a: as A has it; None where only B does.
        b: as B has it.
        what: in what they differ, such as "caption" and "layout (rows)"; nothing where only one side has it.
        files: those that differ.
        count: of the files that either side has.
    """

    name: str
    a: Figure | None
    b: Figure | None
    what: tuple[str, ...]
    files: tuple[FileDifference, ...]
    count: int


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between the outputs of two experiments.

    Attributes:
        a: one side.
        b: the other.
        parameters: by name.
        code: the digests of definitions, by their dotted names.
        inputs: the digests of data, assets, weights and upstream results.
        environment: device, commit, model, versions, and the address that results were imported from.
        durations: of both runs in seconds; None where they are equal.
        results: files of results.
        metrics: by name and label.
        figures: by name.
    """

    a: Side
    b: Side
    parameters: tuple[Difference, ...]
    code: tuple[Difference, ...]
    inputs: tuple[Difference, ...]
    environment: tuple[Difference, ...]
    durations: tuple[float, float] | None
    results: tuple[FileDifference, ...]
    metrics: tuple[MetricDifference, ...]
    figures: tuple[FigureDifference, ...]

    @property
    def differs(self) -> bool:
        """Whether anything does."""
        return any(getattr(self, name) for name in self.__struct_fields__[2:])


class ComparedOutputs(msgspec.Struct, frozen=True):
    """Two arguments of the command line, compared.

    Attributes:
        a: the first as it was given.
        b: the second.
        comparisons: one; of two folders, one for each experiment that both have.
        only_a: the ids that only the first folder has.
        only_b: those that only the second has.
    """

    a: str
    b: str
    comparisons: tuple[Comparison, ...]
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()


def compared(a: Sides, b: Sides) -> ComparedOutputs:
    """Compare what two arguments name; of a folder and an experiment, that experiment of the folder.

    Raises:
        UsageError: the folder does not have it.
    """
    if a.is_folder and b.is_folder:
        both = [identity for identity in a.by_id if identity in b.by_id]
        comparisons = tuple(compare(a.by_id[each], b.by_id[each]) for each in both)
        only = (tuple(each for each in one.by_id if each not in both) for one in (a, b))
        return ComparedOutputs(a.name, b.name, comparisons, *only)
    [identity] = (b if a.is_folder else a).by_id
    one, other = (_the_one(sides, identity) for sides in (a, b))
    return ComparedOutputs(a.name, b.name, (compare(one, other),))


def _the_one(sides: Sides, identity: str) -> Side:
    """The only side, or of a folder that of *identity*."""
    if not sides.is_folder:
        [side] = sides.by_id.values()
        return side
    if identity not in sides.by_id:
        raise UsageError(f"{sides.name} has no outputs of {identity!r}, which it is compared with")
    return sides.by_id[identity]


def compare(a: Side, b: Side) -> Comparison:
    """What differs between the outputs of two experiments, which need not have the same id."""
    one, other = a.manifest, b.manifest
    took = one.provenance.duration_s, other.provenance.duration_s
    return Comparison(
        a=a,
        b=b,
        parameters=_differences(one.parameters, other.parameters),
        code=_differences(one.code, other.code),
        inputs=_differences(one.inputs, other.inputs),
        environment=_differences(_environment(one), _environment(other)),
        durations=None if took[0] == took[1] else took,
        results=_files(one.files, other.files),
        metrics=tuple(_metrics(one, other)),
        figures=tuple(_figures(one.figures, other.figures)),
    )


def _differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Difference, ...]:
    """What differs, in A's order and then in B's; 1, 1.0 and true are different values."""
    pairs = ((name, a.get(name, UNSET), b.get(name, UNSET)) for name in {**a, **b})
    return tuple(Difference(name, one, other) for name, one, other in pairs if repr(one) != repr(other))


def _environment(manifest: Manifest) -> dict[str, str]:
    made = manifest.provenance
    known = {
        "device": made.device,
        "commit": made.commit and f"{made.commit[:12]}{'' if made.clean else ', with changes'}",
        "model": manifest.model,
        "imported from": manifest.imported_from.source if manifest.imported_from else "",
    }
    return {name: value for name, value in known.items() if value} | made.versions


def _files(a: Iterable[StoredFile], b: Iterable[StoredFile]) -> tuple[FileDifference, ...]:
    one, other = ({each.path: each for each in files} for files in (a, b))
    pairs = ((path, one.get(path), other.get(path)) for path in {**one, **other})
    return tuple(FileDifference(path, a, b) for path, a, b in pairs if not (a and b and a.sha256 == b.sha256))


def _metrics(a: Manifest, b: Manifest) -> Iterator[MetricDifference]:
    for name in {**a.metrics, **b.metrics}:
        one, other = (_by_label(side.metrics[name].value) if name in side.metrics else {} for side in (a, b))
        for label in sorted({**one, **other}, key=_as_number):
            values = one.get(label, UNSET), other.get(label, UNSET)
            if values[0] != values[1]:
                yield MetricDifference(name, label, *values)


def _by_label(value: Measured | dict[str, Measured]) -> dict[str, Measured]:
    return value if isinstance(value, dict) else {"": value}


def _as_number(label: str) -> tuple[bool, float]:
    """Sorts labels that are numbers, such as epochs, by their values, and leaves others behind them as they are."""
    try:
        return (False, float(label)) if label else (True, 0.0)
    except ValueError:
        return True, 0.0


def _figures(a: Mapping[str, Figure], b: Mapping[str, Figure]) -> Iterator[FigureDifference]:
    for name in {**a, **b}:
        one, other = a.get(name), b.get(name)
        given = [list(figure.files) if figure else [] for figure in (one, other)]
        files = _files(*given)
        what = tuple(_what(one, other)) if one and other else ()
        count = len({file.path for each in given for file in each})
        if files or what or one is None or other is None:
            yield FigureDifference(name, one, other, what, files, count)


def _what(a: Figure, b: Figure) -> Iterator[str]:
    if a.kind != b.kind:
        yield "kind"
    if a.caption != b.caption:
        yield "caption"
    if a.alt != b.alt:
        yield "alternative text"
    if bytes(a.stored) != bytes(b.stored):
        try:
            names = [each.name for each in _differences(_plain_layout(a), _plain_layout(b))]
        except RecursionError:
            names = ["nested too deeply to be compared"]
        if names:
            yield f"layout ({', '.join(names)})"


def _plain_layout(figure: Figure) -> dict[str, Any]:
    """The layout as plain values, whatever version has drawn it."""
    found = msgspec.json.decode(figure.stored)
    return found if isinstance(found, dict) else {"": found}
