"""What stands in place of a cache, or of a file that a build reads by itself: nothing is waited for, nothing followed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from darkroom.cli import main
from darkroom.core import caches
from darkroom.core.digests import RACY_NS, Digests
from darkroom.core.paths import remove, scratch_of
from darkroom.press.typeset import fonts, npm
from tests.hostile import sound
from tests.lab.workshop import Workshop
from tests.lab.workshop import make as make_workshop
from tests.press.conftest import katex  # noqa: F401  # a fixture
from tests.press.projects import PACKAGES, Project
from tests.press.samples import png


def slow(kind: str) -> object:
    """A kind that is tried along with what is slow: it takes the same way as another."""
    return pytest.param(kind, marks=pytest.mark.slow)


LONGEST_S = 40  # of a build on a busy machine; one that waits for a pipe never ends


def _socket(path: Path) -> None:
    here = os.open(path.parent, os.O_RDONLY)  # a socket's address has a hundred bytes
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{here}/{path.name}")
    finally:
        os.close(here)


def _folder(path: Path) -> None:
    (path / "within").mkdir(parents=True)
    (path / "within/file").write_text("x")


@pytest.fixture
def project(tmp_path: Path, katex: Path) -> Project:  # noqa: F811
    return Project.make(tmp_path / "project")


STRANGE: dict[str, Callable[[Path, Path], object]] = {
    "a_pipe": lambda path, _: os.mkfifo(path),
    "a_socket": lambda path, _: _socket(path),
    "a_folder": lambda path, _: _folder(path),
    "a_link_to_a_folder": lambda path, away: path.symlink_to(away),
    "a_link_to_a_file": lambda path, away: path.symlink_to(away / "treasure"),
    "a_link_to_a_device": lambda path, _: path.symlink_to("/dev/zero"),
    "a_link_to_itself": lambda path, _: path.symlink_to(path.name),
    "a_link_to_nothing": lambda path, _: path.symlink_to("nowhere"),
}


def _put(path: Path, kind: str, away: Path) -> None:
    """Put something strange in the place of a file or folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    STRANGE[kind](path, away)


@pytest.fixture
def away(tmp_path: Path) -> Path:
    """A folder that nothing may write into or take away from."""
    folder = tmp_path / "away"
    folder.mkdir()
    (folder / "treasure").write_text("kept")
    return folder


def _is_untouched(away: Path) -> bool:
    return [path.name for path in away.iterdir()] == ["treasure"] and (away / "treasure").read_text() == "kept"


def _build(root: Path) -> int:
    """Build as the command line does, and see that it ends."""
    before = signal.signal(signal.SIGALRM, _stop)
    signal.alarm(LONGEST_S)
    try:
        return main(["--no-run"], root=root)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _stop(number: int, frame: object) -> None:
    raise AssertionError("it is waited for")


def _site(project: Project) -> dict[str, bytes]:
    return {
        str(path.relative_to(project.site)): path.read_bytes() for path in project.site.rglob("*") if path.is_file()
    }


CACHES = (
    "", "press", "lab", "press/press.lock", "press/press-*[0-9a-f].json", "press/press-*.pages.json", "press/*.spare",
    "press/math.sqlite", "press/math.sqlite-journal", "press/math.sqlite-wal",
    "press/pictures.json", "press/fonts", "press/fonts/*.woff2", "press/fonts/*.seal", "press/jinja", "press/jinja/*.cache",
    "lab/digests.json", "lab/project.json", "lab/modules.json",
)  # fmt: skip


FEW = ("a_pipe", "a_link_to_a_folder")


@pytest.mark.usefixtures("katex")
@pytest.mark.parametrize("kind", [each if each in FEW else slow(each) for each in STRANGE])
def test_a_cache_that_is_something_else_is_made_anew(
    kind: str, project: Project, away: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file and folder of the caches in turn: the build goes through and gives the same site."""
    monkeypatch.setattr(fonts, "user_folder", lambda: "/dev/null")  # so that parts of fonts are in the project, too,
    monkeypatch.setattr(fonts, "_part_of", lambda font, _: font.read_bytes())  # and whole: making them takes seconds
    (project.root / "experiments/__init__.py").write_text("")
    page = project.page("Text with $x^2$ and {{ cite('ho2020') }}.")
    (project.root / "templates/static/cat.png").write_bytes(png())
    text = page.read_text()
    texts, clean = (text.replace("x^2", "x^2 + y"), text), []
    for each in (*texts, *texts):
        page.write_text(each)
        assert _build(project.root) == 0
        clean.append(_site(project))
    assert clean[0] == clean[2] != clean[3] == clean[1]
    for number, name in enumerate(CACHES):
        folder = project.root / ".darkroom"
        found = sorted(folder.glob(name)) if "*" in name else [folder / name]
        assert found, name
        _put(found[0], kind, away)
        page.write_text(texts[number % 2])
        assert _build(project.root) == 0, name
        assert _site(project) == clean[number % 2], name
        assert _is_untouched(away), name


READ = (
    "templates/node_modules/katex/package.json", "templates/node_modules/katex/dist/katex.min.css",
    "templates/node_modules/katex/dist/katex.mjs", "templates/node_modules/katex/dist/fonts/KaTeX_Main-Regular.woff2",
    "templates/package-lock.json", "templates/site.toml", "templates/references.bib", "templates/typeset.mjs",
    "templates/pages/index.md", "templates/layouts/page.html", "templates/static/style.css", "templates/static",
    "templates/pages", "templates", "experiments/data.toml", "experiments/models.toml", "experiments/part_b/a.py",
    "experiments/outputs/part_b/a/manifest.json", "experiments/outputs/part_b/a/figures/loss/plot.svg",
    "experiments/outputs/part_b/a/figures", "experiments/outputs/.scratch", "site", "site/.darkroom-files",
    "site/index.html", "src", "src/a.py",
)  # fmt: skip


@pytest.mark.usefixtures("katex")
@pytest.mark.parametrize(
    "kind", ["a_pipe", "a_folder", *(slow(kind) for kind in ("a_socket", "a_link_to_a_device", "a_link_to_itself"))]
)
def test_a_file_of_the_project_that_is_something_else_is_not_waited_for(
    kind: str,
    project: Project,
    away: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The build ends by itself: it goes through, or one line for each fault names the file."""
    sound(project.outputs)
    (project.root / "experiments/part_b").mkdir()
    (project.root / "experiments/part_b/a.py").write_text("")
    modules = project.root / "templates/node_modules"
    modules.unlink()
    shutil.copytree(PACKAGES / "katex", modules / "katex")
    (modules / "@fontsource").symlink_to(PACKAGES / "@fontsource")
    fetched = partial(shutil.copytree, PACKAGES, symlinks=True)
    monkeypatch.setattr(npm, "_npm_ci", lambda folder: fetched(folder / "node_modules"))
    kept = away.parent / "kept"
    for number, name in enumerate(READ):
        path = project.root / name
        project.page(f'Text {number} with $x^{{{number}}}$.\n\n{{{{ figure("part_b/a/loss") }}}}')
        if is_there := path.exists():
            shutil.move(path, kept)
        _put(path, kind, away)
        code, said = _build(project.root), capsys.readouterr().err
        assert code in {0, 1, 2}, name
        if code:
            assert name.rpartition("/")[2] in said or name.rpartition("/")[0] in said, (name, said)
        assert _is_untouched(away), name
        remove(path)
        if is_there:
            shutil.move(kept, path)


DECLARED = """
from darkroom.lab import experiment

@experiment(device="cpu", minutes=1)
def a() -> dict[str, object]:
    \"\"\"What has outputs.\"\"\"
    return {}
"""


@pytest.mark.usefixtures("katex")
def test_a_build_that_changes_nothing_looks_once_at_each_file(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lab and press share what they know of files: of each, the system is asked once, and no figure is read again."""
    sound(project.outputs)
    (project.root / "experiments/part_b").mkdir()
    (project.root / "experiments/part_b/a.py").write_text(DECLARED)
    project.page('Text with $x$.\n\n{{ figure("part_b/a/loss") }}')
    assert main(["--no-run"], root=project.root) == 0
    time.sleep(2 * RACY_NS / 1e9)
    assert main(["--no-run"], root=project.root) == 0  # which reads once more what the first one has just written
    looks: Counter[str] = Counter()
    hashed: list[str] = []
    stat, read = os.stat, Digests._hash

    def counted(path: str | Path | int, *given: object, **more: object) -> os.stat_result:
        looks[str(path)] += 1
        return stat(path, *given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", counted)
    monkeypatch.setattr(os, "lstat", partial(counted, follow_symlinks=False))
    monkeypatch.setattr(Digests, "_hash", lambda self, path, *more: (hashed.append(path), read(self, path, *more))[1])
    assert main(["--no-run"], root=project.root) == 0
    monkeypatch.undo()

    assert "nothing to write" in capsys.readouterr().out.splitlines()[-1]
    files = {path: count for path, count in looks.items() if Path(path).is_file()}
    outputs = project.root / "experiments/outputs/part_b/a"
    needed = {outputs / "manifest.json", outputs / "figures/loss/plot.svg", project.site / "index.html"}
    assert needed <= {Path(path) for path in files}
    assert {path: count for path, count in files.items() if count > 1} == {}
    assert hashed == []


@pytest.mark.parametrize("kind", ["a_pipe", slow("a_socket"), slow("a_folder")])
@pytest.mark.parametrize("name", ["lock", "holder", "log.txt", "next", "previous", "work", "checkpoint-*", ""])
def test_scratch_files_that_are_something_else_make_room(name: str, kind: str, tmp_path: Path, away: Path) -> None:
    """A run goes through."""
    workshop: Workshop = make_workshop(tmp_path)
    scratch = workshop.outputs / ".scratch/part_x/base"
    key = workshop.plan().verdicts["part_x/base"].key
    target = scratch / name.replace("*", f"{key[:16]}.safetensors") if name else scratch
    _put(target, kind, away)
    workshop.call("run", "part_x/base")
    assert workshop.states().get("part_x/base") is None


@pytest.mark.parametrize("kind", ["a_pipe", slow("a_socket"), slow("a_folder")])
def test_the_scratch_folder_of_a_redraw_that_is_something_else_makes_room(
    kind: str, tmp_path: Path, away: Path
) -> None:
    """The figures are drawn."""
    workshop: Workshop = make_workshop(tmp_path)
    workshop.call("run", "part_x/base")
    _put(workshop.outputs / ".scratch/figures", kind, away)
    workshop.edit("experiments/part_x/base.py", 'caption="The *total*."', 'caption="The sum."')
    workshop.call("run", "part_x/base")
    assert "The sum." in (workshop.outputs / "part_x/base/manifest.json").read_text()


def test_what_is_half_written_follows_no_link(tmp_path: Path) -> None:
    """The name of a file that is being written can be guessed: what stands there is removed, not written into."""
    target = tmp_path / "target"
    target.write_text("kept")
    path = tmp_path / "cache.json"
    scratch_of(path).symlink_to(target)
    caches.write(path, b"content")
    assert caches.read(path) == b"content"
    assert target.read_text() == "kept"
    os.mkfifo(scratch_of(path))
    caches.write(path, b"other")
    assert caches.read(path) == b"other"


def test_what_killed_builds_left_half_written_is_swept(project: Project) -> None:
    """In every folder of the caches, but not what another build may be writing now."""
    base = project.root / ".darkroom"
    left = [base / name for name in (".press-a.json.99999", "jinja/.a.cache.99998", "fonts/.a.woff2.99997")]
    young = base / ".pages.json.99996"
    project.page("Text.")
    project.build()
    for path in (*left, young):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
    for path in left:
        os.utime(path, (time.time() - 600,) * 2)
    project.page("Other text.")
    project.build()
    assert not [path for path in left if path.exists()]
    assert young.exists()
