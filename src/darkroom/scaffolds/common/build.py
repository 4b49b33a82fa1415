"""Build the site: ``python build.py``; ``python build.py --help`` lists its commands."""

from darkroom.__main__ import run  # isort: skip  # first, so that Ctrl-C is one line from here on

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.exit(run(Path(__file__).parent))
