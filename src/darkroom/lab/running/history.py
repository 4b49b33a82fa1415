"""Asks git's history whether the record of a run was changed without a run.

A run writes a manifest with a time of its own. Where two versions of a manifest have the same time, and another device,
duration or commit, other parameters or other results, somebody has edited the record.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from darkroom.core.errors import Fault, UsageError
from darkroom.core.manifest import NAME
from darkroom.lab.plan import Lab, Plan

RULE = "history"
_LARGEST = 64_000_000  # bytes of a version of a manifest
_RECORDED = ("device", "duration_s", "commit", "clean", "seed", "started_at", "peak_memory_bytes", "resumed")
_COMPUTED = ("parameters", "results", "variant")  # beside the provenance
# What settings of the repository could have git run is switched off.
_GIT = (
    "git",
    "--no-pager",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "log.showSignature=false",
)


def edited_records(lab: Lab, plan: Plan) -> list[Fault]:
    """A fault for each commit that has changed the record of a run, and not the run; of all branches that lead here.

    Raises:
        UsageError: the outputs are in no git repository, or git is not installed.
    """
    try:
        top = _git(lab.outputs, "rev-parse", "--show-toplevel").decode().strip()
    except (OSError, subprocess.CalledProcessError):
        raise UsageError(
            f"{lab.outputs}: the outputs are in no git repository, so there is no history to check; check --verify needs none"
        ) from None
    faults = []
    for identity in (name for name, verdict in plan.verdicts.items() if verdict.manifest):
        path = lab.outputs / identity / NAME
        for message in _edits(Path(top), path):
            shown = path.relative_to(lab.root) if path.is_relative_to(lab.root) else path
            faults.append(Fault(shown.as_posix(), 1, 1, RULE, f"{identity}: {message}"))
    return faults


def _edits(top: Path, path: Path) -> Iterator[str]:
    """What commits have changed in the record at *path*."""
    name = os.path.relpath(path.resolve(), top.resolve()).replace(os.sep, "/")
    commits = _git(top, "log", "--format=%H", "--", name).decode().split()
    versions = [(commit, found) for commit in commits if (found := _record(top, commit, name)) is not None]
    runs: dict[str, dict[str, Any]] = {}  # by when they ended; those of branches come one among the other
    for commit, now in reversed(versions):
        before = runs.get(now["finished_at"], now)
        for field in (*_RECORDED, *_COMPUTED):
            if now.get(field) != before.get(field):
                yield (
                    f"commit {commit[:7]} changed {field} from {_short(before.get(field))} to {_short(now.get(field))} "
                    f"without a run (it ended {now['finished_at']} in both)"
                )
        runs[now["finished_at"]] = now


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _record(top: Path, commit: str, name: str) -> dict[str, Any] | None:
    """The record in the manifest of a commit; None where it has none that can be read."""
    try:
        size = int(_git(top, "cat-file", "-s", f"{commit}:{name}"))
        found = json.loads(_git(top, "cat-file", "blob", f"{commit}:{name}")) if size <= _LARGEST else {}
        record = found["provenance"] | {field: found.get(field) for field in _COMPUTED}
    except (subprocess.CalledProcessError, ValueError, KeyError, TypeError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("finished_at"), str) else None


def _git(folder: Path, *arguments: str) -> bytes:
    command: Sequence[str] = [*_GIT, "-C", os.fspath(folder), *arguments]
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_LITERAL_PATHSPECS": "1"}
    return subprocess.run(command, check=True, capture_output=True, env=environment).stdout
