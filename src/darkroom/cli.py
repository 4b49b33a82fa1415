"""The command line: ``python build.py``, and its commands run, status, accept, serve and check."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from darkroom.lab.errors import DarkroomError


def main(arguments: Sequence[str] | None = None, root: Path | None = None) -> int:
    """Do what the command line says; the exit code is 0, 1, 2, 3 or 130 as in ``lab.errors``."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    base = (root or Path.cwd()).resolve()
    try:
        return _command(given, base)
    except DarkroomError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; the outputs are as they were, and checkpoints are kept", file=sys.stderr)
        return 130


def _command(given: list[str], base: Path) -> int:
    import argparse

    from darkroom.lab import data
    from darkroom.lab.digests import Digests
    from darkroom.lab.discover import discover
    from darkroom.lab.run import Lab, Options, run

    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--outputs", default="experiments/outputs")
    common.add_argument("--data")
    parser = argparse.ArgumentParser(prog="build.py")
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", parents=[common])
    running.add_argument("ids", nargs="+")
    running.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    running.add_argument("--jobs", type=int, default=1)
    running.add_argument("--force", action="store_true")
    running.add_argument("--downstream", action="store_true")
    running.add_argument("--set", action="append", default=[], dest="settings")
    commands.add_parser("status", parents=[common])
    options = parser.parse_args(given)
    digests = Digests(base / ".darkroom" / "lab" / "digests.json")
    lab = Lab(base, base / options.outputs, discover(base, digests), digests, data.folder(options.data))
    if options.command == "run":
        how = Options(options.device, options.jobs, options.force, options.downstream, tuple(options.settings))
        outcome = run(lab, options.ids, how)
        for fault in outcome.faults:
            print(fault, file=sys.stderr)
        worst = max((error.exit_code for error in outcome.failed.values()), default=0)
        return worst or (3 if outcome.faults else 0)
    for identity, verdict in lab.planner().plan().verdicts.items():
        print(identity, verdict.state, *verdict.reasons[:4], verdict.to_draw)
    digests.save()
    return 0
