"""Projects for tests: one empty of outputs, one whose experiments have all been run."""

from __future__ import annotations

from pathlib import Path

import pytest

from .workshop import Workshop, make


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """A project whose experiments have never been run."""
    return make(tmp_path)


@pytest.fixture(scope="session")
def _run_once(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    made = make(tmp_path_factory.mktemp("workshop"))
    made.call("run", "*", "--jobs", "2")
    return made


@pytest.fixture
def fresh(_run_once: Workshop, tmp_path: Path) -> Workshop:
    """A copy of a project whose experiments have all been run."""
    return _run_once.copied(tmp_path)
