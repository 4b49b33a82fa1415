"""Kills a process at a chosen change of the file system, ``KILL_AT=role:n``; tests put it on the path.

Every file that is opened to be written, every rename, link, removal and new folder below ``KILL_ROOT`` counts, just before
it is done. With n = 0 nothing is killed, and how many there were is written to ``KILL_COUNT``.
"""

import os
import signal
import sys

_ROLE, _, _AT = os.environ.get("KILL_AT", "").partition(":")
_ROOT = os.environ.get("KILL_ROOT", "\0")
_MINE = "worker" if "darkroom.lab.running.worker" in sys.orig_argv else "main"
_CHANGES = {"os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "os.truncate", "sqlite3.connect"}
_seen = [0]


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open":
        path, _, flags = arguments
        if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR):
            return
    elif event in _CHANGES:
        path = arguments[0]
    else:
        return
    try:
        name = os.fsdecode(path)
    except TypeError:
        return
    if name.startswith(_ROOT) and "__pycache__" not in name:
        _seen[0] += 1
        if _AT == "0":
            _tell()
        elif _seen[0] == int(_AT):
            os.kill(os.getpid(), signal.SIGKILL)


def _tell() -> None:
    """At each change, since the program may end a worker that is done before its exit is reached."""
    with open(os.environ["KILL_COUNT"], "w") as file:  # noqa: PTH123
        file.write(str(_seen[0]))


if _ROLE == _MINE and "build.py" in " ".join([*sys.orig_argv, os.environ.get("KILL_PROGRAM", "")]):
    sys.addaudithook(_watch)
