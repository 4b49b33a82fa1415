"""Outputs that this project made in another clone of it are ordinary outputs, fresh here at once."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from darkroom.core.manifest import is_as_written, load

from .workshop import EVERYTHING, Workshop, make

IDS = ("part_x/base", "part_x/derived")


def _git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=A", "-c", "user.email=a@b.c")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def _zip(folder: Path, target: Path, change: Callable[[str, bytes], bytes | None] = lambda _, content: content) -> Path:
    """The outputs of a clone as ``zip -r`` packs them, each file as *change* leaves it."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted((folder / "experiments/outputs").rglob("*")):
            content = change(path.name, path.read_bytes()) if path.is_file() else None
            if content is not None:
                archive.writestr(path.relative_to(folder).as_posix(), content)
    return target


@pytest.fixture(scope="module")
def _away(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A clone, committed, in which two experiments were run."""
    made = make(tmp_path_factory.mktemp("away"))
    made.write(".gitignore", ".darkroom/\n__pycache__/\n.scratch/\n")
    _git(made.root, "init", "-q")
    _git(made.root, "add", ".")
    _git(made.root, "commit", "-qm", "Experiments")
    made.call("run", IDS[-1])
    return made


@pytest.fixture
def here(_away: Workshop, tmp_path: Path) -> Workshop:
    """A second clone, in which nothing was run."""
    clone = Workshop(tmp_path / "clone", tmp_path / "probe")
    _git(tmp_path, "clone", "-q", str(_away.root), str(clone.root))
    clone.probe.mkdir()
    assert set(clone.plan().verdicts) == EVERYTHING
    assert {each.state for name, each in clone.plan().verdicts.items() if name in IDS} == {"missing", "waiting"}
    return clone


def _trees(workshop: Workshop) -> dict[str, bytes]:
    """The files of outputs by path."""
    base = workshop.outputs
    found = [path for path in base.rglob("*") if path.is_file() and ".scratch" not in path.parts]
    return {path.relative_to(base).as_posix(): path.read_bytes() for path in found}


@pytest.mark.parametrize("form", ["zip", "folder"])
def test_what_was_run_in_another_clone_is_fresh_here(form: str, _away: Workshop, here: Workshop) -> None:
    """The same files, with the record of the run that was made there; nothing runs."""
    path = _zip(_away.root, here.root.parent / "back.zip") if form == "zip" else _away.outputs

    done = here.call("import", "--runs", str(path))

    assert done.stdout == "".join(f"{name}  stored\n" for name in IDS)
    assert here.calls() == {}
    assert not here.states().keys() & set(IDS)
    assert _trees(here) == _trees(_away)
    manifest = here.plan().verdicts[IDS[0]].manifest
    assert manifest
    assert manifest.imported_from is None
    assert (manifest.provenance.clean, len(manifest.provenance.commit)) == (True, 40)
    again = here.call("import", "--runs", str(path)).stdout
    assert again == "".join(f"{name}  fresh here already; --force replaces it\n" for name in IDS)


def test_unpacked_in_place_it_is_the_same(_away: Workshop, here: Workshop) -> None:
    """Outputs are files: where they lie in their place, they are fresh."""
    with zipfile.ZipFile(_zip(_away.root, here.root.parent / "back.zip")) as archive:
        archive.extractall(here.root)

    assert not here.states().keys() & set(IDS)


def test_outputs_of_other_code_are_refused_with_the_reason(_away: Workshop, here: Workshop) -> None:
    """Nothing is stored, of none of them; the upstream's other results count as well."""
    here.edit("src/helpers/maths.py", "SCALE = 2.0", "SCALE = 3.0")

    said = here.call("import", "--runs", str(_away.outputs), code=2).stderr

    assert said == (
        "import --runs: part_x/base/: of other sources than are here (code: helpers.maths.SCALE); check out the commit that "
        "it was run at\n"
    )
    assert _trees(here) == {}


def test_outputs_without_what_they_were_made_from_are_refused(_away: Workshop, here: Workshop) -> None:
    """What took results is not fresh without these."""
    folder = here.root.parent / "back"
    shutil.copytree(_away.outputs / "part_x/derived", folder)

    said = here.call("import", "--runs", str(folder), code=2).stderr

    assert (
        said
        == "import --runs: part_x/derived: it takes results of part_x/base, which are not here; bring those as well\n"
    )


def test_outputs_that_are_damaged_are_refused(_away: Workshop, here: Workshop) -> None:
    """Each altered, missing or unreadable file is a line, and nothing is stored."""

    def change(name: str, content: bytes) -> bytes | None:
        return None if name == "results.json" else content + b" " if name == "number.txt" else content

    said = here.call("import", "--runs", str(_zip(_away.root, here.root.parent / "back.zip", change)), code=2).stderr

    base = "import --runs: experiments/outputs/part_x/base/"
    assert said.splitlines() == [
        f"{base}results.json: is missing; pack the whole folder again",
        f"{base}figures/curve/number.txt: differs from its manifest; pack the whole folder again",
    ]
    broken = _zip(
        _away.root, here.root.parent / "broken.zip", lambda name, each: each[:99] if "manifest" in name else each
    )
    assert "part_x/base/manifest.json: not valid JSON" in here.call("import", "--runs", str(broken), code=2).stderr
    assert _trees(here) == {}


def test_outputs_of_what_is_not_declared_are_refused(_away: Workshop, here: Workshop) -> None:
    """With the nearest name."""
    here.edit("experiments/part_x/derived.py", "def derived", "def derivet")
    here.edit("experiments/part_x/derived.py", "@derived", "@derivet")
    here.edit("experiments/part_y/last.py", "import derived", "import derivet as derived")

    said = here.call("import", "--runs", str(_away.outputs), code=2).stderr

    assert "part_x/derived/: no experiment 'part_x/derived' is declared here; did you mean 'part_x/derivet'?" in said


def test_what_holds_no_outputs_is_refused(here: Workshop) -> None:
    """And so is what belongs to imports of another kind."""
    (here.root.parent / "empty").mkdir()
    (here.root.parent / "empty/a.txt").write_text("a")
    said = here.call("import", "--runs", str(here.root.parent / "empty"), code=2).stderr
    assert "empty: no outputs of experiments, which are folders with a manifest.json" in said
    archive = _zip(here.root, here.root.parent / "back.zip")
    said = here.call("import", "--outputs", str(archive), code=2).stderr
    assert f"but this is not a folder; import what another clone has made with --runs {archive}" in said
    said = here.call("import", "--runs", ".", "--took", "7 min", code=2).stderr
    assert said.startswith(
        "import --runs takes outputs with the record of their runs; leave out everything but --force"
    )


def test_variants_are_taken_as_well(_away: Workshop, here: Workshop, tmp_path: Path) -> None:
    """They are declared nowhere but where they were run; those of other settings are kept."""
    other = _away.copied(tmp_path / "other")
    other.call("run", "part_x/base", "--set", "seed=2", "--as", "trial", "--downstream")

    done = here.call("import", "--runs", str(other.outputs))

    assert "part_x/derived@trial  stored" in done.stdout
    states = json.loads(here.call("status", "--json").stdout)
    assert {each["state"] for each in states if "@trial" in each["id"]} == {"fresh"}
    other.call("run", "part_x/base", "--set", "seed=3", "--as", "trial", "--replace")
    said = here.call("import", "--runs", str(other.outputs), code=2).stderr
    assert "part_x/base@trial is there already, with seed=2" in said
    kept = load(here.outputs / "part_x/base@trial")
    assert kept
    assert kept.parameters["seed"] == 2


def test_what_was_edited_elsewhere_is_known_here(_away: Workshop, here: Workshop, tmp_path: Path) -> None:
    """No digest of this clone says that it is whole."""
    other = _away.copied(tmp_path / "other")
    path = other.outputs / "part_x/base/manifest.json"
    path.write_text(re.sub(r'"peak_memory_bytes": \d+', '"peak_memory_bytes": 5', path.read_text()))
    here.call("import", "--runs", str(other.outputs))
    assert is_as_written((here.outputs / "part_x/base/manifest.json").read_bytes()) is False
    assert is_as_written((here.outputs / "part_x/derived/manifest.json").read_bytes()) is True
