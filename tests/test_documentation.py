"""The documentation: its examples are saved and built as a reader would, and nothing that it names is missing."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from darkroom.new import create
from tests.documentation import PAGES, ROOT, blocks, called, save
from tests.press.conftest import katex  # noqa: F401  # a fixture

NAMES = sorted(path.stem for path in PAGES.glob("*.md"))


def built(project: Path) -> None:
    """Build it, with what has to run."""
    done = called(project, "build.py", "--strict")
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("katex")
def test_the_examples_of_figures_are_drawn(tmp_path: Path) -> None:
    """A plot of matplotlib in the colours of both themes, and a kind of one's own with its template and style."""
    create(tmp_path)
    (tmp_path / "experiments/shapes").mkdir()
    (tmp_path / "experiments/shapes/__init__.py").touch()
    assert len(save("figures", tmp_path)) == 5
    built(tmp_path)
    page = (tmp_path / "site/shapes.html").read_text()
    plot = (tmp_path / "experiments/outputs/shapes/spiral/figures/polar/plot.svg").read_text()
    assert plot.count("light-dark(#7a1fa2,#d9a6f5)") >= 1 and "light-dark(#2a5bd7,#7fbcff)" in plot
    assert 'id="fig-shapes-spiral-polar"' in page and "light-dark(#7a1fa2,#d9a6f5)" in page
    assert '<th scope="col">angle</th>' in page and "All values as CSV" in page
    cards = re.search(r'<div class="cards">.*?</figure>', page, re.DOTALL)
    assert (
        cards
        and len(re.findall(r'<img src="figures/shapes/scored/[^"]+\.png" alt="Noise, picture \d\."', cards[0])) == 3
    )
    assert re.findall(r"<p>(0\.\d+)</p>", cards[0])
    assert ".cards img" in page


@pytest.mark.usefixtures("katex")
def test_the_examples_of_experiments_run(tmp_path: Path) -> None:
    """In a new report: the experiment, its variant and its sweep, and every call that the text shows of them."""
    create(tmp_path)
    (tmp_path / "experiments/noise").mkdir()
    (tmp_path / "experiments/noise/__init__.py").touch()
    assert save("experiments", tmp_path) == ["experiments/noise/grain.py", "experiments/sweeps.toml"]
    commands = [body.split() for what, _, _, body in blocks("experiments") if what == "run"]
    assert [words[2] for words in commands] == ["run", "run", "run", "compare"]
    for words in commands:
        done = called(tmp_path, *words[1:])
        assert done.returncode == 0, done.stderr
    assert "sigmas" in done.stdout and "error" in done.stdout
    shown = re.findall(r"`(\{\{ \w+\(\"noise/grain[^`]+)`", (PAGES / "experiments.md").read_text())
    assert {call.split("(")[0] for call in shown} == {
        f"{{{{ {word}" for word in ("figure", "metric", "sweep", "runs", "seeds")
    }
    for number, call in enumerate(shown):  # a page shows a figure once
        (tmp_path / f"templates/pages/call-{number}.md").write_text(
            f'+++\ntitle = "A call"\ndescription = "One."\norder = {number + 9}\n+++\n{call}\n'
        )
    built(tmp_path)
    pages = [(tmp_path / f"site/call-{number}.html").read_text() for number in range(len(shown))]
    assert any("5 seeds" in page or "4 seeds" in page for page in pages)


@pytest.mark.usefixtures("katex")
def test_the_first_report_is_built_word_for_word(tmp_path: Path) -> None:
    """Every command but those that install, serve, or publish; then the report's own test."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "darkroom").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m darkroom "$@"\n')
    (tools / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    script = ["set -e"]
    for what, named, _, body in blocks("first-report"):
        if what == "file":
            script.append(f"cat > {named} <<'END_OF_FILE'\n{body}END_OF_FILE")
        elif what == "run" and named != "git":
            script.append("".join(line for line in body.splitlines(keepends=True) if "pip install" not in line))
    left_out = ("DARKROOM", "PYTEST", "CI")  # on a server first snapshots are a failure
    environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    environment |= {"PATH": f"{tools}{os.pathsep}{environment['PATH']}", "PYTHONPATH": str(ROOT / "src")}
    environment["PYTEST_PLUGINS"] = "darkroom.testing"  # which an installation of this version names
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("2 experiments: 2 fresh") == 3
    page = (tmp_path / "points/site/index.html").read_text()
    assert "Of <span" in page and "2000</span> random points" in page and '<span class="number">3.1' in page
    assert (tmp_path / "points/site/method.html").read_text().count('class="state fresh"') >= 2
    snapshot = (tmp_path / "points/tests/snapshots/index.html").read_text()
    assert "Measuring π with random points" in snapshot


@pytest.mark.parametrize("name", NAMES)
def test_python_in_the_documentation_is_python(name: str) -> None:
    """Every block of it can be parsed."""
    for _, _, language, body in blocks(name):
        if language == "python":
            ast.parse(body)


def test_every_module_has_its_reference() -> None:
    """A module of the maths that is added is documented, too."""
    modules = {path.stem for path in (ROOT / "src/darkroom/diffusion").glob("*.py")} - {"__init__"}
    text = (PAGES / "reference-diffusion.md").read_text()
    assert set(re.findall(r'reference\("darkroom\.diffusion\.(\w+)"\)', text)) == modules


def test_the_index_leads_to_every_page() -> None:
    """Each page has a place in the navigation, and the index lists it."""
    patterns = re.findall(r'"docs/([^"]+)"', (PAGES / "index.md").read_text())
    assert {name for name in NAMES if not any(Path(name).match(pattern) for pattern in patterns)} == {"index"}
    orders = [re.search(r"^order = (\d+)$", (PAGES / f"{name}.md").read_text(), re.MULTILINE) for name in NAMES]
    assert len({order[1] for order in orders if order}) == len(NAMES)


@pytest.mark.parametrize("path", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "templates/README.md"])
def test_links_of_other_documents_lead_to_files(path: str) -> None:
    """Relative ones, and names of files of the documentation in code."""
    text = (ROOT / path).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)", re.sub(r"`[^`\n]*`", "", text))
    named = re.findall(r"`((?:templates/pages/)?docs/[a-z-]+\.md)`", text)
    assert [link for link in links if not (ROOT / path).parent.joinpath(link).exists()] == []
    assert [name for name in named if not (ROOT / name).exists()] == []
