"""The audit of experiments: what is stale, missing, damaged or undeclared, and which figures no page shows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial

from darkroom.core.errors import Fault
from darkroom.core.git import restoring
from darkroom.core.manifest import NAME, NO_CODE, Figure, advice, checks
from darkroom.core.paths import alike, links_among
from darkroom.press.content.catalogue import FRESH, StoredExperiment
from darkroom.press.content.figure_calls import FigureCall
from darkroom.press.content.page_calls import kinds_in
from darkroom.press.content.references import Index
from darkroom.press.rendering.context import Context
from darkroom.press.site.sources import Findings, Sources
from darkroom.press.typeset.vetted import Vetted
from darkroom.press.typeset.vetting import LARGEST, is_published


def judge_experiments(sources: Sources, index: Index, findings: Findings) -> None:
    """Report experiments that are not fresh, and figures that no page shows."""
    waited_for, shown, rule = _waited_for(sources), _called_for(sources), checks(sources.inputs.digest)
    tried = {each.id for each in sources.catalogue.experiments.values() if "@" in each.id and each.variant} - shown
    unseen, without_code = list[StoredExperiment](), list[str]()
    orphans: dict[str, list[StoredExperiment]] = {}
    for experiment in sources.catalogue.experiments.values():
        place = _place(sources, experiment)
        if experiment.problem:
            findings.problems.append(_damage(place, experiment.problem))
            continue
        if experiment.digest:
            sources.inputs.verify(experiment.folder / NAME, rule)
        if experiment.state == "orphan":
            orphans.setdefault(experiment.id.partition("/")[0], []).append(experiment)
        elif experiment.state != FRESH and experiment.id not in waited_for and experiment.id not in tried:
            if not experiment.digest and experiment.id not in shown:
                unseen.append(experiment)  # no published page needs it
                continue
            if not experiment.digest and experiment.reasons == (NO_CODE,):
                without_code.append(experiment.id)
                continue
            message = f"{experiment.id} is {_described(experiment)}; {_remedy(experiment)}"
            findings.problems.append(Fault(place, 1, 1, experiment.state, message))
    if without_code:
        names = ", ".join(without_code)
        message = f"{NO_CODE}: {names}; their functions say what they have to return; write them, or import results"
        findings.problems.append(Fault(sources.places.shown(sources.places.outputs.parent), 1, 1, "missing", message))
    findings.problems.extend(_alike(sources))
    findings.warnings += [_undeclared(sources, part, found) for part, found in orphans.items()]
    findings.warnings += _never_run(sources, unseen)
    findings.warnings += _unshown(sources, index)


def damaged_figures(sources: Sources, index: Index, findings: Findings) -> dict[str, str]:
    """Report shown figures whose files are not those that the manifest names; gives what is wrong, by id and name."""
    damaged, vetted = {}, Vetted()
    beside: dict[str, dict[str, StoredExperiment]] = {}
    for call in _figure_calls(sources):
        for each in call.beside(sources.catalogue):
            beside.setdefault(call.name, {})[each.id] = each
    for name in index.spots:
        found = sources.catalogue.figure(name)
        if not found:
            continue
        others = (each for each in beside.get(name, {}).values() if each is not found[0])
        for experiment in (found[0], *others):
            figure = experiment.drawn(found[1])
            if figure and figure.kind not in index.kinds:
                full = f"{experiment.id}/{name.rpartition('/')[2]}"
                template = f"templates/figures/{figure.kind}.html"
                damaged[full] = f"{template} does not exist"
                if index.is_untrusted:
                    message = (
                        f"{full}: its own {template} is not used: the project is untrusted; the figure is left out"
                    )
                    findings.problems.append(Fault(_place(sources, experiment), 1, 1, "theme", message))
                continue
            wrong = figure and _first_altered(experiment, figure, sources, vetted)
            if wrong:
                full = f"{experiment.id}/{name.rpartition('/')[2]}"
                damaged[full] = f"{wrong[0]} is {wrong[1]}"
                place = sources.places.shown(experiment.folder / wrong[0])
                findings.problems.append(
                    _damage(place, f"{full}: {damaged[full]}; {advice(experiment.folder / wrong[0])}")
                )
    vetted.keep()
    return damaged


def damaged_text(owner: str, problem: str, context: Context) -> Fault:
    """The message for a figure, or an experiment's record, with a text that cannot be shown."""
    identity = owner if owner in context.index.catalogue.experiments else owner.rpartition("/")[0]
    return _damage(f"{context.outputs}/{identity}/manifest.json", f"{owner}: {problem}; fix it there and build again")


def _first_altered(
    experiment: StoredExperiment, figure: Figure, sources: Sources, vetted: Vetted
) -> tuple[str, str] | None:
    """The first of a figure's files that is not the one that its manifest names, or not fit to be published, and why."""
    outputs, inputs = os.fspath(sources.places.outputs), sources.inputs
    for file in figure.files:
        path = f"{experiment.id}/{file.path}"
        if file.bytes > LARGEST:
            return file.path, f"too large: {file.bytes:,} bytes; a file of a figure may have {LARGEST:,}"
        digest = inputs.digest_within(outputs, path, file.bytes)
        if digest != file.sha256:
            if digest:
                return file.path, "altered"
            links = links_among(outputs, [f"{experiment.id}/{each.path}" for each in figure.files])
            return (links[0].removeprefix(f"{experiment.id}/"), "a link") if links else (file.path, "missing")
        if fault := inputs.fault_of(f"{outputs}/{path}", partial(vetted.fault_of, digest=digest)):
            return file.path, fault
    return None


def raw_files(sources: Sources, index: Index) -> dict[str, str]:
    """The addresses of result files that are small enough to be published, of experiments whose records pages show."""
    limit = sources.site.raw_limit_mb * 1e6
    raw = {}
    for experiment in sources.catalogue.experiments.values():
        for file in experiment.manifest.files if experiment.manifest and experiment.id in index.records else ():
            if file.bytes > limit or not is_published(file.path):
                continue
            path = f"{experiment.id}/{file.path}"
            digest = sources.inputs.digest_within(sources.places.outputs, path, file.bytes)
            if digest and digest == file.sha256:
                stem, dot, suffix = file.path.rpartition(".")
                raw[f"{experiment.id}/{file.path}"] = f"raw/{experiment.id}/{stem}.{digest[:10]}{dot}{suffix}"
    return raw


def _undeclared(sources: Sources, part: str, orphans: Sequence[StoredExperiment]) -> Fault:
    """One line for all outputs of a part of the experiments that nothing declares."""
    if len(orphans) == 1:
        message = f"{orphans[0].id} has outputs but is not declared; delete its outputs or restore the code"
        return Fault(_place(sources, orphans[0]), 1, 1, "orphan", message)
    names = ", ".join(each.id for each in orphans)
    message = f"outputs of {len(orphans)} experiments that are not declared; delete them or restore the code: {names}"
    return Fault(sources.places.shown(sources.places.outputs / part), 1, 1, "orphan", message)


def _never_run(sources: Sources, unseen: Sequence[StoredExperiment]) -> Iterator[Fault]:
    """One line for all experiments without outputs that no page asks for, and one for those of them without code."""
    for has_code, remedy in ((True, "run python build.py run ID"), (False, "write their functions, or import results")):
        if names := [each.id for each in unseen if each.has_code == has_code]:
            message = f"no outputs, and no page that shows them: {', '.join(names)}; {remedy}"
            yield Fault(sources.places.shown(sources.places.outputs), 1, 1, "missing", message)


def _alike(sources: Sources) -> Iterator[Fault]:
    """Outputs in folders that are one and the same on some systems, where one would take the place of the other."""
    experiments = sources.catalogue.experiments
    stored = [identity for identity in experiments if experiments[identity].digest]
    for way, first in alike(stored).items():
        message = (
            f"{first!r} and {way!r} have the same name on some systems, such as macOS; rename or delete one of the two"
        )
        yield Fault(sources.places.shown(sources.places.outputs / way), 1, 1, "file", message)


def _unshown(sources: Sources, index: Index) -> Iterator[Fault]:
    for name in sources.catalogue.figure_names:
        owner = sources.catalogue.experiments[name.rpartition("/")[0]]
        if owner.digest and name not in index.spots and owner.state != "orphan":
            message = f"no page shows {name}; show it with figure({name!r}), or remove it"
            yield Fault(_place(sources, owner), 1, 1, "unshown", message)


def _waited_for(sources: Sources) -> set[str]:
    """Experiments without outputs whose values a page calls for: the page's own warning says so, and where."""
    names = _called_for(sources, values=True)
    return {each.id for each in sources.catalogue.experiments.values() if not each.digest and each.id in names}


def _called_for(sources: Sources, *, values: bool = False) -> set[str]:
    """The experiments whose figures or values, or whose *values* alone, a page shows."""
    found: set[str] = set()
    for outline in sources.outlines.values():
        for kind in kinds_in(outline):
            if kind.is_value or not values:
                found.update(each.id for each in kind.experiments(sources.catalogue))
    return found


def _figure_calls(sources: Sources) -> Iterator[FigureCall]:
    for outline in sources.outlines.values():
        yield from (kind for kind in kinds_in(outline) if isinstance(kind, FigureCall))


def _place(sources: Sources, experiment: StoredExperiment) -> str:
    return sources.places.shown(experiment.folder / "manifest.json")


def _described(experiment: StoredExperiment) -> str:
    reasons = "; ".join(experiment.reasons)
    return f"{experiment.state} ({reasons})" if reasons else experiment.state


def _remedy(experiment: StoredExperiment) -> str:
    """What makes an experiment fresh; of damaged outputs, what brings them back comes first."""
    command = f"run {experiment.command}"
    if experiment.state == "damaged" and experiment.reasons:
        restore = restoring(experiment.folder / experiment.reasons[0].removesuffix(" is a link"))
        command = f"{restore}, or {command}" if restore.startswith("restore it") else command
    return command


def _damage(place: str, message: str) -> Fault:
    return Fault(place, 1, 1, "damaged", message)
