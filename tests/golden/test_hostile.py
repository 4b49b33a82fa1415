"""The hostile folder: every way in that somebody's outputs have tried, and what is said of each; none is taken.

After a change on purpose, run once with ``DARKROOM_UPDATE_GOLDEN=1`` and read the diff.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from darkroom.core.errors import DamagedOutputs
from darkroom.core.manifest import load
from darkroom.press.typeset.vetting import fault_of
from tests.hostile import FOLDERS, MANIFESTS, imported, sound, spoil
from tests.press.samples import Outputs

EXPECTED = Path(__file__).parent / "hostile.txt"


def _said(folder: Path) -> str:
    """What is wrong with an experiment's outputs: with its manifest, else with the first of its figures' files."""
    try:
        manifest = load(folder)
    except DamagedOutputs as error:
        return re.sub(r"( does not fit manifest version \d+| not valid JSON).*", r"\1", str(error)).partition(": ")[2]
    assert manifest is not None
    for figure in manifest.figures.values():
        for file in figure.files:
            path = folder / file.path
            if path.is_symlink() or path.parent.is_symlink() or path.parent.parent.is_symlink():
                return f"{file.path}: a link"
            if not path.is_file():
                return f"{file.path}: no file"
            if fault := fault_of(str(path)):
                return f"{file.path}: {re.sub(r'not valid XML .*', 'not valid XML', fault)}"
    return "taken"


def test_each_is_refused_as_it_was(tmp_path: Path) -> None:
    """By the same words, and none is taken."""
    lines = []
    for name in (*MANIFESTS, *FOLDERS):
        folder = sound(Outputs(tmp_path / name / "experiments/outputs"))
        if name in MANIFESTS:
            spoil(folder, MANIFESTS[name])
        else:
            FOLDERS[name](folder)
        lines.append(f"{name}: {_said(folder)}\n".replace(str(tmp_path), ""))
    assert not [line for line in lines if line.endswith(": taken\n")]
    if "DARKROOM_UPDATE_GOLDEN" in os.environ:
        EXPECTED.write_text("".join(lines), encoding="utf-8")
    assert "".join(lines) == EXPECTED.read_text(encoding="utf-8")


def test_results_that_were_imported_are_no_damage(tmp_path: Path) -> None:
    """What the hostile ones grow from is taken."""
    folder = sound(Outputs(tmp_path / "experiments/outputs"))
    spoil(folder, imported())
    assert _said(folder) == "taken"
