"""Verifies that stored outputs are what runs have stored: manifests, digests, and numbers and figures made once more.

What agreed is remembered, and not compared again as long as nothing of it has changed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import sha256

from darkroom.core import caches
from darkroom.core.errors import Fault
from darkroom.core.git import restoring
from darkroom.core.manifest import LARGEST, NAME, is_as_written
from darkroom.core.paths import read_plain
from darkroom.lab.plan import FRESH, Lab, Plan, Verdict, recorded_otherwise

CACHE = "verified.json"
RULE = "verify"


def verify(lab: Lab, plan: Plan, *, figures: bool, run_code: bool = True) -> list[Fault]:
    """What is wrong with the outputs of experiments.

    Args:
        lab: the project.
        plan: its state; what is damaged or stale is reported elsewhere.
        figures: draw every figure once more, and compare it with the stored one.
        run_code: compute metrics once more, and draw, which runs the project's code.
    """
    stored = {identity: verdict for identity, verdict in plan.verdicts.items() if verdict.usable}
    cache, faults = _Cache(lab), list[Fault]()
    for verdict in stored.values():
        if not cache.knows(verdict, []):
            wrong = _of_manifest(lab, verdict)
            faults += wrong
            if not wrong:
                cache.add(verdict, [])
    if run_code:
        faults += _of_drawings(lab, stored, cache, figures=figures)
    cache.save()
    return faults


def _of_drawings(lab: Lab, stored: Mapping[str, Verdict], cache: _Cache, *, figures: bool) -> list[Fault]:
    """What is wrong with metrics, and figures, by making them once more."""
    faults = list[Fault]()
    names = {identity: _comparable(verdict, figures=figures) for identity, verdict in stored.items()}
    wanted = {identity: each for identity, each in names.items() if each and not cache.knows(stored[identity], each)}
    for identity, wrong in _compared(lab, wanted).items():
        faults += [_fault(lab, identity, message) for message in wrong]
        if not wrong:
            cache.add(stored[identity], wanted[identity])
    return faults


def _of_manifest(lab: Lab, verdict: Verdict) -> list[Fault]:
    """What is wrong with a manifest itself."""
    from darkroom.lab.outputs.results import results_digest

    identity, manifest = verdict.recipe.id, verdict.manifest
    assert manifest is not None
    path = lab.outputs / identity / NAME
    advice = f"{restoring(path)}, or run {identity} again"
    found = []
    if is_as_written(read_plain(path, LARGEST)) is False:
        found.append(f"it was changed after a run had written it; {advice}")
    if verdict.state == FRESH:  # the key agrees, so all that is in it has to
        others = recorded_otherwise(verdict.recipe, manifest, verdict.parameters, verdict.inputs)
        found += [f"it records other {each} than its key is made of; {advice}" for each in others[:1]]
    if results_digest(manifest.files) != manifest.results:
        found.append(f"its digest of the results does not fit their files; {advice}")
    return [_fault(lab, identity, message) for message in found]


def _comparable(verdict: Verdict, *, figures: bool) -> list[str]:
    """The metrics, and figures, that are those of the current code, so that they can be made once more."""
    if verdict.absent:  # temporary results, which a figure may read
        return []
    drawings = [*(verdict.figures.values() if figures else ()), *verdict.metrics.values()]
    return [each.recipe.name for each in drawings if each.state == FRESH]


def _compared(lab: Lab, names: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """What is wrong with each experiment, by a worker that makes everything once more."""
    found: dict[str, list[str]] = {}
    if not names:
        return found
    from darkroom.lab.running import events
    from darkroom.lab.running.display import display
    from darkroom.lab.running.job import Job
    from darkroom.lab.running.schedule import Worker

    def take(event: events.Event) -> None:
        if isinstance(event, events.Compared):
            found[event.experiment] = event.faults

    root, outputs, data = str(lab.root), str(lab.outputs), str(lab.data or "")
    job = Job(root=root, outputs=outputs, project=lab.project, data=data, compared={**names})
    with display() as shown:
        process = Worker(job, shown)
        try:
            process.do(job, "figures", take)
        finally:
            process.close()
    return found


def _fault(lab: Lab, identity: str, message: str) -> Fault:
    path = lab.outputs / identity / NAME
    shown = path.relative_to(lab.root) if path.is_relative_to(lab.root) else path
    return Fault(shown.as_posix(), 1, 1, RULE, f"{identity}: {message}")


class _Cache:
    """The digests of what agreed."""

    def __init__(self, lab: Lab) -> None:
        self._path = (lab.cache or lab.root / ".darkroom" / "lab") / CACHE
        self._lab = lab
        try:
            found = json.loads(caches.read(self._path) or b"{}")
        except ValueError:
            found = {}
        self._known: dict[str, str] = found if isinstance(found, dict) else {}
        self._stored = dict(self._known)

    def knows(self, verdict: Verdict, names: list[str]) -> bool:
        """Whether these figures and metrics agreed, and nothing has changed since."""
        return self._known.get(self._key(verdict, names)) == verdict.recipe.id

    def add(self, verdict: Verdict, names: list[str]) -> None:
        """Remember that they agree."""
        self._known[self._key(verdict, names)] = verdict.recipe.id

    def save(self) -> None:
        """Write what is known, if that has changed."""
        if self._known == self._stored:
            return
        caches.write(self._path, json.dumps(self._known, indent=0).encode())

    def _key(self, verdict: Verdict, names: list[str]) -> str:
        drawings = {**verdict.figures, **verdict.metrics}
        manifest = self._lab.digests.of(os.fspath(self._lab.outputs / verdict.recipe.id / NAME), links=False)
        return sha256(
            "\n".join(
                [manifest or "", verdict.state, verdict.key, *(f"{name} {drawings[name].key}" for name in names)]
            ).encode()
        ).hexdigest()
