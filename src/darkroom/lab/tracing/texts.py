"""What was found of files, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import msgspec

from darkroom.core.units import duration
from darkroom.lab.comparing.rows import plain
from darkroom.lab.source.variants import written
from darkroom.lab.tracing.trace import UNREADABLE, Traced, TracedRun

_LONGEST = 400  # characters of a value
_DIGEST = 12


def as_json(found: Sequence[Traced]) -> str:
    """A list of objects, one a file, in ASCII."""
    return json.dumps([msgspec.to_builtins(each) for each in found], indent=2)


def as_text(found: Sequence[Traced]) -> str:
    """A few lines a file, for those that could be read."""
    return "\n\n".join("\n".join(_lines(each)) for each in found if each.state != UNREADABLE)


def _lines(found: Traced) -> Iterator[str]:
    yield f"{plain(found.file, _LONGEST)}: {found.state}"
    run = found.run or TracedRun("")
    rows = [
        ("shows", "/".join(filter(None, (found.experiment, found.figure or found.path)))),
        ("" if found.experiment else "why", found.why),
        ("parameters", "" if run.parameters is None else written(dict(run.parameters)) or "none"),
        ("run", _circumstances(run, duration(run.duration_s) if run.duration_s is not None else "")),
        ("commit", run.commit and f"{run.commit}{', with changes' if run.modified else ''}"),
        ("key", run.key),
        ("page", found.page),
        ("bytes", {True: "as they were published", False: "changed since it was published", None: ""}[found.intact]),
        ("outputs", found.outputs),
        ("now", _now(found.now) if found.now else ""),
        *(("changed", each) for each in found.changes),
        *(("nearest", each) for each in found.nearest),
    ]
    last = ""
    for name, value in rows:
        if value:
            yield f"  {'' if name == last else name:<10}  {plain(value, _LONGEST)}"
            last = name


def _circumstances(run: TracedRun, *more: str) -> str:
    return ", ".join(part for part in (run.device, *more, run.finished_at[:16].replace("T", " ")) if part)


def _now(run: TracedRun) -> str:
    parts = (f"key {run.key[:_DIGEST]}", run.commit and f"commit {run.commit[:_DIGEST]}", _circumstances(run))
    return ", ".join(part for part in parts if part)
