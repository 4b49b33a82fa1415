"""Runs experiments twice, and says whether their results agree: those of one that draws without a seed do not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from darkroom.core.errors import DamagedOutputs, UsageError
from darkroom.core.manifest import NAME, encode, foreign_digest, load
from darkroom.core.paths import write_atomically
from darkroom.lab.outputs.folders import OutputFolder
from darkroom.lab.outputs.locking import locked
from darkroom.lab.outputs.results import Results, open_results
from darkroom.lab.plan import Lab
from darkroom.lab.running.schedule import Outcome, run
from darkroom.lab.running.selection import Options, choose


class Repeated(msgspec.Struct, frozen=True):
    """How both runs went, and the results that differ between them, by experiment; [] where all agree."""

    outcome: Outcome
    different: Mapping[str, list[str]]

    @property
    def lines(self) -> list[str]:
        """What to say of each."""
        return [
            f"{identity}  gave different {', '.join(names)} the second time; does it draw random numbers without a seed?"
            if names
            else f"{identity}  gave the same results twice"
            for identity, names in self.different.items()
        ]


def run_twice(lab: Lab, patterns: Iterable[str], options: Options) -> Repeated:
    """Run the experiments that *patterns* name two times, whether they are fresh or not; the second results stay.

    Raises:
        UnknownName: as ``run`` does.
        UsageError: as ``run`` does.
    """
    patterns = list(patterns)
    named = sorted(choose(lab, patterns, options).named)
    if not options.force:
        _refuse_imported(lab, named)
    options = replace(options, force=True)
    outcome = run(lab, patterns, options)
    if outcome.failed or outcome.held_up:
        return Repeated(outcome, {})
    first = {identity: _digests(open_results(lab.outputs, identity)) for identity in named}
    outcome = run(lab, patterns, options)
    if outcome.failed or outcome.held_up:
        return Repeated(outcome, {})
    different = {}
    for identity, before in first.items():
        after = _digests(open_results(lab.outputs, identity))
        different[identity] = sorted(name for name in before | after if before.get(name) != after.get(name))
        if not different[identity]:
            _note_agreement(OutputFolder(lab.outputs, identity))
    return Repeated(outcome, different)


def _refuse_imported(lab: Lab, named: Iterable[str]) -> None:
    """Refuse to run what was imported, whose results would be replaced.

    Raises:
        UsageError: one was.
    """
    for identity in named:
        with suppress(DamagedOutputs):
            manifest = load(lab.outputs / identity, drawable=True)
            if manifest is not None and manifest.imported_from is not None:
                raise UsageError(
                    f"{identity}: its results were imported, and runs would replace them; to do that, add --force"
                )


def _note_agreement(place: OutputFolder) -> None:
    """Record that results do not depend on what the run drew without a seed."""
    with locked(place):
        manifest = load(place.folder, drawable=True)
        if manifest is not None and manifest.provenance.unseeded:
            made = msgspec.structs.replace(manifest.provenance, unseeded=[])
            content = encode(msgspec.structs.replace(manifest, provenance=made), foreign_digest(place.folder))
            write_atomically(place.folder / NAME, content, scratch=place.scratch)


def _digests(results: Results) -> dict[str, str]:
    """The digest of each result, by name."""
    return {name: _digest(results[name]) for name in results}


def _digest(value: Any) -> str:
    if isinstance(value, Path):  # a folder, or a film
        files = sorted(path for path in value.rglob("*") if path.is_file()) if value.is_dir() else [value]
        parts = [(path.name, sha256(path.read_bytes()).hexdigest()) for path in files]
        return repr(parts)
    if isinstance(value, Mapping):
        return repr(sorted((name, _digest(each)) for name, each in value.items()))
    if hasattr(value, "tobytes"):
        return f"{value.dtype} {value.shape} {sha256(value.tobytes()).hexdigest()}"
    return json.dumps(value, sort_keys=True, default=str)
