"""The command ``darkroom``, and ``python -m darkroom``: all that ``python build.py`` does, from any folder of a project."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # importing signal takes milliseconds, in which an interrupt would end in a traceback
import os
import sys

_signal.signal(_signal.SIGINT, lambda *_: (os.write(2, b"interrupted before anything started\n"), os._exit(130)))

TYPE_CHECKING = False  # typing and pathlib take a while to import
if TYPE_CHECKING:
    from pathlib import Path


def run(root: Path | None = None) -> int:
    """Run the command line; *root* is the project's folder, by default the nearest from the current one upwards."""
    from darkroom.cli import main

    return main(root=root)


if __name__ == "__main__":
    sys.exit(run())
