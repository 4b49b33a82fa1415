import _signal  # importing signal takes milliseconds, in which an interrupt would end in a traceback
import os
import sys

_signal.signal(_signal.SIGINT, lambda *_: (os.write(2, b"interrupted before anything started\n"), os._exit(130)))

from pathlib import Path  # noqa: E402

if sys.version_info < (3, 11):  # noqa: UP036  # checked before importing anything that older versions cannot parse
    sys.exit("Darkroom needs Python 3.11 or newer; this is " + sys.version.split()[0] + ": " + sys.executable)
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "src")]

from darkroom.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(root=Path(__file__).parent))
