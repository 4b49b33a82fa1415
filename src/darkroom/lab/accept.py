"""A statement that stored results are still valid after a code change, stored in the manifest."""

from __future__ import annotations

from pathlib import Path

import msgspec

from darkroom.core.errors import UnknownName, UsageError, nearest
from darkroom.core.git import restoring
from darkroom.core.manifest import NAME, Acceptance, encode, foreign_digest
from darkroom.core.paths import write_atomically
from darkroom.lab.outputs.folders import OutputFolder
from darkroom.lab.outputs.locking import locked
from darkroom.lab.plan import DAMAGED, FRESH, WAITING, Lab, Verdict
from darkroom.lab.running import provenance


def accept(lab: Lab, identity: str, reason: str) -> None:
    """Accept the stored results of an experiment as those of the current code.

    Raises:
        UnknownName: there is no such experiment.
        UsageError: there is nothing to accept, or more than code has changed.
        Locked: the experiment is being run.
    """
    if identity not in lab.project.experiments:
        raise UnknownName(f"no experiment {identity!r}{nearest(identity, lab.project.experiments)}")
    if not reason.strip():
        raise UsageError(f'accept {identity}: say why the outputs are still valid: --reason "..."')
    place = OutputFolder(lab.outputs, identity)
    with locked(place):
        verdict = lab.planner().plan().verdicts[identity]
        _refuse(verdict, lab.outputs)
        _rewrite(lab, place, verdict, reason.strip())


def is_acceptable(lab: Lab, identity: str) -> bool:
    """Whether nothing but code has changed since an experiment was run."""
    try:
        _refuse(lab.planner().plan().verdicts[identity], lab.outputs)
    except UsageError:
        return False
    return True


def _refuse(verdict: Verdict, outputs: Path) -> None:
    identity = verdict.recipe.id
    if verdict.state == DAMAGED:
        raise UsageError(
            f"accept {identity}: its outputs are damaged ({', '.join(map(str, verdict.reasons))}); "
            f"{restoring(outputs / identity / verdict.reasons[0].name)}, or run it again"
        )
    if verdict.manifest is None:
        raise UsageError(f"accept {identity}: it has no outputs; run it")
    if verdict.state == FRESH:
        raise UsageError(f"accept {identity}: it is fresh; there is nothing to accept")
    if verdict.state == WAITING:
        raise UsageError(f"accept {identity}: it waits for {verdict.reasons[0]}; accept or run that first")
    if verdict.is_imported:
        said = ", ".join(map(str, verdict.reasons))
        raise UsageError(
            f"accept {identity}: its results were imported for another declaration ({said}); import them again"
        )
    others = [str(each) for each in verdict.reasons if each.kind != "code"]
    if others:
        raise UsageError(f"accept {identity}: more than code has changed ({', '.join(others)}); run it again")


def _rewrite(lab: Lab, place: OutputFolder, verdict: Verdict, reason: str) -> None:
    manifest = verdict.manifest
    assert manifest is not None
    word = Acceptance(reason, provenance.now(), provenance.commit(lab.root)[0], manifest.key)
    accepted = msgspec.structs.replace(
        manifest, key=verdict.key, code=verdict.recipe.code, accepted=[*manifest.accepted, word]
    )
    content = encode(accepted, foreign_digest(place.folder))
    write_atomically(place.folder / NAME, content, scratch=place.scratch)
