"""What ``status`` prints: a table, the details of some experiments, or JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from darkroom.core.git import restoring
from darkroom.core.units import duration
from darkroom.lab.plan import DAMAGED, DrawingVerdict, Reason, Verdict, status
from darkroom.lab.source.variants import written

COLUMNS = ("experiment", "state", "reason", "last run", "device", "took")
_REASON = 44


def table(verdicts: Sequence[Verdict]) -> str:
    """A line for each experiment, and one for each figure or metric that is not fresh."""
    rows: list[tuple[str, ...]] = [COLUMNS]
    for verdict in verdicts:
        rows.append(_row(verdict))
        rows += [_drawing_row(each) for each in _drawings(verdict) if each.state != "fresh"]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines) if verdicts else "no experiments"


def details(verdicts: Iterable[Verdict], outputs: Path) -> str:
    """Everything that the plan knows of each experiment, whose outputs are in the folder *outputs*."""
    return "\n\n".join(_details(verdict, outputs) for verdict in verdicts)


def as_json(verdicts: Iterable[Verdict]) -> str:
    """A list of objects: the record of each experiment, and the state of each figure and metric in words."""
    import json

    import msgspec

    from darkroom.core.record import experiment_record

    rows = []
    for verdict in verdicts:
        record = experiment_record(verdict.recipe.id, verdict.state, list(map(str, verdict.reasons)), verdict.manifest)
        drawings = {each.recipe.name: in_words(each.state, each.reasons) for each in _drawings(verdict)}
        rows.append({**msgspec.to_builtins(record), "drawings": drawings})
    return json.dumps(rows, indent=2, ensure_ascii=False)


def drawing_unseeded(verdicts: Iterable[Verdict]) -> str:
    """One line about runs that drew random numbers though no parameter is a seed; "" if there are none."""
    made = {each.recipe.id: each.manifest.provenance.unseeded for each in verdicts if each.manifest}
    found = [f"{identity} ({', '.join(names)})" for identity, names in made.items() if names]
    if not found:
        return ""
    verb = "draws random numbers but has" if len(found) == 1 else "draw random numbers but have"
    return (
        f"{', '.join(found)} {verb} no seed: give a parameter seed to what draws, or see with run --twice whether results "
        "depend on it"
    )


def in_words(state: str, reasons: Sequence[Reason]) -> str:
    """Such as ``stale (params: gammas)``."""
    return f"{state} ({', '.join(map(str, reasons))})" if reasons else state


def _row(verdict: Verdict) -> tuple[str, ...]:
    known = status(verdict)
    when = (known.finished_at or "").replace("T", " ")[:16]
    took = "" if known.duration_s is None else duration(known.duration_s)
    note = (
        _short(verdict.reasons)
        or _without(verdict)
        or _settings(verdict)
        or ("imported, not run here" if verdict.is_imported else "")
    )
    return known.id, known.state, note, when, known.device or "", took


def _settings(verdict: Verdict) -> str:
    """What is set for a variant."""
    variant = verdict.recipe.variant
    text = written(variant.settings) if variant else ""
    return text if len(text) <= _REASON else f"{text[: _REASON - 3]}..."


def _without(verdict: Verdict) -> str:
    """The temporary results that are not here."""
    return f"without its {', '.join(verdict.absent)} (temporary)" if verdict.absent else ""


def _drawing_row(drawing: DrawingVerdict) -> tuple[str, ...]:
    return f"  {drawing.recipe.name}", drawing.state, _short(drawing.reasons), "", "", ""


def _short(reasons: Sequence[Reason]) -> str:
    """The first reason, and how many more there are."""
    if not reasons:
        return ""
    more = f" and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    first, room = str(reasons[0]), _REASON - len(more)
    return (first if len(first) <= room else f"{first[: room - 3]}...") + more


def _drawings(verdict: Verdict) -> list[DrawingVerdict]:
    return [*verdict.figures.values(), *verdict.metrics.values()]


def _details(verdict: Verdict, outputs: Path) -> str:
    recipe, known = verdict.recipe, status(verdict)
    lines = [f"{recipe.id}  {verdict.state}", f"  {recipe.summary}", f"  declared  {recipe.path}:{recipe.line}"]
    if recipe.variant:
        settings = written(recipe.variant.settings) or "nothing set here; it takes results of a variant"
        lines.append(f"  variant   of {recipe.id.rpartition('@')[0]}: {settings}")
    lines += [f"  because   {reason}" for reason in verdict.reasons]
    if verdict.state == DAMAGED and verdict.reasons:
        lines.append(f"  advice    {restoring(outputs / recipe.id / verdict.reasons[0].name)}, or run it again")
    lines += [f"  with      {name} = {value}" for name, value in verdict.parameters.items()]
    lines += [f"  from      {edge.name}" for edge in recipe.edges]
    lines += [f"  lacks     {name}, temporary: made again by what reads it" for name in verdict.absent]
    if verdict.manifest and (imported := verdict.manifest.imported_from) and known.duration_s is not None:
        files = ", ".join(each.path for each in imported.files[:5]) + (" and more" if len(imported.files) > 5 else "")
        lines.append(f"  imported  {imported.at}, not run here, from {imported.source}")
        lines.append(f"  files     {files}")
        lines.append(f"  computed  on {known.device}, {duration(known.duration_s)}, as stated there")
    elif known.duration_s is not None:
        lines.append(f"  run       {known.finished_at} on {known.device}, {duration(known.duration_s)}")
    unseeded = verdict.manifest.provenance.unseeded if verdict.manifest else []
    lines += [f"  unseeded  drew random numbers from {', '.join(unseeded)}, without a seed"] if unseeded else []
    lines += [f"  draws     {each.recipe.name}: {in_words(each.state, each.reasons)}" for each in _drawings(verdict)]
    return "\n".join(lines)
