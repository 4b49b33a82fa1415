"""What the pages of the documentation tell readers to save and to type."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = next(
    place for place in (ROOT / "templates/pages/docs", ROOT / "docs") if place.is_dir()
)  # clean --all moves it
_BLOCK = re.compile(
    r"(?:<!-- (?P<what>file|run)(?:: (?P<named>[^ ]+))? -->\n)?```(?P<language>\w*)\n(?P<body>.*?)^```$", re.S | re.M
)


def blocks(page: str) -> list[tuple[str, str, str, str]]:
    """Every block of code of a page: "file", "run" or "", what it is named, its language, and what is in it."""
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    return [(f["what"] or "", f["named"] or "", f["language"], f["body"]) for f in _BLOCK.finditer(text)]


def save(page: str, project: Path) -> list[str]:
    """Save every file that a page shows; gives their paths."""
    files = {named: body for what, named, _, body in blocks(page) if what == "file"}
    for path, body in files.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(body, encoding="utf-8")
    return list(files)


def called(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A call of Python in a project that is not this repository."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DARKROOM", "PYTEST"))}
    return subprocess.run(
        [sys.executable, *command],
        cwd=project,
        env={**environment, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
