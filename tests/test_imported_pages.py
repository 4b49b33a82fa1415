"""Pages say of every figure and every number that was imported that it was not run here."""

from __future__ import annotations

import json
import re
import shutil
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from darkroom.core.git import is_tracked, restoring
from tests.lab.test_importing import ELSEWHERE, ID, MODULE, SOURCE, STATED
from tests.lab.workshop import Workshop, make
from tests.press.projects import copy_templates

PAGE = """+++
title = "A page"
description = "D"
nav = "A page"
order = 1
+++
It ends at {{ metric("part_i/trained/final") }}, or $L = {{ metric("part_i/trained/final") }}$,
and here at {{ metric("part_x/base/total", format=".0f") }}.

$$
L = {{ metric("part_i/trained/final") }}
$$

{{ figure("part_i/trained/curve") }}

{{ figure("part_x/base/curve") }}
"""
RECORDS = '+++\ntitle = "Runs"\ndescription = "D"\nnav = "Runs"\norder = 2\n+++\n{{ experiments("part_*") }}\n'
BADGE = (
    '<a class="elsewhere" href="runs.html#run-part_i-trained" '
    'title="Imported {day} from colab.research.google.com">not run here</a>'
)


@pytest.fixture(scope="module")
def _built(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    made = make(tmp_path_factory.mktemp("pages"))
    copy_templates(made.root)
    made.write("templates/site.toml", 'title = "T"\ndescription = "D"\n')
    made.write("templates/pages/index.md", PAGE)
    made.write("templates/pages/runs.md", RECORDS)
    made.write("experiments/part_i/__init__.py", "")
    made.write(MODULE, ELSEWHERE.replace('return {"loss": thrice(epochs), "samples": {"a": 1}}', "..."))
    folder = made.root.parent / "given"
    folder.mkdir()
    np.savez(folder / "all.npz", loss=np.array([1.0, 0.25]), samples=np.zeros(2))
    made.call("run", "part_x/base")
    made.call("import", ID, str(folder), *STATED)
    made.call("--no-run")
    return made


@pytest.fixture
def built(_built: Workshop, tmp_path: Path) -> Workshop:
    """A project with a site that shows what was run and what was imported."""
    copy = Workshop(tmp_path / "project", tmp_path / "probe")
    shutil.copytree(_built.root, copy.root)
    copy.probe.mkdir()
    return copy


def page(workshop: Workshop, name: str = "index.html") -> str:
    return (workshop.root / "site" / name).read_text(encoding="utf-8")


def figure(html: str, name: str) -> str:
    """The HTML of a figure."""
    return html[html.index(f'id="fig-{name}"') :].partition("</figure>")[0]


def test_a_number_that_was_imported_has_a_badge(built: Workshop) -> None:
    """In prose, and in formulas within it and of their own; a number of a run has none."""
    html = page(built)
    day = json.loads((built.outputs / ID / "manifest.json").read_text())["imported_from"]["at"][:10]
    badge = BADGE.format(day=day)

    assert html.count(badge) == html.count('class="elsewhere"') == 3
    assert f'<span class="number">0.25</span>&nbsp;{badge}, or ' in html
    assert re.search(r'<div class="equation".*?not run here</a></div>', html, re.DOTALL)
    assert re.search(r'and here at <span class="number">[^<]*</span>\.', html)


def test_a_figure_that_was_imported_has_a_badge_and_its_source(built: Workshop) -> None:
    """Device and duration as they were stated, the date and the address; one of a run has none of it."""
    imported, run = figure(page(built), "part_i-trained-curve"), figure(page(built), "part_x-base-curve")

    assert (
        '<p class="badge imported"><strong>not run here</strong> imported from colab.research.google.com</p>'
        in imported
    )
    assert "<span>Tesla T4</span>" in imported
    assert "<span>7 min</span>" in imported
    assert "not run here: imported 20" in imported
    assert f'<a href="{SOURCE}">colab.research.google.com</a>' in imported
    assert "not run here" not in run


def test_a_record_says_what_was_stated_and_shows_no_run(built: Workshop) -> None:
    """And neither a command that reruns it nor versions of packages that were not there."""
    record = page(built, "runs.html").partition('id="run-part_i-trained"')[2].partition("</section>")[0]

    assert '<span class="state fresh">fresh</span> <span class="state imported">not run here</span>' in record
    assert f'from <a href="{SOURCE}">{SOURCE}</a>' in record
    assert "not here: on Tesla T4, 7 min, as stated by whoever imported it" in record
    assert "all.npz</code>" in record
    for absent in ("<dt>Run</dt>", "<dt>Rerun</dt>", "<dt>Made with</dt>", "<dt>Source</dt>"):
        assert absent not in record
    other = page(built, "runs.html").partition('id="run-part_x-base"')[2].partition("</section>")[0]
    assert "not run here" not in other
    assert "<dt>Rerun</dt>" in other


def test_what_is_to_be_imported_says_how(built: Workshop) -> None:
    """An experiment without code that has no outputs yet."""
    shutil.rmtree(built.outputs / ID)

    said = built.call().stderr

    assert f"{ID}  runs" not in said
    assert "part_i/trained has no outputs; run python build.py import part_i/trained PATH --device" in said
    html = page(built)
    assert "Its function has no code here; results of another program are imported with:" in figure(
        html, "part_i-trained-curve"
    )
    assert f"python build.py import {ID} PATH" in unescape(figure(html, "part_i-trained-curve"))
    record = page(built, "runs.html").partition('id="run-part_i-trained"')[2].partition("</section>")[0]
    assert f"Import them: <code>python build.py import {ID} PATH" in record


def test_the_record_for_programs_has_an_import_in_place_of_a_run(built: Workshop) -> None:
    """And fits its schema."""
    jsonschema = pytest.importorskip("jsonschema")
    record = json.loads(page(built, "record.json"))
    jsonschema.validate(record, json.loads(page(built, "record.schema.json")))
    experiments = {each["id"]: each for each in record["experiments"]}

    assert experiments[ID]["run"] is None
    assert experiments[ID]["imported"]["source"] == SOURCE
    assert [each["path"] for each in experiments[ID]["imported"]["files"]] == ["all.npz"]
    assert "imported" not in experiments["part_x/base"]


def test_stale_results_keep_both_badges(built: Workshop) -> None:
    """A build neither runs nor loses them; it says to import them again."""
    built.edit(MODULE, "epochs: int = 5", "epochs: int = 6")

    said = built.call().stderr

    html = figure(page(built), "part_i-trained-curve")
    assert '<p class="badge stale"><strong>stale</strong> params: epochs</p>' in html
    assert '<p class="badge imported">' in html
    assert f"{ID} is stale (params: epochs); run python build.py import {ID} PATH --device" in said


def test_damaged_outputs_say_what_git_brings_back(built: Workshop) -> None:
    """Before what a run costs; where git does not have them, nothing of it."""
    import subprocess

    path = built.outputs / "part_x/base/results.safetensors"
    content = path.read_bytes()
    for command in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *command], cwd=built.root, check=True, capture_output=True)
    path.write_bytes(content[:-1] + b"x")
    restore = "restore it with git checkout -- experiments/outputs/part_x/base/results.safetensors"
    assert (
        f"part_x/base is damaged (results.safetensors); {restore}, or run python build.py run part_x/base"
        in built.call("--no-run").stderr
    )
    assert f"  advice    {restore}, or run it again" in built.call("status", "part_x/base").stdout
    said = built.call("accept", "part_x/base", "--reason", "x", code=2).stderr
    assert f"its outputs are damaged (results.safetensors); {restore}, or run it again" in said
    (built.root / ".git/index").unlink()
    assert "git checkout" not in built.call("status", "part_x/base").stdout
    subprocess.run(["git", "add", "-f", "."], cwd=built.root, check=True, capture_output=True)
    manifest = built.outputs / "part_x/base/manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-9])
    assert (
        "restore it with git checkout -- experiments/outputs/part_x/base/manifest.json" in built.call("--no-run").stderr
    )


def test_what_git_has_is_read_from_its_index(tmp_path: Path) -> None:
    """Also in a work tree of its own; what is not added is not there, and without git nothing is."""
    import subprocess

    def git(folder: Path, *words: str) -> None:
        who = ("-c", "user.name=A", "-c", "user.email=a@b.c")
        subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)

    first = tmp_path / "first"
    (first / "a").mkdir(parents=True)
    (first / "a/é b.txt").write_text("x")
    (first / "other").write_text("x")
    assert not is_tracked(first / "a/é b.txt")
    git(first, "init", "-q")
    git(first, "add", "a")
    git(first, "commit", "-qm", "x")
    git(first, "worktree", "add", "-q", str(tmp_path / "second"))

    for folder in (first, tmp_path / "second"):
        assert is_tracked(folder / "a/é b.txt")
        assert not is_tracked(folder / "other")
        assert not is_tracked(folder / "b.txt")
    assert restoring(first / "other") == "restore the file"
