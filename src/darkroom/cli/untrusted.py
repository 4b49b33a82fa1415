"""What ``--untrusted`` refuses."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from darkroom.core.errors import UsageError


def refuse(call: SimpleNamespace, root: Path) -> None:
    """Refuse commands that would write into an untrusted project, or run its code.

    Raises:
        UsageError: it would.
    """
    if call.command in {"clean", "gc", "run", "import", "accept", "serve", "pdf", "single"}:
        raise UsageError(
            f"{call.command} --untrusted: an untrusted project can only be read; use build, check, status, compare or trace"
        )
    if not root.is_dir():
        raise UsageError(f"--untrusted {call.untrusted}: no such folder")
    for name in ("templates", "src", "experiments", "experiments/outputs"):
        if not (root / name).resolve().is_relative_to(root):
            raise UsageError(
                f"--untrusted {call.untrusted}: {name} is a link out of the project; replace it by the folder"
            )
    if call.command == "compare" and call.html and Path(call.html).resolve().is_relative_to(root):
        raise UsageError(f"--html {call.html}: inside the untrusted project; choose another folder")
    if call.command not in {"status", "compare", "trace"} and not call.site:
        raise UsageError("--untrusted needs --site DIR: nothing is written into an untrusted project")
    if call.site and Path(call.site).resolve().is_relative_to(root):
        raise UsageError(f"--site {call.site}: inside the untrusted project; choose another folder")
