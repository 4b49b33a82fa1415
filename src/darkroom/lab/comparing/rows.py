"""Differences as short plain texts, one row each, which text, Markdown and HTML have in common."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from msgspec import UNSET

from darkroom.core.units import duration, size
from darkroom.lab.comparing.differences import (
    Comparison,
    Difference,
    FigureDifference,
    FileDifference,
    MetricDifference,
)

GROUPS = ("parameters", "code", "inputs", "environment", "duration", "results", "metrics", "figures")
_LONGEST = 100  # characters of a value, and of a name
_DIGEST = 12
_BEFORE = 10  # characters before the first that differs, where long values are cut


class DifferenceRow(NamedTuple):
    """What differs: in which of GROUPS, by which name, both values, and what there is to say of them.

    All are one line of printable characters; values may be empty.
    """

    group: str
    name: str
    a: str
    b: str
    note: str


def rows_of(found: Comparison) -> Iterator[DifferenceRow]:
    """A row for everything that differs, in the order of GROUPS."""
    yield from (_row("parameters", each, *_cut(_exact(each.a), _exact(each.b))) for each in found.parameters)
    yield from (DifferenceRow("code", plain(each.name), "", "", _where(each) or "changed") for each in found.code)
    yield from (_row("inputs", each, *_cut(_text(each.a), _text(each.b), _DIGEST)) for each in found.inputs)
    yield from (_row("environment", each, *_cut(_text(each.a), _text(each.b))) for each in found.environment)
    if found.durations:
        a, b = found.durations
        yield DifferenceRow("duration", "run", duration(a), duration(b), f"{(b - a) / a:+.1%}" if a else "")
    yield from map(_of_file, found.results)
    yield from map(_of_metric, found.metrics)
    yield from map(_of_figure, found.figures)


def equal_groups(found: Comparison) -> list[str]:
    """Those of GROUPS in which nothing differs."""
    differing = {row.group for row in rows_of(found)}
    return [group for group in GROUPS if group not in differing]


def said_of(found: Comparison) -> tuple[str, str]:
    """A line each on A and B: when and on what they were made, at which commit."""
    lines = []
    for side in (found.a, found.b):
        manifest = side.manifest
        made = manifest.provenance
        parts = [f"{'imported' if manifest.imported_from else 'run'} {made.finished_at[:16].replace('T', ' ')}"]
        parts += [f"on {made.device}"] if made.device else []
        parts += [f"commit {made.commit[:_DIGEST]}"] if made.commit else []
        lines.append(plain(", ".join(parts)))
    return lines[0], lines[1]


def plain(text: str, longest: int = 1_000) -> str:
    """*text* on one line, with characters that cannot be seen escaped; a long one is cut off."""
    line = " ".join(text.split())
    if not line.isprintable():
        line = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line)
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def files_said(found: FigureDifference) -> str:
    """Such as "3 of 12 files"; "" where none differs."""
    if not found.files:
        return ""
    return f"{len(found.files)} of {found.count} file{'s' if found.count != 1 else ''}"


def _row(group: str, each: Difference, a: str, b: str) -> DifferenceRow:
    return DifferenceRow(group, plain(each.name, _LONGEST), a, b, _where(each))


def _where(each: Difference | MetricDifference) -> str:
    return "only in B" if each.a is UNSET else "only in A" if each.b is UNSET else ""


def _of_file(each: FileDifference) -> DifferenceRow:
    a, b = (f"{size(file.bytes)}, {file.sha256[:_DIGEST]}" if file else "" for file in (each.a, each.b))
    note = "only in B" if each.a is None else "only in A" if each.b is None else ""
    return DifferenceRow("results", plain(each.path, _LONGEST), a, b, note)


def _of_metric(each: MetricDifference) -> DifferenceRow:
    name = f"{plain(each.name, _LONGEST)}[{plain(each.label, _LONGEST)}]" if each.label else plain(each.name, _LONGEST)
    a, b = (f"{value:.6g}" if isinstance(value, float) else _text(value) for value in (each.a, each.b))
    if a == b:
        a, b = _text(each.a), _text(each.b)
    note = _where(each)
    if each.absolute is not None:
        note = f"{each.absolute:+.4g}" + ("" if each.relative is None else f" ({each.relative:+.2%})")
    return DifferenceRow("metrics", name, *_cut(a, b), note)


def _of_figure(each: FigureDifference) -> DifferenceRow:
    only = "only in B" if each.a is None else "only in A" if each.b is None else ""
    note = only or ", ".join(part for part in (*each.what, files_said(each)) if part)
    return DifferenceRow("figures", plain(each.name, _LONGEST), "", "", plain(note))


def _exact(value: Any) -> str:
    """A parameter's value as JSON, in which texts have quotes."""
    return "" if value is UNSET else plain(json.dumps(value, ensure_ascii=False), 1_000_000)


def _text(value: Any) -> str:
    try:
        return "" if value is UNSET else plain(str(value), 1_000_000)
    except ValueError:  # a whole number of thousands of digits
        return "a number that is too long to be shown"


def _cut(a: str, b: str, longest: int = _LONGEST) -> tuple[str, str]:
    """Two texts that differ; of long ones the part around the first difference."""
    if max(len(a), len(b)) <= longest:
        return a, b
    same = next((at for at, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), min(len(a), len(b)))
    start = max(0, same - _BEFORE) if same > longest - _BEFORE else 0
    return _part(a, start, longest), _part(b, start, longest)


def _part(text: str, start: int, longest: int) -> str:
    end = start + longest
    return f"{'...' if start else ''}{text[start:end]}{'...' if len(text) > end else ''}"
