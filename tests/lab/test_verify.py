"""Stored outputs are those of a run: what was edited by hand is found."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from darkroom.core.manifest import is_as_written, load
from darkroom.lab.plan import Lab, Plan
from darkroom.lab.running.verify import verify

from .workshop import Workshop

MANIFEST = "part_x/base/manifest.json"


def _verified(workshop: Workshop, *, figures: bool = True, run_code: bool = True) -> list[str]:
    lab: Lab = workshop.lab()
    plan: Plan = lab.planner().plan()
    lab.digests.save()
    return [f"{each.path} {each.message}" for each in verify(lab, plan, figures=figures, run_code=run_code)]


def _edit(workshop: Workshop, old: str, new: str, *, again: bool = False) -> None:
    """Change the text of a manifest; *again* renews its own digest, as someone would who knows of it."""
    path = workshop.outputs / MANIFEST
    text = path.read_text()
    assert len(re.findall(old, text)) == 1, old
    text = re.sub(old, new, text)
    if again:
        from hashlib import sha256

        rest = re.sub(r'\n  "sha256": "[0-9a-f]{64}",', "", text)
        text = re.sub(r'\n  "sha256": "[0-9a-f]{64}"', f'\n  "sha256": "{sha256(rest.encode()).hexdigest()}"', text)
    path.write_text(text)


def test_what_a_run_has_stored_is_right(fresh: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing to report, and nothing is made once more until something changes."""
    monkeypatch.setenv("PROBE", str(fresh.probe))
    assert _verified(fresh) == []
    assert {"curve", "total"} <= fresh.calls().keys()
    assert _verified(fresh) == []
    assert fresh.calls() == {}
    os.utime(fresh.outputs / MANIFEST)
    assert _verified(fresh) == []
    assert fresh.calls() == {}


EDITS = {
    "a metric": (r'(?<="total": \{)((?:[^{}]|\{[^{}]*\})*"value": )[-\d.]+', r"\g<1>0.0079"),
    "a device": (r'"device": "[^"]+"', '"device": "NVIDIA H100"'),
    "a duration": (r'"duration_s": [\d.e-]+', '"duration_s": 3600.0'),
    "a caption": (r'"caption": "[^"]+"', '"caption": "Better."'),
    "a commit": (r'"commit": "[^"]*"', f'"commit": "{"0" * 40}"'),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_manifest_is_found(fresh: Workshop, edit: str) -> None:
    """Also without running code."""
    _edit(fresh, *EDITS[edit])
    assert load(fresh.outputs / "part_x/base") is not None
    found = _verified(fresh, run_code=False)
    assert len(found) == 1
    assert found[0].startswith("experiments/outputs/part_x/base/manifest.json part_x/base: it was changed after a run")


def test_an_edited_metric_is_found_by_its_results(fresh: Workshop) -> None:
    """Also where its manifest's digest was renewed, and where it had agreed before."""
    assert _verified(fresh) == []
    _edit(fresh, *EDITS["a metric"], again=True)
    assert is_as_written((fresh.outputs / MANIFEST).read_bytes()) is True
    (found,) = _verified(fresh, figures=False)
    assert "part_x/base: metric total is stored as 0.0079, but its results give" in found


def test_an_edited_figure_is_found_by_its_results(fresh: Workshop) -> None:
    """Files and layouts are compared with what the results give."""
    path = fresh.outputs / MANIFEST
    plain = json.loads(path.read_text())
    plain["figures"]["curve"]["layout"]["rows"] = [["0.1"]]
    path.write_text(json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    _edit(fresh, '"version": 1', '"version": 1', again=True)
    assert any("figure curve is not what its results give here" in each for each in _verified(fresh))


def test_a_wrong_digest_of_results_is_found(fresh: Workshop) -> None:
    """Others depend on it."""
    _edit(fresh, r'"results": "[0-9a-f]{64}"', f'"results": "{"1" * 64}"', again=True)
    assert any("its digest of the results does not fit their files" in each for each in _verified(fresh))


def test_manifests_of_earlier_versions_have_no_digest_and_a_build_writes_it(fresh: Workshop) -> None:
    """They are no faults."""
    path = fresh.outputs / MANIFEST
    path.write_text(re.sub(r'\n  "sha256": "[0-9a-f]{64}",', "", path.read_text()))
    assert is_as_written(path.read_bytes()) is None
    assert _verified(fresh) == []
    fresh.call("run", "part_x/base")
    assert is_as_written(path.read_bytes()) is True


def test_check_and_strict_builds_report_it(fresh: Workshop) -> None:
    """check --verify at the manifest; --strict as well."""
    _edit(fresh, *EDITS["a metric"])
    for arguments in (("check", "--verify"), ("check", "--strict")):
        done = fresh.call(*arguments, code=1)
        assert "experiments/outputs/part_x/base/manifest.json:1:1 verify: part_x/base: it was changed" in done.stderr


TWICE = "def total(results: Results) -> float:\n    return 2.5\n\n\ndef unused(results):\n"


def test_only_what_is_current_is_compared(fresh: Workshop) -> None:
    """What is stale would give something else by right."""
    fresh.edit("experiments/part_x/base.py", "def total(results: Results) -> float:\n", TWICE)
    assert _verified(fresh) == []


def test_the_digest_is_that_of_the_file_without_its_line(fresh: Workshop, tmp_path: Path) -> None:
    """So that sha256sum can tell as well."""
    from hashlib import sha256

    content = (fresh.outputs / MANIFEST).read_bytes()
    (line,) = [each for each in content.splitlines(keepends=True) if each.startswith(b'  "sha256": ')]
    assert sha256(content.replace(line, b"")).hexdigest().encode() in line


def test_a_record_that_its_key_does_not_stand_for_is_found(fresh: Workshop) -> None:
    """Also if the digest was renewed: readers would see parameters that no run had."""
    _edit(fresh, r'"steps": 3\n', '"steps": 4\n', again=True)
    assert any("it records other params: steps than its key is made of" in each for each in _verified(fresh))


@pytest.mark.parametrize("digest", ['"sha256": "edited",', '"sha256": "",', f'"sha256" : "{64 * "0"}",'])
def test_a_digest_that_is_none_is_found(fresh: Workshop, digest: str) -> None:
    """Only a manifest without one is of an earlier version."""
    _edit(fresh, r'(?<=\n  )"sha256": "[0-9a-f]{64}",', digest)
    assert any("it was changed after a run had written it" in each for each in _verified(fresh))


@pytest.mark.parametrize("way", ["draw", "accept"])
def test_what_was_edited_is_found_after_it_was_written_again(fresh: Workshop, way: str) -> None:
    """A drawing, and an acceptance, keep what they do not renew, and no digest says that it is whole."""
    _edit(fresh, r'"peak_memory_bytes": \d+', '"peak_memory_bytes": 5')
    if way == "draw":
        fresh.edit("experiments/part_x/base.py", "digits: int = 2", "digits: int = 3")
        fresh.call("run", "part_x/base")
    else:
        fresh.edit("src/helpers/maths.py", "SCALE * x", "x * SCALE")
        fresh.call("accept", "part_x/base", "--reason", "the order of a product")
    assert (fresh.outputs / MANIFEST).read_text().count('"peak_memory_bytes": 5') == 1
    assert any("it was changed after a run had written it" in each for each in _verified(fresh))
    fresh.call("run", "part_x/base", "--force")
    assert is_as_written((fresh.outputs / MANIFEST).read_bytes()) is True
