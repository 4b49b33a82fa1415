"""Fixtures of the press: KaTeX, installed as a build installs it, and projects in folders of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from darkroom.core.errors import UsageError
from darkroom.press.typeset.npm import install
from tests.press.projects import THEME, Project


@pytest.fixture(scope="session")
def katex() -> Path:
    """KaTeX of Darkroom's theme; where npm cannot be reached, what needs it is skipped."""
    try:
        return install(THEME.base, THEME.packages) / "katex"
    except UsageError as error:
        pytest.skip(f"KaTeX is not installed and npm is out of reach: {error}")


@pytest.fixture
def project(tmp_path: Path, katex: Path) -> Project:
    """A project with a theme of its own and no page."""
    return Project.make(tmp_path)
