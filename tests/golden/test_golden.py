"""Golden sites: each case is a folder of pages, built with a plain theme and compared file by file.

A case has either a folder ``expected``, which is the site, or a file ``expected.txt``, which is what its build says when
it fails. Fonts are compared by name, since that holds their digest. After a change on purpose, run once with
``DARKROOM_UPDATE_GOLDEN=1`` and read the diff.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from darkroom.core.errors import ContentError
from darkroom.press.theme import BASE
from darkroom.press.write import RECORD
from tests.press.conftest import katex  # noqa: F401  # a fixture
from tests.press.projects import PACKAGES, Project
from tests.press.samples import Outputs, animation, plot, table, tiles

HERE = Path(__file__).parent
CASES = sorted(path.name for path in (HERE / "cases").iterdir())
UPDATE = "DARKROOM_UPDATE_GOLDEN" in os.environ


def project_of(case: str, root: Path) -> Project:
    """The project of a case: the plain theme, its pages, and outputs in every state."""
    shutil.copytree(HERE / "theme", root / "templates")
    shutil.copytree(HERE / "cases" / case / "pages", root / "templates/pages")
    for name in ("package.json", "package-lock.json", "typeset.mjs"):
        shutil.copy(BASE / name, root / "templates")
    (root / "templates/node_modules").symlink_to(PACKAGES)
    outputs = Outputs(root / "experiments/outputs")
    figures = {"loss": plot(), "grid": tiles(), "film": animation(), "table": table()}
    outputs.add("part_b/a", figures, metrics={"mse": {"1": 0.0118, "5": 0.00824}}, results=bytes(2000))
    if case == "states":
        outputs.add("part_b/stale", {"loss": plot()}, state="stale", reasons=("params: epochs",))
        outputs.state("part_b/missing", "missing", figures=("loss",))
        altered = outputs.add("part_b/altered", {"loss": replace(plot(), caption="Altered.")})
        (altered / "figures/loss/plot.svg").unlink()
        truncated = outputs.add("part_b/truncated", {"loss": plot()})
        (truncated / "manifest.json").write_bytes((truncated / "manifest.json").read_bytes()[:100])
    return Project(root, outputs, root / "templates")


def files_of(folder: Path) -> dict[str, bytes | None]:
    """Every file by its path, but for the record of them all; fonts without their content."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != RECORD)
    return {
        path.relative_to(folder).as_posix(): None if path.suffix == ".woff2" else path.read_bytes() for path in paths
    }


@pytest.mark.usefixtures("katex")
@pytest.mark.parametrize("case", CASES)
def test_the_site_is_what_it_was(case: str, tmp_path: Path) -> None:
    """The pages give the expected site, file by file, or the expected faults and no site."""
    project = project_of(case, tmp_path)
    folder = HERE / "cases" / case
    try:
        report = project.build()
    except ContentError as error:
        if UPDATE:
            (folder / "expected.txt").write_text(f"{error}\n", encoding="utf-8")
        assert f"{error}\n" == (folder / "expected.txt").read_text(encoding="utf-8")
        assert not project.site.exists()
        return
    said = "".join(f"{warning}\n" for warning in report.warnings if warning.rule != "unshown")
    if UPDATE:
        update(project.site, folder, said)
    assert files_of(project.site) == files_of(folder / "expected")
    assert said == (folder / "warnings.txt").read_text(encoding="utf-8")


def update(site: Path, folder: Path, said: str) -> None:
    """Make the site of today what is expected; fonts stay as empty files."""
    shutil.rmtree(folder / "expected", ignore_errors=True)
    for name, content in files_of(site).items():
        path = folder / "expected" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content or b"")
    (folder / "warnings.txt").write_text(said, encoding="utf-8")


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("bad-")])
def test_some_cases_must_fail(case: str) -> None:
    """A case called bad has no site, and is expected to say something."""
    assert not (HERE / "cases" / case / "expected").exists()
    assert (HERE / "cases" / case / "expected.txt").read_text(encoding="utf-8").strip()
