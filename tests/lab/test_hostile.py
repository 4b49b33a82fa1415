"""Somebody else's outputs in the lab: nothing is copied, moved or imported because a manifest or a link says so."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from darkroom.core.digests import Digests
from darkroom.core.errors import DamagedOutputs, ExperimentError
from darkroom.core.paths import CANNOT_MOVE, check_path, read_plain, write_atomically
from darkroom.core.sealed import seal, unseal
from darkroom.lab.outputs import folders as places
from darkroom.lab.outputs.folders import OutputFolder
from darkroom.lab.outputs.results import store_file
from darkroom.lab.running.run import Run
from tests.hostile import CONTENTS, PATHS
from tests.lab.workshop import Workshop

EVIL = b"raise SystemExit('pwned')\n"


def _manifest(workshop: Workshop) -> Path:
    return workshop.outputs / "part_x/base/manifest.json"


def _snapshot(root: Path) -> dict[str, str]:
    """The digest of every file of the project but caches."""
    files = [path for path in root.rglob("*") if path.is_file() and not {".darkroom", "__pycache__"} & set(path.parts)]
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _vouch(workshop: Workshop, path: str, content: bytes) -> None:
    """A manifest that lists one more result."""
    manifest = json.loads(_manifest(workshop).read_bytes())
    manifest["files"].append({"path": path, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)})
    manifest["figures"]["curve"]["key"] = "0" * 64  # so that there is something to draw
    _manifest(workshop).write_text(json.dumps(manifest))


@pytest.mark.parametrize("name", PATHS)
def test_a_path_that_leads_out_is_refused(name: str) -> None:
    """Of the paths that hostile manifests have, those that are plain are refused by where they lie."""
    within = {"the_manifest", "the_manifest_in_capitals", "a_figures", "twice", "twice_in_capitals", "file_and_folder"}
    if name in within:
        check_path(PATHS[name])
        return
    with pytest.raises(ValueError, match="path"):
        check_path(PATHS[name])


def test_a_redraw_copies_nothing_over_the_project(fresh: Workshop) -> None:
    """A result that is said to lie four folders up is not moved there, and the source that it names stays."""
    before = (fresh.root / "build.py").read_bytes()
    scratch = fresh.outputs / "part_x/base/../../../../build.py"
    _vouch(fresh, "../../../../build.py", scratch.resolve().read_bytes())
    done = fresh.call(code=None)
    assert (fresh.root / "build.py").read_bytes() == before
    assert "Traceback" not in done.stderr
    assert fresh.states()["part_x/base"] == "damaged (manifest.json)"


def test_a_redraw_does_not_write_through_the_old_outputs(fresh: Workshop) -> None:
    """A figure that is drawn anew leaves the file of the old one, to which it was linked, as it was."""
    old = _manifest(fresh)
    kept = fresh.root / "kept.json"
    os.link(old, kept)
    before = kept.read_bytes()
    fresh.edit("experiments/part_x/base.py", 'caption="The *total*."', 'caption="The sum."')
    fresh.call("build", code=None)
    assert kept.read_bytes() == before
    assert b"The sum." in old.read_bytes()


def test_a_link_among_results_is_damage(fresh: Workshop) -> None:
    """Also where it leads to the very content, and also for a folder or the experiment's own."""
    for number, path in enumerate(("part_x/base/results.json", "part_x/base/figures/curve", "part_x/base", "part_x")):
        target = fresh.outputs / path
        away = fresh.root / f"away/{number}" / path
        away.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(target, away)
        target.symlink_to(away)
        verdict = fresh.plan().verdicts["part_x/base"]
        figure = verdict.figures.get("curve")
        assert verdict.state == "damaged" or (figure and figure.state == "damaged"), (path, verdict.state)
        before = _snapshot(fresh.root / "away")
        fresh.call(code=None)
        assert _snapshot(fresh.root / "away") == before
        target.unlink() if target.is_symlink() else shutil.rmtree(target)
        shutil.move(away, target)


@pytest.mark.parametrize("name", ["", "next", "previous", "work", "lock", "holder", "log.txt"])
def test_a_linked_scratch_folder_is_not_worked_in(name: str, fresh: Workshop, tmp_path: Path) -> None:
    """Neither it nor anything in it may lead elsewhere: a run ends before it has written."""
    scratch = fresh.outputs / ".scratch/part_x/base"
    shutil.rmtree(scratch, ignore_errors=True)
    away = tmp_path / "away"
    away.mkdir()
    (away / "treasure").write_text("kept")
    path = scratch / name if name else scratch
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(away / "treasure" if name in {"lock", "holder", "log.txt"} else away)
    done = fresh.call("run", "part_x/base", "--force", code=None)
    assert done.returncode == 1, done.stderr
    assert "is a link" in done.stderr and "Traceback" not in done.stderr
    assert [each.name for each in away.iterdir()] == ["treasure"]
    assert (away / "treasure").read_text() == "kept"


@pytest.mark.parametrize("name", [".scratch", ".scratch/part_x", ".scratch/part_x/base", "part_x/base", "part_x"])
@pytest.mark.parametrize("function", ["base", "curve"])
def test_a_folder_that_becomes_a_link_during_a_run_is_not_written_to(
    name: str, function: str, fresh: Workshop, tmp_path: Path
) -> None:
    """While an experiment computes or a figure is drawn: one line says so, and nothing is made or taken away there."""
    away = tmp_path / "away"
    for path in ("work/treasure", "next/treasure", "base/treasure", "base/work/treasure", "part_x/base/treasure"):
        (away / path).parent.mkdir(parents=True, exist_ok=True)
        (away / path).write_text("kept")
    link = fresh.outputs / name
    swap = f"    import pathlib\n    pathlib.Path({str(link)!r}).rename({str(tmp_path / 'old')!r})\n"
    swap += f"    pathlib.Path({str(link)!r}).symlink_to({str(away)!r})\n"
    fresh.edit("experiments/part_x/base.py", f'    count("{function}")\n', f'{swap}    count("{function}")\n')
    before = _snapshot(away)
    done = fresh.call("run", "part_x/base", "--force", code=None)
    assert link.is_symlink() and _snapshot(away) == before, done.stderr
    assert "Traceback" not in done.stderr and "is a link" in done.stderr and done.returncode in {1, 3}


@pytest.mark.parametrize("command", ["--no-run", "status", "check"])
def test_no_run_imports_nothing_of_the_project(command: str, fresh: Workshop) -> None:
    """Neither an experiment nor what it imports, also where a figure would have to be drawn anew."""
    pwned = fresh.root / "pwned"
    evil = f"import pathlib\npathlib.Path({str(pwned)!r}).write_text('x')\n"
    for path in (
        "src/helpers/maths.py",
        "experiments/part_x/base.py",
        "experiments/__init__.py",
        "src/sitecustomize.py",
    ):
        old = fresh.root / path
        fresh.write(path, evil + (old.read_text() if old.exists() else ""))
    fresh.edit("experiments/part_x/base.py", 'caption="The *total*."', 'caption="The sum."')
    done = fresh.call(command, code=None)
    assert not pwned.exists()
    assert "Traceback" not in done.stderr
    fresh.call("run", "part_x/base", code=None)
    assert pwned.exists()  # as a run does


@pytest.mark.parametrize("name", CONTENTS)
def test_a_manifest_that_is_none_is_damage(name: str, fresh: Workshop) -> None:
    """Whatever it holds, one word says so and nothing ends in a traceback."""
    _manifest(fresh).write_bytes(CONTENTS[name])
    assert fresh.states()["part_x/base"] == "damaged (manifest.json)"
    done = fresh.call("status", "part_x/base")
    assert "damaged (manifest.json)" in done.stdout or "because   manifest.json" in done.stdout


def test_what_would_be_waited_for_is_no_file(tmp_path: Path) -> None:
    """A pipe in place of a file has no digest, and is not read."""
    os.mkfifo(tmp_path / "pipe")
    assert Digests(tmp_path / "cache").of(str(tmp_path / "pipe")) is None
    with pytest.raises(ValueError, match="is not a file"):
        read_plain(tmp_path / "pipe", 10)
    with pytest.raises(ValueError, match="is a folder"):
        read_plain(tmp_path, 10)
    (tmp_path / "large").write_bytes(bytes(11))
    with pytest.raises(ValueError, match="11 bytes"):
        read_plain(tmp_path / "large", 10)


def test_a_seal_is_broken_by_any_change() -> None:
    """A byte more, less or other in a cache, and it is not believed."""
    sealed = seal(b"content")
    assert unseal(sealed) == b"content"
    for at in range(len(sealed)):
        assert unseal(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]) is None
        assert unseal(sealed[:at]) is None
    assert unseal(sealed + b" ") is None


def test_nothing_is_stored_under_a_path_that_leads_out(tmp_path: Path) -> None:
    """What an experiment or a drawing function names so is refused when it is written."""
    with pytest.raises(ExperimentError, match="not a plain path"):
        store_file(tmp_path / "a", "../b", b"x")
    assert not (tmp_path / "b").exists()


def test_what_is_linked_is_not_written_over(tmp_path: Path) -> None:
    """A file is put beside one that has another name for the same content, not into it."""
    (tmp_path / "old").write_bytes(b"old")
    os.link(tmp_path / "old", tmp_path / "new")
    store_file(tmp_path, "new", b"new")
    assert (tmp_path / "old").read_bytes() == b"old"


# File systems that refuse a rename ------------------------------------------------------------------------------------


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """As on overlayfs with outputs that the image holds: folders there can be neither renamed nor exchanged."""
    refused: list[str] = []
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name == "old" and (self / "from_the_image").exists():
            refused.append(self.name)
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    monkeypatch.setattr(places, "exchange", lambda one, other: False)
    return refused


def _filled(folder: Path, manifest: str, *, image: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(manifest)
    if image:
        (folder / "from_the_image").write_text("")


def test_outputs_that_cannot_be_renamed_are_copied(refusing: list[str], tmp_path: Path) -> None:
    """The new ones are in place, whole, and nothing is left over."""
    place = OutputFolder(tmp_path, "part_x/old")
    _filled(place.folder, "old", image=True)
    _filled(place.next, "new")
    place.publish()
    assert refusing
    assert (place.folder / "manifest.json").read_text() == "new"
    assert not (place.folder / "from_the_image").exists()
    assert not place.next.exists() and not place.previous.exists()
    assert [path.name for path in place.folder.parent.iterdir()] == ["old"]


@pytest.mark.parametrize("code", sorted(CANNOT_MOVE))
def test_outputs_are_put_in_place_where_nothing_is_renamed(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest comes last, so that they count when they are whole."""

    def refuse(*_: object) -> None:
        raise OSError(code, "refused")

    place = OutputFolder(tmp_path, "part_x/old")
    _filled(place.folder, "old", image=True)
    _filled(place.next, "new")
    monkeypatch.setattr(places, "exchange", lambda one, other: False)
    for name in ("rename", "replace", "link"):
        monkeypatch.setattr(f"os.{name}", refuse)
    place.publish()
    assert (place.folder / "manifest.json").read_text() == "new"
    assert [path.name for path in place.folder.parent.iterdir()] == ["old"]
    write_atomically(place.folder / "manifest.json", b"accepted", scratch=place.scratch)
    assert (place.folder / "manifest.json").read_text() == "accepted"
    assert not place.next.exists() and not place.previous.exists()


@pytest.mark.parametrize("step", range(12))
@pytest.mark.usefixtures("refusing")
def test_a_kill_while_copying_leaves_the_old_or_the_new(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After any step, what recovers puts one of the two in place, whole."""
    place = OutputFolder(tmp_path, "part_x/old")
    _filled(place.folder, "old", image=True)
    _filled(place.next, "new")
    left = [step]

    def counted(call):
        def wrapped(*given, **options):
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            return call(*given, **options)

        return wrapped

    with monkeypatch.context() as patched:
        for name in ("_remove", "_copy"):
            patched.setattr(places, name, counted(getattr(places, name)))
        patched.setattr(Path, "rename", counted(Path.rename))
        patched.setattr(Path, "unlink", counted(Path.unlink))
        with suppress(KeyboardInterrupt):
            place.publish()
    place.recover()
    assert (place.folder / "manifest.json").read_text() in {"old", "new"}
    assert (place.folder / "from_the_image").exists() == ((place.folder / "manifest.json").read_text() == "old")
    assert not place.previous.exists()
    assert [path.name for path in place.folder.parent.iterdir()] == ["old"]


def test_links_are_refused_by_name(tmp_path: Path) -> None:
    """The error says which is one."""
    (tmp_path / "part_x").symlink_to(tmp_path)
    with pytest.raises(DamagedOutputs, match="part_x: is a link"):
        OutputFolder(tmp_path, "part_x/base").refuse_links()


def test_a_checkpoint_is_read_or_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that is damaged anywhere gives nothing, so that the run begins anew and says so; it never ends in an error."""
    import numpy as np

    path = tmp_path / "checkpoint.safetensors"
    run = Run("cpu", "k", path, "now", lambda event: None)
    run.save({"a": {"b": np.arange(5)}, "step": 3})
    whole = path.read_bytes()
    assert Run("cpu", "k", path, "now", lambda event: None).load() is not None
    for at in range(0, len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x15]) + whole[at + 1 :])
        assert Run("cpu", "k", path, "now", lambda event: None).load() is None
        path.write_bytes(whole[:at])
        assert Run("cpu", "k", path, "now", lambda event: None).load() is None
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 2 and all(
            "cannot be read" in line and line.endswith("; the run starts again") for line in said
        )
