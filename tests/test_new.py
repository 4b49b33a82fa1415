"""New projects: what ``darkroom new`` writes builds and tests itself, with a Darkroom that is installed and no clone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from darkroom.cli import main
from darkroom.core.errors import UsageError
from darkroom.new import COURSES, create
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
    left_out = ("DARKROOM", "PYTEST", "CI")  # on a server first snapshots are a failure
    environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
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
    pages = {"404.html", "index.html", "method.html"}
    assert {path.name for path in (project / "tests/snapshots").iterdir()} == pages and "3 pages" in tested.stdout
    page = project / "templates/pages/index.md"
    page.write_text(page.read_text().replace("take", "make"))
    tested = _called(installed, project, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert "-     walkers take\n+     walkers make\n" in tested.stdout and tested.returncode == 1, tested.stdout


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


def test_it_does_not_matter_where_darkroom_is_installed(installed: Path, tmp_path: Path) -> None:
    """Outside of the project, or in an environment within it, as is usual: what was drawn there is fresh here."""
    project = tmp_path / "report"
    within = project / ".venv/lib/site-packages"
    assert _called(installed, tmp_path, "-m", "darkroom", "new", "report").returncode == 0
    shutil.copytree(installed, within)
    assert _called(within, project, "build.py").returncode == 0
    manifest = project / "experiments/outputs/walks/exponent/manifest.json"
    assert "darkroom.figures.curves.line_plot" in manifest.read_text()
    before = manifest.read_bytes()
    built = _called(installed, project, "build.py", "--strict")
    assert built.returncode == 0 and "drew" not in built.stderr, built.stderr
    assert manifest.read_bytes() == before


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


# The skeletons of a course --------------------------------------------------------------------------------------------


EACH = [pytest.param(COURSES[0], marks=pytest.mark.slow), *COURSES[1:]]
FORWARD = """
    import numpy as np

    noisy = np.random.default_rng(seed).integers(256, size=(len(timesteps), 64, 64, 3), dtype=np.uint8)
    return {"original": np.zeros((64, 64, 3), np.uint8), "noisy": noisy}
"""


@pytest.mark.parametrize("course", EACH)
def test_a_course_is_built_written_and_checked(course: str, installed: Path, tmp_path: Path) -> None:
    """Nothing is written and all builds; one experiment that is written runs, and its deliverable is there."""
    assert _called(installed, tmp_path, "-m", "darkroom", "new", "mine", "--course", course).returncode == 0
    project = tmp_path / "mine"
    built = _called(installed, project, "build.py")
    assert built.returncode == 0, built.stderr
    assert "18 missing" in built.stdout or "20 missing" in built.stdout
    assert (
        "neither written nor imported: part_a/anagrams, part_a/classical" in built.stderr
        and "Traceback" not in built.stderr
    )
    tested = _called(installed, project, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert tested.returncode == 0, tested.stdout

    checked = _called(installed, project, "build.py", "check")
    assert "A.1.1, Forward process (part-a#forward): 0 of 4 pictures" in checked.stderr
    path = project / "experiments/part_a/forward.py"
    path.write_text(
        path.read_text().replace("\n    raise NotImplementedError\n", FORWARD).replace('device="gpu"', 'device="cpu"')
    )
    (project / "experiments/images/test.png").write_bytes(b"any picture")
    built = _called(installed, project, "build.py")
    assert "1 fresh" in built.stdout, built.stderr
    checked = _called(installed, project, "build.py", "check")
    assert "A.1.1" not in checked.stderr and "A.1.2, Classical denoising" in checked.stderr
    assert _called(installed, project, "build.py", "--strict").returncode == 1


@pytest.mark.parametrize("course", COURSES)
def test_every_deliverable_of_a_course_has_its_section(course: str, tmp_path: Path) -> None:
    """The pages of a skeleton have the sections that its list expects; each has a figure, or is for text alone."""
    create(tmp_path, course)
    assert main(["--no-run"], tmp_path) == 0
    [found] = json.loads((tmp_path / "site/record.json").read_text())["deliverables"]
    wanted = [each for each in found["items"] if not each.get("optional")]
    assert len(wanted) > 20 and all(each["address"] and each["missing"] for each in wanted)


@pytest.mark.parametrize("course", EACH)
def test_figures_of_a_course_draw_what_the_docstring_asks_for(course: str, tmp_path: Path) -> None:
    """Results of the shapes that a function has to return can be drawn as they are."""
    create(tmp_path, course)
    for path in sorted((tmp_path / "experiments").glob("part_*/*.py")):
        text = path.read_text()
        if "raise NotImplementedError" in text:
            path.write_text(_made_up(text))
    (tmp_path / "experiments/data.toml").write_text(_TINY_DATA)
    for name in ("test", "own_1", "own_2", "web", "drawing_1", "drawing_2"):
        (tmp_path / f"experiments/images/{name}.png").write_bytes(b"any picture")
    (tmp_path / "data/mnist").mkdir(parents=True)
    (tmp_path / "data/mnist/any").write_bytes(b"")
    assert main(["run", "*", "--data", str(tmp_path / "data")], tmp_path) == 0
    assert main(["--no-run"], tmp_path) == 0
    [found] = json.loads((tmp_path / "site/record.json").read_text())["deliverables"]
    lacking = {problem for each in found["items"] if not each.get("optional") for problem in each.get("missing", ())}
    assert all("words" in each or each == "the section is empty" for each in lacking), lacking


SAID = "What was to be done, what was done instead, and what came of it, in twenty words and some more, all of ours."


def test_results_from_a_notebook_are_imported_into_a_skeleton(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a change of its code: figures are drawn, say that they were not run here, and complete the deliverables."""
    create(tmp_path, COURSES[1])
    rng = np.random.default_rng(1)

    def pictures(*shape: int) -> np.ndarray:
        return rng.integers(1, 256, size=shape, dtype=np.uint8)

    digits = {name: pictures(3, 28, 28) for name in ("clean", "noisy", "epoch_1", "epoch_5")}
    np.savez(tmp_path / "denoiser.npz", loss=np.linspace(1, 0.1, 50), **digits)  # its weights are left out
    np.save(tmp_path / "steps.npy", pictures(5, 64, 64, 3))
    for name in ("result", "one_step", "blurred"):
        Image.fromarray(pictures(64, 64, 3)).save(tmp_path / f"{name}.png")
    (tmp_path / "experiments/images/test.png").write_bytes(b"any picture")
    stated = ["--device", "Tesla T4", "--took", "7 min", "--source", "https://colab.research.google.com/drive/1"]
    assert main(["import", "part_b/denoiser", str(tmp_path / "denoiser.npz"), *stated], tmp_path) == 0
    files = [str(tmp_path / name) for name in ("steps.npy", "result.png", "one_step.png", "blurred.png")]
    assert main(["import", "part_a/iterative", *files, *stated], tmp_path) == 0
    for page, heading in (("part-a", "{#iterative}"), ("part-b", "{#training}")):
        path = tmp_path / f"templates/pages/{page}.md"
        path.write_text(path.read_text().replace(f"{heading}\n", f"{heading}\n\n{SAID}\n"))
    capsys.readouterr()

    assert main(["--no-run"], tmp_path) == 0

    said = capsys.readouterr()
    assert "2 fresh" in said.out
    [listed] = [line for line in said.err.splitlines() if "neither written nor imported" in line]
    assert "part_b/noising" in listed and "part_b/denoiser" not in listed and "part_a/iterative" not in listed
    [found] = json.loads((tmp_path / "site/record.json").read_text())["deliverables"]
    missing = {each["id"]: each.get("missing", []) for each in found["items"]}
    assert missing["A.1.4"] == missing["B.1.2.1"] == [] and missing["A.1.3"]
    page = (tmp_path / "site/part-b.html").read_text()
    figure = re.search(r'<figure[^>]*id="fig-part_b-denoiser-digits".*?</figure>', page, re.DOTALL)
    assert figure and "not run here" in figure[0] and figure[0].count("<img") >= 12


@pytest.mark.parametrize("course", COURSES)
def test_every_experiment_of_a_course_declares_what_its_docstring_asks_for(course: str, tmp_path: Path) -> None:
    """So that results of another program can be imported as they are."""
    create(tmp_path, course)
    asking = [path for path in (tmp_path / "experiments").glob("part_*/*.py") if "To return:" in path.read_text()]
    assert len(asking) > 15
    for path in asking:
        text = path.read_text()
        asked = re.findall(r"``(\w+)``", text.partition("To return:")[2].partition('"""')[0])
        assert asked == re.findall(r"\w+", re.search(r"results=\(([^)]*)\)", text)[1]), path


_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_TINY_DATA = f"""
[mnist]
title = "None"
source = "None"
licence = "None"

[[mnist.files]]
name = "any"
bytes = 0
sha256 = "{_EMPTY}"
urls = []
"""
_LENGTHS = {
    "prompts": 3, "steps": 2, "timesteps": 3, "shown_times": 5, "images": 3, "starts": 6, "count": 40, "pairs": 3,
    "digits": 5, "sigmas": 7, "frames": 4,
}  # fmt: skip


def _made_up(text: str) -> str:
    """A module whose experiment returns arrays of the shapes that its docstring gives, each picture another."""
    asked = " ".join(text.partition("To return:")[2].partition('"""')[0].split())
    lines = ["    import numpy as np", "    rng, made = np.random.default_rng(seed), {}"]
    names: list[str] = []
    epochs = re.search(r"shown_epochs: [^=]*= \(([^)]*)\)", text)
    lengths = _LENGTHS | {"shown_epochs": epochs[1].count(",") + 1 if epochs else 0}
    for part in re.finditer(r"``(\w+)``(?: uint8)?(?: \(([^)]*)\))?", asked):
        names.append(part[1])
        if part[2] is not None:
            shape = tuple(int(each) if each.isdecimal() else lengths[each] for each in part[2].rstrip(",").split(", "))
            for name in names:
                lines += [f"    made[{name!r}] = rng.integers(1, 256, size={shape}, dtype=np.uint8)"]
            names = []
    lines += [f"    made[{name!r}] = {{'first': np.ones(3)}}" for name in names]  # a dictionary of arrays
    return text.replace("    raise NotImplementedError", "\n".join([*lines, "    return made"])).replace(
        'device="gpu"', 'device="cpu"'
    )


def test_an_interrupt_is_one_line_from_the_first_import_on() -> None:
    """What a new project's build.py imports first sets how Ctrl-C ends before it imports anything that takes long."""
    script = (ROOT / "src/darkroom/scaffolds/common/build.py").read_text()
    assert script.split('"""', 2)[2].split()[:4] == ["from", "darkroom.__main__", "import", "run"]
    code = (
        "import _signal, sys; sys.path.insert(0, sys.argv[1]); before = {*sys.modules}; import darkroom.__main__; "
        "print({'pathlib', 'typing', 'signal'} & ({*sys.modules} - before)); "
        "print(_signal.getsignal(_signal.SIGINT) is _signal.default_int_handler)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, str(ROOT / "src")], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["set()", "False"]
