"""Outputs that nothing refers to, and what runs have left behind.

Outputs are in use if their experiment is declared. Those of a variant, which exists only because it was run, are in use if
a page or a sweep of ``experiments/sweeps.toml`` names it, or if something that is in use takes results from it, or if it
takes results from a point of a sweep. A checkpoint is in use if it is that of the run that would be next.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from darkroom.core import locks
from darkroom.core.errors import DamagedOutputs
from darkroom.core.leftovers import Leftover, last_change
from darkroom.core.manifest import load
from darkroom.core.paths import read_toml, remove
from darkroom.lab.outputs.folders import MANIFEST, SCRATCH, OutputFolder
from darkroom.lab.outputs.locking import locked
from darkroom.lab.plan import Lab, Plan
from darkroom.lab.source.sweeps import SWEEPS, declared_sweep
from darkroom.lab.source.variants import Settings

VARIANT = "variants that no page and no sweep names"
ORPHAN = "outputs of experiments that are not declared"
REST = "files without a manifest in the folder of outputs"
RUN = "left by runs that ended early"
_TRACES = {"lock", "holder", "log.txt"}
_DAY_S = 24 * 3600


class Leftovers(msgspec.Struct, frozen=True):
    """What nothing refers to, and what is kept though it could be among that, each with the reason."""

    leftovers: tuple[Leftover, ...]
    kept: Mapping[str, str]


def leftovers(
    lab: Lab, plan: Plan, used: Mapping[str, str], *, now: float, days: float, keep: Sequence[str]
) -> Leftovers:
    """What nothing refers to in the folder of outputs.

    Args:
        lab: the project.
        plan: the state of its experiments.
        used: the experiments that pages refer to, each with the page.
        now: the time, in seconds since 1970.
        days: what was made or changed in as many days is kept.
        keep: patterns of names that are kept.

    Raises:
        UsageError: a sweep is not as it has to be, so that it is unknown which variants it has.
    """
    sweeps = _points(lab)
    in_use = _in_use(lab, plan, used, sweeps)
    found = [*_outputs(lab, plan, in_use), *_rest(lab, plan), *_of_runs(lab, plan, sweeps)]
    kept = {identity: reason for identity, reason in in_use.items() if "@" in identity}
    left = []
    for each in found:
        if any(fnmatchcase(each.name, pattern) for pattern in keep):
            kept[each.name] = "--keep names it"
        elif not each.is_remade and now - each.changed_at < days * _DAY_S:
            kept[each.name] = f"it is younger than {days:g} days"
        else:
            left.append(each)
    return Leftovers(tuple(left), kept)


def _points(lab: Lab) -> dict[str, str]:
    """The variants that are points of sweeps, each with the sweep."""
    declared = {name: each for name, each in lab.project.experiments.items() if "@" not in name}
    project = msgspec.structs.replace(lab.project, experiments=declared)
    found: dict[str, str] = {}
    for name in read_toml(lab.root / SWEEPS) or {}:
        sweep = declared_sweep(lab.root, project, name)
        variants: Mapping[str, Settings] = sweep.variants(declared[sweep.experiment])
        found |= {f"{sweep.experiment}@{variant}": f"the sweep {name} has it" for variant in variants}
    return found


def _in_use(lab: Lab, plan: Plan, used: Mapping[str, str], sweeps: Mapping[str, str]) -> dict[str, str]:
    """The declared experiments and variants that are in use, each with the reason."""
    experiments = lab.project.experiments
    models = {model.name for model in lab.project.models}
    found: dict[str, str] = {}
    after = {identity for identity in plan.verdicts if _point(identity, models) in sweeps}  # points, and what follows
    for identity in plan.verdicts:  # upstreams first
        owner, _, name = identity.rpartition("@")
        takes = next((each for each in experiments[identity].upstreams if each in after), "")
        after |= {identity} if takes else set()
        if not owner or name in models:
            found[identity] = "it is declared"
        elif identity in used:
            found[identity] = f"{used[identity]} refers to it"
        elif _point(identity, models) in sweeps:
            found[identity] = sweeps[_point(identity, models)]
        elif takes:
            found[identity] = f"it takes results from {takes}"
    for identity in reversed([*plan.verdicts]):  # what takes results first
        if identity in found:
            drawings = (*experiments[identity].figures, *experiments[identity].metrics)
            edges = [each.upstream for drawing in drawings for each in drawing.edges]
            for each in (*experiments[identity].upstreams, *edges):
                if each in experiments:
                    found.setdefault(each, f"{identity} takes results from it")
    return found


def _point(identity: str, models: set[str]) -> str:
    """The id without the name of a model."""
    owner, *names = identity.split("@")
    return "@".join([owner, *(name for name in names if name not in models)])


def _outputs(lab: Lab, plan: Plan, in_use: Mapping[str, str]) -> Iterator[Leftover]:
    for identity in (*plan.verdicts, *plan.orphans):
        folder, is_orphan = lab.outputs / identity, identity in plan.orphans
        if identity not in in_use and (folder / MANIFEST).is_file():
            kind = ORPHAN if is_orphan else VARIANT
            yield Leftover(identity, kind, (folder,), _finished(folder), owner=identity)


def _finished(folder: Path) -> float:
    """When outputs were computed, or where their manifest does not say it when they last changed."""
    try:
        manifest = load(folder, drawable=True)
    except DamagedOutputs:
        manifest = None
    if manifest is None:
        return last_change(folder)
    return datetime.fromisoformat(manifest.provenance.finished_at).timestamp()


def _rest(lab: Lab, plan: Plan) -> Iterator[Leftover]:
    """Folders with files that belong to no manifest, such as temporary results of another branch."""
    known = {*plan.verdicts, *plan.orphans}
    for place, folders, names in os.walk(lab.outputs):
        inside = Path(place).relative_to(lab.outputs).as_posix()
        folders[:] = sorted(
            each for each in folders if not each.startswith(".") and not (Path(place) / each).is_symlink()
        )
        if MANIFEST in names:
            folders.clear()
        elif inside != "." and any(not each.startswith(".") for each in names):
            if any(each.startswith(f"{inside}/") for each in known):
                continue
            folders.clear()
            owner = inside if inside in known else ""
            yield Leftover(inside, REST, (Path(place),), last_change(Path(place)), owner=owner)


def _of_runs(lab: Lab, plan: Plan, sweeps: Mapping[str, str]) -> Iterator[Leftover]:
    """What is left where runs work: folders of runs that were killed, and checkpoints that no run would take up."""
    base = lab.outputs / SCRATCH
    for place, folders, names in os.walk(base):
        identity = Path(place).relative_to(base).as_posix()
        if "lock" not in names:
            continue
        folders.clear()
        if locks.is_held(Path(place) / "lock"):
            continue
        is_known = identity in plan.verdicts or identity in sweeps
        yield from _of_run(OutputFolder(lab.outputs, identity), plan, is_known=is_known)


def _of_run(of: OutputFolder, plan: Plan, *, is_known: bool) -> Iterator[Leftover]:
    verdict = plan.verdicts.get(of.id)
    here = sorted(of.scratch.iterdir())
    for path in here:
        is_checkpoint = path.name.startswith("checkpoint-")
        if path.name in _TRACES or (is_checkpoint and is_known and not (verdict and verdict.key)):
            continue  # it is unknown which key the next run will have
        if is_checkpoint and verdict and path == of.checkpoint(verdict.key):
            continue
        why = "of a run with other code, inputs or parameters" if is_checkpoint and is_known else ""
        name = f"{SCRATCH}/{of.id}/{path.name}"
        yield Leftover(name, RUN, (path,), last_change(path), why, owner=of.id)
    traces = tuple(path for path in here if path.name in _TRACES)
    if not is_known and of.id not in plan.orphans and len(traces) == len(here):
        yield Leftover(f"{SCRATCH}/{of.id}", RUN, traces, last_change(of.scratch), "not declared", is_remade=True)


def discard(outputs: Path, leftover: Leftover) -> None:
    """Remove it, and the folders that are empty then; killed at any moment, no part of it counts as outputs.

    Raises:
        Locked: a run is working on it.
        DamagedOutputs: a link has come in its place.
    """
    if not leftover.owner:
        _remove_all(outputs, leftover.places)
        return
    place = OutputFolder(outputs, leftover.owner)
    with locked(place):
        _remove_all(outputs, leftover.places)
    left = [*place.scratch.iterdir()]
    is_done = leftover.kind in {VARIANT, ORPHAN} and {path.name for path in left} <= _TRACES
    if is_done and not locks.is_held(place.scratch / "lock"):
        for path in left:
            remove(path)
        _remove_empty(outputs, place.scratch)


def _remove_all(outputs: Path, places: Iterable[Path]) -> None:
    for place in places:
        if (place / MANIFEST).is_file():
            remove(place / MANIFEST)  # what is left is no outputs
        remove(place)
        _remove_empty(outputs, place.parent)


def _remove_empty(outputs: Path, folder: Path) -> None:
    """Remove a folder if it is empty, and those above it in the outputs."""
    with suppress(OSError):
        while folder != outputs and folder.is_relative_to(outputs):
            folder.rmdir()
            folder = folder.parent
