"""What a run would do: which experiments would run, why, on what, for about how long, and what they would weigh."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from darkroom.core.errors import UsageError
from darkroom.core.manifest import Manifest
from darkroom.core.units import duration, size
from darkroom.lab.plan import FRESH, WAITING, Lab, Verdict
from darkroom.lab.running import gpus
from darkroom.lab.running.selection import Options, choose
from darkroom.lab.source.variants import KEPT, lost


class Forecast(msgspec.Struct, frozen=True):
    """A run as it is expected.

    Attributes:
        id: of the experiment.
        why: the state that it is in, with the reasons.
        device: "cpu" or "gpu".
        seconds: the expected duration.
        basis: what that is taken from.
        bytes: of its stored outputs, which the new ones are expected to have; None where there are none yet.
        certain: whether it runs in any case, and not only if what it depends on gives other results.
    """

    id: str
    why: str
    device: str
    seconds: float
    basis: str
    bytes: int | None
    certain: bool


def forecast(lab: Lab, patterns: Iterable[str], options: Options) -> list[Forecast]:
    """What ``run`` would do with the same arguments, in that order.

    Raises:
        UnknownName: as ``run`` does.
        UsageError: as ``run`` does.
    """
    chosen = choose(lab, patterns, options)
    verdicts = chosen.lab.planner(chosen.overrides).plan().verdicts
    needed = chosen.needed
    is_gpu_here = options.device != "cpu" and gpus.possible() and bool(gpus.present())
    expected: dict[str, Forecast] = {}
    for identity, verdict in verdicts.items():
        is_forced = options.force and identity in chosen.named
        before = list(dict.fromkeys(each for each in verdict.recipe.upstreams if each in expected))
        if identity not in needed or not (verdict.must_run or is_forced or before):
            continue
        if gone := verdict.manifest and lost(verdict.recipe, verdict.manifest.inputs, verdicts):
            if identity in chosen.named:
                raise UsageError(KEPT.format(identity, gone))
            continue
        on_gpu = verdict.recipe.device == "gpu" and is_gpu_here
        is_certain = is_forced or verdict.manifest is None or (verdict.must_run and verdict.state != WAITING)
        seconds, basis = _duration(verdict, verdicts, on_gpu=on_gpu)
        expected[identity] = Forecast(
            identity,
            _why(verdict, before, is_forced=is_forced),
            "gpu" if on_gpu else "cpu",
            seconds,
            basis,
            _weight(verdict.manifest),
            is_certain or any(each.kind for each in verdict.reasons),
        )
    return list(expected.values())


def table(forecasts: Sequence[Forecast]) -> str:
    """A line for each, and the sums."""
    if not forecasts:
        return "nothing would run: everything is fresh; --force runs it anyway"
    rows = [("experiment", "why", "device", "about", "taken from", "weighs")]
    for each in forecasts:
        weight = "" if each.bytes is None else size(each.bytes)
        why = each.why if each.certain else f"{each.why}, if their results change"
        rows.append((each.id, why, each.device, duration(each.seconds), each.basis, weight))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    count = "1 experiment" if len(forecasts) == 1 else f"{len(forecasts)} experiments"
    took = duration(sum(each.seconds for each in forecasts)) + (" one after the other" if len(forecasts) > 1 else "")
    known = [each.bytes for each in forecasts if each.bytes is not None]
    weighs = f", {size(sum(known))} of outputs as they are now" if known else ""
    return "\n".join([*lines, f"{count}, about {took}{weighs}; nothing was run"])


def _why(verdict: Verdict, before: Sequence[str], *, is_forced: bool) -> str:
    if verdict.state == FRESH:
        return "forced" if is_forced else f"after {before[0]}"
    shown = ", ".join(map(str, verdict.reasons[:2]))
    more = f" and {len(verdict.reasons) - 2} more" if len(verdict.reasons) > 2 else ""
    return f"{verdict.state}: {shown}{more}" if shown else verdict.state


def _duration(verdict: Verdict, verdicts: Mapping[str, Verdict], *, on_gpu: bool) -> tuple[float, str]:
    """Seconds, and what they are taken from: the last run on such a device, that of the original, or the declaration."""
    recipe = verdict.recipe
    original = verdicts.get(recipe.id.rpartition("@")[0]) if recipe.variant else None
    for known, said in ((verdict, "its last run"), (original, "the original's run")):
        manifest = known.manifest if known else None
        if manifest and not manifest.imported_from and _is_gpu(manifest) == on_gpu:
            return manifest.provenance.duration_s, f"{said}, {manifest.provenance.device}"
    minutes = recipe.gpu_minutes if on_gpu else recipe.minutes
    return minutes * 60, f"its declaration, {'a small GPU' if on_gpu else 'two CPU cores'}"


def _is_gpu(manifest: Manifest) -> bool:
    """Whether a run was on a GPU: CPUs are recorded with the number of their cores."""
    return "core" not in manifest.provenance.device


def _weight(manifest: Manifest | None) -> int | None:
    if manifest is None:
        return None
    files = [*manifest.files, *(file for figure in manifest.figures.values() for file in figure.files)]
    return sum(file.bytes for file in files)
