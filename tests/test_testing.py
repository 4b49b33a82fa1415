"""The plugin of pytest: in a project's own tests, with syrupy, which has an option of the same name, and without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from darkroom.new import create
from tests.press.conftest import katex  # noqa: F401  # a fixture
from tests.press.projects import ROOT

WITH = {"with syrupy": [], "without syrupy": ["-p", "no:syrupy"]}


def _tested(project: Path, *options: str, **variables: str) -> tuple[int, str]:
    left_out = ("DARKROOM", "PYTEST", "CI")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    environment |= {"PYTHONPATH": str(ROOT / "src"), "PYTEST_PLUGINS": "darkroom.testing", **variables}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.usefixtures("katex")
@pytest.mark.parametrize("options", WITH.values(), ids=WITH)
def test_pages_are_compared_with_what_is_stored(options: list[str], tmp_path: Path) -> None:
    """The first run writes them, a change fails and says how to renew, and renewing removes those of pages that are gone."""
    create(tmp_path)
    stored, page = tmp_path / "tests/snapshots", tmp_path / "templates/pages/index.md"
    code, out = _tested(tmp_path, *options, CI="true")
    assert code == 1 and "commit it" in out and not stored.exists()
    code, out = _tested(tmp_path, *options, DARKROOM_BASE_URL="https://x.org/")
    assert code == 0 and "3 pages; commit it" in out
    assert {path.name for path in stored.iterdir()} == {"404.html", "index.html", "method.html"}
    assert "     walkers take\n" in (stored / "index.html").read_text()
    assert "x.org" not in (stored / "index.html").read_text()  # where it is published is no matter of its content
    assert not (tmp_path / "site").exists()
    assert not list((tmp_path / "experiments/outputs").glob("*"))

    page.write_text(page.read_text().replace("take", "make"))
    (stored / "old.html").write_text("old")
    (stored / "404.html").unlink()
    code, out = _tested(tmp_path, *options, CI="true")
    assert code == 1
    assert "-     walkers take\n+     walkers make\n" in out
    assert "404.html: new, without a snapshot" in out and "old.html: gone" in out
    assert "python -m pytest --snapshot-update" in out and "Traceback" not in out

    code, out = _tested(tmp_path, *options, "--snapshot-update", CI="true")
    assert code == 0, out
    assert {path.name for path in stored.iterdir()} == {"404.html", "index.html", "method.html"}
    assert _tested(tmp_path, *options, CI="true")[0] == 0

    page.write_text("+++\n")
    code, out = _tested(tmp_path, *options)
    assert code == 1 and "the site cannot be built:\ntemplates/pages/index.md:" in out


@pytest.mark.usefixtures("katex")
def test_one_page_can_be_compared_with_more_of_it(tmp_path: Path) -> None:
    create(tmp_path)
    test = tmp_path / "tests/test_site.py"
    test.write_text(
        "def test_a(darkroom_site, page_snapshots):\n    page_snapshots.check(darkroom_site, 'index.html', also=['styles'])\n"
    )
    assert _tested(tmp_path)[0] == 0
    [stored] = (tmp_path / "tests/snapshots").iterdir()
    assert stored.name == "index.html" and "<style>" in stored.read_text()
    (stored.parent / "own.html").write_text("of another test")
    assert _tested(tmp_path, "--snapshot-update")[0] == 0 and (stored.parent / "own.html").exists()
    test.write_text(test.read_text().replace("index", "indx"))
    code, out = _tested(tmp_path)
    assert code == 1 and "no page indx.html; there are 404.html, index.html, method.html" in out


def test_it_costs_nothing_where_no_test_asks_for_it() -> None:
    """The module imports nothing of Darkroom; a project that is none is not looked at."""
    code = (
        "import sys, pytest; before = {*sys.modules}; import darkroom.testing; print(sorted({*sys.modules} - before))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['darkroom', 'darkroom.testing']"
