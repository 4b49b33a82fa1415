"""`trace`: where a file comes from, whether it is still current, and what becomes of files that lie."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from darkroom.core import containers
from darkroom.core.stamp import Stamp, written
from tests.lab.workshop import Workshop, make
from tests.press.conftest import katex  # noqa: F401  # a fixture
from tests.press.projects import copy_templates
from tests.press.samples import png

pytestmark = pytest.mark.usefixtures("katex")

BASE = "experiments/part_x/base.py"
DRAWING = '''
import io
from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True)
class Drawing:
    kind: str
    layout: dict
    files: dict


def number(value):
    """A picture as grey as a number."""
    buffer = io.BytesIO()
    Image.new("L", (12, 9), int(abs(value) * 20) % 256).save(buffer, "PNG")
    cell = {"file": "grey.png", "alt": "Grey", "width": 12, "height": 9}
    layout = {"columns": [], "rows": [{"heading": "", "cells": [cell]}], "scale": 1}
    return Drawing("tiles", layout, {"grey.png": buffer.getvalue()})
'''
PAGE = """+++
title = "A page"
description = "A page of a test."
+++
{{ figure("part_x/base/curve") }}
"""


def _git(root: Path, *arguments: str) -> None:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *arguments], cwd=root, capture_output=True, check=True)


@pytest.fixture(scope="module")
def _built(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    workshop = make(tmp_path_factory.mktemp("tracing"))
    copy_templates(workshop.root)
    site = 'title = "T"\ndescription = "D"\nbase_url = "https://example.org/r/"\n'
    (workshop.root / "templates/site.toml").write_text(site, encoding="utf-8")
    workshop.write("src/helpers/drawing.py", DRAWING)
    workshop.write("templates/pages/index.md", PAGE)
    workshop.write(".gitignore", ".darkroom\nsite\nnode_modules\n__pycache__\n")
    workshop.call()
    _git(workshop.root, "init", "-q")
    _git(workshop.root, "add", "-A")
    _git(workshop.root, "commit", "-qm", "All")
    return workshop


@pytest.fixture
def project(_built: Workshop, tmp_path: Path) -> Workshop:
    """A project whose site is built, and whose outputs are committed."""
    copy = Workshop(tmp_path / "project", tmp_path / "probe")
    shutil.copytree(_built.root, copy.root, symlinks=True, ignore=shutil.ignore_patterns(".scratch", "__pycache__"))
    copy.probe.mkdir()
    return copy


def _picture(project: Workshop) -> Path:
    """The published picture, as somebody has saved it."""
    [found] = (project.root / "site/figures").rglob("*.png")
    return Path(shutil.copy(found, project.probe.parent / "slide.png"))


def _traced(project: Workshop, *files: Path, code: int = 0) -> list[dict[str, Any]]:
    done = project.call("trace", "--json", *map(str, files), code=code)
    found = json.loads(done.stdout)
    assert isinstance(found, list)
    return found


def _saved(picture: Image.Image, text: str = "") -> bytes:
    buffer, notes = io.BytesIO(), PngImagePlugin.PngInfo()
    if text:
        notes.add_text("Darkroom", text)
    picture.save(buffer, "PNG", pnginfo=notes)
    return buffer.getvalue()


# What is current --------------------------------------------------------------------------------------------------------


def test_a_published_picture_is_current(project: Workshop) -> None:
    """Experiment, figure, parameters, commit, device, address: all that there is to know, from the file alone."""
    [found] = _traced(project, _picture(project))
    manifest = json.loads((project.outputs / "part_x/base/manifest.json").read_text())
    assert (found["state"], found["experiment"], found["figure"]) == ("current", "part_x/base", "curve")
    assert (found["path"], found["intact"], found["found_by"]) == ("figures/curve/grey.png", True, "metadata")
    run = found["run"]
    assert run["parameters"] == {"steps": 3, "pause": 0.0, "seed": 1} and found["outputs"] == "fresh"
    assert (run["key"], run["device"]) == (manifest["key"], manifest["provenance"]["device"])
    assert found["page"] == "https://example.org/r/index.html#fig-part_x-base-curve"

    said = project.call("trace", str(project.probe.parent / "slide.png")).stdout
    for each in ("part_x/base/curve", "steps=3", manifest["key"], found["page"], "as they were published", ": current"):
        assert each in said


def test_files_of_the_outputs_are_found_by_their_content(project: Workshop) -> None:
    """What was taken from the repository, not from the site, has no metadata; arrays are found in the same way."""
    stored = project.outputs / "part_x/base"
    picture, arrays = _traced(project, stored / "figures/curve/grey.png", stored / "results.safetensors")
    assert (picture["state"], picture["figure"], picture["found_by"]) == ("current", "curve", "content")
    assert picture["page"] == "https://example.org/r/index.html#fig-part_x-base-curve"
    assert (arrays["state"], arrays["experiment"], arrays["path"]) == ("current", "part_x/base", "results.safetensors")


def test_a_picture_that_was_changed_and_keeps_its_metadata_is_said_to_be(project: Workshop) -> None:
    """A program that crops or shrinks it may leave the metadata in."""
    path = _picture(project)
    with Image.open(path) as picture:
        path.write_bytes(_saved(picture.resize((40, 30)), picture.info["Darkroom"]))
    [found] = _traced(project, path)
    assert (found["state"], found["intact"]) == ("current", False)
    assert "changed since it was published" in found["why"]


def test_stale_outputs_are_named(project: Workshop) -> None:
    """The picture is still that of the outputs, and the outputs are no longer those of the code."""
    path = _picture(project)
    project.edit(BASE, "steps: int = 3", "steps: int = 4")
    [found] = _traced(project, path)
    assert (found["state"], found["outputs"]) == ("current", "stale (params: steps)")


# What is superseded -------------------------------------------------------------------------------------------------------


def test_a_later_run_supersedes_it_and_git_says_what_has_changed(project: Workshop) -> None:
    """Parameters and device of the earlier run come from git's history, and so do the differences."""
    path = _picture(project)
    before = _traced(project, path)[0]
    project.edit(BASE, "steps: int = 3", "steps: int = 4")
    project.call("run", "part_x/base")
    project.call()
    [found] = _traced(project, path)
    manifest = json.loads((project.outputs / "part_x/base/manifest.json").read_text())
    assert (found["state"], found["intact"], found["run"]["key"]) == ("superseded", True, before["run"]["key"])
    assert found["run"]["parameters"]["steps"] == 3 and found["now"]["key"] == manifest["key"]
    assert "parameters steps 3 -> 4" in found["changes"]
    said = project.call("trace", str(path)).stdout
    assert ": superseded" in said and "parameters steps 3 -> 4" in said and manifest["key"][:12] in said


def test_without_history_it_is_said_that_the_change_is_not_known(project: Workshop) -> None:
    """The metadata still say what the picture is of."""
    path = _picture(project)
    shutil.rmtree(project.root / ".git")
    project.edit(BASE, "steps: int = 3", "steps: int = 4")
    project.call("run", "part_x/base")
    [found] = _traced(project, path)
    assert found["state"] == "superseded" and "parameters" not in found["run"] and "changes" not in found
    assert "what has changed is not known" in found["why"]


def test_a_figure_that_was_drawn_anew_supersedes_it(project: Workshop) -> None:
    """The results are the same, the picture is another."""
    path = _picture(project)
    project.edit("src/helpers/drawing.py", "* 20)", "* 20 + 90)")
    project.call()
    [found] = _traced(project, path)
    assert found["state"] == "superseded" and "drawn again from the same results" in found["why"]


def test_a_figure_that_is_gone_and_outputs_that_are_gone(project: Workshop) -> None:
    """Both are said; of outputs that this project does not have, only the metadata speak."""
    path = _picture(project)
    text = (project.root / BASE).read_text()
    project.write(BASE, text[: text.index("@base.figure")] + text[text.index("@base.metric") :])
    project.write("templates/pages/index.md", PAGE.replace('{{ figure("part_x/base/curve") }}', "Words."))
    project.call()
    [found] = _traced(project, path)
    assert found["state"] == "superseded" and "no longer drawn" in found["why"]

    shutil.rmtree(project.outputs / "part_x/base")
    [found] = _traced(project, path, code=1)
    assert (found["state"], found["experiment"]) == ("unknown", "part_x/base")
    assert "no outputs of it" in found["why"]


def test_an_earlier_file_without_metadata_is_found_in_git_s_history(project: Workshop) -> None:
    """A picture from an older clone was never published, and is known by its content."""
    path = Path(shutil.copy(project.outputs / "part_x/base/figures/curve/grey.png", project.probe.parent / "old.png"))
    project.edit(BASE, "steps: int = 3", "steps: int = 4")
    project.call("run", "part_x/base")
    _git(project.root, "add", "-A")
    _git(project.root, "commit", "-qm", "Another run")
    [found] = _traced(project, path)
    assert (found["state"], found["found_by"], found["figure"]) == ("superseded", "history", "curve")
    assert "parameters steps 3 -> 4" in found["changes"] and found["run"]["parameters"]["steps"] == 3


# What is unknown ----------------------------------------------------------------------------------------------------------


def test_a_picture_that_was_compressed_anew_is_unknown_and_names_are_offered(project: Workshop) -> None:
    """No metadata were found, which is said; figures with files of that name are offered."""
    with Image.open(_picture(project)) as picture:
        path = project.probe.parent / "curve-grey.0123456789 (1).png"
        path.write_bytes(_saved(picture.resize((40, 30))))
        other = project.probe.parent / "holiday.jpg"
        picture.convert("RGB").save(other)
    found = _traced(project, path, other, code=1)
    assert [each["state"] for each in found] == ["unknown", "unknown"]
    assert "no metadata" in found[0]["why"] and found[0]["nearest"] == ["part_x/base/curve"]
    assert "nearest" not in found[1]


def test_without_a_project_the_metadata_speak(project: Workshop, tmp_path: Path) -> None:
    """Somebody who has only the picture learns what it says, and where the page is."""
    path = _picture(project)
    empty = tmp_path / "empty"
    empty.mkdir()
    [found] = json.loads(Workshop(empty, project.probe).call("trace", "--json", str(path), code=1).stdout)
    assert found["state"] == "unknown" and "no project here" in found["why"]
    assert (found["experiment"], found["page"][:23]) == ("part_x/base", "https://example.org/r/i")
    assert not list(empty.iterdir())


def test_nothing_of_the_project_is_imported(project: Workshop, tmp_path: Path) -> None:
    """Neither its experiments nor torch; nothing is written but caches."""
    path = _picture(project)
    for each in ("experiments/__init__.py", "src/helpers/__init__.py"):
        project.write(each, f"open({str(tmp_path / 'pwned')!r}, 'w')")
    code = (
        "import sys; from pathlib import Path; from darkroom.cli import main; "
        f"code = main(['trace', {str(path)!r}], Path({str(project.root)!r})); "
        "heavy = {'torch', 'numpy', 'matplotlib', 'PIL', 'jinja2'} & set(sys.modules); print(code, heavy or 'light')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=project.environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "0 light"
    assert not (tmp_path / "pwned").exists()


def test_an_untrusted_project_is_asked_without_git(project: Workshop, tmp_path: Path) -> None:
    """Its settings of git could run programs."""
    path = _picture(project)
    project.edit(BASE, "steps: int = 3", "steps: int = 4")
    project.call("run", "part_x/base")
    _git(project.root, "config", "core.fsmonitor", f"touch {tmp_path / 'pwned'}")
    done = project.call("trace", "--json", "--untrusted", str(project.root), str(path))
    [found] = json.loads(done.stdout)
    assert found["state"] == "superseded" and "changes" not in found
    assert not (tmp_path / "pwned").exists()


# What lies ----------------------------------------------------------------------------------------------------------------


def _lying(**said: str) -> str:
    known = {"experiment": "part_x/base", "figure": "curve", "key": "0f"} | said
    return json.dumps({"darkroom": 1, **known}, separators=(",", ":"))


ESCAPES = "\x1b[31m\x1b]0;title\x07\x9b2J\u202e\u2028"


@pytest.mark.parametrize("name", ["experiment", "figure", "key", "page", "commit"])
def test_control_characters_of_metadata_do_not_reach_the_terminal(project: Workshop, name: str) -> None:
    """A field with an escape sequence makes the metadata invalid, and is shown escaped, if at all."""
    path = project.probe.parent / "lying.png"
    path.write_bytes(containers.put(png(), _lying(**{name: f"a{ESCAPES}"})))
    done = project.call("trace", str(path), code=1)
    assert "its metadata are not valid" in done.stdout
    for text in (done.stdout, done.stderr, project.call("trace", "--json", str(path), code=1).stdout):
        assert set(text) - {"\n"} == {each for each in text if each.isprintable()}


def test_metadata_alone_prove_nothing(project: Workshop) -> None:
    """A file that names the current key is not one of the outputs for that: it is said to have been changed."""
    key = json.loads((project.outputs / "part_x/base/manifest.json").read_text())["key"]
    path = project.probe.parent / "forged.png"
    path.write_bytes(containers.put(png(), _lying(key=key, file="00")))
    [found] = _traced(project, path)
    assert (found["state"], found["intact"]) == ("superseded", False)
    assert "page" not in found


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def test_what_cannot_be_read_is_one_line_each(project: Workshop) -> None:
    """No file, a folder, a pipe, a huge file, damage: a line that says what, the others are traced all the same, and 2."""
    folder = project.probe.parent / "in"
    folder.mkdir()
    (folder / "cut.png").write_bytes(png()[:60])
    (folder / "lies.png").write_bytes(png()[:33] + b"\x7f\xff\xff\xfftEXtDarkroom\0" + _lying().encode())
    (folder / "film.gif").write_bytes(b"GIF89a" + bytes(7) + b"\x21\xfe\xff")
    with (folder / "huge.png").open("wb") as file:
        file.truncate(60_000_000)
    os.mkfifo(folder / "pipe.png")
    names = ["cut.png", "film.gif", "huge.png", "lies.png", "pipe.png", "no\x1b[31m.png", "."]
    done = project.call("trace", *(str(folder / name) for name in names), str(_picture(project)), code=2)
    lines = done.stderr.splitlines()
    assert len(lines) == len(names) and "\x1b" not in done.stderr
    for line, said in zip(
        lines, ["damaged", "damaged", "60000000 bytes", "damaged", "not a", "no such", "folder"], strict=True
    ):
        assert said in line
    assert done.stdout.count("\n\n") == 0 and ": current" in done.stdout
    states = [each["state"] for each in _traced(project, folder / "cut.png", _picture(project), code=2)]
    assert states == ["unreadable", "current"]


def test_a_bomb_is_not_unpacked(project: Workshop) -> None:
    """A packed chunk is unpacked as far as a stamp can be long."""
    bomb = zlib.compress(b'{"darkroom":1,' + bytes(300_000_000), 1)
    path = project.probe.parent / "bomb.png"
    path.write_bytes(png()[:33] + _chunk(b"zTXt", b"Darkroom\0\0" + bomb) + png()[33:])
    [found] = _traced(project, path, code=1)
    assert found["state"] == "unknown"


def test_a_stamp_of_another_figure_with_the_same_picture_is_believed(project: Workshop) -> None:
    """Where two figures have the same file, the metadata say which of them it was published for."""
    [found] = _traced(project, _picture(project))
    stored = project.outputs / "part_x/base/figures/curve/grey.png"
    stamp = Stamp(darkroom=1, experiment="part_z/gone", figure="curve", key="0f", page="https://example.org/")
    path = project.probe.parent / "other.png"
    path.write_bytes(containers.put(stored.read_bytes(), written(stamp)))
    [other] = _traced(project, path)
    assert other["experiment"] == "part_x/base" and other["path"] == found["path"]
