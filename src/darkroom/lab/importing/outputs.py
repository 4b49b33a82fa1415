"""Outputs that this project made in another clone of it: on Colab, on a cluster, on another machine.

They are ordinary outputs, with the record of the run that made them. They are taken where that was a run of the code,
parameters and inputs that this clone has, so that they are fresh here at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

import msgspec

from darkroom.core.errors import DamagedOutputs, UsageError, nearest
from darkroom.core.manifest import NAME, Manifest, StoredFile, decode, digest_of_others, is_temporary
from darkroom.lab.importing.files import Faults, Given, collect
from darkroom.lab.outputs.folders import OutputFolder
from darkroom.lab.outputs.locking import locked
from darkroom.lab.outputs.results import store_file
from darkroom.lab.plan import FRESH, Lab, order
from darkroom.lab.running import draw
from darkroom.lab.running.selection import refuse_other
from darkroom.lab.source.variants import Variation, check_name, lost, merged, with_variations

MOST_FILES = 20_000


class _Found(NamedTuple):
    manifest: Manifest
    digest: str  # of the manifest, if it is not that of its file
    folder: str
    files: Mapping[str, bytes]


class Taken(NamedTuple):
    """The experiments whose outputs were stored, and those that were fresh already and were left."""

    stored: list[str]
    left: list[str]


def take_outputs(lab: Lab, paths: Sequence[str], *, force: bool) -> Taken:
    """Store outputs that another clone of this project has made.

    Args:
        lab: the project.
        paths: folders and zip archives that hold outputs: folders of experiments with their manifests.
        force: also those of experiments that are fresh here.

    Raises:
        UsageError: there are none, or some are damaged, of no experiment, or of other sources than those that are here; a
            line for each. Nothing is stored then.
        Locked: another process works on one of the experiments.
    """
    faults = Faults()
    given = collect(paths, faults, MOST_FILES)
    found = {each.manifest.experiment: each for each in _folders(given, faults)}
    if not found and not faults:
        faults.append(f"{', '.join(paths)}: no outputs of experiments, which are folders with a {NAME}")
    lab = _with_variants(lab, found, faults, force=force)
    verdicts = lab.planner().plan().verdicts
    fresh = [name for name in found if name in verdicts and verdicts[name].state == FRESH]
    left = [name for name in fresh if not force or _is_same(found[name].manifest, verdicts[name].manifest)]
    wanted = {name: each for name, each in found.items() if name not in left}
    _check(lab, wanted, faults)
    if faults:
        raise UsageError("\n".join(f"import --runs: {each}" for each in dict.fromkeys(faults)))
    stored = [name for name in order(lab.project) if name in wanted]
    for name in stored:
        _store(OutputFolder(lab.outputs, name), wanted[name])
    return Taken(stored, left)


def _folders(given: Sequence[Given], faults: Faults) -> Iterator[_Found]:
    """The outputs among files, each verified against its manifest."""
    contents = {each.path: each.content for each in given}
    seen: dict[str, str] = {}
    folders: list[tuple[str, str]] = []
    for each in sorted(given, key=lambda found: found.path.count("/")):
        folder = each.path.removesuffix(NAME)
        if each.name != NAME or any(each.within == within and folder.startswith(known) for within, known in folders):
            continue  # within the outputs of another it is a file of a result
        folders.append((each.within, folder))
        try:
            manifest = decode(each.content, each.path)
        except DamagedOutputs as error:
            faults.append(str(error))
            continue
        if manifest.experiment in seen:
            faults.add(
                each.path, f"has outputs of {manifest.experiment!r} as {seen[manifest.experiment]} has; leave one out"
            )
            continue
        seen[manifest.experiment] = each.path
        files = {}
        for file in _stored(manifest):
            content = contents.get(f"{folder}{file.path}")
            if content is not None and sha256(content).hexdigest() == file.sha256:
                files[file.path] = content
            elif content is not None or not is_temporary(manifest, file.path):
                what = "is missing" if content is None else "differs from its manifest"
                faults.add(f"{folder}{file.path}", f"{what}; pack the whole folder again")
        yield _Found(manifest, digest_of_others(each.content), folder, files)


def _with_variants(lab: Lab, found: Mapping[str, _Found], faults: Faults, *, force: bool) -> Lab:
    """The project with the variants among what was found, which exist only where they were run."""
    variations = lab.variations
    for name, each in found.items():
        variant = each.manifest.variant
        base = name.removesuffix(f"@{variant.name}") if variant else ""
        if variant is None or base not in lab.project.experiments:
            continue
        try:
            check_name(variant.name, [model.name for model in lab.project.models])
            refuse_other(lab, name, variant.settings, replace=force)
        except UsageError as error:
            said = str(error).partition("; choose")[0]
            faults.add(each.folder, f"{said}; {'leave it out' if force else '--force replaces it, if its name fits'}")
            continue
        variations = merged(variations, Variation(variant.name, {base: variant.settings}))
    return msgspec.structs.replace(lab, variations=variations, project=with_variations(lab.project, variations))


def _stored(manifest: Manifest) -> Iterator[StoredFile]:
    yield from manifest.files
    for figure in manifest.figures.values():
        yield from figure.files


def _is_same(one: Manifest, other: Manifest | None) -> bool:
    return other is not None and (one.key, one.results, one.provenance) == (other.key, other.results, other.provenance)


def _check(lab: Lab, found: Mapping[str, _Found], faults: Faults) -> None:
    """Report outputs that would not be fresh here."""
    known, planner = lab.project.experiments, lab.planner()
    planner.suppose({name: each.manifest for name, each in found.items() if name in known})
    for name, each in found.items():
        if name not in known:
            faults.add(
                each.folder or name, f"no experiment {name!r} is declared here{nearest(name, known)}; leave it out"
            )
            continue
        if gone := lost(known[name], each.manifest.inputs, known):
            faults.add(each.folder, f"it was run with {gone}; leave it out")
            continue
        reasons = planner.changes(known[name], each.manifest)
        if reasons is None:
            lacking = ", ".join(dict.fromkeys(known[name].upstreams))
            faults.add(each.folder or name, f"it takes results of {lacking}, which are not here; bring those as well")
        elif reasons:
            said = ", ".join(map(str, reasons[:3])) + (f" and {len(reasons) - 3} more" if len(reasons) > 3 else "")
            faults.add(each.folder, f"of other sources than are here ({said}); check out the commit that it was run at")


def _store(place: OutputFolder, found: _Found) -> None:
    with locked(place):
        folder = place.fresh_next()
        for path, content in found.files.items():
            store_file(folder, path, content)
        draw.write_manifest(folder, found.manifest, found.digest)
        place.publish()
