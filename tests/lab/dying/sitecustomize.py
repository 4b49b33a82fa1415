"""Kills a worker at a chosen moment, ``DIE_AT=moment:n``: the n-th time that it comes to it. Tests put it on the path."""

import os
import signal
import sys
from pathlib import Path

WHEN = os.environ.get("DIE_AT", "")


def _die_at_call(owner: object, name: str, count: int, *, after: bool = False, only: str = "") -> None:
    original = getattr(owner, name)
    left = [count]

    def dying(*arguments: object, **named: object) -> object:
        if only and only not in str(arguments):
            return original(*arguments, **named)
        left[0] -= 1
        if left[0] == 0 and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments, **named)
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, dying)


def _install(moment: str, count: int) -> None:
    from darkroom.lab.outputs import folders, results
    from darkroom.lab.running import provenance, run

    if moment == "saving":  # a checkpoint is written, and not yet in place
        _die_at_call(Path, "replace", count, only="checkpoint")
    elif moment == "saved":
        _die_at_call(run.Run, "save", count, after=True)
    elif moment == "writing":  # half of the results are written
        _die_at_call(results, "store_file", count)
    elif moment == "written":  # all of them, and nothing is in place
        _die_at_call(folders.OutputFolder, "publish", count)
    elif moment == "moving":  # the old ones are out of place, the new ones not yet in
        folders.exchange = lambda *_: False
        _die_at_call(Path, "rename", count, after=True)
    elif moment == "moved":
        _die_at_call(folders.OutputFolder, "publish", count, after=True)
    elif moment == "starting":
        _die_at_call(provenance, "commit", count)


if WHEN and "darkroom.lab.running.worker" in sys.orig_argv:
    _install(WHEN.partition(":")[0], int(WHEN.partition(":")[2]))
