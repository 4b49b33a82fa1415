import _signal  # signal itself takes milliseconds to import, and an interrupt meanwhile would end in a traceback
import os
import sys

_signal.signal(_signal.SIGINT, lambda *_: (os.write(2, b"interrupted; nothing was begun\n"), os._exit(130)))

from pathlib import Path  # noqa: E402

if sys.version_info < (3, 11):  # noqa: UP036  # said before anything is imported that an older one cannot read
    sys.exit("Darkroom needs Python 3.11 or newer; this is " + sys.version.split()[0] + ": " + sys.executable)
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "src")]

from darkroom.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(root=Path(__file__).parent))
