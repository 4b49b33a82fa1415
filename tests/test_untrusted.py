"""A stranger's repository: built with the theme of this Darkroom, without its code, and without a trace in it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from darkroom.core.sealed import mark, user_folder
from tests.hostile import FOLDERS, sound, spoil
from tests.press.conftest import katex  # noqa: F401  # a fixture
from tests.press.projects import ROOT, THEME, Project, copy_fonts

pytestmark = pytest.mark.usefixtures("katex")


def _tree(root: Path) -> dict[str, str]:
    found = {}
    for place, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = Path(place) / name
            key = path.relative_to(root).as_posix()
            found[key] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else f"{path.lstat().st_mode}"
    return found


@pytest.fixture
def stranger(tmp_path: Path) -> Project:
    """A repository whose theme, sources, caches and links would all do something if they could."""
    project = Project.make(tmp_path / "stranger")
    root, pwned = project.root, tmp_path / "pwned"
    sound(project.outputs)
    project.page('Text, and ![a picture](seen.png).\n\n{{ figure("part_b/a/loss") }}\n\n{{ experiments("*") }}')
    shutil.rmtree(root / ".darkroom")
    (root / "templates/node_modules").unlink(missing_ok=True)
    evil = f"open({str(pwned)!r}, 'w').write('x')\n"
    for path in (
        "build.py",
        "experiments/__init__.py",
        "experiments/part_b/a.py",
        "src/darkroom/cli/__init__.py",
        "json.py",
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(evil)
    (root / "templates/layouts/page.html").write_text("EVIL {{ ''.__class__.__mro__ }} {{ content }}")
    (root / "templates/figures/plot.html").write_text("EVIL")
    (root / "templates/static/figures.js").write_text("alert('EVIL')")
    (root / "templates/static/own.js").write_text("alert('EVIL')")
    (root / "templates/static/own.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    shutil.copy(root / "experiments/outputs/part_b/a/figures/grid/r0c0.png", root / "templates/static/seen.png")
    script = f"import fs from 'node:fs'; fs.writeFileSync({str(pwned)!r}, 'x')"
    (root / "templates/typeset.mjs").write_text(script)
    (root / "templates/package-lock.json").write_text("{}")
    (root / ".darkroom/press/jinja").mkdir(parents=True)
    (tmp_path / "treasure").mkdir()
    (tmp_path / "treasure/file").write_text("kept")
    (root / "site").symlink_to(tmp_path / "treasure")
    (root / "experiments/outputs/.scratch").symlink_to(tmp_path / "treasure")
    return project


def _call(*arguments: str | Path, cwd: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM")}
    environment |= {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(ROOT / "src")}
    own = cache / "darkroom"
    if not own.exists():  # with what takes seconds to fetch or to make, and the key that it is sealed with
        own.mkdir(parents=True)
        (own / "packages").symlink_to(THEME.packages.parent)
        mark(b"")  # makes the key if there is none
        shutil.copy(Path(user_folder()) / ".key", own)
        copy_fonts(own / "fonts")
    command = [sys.executable, str(ROOT / "build.py"), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_a_stranger_is_built_without_running_or_writing_anything_of_theirs(stranger: Project, tmp_path: Path) -> None:
    """The site is ours with their text and outputs; their folder stays as it was; no code of theirs has run."""
    before, site = _tree(stranger.root), tmp_path / "site"
    done = _call("--untrusted", stranger.root, "--site", site, cwd=tmp_path, cache=tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "pwned").exists()
    assert _tree(stranger.root) == before
    assert _tree(tmp_path / "treasure") == {"file": hashlib.sha256(b"kept").hexdigest()}
    page = (site / "index.html").read_text()
    assert "Text, and" in page and "strict-dynamic" in page and "loss-plot" in page
    assert not any(b"EVIL" in path.read_bytes() for path in site.rglob("*") if path.is_file())
    assert list(site.glob("assets/seen.*.png")) and not list(site.glob("assets/own*.js"))
    again = _call("--untrusted", stranger.root, "--site", site, cwd=tmp_path, cache=tmp_path / "cache")
    assert "nothing to write" in again.stdout


@pytest.mark.parametrize("command", ["status", "check"])
def test_a_stranger_is_looked_at(command: str, stranger: Project, tmp_path: Path) -> None:
    """Without a trace, also from within their folder."""
    before = _tree(stranger.root)
    arguments = ["--site", tmp_path / "site"] if command == "check" else []
    done = _call("--untrusted", ".", *arguments, command, cwd=stranger.root, cache=tmp_path / "cache")
    assert "Traceback" not in done.stderr
    assert done.returncode in {0, 1}
    assert _tree(stranger.root) == before
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "arguments", [["run", "*"], ["import", "a", "."], ["accept", "a", "--reason", "x"], ["serve"], []]
)
def test_what_would_write_or_run_is_refused(arguments: list[str], stranger: Project, tmp_path: Path) -> None:
    """By one line that says what to do."""
    done = _call("--untrusted", stranger.root, *arguments, cwd=tmp_path, cache=tmp_path / "cache")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1 and "untrusted" in done.stderr
    done = _call("--untrusted", stranger.root, "--site", stranger.root / "site2", cwd=tmp_path, cache=tmp_path / "c")
    assert done.returncode == 2 and "untrusted project" in done.stderr


@pytest.mark.parametrize(
    "path", ["templates", "templates/pages", "templates/static", "experiments", "experiments/outputs"]
)
def test_a_folder_that_is_a_link_out_of_the_project_is_not_looked_into(
    path: str, stranger: Project, tmp_path: Path
) -> None:
    """What lies there is somebody else's, and would be published."""
    away = tmp_path / "away"
    shutil.move(stranger.root / path, away)
    (stranger.root / path).symlink_to(away)
    done = _call("--untrusted", stranger.root, "--site", tmp_path / "site", cwd=tmp_path, cache=tmp_path / "cache")
    assert done.returncode in {1, 2} and "a link out of" in done.stderr and path in done.stderr
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("path", ["templates/pages/linked.md", "templates/site.toml", "templates/references.bib"])
def test_a_text_that_is_a_link_out_of_the_project_is_not_read(path: str, stranger: Project, tmp_path: Path) -> None:
    """It is a fault at its place, and what it leads to does not appear."""
    secret = tmp_path / "secret"
    secret.write_text('+++\ntitle = "SECRET"\ndescription = "d"\n+++\nSECRET\n')
    (stranger.root / path).unlink(missing_ok=True)
    (stranger.root / path).symlink_to(secret)
    done = _call("--untrusted", stranger.root, "--site", tmp_path / "site", cwd=tmp_path, cache=tmp_path / "cache")
    assert done.returncode == 1
    assert f"{path}:1:1 link: a link out of the project" in done.stderr
    assert "SECRET" not in done.stderr and not (tmp_path / "site").exists()


@pytest.mark.parametrize("name", ["drawing_script", "picture_html", "linked_figure", "manifest_nested_lists"])
def test_hostile_outputs_are_refused_there_too(name: str, stranger: Project, tmp_path: Path) -> None:
    """As in any build."""
    FOLDERS[name](stranger.root / "experiments/outputs/part_b/a")
    stranger.page('{{ experiments("*") }}\n\nText.')
    stranger.page('{{ figure("part_b/a/loss") }}\n\n{{ figure("part_b/a/grid") }}', "figures")
    done = _call("--untrusted", stranger.root, "--site", tmp_path / "site", cwd=tmp_path, cache=tmp_path / "cache")
    assert "Traceback" not in done.stderr
    assert " damaged: " in done.stderr or done.returncode == 1


def test_pictures_of_theirs_have_to_be_pictures(stranger: Project, tmp_path: Path) -> None:
    """One that is a script, or a link out, is a fault at its file."""
    (stranger.root / "templates/static/evil.png").write_text("<script>alert(1)</script>")
    (stranger.root / "templates/static/away.png").symlink_to("/etc/passwd")
    done = _call("--untrusted", stranger.root, "--site", tmp_path / "site", cwd=tmp_path, cache=tmp_path / "cache")
    assert done.returncode == 1
    assert "templates/static/away.png:1:1 link: a link out of the project" in done.stderr
    (stranger.root / "templates/static/away.png").unlink()
    done = _call("--untrusted", stranger.root, "--site", tmp_path / "site", cwd=tmp_path, cache=tmp_path / "cache")
    assert done.returncode == 1
    assert "templates/static/evil.png:1:1 picture: not a PNG picture" in done.stderr


def test_what_only_their_theme_has_is_left_out_and_named(stranger: Project, tmp_path: Path) -> None:
    """A figure of a kind of their own, and a layout of their own: the rest is built."""
    spoil(stranger.root / "experiments/outputs/part_b/a", lambda m: m["figures"]["loss"].update(kind="own"))
    (stranger.root / "templates/figures/own.html").write_text("EVIL")
    (stranger.root / "templates/layouts/theirs.html").write_text("EVIL")
    stranger.page('Text.\n\n{{ figure("part_b/a/loss") }}\n\n{{ figure("part_b/a/grid") }}', layout="theirs")
    done = _call("--untrusted", stranger.root, "--site", tmp_path / "site", cwd=tmp_path, cache=tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if " theme: " in line]
    assert len(told) == 2 and "templates/figures/own.html is not used" in told[0] + told[1]
    assert "templates/pages/index.md:4:1 theme: its own layout 'theirs' is not used" in told[0] + told[1]
    page = (tmp_path / "site/index.html").read_text()
    assert "EVIL" not in page and "Text." in page and "grid" in page
