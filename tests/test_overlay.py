"""In a container whose image holds the project, folders cannot be renamed: everything finishes all the same."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.workshop import Workshop, make
from tests.press.conftest import katex  # noqa: F401  # a fixture
from tests.press.projects import copy_templates

PAGE = (
    '+++\ntitle = "A"\ndescription = "b"\n+++\nText.\n\n{{ figure("part_x/base/curve") }}\n\n{{ experiments("*") }}\n'
)


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Workshop]:
    """A project that has been run and built, seen through overlayfs."""
    image = make(tmp_path / "image")
    copy_templates(image.root)
    (image.root / "templates/pages/index.md").write_text(PAGE)
    image.call("run", "*")
    image.call("--no-run")
    for name in ("upper", "work", "merged"):
        (tmp_path / name).mkdir()
    layers = f"lowerdir={tmp_path}/image,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    mount = ["mount", "-t", "overlay", "overlay", "-o", layers, str(tmp_path / "merged")]
    if (
        not shutil.which("mount")
        or os.geteuid() != 0
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip("overlayfs cannot be mounted here")
    try:
        yield Workshop(tmp_path / "merged/project", tmp_path / "merged/probe")
    finally:
        subprocess.run(["umount", "-l", str(tmp_path / "merged")], check=False)


@pytest.mark.usefixtures("katex")
def test_everything_finishes_on_overlayfs(container: Workshop) -> None:
    """A build, a run, a redraw and an accept; nothing is left over."""
    page = container.root / "templates/pages/index.md"
    page.write_text(page.read_text().replace("Text", "Other text"))
    container.call("--no-run")
    assert "Other text" in (container.root / "site/index.html").read_text()
    container.call("run", "part_x/base", "--force")
    container.edit("experiments/part_x/base.py", 'caption="The *total*."', 'caption="The sum."')
    container.call("build")
    assert "The sum." in (container.root / "site/index.html").read_text()
    container.edit("experiments/part_x/derived.py", "factor * Square", "factor * 1 * Square")
    container.call("accept", "part_x/derived", "--reason", "no matter")
    assert container.states() == {}
    assert not [path for path in container.root.rglob("*") if path.name.startswith(".") and path.name.endswith(".new")]
