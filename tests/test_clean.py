"""``clean --all`` leaves what ``new`` writes, loses nothing that git cannot bring back, and can be killed at any moment."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from darkroom.cli import main
from darkroom.core import locks
from darkroom.new import create
from tests import report
from tests.press.conftest import katex  # noqa: F401  # a fixture
from tests.press.projects import ROOT

HOOK = Path(__file__).parent / "killed"
POINTS = 4  # moments of a kill in the default run


def git(root: Path, *arguments: str) -> None:
    names = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "core.excludesFile=/dev/null")
    subprocess.run(["git", *names, *arguments], cwd=root, check=True, capture_output=True)


def commit(root: Path) -> None:
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "all")


def files(root: Path) -> dict[str, bytes]:
    """Everything in a folder but git's own files."""
    found = (path for path in root.rglob("*") if path.is_file() and ".git" not in path.relative_to(root).parts)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def wanted(root: Path, scaffold: str = "report") -> dict[str, bytes]:
    """What ``new`` writes into a folder of this name."""
    fresh = root.parent / f"fresh-{scaffold}" / root.name
    if not fresh.exists():
        create(fresh, scaffold)
    return files(fresh)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A report that somebody has written, all of it committed."""
    root = tmp_path / "mine"
    create(root)
    for name in ("experiments/part_q/own.py", "experiments/outputs/part_q/own/manifest.json", "templates/pages/own.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("mine")
    for name in (
        "experiments/images/cat.png",
        "templates/deliverables.toml",
        "templates/static/site.css",
        "notes/a.txt",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("mine")
    (root / "README.md").write_text("# My report\n")
    (root / "pyproject.toml").write_text('[project]\nname = "mine"\nversion = "1"\n')
    (root / "experiments/walks/spreading.py").unlink()
    commit(root)
    return root


def test_what_is_left_is_what_new_writes(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What goes is listed first; files of no report stay, and so do the package's own; a second call changes nothing."""
    assert main(["clean", "--all", "--yes"], project) == 0
    said = capsys.readouterr().out
    assert "experiments/part_q/  1 file" in said and "templates/deliverables.toml  1 file" in said
    assert "and writes anew README.md" in said and "notes" not in said
    kept = {name: (project / name).read_bytes() for name in ("notes/a.txt", "pyproject.toml")}
    assert files(project) == wanted(project) | kept

    assert main(["clean", "--all"], project) == 0  # nothing is asked where nothing goes
    assert files(project) == wanted(project) | kept


@pytest.mark.usefixtures("katex")
def test_what_is_left_builds(project: Path) -> None:
    """Its site and all; then it is not committed, so that another call would lose the outputs, and is refused."""
    (project / "site").mkdir()
    (project / "site/own.txt").write_text("not of Darkroom")
    (project / "site/old.html").write_text("old")
    (project / "site/.darkroom-files").write_text('{"old.html": "", "../notes/a.txt": ""}')
    assert main(["clean", "--all", "--yes"], project) == 0
    assert [path.name for path in (project / "site").iterdir()] == ["own.txt"] and (project / "notes/a.txt").exists()
    (project / "site/own.txt").unlink()
    assert main(["--strict"], project) == 0
    assert (project / "site/index.html").exists()
    assert main(["clean", "--all", "--yes"], project) == 2
    assert (project / "experiments/outputs/walks/walks/manifest.json").exists()


def test_a_course_can_be_left(project: Path) -> None:
    assert main(["clean", "--all", "--yes", "--course", "cs180-f25"], project) == 0
    assert set(wanted(project, "cs180-f25")) | {"notes/a.txt"} == set(files(project))


def test_a_fork_keeps_darkroom(project: Path) -> None:
    """The documentation of the library moves to where it is read, not published, and what is about the experiments goes."""
    own = {
        "src/darkroom/__init__.py": "",
        "templates/README.md": "[G](pages/docs/gpu.md)",
        "tests/lab/test_plan.py": "",
        "docs/note.md": "x",
    }
    going = {"tests/experiments/test_part_q.py": "", "templates/pages/docs/gpu.md": "minutes"}
    readme = "# Darkroom\n\n![seen](.github/screenshot.png), [GPUs](templates/pages/docs/gpu.md)\n"
    own["CONTRIBUTING.md"] = "`templates/pages/docs/gpu.md`"
    for name, text in {**own, **going, "README.md": readme}.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    commit(project)

    assert main(["clean", "--all", "--yes"], project) == 0

    left = files(project)
    moved = left.pop("DARKROOM.md").decode()
    assert moved.startswith("# Darkroom\n\n> [!NOTE]\n") and "![seen](.github/screenshot.png)" in moved
    assert moved.rstrip().endswith("[GPUs](docs/gpu.md)") and left.pop("docs/gpu.md") == b"minutes"
    assert left["CONTRIBUTING.md"] == b"`docs/gpu.md`" and left["templates/README.md"] == b"[G](../docs/gpu.md)"
    assert left.keys() == {*wanted(project), *own, "notes/a.txt"}
    assert left["README.md"] == wanted(project)["README.md"]


# What would be lost ---------------------------------------------------------------------------------------------------


def _edit(root: Path) -> None:
    (root / "templates/pages/own.md").write_text("changed")


def _stage(root: Path) -> None:
    _edit(root)
    git(root, "add", "-A")


def _overlook(root: Path) -> None:
    git(root, "update-index", "--assume-unchanged", "templates/pages/own.md")
    _edit(root)


def _skip(root: Path) -> None:
    git(root, "update-index", "--skip-worktree", "templates/pages/own.md")
    _edit(root)


def _add(root: Path) -> None:
    (root / "experiments/part_q/new.py").write_text("new")


def _hide(root: Path) -> None:
    git(root, "config", "status.showUntrackedFiles", "no")
    _add(root)


def _write_over(root: Path) -> None:
    (root / "README.md").write_text("better")


def _write_anew(root: Path) -> None:
    """A file that was not there, and that the new report has too."""
    (root / "experiments/walks/spreading.py").write_text("another")


def _link(root: Path) -> None:
    (root / "experiments/images/dog.png").symlink_to("/nowhere")


def _nest(root: Path) -> None:
    git(root / "experiments/part_q", "init", "-q")


def _link_folder(root: Path) -> None:
    shutil.move(root / "experiments", root.parent / "elsewhere")
    (root / "experiments").symlink_to(root.parent / "elsewhere")


def _break(root: Path) -> None:
    (root / ".git/HEAD").write_text("nonsense")


LOSSES: dict[str, tuple[Callable[[Path], None], str]] = {
    "edited": (_edit, "not committed: templates/pages/own.md; commit it"),
    "staged": (_stage, "not committed: templates/pages/own.md"),
    "assumed unchanged": (_overlook, "not committed: templates/pages/own.md"),
    "skipped": (_skip, "not committed: templates/pages/own.md"),
    "added": (_add, "not committed: experiments/part_q/new.py"),
    "hidden by a setting": (_hide, "not committed: experiments/part_q/new.py"),
    "written over": (_write_over, "not committed: README.md"),
    "written anew": (_write_anew, "not committed: experiments/walks/spreading.py"),
    "a link": (_link, "not committed: experiments/images/dog.png"),
    "a repository": (_nest, "experiments/part_q is a git repository of its own; move it away"),
    "a folder that is a link": (_link_folder, "experiments is a link, and what it leads to is left alone"),
    "a broken repository": (_break, "git cannot say what is committed: fatal: not a git repository"),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_not_committed_is_not_lost(loss: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says what and what to do, also with --yes and --force, and nothing is touched."""
    change, message = LOSSES[loss]
    change(project)
    before = files(project)
    assert main(["clean", "--all", "--yes", "--force"], project) == 2
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) == 1
    assert files(project) == before


def test_what_git_ignores_is_not_lost_unless_asked_for(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Such as temporary results and checkpoints; caches and locks do not count."""
    (project / "experiments/outputs/part_q/own/.gitignore").write_text("/weights.safetensors\n")
    commit(project)
    for name in ("experiments/part_q/__pycache__/own.pyc", "experiments/outputs/.scratch/part_q/own/holder"):
        (project / name).parent.mkdir(parents=True)
        (project / name).write_text("any")
    weights = project / "experiments/outputs/part_q/own/weights.safetensors"
    checkpoint = project / "experiments/outputs/.scratch/part_q/own/checkpoint-1.safetensors"
    for path in (weights, checkpoint):
        path.write_text("hours of work")
        assert main(["clean", "--all", "--yes"], project) == 2
        said = capsys.readouterr().err
        assert f"would lose what git ignores: {path.relative_to(project)}; move it away, or add --force" in said
        assert path.read_text() == "hours of work"
        if path == weights:
            path.unlink()
    assert main(["clean", "--all", "--yes", "--force"], project) == 0
    assert not (project / "experiments/outputs").exists()


def test_a_run_is_not_disturbed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that holds an experiment's outputs: it would write into what is being removed."""
    scratch = project / "experiments/outputs/.scratch/part_q/own"
    scratch.mkdir(parents=True)
    with locks.hold(scratch / "lock", AssertionError):
        assert main(["clean", "--all", "--yes", "--force"], project) == 2
    assert "part_q/own is being run; wait for it" in capsys.readouterr().err
    assert main(["clean", "--all", "--yes", "--force"], project) == 0


def test_a_folder_of_something_else_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Other programs have folders of these names, too."""
    (tmp_path / "experiments").mkdir()
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/base.html").write_text("theirs")
    assert main(["clean", "--all", "--yes", "--force"], tmp_path) == 2
    assert "this is not a Darkroom project" in capsys.readouterr().err
    assert (tmp_path / "templates/base.html").exists()


# Asking ---------------------------------------------------------------------------------------------------------------


def _called(root: Path, *arguments: str, answer: str | None = None) -> tuple[int, str]:
    """The exit code and all that is printed; on a terminal if there is an *answer*."""
    command = [sys.executable, "-m", "darkroom", "clean", "--all", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    if answer is None:
        done = subprocess.run(
            command, cwd=root, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    done = subprocess.run(
        command, cwd=root, env=environment, stdin=theirs, capture_output=True, text=True, check=False, timeout=60
    )
    os.close(ours)
    os.close(theirs)
    return done.returncode, done.stdout + done.stderr


def test_it_asks_first(project: Path) -> None:
    """Without a terminal it needs --yes; any answer but yes changes nothing."""
    before = files(project)
    code, said = _called(project)
    assert code == 2 and "without a terminal, add --yes" in said and "--force" not in said
    for answer in ("n", "", "mine"):
        code, said = _called(project, answer=answer)
        assert code == 2 and "Remove them? [y/N] " in said and "nothing was removed" in said
    assert files(project) == before
    assert _called(project, answer="y")[0] == 0
    assert not (project / "experiments/part_q").exists()


def test_it_asks_for_more_where_git_has_nothing(project: Path) -> None:
    """For the folder's name, or for --force as well."""
    shutil.rmtree(project / ".git")
    before = files(project)
    for call in ((), ("--yes",)):
        code, said = _called(project, *call)
        assert (
            code == 2 and "nothing of it can be brought back; to do that without a terminal, add --yes --force" in said
        )
    code, said = _called(project, "--yes", answer="y")
    assert code == 2 and "write the name of this folder, mine: " in said and "nothing was removed" in said
    assert files(project) == before
    assert _called(project, answer="mine")[0] == 0
    assert not (project / "experiments/part_q").exists()


# Kills ----------------------------------------------------------------------------------------------------------------


def _killed_everywhere(project: Path, tmp_path: Path, points: int) -> None:
    """A call that was killed is followed by one that finishes, from the folder itself."""
    (project / "src/darkroom").mkdir(parents=True)
    (project / "src/darkroom/__init__.py").write_text("")
    (project / "README.md").write_text("# Darkroom\n")
    (project / "templates/pages/docs").mkdir()
    (project / "templates/pages/docs/gpu.md").write_text("minutes")
    commit(project)
    whole = shutil.copytree(project, tmp_path / "whole/mine")
    count = tmp_path / "count"
    environment = {
        **os.environ, "PYTHONPATH": f"{HOOK}{os.pathsep}{ROOT / 'src'}", "KILL_COUNT": str(count), "KILL_PROGRAM": "build.py",
    }  # fmt: skip

    def call(root: Path, at: int) -> int:
        command = [sys.executable, "-m", "darkroom", "clean", "--all", "--yes"]
        variables = {**environment, "KILL_AT": f"main:{at}", "KILL_ROOT": str(root)}
        return subprocess.run(command, cwd=root, env=variables, check=False, capture_output=True, timeout=60).returncode

    assert call(whole, 0) == 0
    after, total = files(whole), int(count.read_text())
    assert total > 30 and after["DARKROOM.md"] and after["docs/gpu.md"] == b"minutes"
    for at in range(1, total + 1, max(1, total // points) if points else 1):
        root = shutil.copytree(project, tmp_path / f"at_{at}/mine")
        assert call(root, at) < 0
        assert call(root, -1) == 0
        assert files(root) == after
        shutil.rmtree(tmp_path / f"at_{at}")


def test_a_kill_at_some_changes(project: Path, tmp_path: Path) -> None:
    """A few of them."""
    _killed_everywhere(project, tmp_path, POINTS)


@pytest.mark.slow
def test_a_kill_at_every_change(project: Path, tmp_path: Path) -> None:
    """All of them."""
    _killed_everywhere(project, tmp_path, 0)


# The tests of a report that was deleted -------------------------------------------------------------------------------


def test_tests_of_a_deleted_part_are_skipped(tmp_path: Path) -> None:
    """Those that import it, at any place, and those that name it; what is wrong with a part that is there is an error."""
    part = next(path.parent.name for path in sorted((ROOT / "experiments").glob("*/*.py")))
    (tmp_path / "test_a.py").write_text("from experiments.part_gone.a import a\n\ndef test_a(): assert False\n")
    (tmp_path / "test_b.py").write_text(
        "import pytest\n\ndef test_b():\n    import experiments.part_gone\n\n"
        "@pytest.mark.report('part_gone')\ndef test_c(): assert False\n\n"
        f"@pytest.mark.report('{part}')\ndef test_d(): pass\n\n"
        f"def test_e():\n    with pytest.raises(ModuleNotFoundError): import experiments.{part}.nothing\n"
    )
    command = [
        "-m",
        "pytest",
        "-n0",
        "-q",
        "-p",
        "tests.conftest",
        "-c",
        ROOT / "pyproject.toml",
        "--rootdir",
        ROOT,
        tmp_path,
    ]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "2 passed, 3 skipped" in done.stdout, done.stdout
    assert "about this repository's own report, of which experiments/part_gone was deleted" in done.stdout


def test_a_part_is_there_if_it_has_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with nothing but caches is not a part."""
    (tmp_path / "experiments/part_a/__pycache__").mkdir(parents=True)
    (tmp_path / "experiments/part_b").mkdir()
    (tmp_path / "experiments/part_b/b.py").write_text("")
    (tmp_path / "experiments/cascade.py").write_text("")
    monkeypatch.setattr(report, "ROOT", tmp_path)
    assert [report.is_here(part) for part in report.PARTS] == [True, False, True, False]
    assert report.missing(("part_b",)) == "" and "experiments/part_a was deleted" in report.missing(
        ("part_a", "part_b")
    )
