"""``python -m darkroom.cli``, which is ``python -m darkroom``."""

import sys

from darkroom.cli import main

if __name__ == "__main__":
    sys.exit(main())
