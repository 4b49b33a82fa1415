"""The outputs that the repository ships are those that runs have stored."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.report]


def test_every_number_and_figure_is_what_its_results_give(tmp_path: Path) -> None:
    """All are made once more; without torch, in half a minute."""
    command = [sys.executable, "build.py", "check", "--verify", "--site", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    wrong = [line for line in done.stderr.splitlines() if " verify: " in line]
    assert wrong == []
    assert "experiments: " in done.stdout or "site: is missing" in done.stderr
