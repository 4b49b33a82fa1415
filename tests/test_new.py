"""New projects: what ``darkroom new`` writes builds and tests itself, with a Darkroom that is installed and no clone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from darkroom.cli import main
from darkroom.core.errors import UsageError
from darkroom.new import create
from tests.press.projects import ROOT

pytestmark = pytest.mark.usefixtures("katex")
from tests.press.conftest import katex  # noqa: E402, F401  # a fixture


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Darkroom as its wheel installs it; what it depends on is that of this environment."""
    folder, source = tmp_path_factory.mktemp("installed"), tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if "No matching distribution found for setuptools" in done.stderr:
        pytest.skip("pip cannot reach an index to build with")
    assert done.returncode == 0, done.stderr
    return folder


def _called(installed: Path, cwd: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A call of Python that finds the installed Darkroom and not the clone."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DARKROOM", "PYTEST"))}
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**environment, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_a_new_project_builds_and_passes_its_tests(installed: Path, tmp_path: Path) -> None:
    """Also from a folder within it; a second build has nothing to do."""
    assert _called(installed, tmp_path, "-m", "darkroom", "new", "my-report").returncode == 0
    project = tmp_path / "my-report"
    where = _called(installed, project, "-c", "import darkroom; print(darkroom.__file__)").stdout
    assert Path(where.strip()).is_relative_to(installed)

    built = _called(installed, project, "build.py", "--strict")
    assert built.returncode == 0, built.stderr
    again = _called(installed, project / "experiments/walks", "-m", "darkroom", "--strict")
    assert "2 fresh" in again.stdout and "nothing to write" in again.stdout, again.stderr

    tested = _called(installed, project, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert tested.returncode == 0, tested.stdout
    page = project / "templates/pages/index.md"
    page.write_text(page.read_text().replace("take", "make"))
    tested = _called(installed, project, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert "200 steps" in tested.stdout and tested.returncode == 1


def test_the_theme_and_figures_of_an_installed_darkroom_count(installed: Path, tmp_path: Path) -> None:
    """A style that was edited is written anew, and figures drawn by other code are drawn anew."""
    library = tmp_path / "installed"
    shutil.copytree(installed, library)
    project = tmp_path / "report"
    assert _called(library, tmp_path, "-m", "darkroom", "new", "report").returncode == 0
    assert _called(library, project, "build.py").returncode == 0
    style = library / "darkroom/theme/static/style.css"
    style.write_text(style.read_text() + "\n.grid { margin: 7px; }\n")

    built = _called(library, project, "build.py")
    assert built.returncode == 0 and "nothing to write" not in built.stdout, built.stderr
    assert "margin: 7px" in (project / "site/index.html").read_text()

    tables = library / "darkroom/figures/tables.py"
    tables.write_text(tables.read_text().replace(":.7g}", ":.6g}"))
    built = _called(library, project, "build.py")
    assert "walks/exponent  drew law, distances" in built.stderr


def test_a_file_of_the_project_replaces_one_of_the_theme(tmp_path: Path) -> None:
    """And nothing but that; ``site.css`` and ``site.js`` come on top."""
    create(tmp_path)
    own = tmp_path / "templates"
    (own / "layouts").mkdir()
    (own / "layouts/missing.html").write_text(
        '<!DOCTYPE html><html lang="en"><head><meta http-equiv="Content-Security-Policy" content="default-src \'none\'">'
        "<title>Gone</title></head><body>{{ content }}</body></html>"
    )
    (own / "static").mkdir()
    (own / "static/site.css").write_text("h1 { color: teal; }\n")
    (own / "static/site.js").write_text('document.title = "mine";\n')
    (own / "static/favicon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg' width='7' height='7'/>")

    assert main(["--strict"], tmp_path) == 0

    page = (tmp_path / "site/index.html").read_text()
    assert re.search(r"h1 ?\{ ?color: ?teal", page)
    script = next((tmp_path / "site/assets").glob("site.*.js")).name
    assert script in page
    [icon] = (tmp_path / "site/assets").glob("favicon.*.svg")
    assert "width='7'" in icon.read_text()
    assert "<title>Gone</title>" in (tmp_path / "site/404.html").read_text()


def test_a_new_project_spares_what_is_there(tmp_path: Path) -> None:
    """Nothing is written where a file of the project exists already; other files do not matter."""
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(UsageError, match=r"it has README\.md already; choose another folder, or move them away"):
        create(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "notes.txt"]
    (tmp_path / "README.md").unlink()
    create(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / ".github/workflows/pages.yml").exists()


def test_the_project_is_found_from_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The nearest folder with experiments and templates; outside of one, a line says how to write one."""
    create(tmp_path / "report")
    monkeypatch.chdir(tmp_path / "report/templates/pages")
    assert main(["status"]) == 0
    assert "walks/exponent" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    assert main(["status"]) == 2
    assert "write one with: darkroom new DIR" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "title", "package"),
    [
        ("my-report", "My report", "my-report"),
        ("Über_die Wärme", "Über die wärme", "ber-die-w-rme"),
        ("研究", "研究", "report"),
    ],
)
def test_a_report_is_called_like_its_folder(name: str, title: str, package: str, tmp_path: Path) -> None:
    create(tmp_path / name)
    assert f'title = "{title}"' in (tmp_path / name / "templates/site.toml").read_text()
    assert f'name = "{package}"' in (tmp_path / name / "pyproject.toml").read_text()
