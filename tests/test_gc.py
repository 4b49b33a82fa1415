"""``gc`` finds what nothing refers to, and removes nothing that is in use or that git could not bring back unasked."""

from __future__ import annotations

import os
import pty
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from darkroom.core import locks
from darkroom.lab import leftovers
from tests.lab.workshop import Workshop, make
from tests.press.projects import copy_templates
from tests.test_clean import commit, git

OUTPUTS = "experiments/outputs"
PAGE = """+++
title = "A page"
description = "D"
+++
{{ figure("part_x/base/curve", variants="shown") }}
"""
SWEEPS = '[many]\nexperiment = "part_x/base"\npoints = [{ steps = 4 }]\n'
OLD = ("--days", "0")
VARIANTS = {"shown": "steps=1", "steps-4": "steps=4", "tried": "steps=2"}


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A project with an experiment, three variants of it, one on a page, one in a sweep, and what depends on a point."""
    workshop = make(tmp_path_factory.mktemp("gc"))
    copy_templates(workshop.root)
    workshop.write("templates/site.toml", 'title = "T"\ndescription = "D"\n')
    workshop.write(".gitignore", ".darkroom/\n.scratch/\n__pycache__/\nnode_modules\n")
    workshop.call("run", "part_x/base")
    for name, setting in VARIANTS.items():
        extra = ["--downstream"] if name == "steps-4" else []
        workshop.call("run", "part_x/base", "--set", setting, "--as", name, *extra)
    workshop.write("templates/pages/index.md", PAGE)
    workshop.write("experiments/sweeps.toml", SWEEPS)
    return workshop


@pytest.fixture
def project(_made: Workshop, tmp_path: Path) -> Workshop:
    """The same, committed."""
    copy = _made.copied(tmp_path)
    commit(copy.root)
    return copy


def listed(said: str) -> set[str]:
    """The names in a list."""
    return {line.split()[0] for line in said.splitlines() if line.startswith("  ")}


def stored(workshop: Workshop) -> set[str]:
    return {path.parent.relative_to(workshop.outputs).as_posix() for path in workshop.outputs.rglob("manifest.json")}


def test_a_variant_that_nothing_names_goes(project: Workshop) -> None:
    """Those of pages and sweeps stay, and what takes results from a point; with ``--dry-run`` all do."""
    before = stored(project)
    assert {"part_x/base@tried", "part_x/base@steps-4", "part_x/derived@steps-4", "part_x/base@shown"} <= before
    said = project.call("gc", "--dry-run", *OLD).stdout
    assert "variants that no page and no sweep names:" in said and listed(said) == {"part_x/base@tried"}
    assert stored(project) == before

    done = project.call("gc", "--yes", *OLD)
    assert "removed" in done.stdout and stored(project) == before - {"part_x/base@tried"}
    assert not (project.outputs / "part_x/base@tried").exists()
    assert project.call("gc", *OLD).stdout == "nothing is left over\n"
    git(project.root, "checkout", "--", OUTPUTS)
    assert stored(project) == before


def test_what_nothing_names_any_longer_is_found(project: Workshop) -> None:
    """Without the page and the sweep their variants are left over; a draft that names one keeps it."""
    (project.root / "experiments/sweeps.toml").unlink()
    project.write("templates/pages/index.md", PAGE.replace(', variants="shown"', ""))
    every = {f"part_x/base@{name}" for name in VARIANTS} | {"part_y/last@steps-4"}
    found = listed(project.call("gc", "--dry-run", *OLD).stdout)
    assert every <= found and "part_x/derived@steps-4" in found and not {each for each in found if "@" not in each}

    draft = PAGE.replace('"D"', '"D"\ndraft = true').replace("shown", "shown, tried")
    project.write("templates/pages/draft.md", draft)
    assert listed(project.call("gc", "--dry-run", *OLD).stdout) == found - {"part_x/base@tried", "part_x/base@shown"}


def test_the_young_and_the_named_are_kept(project: Workshop) -> None:
    """What ran a moment ago is not listed by default, and is said to be kept; nor is what ``--keep`` matches."""
    said = project.call("gc", "--dry-run").stdout
    assert said.startswith("nothing is left over\nkept, since they are young: part_x/base@tried")
    assert project.call("gc", "--dry-run", *OLD, "--keep", "*@tried").stdout == "nothing is left over\n"
    assert "it is younger than 7 days" in project.call("gc", "part_x/base@tried", code=2).stderr


def test_outputs_that_nothing_declares_go(project: Workshop) -> None:
    """Orphans, and files without a manifest, such as those that another branch ignores."""
    (project.root / "experiments/part_x/alone.py").unlink()
    shutil.copytree(project.outputs / "part_x/base", project.outputs / "part_z/gone")
    manifest = project.outputs / "part_z/gone/manifest.json"
    manifest.write_text(manifest.read_text().replace("part_x/base", "part_z/gone"))
    project.write(f"{OUTPUTS}/part_z/rest/weights.safetensors", "x" * 1000)
    done = project.call("gc", "--dry-run", *OLD)
    assert listed(done.stdout) == {"part_x/base@tried", "part_z/gone", "part_z/rest"}
    assert "not declared:\n  part_z/gone" in done.stdout and "2 files without" not in done.stdout
    assert "--yes" in done.stderr and done.stdout.count(" *\n") == 2


def test_what_git_cannot_bring_back_has_to_be_named(project: Workshop) -> None:
    """It stays with ``--yes`` alone, and when it is named alone; an edited file is enough."""
    tried = project.outputs / "part_x/base@tried"
    (tried / "extra.txt").write_text("mine")
    done = project.call("gc", "--yes", *OLD)
    assert "git cannot bring back" in done.stderr and "python build.py gc part_x/base@tried --yes" in done.stderr
    assert "removed" not in done.stdout and (tried / "extra.txt").exists()
    assert project.call("gc", "part_x/base@tried", *OLD).returncode == 0 and (tried / "extra.txt").exists()

    project.call("gc", "part_x/base@tri*", "--yes", *OLD)
    assert not tried.exists()


def test_without_a_repository_everything_has_to_be_named(project: Workshop) -> None:
    shutil.rmtree(project.root / ".git")
    project.call("gc", "--yes", *OLD)
    assert "part_x/base@tried" in stored(project)
    project.call("gc", "part_x/base@tried", "--yes", *OLD)
    assert "part_x/base@tried" not in stored(project)


def test_nothing_goes_unasked(project: Workshop) -> None:
    """Without a terminal it is refused; at one, any answer but yes changes nothing."""
    before = stored(project)
    done = project.call("gc", *OLD, code=2)
    assert "without a terminal, add --yes" in done.stderr and stored(project) == before
    assert answered(project, "n").returncode == 2 and stored(project) == before
    asked = answered(project, "y")
    assert "(0.0 MB). Remove them? [y/N] " in asked.stdout and asked.returncode == 0
    assert stored(project) == before - {"part_x/base@tried"}


def answered(project: Workshop, answer: str) -> subprocess.CompletedProcess[str]:
    """A call at a terminal where somebody answers."""
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    command, environment = project.command("gc", *OLD), project.environment()
    try:
        return subprocess.run(
            command, cwd=project.root, env=environment, stdin=theirs, capture_output=True, text=True, check=False
        )
    finally:
        os.close(ours)
        os.close(theirs)


def test_what_is_removed_in_part_is_no_outputs(project: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest goes first; a second call removes what a killed one has left, which git has as well."""
    tried = project.outputs / "part_x/base@tried"
    real = leftovers.remove

    def killed(path: Path) -> None:
        if path == tried:
            raise KeyboardInterrupt
        real(path)

    monkeypatch.setattr(leftovers, "remove", killed)
    project.call("gc", "--yes", *OLD, code=130)
    assert [*tried.iterdir()] and not (tried / "manifest.json").exists()
    assert "base@tried" not in project.call("status").stdout
    monkeypatch.undo()
    assert "files without a manifest" in project.call("gc", "--yes", *OLD).stdout
    assert not tried.exists()


def test_what_runs_left_is_found(project: Workshop) -> None:
    """A checkpoint of the run that would be next is in use, as is what a process works on; others are left over."""
    key = project.plan().verdicts["part_x/base"].key
    scratch = project.outputs / ".scratch/part_x/base"
    scratch.mkdir(parents=True)
    for name in ("lock", "log.txt", f"checkpoint-{key[:16]}.safetensors", "checkpoint-0123456789abcdef.safetensors"):
        (scratch / name).write_text("x")
    (scratch / "work").mkdir()
    (scratch / "work/big.bin").write_text("x")
    left = {f".scratch/part_x/base/{name}" for name in ("work", "checkpoint-0123456789abcdef.safetensors")}
    assert listed(project.call("gc", "--dry-run", *OLD).stdout) == {"part_x/base@tried", *left}
    assert not left & listed(project.call("gc", "--dry-run").stdout)  # young

    with locks.hold(scratch / "lock", RuntimeError):
        assert listed(project.call("gc", "--dry-run", *OLD).stdout) == {"part_x/base@tried"}
    project.call("gc", ".scratch/part_x/base/*", "--yes", *OLD)
    left_over = {path.name for path in scratch.iterdir()} - {"holder"}
    assert left_over == {"lock", "log.txt", f"checkpoint-{key[:16]}.safetensors"}


def test_a_checkpoint_of_a_point_that_was_not_reached_is_kept(project: Workshop) -> None:
    """Which key it has to have is unknown; that of a variant which nothing names is left over."""
    for name in ("steps-4", "steps-9"):
        scratch = project.outputs / f".scratch/part_x/base@{name}"
        scratch.mkdir(parents=True, exist_ok=True)
        (scratch / "lock").touch()
        (scratch / "checkpoint-0123456789abcdef.safetensors").write_text("x")
    shutil.rmtree(project.outputs / "part_x/base@steps-4")
    found = listed(project.call("gc", "--dry-run", *OLD).stdout)
    assert ".scratch/part_x/base@steps-9/checkpoint-0123456789abcdef.safetensors" in found
    assert not any("steps-4/" in name for name in found)


def test_caches_of_lost_sites_go(project: Workshop) -> None:
    """Of the sites that were built, those that are gone; caches need not be named."""
    project.call("--site", str(project.root / "elsewhere"), "--no-run")
    project.call("--no-run")
    records = set((project.root / ".darkroom/press").glob("press-*"))
    assert "elsewhere" not in project.call("gc", "--dry-run", "--keep", "*@*", *OLD).stdout
    shutil.rmtree(project.root / "elsewhere")
    said = project.call("gc", "--yes", "--keep", "*@*", *OLD).stdout
    assert f"of {project.root / 'elsewhere'}, which is gone" in said
    left = set((project.root / ".darkroom/press").glob("press-*"))
    assert left < records and left
    assert "nothing to write" in project.call("--no-run").stdout


def test_old_formulas_go(project: Workshop) -> None:
    """If they are more than pages could hold; a build makes again what it needs."""
    project.write("templates/pages/index.md", PAGE + "\n$x^2$\n")
    project.call("--no-run")
    store = project.root / ".darkroom/press/math.sqlite"
    assert store.is_file() and "math" not in project.call("gc", "--dry-run", "--keep", "*@*", *OLD).stdout
    with closing(sqlite3.connect(store)) as connection:
        connection.executemany("INSERT INTO formulas VALUES (?, ?, '')", [(f"{n}", "x" * 1000) for n in range(3000)])
        connection.commit()
    said = project.call("gc", "--yes", "--keep", "*@*", *OLD).stdout
    assert ".darkroom/press/math.sqlite  " in said and not store.exists()
    project.write("templates/pages/index.md", PAGE + "\n$x^2$ again\n")
    project.call("--no-run")
    assert 0 < store.stat().st_size < 100_000


@pytest.mark.parametrize("broken", ["sweep", "page"])
def test_nothing_goes_while_it_is_unknown_what_is_named(project: Workshop, broken: str) -> None:
    """A page or a list of sweeps that cannot be read might name anything."""
    before = stored(project)
    if broken == "sweep":
        project.write("experiments/sweeps.toml", SWEEPS.replace("part_x/base", "part_x/bas"))
    else:
        project.write("templates/pages/index.md", PAGE.replace("+++", "++", 1))
    project.call("gc", "--yes", *OLD, code=2 if broken == "sweep" else 1)
    assert stored(project) == before


def test_a_name_of_nothing_is_a_fault(project: Workshop) -> None:
    """With the nearest; what is in use says why it is kept."""
    assert "did you mean 'part_x/base@tried'?" in project.call("gc", "part_x/base@tryed", *OLD, code=2).stderr
    said = project.call("gc", "part_x/base@shown", "--yes", *OLD, code=2).stderr
    assert "it is kept, since templates/pages/index.md refers to it" in said
    assert "the sweep many has it" in project.call("gc", "part_x/base@steps-4", "--yes", *OLD, code=2).stderr


def test_a_link_in_the_place_of_outputs_is_left_alone(project: Workshop, tmp_path: Path) -> None:
    """What is behind it is not the project's."""
    treasure = tmp_path / "treasure"
    shutil.move(project.outputs / "part_x/base@tried", treasure)
    (project.outputs / "part_x/base@tried").symlink_to(treasure)
    project.call("gc", "--yes", *OLD, code=None)
    project.call("gc", "part_x/base@tried", "--yes", *OLD, code=None)
    assert (treasure / "manifest.json").exists()


def test_ages_are_those_of_runs(project: Workshop) -> None:
    """A clone gives all files its own time, so the manifest is asked."""
    then = time.time() - 30 * 24 * 3600
    for path in (project.outputs / "part_x/base@tried").rglob("*"):
        os.utime(path, (then, then))
    assert "nothing is left over" in project.call("gc", "--dry-run").stdout
