"""Results that another program computed become those of an experiment, with where they come from.

They are stored as a run's results are, by the same functions, and the figures and metrics are drawn from them like any other.
Nothing of the project is run here, and nothing of what is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from darkroom.core.errors import UnknownName, UsageError, nearest
from darkroom.core.manifest import VERSION, Import, Manifest, Provenance, SourcePlace, StoredFile
from darkroom.core.paths import check_address, said_alike
from darkroom.core.units import duration, seconds
from darkroom.lab.importing.files import Faults, Given, collect
from darkroom.lab.importing.naming import Folder, Named, results_of
from darkroom.lab.importing.readers import KeptBytes
from darkroom.lab.outputs import results
from darkroom.lab.outputs.folders import OutputFolder
from darkroom.lab.outputs.locking import locked
from darkroom.lab.plan import DAMAGED, Lab, Verdict, imported_key
from darkroom.lab.running import draw, provenance
from darkroom.lab.source.declared import ExperimentRecipe

LONGEST_DEVICE = 200  # characters
Vet = Callable[[str, bytes], str]


class Origin(msgspec.Struct, frozen=True):
    """Where results come from, as whoever imports them states it.

    Args:
        source: the address of the program that computed them, such as a notebook's or a commit's.
        device: what it ran on.
        took_s: how long it ran, in seconds.
    """

    source: str
    device: str
    took_s: float


def origin(source: str, device: str, took: str) -> Origin:
    """Where results come from, from the texts of a call.

    Raises:
        UsageError: some are not such; a line for each.
    """
    faults: list[str] = []
    took_s = 0.0
    try:
        check_address(source)
    except ValueError as error:
        faults.append(f"--source {error}")
    if not device.strip() or not device.isprintable() or len(device) > LONGEST_DEVICE:
        faults.append(f"--device {device[:40]!r} is not the name of a device; write one such as 'Tesla T4'")
    try:
        took_s = seconds(took)
    except ValueError as error:
        faults.append(f"--took {error}")
    if faults:
        raise UsageError("\n".join(faults))
    return Origin(source, " ".join(device.split()), took_s)


def import_results(
    lab: Lab,
    identity: str,
    paths: Sequence[str],
    came_from: Origin,
    *,
    names: Mapping[str, str],
    force: bool,
    vet: Vet,
) -> Manifest:
    """Store results that another program computed as those of an experiment; figures are not drawn yet.

    Args:
        lab: the project.
        identity: the experiment.
        paths: files, folders and zip archives.
        came_from: where the results come from.
        names: names of results that were chosen, by path of a file or folder.
        force: replace results of a run.
        vet: why a file of that name and content may not be published, or "".

    Raises:
        UnknownName: there is no such experiment.
        UsageError: it does not declare its results, has results of a run, or what is given does not fit it; all of that at
            once. Nothing is stored then.
        Locked: the experiment is being run.
    """
    if identity not in lab.project.experiments:
        raise UnknownName(f"no experiment {identity!r}{nearest(identity, lab.project.experiments)}")
    place = OutputFolder(lab.outputs, identity)
    with locked(place):
        verdict = lab.planner().plan().verdicts[identity]
        _refuse(verdict, force=force)
        faults = Faults()
        given = sorted(collect(paths, faults), key=lambda each: each.path)
        found = results_of(given, verdict.recipe.results, names, faults)
        _check_names(verdict.recipe, found, faults)
        _check_values(found, identity, vet, faults)
        if faults:
            raise UsageError("\n".join(f"import {identity}: {each}" for each in dict.fromkeys(faults)))
        return _store(place, verdict, found, given, came_from)


def _refuse(verdict: Verdict, *, force: bool) -> None:
    """Refuse where results cannot be imported, or would replace those of a run.

    Raises:
        UsageError: they cannot.
    """
    identity, manifest = verdict.recipe.id, verdict.manifest
    if not verdict.key:
        edges = dict.fromkeys(
            each.upstream or each.name for each in verdict.recipe.edges if not verdict.inputs[each.name]
        )
        lacking = ", ".join(edges)
        raise UsageError(f"import {identity}: it takes results of {lacking}, which has none; run or import that first")
    if force or verdict.is_imported:
        return
    if manifest is not None:
        made = manifest.provenance
        when = f"{made.finished_at[:10]}, {duration(made.duration_s)} on {made.device}"
        raise UsageError(f"import {identity}: it has results of a run here ({when}); --force replaces them")
    if verdict.state == DAMAGED:
        said = ", ".join(map(str, verdict.reasons))
        raise UsageError(f"import {identity}: it has outputs that are damaged ({said}); --force replaces them")


def _check_names(recipe: ExperimentRecipe, found: Sequence[Named], faults: Faults) -> None:
    """Report results that are not those that are declared, and those that are given twice."""
    where = f"{recipe.path}:{recipe.line}"
    names = [each.name for each in found]
    for name in dict.fromkeys(each for each in names if names.count(each) > 1):
        paths = ", ".join(each.path for each in found if each.name == name)
        faults.append(f"two files are the result {name!r} ({paths}); leave one out, or name it with --as NAME=FILE")
    if same := said_alike(dict.fromkeys(names)):
        faults.append(f"the results {same} have the same name on some systems; name one with --as NAME=FILE")
    if not recipe.results:
        listed = ", ".join(f'"{name}"' for name in sorted(set(names))) or '"loss"'
        example = f"results=({listed}{'' if ', ' in listed else ','})"
        faults.append(f"{where}: it does not declare its results; add their names to its @experiment: {example}")
    elif unlike := results.unlike(set(recipe.results) - (set(recipe.temporary) - set(names)), set(names)):
        places = ", ".join(f"{each.name!r} is {each.path}" for each in found if each.name not in recipe.results)
        rename = f" ({places}); rename files, or name one with --as NAME=FILE" if places else "; add its file"
        faults.append(f"{where} declares other results: {unlike}{rename}")


def _check_values(found: Sequence[Named], identity: str, vet: Vet, faults: Faults) -> None:
    """Report values that cannot be stored, and pictures that cannot be shown."""
    for each in found:
        kept = each.value.files if isinstance(each.value, Folder) else []
        if isinstance(each.value, KeptBytes):
            kept = [(each.path, each.value)]
        else:
            value = Path() if isinstance(each.value, Folder) else each.value
            for fault in results.faults_of({each.name: value}, identity):
                faults.add(each.path, fault.removeprefix(f"{identity}: "))
        for path, content in kept:
            if path.lower().endswith((*results.PICTURES, *results.FILMS)) and (fault := vet(path, content)):
                faults.add(each.path, fault)


def _store(
    place: OutputFolder, verdict: Verdict, found: Sequence[Named], given: Sequence[Given], came_from: Origin
) -> Manifest:
    recipe, now = verdict.recipe, provenance.now()
    folder = place.fresh_next()
    returned: dict[str, Any] = {}
    files: list[StoredFile] = []
    for each in found:
        if isinstance(each.value, KeptBytes):
            suffix = each.path.rpartition(".")[2].lower()
            files.append(results.store_file(folder, f"{each.name}.{suffix}", bytes(each.value)))
        elif isinstance(each.value, Folder):
            files += [results.store_file(folder, f"{each.name}/{path}", content) for path, content in each.value.files]
        else:
            returned[each.name] = each.value
    files = sorted([*files, *results.write_results(folder, returned, recipe.id)], key=lambda file: file.path)
    seed, given_names = verdict.parameters.get("seed"), {each.name for each in found}
    names = [name for name in recipe.results if name in given_names]  # temporary ones may be left out
    manifest = Manifest(
        version=VERSION,
        experiment=recipe.id,
        summary=recipe.summary,
        source=SourcePlace(recipe.path, recipe.line),
        key=imported_key(recipe, verdict.parameters, verdict.inputs),
        results=results.results_digest(files),
        parameters=dict(verdict.parameters),
        inputs=dict(verdict.inputs),
        code={},
        files=files,
        metrics={},
        figures={},
        model=recipe.model,
        variant=recipe.variant,
        provenance=Provenance(
            commit="",
            clean=False,
            seed=seed if isinstance(seed, int) else None,
            device=came_from.device,
            versions={},
            started_at=now,
            finished_at=now,
            duration_s=round(came_from.took_s, 3),
            peak_memory_bytes=0,
        ),
        imported_from=Import(came_from.source, now, [each.described() for each in given], names),
    )
    draw.write_manifest(folder, manifest)
    place.publish()
    return manifest
