"""Build the site: ``python build.py``; ``python build.py --help`` lists its commands."""

import sys
from pathlib import Path

from darkroom.__main__ import run

if __name__ == "__main__":
    sys.exit(run(Path(__file__).parent))
