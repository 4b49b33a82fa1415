"""What ``trace`` does: the outputs and their states are read once, then each file is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from darkroom.lab.plan import Lab
from darkroom.lab.status import in_words
from darkroom.lab.tracing.stored import Stored
from darkroom.lab.tracing.trace import Traced, Tracer


def traced(files: Sequence[str], root: Path, lab: Lab | None, site: Path, *, is_trusted: bool) -> list[Traced]:
    """What is known of each file.

    Args:
        files: their paths.
        root: the project's folder.
        lab: the project; None where there is none.
        site: the folder of the site, which says where figures are shown.
        is_trusted: whether git may be run in the project.
    """
    stored = Stored(lab.outputs if lab else None, site)
    states = {}
    if lab:
        verdicts = lab.planner().plan().verdicts
        states = {identity: in_words(verdict.state, verdict.reasons) for identity, verdict in verdicts.items()}
    tracer = Tracer(root, stored, states, is_trusted=is_trusted)
    return [tracer.trace(each) for each in files]
