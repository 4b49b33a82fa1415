"""What looks at stored outputs: ``status`` and ``compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from darkroom.cli.shared import print_line, warn
from darkroom.core.errors import UsageError

if TYPE_CHECKING:
    from darkroom.lab.comparing.differences import ComparedOutputs
    from darkroom.lab.plan import Lab


def _status(call: SimpleNamespace, lab: Lab) -> int:
    from darkroom.lab.running.selection import matching
    from darkroom.lab.status import as_json, details, drawing_unseeded, table

    plan = lab.planner().plan()
    chosen = matching(lab.project, call.ids) if call.ids else list(plan.verdicts)
    verdicts = [plan.verdicts[each] for each in chosen]
    if call.json:
        print_line(as_json(verdicts))
    else:
        print_line(details(verdicts, lab.outputs) if call.ids else table(verdicts))
        _name_orphans(lab, () if call.ids else plan.orphans)
        if unseeded := drawing_unseeded(verdicts):
            warn(unseeded)
    return 1 if call.strict and any(each.must_run for each in verdicts) else 0


def _name_orphans(lab: Lab, orphans: Sequence[str]) -> None:
    """One line for all outputs of a part of the experiments that belong to nothing that is declared, for one reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for each in orphans:
        found.setdefault((each.partition("/")[0], _orphaned(lab, each)), []).append(each)
    for (_, why), names in found.items():
        warn(f"{', '.join(names)} {why}" if len(names) == 1 else f"{', '.join(names)}: each {why}")


def _orphaned(lab: Lab, orphan: str) -> str:
    """Why outputs belong to nothing that is declared, and what to do."""
    from darkroom.core.errors import DamagedOutputs
    from darkroom.core.git import restoring
    from darkroom.core.manifest import load

    if orphan.rpartition("@")[0] in lab.project.experiments:
        try:
            load(lab.outputs / orphan, drawable=True)
        except DamagedOutputs:
            way = restoring(lab.outputs / orphan / "manifest.json")
            return (
                f"is a variant whose manifest cannot be read, so what was set is unknown; {way}, or delete its folder"
            )
    return "has outputs but is not declared; declare it, or remove them with python build.py gc"


def compare_outputs(call: SimpleNamespace, root: Path) -> int:
    """Print what differs; nothing of the project is imported."""
    from darkroom.core.errors import DamagedOutputs
    from darkroom.lab.comparing import texts
    from darkroom.lab.comparing.differences import compared
    from darkroom.lab.comparing.sides import given

    outputs = Path(call.outputs).absolute() if call.outputs else root / "experiments" / "outputs"
    try:
        a, b = (given(text, outputs, root, is_trusted=not call.untrusted) for text in (call.a, call.b))
        found = compared(a, b)
    except DamagedOutputs as error:
        raise UsageError(str(error)) from None
    if call.html:
        _write_comparison(found, Path(call.html).absolute())
    print_line(texts.as_markdown(found) if call.markdown else texts.as_text(found))
    return 0


def _write_comparison(found: ComparedOutputs, target: Path) -> None:
    from darkroom.core.paths import write_atomically
    from darkroom.lab.comparing.page import as_page
    from darkroom.press.typeset.vetting import fault_of

    try:
        write_atomically(target, as_page(found, fault_of).encode(), durable=False)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror or error}") from None


COMMANDS = {"status": _status}
