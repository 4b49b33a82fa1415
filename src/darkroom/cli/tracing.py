"""What looks at files from outside the project: ``trace``."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from darkroom.cli.shared import lab_of, print_line, warn


def trace_files(call: SimpleNamespace, root: Path) -> int:
    """Print where files come from, also where there is no project; nothing of a project is imported."""
    from darkroom.lab.tracing.command import traced
    from darkroom.lab.tracing.texts import as_json, as_text
    from darkroom.lab.tracing.trace import UNKNOWN, UNREADABLE

    lab = lab_of(call, root) if call.outputs or (root / "experiments").is_dir() else None
    site = Path(call.site).absolute() if call.site else root / "site"
    found = traced(call.files, root, lab, site, is_trusted=not call.untrusted)
    if lab:
        lab.digests.save()
    if text := as_json(found) if call.json else as_text(found):
        print_line(text)
    for each in found:
        if each.state == UNREADABLE:
            warn(f"{each.file}: {each.why}")
    states = {each.state for each in found}
    return 2 if UNREADABLE in states else 1 if UNKNOWN in states else 0
