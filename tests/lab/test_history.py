"""Records of runs that were edited and committed are found in git's history."""

from __future__ import annotations

import subprocess
import time

import pytest

from darkroom.core.manifest import encode, load

from .workshop import Workshop


def _commit(workshop: Workshop, message: str) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=workshop.root, check=True, capture_output=True)

    if not (workshop.root / ".git").exists():
        git("init", "-q")
    git("add", "-A", "-f", "experiments")
    git("commit", "-q", "--allow-empty", "-m", message)


def _edited(workshop: Workshop, **changes: object) -> None:
    """Write other provenance into a manifest, with the digest that belongs to it."""
    import msgspec

    path = workshop.outputs / "part_x/base"
    manifest = load(path)
    assert manifest
    made = msgspec.structs.replace(manifest.provenance, **changes)
    (path / "manifest.json").write_bytes(encode(msgspec.structs.replace(manifest, provenance=made)))


def _said(workshop: Workshop) -> list[str]:
    done = workshop.call("check", "--history", code=None)
    return [line for line in done.stderr.splitlines() if " history: " in line]


def test_runs_and_redrawn_figures_are_no_edits(fresh: Workshop) -> None:
    """A run has a time of its own, and drawing changes no record."""
    _commit(fresh, "one")
    fresh.edit("src/helpers/drawing.py", '"value"', '"the value"')
    fresh.call("run", "part_x/base")
    _commit(fresh, "drawn")
    fresh.edit("experiments/part_x/base.py", "steps: int = 3", "steps: int = 4")
    time.sleep(1.1)  # times of runs are whole seconds
    fresh.call("run", "part_x/base")
    _commit(fresh, "run")
    assert _said(fresh) == []


@pytest.mark.parametrize(("field", "value"), [("device", "NVIDIA H100"), ("duration_s", 3600.0), ("commit", "0" * 40)])
def test_an_edited_record_is_named_with_its_commit(fresh: Workshop, field: str, value: object) -> None:
    """Also once it is a while ago, and its digest was renewed."""
    _commit(fresh, "one")
    _edited(fresh, **{field: value})
    _commit(fresh, "edited")
    _commit(fresh, "later")
    (line,) = _said(fresh)
    assert line.startswith("experiments/outputs/part_x/base/manifest.json:1:1 history: part_x/base: commit ")
    assert f"changed {field} from " in line
    assert f" to {value!r} without a run (it ended " in line


@pytest.mark.parametrize("field", ["parameters", "results"])
def test_what_a_run_was_of_is_no_other_without_a_run(fresh: Workshop, field: str) -> None:
    """Also where a branch with another run comes between."""
    import msgspec

    path = fresh.outputs / "part_x/base"
    _commit(fresh, "one")
    first = load(path)
    assert first
    _edited(fresh, finished_at="2026-01-01T00:00:00Z", device="another machine")
    _commit(fresh, "a run on a branch")
    value = first.parameters | {"steps": 9} if field == "parameters" else "0" * 64
    (path / "manifest.json").write_bytes(encode(msgspec.structs.replace(first, **{field: value})))
    _commit(fresh, "edited")
    (line,) = _said(fresh)
    assert f"changed {field} from " in line


def test_without_a_repository_there_is_no_history(fresh: Workshop) -> None:
    """One line says so."""
    done = fresh.call("check", "--history", code=2)
    assert "in no git repository, so there is no history to check" in done.stderr
